"""Things that have nothing to do with the task: really there, and harmless."""

import re
from html.parser import HTMLParser

import gymnasium
import pytest

from qevolve_envs.household.kinds import RECEPTACLES, THINGS
from qevolve_envs.lab.tasks import _CLUTTER, make_task
from qevolve_envs.language import find_language
from qevolve_envs.perturb import make_perturbed
from qevolve_envs.perturb.distractors import IRRELEVANT, add_sentences
from qevolve_envs.registration import register_all
from qevolve_envs.shop.reward import reward_of
from qevolve_envs.shop.tasks import make_task as make_goal

register_all()


@pytest.mark.parametrize(("severity", "count"), [(1, 4), (2, 8), (3, 16)])
def test_a_household_has_more_things_of_other_kinds(severity, count):
    env = make_perturbed("qevolve/Household-v0", f"distractors:{severity}")
    world = env.unwrapped.world
    for number in range(0, 3000, 250):
        task_id = f"household/train/{number:04d}"
        content = world.task(task_id).content
        env.reset(options={"task": task_id})
        names = [
            n for i, n in world._play.game.names.items() if world._play.game.types[i] == "thing"
        ]
        before = [f"{kind} {i}" for kind, i, _ in content["places"]]
        more = set(names) - set(before)
        kinds = {name.rpartition(" ")[0] for name in more}
        assert set(before) <= set(names) and len(more) == count == len(names) - len(before)
        assert content["thing"] not in kinds and not any(THINGS[kind].lamp for kind in kinds)
        # The world itself is not another one for whoever plays it clean.
        assert world.task(task_id).content == content


def test_a_household_without_distractors_is_as_ever():
    env = make_perturbed("qevolve/Household-v0", "distractors:3")
    world = env.unwrapped.world
    env.reset(options={"task": "household/train/0001"})
    clean = gymnasium.make("qevolve/Household-v0")
    assert world.panel_digest("seen") == clean.unwrapped.panel_digest("seen")
    again, _ = world.reset(options={"task": "household/train/0002"})
    assert again == clean.reset(options={"task": "household/train/0002"})[0]


@pytest.mark.parametrize(("severity", "count"), [(1, 5), (2, 10), (3, 20)])
def test_a_lab_has_more_clutter_where_the_task_does_not_play(severity, count):
    env = make_perturbed("qevolve/Lab-v0", f"distractors:{severity}")
    world = env.unwrapped.world
    for number in range(1, 1400, 97):
        task_id = f"lab/train/{number:04d}"
        _, info = env.reset(options={"task": task_id})
        rooms = world._interpreter.world.rooms.values()
        more = [t for room in rooms for t in room.walk() if t.name in _CLUTTER]
        assert len(more) == count
        for thing in more:
            room = world._interpreter.world.room_of(thing).name
            assert f"the {room}" not in info["goal"]


def test_no_distractor_of_a_lab_shares_a_word_with_anything_else():
    words = set(_CLUTTER)
    for task_id in [f"lab/{s}/{n:04d}" for s in ("train", "unseen") for n in range(1, 200, 3)]:
        spec = make_task(task_id)
        names = {item["name"] for item in spec.items} | {spec.variant, spec.goal}
        assert not words & {word for name in names for word in re.findall("[a-z]+", name)}
    assert not words & {
        word for name in find_language("qevolve/Lab-v0").names.plurals for word in name.split()
    }


@pytest.mark.parametrize("form", ("text", "text_rich", "html"))
@pytest.mark.parametrize(("severity", "count"), [(1, 1), (2, 2), (3, 4)])
def test_a_shop_puts_unrelated_products_first(severity, count, form):
    env = make_perturbed("qevolve/Shop-v0", f"distractors:{severity}", observation=form)
    world = env.unwrapped.world
    clean = gymnasium.make("qevolve/Shop-v0")
    for number in range(0, 1900, 380):
        task_id = f"shop/train/{number:04d}"
        goal = make_goal(task_id).goal
        for played in (env, clean):
            played.reset(options={"task": task_id})
        query = world.admissible_commands()[0]
        text = env.step(query)[0]
        clean.step(query)
        codes, others = (
            [c for c in e.unwrapped.admissible_commands() if re.fullmatch(r"click\[q\w+\]", c)]
            for e in (env, clean)
        )
        more = sorted(set(codes) - set(others))
        assert set(others) <= set(codes) and len(more) == count
        first = min(text.lower().index(c[6:-1]) for c in others)
        products = {p.ident.lower(): p for p in world._shop().products}
        for code in more:
            assert text.lower().index(code[6:-1]) < first
            product = products[code[6:-1]]
            assert product.department != goal.department
            assert reward_of(product, goal.options.values(), goal).total < 1
        assert "Buy Now" in env.step(more[0])[0]


def test_sentences_name_nothing_of_any_world():
    households = {w for name in (*THINGS, *RECEPTACLES) for w in name.split()}
    labs = {w for name in find_language("qevolve/Lab-v0").names.plurals for w in name.split()}
    said = {word for sentence in IRRELEVANT for word in re.findall("[a-z]+", sentence.lower())}
    assert not said & (households | labs | set(_CLUTTER)) - {"of"}


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("input", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())


@pytest.mark.parametrize("before", (True, False))
def test_where_sentences_stand(before):
    sentences = ["One.", "Two."]
    plain = add_sentences("You see: a.", sentences, before)
    assert plain == ("One. Two.\nYou see: a." if before else "You see: a.\nOne. Two.")
    page = add_sentences("a [SEP] b", sentences, before, " [SEP] ")
    assert page == (
        "One. [SEP] Two. [SEP] a [SEP] b" if before else "a [SEP] b [SEP] One. [SEP] Two."
    )
    env = gymnasium.make("qevolve/Shop-v0", observation="html")
    text, _ = env.reset(seed=0)
    reader = Reader()
    reader.feed(add_sentences(text, sentences, before))
    texts = [t for t in reader.texts if t and t != "Shop"]
    assert reader.open == [] and (texts[:2] if before else texts[-2:]) == sentences


@pytest.mark.parametrize(("severity", "share"), [(1, 1 / 3), (2, 2 / 3), (3, 1.0)])
def test_how_often_something_is_said(severity, share):
    env = make_perturbed("qevolve/Household-v0", f"distractors:{severity}")
    counts = []
    for seed in range(30):
        texts = [env.reset(seed=seed)[0], *(env.step("inventory")[0] for _ in range(15))]
        counts += [sum(text.count(sentence) for sentence in IRRELEVANT) for text in texts]
        assert "Your task" in texts[0].split("\n")[-1]
    assert set(counts) <= {0, severity}
    assert sum(map(bool, counts)) / len(counts) == pytest.approx(share, abs=0.07)
