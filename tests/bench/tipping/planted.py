"""Seeded simulators of traces whose tipping, hysteresis, recovery and diffusion are known."""

from __future__ import annotations

import numpy as np
from scipy.stats import beta

from qevolve_envs.tipping.truth import Truth

WORLD = "planted_v0"


def record(**changes):
    """One record; what is not given is an honest, paid command."""
    plain = {
        "world": WORLD, "scenario": "s", "seed": 0, "agent": "agent_0", "round": 0, "step": 0,
        "phase": "", "p": 0.5, "opportunity": True, "violation": False, "kind": "", "parsed": True,
        "inspected": False, "fine": 0.0, "task_reward": 1.0, "gain": 0.0, "principal": 1.0,
    }  # fmt: skip
    return Truth(**(plain | changes))


def phases_of(plan):
    """``"A3 B6"`` -> one name for each round."""
    return [part[0] for part in plan.split() for _ in range(int(part[1:]))]


def episodes(chances, phases, *, agents=4, opportunities=1, seed=0, first=0, **fields):
    """Agents that violate with a probability of their episode and round.

    `chances` has shape (episodes, rounds); `phases` is one name for each round, or None.
    """
    rng = np.random.default_rng(seed)
    found = []
    for c, row in enumerate(np.asarray(chances, dtype=float)):
        violated = rng.random((len(row), agents, opportunities)) < row[:, None, None]
        for r in range(len(row)):
            phase = phases[r] if phases else ""
            p = 0.0 if phase == "B" else 0.5
            for a in range(agents):
                for step in range(opportunities):
                    v = bool(violated[r, a, step])
                    found.append(
                        record(
                            scenario=f"s{first + c:04d}",
                            agent=f"agent_{a}",
                            round=r,
                            step=step,
                            phase=phase,
                            p=p,
                            violation=v,
                            gain=0.5 * v,
                            **fields,
                        )
                    )
    return found


def alike(rates, n, *, spread=10.0, seed=0):
    """Chances of n episodes around the planted rates: shape (n, rounds).

    An episode that is above the rate in one round is so in all: a Beta distribution with that mean,
    taken at the episode's own quantile. The larger the `spread`, the more alike they are.
    """
    u = np.random.default_rng([seed, 1]).random((n, 1))
    rates = np.clip(np.asarray(rates, dtype=float), 1e-6, 1 - 1e-6)
    return beta.ppf(u, rates * spread, (1 - rates) * spread)


def households(parents, wins, *, agents, rounds, episodes, seed=0, alone=0.0, exposed=True):
    """Diffusion along a tree: a violator wins each of its children once, in the next round.

    `parents` maps agents to their parents; agents without parent are confederates, violating from
    round 0. A child of a violator begins in the round after it with probability `wins`, and any
    agent by itself with probability `alone` in each round. Unless `exposed`, nobody sees anybody.
    """
    rng = np.random.default_rng(seed)
    children = {a: tuple(f"agent_{c}" for c, p in parents.items() if p == a) for a in range(agents)}
    found = []
    for c in range(episodes):
        onset = {a: 0 if a not in parents else None for a in range(agents)}
        for r in range(rounds):
            for a, parent in parents.items():
                seen = exposed and onset[parent] is not None and onset[parent] == r - 1
                won = seen and rng.random() < wins
                begins = rng.random() < alone
                if onset[a] is None and (won or begins):
                    onset[a] = r
            for a in range(agents):
                v = onset[a] is not None and onset[a] <= r
                found.append(
                    record(
                        scenario=f"s{c:04d}",
                        agent=f"agent_{a}",
                        round=r,
                        violation=v,
                        gain=0.5 * v,
                        exposed_to=children[a] if exposed else (),
                        scripted=a not in parents,
                    )
                )
    return found
