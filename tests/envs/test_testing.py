"""The conformance checks pass for a good environment, and each fails for one that breaks it."""

import os
import pickle
import random
import subprocess
import sys
import time

import gymnasium
import numpy as np
import pytest
import toy

from qevolve_envs import testing
from qevolve_envs.agent import TaskView
from qevolve_envs.core import ActionResult, Feedback, Task
from qevolve_envs.errors import BenchError
from qevolve_envs.fuzz_inputs import HOSTILE_INPUTS, junk
from qevolve_envs.registration import find_spec
from qevolve_envs.testing import ConformanceError, TextEnvConformance


class TestRegistered(TextEnvConformance):
    env_id = toy.ENTRY.id
    kwargs = {"extra_length": 2}  # noqa: RUF012


class TestUnregistered(TextEnvConformance):
    def make(self, **kwargs):
        return toy.Corridor(extra_length=1, **kwargs)


def broken(base=toy.Corridor, **methods):
    """A corridor with some methods replaced."""
    return type("Broken", (base,), methods)


def fails(check, env, match, **kwargs):
    with pytest.raises(ConformanceError, match=f"(?s){match}"):
        check(env, **kwargs)


def with_answer(change):
    """A corridor whose `step` answers are changed."""

    def step(self, action):
        return change(self, *toy.Corridor.step(self, action))

    return broken(step=step)


def with_info(**values):
    """A corridor whose `info` after `step` is changed."""
    return with_answer(lambda self, o, r, t, u, info: (o, r, t, u, {**info, **values}))


def fuzz(env, **kwargs):
    return testing.fuzz(env, 200, **kwargs)


# ── the answers ─────────────────────────────────────────────────────────────


def test_observation_outside_of_its_space():
    accents = with_answer(lambda self, o, *rest: ("é" + o, *rest))
    fails(fuzz, accents, "not in the observation space")
    fails(testing.check_spaces, accents, "checker says")
    endless = with_answer(lambda self, o, *rest: (o * 20_000, *rest))
    fails(fuzz, endless, "not in the observation space")


def test_step_that_raises():
    def encodes(self, command):
        command.encode()
        return toy.Corridor._act(self, command)

    fails(fuzz, broken(_act=encodes), "raises UnicodeEncodeError")

    def formats(self, command):
        f"You {command}".format()
        return toy.Corridor._act(self, command)

    fails(fuzz, broken(_act=formats), r"step\('.*'\) raises")


def test_step_of_another_shape():
    fails(fuzz, with_answer(lambda self, o, r, t, u, i: (o, r, t, i)), "not a 5-tuple")


def test_info_without_a_key():
    def drop(self, o, r, t, u, info):
        del info["score"]
        return o, r, t, u, info

    fails(fuzz, with_answer(drop), "info lacks 'score'")


def test_info_with_a_key_now_and_then():
    fails(fuzz, with_info(extra=1), "info has the keys")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"score": 2.0}, "not in"),
        ({"score": float("nan")}, "not in"),
        ({"score": 0}, "score.* is a int"),
        ({"score": np.float64(0)}, "score.* is a float64"),
        ({"won": True, "score": 0.5}, "won with a score of 0.5"),
        ({"won": True, "score": 1.0}, "won, but not terminated"),
        ({"won": 0}, "won.* is a int"),
        ({"feedback": "ok"}, "feedback.* is a str"),
        ({"goal": ""}, "goal.* is empty"),
        ({"goal": "Another one."}, "goal changed"),
        ({"task_id": "corridor/train/99"}, "task_id changed"),
    ],
)
def test_info_with_a_wrong_value(values, match):
    fails(fuzz, with_info(**values), match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda self, o, r, t, u, i: (o, int(r), t, u, i), "reward is a int"),
        (lambda self, o, r, t, u, i: (o, r, np.bool_(t), u, i), "terminated is a bool"),
        (lambda self, o, r, t, u, i: (o, r, t, 0, i), "truncated is a int"),
        (lambda self, o, r, t, u, i: (o, r - 0.01, t, u, i), "sparse reward is -0.01, not 0"),
    ],
)
def test_wrong_reward_or_flags(change, match):
    fails(fuzz, with_answer(change), match)


def test_dense_reward_that_is_not_the_increase():
    env = with_answer(lambda self, o, r, t, u, i: (o, i["score"], t, u, i))
    fails(fuzz, env, "dense reward", reward="dense")


def test_unchanged_observation_reported_as_ok():
    env = with_info(feedback=Feedback.OK)
    fails(fuzz, env, "reports OK for an observation that did not change")


