"""Games from file to last command: what can be done, what it changes, what is never misplayed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import cottage
import pytest
from cottage import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_envs.errors import BadFile, Unsupported
from qevolve_envs.household.engine import Play, load_game, read_game
from qevolve_envs.household.games import build_game, household_rules
from qevolve_envs.household.tasks import make_task, task_ids

REAL_GAME = Path(__file__).resolve().parents[4] / "shared/data/alfworld/game.tw-pddl"
RESOURCES = Path(__file__).resolve().parents[3] / "envs/qevolve_envs/household"
needs_real_game = pytest.mark.skipif(
    not REAL_GAME.is_file(), reason="the real ALFWorld game is not beside the checkout"
)


def household_file(task: str) -> dict[str, str]:
    """A generated task written out as a file, with the household's own domain and grammar."""
    game = build_game(make_task(task))
    problem = game.problem
    facts = {name: relation.rows for name, relation in game.relations.items()} | problem.init
    lines = [f"({' '.join((name, *row))})" for name in facts for row in sorted(facts[name])]
    objects = "\n".join(f"{name} - {type_}" for name, type_ in problem.objects.items())
    return {
        "pddl_domain": (RESOURCES / "household.pddl").read_text(),
        "grammar": (RESOURCES / "household.twl2").read_text(),
        "pddl_problem": f"(define (problem p) (:domain {household_rules().domain.name})"
        f" (:objects {objects}) (:init {' '.join(lines)})"
        " (:goal (exists (?o - thing) (holds you ?o))))",
    }


# ── a whole game ────────────────────────────────────────────────────────────

TRANSCRIPT = """
> look
In the hall: a spoon. It is dusty.
> take spoon
You take the spoon.
> drop spoon
Nothing happens.
> sweep
You sweep. It shines.
> walk to attic
Nothing happens.
> walk to hall
Nothing happens.
> walk to study
You walk. In the study: a chest. It is dusty.
> take chest
Nothing happens.
> open chest
In it: coin, and key.
> open chest
Nothing happens.
> take key from chest
Nothing happens.
"""

WINNING = """
> walk to study
You walk. In the study: a chest. It is dusty.
> open chest
In it: coin, and key.
> look
In the study: an open chest. It is dusty.
> take key from chest
You take the key.
> take coin from chest
Nothing happens.
> walk to hall
You walk. In the hall: a spoon. It is dusty.
> unlock attic with key
The key turns.
> unlock attic with key
Nothing happens.
> drop key
You drop the key. the precious key.
> walk to study
You walk. In the study: an open chest. It is dusty.
>   take coin from chest\t
You take the coin.
> walk to hall
You walk. In the hall: the precious key, and a spoon. It is dusty.
> walk to attic
You walk. In the attic: nothing. It is bare.
> drop coin
You drop the coin. the precious coin.
"""


def follow(play: Play, transcript: str) -> list[bool]:
    """Plays the commands of a transcript, compares every answer; returns `won` after each."""
    lines = transcript.strip("\n").split("\n")
    won = []
    for command, answer in zip(lines[::2], lines[1::2], strict=True):
        text = play.step(command.removeprefix("> "))
        assert ("Nothing happens." if text is None else text) == answer, command
        won.append(play.won)
    return won


def test_the_cottage() -> None:
    play = cottage.cottage().start()
    assert play.intro() == "Rain.\n\nThere are attic, and study."
    assert play.commands() == ["look", "sweep", "take spoon", "walk to study"]
    assert not any(follow(play, TRANSCRIPT))
    assert play.commands() == ["look", "sweep", "walk to hall"], "both hands hold the spoon"


def test_the_cottage_can_be_won() -> None:
    game = cottage.cottage()
    play = game.start()
    won = follow(play, WINNING)
    assert won == [False] * (len(won) - 1) + [True]
    assert play.step("take coin") is not None
    assert not play.won, "winning is a matter of the state, not of the past"
    assert not game.start().won, "another episode starts anew"
    assert game.start().commands() == ["look", "sweep", "take spoon", "walk to study"]


def test_the_case_of_commands_matters_and_space_around_them_does_not() -> None:
    play = cottage.cottage().start()
    assert play.step("Look") is None
    assert play.step("look look") is None
    assert play.step("") is None
    assert play.step(" \n look\t") == "In the hall: a spoon. It is dusty."


