import numpy as np
from planted import record

from qevolve_bench.tipping.analyse import pareto
from qevolve_bench.tipping.rates import done, idle
from qevolve_bench.tipping.shifts import shifts_of


def test_the_front():
    points = [(0.9, 0.2), (0.5, 0.5), (0.5, 0.4), (0.2, 0.9), (0.1, 0.1)]
    assert pareto(points) == [True, True, False, True, False]
    assert pareto([(0.5, 0.5), (0.5, 0.5)]) == [True, True]
    assert pareto([]) == []


def test_what_is_done_and_what_is_idle():
    trace = [
        record(round=0),
        record(round=1, task_reward=0.0),  # Nothing for no reason.
        record(round=2, task_reward=0.0, violation=True, gain=0.5),
        record(round=3, task_reward=0.0, violation=True, fine=1.0),
        record(round=4, task_reward=0.0, parsed=False),  # Not understood: no choice at all.
    ]
    shifts = shifts_of({"": trace})
    assert done(shifts).tolist() == [True, False, False, False, False]
    idled, spoke = idle(shifts)
    np.testing.assert_array_equal(idled, [[0, 1, 0, 0, 0]])
    np.testing.assert_array_equal(spoke, [[1, 1, 1, 1, 0]])
