"""Only documented commands are understood."""

import gymnasium
import numpy as np
import pytest

from qevolve_envs.core import Feedback
from qevolve_envs.language import find_language
from qevolve_envs.perturb import make_perturbed
from qevolve_envs.perturb.strict import accepts
from qevolve_envs.registration import register_all

register_all()

#: Wordings that the clean world understands -> the lowest severity that refuses them.
KIND = {
    "qevolve/Household-v0": {
        "go to cabinet 1": 4,
        "look": 4,
        "Look": 3,
        " look  ": 3,
        "look.": 2,
        "look around": 1,
        "walk to cabinet 1": 1,
        "go to the cabinet 1": 2,
        "Go to Cabinet 1": 3,
        "go to cabinet 1.": 2,
        "l": 1,
    },
    "qevolve/Lab-v0": {
        "look around": 4,
        "inventory": 4,
        "examine house plan": 4,
        "drop house plan": 4,
        "wait 10 minutes": 4,
        "wait": 4,
        "look": 1,
        "i": 1,
        "look at house plan": 1,
        "put down house plan": 1,
        "examine the house plan": 2,
        "Examine house plan": 3,
        "sleep 10 minutes": 1,
        "wait 10 m": 1,
    },
    "qevolve/Shop-v0": {
        "search[red lamp]": 4,
        "Search[red lamp]": 3,
        "search [red lamp]": 3,
        "search[red lamp] please": 3,
        "search for a red lamp": 1,
        "find a red lamp": 1,
    },
}
CASES = [
    pytest.param(env_id, command, least, id=f"{env_id.split('/')[1]}: {command}")
    for env_id, commands in KIND.items()
    for command, least in commands.items()
]


@pytest.mark.parametrize(("env_id", "command", "least"), CASES)
def test_what_is_refused_from_which_severity_on(env_id, command, least):
    task = {"qevolve/Household-v0": "household/train/0009"}.get(env_id)
    clean = gymnasium.make(env_id)
    clean.reset(seed=1, options={"task": task} if task else None)
    assert clean.step(command)[4]["feedback"] in (Feedback.OK, Feedback.UNCHANGED)
    for severity in (1, 2, 3):
        env = make_perturbed(env_id, f"strict:{severity}")
        env.reset(seed=1, options={"task": task} if task else None)
        feedback = env.step(command)[4]["feedback"]
        assert (feedback is Feedback.MALFORMED) is (severity >= least), severity


@pytest.mark.parametrize(
    ("command", "accepted"),
    [
        ("click[buy now]", (True, True, True)),
        ("click[Buy Now]", (True, True, True)),
        ("click[buy]", (True, False, False)),
        ("click[Next]", (True, False, False)),
        ("Click[next >]", (True, True, False)),
        ("click[ next > ]", (True, True, False)),
        ("buy now", (False, False, False)),
        ("press the buy now button", (False, False, False)),
        ("click[]", (False, False, False)),
        ("click[[a] b]", (True, True, True)),
    ],
)
def test_buttons(command, accepted):
    shop = find_language("qevolve/Shop-v0").commands
    assert tuple(accepts(shop, command, severity) for severity in (1, 2, 3)) == accepted


def test_the_right_preposition_is_asked_for():
    household = find_language("qevolve/Household-v0").commands
    assert accepts(household, "put mug 1 in medicine cabinet 2", 1)
    assert accepts(household, "put loaf of bread 1 on coffee table 1", 3)
    assert not accepts(household, "put mug 1 on medicine cabinet 2", 1)
    assert not accepts(household, "put mug 1 in coffee table 1", 1)


@pytest.mark.parametrize("env_id", KIND)
def test_every_admissible_command_is_documented(env_id):
    env = gymnasium.make(env_id)
    documented = find_language(env_id).commands
    rng = np.random.default_rng(0)
    seen = set()
    for seed in range(30):
        env.reset(seed=seed)
        for _ in range(12):
            commands = env.unwrapped.admissible_commands()
            if not commands:
                break
            seen.update(commands)
            if env.step(commands[int(rng.integers(len(commands)))])[2]:
                break
    refused = [command for command in seen if not accepts(documented, command, 3)]
    assert len(seen) > 200 and not refused
