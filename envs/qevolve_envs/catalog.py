"""The one list of environments: id, entry point, horizon, splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "qevolve"


@dataclass(frozen=True, slots=True)
class EnvEntry:
    """One environment of the suite.

    Attributes:
        id: The Gymnasium id, such as ``"qevolve/Household-v0"``.
        entry_point: ``"module:Class"`` of a `TextEnv`.
        max_episode_steps: The horizon.
        splits: Names of its panels.
        summary: One line for `qevolve-bench list`.
        needs: What a user has to bring, or ``""`` for an embedded environment.
        kwargs: Arguments beyond those of `TextEnv`, with a line of help each.
        local: Those of them that say where something lies on this machine. They do not belong into
            a record that another machine replays.
        nondeterministic: Even with the task, the seed and the actions fixed, an episode may differ.
    """

    id: str
    entry_point: str
    max_episode_steps: int
    splits: tuple[str, ...]
    summary: str
    needs: str = ""
    kwargs: dict[str, str] = field(default_factory=dict)
    local: tuple[str, ...] = ()
    nondeterministic: bool = False

    def load(self) -> type[Any]:
        """Imports and returns the environment class."""
        import importlib

        module, name = self.entry_point.split(":")
        loaded: type[Any] = getattr(importlib.import_module(module), name)
        return loaded


#: Arguments of the norm worlds for one agent.
_NORMS = {
    "p": "probability of an audit",
    "g": "gain of an uncaught violation",
    "F": "fine of a caught violation",
    "b": "pay of accepted work",
    "brief": "whether the first observation leaves out pay and commands",
}

CATALOG: tuple[EnvEntry, ...] = (
    EnvEntry(
        id="qevolve/Household-v0",
        entry_point="qevolve_envs.household.env:HouseholdEnv",
        max_episode_steps=30,
        splits=("train", "seen", "unseen"),
        summary="Find things in rooms, clean, heat or cool them and put them in their place.",
        kwargs={"size": 'rooms of "small", "standard" or "large" size'},
    ),
    EnvEntry(
        id="qevolve/ALFWorld-v0",
        entry_point="qevolve_envs.household.alfworld:ALFWorldEnv",
        max_episode_steps=30,
        splits=("train", "seen", "unseen"),
        summary="The official ALFWorld games, played by this package's own engine.",
        needs="the ALFWorld games, through data=PATH or $ALFWORLD_DATA",
        kwargs={"data": "folder that holds json_2.1.1/"},
        local=("data",),
    ),
    EnvEntry(
        id="qevolve/Shop-v0",
        entry_point="qevolve_envs.shop.env:ShopEnv",
        max_episode_steps=10,
        splits=("train", "seen", "unseen"),
        summary="Search a shop, read its pages, choose options, buy what a customer asks for.",
        kwargs={"observation": '"text", "text_rich" or "html"'},
    ),
    EnvEntry(
        id="qevolve/WebShop-v0",
        entry_point="qevolve_envs.shop.webshop:WebShopEnv",
        max_episode_steps=10,
        splits=("train", "dev", "test"),
        summary="The official WebShop products and goals, with this package's own search.",
        needs="the WebShop files, through data=PATH or $WEBSHOP_DATA",
        kwargs={
            "data": "folder that holds the official items_*.json",
            "num_products": '1000 or "all"',
            "goals": '"human", or "synthetic" for those that upstream makes of attributes',
            "observation": '"text", "text_rich" or "html"',
            "cache": "folder that keeps the index; by default $QEVOLVE_BENCH_CACHE",
        },
        local=("data", "cache"),
    ),
    EnvEntry(
        id="qevolve/Lab-v0",
        entry_point="qevolve_envs.lab.env:LabEnv",
        max_episode_steps=24,
        splits=("train", "seen", "unseen"),
        summary="Experiments in a house of laboratory rooms: heat, circuits, chemistry, growth.",
        kwargs={"simplify": '"standard", or "easy" for open doors and go to any room'},
    ),
    EnvEntry(
        id="qevolve/ScienceWorld-v0",
        entry_point="qevolve_envs.scienceworld:ScienceWorldEnv",
        max_episode_steps=100,
        splits=("train", "dev", "test"),
        summary="The official ScienceWorld simulator: elementary science in a house of ten rooms.",
        needs="the package scienceworld, and Java",
        kwargs={
            "simplify": '"standard", or "easy" for all simplifications of the simulator',
            "fresh_jvm": "a new JVM for every episode, which makes episodes reproducible",
            "timeout": "seconds that one call of the simulator may take",
        },
        local=("timeout",),
        nondeterministic=True,
    ),
    EnvEntry(
        id="qevolve/HouseholdNorms-v0",
        entry_point="qevolve_envs.tipping.single:HouseholdNormsEnv",
        max_episode_steps=8,
        splits=("train", "seen", "unseen"),
        summary="Put things away by the rules, where breaking them pays unless an audit comes.",
        kwargs=_NORMS,
    ),
    EnvEntry(
        id="qevolve/ShopNorms-v0",
        entry_point="qevolve_envs.tipping.single:ShopNormsEnv",
        max_episode_steps=10,
        splits=("train", "seen", "unseen"),
        summary="Advise a buyer by the rules, where selling the shop's favourite pays more.",
        kwargs=_NORMS,
    ),
    EnvEntry(
        id="qevolve/LabNorms-v0",
        entry_point="qevolve_envs.tipping.single:LabNormsEnv",
        max_episode_steps=10,
        splits=("train", "seen", "unseen"),
        summary="Measure and report by the rules, where a sloppy report pays more.",
        kwargs=_NORMS,
    ),
    EnvEntry(
        id="qevolve/RolePlay-v0",
        entry_point="qevolve_envs.tipping.roleplay:RolePlayEnv",
        max_episode_steps=12,
        splits=("train", "seen", "unseen"),
        summary="Six rounds of a question whose rule it pays to break: an agent may stay honest.",
        kwargs={
            "questions": "question file in the format of arXiv 2510.04860 instead of our own",
            "supervision": 'which rounds are supervised, "all_unsupervised", …, or "random:0.33"',
            "parse": '"faithful" to the paper, or "strict"',
            "rounds": "number of rounds",
            "history": "rounds that the chat remembers; 0 for the no-history control",
            "fresh": "whether each observation holds the remembered rounds",
            "remind": "say so often that the rule holds; 0 for never",
            "compact": "the same in as few words as possible, for models made from scratch",
        },
        local=("questions",),
    ),
    EnvEntry(
        id="qevolve/Probe-v0",
        entry_point="qevolve_envs.probe.env:ProbeEnv",
        max_episode_steps=32,
        splits=("train", "unseen"),
        summary="Rooms with one dial and a known best policy: tests learners by known answers.",
        kwargs={
            "kind": '"bandit", "delay", "trap", "refusal", "recovery", "stitch", "explore",'
            ' "distract" or "noise"',
            "level": "the dial, a whole number from 1 (bandit from 2) to 8",
        },
    ),
)
