"""The loader of the official games, on a folder laid out as ALFWorld's data, and the export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gymnasium
import pytest

import qevolve_bench  # noqa: F401 - registers the environments
from qevolve_envs.agent import TaskView
from qevolve_envs.core import Feedback
from qevolve_envs.errors import BadFile, MissingData, UnknownName
from qevolve_envs.household.alfworld import OFFICIAL_COUNTS, ALFWorldEnv, alfred_names
from qevolve_envs.household.export import export_task, to_alfworld
from qevolve_envs.household.tasks import JOBS, make_task, task_ids

HERE = Path(__file__).parent
REAL_GAME = HERE.parents[3] / "shared/data/alfworld/game.tw-pddl"
needs_real_game = pytest.mark.skipif(
    not REAL_GAME.is_file(), reason="the real ALFWorld game is not beside the checkout"
)
#: A domain and a grammar in ALFWorld's vocabulary, written for these tests.
LOGIC = (HERE / "mini.pddl").read_text(), (HERE / "mini.twl2").read_text()


def spec_of(job: str):
    return next(s for s in map(make_task, task_ids("seen", "small")) if s.job == job)


def add_game(root: Path, folder: str, name: str, job: str = "place", **changes: object) -> Path:
    path = export_task(spec_of(job), root / folder / name / "trial_T1", *LOGIC)
    if changes:
        game = json.loads(path.read_text())
        game.update(changes)
        path.write_text(json.dumps({k: v for k, v in game.items() if v is not None}))
    return path


@pytest.fixture
def data(tmp_path: Path, monkeypatch) -> Path:
    """Three good games, and one of each kind that the official loader leaves out."""
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    root = tmp_path / "json_2.1.1"
    for folder in ("train", "valid_seen", "valid_unseen"):
        add_game(root, folder, "pick_heat_then_place_in_recep-Potato-None-Fridge-2", "heat")
        add_game(root, folder, "look_at_obj_in_light-Book-None-DeskLamp-301", "light")
        add_game(root, folder, "pick_and_place_simple-Mug-None-Shelf-3")
        add_game(root, folder, "pick_and_place_with_movable_recep-Fork-Cup-Shelf-4")
        add_game(root, folder, "pick_and_place_simple-AppleSliced-None-Fridge-5")
        add_game(root, folder, "pick_and_place_simple-Unsolvable-None-Shelf-6", solvable=False)
        add_game(root, folder, "pick_and_place_simple-Unmarked-None-Shelf-7", solvable=None)
        add_game(root, folder, "place_all_obj_type_into_recep-Mug-None-Shelf-8")
        lone = add_game(root, folder, "pick_and_place_simple-Lone-None-Shelf-9")
        (lone.parent / "traj_data.json").unlink()
    return tmp_path


KEPT = [
    "look_at_obj_in_light-Book-None-DeskLamp-301/trial_T1",
    "pick_and_place_simple-Mug-None-Shelf-3/trial_T1",
    "pick_heat_then_place_in_recep-Potato-None-Fridge-2/trial_T1",
]


@pytest.mark.parametrize("split", OFFICIAL_COUNTS)
def test_games_are_sorted_and_filtered_as_upstream_filters_them(data, split):
    env = gymnasium.make("qevolve/ALFWorld-v0", data=str(data), split=split).unwrapped
    assert list(env.task_ids(split)) == [f"alfworld/{split}/{name}" for name in KEPT]


def test_the_data_may_be_named_in_three_ways(data, monkeypatch):
    expected = ALFWorldEnv(data=str(data)).data
    assert ALFWorldEnv(data=str(data / "json_2.1.1")).data == expected
    monkeypatch.setenv("ALFWORLD_DATA", str(data))
    assert ALFWorldEnv().data == expected


def test_missing_data_says_what_to_download_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    for data in (None, str(tmp_path), str(tmp_path / "nowhere")):
        with pytest.raises(MissingData, match=r"alfworld-download.*ALFWORLD_DATA.*json_2\.1\.1"):
            ALFWorldEnv(data=data)


def test_the_expert_plays_an_official_game(data):
    env = ALFWorldEnv(data=str(data), split="train", admissible=True)
    for name in KEPT:
        observation, info = env.reset(options={"task": f"alfworld/train/{name}"})
        assert info["goal"] in observation
        expert = env.expert()
        expert.reset([TaskView("", "", info["goal"], 0, list)])
        for _ in range(30):
            (command,) = expert.act([observation])
            assert command in info["admissible_commands"]
            observation, _, terminated, _, info = env.step(command)
            if terminated:
                break
        assert info["won"] and info["score"] == 1.0


def test_commands_are_taken_literally(data):
    """No synonyms here: the official game's answer to anything else is the same sentence."""
    env = ALFWorldEnv(data=str(data))
    env.reset(seed=1)
    for command in ("walk to shelf 1", "GO TO shelf 1", "", "x" * 100_000):
        observation, *_, info = env.step(command)
        assert observation == "Nothing happens."
        assert info["feedback"] is Feedback.MALFORMED
    observation, *_, info = env.step("go to shelf 77")
    assert (observation, info["feedback"]) == ("Nothing happens.", Feedback.INVALID)