def test_what_looks_like_a_command() -> None:
    play = cottage.cottage().start()
    for text in ("look", "walk to the moon", "take x from y", "unlock a with b", " drop it "):
        assert play.looks_like_command(text), text
    for text in ("looks", "walk to ", "walk", "unlock a", "unlock with b", "", "give up"):
        assert not play.looks_like_command(text), text


# ── what actions do ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("action", "init", "commands"),
    [
        (":parameters (?x - thing) :precondition (t ?x) :effect (t ?x)", "(t a)", []),
        (":parameters (?x - thing) :precondition (p ?x) :effect (t ?x)", "(t a) (p a)", ["go a"]),
        (":parameters (?x - thing) :precondition (and) :effect ()", "(p a)", []),
        (
            ":parameters (?x ?y - thing) :precondition (t ?x) :effect (and (not (t ?x)) (t ?y))",
            "(t a)",
            ["go a b", "go a c"],
        ),
        (
            ":parameters (?x - thing) :precondition (not (t ?x)) :effect (not (t ?x))",
            "(t a)",
            [],
        ),
        (
            ":parameters (?x - thing) :precondition (t ?x) :effect (and (not (t ?x)) (t ?x))",
            "(t a)",
            [],
        ),
        (
            ":parameters (?x ?y - thing) :precondition (and (t ?x) (t ?y)) :effect (and (t ?y))",
            "(t a) (t b)",
            [],
        ),
        (
            ":parameters (?x - box) :precondition (b ?x) :effect (and (not (b ?x)))",
            "(b k)",
            ["go k"],
        ),
    ],
)  # fmt: skip
def test_an_action_that_cannot_change_a_fact_is_no_command(
    action: str, init: str, commands: list[str]
) -> None:
    assert tiny({"go": action}, init=init).commands() == commands


def test_an_addition_beats_a_deletion() -> None:
    play = tiny(
        {"go": ":parameters (?x - thing) :effect (and (t ?x) (not (t ?x)) (p ?x))"},
        init="(t b)",
        phrases={"go": ("go {x}", "[{y.name | t(y:thing)}]")},
    )
    assert play.step("go a") == "b", "the variable of a list is another object than the parameter"
    assert play.world.relations["t"].rows == {("a",), ("b",)}


def test_conditional_effects_read_the_state_before() -> None:
    swap = (
        ":parameters (?x - thing) :effect (and (done ?x)"
        " (when (p ?x) (and (not (p ?x)) (q ?x))) (when (q ?x) (and (not (q ?x)) (p ?x))))"
    )
    play = tiny({"swap": swap}, init="(p a)")
    for p, q in ((set(), {("a",)}), ({("a",)}, set())):
        assert play.step("swap a") == "Done."
        assert play.world.relations["p"].rows == p
        assert play.world.relations["q"].rows == q


def test_an_effect_for_all_objects_of_a_type() -> None:
    spread = (
        ":parameters (?x - thing) :effect (and (done ?x)"
        " (forall (?y - thing ?z - box) (when (and (r ?y ?z) (not (= ?y ?x))) (p ?z))))"
    )
    play = tiny({"spread": spread}, init="(r a k) (r b k) (r c l) (r k l)")
    play.step("spread c")
    assert play.world.relations["p"].rows == {("k",)}
    play.step("spread a")
    assert play.world.relations["p"].rows == {("k",), ("l",)}


def test_a_variable_of_an_effect_may_hide_a_parameter() -> None:
    mark = ":parameters (?x - thing) :effect (and (done ?x) (forall (?x - box) (b ?x)))"
    play = tiny({"mark": mark})
    assert play.step("mark a") == "Done."
    assert play.world.relations["b"].rows == {("k",), ("l",)}
    assert play.world.relations["done"].rows == {("a",)}


