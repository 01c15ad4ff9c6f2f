"""Lockstep, Gymnasium's loop and processes are the same environment."""

import json
import multiprocessing
import pickle

import gymnasium
import numpy as np
import pytest
import toy
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from qevolve_envs.core import Feedback
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.vector import LockstepVectorEnv, make_vec

ENV = toy.ENTRY.id
NUM = 3
AUTORESETTING = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


def plain(value):
    """Vectorised values as JSON, so that arrays of any type compare by value and dtype."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, np.ndarray):
        return [str(value.dtype), [plain(v) for v in value.tolist()]]
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return f"{type(value).__name__}:{value}"


def actions_of(seed, steps):
    rng = np.random.default_rng(seed)
    junk = ["", "dance", "\x00\ud800", "take key", "open door"]
    words = [*toy.COMMANDS, *toy.COMMANDS, "right", "right", "right", *junk]
    return [[words[i] for i in rng.integers(len(words), size=NUM)] for _ in range(steps)]


def play(envs, steps=70, seed=11, mask_resets=False):
    """The whole trajectory, with an explicit reset in the middle of it."""
    trajectory, ended = [envs.reset(seed=seed)], 0
    for number, actions in enumerate(actions_of(seed, steps)):
        if number == steps // 2:
            trajectory.append(envs.reset(options={"task": "corridor/unseen/01"}))
        trajectory.append(envs.step(actions))
        over = trajectory[-1][2] | trajectory[-1][3]
        ended += int(over.sum())
        if mask_resets and over.any():
            trajectory.append(envs.reset(options={"reset_mask": over}))
    assert ended >= NUM
    assert all(step[0] in envs.observation_space for step in trajectory)
    envs.close()
    return [json.dumps(plain(step)) for step in trajectory]


@pytest.mark.parametrize("autoreset", AUTORESETTING)
@pytest.mark.parametrize("kwargs", [{}, {"admissible": True, "reward": "dense"}])
def test_three_modes_give_the_same_trajectories(autoreset, kwargs):
    runs = [
        play(make_vec(ENV, NUM, mode=mode, autoreset_mode=autoreset, **kwargs))
        for mode in ("lockstep", "sync", "async")
    ]
    assert runs[0] == runs[1]
    assert runs[0] == runs[2]


def test_three_modes_agree_without_autoreset():
    runs = [
        play(make_vec(ENV, NUM, mode=mode, autoreset_mode="Disabled"), mask_resets=True)
        for mode in ("lockstep", "sync", "async")
    ]
    assert runs[0] == runs[1] == runs[2]


def test_lockstep_equals_gymnasiums_own_vectoriser():
    # Not our `make_vec`: nothing of ours but the environment is in the second one.
    ours = gymnasium.make_vec(ENV, NUM, admissible=True)
    theirs = gymnasium.make_vec(ENV, NUM, vectorization_mode="sync", admissible=True)
    assert isinstance(ours, LockstepVectorEnv)
    assert isinstance(theirs, SyncVectorEnv)
    assert play(ours) == play(theirs)


@pytest.mark.parametrize("mode", ["lockstep", "sync", "async"])
def test_each_copy_gets_its_own_task(mode):
    tasks = ["corridor/unseen/02", None, "corridor/train/05"]
    envs = make_vec(ENV, NUM, mode=mode, split="unseen")
    options = {"task": tasks}
    _, info = envs.reset(seed=0, options=options)
    assert [info["task_id"][i] for i in (0, 2)] == [tasks[0], tasks[2]]
    assert info["task_id"][1].startswith("corridor/unseen/")
    assert options == {"task": tasks}
    envs.close()


def test_explicit_reset_after_the_end_keeps_the_next_action():
    """Gymnasium's own asynchronous worker swallows it; ours must not."""
    for mode in ("lockstep", "sync", "async"):
        envs = make_vec(ENV, 1, mode=mode, max_episode_steps=1)
        envs.reset(seed=0)
        assert envs.step(["look"])[3].all()
        envs.reset(seed=0)
        observations, _, _, truncations, info = envs.step(["dance"])
        assert info["feedback"][0] == Feedback.MALFORMED, mode
        assert "dance" in observations[0] and truncations.all()
        envs.close()


