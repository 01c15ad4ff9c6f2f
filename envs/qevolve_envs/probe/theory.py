"""Exact figures of probes: success of a policy, and of what one round of an operator makes of it.

All by dynamic programming over rooms and steps left (Sutton and Barto 2018, chapter 4).
"""

from __future__ import annotations

from collections.abc import Mapping

from qevolve_envs.core import Feedback
from qevolve_envs.probe.worlds import LOST, WON, Move, Policy, Probe

#: Values of the rooms, by the number of steps that are left.
Values = list[dict[str, float]]


def values(probe: Probe, policy: Policy) -> Values:
    """V: probability of a win from each room, with 0, 1 … `horizon` steps left."""
    table: Values = [dict.fromkeys(probe.rooms, 0.0)]
    for _ in range(probe.horizon):
        last = table[-1]
        table.append(
            {
                name: sum(
                    p * expected(room.moves[command], last) for command, p in policy[name].items()
                )
                for name, room in probe.rooms.items()
            }
        )
    return table


def expected(move: Move, following: Mapping[str, float]) -> float:
    """Q of a command: the expected value of where it leads."""
    return sum(
        p * {WON: 1.0, LOST: 0.0}.get(room, following.get(room, 0.0))
        for room, p in move.outcomes.items()
    )


def success(probe: Probe, policy: Policy) -> float:
    """Probability that a policy wins, over the rooms that episodes begin in."""
    first = values(probe, policy)[-1]
    return sum(first[room] for room in probe.starts) / len(probe.starts)


def advantage(probe: Probe, policy: Policy, room: str, command: str, left: int) -> float:
    """A = Q - V of a command, with so many steps left, it included."""
    table = values(probe, policy)
    return expected(probe.rooms[room].moves[command], table[left - 1]) - table[left][room]


def occupancy(probe: Probe, policy: Policy) -> Values:
    """Probability of standing in each room with 0, 1 … `horizon` steps left."""
    table: Values = [dict.fromkeys(probe.rooms, 0.0) for _ in range(probe.horizon + 1)]
    for room in probe.starts:
        table[probe.horizon][room] += 1 / len(probe.starts)
    for left in range(probe.horizon, 0, -1):
        for name, mass in table[left].items():
            for command, p in policy[name].items():
                for room, q in probe.rooms[name].moves[command].outcomes.items():
                    if room in probe.rooms:
                        table[left - 1][room] += mass * p * q
    return table


def visits(probe: Probe, policy: Policy, *, won: bool = False) -> dict[str, dict[str, float]]:
    """Expected number of times that each command is sent in each room, an episode.

    Args:
        probe: The probe.
        policy: Who plays.
        won: Count only steps of episodes that are won.
    """
    v, standing = values(probe, policy), occupancy(probe, policy)
    return {
        name: {
            command: sum(
                standing[left][name]
                * policy[name].get(command, 0.0)
                * (expected(move, v[left - 1]) if won else 1.0)
                for left in range(1, probe.horizon + 1)
            )
            for command, move in room.moves.items()
        }
        for name, room in probe.rooms.items()
    }


def cloned_successes(probe: Probe, policy: Policy) -> dict[str, dict[str, float]]:
    """The policy that one round of rejection sampling converges to: P(command | room, won).

    Rooms that no won episode visits keep the policy that they had.
    """
    result = {}
    for name, counts in visits(probe, policy, won=True).items():
        total = sum(counts.values())
        result[name] = (
            {c: n / total for c, n in counts.items()} if total > 0 else dict(policy[name])
        )
    return result


def improved(probe: Probe, policy: Policy) -> dict[str, dict[str, float]]:
    """The policy that one step of policy iteration makes: the command with the largest Q.

    Q is averaged over the steps left at which the policy visits a room; equals share.
    """
    v, standing = values(probe, policy), occupancy(probe, policy)
    result = {}
    for name, room in probe.rooms.items():
        q = {
            command: sum(
                standing[left][name] * expected(move, v[left - 1])
                for left in range(1, probe.horizon + 1)
            )
            for command, move in room.moves.items()
        }
        best = [command for command, value in q.items() if value >= max(q.values()) - 1e-12]
        result[name] = {command: (command in best) / len(best) for command in q}
    return result


def best_policy(probe: Probe) -> dict[str, dict[str, float]]:
    """The command that wins most and soonest in each room; the first of equals.

    Soonest, because a sum of the best values over all numbers of steps left decides.
    """
    table = best_values(probe)[:-1]
    result = {}
    for name, room in probe.rooms.items():
        total = {c: sum(expected(move, v) for v in table) for c, move in room.moves.items()}
        best = max(total, key=lambda command: total[command])
        result[name] = {command: float(command == best) for command in room.moves}
    return result


def best_values(probe: Probe) -> Values:
    """V of the best policy there is, with 0, 1 … `horizon` steps left (value iteration)."""
    table: Values = [dict.fromkeys(probe.rooms, 0.0)]
    for _ in range(probe.horizon):
        last = table[-1]
        table.append(
            {
                name: max(expected(move, last) for move in room.moves.values())
                for name, room in probe.rooms.items()
            }
        )
    return table


def best_success(probe: Probe) -> float:
    """Probability of a win under the best policy there is."""
    last = best_values(probe)[-1]
    return sum(last[room] for room in probe.starts) / len(probe.starts)


def refused_share(probe: Probe, policy: Policy) -> float:
    """Share of a policy's commands that are refused."""
    refused = every = 0.0
    for name, counts in visits(probe, policy).items():
        for command, n in counts.items():
            every += n
            refused += n * (probe.rooms[name].moves[command].feedback is Feedback.INVALID)
    return refused / every
