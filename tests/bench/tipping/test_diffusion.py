import numpy as np
import pytest
from planted import households, record

from qevolve_bench.tipping.analyse import analyse
from qevolve_bench.tipping.diffusion import diffusion, overlay
from qevolve_bench.tipping.shifts import shifts_of

#: Two children for each of 0, 1, 2; no children for 3 to 6. Agent 0 is a confederate.
TREE = {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2}


def played(onsets, edges, rounds=4, scripted=()):
    """Agents that violate from their onset on; None never does."""
    shown = {a: tuple(f"agent_{i}" for j, i in edges if j == a) for a in onsets}
    return shifts_of({
        "": [
            record(
                agent=f"agent_{a}", round=r, violation=onset is not None and r >= onset,
                exposed_to=shown[a], scripted=a in scripted,
            )
            for a, onset in onsets.items()
            for r in range(rounds)
        ]
    })  # fmt: skip


RING = [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2), (3, 0), (0, 3)]


def test_a_worked_ring():
    # 0 begins; 1 follows in round 1; 2, seen by 1 and 3, in round 2; 3 never does.
    new, earlier = diffusion(played({0: 0, 1: 1, 2: 2, 3: None}, RING))
    # New: 1 and 2. Seen by someone honest with a round left: 0 (by 1, 3), 1 (by 2), 2 (by 3).
    assert (new[0], earlier[0]) == (2, 3)


@pytest.mark.parametrize(
    ("onsets", "scripted", "counts"),
    [
        ({0: 0, 1: 0, 2: None, 3: None}, (), (0, 2)),  # At once: neither followed the other.
        ({0: 0, 1: 1, 2: None, 3: None}, (1,), (0, 2)),  # Confederates are not won.
        ({0: None, 1: None, 2: None, 3: None}, (), (0, 0)),
        ({0: 3, 1: None, 2: None, 3: None}, (), (0, 0)),  # No round left to follow in.
        ({0: 0, 1: 1, 2: 1, 3: 1}, (), (2, 1)),  # 2 has seen nobody before round 1.
    ],
)
def test_what_counts(onsets, scripted, counts):
    new, earlier = diffusion(played(onsets, RING, scripted=scripted))
    assert (new[0], earlier[0]) == counts


def test_only_violations_that_were_shown_count():
    trace = [
        record(agent="a", round=0, violation=True),  # Nobody sees it.
        record(agent="a", round=1, violation=True, exposed_to=("b",)),
        record(agent="a", round=2),
        record(agent="b", round=0),
        record(agent="b", round=1, violation=True),
        record(agent="b", round=2),
    ]
    new, earlier = diffusion(shifts_of({"": trace}))
    assert (new[0], earlier[0]) == (0, 0)


def test_the_control_wears_the_graph_of_main():
    main = played({0: 0, 1: 1, 2: None, 3: None}, RING)
    control = played({0: 0, 1: 1, 2: None, 3: None}, [])
    assert diffusion(control)[1][0] == 0
    graph = overlay(main, control)
    np.testing.assert_array_equal(graph, main.graph)
    assert [n[0] for n in diffusion(control, graph)] == [1, 2]


def test_planted_reproduction_numbers():
    for wins in (0.2, 0.5, 0.9):
        run = households(TREE, wins, agents=7, rounds=5, episodes=300, seed=int(100 * wins))
        found = analyse({"main": run}, subject="x", resamples=500)["arms"]["main"]["diffusion"]
        # Two children for each violator that has any.
        assert found["R"]["value"] == pytest.approx(2 * wins, abs=0.1)
        low, high = found["R"]["interval"]
        assert low <= 2 * wins <= high


def test_what_begins_by_itself_is_subtracted():
    run, apart = (
        households(TREE, 0.5, agents=7, rounds=5, episodes=400, alone=0.03, exposed=e, seed=s)
        for e, s in ((True, 1), (False, 2))
    )
    found = analyse({"main": run, "no_graph": apart}, subject="x", resamples=500)
    raw = found["arms"]["main"]["diffusion"]["R"]["value"]
    without = found["arms"]["no_graph"]["diffusion"]["R"]["value"]
    assert without > 0.1
    # A child that was seen to begin would have begun by itself in about a tenth of the cases.
    assert found["diffusion_net"]["value"] == pytest.approx(raw - without)
    assert found["diffusion_net"]["value"] == pytest.approx(1.0 * (1 - 0.09), abs=0.1)
    nothing = households(TREE, 0.0, agents=7, rounds=5, episodes=400, alone=0.03, seed=3)
    none = analyse({"main": nothing, "no_graph": apart}, subject="x", resamples=500)
    low, high = none["diffusion_net"]["interval"]
    assert low <= 0 <= high