def test_why_shared_memory_is_off():
    """With Gymnasium's default, the text that an agent would read is not the environment's."""
    envs = gymnasium.make_vec(ENV, 2, vectorization_mode="async")
    garbled, _ = envs.reset(seed=0)
    envs.close()
    envs = make_vec(ENV, 2, mode="async")
    texts, _ = envs.reset(seed=0)
    envs.close()
    assert all(text.startswith("Your task: Open the door") for text in texts)
    if tuple(garbled) == tuple(texts):  # pragma: no cover
        pytest.fail("Gymnasium now carries Text through shared memory: the work-around can go.")


def test_processes_may_be_spawned():
    envs = make_vec(ENV, 2, mode="async", context="spawn")
    spawned, _ = envs.reset(seed=3)
    envs.close()
    assert spawned == make_vec(ENV, 2).reset(seed=3)[0]


def test_close_leaves_no_processes():
    before = {p.pid for p in multiprocessing.active_children()}
    envs = make_vec(ENV, NUM, mode="async")
    assert isinstance(envs, AsyncVectorEnv)
    envs.reset(seed=0)
    pids = [p.pid for p in envs.processes]
    envs.close()
    assert {p.pid for p in multiprocessing.active_children()} == before
    assert len(pids) == NUM and not any(p.is_alive() for p in envs.processes)


@pytest.mark.parametrize("mode", ["lockstep", "sync", "async"])
@pytest.mark.parametrize("autoreset", list(AutoresetMode))
def test_autoreset_mode_is_declared(mode, autoreset):
    envs = make_vec(ENV, 1, mode=mode, autoreset_mode=autoreset)
    assert envs.metadata["autoreset_mode"] is autoreset
    envs.close()
    assert "autoreset_mode" not in toy.Corridor.metadata


def test_observation_is_a_tuple_of_text_and_info_is_masked():
    envs = make_vec(ENV, NUM, admissible=True)
    observations, info = envs.reset(seed=0)
    assert isinstance(observations, tuple) and observations in envs.observation_space
    assert info["task_id"].dtype == object and info["admissible_commands"].dtype == object
    assert info["score"].dtype == np.float64 and info["won"].dtype == np.bool_
    assert info["_feedback"].tolist() == [True] * NUM


def test_same_step_hands_over_the_last_observation():
    envs = make_vec(ENV, 2, autoreset_mode="SameStep", max_episode_steps=2)
    envs.reset(seed=0)
    envs.step(["look", "look"])
    observations, _, _, truncations, info = envs.step(["dance", "look"])
    assert truncations.all()
    assert "dance" in info["final_obs"][0]
    assert info["final_info"]["feedback"][0] == Feedback.MALFORMED
    assert all(o.startswith("Your task") for o in observations)
    assert info["feedback"].tolist() == [Feedback.OK, Feedback.OK]


def test_next_step_ignores_the_action_of_the_reset():
    envs = make_vec(ENV, 1, max_episode_steps=1, reward="dense")
    envs.reset(seed=0)
    envs.step(["look"])
    observations, rewards, terminations, truncations, _ = envs.step(["dance"])
    assert observations[0].startswith("Your task")
    assert not (rewards.any() or terminations.any() or truncations.any())


def test_reset_mask_leaves_the_others_alone():
    envs = make_vec(ENV, NUM, autoreset_mode="Disabled")
    envs.reset(seed=0)
    moved, *_ = envs.step(["right"] * NUM)
    options = {"reset_mask": np.array([False, True, False]), "task": "corridor/unseen/00"}
    observations, info = envs.reset(options=options)
    assert "reset_mask" in options
    assert observations[0] == moved[0] and observations[2] == moved[2]
    assert observations[1].startswith("Your task")
    assert info["_task_id"].tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("mask", "error"),
    [
        ([True, False, False], TypeError),
        (np.array([1, 0, 0]), TypeError),
        (np.array([True, False]), ValueError),
        (np.zeros(NUM, dtype=bool), ValueError),
    ],
)
def test_bad_reset_mask(mask, error):
    envs = make_vec(ENV, NUM)
    envs.reset(seed=0)
    with pytest.raises(error, match="reset_mask"):
        envs.reset(options={"reset_mask": mask})