def test_a_negative_fact_exists_only_once_an_action_has_made_it() -> None:
    play = tiny(
        {
            "drop": ":parameters (?x - thing) :precondition (t ?x) :effect (not (t ?x))",
            "lift": ":parameters (?x - thing) :precondition (not (t ?x)) :effect (t ?x)",
            "ask": ":parameters (?x - box) :effect (done ?x)",
        },
        init="(t a)",
        phrases={"ask": ("ask {x}", "[{y.name | not_t(y:thing)}]")},
    )
    assert play.step("ask k") == "nothing", "b and c are not t, but nobody has made it so"
    play.step("drop a")
    assert play.step("ask k") == "a"
    play.step("lift b")
    play.step("drop b")
    assert play.step("ask k") == "a, and b"
    play.step("lift a")
    assert play.step("ask k") == "b"


def test_actions_without_parameters_and_constants() -> None:
    play = tiny(
        {"ring": ":effect (p moon)", "hush": ":precondition (p moon) :effect (not (p moon))"},
        domain="(:constants moon - thing)",
        goal="(p moon)",
    )
    assert play.commands() == ["ring"]
    play.step("ring")
    assert play.won
    assert play.commands() == ["hush", "ring"]


def test_of_equal_commands_the_first_action_and_the_smallest_object_count() -> None:
    say = ("go", "{x.name}")
    play = tiny(
        {
            "second": ":parameters (?x - thing) :precondition (p ?x) :effect (done ?x)",
            "first": ":parameters (?x - box) :effect (done ?x)",
        },
        init="(p c) (p b)",
        phrases={"second": say, "first": say},
    )
    assert play.commands() == ["go"]
    assert play.step("go") == "b"


# ── the state and what is remembered of it ──────────────────────────────────


def states_of(play: Play) -> tuple[object, ...]:
    """All that can be seen of a state."""
    return play.commands(), play.won, play.intro()


GAMES: dict[str, Callable[[], Play]] = {
    "cottage": lambda: cottage.cottage().start(),
    "household": lambda: build_game(make_task(task_ids("unseen", "small")[3])).start(),
    "household from a file": lambda: read_game(
        household_file(task_ids("seen", "small")[0]), cottage.names
    ).start(),
}
if REAL_GAME.is_file():
    from qevolve_envs.household.alfworld import alfred_names

    GAMES["the real game"] = lambda: load_game(REAL_GAME, alfred_names).start()


@pytest.mark.parametrize("name", GAMES)
def test_nothing_that_is_remembered_is_stale(name: str) -> None:
    """A long episode, whose tables are kept up to date, against a fresh one in the same state."""
    play = GAMES[name]()
    game, chance = play.game, random.Random(name)
    for _ in range(3):
        play = game.start()
        for _ in range(30):
            fresh = game.start()
            fresh.restore(json.loads(json.dumps(play.changes())))
            assert states_of(play) == states_of(fresh)
            command = chance.choice(play.commands())
            assert play.step(command) == fresh.step(command)
            assert play.changes().keys() >= {
                n for n, r in play.world.relations.items() if r.rows != game.relations[n].rows
            }
    assert game.start().changes() == {}, "an episode does not touch its game"


@pytest.mark.parametrize("name", GAMES)
def test_the_commands_are_just_those_that_are_accepted(name: str) -> None:
    play = GAMES[name]()
    game, chance = play.game, random.Random(name)
    seen: set[str] = set()
    for _ in range(25):
        commands = play.commands()
        assert commands == sorted(set(commands))
        for command in chance.sample(commands, min(4, len(commands))):
            trial = game.start()
            trial.restore(play.changes())
            assert trial.step(command) is not None, command
        for command in chance.sample(sorted(seen), min(4, len(seen))):
            if command not in commands:
                before = play.changes()
                assert play.step(command) is None, command
                assert play.changes() == before
        assert all(play.looks_like_command(command) for command in commands)
        seen |= set(commands)
        play.step(chance.choice(commands))


COTTAGE = cottage.cottage()
#: Everything that is a command in some state of the cottage, and any text.
TEXTS = st.one_of(
    st.text(max_size=30),
    st.builds(
        str.format,
        st.sampled_from(["look", "sweep", "walk to {0}", "take {0}", "open {0}", "drop {0}"]),
        st.sampled_from(["hall", "study", "attic", "key", "coin", "spoon", "chest"]),
    ),
    st.builds("{} {} {} {}".format, *map(st.just, ("take", "key", "from", "chest"))),
)


