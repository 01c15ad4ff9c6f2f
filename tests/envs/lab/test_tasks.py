"""The panels of qevolve/Lab-v0: size, splits, and that every task can be done."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from qevolve_envs.errors import UnknownName
from qevolve_envs.lab.env import LabEnv
from qevolve_envs.lab.gold import gold
from qevolve_envs.lab.houses import HOUSES, KNOWN_HOUSES, ROLES, make_house
from qevolve_envs.lab.life import CREATURES, SPECIES
from qevolve_envs.lab.spec import LabTask, build_world, plan_text
from qevolve_envs.lab.substances import FRICTION, HELD_OUT_COLOURS, RESISTIVITY, SUBSTANCES
from qevolve_envs.lab.tasks import FAMILIES, KINDS, PANELS, make_task, task_ids

PUBLISHED = Path(__file__).parents[2] / "golden" / "panels.json"
HORIZON = 24


@pytest.fixture(scope="module")
def panels() -> dict[str, list[LabTask]]:
    return {split: [make_task(i) for i in task_ids(split)] for split in PANELS}


def test_panels_and_families(panels):
    assert {split: len(specs) for split, specs in panels.items()} == {
        "train": 1483,
        "seen": 194,
        "unseen": 241,
    }
    assert len(FAMILIES) == 8 and len(KINDS) >= 24
    for specs in panels.values():
        kinds = Counter((s.family, s.kind) for s in specs)
        assert set(kinds) == set(KINDS)
        assert max(kinds.values()) - min(kinds.values()) <= 1


@pytest.mark.parametrize("simplify", ["standard", "easy"])
def test_every_gold_procedure_scores_one_within_the_horizon(simplify):
    """In the environment itself; before its last command no task is won, or lost."""
    env = LabEnv(simplify=simplify)
    for split in PANELS:
        for task_id in task_ids(split):
            commands = gold(task_id, easy=simplify == "easy")
            assert len(commands) <= HORIZON, task_id
            env.reset(options={"task": task_id})
            for number, command in enumerate(commands, 1):
                _, _, terminated, _, info = env.step(command)
                assert info["feedback"] in ("ok", "unchanged"), (task_id, command)
                assert terminated is (number == len(commands)), (task_id, commands, number)
            assert info["score"] == 1.0 and info["won"]


def test_points_add_up_to_a_hundred(panels):
    for specs in panels.values():
        for spec in specs:
            assert sum(points for points, *_ in spec.subgoals) == 100, spec.id
            assert len(spec.subgoals) >= 2


def test_no_task_begins_with_points():
    env = LabEnv()
    for split in PANELS:
        for task_id in task_ids(split)[::7]:
            assert env.reset(options={"task": task_id})[1]["score"] == 0.0


def test_tasks_differ(panels):
    specs = [spec for split in panels.values() for spec in split]
    records = {
        json.dumps([s.kind, s.house, s.start, s.closed, s.goal, s.items], sort_keys=True)
        for s in specs
    }
    assert len(records) == len(specs)


def test_seen_tasks_are_new_combinations_of_known_things(panels):
    def combinations(split):
        return {(s.kind, s.variant, s.house) for s in panels[split]}

    assert not combinations("seen") & combinations("train")
    assert {s.house for s in panels["seen"]} <= {s.house for s in panels["train"]}
    assert names(panels["seen"]) <= names(panels["train"])


def names(specs):
    """What tasks bring along, without what only has a letter or number for a name."""
    found = {item["name"] for spec in specs for item in spec.items}
    return {name for name in found if len(name.split()[-1]) > 1}


def subjects(specs):
    """The substances of all samples but for water and soil, which are everywhere."""
    rows = [row for s in specs for i in s.items for row in i.get("samples", ())]
    return {row[0] for row in rows} - {"water", "soil"}


def test_unseen_tasks_are_about_other_things(panels):
    """Rooms, devices, instruments, vessels, species, creatures, materials and surfaces."""
    known, unseen = panels["train"] + panels["seen"], panels["unseen"]
    assert not {s.house for s in known} & {s.house for s in unseen}
    assert not names(known) & names(unseen)
    rooms = [
        {name for number in numbers for name in build_rooms(number)}
        for numbers in (range(KNOWN_HOUSES), range(KNOWN_HOUSES, HOUSES))
    ]
    assert not rooms[0] & rooms[1]
    # Experiments are made with held-out substances; only a reagent or a pigment may be known.
    matter = ("matter", "measure", "thermometry")
    assert not subjects([s for s in known if s.family in matter]) & subjects(
        [s for s in unseen if s.family in matter]
    )
    assert all(SUBSTANCES[n].held_out for n in subjects([s for s in unseen if s.family in matter]))
    products = [
        {a[0] for s in specs for _, kind, a in s.subgoals if kind == "made"}
        for specs in (known, unseen)
    ]
    assert products[0] and products[1] and not products[0] & products[1]


def build_rooms(number):
    """Names of rooms, fixtures, instruments and clutter of a house."""
    house = make_house(number)
    found = {house.room(role) for role in ROLES}
    found |= {f.name for role in ROLES for f in house.fixtures(role)}
    found |= {house.tool(tool) for tool, *_ in house.tools}
    return found | {name for name, *_ in house.clutter}


def test_what_is_held_out_is_held_out_everywhere():
    """A metal that is melted in training is no unseen metal of another table."""
    known, held = set(), set()
    tables = [{n: s.held_out for n, s in SUBSTANCES.items()}]
    tables += [{n: out for n, (_, out) in t.items()} for t in (RESISTIVITY, FRICTION)]
    tables += [{n: out for n, (_, out) in CREATURES.items()}]
    tables += [{n: s.held_out for n, s in SPECIES.items()}]
    for table in tables:
        for name, out in table.items():
            (held if out else known).add(name)
    assert not known & held
    assert len(HELD_OUT_COLOURS) == 3


def test_houses_are_connected_and_differ():
    doors = set()
    for number in range(HOUSES):
        house = make_house(number)
        reached, frontier = {"hall"}, ["hall"]
        for role in frontier:
            for a, b in house.doors:
                for other in (a, b):
                    if role in (a, b) and other not in reached:
                        reached.add(other)
                        frontier.append(other)
        assert reached == set(ROLES)
        doors.add(house.doors)
        assert all(house.room(role) in plan_text(house) for role in ROLES)
    assert len(doors) == HOUSES


def test_names_are_unique_within_a_task(panels):
    for spec in panels["seen"] + panels["unseen"]:
        world = build_world(spec)
        found: list[str] = []
        stack = [*world.rooms.values(), world.hands]
        while stack:
            thing = stack.pop()
            stack += thing.things
            if thing.kind != "sample":
                found.append(thing.title)
        assert len(found) == len(set(found)), spec.id


def test_a_task_is_a_pure_function_of_its_id():
    ids = [task_ids(split)[n] for split in PANELS for n in (0, 50, 190)]
    first = [make_task(i) for i in ids]
    assert [make_task(i) for i in reversed(ids)] == first[::-1]


@pytest.mark.parametrize(
    ("task_id", "hint"),
    [
        ("lab/unsen/0001", "lab/unseen/0001"),
        ("lab/unseen/0242", "lab/unseen/0241"),
        ("lab/unseen/0000", "lab/unseen/0001"),
        ("shop/train/0001", "look like"),
        ("", "look like"),
    ],
)
def test_unknown_task_ids_are_refused_with_a_hint(task_id, hint):
    with pytest.raises(UnknownName, match="Unknown task id") as caught:
        make_task(task_id)
    assert hint in str(caught.value)


def test_panel_digests_are_the_published_ones():
    """A change of any task shows here: it is a new version of the environment, or a mistake."""
    published = json.loads(PUBLISHED.read_text())["qevolve/Lab-v0"]
    env = LabEnv()
    assert {split: env.panel_digest(split) for split in PANELS} == published