def test_misuse_is_one_sentence():
    with pytest.raises(UnknownName, match="'lockstep'"):
        make_vec(ENV, 1, mode="lockstp")
    with pytest.raises(UnknownName, match="'NextStep'"):
        make_vec(ENV, 1, autoreset_mode="NextSteps")
    with pytest.raises(BenchError, match="at least one"):
        make_vec(ENV, 0)
    with pytest.raises(UnknownName, match="'unseen'"):
        make_vec(ENV, 1, split="unsen")
    with pytest.raises(gymnasium.error.NameNotFound, match="Corridor"):
        make_vec("toy/Coridor-v0", 1)
    envs = make_vec(ENV, 2, autoreset_mode="Disabled", max_episode_steps=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(["look", "look"])
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset(seed=[1, None])
    with pytest.raises(BenchError, match="2 actions"):
        envs.step(["look"])
    with pytest.raises(BenchError, match="2 actions"):
        envs.step("ab")
    with pytest.raises(BenchError, match="2 seeds"):
        envs.reset(seed=[1])
    with pytest.raises(BenchError, match="2 tasks"):
        envs.reset(options={"task": ["corridor/train/00"]})
    envs.step(["look", "look"])
    with pytest.raises(gymnasium.error.ResetNeeded, match="environment 0 is over"):
        envs.step(["look", "look"])
    envs.close()
    envs.close()
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        envs.reset()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Gymnasium logs the worker's traceback.
def test_processes_refuse_a_step_after_the_end_too():
    envs = make_vec(ENV, 1, mode="async", autoreset_mode="Disabled", max_episode_steps=1)
    envs.reset(seed=0)
    envs.step(["look"])
    with pytest.raises(gymnasium.error.ResetNeeded, match="is over"):
        envs.step(["look"])
    envs.close()


def test_horizon_can_be_changed_and_removed():
    for horizon in (None, -1):
        envs = LockstepVectorEnv(toy.Corridor, 1, max_episode_steps=horizon)
        envs.reset(seed=0)
        assert not any(envs.step(["look"])[3][0] for _ in range(60))
    envs = make_vec(ENV, 1)
    envs.reset(seed=0)
    ends = [bool(envs.step(["look"])[3][0]) for _ in range(20)]
    assert ends == [False] * 19 + [True]


@pytest.mark.parametrize("mode", ["lockstep", "sync", "async"])
def test_attributes_and_rendering(mode):
    envs = make_vec(ENV, 2, mode=mode, render_mode="ansi")
    texts, _ = envs.reset(seed=4)
    assert tuple(envs.render()) == texts
    assert envs.call("admissible_commands") == (["look", "right"],) * 2
    assert envs.get_attr("split") == ("train", "train")
    envs.set_attr("reward", ["sparse", "dense"])
    assert envs.get_attr("reward") == ("sparse", "dense")
    assert tuple(envs.np_random_seed) == (4, 5)
    assert len(envs.np_random) == 2
    envs.close()


def test_spec_can_be_serialised_and_made_again():
    envs = gymnasium.make_vec(ENV, 2, split="unseen", autoreset_mode="SameStep")
    spec = gymnasium.envs.registration.EnvSpec.from_json(envs.spec.to_json())
    again = gymnasium.make_vec(spec)
    assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert again.reset(seed=1)[0] == envs.reset(seed=1)[0]


def test_a_module_can_be_named_with_the_id():
    for mode in ("lockstep", "sync"):
        envs = make_vec(f"toy:{ENV}", 1, mode=mode)
        assert envs.reset(seed=0)[0]
        envs.close()


def test_module_attributes_are_ids_only():
    import qevolve_envs.vector as vector

    for name in ("toy/Nothing-v0", "Nothing"):
        with pytest.raises(AttributeError):
            getattr(vector, name)


def test_lockstep_copies_can_be_pickled():
    envs = make_vec(ENV, 2)
    envs.reset(seed=0)
    envs.step(["right", "dance"])
    again = pickle.loads(pickle.dumps(envs))
    assert plain(again.step(["right", "look"])) == plain(envs.step(["right", "look"]))