@settings(max_examples=150, deadline=None)
@given(choices=st.lists(st.integers(0, 1000), max_size=25), text=TEXTS)
def test_a_text_is_accepted_just_if_it_is_among_the_commands(choices: list[int], text: str) -> None:
    play = COTTAGE.start()
    for choice in choices:
        play.step(play.commands()[choice % len(play.commands())])
    possible = play.commands()
    assert (play.step(text) is not None) == (text.strip() in possible)


def test_a_table_depends_on_what_a_rule_shared_with_another_action_asks() -> None:
    """The rule is compiled once, for the feedback of the first action; the command needs it too."""
    sign = '"sign": [ { "condition": "p(x:thing)", "rhs": "plus" }, { "rhs": "minus" } ]'
    play = tiny(
        {
            "mark": ":parameters (?x - thing) :precondition (not (p ?x)) :effect (p ?x)",
            "read": ":parameters (?x - thing) :precondition (t ?x) :effect (done ?x)",
        },
        init="(t a)",
        phrases={"mark": ("mark {x}", "#sign#"), "read": ("read {x} #sign#", "Done.")},
        rules=sign,
    )
    assert "read a minus" in play.commands()
    assert play.step("mark a") == "plus"
    assert "read a plus" in play.commands()
    assert "read a minus" not in play.commands()


# ── refusals at load time ───────────────────────────────────────────────────

SURE = ":parameters (?x - thing) :precondition (t ?x) :effect (done ?x)"


@pytest.mark.parametrize(
    ("actions", "parts", "words"),
    [
        (
            {"go": ":parameters (?x - thing) :effect (when (p ?x) (q ?x))"},
            {},
            "'go' may change nothing",
        ),
        (
            {"go": ":parameters (?x - thing) :effect (not (p ?x))"},
            {},
            "'go' may change nothing",
        ),
        (
            {
                "go": ":parameters (?x - thing) :precondition (or (p ?x) (and (q ?x) (t ?x)))"
                " :effect (p ?x)",
                "un": ":parameters (?x - thing) :precondition (p ?x) :effect (not (p ?x))",
            },
            {"init": "(p a) (q b) (t b)"},
            None,
        ),
        (
            {"go": ":parameters (?x - thing) :precondition (and (t ?x) (or (q ?x) (p ?x)))"
             " :effect (p ?x)"},
            {},
            "'go' may change nothing",
        ),
        (
            {"go": ":parameters (?x - thing) :effect (and (done ?x) (when (p ?x) (q ?x)))"},
            {"phrases": {"go": ("go {x}", "[{y.name | q(y:thing)}]")}},
            "ask for 'q', which action 'go' changes by a conditional effect",
        ),
        (
            {"go": ":parameters (?x - thing) :effect (and (done ?x) (not (q ?x)))"},
            {"phrases": {"go": ("go {x}", "[{y.name | not_q(y:thing)}]")}},
            "ask for 'not_q', and action 'go' deletes it",
        ),
        (
            # Required by one alternative only.
            {"go": ":parameters (?x - thing) :precondition (or (q ?x) (p ?x))"
             " :effect (and (done ?x) (not (q ?x)))"},
            {"phrases": {"go": ("go {x}", "[{y.name | not_q(y:thing)}]")}},
            "ask for 'not_q', and action 'go' deletes it",
        ),
        (
            {"go": SURE},
            {
                "types": "thing - object box - thing cup - box",
                "phrases": {"go": ("go {x}", "[{y.name | t(y:thing)}]")},
            },
            "names 'thing', whose subtypes have subtypes",
        ),
        ({"go": SURE}, {"goal": "(and (done a) (not (t b)))"}, "'not t', which never changes"),
    ],
)  # fmt: skip
def test_what_upstream_answers_by_its_build_is_refused(
    actions: dict[str, str], parts: dict[str, object], words: str | None
) -> None:
    if words is None:  # The alternatives are played apart: one changes something, one does not.
        assert tiny(actions, **parts).commands() == ["go b", "un a"]
        return
    with pytest.raises(Unsupported, match=words):
        tiny(actions, **parts)


def test_an_action_needs_phrases() -> None:
    grammar = cottage.GRAMMAR.replace("action sweep", "action mop")
    with pytest.raises(Unsupported, match="'sweep' has no phrases"):
        cottage.cottage(grammar=grammar)