@pytest.mark.parametrize("name", ["_won", "_score", "_goal", "_observation", "_task_id", "_state"])
def test_natural_attribute_of_a_subclass_changes_nothing(name):
    def act(self, command):
        result = toy.Corridor._act(self, command)
        setattr(self, name, self._progress()[1])
        return result

    env = broken(_act=act)()
    expert = env.expert()
    observation, info = env.reset(seed=0)
    expert.reset([TaskView("", info["task_id"], info["goal"], 0, env.admissible_commands)])
    paid, terminated = 0.0, False
    while not terminated:
        observation, reward, terminated, _, info = env.step(expert.act([observation])[0])
        paid += reward
    assert info["won"]
    assert paid == 1.0
    testing.check_names(broken(_act=act))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reward", 0.5),
        ("split", "left"),
        ("admissible", ["look"]),
        ("render_mode", "human"),
        ("_commands", ["look"]),
        ("_info", {}),
        ("reset", None),
    ],
)
def test_attribute_that_replaces_one_of_the_base_class(name, value):
    def act(self, command):
        setattr(self, name, value)
        return toy.Corridor._act(self, command)

    fails(testing.check_names, broken(_act=act), f"self.{name} of Broken replaces .* {name!r}")


@pytest.mark.parametrize(
    "name", ["_info", "reward", "current_task_id", "last_observation", "admissible_commands"]
)
def test_method_that_replaces_one_of_the_base_class(name):
    env = broken(**{name: lambda self: {}})
    fails(testing.check_names, env, f"Broken.{name} replaces TextEnv's own {name!r}")


def test_dishonest_commands():
    fails(fuzz, broken(_commands=lambda self: ["fly", "look"]), "was admissible but is malformed")
    fails(fuzz, broken(_commands=lambda self: ["look", "left"]), "not sorted and unique")
    fails(fuzz, broken(_commands=lambda self: ["look", "look"]), "not sorted and unique")


def test_fuzz_counts_every_step():
    counts = testing.fuzz(toy.ENTRY.id, 1_000, seed=5)
    assert sum(counts.values()) == 1_000
    assert min(counts.values()) > 0
    assert counts == testing.fuzz(toy.ENTRY.id, 1_000, seed=5)


def test_junk_is_seeded_and_wild():
    texts = [junk(np.random.default_rng(i), ["take key"]) for i in range(500)]
    assert texts == [junk(np.random.default_rng(i), ["take key"]) for i in range(500)]
    assert any("\ud800" <= c <= "\udfff" for text in texts for c in text)
    assert max(map(len, HOSTILE_INPUTS)) >= 100_000 and "" in HOSTILE_INPUTS
    assert "TAKE KEY" in texts and "  take key \n" in texts


# ── spaces, specification, tasks, names ─────────────────────────────────────


def test_rendering_something_else():
    env = broken(render=lambda self: "a picture" if self.render_mode else None)
    fails(testing.check_spaces, env, "not the last observation")


def test_specification_that_is_not_json():
    fails(
        testing.check_serialisable,
        lambda **kwargs: gymnasium.make(toy.ENTRY.id, extra_length=np.int64(1), **kwargs),
        "not JSON",
    )


def test_panels_that_overlap():
    env = broken(task_ids=lambda self, split: ["corridor/train/00"])
    fails(testing.check_tasks, env, "more than one place|has the split")


def test_empty_panel():
    fails(testing.check_tasks, broken(task_ids=lambda self, split: []), "no tasks")


def test_task_that_is_described_wrongly():
    def task(self, task_id):
        real = toy.Corridor.task(self, task_id)
        return Task(real.id, "train", real.goal, real.content)

    fails(testing.check_tasks, broken(task=task), "has the split 'train'")

    def no_json(self, task_id):
        real = toy.Corridor.task(self, task_id)
        return Task(real.id, real.split, real.goal, {**real.content, "at": {1}})

    fails(testing.check_tasks, broken(task=no_json), "not JSON")


def test_reset_that_plays_another_task():
    def reset(self, *, seed=None, options=None):
        return toy.Corridor.reset(self, seed=seed)

    fails(testing.check_tasks, broken(reset=reset), "reset plays")


def test_task_that_depends_on_the_seed():
    def begin(self, task_id):
        goal, text = toy.Corridor._begin(self, task_id)
        return goal, f"{text} {self.np_random.integers(1000)}"

    fails(testing.check_tasks, broken(_begin=begin), "another seed or copy")


def test_draws_that_ignore_the_seed():
    def reset(self, *, seed=None, options=None):
        return toy.Corridor.reset(self, options=options)

    fails(testing.check_tasks, broken(reset=reset), "different tasks")


def test_draws_from_another_split():
    def init(self, *, split="train", **kwargs):
        toy.Corridor.__init__(self, **kwargs)

    fails(testing.check_tasks, broken(__init__=init), "not of that split")


def test_unknown_names_that_are_accepted():
    def reset(self, *, seed=None, options=None):
        task = (options or {}).get("task")
        known = isinstance(task, str) and task.startswith("corridor")
        return toy.Corridor.reset(self, seed=seed, options=options if known else None)

    fails(testing.check_unknown_names, broken(reset=reset), "is accepted")

    def task(self, task_id):
        raise KeyError(task_id)

    fails(testing.check_unknown_names, broken(task=task), "raises KeyError, not UnknownName")

    def init(self, *, split="train", **kwargs):
        toy.Corridor.__init__(self, split=split if split in self.splits else "train", **kwargs)

    fails(testing.check_unknown_names, broken(__init__=init), "split='trainx' is accepted")


