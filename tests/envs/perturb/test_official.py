"""The official environments can be perturbed, too, where that makes sense; data are made here."""

import importlib.util
from pathlib import Path

import pytest

from qevolve_envs.agent import TaskView
from qevolve_envs.household.export import export_task
from qevolve_envs.household.tasks import JOBS, make_task, task_ids
from qevolve_envs.perturb import applicable, make_perturbed
from qevolve_envs.perturb.noise import MOST_FAILURES
from qevolve_envs.testing import fuzz

HERE = Path(__file__).parent
ALFWORLD, WEBSHOP = "qevolve/ALFWorld-v0", "qevolve/WebShop-v0"


@pytest.fixture(scope="module")
def games(tmp_path_factory):
    """Six games of our own, laid out and worded like ALFWorld's."""
    root = tmp_path_factory.mktemp("alfworld")
    logic = [(HERE.parent / "household" / f"mini.{end}").read_text() for end in ("pddl", "twl2")]
    kinds = {
        "place": "pick_and_place_simple",
        "light": "look_at_obj_in_light",
        "wash": "pick_clean_then_place_in_recep",
        "heat": "pick_heat_then_place_in_recep",
        "cool": "pick_cool_then_place_in_recep",
        "two": "pick_two_obj_and_place",
    }
    for job in JOBS:
        spec = next(s for s in map(make_task, task_ids("seen", "small")) if s.job == job)
        for folder in ("train", "valid_seen", "valid_unseen"):
            name = f"{kinds[job]}-Thing-None-Place-1"
            export_task(spec, root / "json_2.1.1" / folder / name / "trial_T1", *logic)
    return str(root)


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Official-looking files of a small shop, as the tests of the shop write them."""
    path = HERE.parent / "shop" / "test_webshop.py"
    spec = importlib.util.spec_from_file_location("webshop_files", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.write_data(tmp_path_factory.mktemp("webshop") / "data"))


def test_what_applies_where():
    noise = {"distractors", "typos", "dropout", "failures"}
    assert set(applicable(ALFWORLD)) == noise | {"reorder", "horizon"}
    assert set(applicable(WEBSHOP)) == noise | {"reorder", "strict"}
    assert set(applicable("qevolve/ScienceWorld-v0")) == noise


@pytest.mark.parametrize("name", applicable(ALFWORLD))
def test_official_games_are_played_on(games, name):
    env = make_perturbed(ALFWORLD, f"{name}:3", data=games)
    assert sum(
        fuzz(lambda **kw: make_perturbed(ALFWORLD, f"{name}:3", data=games, **kw), 60).values()
    )
    world, won = env.unwrapped.world, 0
    for task in world.task_ids("seen"):
        # The expert plays the clean game, and its commands are said in the perturbed one.
        expert, commands = world.expert(), []
        text, info = world.reset(options={"task": task})
        expert.reset([TaskView("", task, info["goal"], 0, world.admissible_commands)])
        while not info["won"] and len(commands) < 30:
            commands.append(expert.act([text])[0])
            text, *_, info = world.step(commands[-1])
        if not info["won"]:
            continue
        env.reset(seed=1, options={"task": task})
        for command in commands:
            for _ in range(1 + MOST_FAILURES):
                before = env.unwrapped._delivered
                *_, last = env.step(env.unwrapped.say(command))
                if env.unwrapped._delivered > before:
                    break
        won += last["won"]
        assert last["won"], task
    assert won >= 3


@pytest.mark.parametrize("name", applicable(WEBSHOP))
def test_official_shops_are_visited_on(products, name, tmp_path):
    def make(**kwargs):
        return make_perturbed(WEBSHOP, f"{name}:3", data=products, cache=str(tmp_path), **kwargs)

    assert sum(fuzz(make, 60, admissible=True).values()) == 60