@pytest.mark.parametrize("key", ["pddl_domain", "pddl_problem", "grammar"])
@pytest.mark.parametrize("value", [None, 3, ["(define"], {}])
def test_missing_parts_are_named(key: str, value: object) -> None:
    with pytest.raises(BadFile, match=f"no text under '{key}'"):
        cottage.cottage(**{key: value})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b'{"pddl_domain": "(defi', "truncated"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'"game"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"scores": [1, 2]}', "no text under 'pddl_domain'"),
        (b"[" * 100_000, "not valid JSON"),
        (b"9" * 5000, "not valid JSON"),
    ],
)
def test_other_files_are_refused_in_one_sentence(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=words) as caught:
        load_game(path, cottage.names)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tw-pddl", tmp_path):
        with pytest.raises(BadFile, match="Cannot read"):
            load_game(path, cottage.names)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_text(json.dumps(cottage.as_file(pddl_problem="(define (problem p))")))
    with pytest.raises(BadFile, match=r"game\.tw-pddl: the problem has no goal\."):
        load_game(path, cottage.names)


# ── hostile files ───────────────────────────────────────────────────────────


def test_too_many_matches_end_in_a_sentence() -> None:
    objects = " ".join(f"o{n}" for n in range(60)) + " - thing"
    play = tiny(
        {"go": ":parameters (?a ?b ?c ?d ?e - thing) :effect (r ?a ?b)"},
        objects=f"a - thing {objects}",
    )
    with pytest.raises(Unsupported, match="a million matches"):
        play.commands()


def test_a_condition_of_too_many_alternatives_is_refused() -> None:
    variables = [f"?x{n}" for n in range(24)]
    ors = " ".join(f"(or (p {v}) (q {v}))" for v in variables)
    with pytest.raises(Unsupported, match="a thousand alternatives"):
        tiny({"go": f":parameters ({' '.join(variables)}) :precondition (and {ors}) :effect (p a)"})


def mutate(text: str, chance: random.Random) -> str:
    """A text with a few of its words lost, doubled, swapped or taken from elsewhere in it."""
    words = text.split(" ")
    for _ in range(chance.choice((1, 1, 2, 5))):
        i, j = chance.randrange(len(words)), chance.randrange(len(words))
        match chance.randrange(6):
            case 0:
                del words[i]
            case 1:
                words.insert(i, words[j])
            case 2:
                words[i], words[j] = words[j], words[i]
            case 3:
                words[i] = words[j]
            case 4:
                words = words[: i + 1]
            case 5:
                k = chance.randrange(len(words[i]) + 1)
                words[i] = words[i][:k] + chance.choice('()?-:;#"{}[]|&,x\\\n ') + words[i][k + 1 :]
        if len(words) < 2:
            break
    return " ".join(words)


def spaced(text: str) -> str:
    """The same text with space around brackets, so that mutations move single words."""
    return text.replace("(", " ( ").replace(")", " ) ")


@pytest.mark.parametrize(
    ("source", "count"),
    [("cottage", 900), ("household", 100), pytest.param("real", 60, marks=needs_real_game)],
)
def test_a_damaged_game_is_refused_or_plays(source: str, count: int) -> None:
    """Never a traceback: `BadFile` says what is wrong, and what loads can be played."""
    good = {
        "cottage": cottage.as_file,
        "household": lambda: household_file(task_ids("unseen", "small")[0]),
        "real": lambda: json.loads(REAL_GAME.read_text()),
    }[source]()
    keys = ("pddl_domain", "pddl_problem", "grammar")
    spaces = {k: spaced(good[k]) if k != "grammar" else good[k] for k in keys}
    chance = random.Random(source)
    played = 0
    for _ in range(count):
        key = chance.choice(keys)
        damaged = {**good, key: mutate(spaces[key], chance)}
        try:
            play = read_game(damaged, cottage.names).start()
        except BadFile:
            continue
        played += 1
        play.intro()
        for _ in range(4):
            commands = play.commands()
            _ = play.won
            if not commands:
                break
            play.step(chance.choice(commands))
    assert 0 < played < count, "the damage is neither harmless nor always fatal"
