"""The environment contract, seen from the smallest environment that keeps it."""

import hashlib
import json

import gymnasium
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from qevolve_envs.core import (
    CHARSET,
    MAX_ACTION,
    MAX_OBSERVATION,
    Feedback,
    TextEnv,
    to_text,
)
from qevolve_envs.errors import BenchError, UnknownName

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)


@given(ANY_TEXT)
def test_to_text_lands_in_the_charset(text):
    assert CHARSET.issuperset(to_text(text))


@given(ANY_TEXT)
def test_to_text_is_idempotent(text):
    assert to_text(to_text(text)) == to_text(text)


@given(st.text(sorted(CHARSET)))
def test_to_text_leaves_plain_text_alone(text):
    assert to_text(text) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("café", "cafe"),
        ("ﬁne", "fine"),
        ("a\tb", "a b"),
        ("a\r\nb", "a\nb"),
        ("a\x00b", "a?b"),
        ("\ud800", "?"),
        ("去", "?"),
    ],
)
def test_to_text_examples(text, plain):
    assert to_text(text) == plain


@pytest.fixture
def env():
    return toy.Corridor()


def test_spaces(env):
    for space, length in (
        (env.observation_space, MAX_OBSERVATION),
        (env.action_space, MAX_ACTION),
    ):
        assert isinstance(space, gymnasium.spaces.Text)
        assert (space.min_length, space.max_length) == (0, length)
        assert space.character_set == CHARSET


def test_first_info_of_an_episode(env):
    _, info = env.reset(seed=0, options={"task": "corridor/unseen/02"})
    assert info == {
        "task_id": "corridor/unseen/02",
        "goal": "Open the door at the end of the corridor.",
        "feedback": Feedback.OK,
        "score": 0.0,
        "won": False,
    }


def test_four_kinds_of_feedback(env):
    env.reset(options={"task": "corridor/train/00"})
    told = [env.step(action)[4]["feedback"] for action in ("right", "look", "open door", "x")]
    assert told == [Feedback.OK, Feedback.UNCHANGED, Feedback.INVALID, Feedback.MALFORMED]


def solve(env, task):
    env.reset(options={"task": task})
    content = env.task(task).content
    actions = ["right"] * content["key"] + ["take key"]
    actions += ["right"] * (content["length"] - content["key"]) + ["open door"]
    return [env.step(action) for action in actions]


def test_sparse_reward_is_paid_once(env):
    answers = solve(env, "corridor/train/01")
    assert [a[1] for a in answers] == [0.0] * (len(answers) - 1) + [1.0]
    assert answers[-1][2] is True and answers[-1][4]["won"] is True
    assert not any(a[3] for a in answers)
    assert env.step("look")[1] == 0.0


def test_dense_reward_adds_up_to_the_score():
    answers = solve(toy.Corridor(reward="dense"), "corridor/train/01")
    assert sum(a[1] for a in answers) == 1.0
    assert sorted({a[1] for a in answers}) == [0.0, 0.5]


def test_observations_are_normalised():
    class Accents(toy.Corridor):
        def _look(self):
            return super()._look() + " C'est l'été.\x07"

    observation, _ = Accents().reset(seed=0)
    assert observation.endswith("C'est l'ete.?")


def test_actions_that_are_no_strings_do_not_raise(env):
    env.reset(seed=0)
    for action in (None, 5, b"look", ["look"]):
        assert env.step(action)[4]["feedback"] is Feedback.MALFORMED


def test_seed_draws_the_tasks(env):
    def draws(seed):
        first = env.reset(seed=seed)[1]["task_id"]
        return [first] + [env.reset()[1]["task_id"] for _ in range(5)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)
    assert all(task.startswith("corridor/train/") for task in draws(1))


def test_naming_a_task_draws_nothing(env):
    env.reset(seed=1)
    expected = env.reset()[1]["task_id"]
    env.reset(seed=1)
    env.reset(options={"task": "corridor/unseen/00"})
    assert env.reset()[1]["task_id"] == expected


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "corridor/train/99"}, "Unknown task 'corridor/train/99': did you mean"),
        ({"task": 3}, "Unknown task id 3"),
        ({"tsk": "x"}, "Unknown reset option 'tsk': did you mean 'task'?"),
    ],
)
def test_unknown_reset_options(env, options, sentence):
    with pytest.raises(UnknownName, match=sentence):
        env.reset(options=options)


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"split": "unsen"}, "Unknown split 'unsen': did you mean 'unseen'?"),
        ({"reward": "x"}, "Unknown reward 'x': choose one of sparse, dense."),
        ({"render_mode": "human"}, "Unknown render_mode 'human': choose one of ansi."),
    ],
)
def test_unknown_arguments(kwargs, sentence):
    with pytest.raises(UnknownName) as caught:
        toy.Corridor(**kwargs)
    assert str(caught.value) == sentence


def test_empty_split_is_a_sentence():
    class Empty(toy.Corridor):
        def task_ids(self, split):
            return []

    with pytest.raises(BenchError, match="Split 'train' has no tasks"):
        Empty().reset(seed=0)


def test_admissible_commands_on_request(env):
    env.reset(options={"task": "corridor/train/00"})
    assert env.admissible_commands() == ["look", "right"]
    _, info = toy.Corridor(admissible=True).reset(options={"task": "corridor/train/00"})
    assert info["admissible_commands"] == ["look", "right"]


def test_rendering_is_the_last_observation(env):
    env.reset(seed=0)
    assert env.render() is None
    env = toy.Corridor(render_mode="ansi")
    observation, _ = env.reset(seed=0)
    assert env.render() == observation
    observation, *_ = env.step("dance")
    assert env.render() == observation


def test_panel_digest_covers_every_task(env):
    lines = []
    for task_id in env.task_ids("unseen"):
        task = env.task(task_id)
        record = {"content": task.content, "goal": task.goal, "id": task.id, "split": task.split}
        lines.append(json.dumps(record, sort_keys=True, separators=(",", ":")) + "\n")
    assert env.panel_digest("unseen") == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_no_expert_is_a_sentence():
    class NoExpert(toy.Corridor):
        expert = TextEnv.expert

    with pytest.raises(BenchError, match="NoExpert has no scripted expert"):
        NoExpert().expert()


def test_reward_of_a_step_before_reset_is_refused_by_the_registry():
    with pytest.raises(gymnasium.error.ResetNeeded):
        gymnasium.make(toy.ENTRY.id).step("look")
