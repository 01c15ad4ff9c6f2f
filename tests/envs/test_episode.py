"""The record that everything shares: exact round trips, and strict reading."""

import dataclasses
import hashlib
import json

import gymnasium
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from qevolve_envs.core import Feedback
from qevolve_envs.episode import SCHEMA, Episode, Step, read_episodes, write_episodes
from qevolve_envs.errors import BadFile

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 2**40)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), NUMBER, TEXT)
FEEDBACK = st.sampled_from([f.value for f in Feedback])
STEPS = st.builds(Step, TEXT, TEXT, NUMBER, FEEDBACK, NUMBER, COUNT, COUNT)
EPISODES = st.builds(
    Episode,
    env_id=TEXT,
    env_kwargs=st.dictionaries(TEXT, SCALAR, max_size=3),
    task_id=TEXT,
    split=TEXT,
    seed=COUNT,
    agent=TEXT,
    goal=TEXT,
    first_observation=TEXT,
    steps=st.lists(STEPS, max_size=4),
    score=NUMBER,
    won=st.booleans(),
    terminated=st.booleans(),
    truncated=st.booleans(),
    error=st.none() | TEXT,
    digest=TEXT,
)


@given(EPISODES)
def test_round_trip(episode):
    line = episode.to_json()
    assert line.isascii() and "\n" not in line
    assert Episode.from_json(line) == episode
    assert Episode.from_json(line).to_json() == line


@given(EPISODES)
def test_the_line_is_what_json_writes(episode):
    compact = {"ensure_ascii": True, "separators": (",", ":")}
    assert episode.to_json() == json.dumps(dataclasses.asdict(episode), **compact)


