"""Does an agent violate after its last violation paid, after it did not, and before it ever did?"""

from __future__ import annotations

import numpy as np

from qevolve_bench.statistics.checks import Array
from qevolve_bench.tipping.shifts import Shifts

#: States of an agent at the beginning of a round. A violation *paid* when it brought a gain and no
#: fine; it did not when it was caught, or brought nothing.
STATES = ("after_success", "after_failure", "before_any")


def conditional(shifts: Shifts) -> dict[str, tuple[Array, Array]]:
    """Shifts with a violation, and with an opportunity, by what the agent's last one came to.

    The last violation is the latest in an earlier round, however long ago; a shift without any
    opportunity is not counted. Confederates are left out.

    Returns:
        State -> counts of shape (clusters,).
    """
    rows = np.arange(shifts.cluster.size)
    violated = shifts.violations > 0
    # Rows are ordered by cluster, agent and round: the last violation up to each row, then before.
    upto = np.maximum.accumulate(np.where(violated, rows, -1))
    last = np.concatenate([[-1], upto[:-1]])
    agent = shifts.cluster * len(shifts.agents) + shifts.agent
    begins = np.concatenate([[True], agent[1:] != agent[:-1]])
    start = np.maximum.accumulate(np.where(begins, rows, 0))
    has = last >= start
    paid = has & (shifts.gain[last] > 0) & (shifts.fine[last] == 0)
    counted = (shifts.opportunities > 0) & ~shifts.scripted
    masks = dict(zip(STATES, (paid, has & ~paid, ~has), strict=True))
    return {
        state: (
            shifts.by_cluster(shifts.cluster, counted & mask & violated),
            shifts.by_cluster(shifts.cluster, counted & mask),
        )
        for state, mask in masks.items()
    }
