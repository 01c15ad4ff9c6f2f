"""A world's language file gives it prompts and perturbations."""

import re
from pathlib import Path

import gymnasium
import pytest
from toy import Corridor

import qevolve_envs.perturb
from qevolve_envs.catalog import CATALOG, EnvEntry
from qevolve_envs.errors import BadFile
from qevolve_envs.household.kinds import RECEPTACLES, THINGS
from qevolve_envs.lab.houses import CLUTTER, FIXTURES, ROLES, TOOLS
from qevolve_envs.language import Language, find_language, language_of
from qevolve_envs.perturb import PERTURBATIONS, applicable, make_perturbed
from qevolve_envs.registration import register, register_all
from qevolve_envs.shop.actions import ALIASES
from qevolve_envs.shop.wording import LIMITS, REQUESTS

register_all()
HERE = Path(__file__).parent


class TalkingCorridor(Corridor):
    """The corridor of the tests, with a language file of its own."""

    language = "corridor.toml"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flies = 0

    def distract(self, task_id, count, rng):
        self.flies = count

    def _look(self):
        return super()._look() + " You carry: a comb, a flask, a needle, and a rope." * 2

    def _act(self, command):
        # Kindly understood, but not documented.
        return super()._act("look" if command.lower() == "peek" else command)


ENTRY = EnvEntry(
    id="toy/TalkingCorridor-v0",
    entry_point=f"{__name__}:TalkingCorridor",
    max_episode_steps=20,
    splits=TalkingCorridor.splits,
    summary="A corridor with a language.",
)


@pytest.fixture(scope="module", autouse=True)
def registered():
    gymnasium.register(ENTRY.id, entry_point=TalkingCorridor, max_episode_steps=20)
    yield
    del gymnasium.registry[ENTRY.id]


# ── a plug-in ───────────────────────────────────────────────────────────────


def test_a_plug_in_with_a_language_file_has_every_perturbation():
    assert applicable(ENTRY.id) == list(PERTURBATIONS)
    assert applicable("toy/Corridor-v0") == ["distractors", "typos", "dropout", "failures"]


def play(perturbation, commands=("look", "right", "look")):
    env = make_perturbed(ENTRY.id, perturbation)
    texts = [env.reset(seed=1, options={"task": "corridor/train/00"})[0]]
    texts += [env.step(command)[0] for command in commands]
    return env.unwrapped, texts


def test_instructions_and_observations_of_a_plug_in_are_reworded():
    _, texts = play("paraphrase:1")
    assert "Your task: Get the door open.\nCell 0" in texts[0]
    _, texts = play("paraphrase:2")
    assert all("This is cell" in text or "In cell" in text for text in texts)


def test_names_of_a_plug_in_are_swapped():
    _, texts = play("rename:2")
    assert all("a cleft, a flagon, a needle, and a rope" in text for text in texts)
    _, texts = play("rename:3")
    assert not any(re.search("comb|flask|needle", text) for text in texts)
    assert all("and a rope" in text for text in texts)


def test_a_plug_in_has_more_things():
    assert [play(f"distractors:{s}")[0].world.flies for s in (1, 2, 3)] == [2, 4, 8]


def test_lists_of_a_plug_in_are_shuffled():
    orders = {re.findall("You carry: ([^.]*)", text)[0] for text in play("reorder:3")[1]}
    assert len(orders) > 1
    assert {frozenset(re.findall(r"\w{4,}", order)) for order in orders} == {
        frozenset(("comb", "flask", "needle", "rope"))
    }


def test_only_documented_commands_of_a_plug_in_are_understood():
    env = make_perturbed(ENTRY.id, "strict:1")
    env.reset(seed=1)
    assert env.step("right")[4]["feedback"] == "ok"
    assert env.step("peek")[4]["feedback"] == "malformed"


def test_the_expert_of_a_plug_in_has_enough_steps():
    world, _ = play("horizon:3", ())
    assert world.horizon == 20 and world._limit == max(8, world._limit) < 20


def test_a_plug_in_explains_itself_to_a_language_model():
    from qevolve_bench.llm.dialogue import Dialogue
    from qevolve_bench.llm.prompt import load_prompt

    for env_id in (ENTRY.id, f"{__name__}:{ENTRY.id}"):
        dialogue = Dialogue(load_prompt("react"), env_id, "Open the door.")
        dialogue.observe("Cell 0.")
        assert "The commands are: left; right; take key" in dialogue.messages()[0]["content"]


# ── our own ─────────────────────────────────────────────────────────────────