# ── determinism ─────────────────────────────────────────────────────────────


def test_global_random_generators():
    for chance in (random.random, np.random.rand):

        def act(self, command, chance=chance):
            outcome = toy.Corridor._act(self, command)
            return ActionResult(f"{outcome.observation} {chance():.6f}", outcome.feedback)

        fails(testing.check_repeatable, broken(_act=act), "the second time|global random")


def test_global_generator_that_is_only_consumed():
    def act(self, command):
        random.random()
        return toy.Corridor._act(self, command)

    fails(testing.check_repeatable, broken(_act=act), "a global random generator is used")


def test_check_leaves_the_global_generators_as_they_were():
    states = testing._global_state()
    testing.check_repeatable(toy.Corridor)
    assert testing._global_state() == states


def test_state_shared_between_copies():
    count = []

    def act(self, command):
        count.append(command)
        outcome = toy.Corridor._act(self, command)
        return ActionResult(f"{outcome.observation} {len(count)}", outcome.feedback)

    fails(testing.check_repeatable, broken(_act=act), "observation is .* the second time")


def test_asking_for_commands_changes_the_world():
    def commands(self):
        self._position = 0
        return toy.Corridor.admissible_commands(self)

    fails(testing.check_repeatable, broken(admissible_commands=commands), "depends on whether")


def test_copies_that_disturb_each_other_in_threads():
    shared = {}

    def act(self, command):
        shared["position"] = self._position
        time.sleep(0.0005)
        self._position = shared["position"]
        return toy.Corridor._act(self, command)

    testing.check_repeatable(broken(_act=act), steps=20)
    fails(testing.check_threads, broken(_act=act), "in a thread", seed=1)


class HashOrder(toy.Corridor):
    """Describes things in the order of a set."""

    def _look(self):
        return super()._look() + " " + " ".join({"lamp", "rug", "vase", "clock", "chair"})


class HashOrderPanel(toy.Corridor):
    """Only the description of a task depends on the order of a set."""

    def task(self, task_id):
        task = super().task(task_id)
        content = {**task.content, "things": list({"lamp", "rug", "vase", "clock", "chair"})}
        return Task(task.id, task.split, task.goal, content)


def test_hash_order():
    testing.check_repeatable(HashOrder)
    fails(
        testing.check_processes, HashOrder, "observation is .*PYTHONHASHSEED=", hash_seeds=(1, 2, 3)
    )
    testing.check_repeatable(HashOrderPanel)
    fails(
        testing.check_processes, HashOrderPanel, "the panel 'train' differs", hash_seeds=(1, 2, 3)
    )


class OnlyHere(toy.Corridor):
    """Cannot be made under one hash seed."""

    def __init__(self, **kwargs):
        if os.environ.get("PYTHONHASHSEED") == "4242":
            raise BenchError("not here")
        super().__init__(**kwargs)


def test_failure_in_the_other_process_is_told():
    fails(testing.check_processes, OnlyHere, "fresh process failed.*not here", hash_seeds=[4242])


def test_pickling_that_fails_or_forgets():
    def init(self, **kwargs):
        toy.Corridor.__init__(self, **kwargs)
        self.callback = lambda: None

    fails(testing.check_pickling, broken(__init__=init), "Pickling raises")
    fails(testing.check_pickling, Forgetful, "once (unpickled|copied)")


class Forgetful(toy.Corridor):
    """Loses where it is."""

    def __getstate__(self):
        return {**self.__dict__, "_position": 0}


# ── traces and panels ───────────────────────────────────────────────────────


def test_trace_is_chained_and_seeded():
    one = testing.trace(toy.ENTRY.id, "corridor/unseen/01", seed=3, steps=60)
    assert one == testing.trace(find_spec(toy.ENTRY.id).make, "corridor/unseen/01", 3, 60)
    assert len(one) == 61 and one[0].action is None
    assert sum(record.action is None for record in one) > 1
    assert '"task_id": "corridor/unseen/01"' in one[0].info
    other = testing.trace(toy.ENTRY.id, "corridor/unseen/01", seed=4, steps=60)
    assert one[-1].digest != other[-1].digest
    assert len({record.digest for record in one}) == 61
    assert pickle.loads(pickle.dumps(one)) == one


def test_panel_digests():
    digests = testing.panel_digests(toy.ENTRY.id)
    assert list(digests) == ["train", "unseen"]
    assert all(len(digest) == 64 for digest in digests.values())
    assert testing.panel_digests(toy.ENTRY.id, extra_length=1) != digests


def test_testing_imports_without_pytest():
    code = (
        "import sys; sys.modules['pytest'] = sys.modules['_pytest'] = None;"
        "import qevolve_envs.testing; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
