"""The panels of qevolve/Household-v0: their size, their splits, and that every task can be won."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from qevolve_envs.errors import UnknownName
from qevolve_envs.household.env import HouseholdEnv
from qevolve_envs.household.games import build_game
from qevolve_envs.household.kinds import FURNITURE, RECEPTACLES, ROOMS, SIZES, THINGS, fits
from qevolve_envs.household.tasks import (
    JOBS,
    KNOWN_ROOMS,
    PANELS,
    ROOMS_PER_KIND,
    HouseholdTask,
    held_out,
    make_room,
    make_task,
    task_ids,
)

PUBLISHED = Path(__file__).parents[2] / "golden" / "panels.json"
HORIZON = 30


@pytest.fixture(scope="module", params=SIZES)
def panels(request) -> dict[str, list[HouseholdTask]]:
    return {split: [make_task(i) for i in task_ids(split, request.param)] for split in PANELS}


def plan(spec: HouseholdTask) -> list[str]:
    """A winning plan by somebody who knows where everything is: proof that a task is solvable."""
    pieces = [f"{kind} {number}" for kind, number in spec.room.receptacles]
    kinds = [kind for kind, _ in spec.room.receptacles]
    opened = {pieces[index] for index in spec.opened}
    where = {f"{kind} {number}": pieces[spot] for kind, number, spot in spec.places}
    commands: list[str] = []
    here = ""

    def visit(place: str, *, reach: bool) -> None:
        nonlocal here
        if here != place:
            commands.append(f"go to {place}")
            here = place
        if reach and RECEPTACLES[kinds[pieces.index(place)]].hinged and place not in opened:
            commands.append(f"open {place}")
            opened.add(place)

    def put(thing: str, place: str) -> None:
        visit(place, reach=True)
        inside = RECEPTACLES[kinds[pieces.index(place)]].inside
        commands.append(f"put {thing} {'in' if inside else 'on'} {place}")

    things = [name for name in where if name.rpartition(" ")[0] == spec.thing]
    for thing in things[: 2 if spec.job == "two" else 1]:
        visit(where[thing], reach=True)
        commands.append(f"take {thing} from {where[thing]}")
        if spec.job == "light":
            lamp = next(name for name in where if name.rpartition(" ")[0] == spec.target)
            visit(where[lamp], reach=False)
            commands.append(f"switch on {lamp}")
            continue
        able = {"wash": "washes", "heat": "heats", "cool": "cools"}.get(spec.job)
        if able:
            device = next(
                p for p, k in zip(pieces, kinds, strict=True) if getattr(RECEPTACLES[k], able)
            )
            visit(device, reach=False)
            commands.append(f"{spec.job} {thing} in {device}")
        put(thing, pieces[kinds.index(spec.target)])
    return commands


def test_the_vocabulary_is_large_enough():
    assert len(RECEPTACLES) >= 25
    assert len(THINGS) >= 60
    assert set(ROOMS) == set(FURNITURE)
    for thing in THINGS.values():
        assert thing.spots.keys() <= RECEPTACLES.keys()
        for room in thing.rooms:
            assert thing.spots.keys() & FURNITURE[room].keys(), f"no {thing.name} in a {room}"
    assert not any(fits(lamp, kind) for lamp, t in THINGS.items() if t.lamp for kind in RECEPTACLES)


def test_panels_have_the_counts_of_the_literature(panels):
    assert {split: len(specs) for split, specs in panels.items()} == {
        "train": 3321,
        "seen": 140,
        "unseen": 134,
    }


def test_every_task_is_solvable_within_the_horizon(panels):
    for specs in panels.values():
        for spec in specs:
            play = build_game(spec).start()
            commands = plan(spec)
            assert len(commands) <= HORIZON
            for number, command in enumerate(commands):
                assert not play.won, f"{spec.id} is won before step {number}"
                assert play.step(command) is not None, f"{spec.id}: {command} cannot be done"
            assert play.won, f"{spec.id} is not won by {commands}"


def test_every_split_has_every_job(panels):
    for split, specs in panels.items():
        jobs = Counter(spec.job for spec in specs)
        assert set(jobs) == set(JOBS), split
        assert min(jobs.values()) >= 4, split


def test_tasks_differ(panels):
    specs = [spec for split in panels.values() for spec in split]
    assert len({(s.room, s.job, s.thing, s.target, s.places) for s in specs}) == len(specs)


def test_seen_tasks_are_new_tasks_in_known_rooms(panels):
    def combinations(split):
        return {(s.room.name, s.job, s.thing, s.target) for s in panels[split]}

    assert not combinations("seen") & combinations("train")
    assert {s.room for s in panels["seen"]} <= {s.room for s in panels["train"]}


def test_unseen_rooms_and_pairs_never_occur_in_training(panels):
    known = panels["train"] + panels["seen"]
    unseen = panels["unseen"]
    assert not {s.room.receptacles for s in unseen} & {s.room.receptacles for s in known}
    assert not {(s.thing, s.target) for s in unseen} & {(s.thing, s.target) for s in known}
    assert all(held_out(s.thing, s.target) for s in unseen)
    # The parts of a pair are known; it is their combination that is new.
    assert {s.thing for s in unseen} <= {s.thing for s in known} | {
        kind for s in known for kind, _, _ in s.places
    }


def test_all_known_rooms_are_trained_in(panels):
    rooms = {s.room.name for s in panels["train"]}
    assert len(rooms) == len(ROOMS) * KNOWN_ROOMS
    assert {s.room.name for s in panels["unseen"]} <= {
        make_room(kind, number, "standard").name
        for kind in ROOMS
        for number in range(KNOWN_ROOMS, ROOMS_PER_KIND)
    }


def test_goals_need_search(panels):
    """What is asked for is out of sight in many tasks, and in plain sight in others."""
    hidden = [
        RECEPTACLES[spec.room.receptacles[spot][0]].hinged and spot not in spec.opened
        for spec in panels["train"]
        for kind, _, spot in spec.places
        if kind == spec.thing
    ]
    assert 0.2 < sum(hidden) / len(hidden) < 0.8


def test_sizes_are_a_dial():
    things, receptacles = [], []
    for size in SIZES:
        specs = [make_task(i) for i in task_ids("seen", size)]
        things.append(sum(len(s.places) for s in specs) / len(specs))
        receptacles.append(sum(len(s.room.receptacles) for s in specs) / len(specs))
    assert things == sorted(things) and receptacles == sorted(receptacles)
    assert things[0] < 10 and receptacles[0] < 10
    assert 15 < receptacles[1] < 22 and 20 < things[1] < 36


def test_a_task_is_a_pure_function_of_its_id():
    ids = [task_ids(split, size)[7] for split in PANELS for size in SIZES]
    first = [make_task(i) for i in ids]
    assert [make_task(i) for i in reversed(ids)] == first[::-1]


@pytest.mark.parametrize(
    ("task_id", "hint"),
    [
        ("household/unsen/0001", "household/unseen/0000"),
        ("household/unseen/0134", "household/unseen/0133"),
        ("household/unseen/13", "household/unseen"),
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
    published = json.loads(PUBLISHED.read_text())["qevolve/Household-v0"]
    for size in SIZES:
        env = HouseholdEnv(size=size)
        assert {split: env.panel_digest(split) for split in PANELS} == published[size]