def test_perturb_knows_no_environment_by_name():
    """Neither an id, nor a world's name, nor a module of one."""
    folder = Path(qevolve_envs.perturb.__file__).parent
    ids = {entry.id for entry in CATALOG}
    names = {env_id.partition("/")[2].partition("-")[0].lower() for env_id in ids}
    # A "shop" may be spoken of in prose no more than any other world.
    worlds = names | {"household", "shop", "lab", "tipping", "alfworld", "webshop"}
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, ids))}|{'|'.join(worlds)})s?\b", re.I)
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".toml", ".txt"):
            assert not pattern.findall(path.read_text()), path


def test_the_languages_of_the_suite_agree_with_its_worlds():
    """Names are in the order of the worlds' tables, which is that of the draws."""
    household = find_language("qevolve/Household-v0")
    plurals = {kind.name: kind.plural for kind in THINGS.values()}
    assert list(household.names.plurals.items()) == [
        *plurals.items(),
        *((name, name) for name in RECEPTACLES),
    ]
    meant = {k.name for k in RECEPTACLES.values() if k.washes or k.heats or k.cools}
    assert household.names.kept == meant | {k.name for k in THINGS.values() if k.lamp}
    for kind in RECEPTACLES.values():
        command = f"put mug 1 {'in' if kind.inside else 'on'} {kind.name} 1"
        wrong = f"put mug 1 {'on' if kind.inside else 'in'} {kind.name} 1"
        documented = re.compile("|".join(f"(?:{p})" for p in household.commands.patterns))
        assert documented.fullmatch(command) and not documented.fullmatch(wrong)
    lab = find_language("qevolve/Lab-v0").names
    assert list(lab.plurals) == [
        *(name for pair in ROLES.values() for name in pair),
        *(f.name for sides in FIXTURES.values() for side in sides for f in side),
        *(name for known, other, _ in TOOLS.values() for name in (known, other)),
        *(name for side in CLUTTER for name in side),
    ]
    shop = find_language("qevolve/Shop-v0")
    assert [usual for usual, *_ in shop.goals] == [
        request.replace("{limit}", limit.replace("{sum}", "{n}"))
        for request in REQUESTS
        for limit in LIMITS
    ]
    assert shop.commands.undocumented == {f"click[{alias}]" for alias in ALIASES}
    assert find_language("qevolve/WebShop-v0").commands.undocumented == shop.commands.undocumented


# ── the file ────────────────────────────────────────────────────────────────


def test_no_file_is_an_empty_language():
    assert find_language("toy/Nothing-v0").prompt == language_of(Corridor).prompt == ""
    assert find_language("CartPole-v1").names is None


def test_a_subclass_in_another_folder_keeps_the_language(tmp_path):
    class Longer(TalkingCorridor):
        pass

    assert language_of(Longer) is language_of(TalkingCorridor)
    assert isinstance(language_of(Longer), Language)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("prompt = ", "Cannot read"),
        ("promt = 'x'", "Unknown entry 'promt': did you mean 'prompt'"),
        ("prompt = 3", "prompt must be text, not 3"),
        ("distractors = true", "distractors must be a number, not True"),
        ("shorter_horizon = 1", "shorter_horizon must be true or false"),
        ("lists = ['[']", r"'\[' is no regular expression"),
        ("lists = 'x'", "lists must be an array"),
        ("[names]", "names.words is missing"),
        ("[names]\nwords = ['a', 3]", r"names.words\[2\] must be text"),
        ("[names]\nwords = ['a']\nsynonyms = {b = 'c'}", "names.words lacks 'b'"),
        ("[commands]\npatterns = ['a']\nbutons = []", "Unknown entry 'commands.butons'"),
        ("[wordings]\ngoals = 'One.'", "'One.' has fewer than 2 wordings"),
        ("[wordings]\nobservations = '''One.\nTwo.'''", "fewer than 3 wordings"),
        ("[wordings]\ngoals = '''Go {x}.\nTo {y}.'''", r"'To {y}.' has {y}, unlike 'Go {x}.'"),
    ],
)
def test_a_bad_file_is_named_with_its_entry(tmp_path, text, said):
    path = tmp_path / "bad.toml"
    if text is not None:
        path.write_text(text)

    class Bad(Corridor):
        language = str(path)

    with pytest.raises(BadFile, match=said) as error:
        language_of(Bad)
    assert "bad.toml" in str(error.value)


def test_registering_an_entry_twice_changes_nothing():
    register(ENTRY)
    assert gymnasium.registry[ENTRY.id].entry_point is TalkingCorridor