@given(TEXT, TEXT, NUMBER, st.booleans(), st.lists(st.tuples(STEPS, *[st.booleans()] * 3)))
def test_the_digest_chains_what_json_writes(goal, first, score, won, answers):
    episode = Episode("e", {}, "t", "train", 0, "a")
    episode.begin(first, {"goal": goal, "score": score, "won": won})
    chain = [["t", goal, first, score, won]]
    for step, won, terminated, truncated in answers:
        info = {"feedback": Feedback(step.feedback), "score": step.score, "won": won}
        answer = step.observation, step.reward, terminated, truncated, info
        quoted = episode.record(step.action, *answer)
        assert quoted == json.dumps(step.observation)
        assert episode.steps[-1].to_json(quoted) == episode.steps[-1].to_json()
        flags = [won, terminated, truncated]
        chain.append([step.observation, step.reward, step.feedback, step.score, *flags])
    digest = ""
    for link in chain:
        text = json.dumps([digest, *link], separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
    assert episode.digest == digest


def test_unknown_feedback_is_not_recorded():
    with pytest.raises(ValueError, match="great"):
        info = {"feedback": "great", "score": 0.0, "won": False}
        played().record("look", "A room.", 0.0, False, False, info)


@given(EPISODES, st.data())
def test_a_cut_line_is_refused(episode, data):
    line = episode.to_json()
    cut = data.draw(st.integers(0, len(line) - 1))
    with pytest.raises(BadFile):
        Episode.from_json(line[:cut])


@given(st.recursive(SCALAR, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_any_other_json_is_refused(value):
    with pytest.raises(BadFile):
        Episode.from_json(json.dumps(value))


def played(actions=("right", "dance", "look", "take key"), **kwargs):
    episode = Episode(toy.ENTRY.id, kwargs, "corridor/train/00", "train", 0, "test")
    with gymnasium.make(toy.ENTRY.id, **kwargs) as env:
        episode.begin(*env.reset(seed=0, options={"task": episode.task_id}))
        for action in actions:
            episode.record(action, *env.step(action), prompt_tokens=2, generated_tokens=1)
    return episode


def test_record_keeps_what_the_environment_said():
    episode = played()
    assert [s.feedback for s in episode.steps][1] == "malformed"
    assert episode.goal.startswith("Open the door")
    assert episode.first_observation.startswith("Your task")
    assert (episode.steps[0].prompt_tokens, episode.steps[0].generated_tokens) == (2, 1)
    assert not (episode.won or episode.terminated or episode.truncated)
    assert Episode.from_json(episode.to_json()) == episode


def test_digest_is_the_same_for_the_same_answers_only():
    assert played().digest == played().digest
    digests = {
        played().digest,
        played(("left", "dance", "look", "take key")).digest,
        played(("right", "dance", "look")).digest,
        played(extra_length=1, actions=("right",) * 9).digest,
    }
    assert len(digests) == 4
    # It chains what the environment answered, not what it was asked.
    assert played(("LOOK",)).digest == played(("look",)).digest


def test_total_reward():
    episode = played()
    assert episode.total_reward == sum(step.reward for step in episode.steps)


def changed(**values):
    record = dataclasses.asdict(played())
    record.update(values)
    return {k: v for k, v in record.items() if v is not ...}


def changed_step(**values):
    steps = changed()["steps"]
    steps[1].update(values)
    steps[1] = {k: v for k, v in steps[1].items() if v is not ...}
    return changed(steps=steps)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (changed(schema=2), "schema version 2, this release reads 1"),
        (changed(schema=...), "not an episode, because it names no schema version"),
        (changed(schema=True), "bool as 'schema'"),
        (changed(extra=1), "unknown field 'extra'"),
        (changed(goal=...), "lacks the field 'goal'"),
        (changed(seed=True), "bool as 'seed'"),
        (changed(score=True), "bool as 'score'"),
        (changed(won=1), "int as 'won'"),
        (changed(seed=1.0), "float as 'seed'"),
        (changed(error=5), "int as 'error'"),
        (changed(steps={}), "dict as 'steps'"),
        (changed(steps=[1]), "step 1 is not a JSON object"),
        (changed_step(reward=...), "step 2 lacks the field 'reward'"),
        (changed_step(extra=1), "step 2 has an unknown field 'extra'"),
        (changed_step(reward=False), "step 2 has a bool as 'reward'"),
        (changed_step(reward="1"), "step 2 has a str as 'reward'"),
        (changed_step(feedback="great"), "step 2 has unknown feedback 'great'"),
        (changed_step(score=float("nan")), "non-finite number NaN"),
        (changed_step(reward=float("inf")), "non-finite number Infinity"),
    ],
)
def test_malformed_record_is_refused_with_file_and_line(record, sentence, tmp_path):
    path = tmp_path / "episodes.jsonl"
    path.write_text(played().to_json() + "\n" + json.dumps(record) + "\n")
    with pytest.raises(BadFile, match=sentence) as caught:
        list(read_episodes(path))
    assert str(caught.value).startswith(f"{path}, line 2: ")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda line: line.replace('"score":0.0', '"score":1e999', 1), "non-finite number"),
        (lambda line: line.replace('"reward":0.0', '"reward":-1e999', 1), "non-finite number"),
        (lambda line: line[:-30] + "\n", "not a complete JSON line"),
        (lambda line: line[:-1], "truncated"),
        (lambda line: "\n", "not a complete JSON line"),
        (lambda line: "[]\n", "not a JSON object"),
        (lambda line: "[" * 100_000 + "\n", "not a complete JSON line"),
        (lambda line: line[:-1] + line, "not a complete JSON line"),
        (lambda line: "\ufeff" + line, "not a complete JSON line"),
    ],
)
def test_malformed_line_is_refused_with_file_and_line(change, sentence, tmp_path):
    path = tmp_path / "episodes.jsonl"
    line = played().to_json() + "\n"
    path.write_text(line + line + change(line), encoding="utf-8")
    with pytest.raises(BadFile, match=sentence) as caught:
        list(read_episodes(path))
    assert str(caught.value).startswith(f"{path}, line 3: ")


def test_bytes_that_are_not_utf8_are_refused(tmp_path):
    path = tmp_path / "episodes.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(BadFile, match="line 1: not UTF-8"):
        list(read_episodes(path))


def test_good_lines_before_a_bad_one_are_given(tmp_path):
    path = tmp_path / "episodes.jsonl"
    path.write_text(played().to_json() + "\n{}\n")
    reader = read_episodes(path)
    assert next(reader) == played()
    with pytest.raises(BadFile):
        next(reader)


@given(episode=EPISODES)
def test_files_round_trip(episode, tmp_path_factory):
    path = tmp_path_factory.mktemp("episodes") / "e.jsonl"
    assert write_episodes(path, [episode, episode]) == 2
    assert list(read_episodes(path)) == [episode, episode]
    assert [p.name for p in path.parent.iterdir()] == ["e.jsonl"]


def test_non_finite_numbers_are_not_written():
    with pytest.raises(ValueError):
        dataclasses.replace(played(), score=float("nan")).to_json()


def test_missing_file_and_unwritable_place_are_sentences(tmp_path):
    with pytest.raises(BadFile, match=r"Cannot read .*nowhere"):
        list(read_episodes(tmp_path / "nowhere.jsonl"))
    with pytest.raises(BadFile, match=r"Cannot write .*nowhere"):
        write_episodes(tmp_path / "nowhere" / "e.jsonl", [])


def test_schema_is_written():
    assert json.loads(played().to_json())["schema"] == SCHEMA == 1
