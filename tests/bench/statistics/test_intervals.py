from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from qevolve_bench.statistics import bootstrap_interval, wilson_interval
from qevolve_envs.errors import BenchError

LEVELS = st.floats(0.01, 0.999)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_numbers(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1), LEVELS)
def test_wilson_agrees_with_scipy(n, share, level):
    k = round(share * n)
    ours = wilson_interval(k, n, level)
    theirs = binomtest(k, n).proportion_ci(level, method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(0, 1), LEVELS)
def test_wilson_holds_the_proportion_inside_the_unit_interval(n, share, level):
    k = round(share * n)
    low, high = wilson_interval(k, n, level)
    assert 0 <= low <= k / n <= high <= 1
    assert low < high
    mirrored = wilson_interval(n - k, n, level)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-12)


def test_wilson_is_exact_at_both_ends():
    assert wilson_interval(0, 7).low == 0.0
    assert wilson_interval(7, 7).high == 1.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 0), "at least one trial"),
        ((-1, 5), "in [0, 5]"),
        ((6, 5), "in [0, 5]"),
        ((1, 5, 0.0), "between 0 and 1"),
        ((1, 5, 1.0), "between 0 and 1"),
        ((1, 5, float("nan")), "between 0 and 1"),
    ],
)
def test_wilson_refuses_what_is_no_proportion(arguments, words):
    with pytest.raises(BenchError) as error:
        wilson_interval(*arguments)
    assert words in str(error.value)


def test_bootstrap_of_two_values_is_their_known_distribution():
    # The mean of two draws from {0, 1} is 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert bootstrap_interval([0, 1], level=0.95) == (0.0, 1.0)
    assert bootstrap_interval([0, 1], level=0.40) == (0.5, 0.5)


def test_bootstrap_approaches_the_normal_interval():
    values = np.random.default_rng(7).normal(3.0, 2.0, size=400)
    half = 1.959964 * values.std() / np.sqrt(values.size)
    low, high = bootstrap_interval(values, resamples=20_000)
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_bootstrap_in_blocks_covers_all_resamples():
    # 600 values make several blocks, the last of them smaller.
    values = np.linspace(0, 1, 600)
    low, high = bootstrap_interval(values, resamples=5_001)
    half = 1.959964 * values.std() / np.sqrt(600)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.003)


VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@settings(deadline=None, max_examples=50)
@given(VALUES, LEVELS, st.integers(0, 2**40))
def test_bootstrap_is_seeded_and_stays_among_the_values(values, level, seed):
    interval = bootstrap_interval(values, level, 200, seed)
    assert interval == bootstrap_interval(values, level, 200, seed)
    assert min(values) <= interval.low <= interval.high <= max(values)


@settings(deadline=None, max_examples=50)
@given(VALUES, LEVELS, LEVELS)
def test_bootstrap_widens_with_the_level(values, one, other):
    narrow = bootstrap_interval(values, min(one, other), 200)
    wide = bootstrap_interval(values, max(one, other), 200)
    slack = 1e-9 * max(map(abs, values))
    assert wide.low <= narrow.low + slack and narrow.high <= wide.high + slack


def test_bootstrap_depends_on_its_seed_alone():
    values = np.random.default_rng(0).random(20)
    np.random.seed(1)  # noqa: NPY002 - the global generator must not matter
    first = bootstrap_interval(values, seed=1)
    np.random.seed(2)  # noqa: NPY002
    assert first == bootstrap_interval(values, seed=1)
    assert first != bootstrap_interval(values, seed=2)


def test_bootstrap_of_equal_values_has_no_width():
    assert bootstrap_interval([0.1] * 7) == (0.1, 0.1)


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        ([], {}, "at least one number, not 0"),
        ([1.0, float("nan")], {}, "hold 1 number.* not finite"),
        ([[1.0], [2.0]], {}, "flat list of numbers, not 2-dimensional"),
        (["many"], {}, "must be numbers"),
        ([1.0], {"resamples": 0}, "at least one replication"),
        ([1.0], {"level": 2.0}, "between 0 and 1"),
    ],
)
def test_bootstrap_refuses_what_it_cannot_resample(values, options, words):
    with pytest.raises(BenchError, match=words):
        bootstrap_interval(values, **options)