def test_unknown_games_are_refused(data):
    env = ALFWorldEnv(data=str(data))
    for task_id in ("alfworld/train/nothing", "household/train/0000", "alfworld/../../etc", ""):
        with pytest.raises(UnknownName, match="Unknown task id"):
            env.reset(options={"task": task_id})
    with pytest.raises(UnknownName, match=f"did you mean .*{KEPT[1]}"):
        env.reset(options={"task": f"alfworld/train/{KEPT[1][:-1]}"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not valid JSON"),
        ('{"pddl_domain": "x"', "not valid JSON"),
        ("[1, 2]", "not a JSON object"),
        ('{"solvable": true}', "no text under 'pddl_domain'"),
        ("\xff\xfe", "not valid JSON"),
    ],
)
def test_damaged_games_are_refused_in_a_sentence(data, content, message):
    path = data / "json_2.1.1/train" / KEPT[0] / "game.tw-pddl"
    env = ALFWorldEnv(data=str(data))
    assert env.task_ids("train")
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadFile, match=message) as caught:
        env.reset(options={"task": f"alfworld/train/{KEPT[0]}"})
    assert str(path) in str(caught.value)


def test_a_truncated_game_is_refused(data):
    path = data / "json_2.1.1/train" / KEPT[0] / "game.tw-pddl"
    game = json.loads(path.read_text())
    game["pddl_problem"] = game["pddl_problem"][:-40]
    path.write_text(json.dumps(game))
    with pytest.raises(BadFile, match="truncated"):
        ALFWorldEnv(data=str(data)).reset(options={"task": f"alfworld/train/{KEPT[0]}"})


def test_alfred_names():
    """The first of n sorted ids is number n; "basin" counts wherever it stands in the id."""
    ids = [
        "mug_bar_2",
        "mug_bar_1",
        "mug_bar_10",
        "sink_bar_1_bar_sinkbasin",
        "agent1",
        "loc_bar_5",
    ]
    assert alfred_names(ids) == {
        "mug_bar_1": "mug 3",
        "mug_bar_10": "mug 2",
        "mug_bar_2": "mug 1",
        "sink_bar_1_bar_sinkbasin": "sinkbasin 1",
        "agent1": "agent1 ",
        "loc_bar_5": "loc 1",
    }


@pytest.mark.parametrize("job", JOBS)
def test_exported_objects_keep_their_numbers(job):
    """What is "mug 2" in the generated task is "mug 2" in the exported game."""
    spec = spec_of(job)
    game = to_alfworld(spec, *LOGIC)
    body = game["pddl_problem"].split("(:init")[1].lower()
    ids = {word.strip("()") for word in body.split() if "_bar_" in word}
    things = {f"{kind.replace(' ', '')} {number}" for kind, number, _ in spec.places}
    assert things <= set(alfred_names(ids).values())


def test_export_needs_a_grammar_with_a_place_for_the_goal():
    with pytest.raises(BadFile, match="UNKNOWN GOAL"):
        to_alfworld(spec_of("place"), LOGIC[0], "grammar :: nothing")


@needs_real_game
def test_a_real_game_is_found_and_played(tmp_path):
    trial = (
        tmp_path / "json_2.1.1/valid_seen/pick_heat_then_place_in_recep-Potato-None-SinkBasin-2/t"
    )
    trial.mkdir(parents=True)
    shutil.copy(REAL_GAME.with_name("traj_data.json"), trial)
    game = json.loads(REAL_GAME.read_text())
    (trial / "game.tw-pddl").write_text(json.dumps({**game, "solvable": True}))
    env = ALFWorldEnv(data=str(tmp_path), split="seen")
    observation, info = env.reset(seed=0)
    assert observation.startswith("-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle")
    assert info["goal"] == "put a hot potato in sinkbasin."
    observation, *_ = env.step("alice : go to fridge 1")
    assert observation == "You arrive at loc 2. The fridge 1 is closed."
