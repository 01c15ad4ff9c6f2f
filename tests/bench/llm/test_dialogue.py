from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_bench.llm.dialogue import Dialogue, read_answer
from qevolve_bench.llm.prompt import load_prompt
from qevolve_envs.episode import Episode, Step

PROMPT = load_prompt("react")


@pytest.mark.parametrize(
    ("text", "action", "kept"),
    [
        ("Thought: go.\nAction: go to desk 1", "go to desk 1", None),
        ("Action: look", "look", None),
        ("action : look", "look", None),
        ("**Action:** look", "look", None),
        ("**Action**: `look`", "look", None),
        ("Action 3: look", "look", None),
        ("Thought: I go. Action: look", "look", None),
        ("Action:\n\n  look  ", "look", "Action:\n\n  look"),
        ("Action:\n```\nlook\n```", "look", "Action:\n```\nlook"),
        ('Action: "look"', "look", None),
        ("Action: click[Buy Now]", "click[Buy Now]", None),
        # What the model makes up after its action is dropped.
        ("Action: look\nObservation: a room\nAction: win", "look", "Action: look"),
        # Thinking out loud is no part of the dialogue.
        ("<think>Action: no</think>\nAction: yes", "yes", "Action: yes"),
        ("no opening tag</think>Action: yes", "yes", "Action: yes"),
        ("<think>never closed, Action: no", "", ""),
        # No marker: the last line.
        ("look", "look", None),
        ("I think I should\nlook\n\n", "look", "I think I should\nlook"),
        ("A reaction: none\nlook", "look", None),
        ("", "", ""),
        (" \n\t\n", "", ""),
        ("Action:", "", "Action:"),
        ("Thought: nothing to do\nAction:   \n```\n```", "", "Thought: nothing to do\nAction:"),
        ('"', '"', None),
        ("``", "``", None),
    ],
)
def test_how_an_answer_is_read(text, action, kept):
    reading = read_answer(text, "Action")
    assert reading.action == action
    assert reading.kept == (text if kept is None else kept)


PIECES = ["Action", ":", "\n", "<think>", "</think>", "`", "*", '"', " ", "x"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_can_be_read_and_reading_again_changes_nothing(text):
    action, kept = read_answer(text, "Action")
    assert "\n" not in action and action == action.strip()
    if "think>" not in kept:
        assert read_answer(kept, "Action").action == action


@given(st.text(max_size=80))
def test_no_text_at_all_is_an_error(text):
    assert read_answer(text, "Action").action in text


def dialogue(turns, **options):
    chat = Dialogue(PROMPT, "qevolve/Household-v0", "Wash a {mug}.", **options)
    chat.observe("o0")
    for turn in range(1, turns + 1):
        chat.answer(f"a{turn}")
        chat.observe(f"o{turn}")
    return chat


def contents(messages):
    return [message["content"] for message in messages]


def test_a_dialogue_is_system_then_user_and_assistant_in_turn():
    messages = dialogue(2).messages()
    assert [m["role"] for m in messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    system, first, *rest = contents(messages)
    assert "go to R" in system and "{" not in system
    assert first == "Your task: Wash a {mug}.\n\no0"
    assert rest == ["a1", "o1", "a2", "o2"]


@pytest.mark.parametrize(
    ("history", "rest", "left_out"),
    [
        (None, ["a1", "o1", "a2", "o2", "a3", "o3"], None),
        (3, ["a1", "o1", "a2", "o2", "a3", "o3"], None),
        (2, ["a2", "o2", "a3", "o3"], ("1 earlier", "o1")),
        (1, ["a3", "o3"], ("2 earlier", "o2")),
        (0, [], ("3 earlier", "o3")),
    ],
)
def test_a_limited_history_keeps_the_task_and_the_last_turns(history, rest, left_out):
    _, first, *others = contents(dialogue(3, history=history).messages())
    assert others == rest
    assert first.startswith("Your task: Wash a {mug}.\n\no0")
    if left_out is None:
        assert first.endswith("o0")
    else:
        assert left_out[0] in first and first.endswith(left_out[1])


def test_commands_are_listed_with_the_latest_observation_only():
    chat = dialogue(1)
    assert contents(chat.messages(["look", "wait"]))[-1].endswith(
        "o1\n\n[Commands that are possible now:]\nlook\nwait"
    )
    assert contents(chat.messages())[-1] == "o1"


def test_demonstrations_come_before_as_dialogues_of_their_own():
    shown = Episode("qevolve/Household-v0", {}, "t", "train", 0, "expert", goal="Find it.")
    shown.first_observation = "d0"
    shown.steps = [Step("left", "d1", 0.0, "ok", 0.0), Step("right", "d2", 1.0, "ok", 1.0)]
    messages = dialogue(1, demonstrations=[shown, shown]).messages()
    one = ["Your task: Find it.\n\nd0", "Action: left", "d1", "Action: right"]
    assert contents(messages)[1:] == [*one, *one, "Your task: Wash a {mug}.\n\no0", "a1", "o1"]
    assert [m["role"] for m in messages[1:]] == ["user", "assistant"] * 5 + ["user"]


def test_a_world_that_no_prompt_knows_is_played_without_words_about_it():
    chat = Dialogue(PROMPT, "own:own/Env-v0", "g")
    chat.observe("o")
    assert "{world}" not in chat.messages()[0]["content"]
    known = Dialogue(PROMPT, "qevolve_bench:qevolve/Shop-v0", "g")
    known.observe("o")
    assert "search[words]" in known.messages()[0]["content"]
