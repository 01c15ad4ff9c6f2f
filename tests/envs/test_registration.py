"""The catalogue, plug-ins, and what Gymnasium says about ids that do not exist."""

import json
import subprocess
import sys
import warnings

import gymnasium
import pytest
import toy

from qevolve_envs import registration
from qevolve_envs.catalog import CATALOG, NAMESPACE, EnvEntry
from qevolve_envs.core import TextEnv
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.registration import GROUP, all_entries, find_spec, register, register_all


def entry(**values):
    defaults = {
        "id": "out/World-v0",
        "entry_point": "toy:Corridor",
        "max_episode_steps": 5,
        "splits": ("train",),
        "summary": "A world.",
    }
    return EnvEntry(**{**defaults, **values})


class Plugin:
    """What `importlib.metadata` would give for an installed package."""

    def __init__(self, offered, name="plugin"):
        self.name, self.value, self._offered = name, "package:object", offered

    def load(self):
        if isinstance(self._offered, BaseException):
            raise self._offered
        return self._offered


@pytest.fixture
def installed(monkeypatch):
    """Pretends that plug-ins are installed."""

    def install(*offered):
        def entry_points(group):
            assert group == GROUP == "qevolve_bench.environments"
            return [Plugin(o, name=f"plugin{i}") for i, o in enumerate(offered)]

        monkeypatch.setattr(registration, "entry_points", entry_points)

    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    return install


@pytest.mark.parametrize("item", CATALOG, ids=lambda item: item.id)
def test_every_entry_is_registered(item):
    register_all()
    spec = gymnasium.spec(item.id)
    assert spec.namespace == NAMESPACE
    assert spec.entry_point == item.entry_point
    assert spec.max_episode_steps == item.max_episode_steps
    assert spec.vector_entry_point == f"qevolve_envs.vector:{item.id}"
    assert not spec.disable_env_checker and spec.order_enforce
    assert spec.nondeterministic is item.nondeterministic
    assert gymnasium.envs.registration.EnvSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("item", CATALOG, ids=lambda item: item.id)
def test_catalogue_agrees_with_the_class(item):
    env = item.load()
    assert issubclass(env, TextEnv)
    assert env.splits == item.splits
    assert item.summary.endswith(".") and "\n" not in item.summary


def test_ids_are_unique():
    assert len({item.id for item in CATALOG}) == len(CATALOG)


def test_registering_again_changes_nothing():
    register_all()
    before = dict(gymnasium.registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_all()
        register(toy.ENTRY)
    assert all(gymnasium.registry[key] is spec for key, spec in before.items())
    assert len(gymnasium.registry) == len(before)


def test_close_matches_come_from_gymnasium():
    register_all()
    for wrong, error, hint in (
        ("qevolve/Houshold-v0", gymnasium.error.NameNotFound, "Did you mean: `Household`"),
        ("qevolv/Household-v0", gymnasium.error.NamespaceNotFound, "Did you mean: `qevolve`"),
        ("qevolve/Household-v7", gymnasium.error.VersionNotFound, r"\[ `v0` \]"),
    ):
        with pytest.raises(error, match=hint):
            gymnasium.make(wrong)


def test_registered_by_importing_the_package_or_naming_it_in_the_id():
    code = (
        "import gymnasium, sys; {}; spec = gymnasium.envs.registration._find_spec({!r});"
        "print(spec.id); assert 'torch' not in sys.modules"
    )
    household = CATALOG[0].id
    for imported, env_id in (
        ("import qevolve_bench", household),
        ("pass", f"qevolve_bench:{household}"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(imported, env_id)],
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == household


def test_find_spec_takes_a_module():
    assert find_spec(f"toy:{toy.ENTRY.id}").id == toy.ENTRY.id
    with pytest.raises(UnknownName, match="did you mean 'toy/Corridor-v0'"):
        find_spec("toy/Coridor-v0")


def test_horizon_and_kwargs_reach_the_environment():
    env = gymnasium.make(toy.ENTRY.id, extra_length=3, admissible=True)
    _, info = env.reset(seed=0)
    assert info["admissible_commands"] == ["look", "right"]
    ends = [env.step("look")[3] for _ in range(toy.ENTRY.max_episode_steps)]
    assert ends.index(True) == len(ends) - 1
    assert json.loads(env.spec.to_json())["kwargs"] == {"extra_length": 3, "admissible": True}
    with pytest.raises(BenchError, match="did you mean 'unseen'"):
        gymnasium.make(toy.ENTRY.id, split="unsen")


# ── plug-ins ────────────────────────────────────────────────────────────────


def test_plugins_offer_one_entry_or_several(installed):
    one, two, three = (entry(id=f"out/World{n}-v0") for n in "ABC")
    installed(one, [two, three])
    assert all_entries() == (*CATALOG, one, two, three)
    register_all()
    env = gymnasium.make("out/WorldB-v0", split="train")
    assert env.reset(seed=0)[1]["task_id"].startswith("corridor/train")


@pytest.mark.parametrize(
    ("offered", "sentence"),
    [
        (ImportError("No module named\n'nothing'"), "failed to load .ImportError: No module"),
        (RuntimeError("boom"), "failed to load"),
        ("me/World-v0", "offers a str, not an EnvEntry"),
        (None, "offers a NoneType"),
        (entry(id="World"), "not of the form"),
        (entry(id="me/World v0!"), "not of the form"),
        (entry(entry_point="toy.Corridor"), "not 'module:Class'"),
        (entry(id=CATALOG[0].id), "which is taken"),
    ],
)
def test_broken_plugin_warns_in_one_sentence(installed, offered, sentence):
    good = entry(id="out/Good-v0")
    installed(offered, good)
    with pytest.warns(UserWarning, match=sentence) as caught:
        entries = all_entries()
    assert entries == (*CATALOG, good)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "'plugin0'" in message and message.endswith("; it is left out.")
    assert "\n" not in message


def test_plugin_that_repeats_itself_is_no_trouble(installed):
    installed(entry(), entry())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all_entries() == (*CATALOG, entry())
