"""The language of the lab: synonyms, questions, refusals, and what is offered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_envs.core import Feedback
from qevolve_envs.lab.commands import Interpreter, clock
from qevolve_envs.lab.grammar import parse, seconds
from qevolve_envs.lab.spec import build_world
from qevolve_envs.lab.tasks import KINDS, make_task, task_ids

SERIES = task_ids("train")[[k for _, k in KINDS].index("power-in-series")]


@pytest.fixture
def lab():
    world = build_world(make_task(SERIES), easy=True)
    world.here = world.rooms["workshop"]
    return Interpreter(world)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Look", ("look", ())),
        ("look around.", ("look", ())),
        ("i", ("inventory", ())),
        ("Go to the Kitchen!", ("go", ("kitchen",))),
        ("walk over to hallway", ("go", ("hallway",))),
        ("turn on the stove", ("activate", ("stove",))),
        ("switch the stove off", ("deactivate", ("stove",))),
        ("grab a beaker", ("take", ("beaker",))),
        ("pick the beaker up", ("take", ("beaker",))),
        ("put the beaker into the fridge", ("put", ("beaker", "fridge"))),
        ("place beaker on stove", ("put", ("beaker", "stove"))),
        ("pour the jug in the pot", ("pour", ("jug", "pot"))),
        ("stir jar 1", ("mix", ("jar 1",))),
        ("attach red wire to bulb", ("connect", ("red wire", "bulb"))),
        ("use thermometer on water in beaker", ("use", ("thermometer", "water in beaker"))),
        ("fill jug from sink", ("use", ("sink", "jug"))),
        ("focus on the lead", ("focus", ("lead",))),
        ("wait 10", ("wait", ("10",))),
        ("wait for 2 hours", ("wait", ("2 hours",))),
        ("2", ("choose", ("2",))),
    ],
)
def test_wordings(said, meant):
    assert meant in parse(said)


@pytest.mark.parametrize("said", ["", "dance", "go", "go to", "put beaker", "\x00", "é", "a" * 999])
def test_what_is_no_command(said):
    assert parse(said) == ()


@pytest.mark.parametrize(
    ("phrase", "time"),
    [("5", 300), ("5 m", 300), ("2 hours", 7200), ("3 days", 259_200), ("999 days", 0), ("0", 0)],
)
def test_waiting_times(phrase, time):
    assert seconds(phrase) == time


def test_clock():
    assert clock(90_060) == "1 day 1 hour 1 minute"
    assert clock(0) == "no time"


def test_an_ambiguous_name_is_answered_by_a_numbered_question(lab):
    text, feedback = lab.run("pick up wire")
    assert feedback is Feedback.INVALID
    lines = text.split("\n")
    assert lines[0].endswith("Answer with a number.") and len(lines) == 4
    assert {"1", "2", "3"} <= set(lab.commands())
    before = lab.world.seconds
    second = lines[2].removeprefix("2. ").split(" on ")[0]
    text, feedback = lab.run("2")
    assert (text, feedback) == (f"You pick up the {second}.", Feedback.OK)
    assert lab.world.seconds == before + 60
    assert lab.run("2").feedback is Feedback.INVALID, "the question is answered"


def test_two_questions_in_a_row(lab):
    assert lab.run("connect battery to wire").feedback is Feedback.INVALID
    text, feedback = lab.run("1")
    assert feedback is Feedback.INVALID and "wire" in text
    text, feedback = lab.run("3")
    assert feedback is Feedback.OK and text.startswith("You connect the small battery to the ")


def test_a_question_is_dropped_by_another_command(lab):
    lab.run("pick up wire")
    assert lab.run("look around").feedback is Feedback.OK
    assert lab.run("1").feedback is Feedback.INVALID


def test_a_wrong_number_asks_again(lab):
    first = lab.run("pick up wire")
    assert lab.run("99") == first
    assert lab.run("1").feedback is Feedback.OK


@pytest.mark.parametrize(
    ("command", "feedback"),
    [
        ("sing a song", Feedback.MALFORMED),
        ("pick up unicorn", Feedback.INVALID),
        ("pick up work table", Feedback.INVALID),
        ("go to moon", Feedback.INVALID),
        ("go to workshop", Feedback.INVALID),
        ("open work table", Feedback.INVALID),
        ("close tool chest", Feedback.INVALID),
        ("activate work table", Feedback.INVALID),
        ("connect small battery to big battery", Feedback.INVALID),
        ("put house plan in house plan", Feedback.INVALID),
        ("put house plan in tool chest", Feedback.INVALID),
        ("mix tool chest", Feedback.INVALID),
        ("wait 9999 days", Feedback.INVALID),
        ("7", Feedback.INVALID),
        ("READ the house PLAN.", Feedback.OK),
    ],
)
def test_feedback(lab, command, feedback):
    before = lab.world.seconds
    text, found = lab.run(command)
    assert found is feedback, text
    assert (lab.world.seconds > before) is (feedback is Feedback.OK)


def test_doors():
    spec = next(
        s for s in map(make_task, task_ids("train")) if any(s.start in door for door in s.closed)
    )
    world = build_world(spec)
    lab = Interpreter(world)
    room = next(r for r in world.beside[world.here.name] if f"go to {r}" not in lab.commands())
    assert "closed" in lab.run(f"go to {room}").observation
    assert lab.run(f"open door to {room}").feedback is Feedback.OK
    assert lab.run(f"open door to {room}").feedback is Feedback.INVALID
    assert lab.run(f"go to {room}").feedback is Feedback.OK
    assert world.here.name == room


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_answered(text):
    world = build_world(make_task(SERIES))
    outcome = Interpreter(world).run(text)
    assert isinstance(outcome.observation, str) and isinstance(outcome.feedback, Feedback)


WORDS = [
    "pick", "up", "put", "in", "on", "pour", "into", "connect",
    "to", "use", "focus", "open", "close", "door", "look", "at",
    "mix", "activate", "wait", "1", "2", "days", "read", "red",
    "black", "wire", "battery", "bulb", "the", "a", "kitchen", "workshop",
    "work", "table", "tool", "chest", "plan",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=9))
def test_any_salad_of_known_words_is_answered(words):
    world = build_world(make_task(SERIES))
    world.here = world.rooms["workshop"]
    lab = Interpreter(world)
    assert isinstance(lab.run(" ".join(words)).feedback, Feedback)
    assert lab.run("look around").feedback is Feedback.OK


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 240), st.lists(st.floats(0, 1, exclude_max=True), min_size=20, max_size=20))
def test_everything_offered_can_be_done(number, choices):
    world = build_world(make_task(task_ids("unseen")[number]))
    lab = Interpreter(world)
    for choice in choices:
        commands = lab.commands()
        assert commands == sorted(set(commands)) and len(commands) <= 400
        command = commands[int(choice * len(commands))]
        assert lab.run(command).feedback is Feedback.OK, command
