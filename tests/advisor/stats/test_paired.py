"""Paired comparisons against scipy, a numerical second implementation, and simulated coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from advisor.stats import paired
from advisor.stats.intervals import Bootstrap, Interval, Unknown


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_agrees_with_the_binomial_test(b, c):
    theirs = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert paired.mcnemar_exact(b, c) == pytest.approx(theirs, abs=1e-10)
    assert paired.mcnemar_exact(b, c, mid_p=True) <= paired.mcnemar_exact(b, c) + 1e-12
    assert paired.mcnemar_exact(b, c) == paired.mcnemar_exact(c, b)


def test_mcnemar_by_hand():
    # 1 against 5: 2 * (1 + 6) / 64; mid-p: 2 * (1 + 3) / 64
    assert paired.mcnemar_exact(1, 5) == pytest.approx(14 / 64)
    assert paired.mcnemar_exact(1, 5, mid_p=True) == pytest.approx(8 / 64)


def test_pairing_finds_what_an_unpaired_test_misses():
    # 100 items, 10 against 1 discordant: paired p = 2 * (1 + 11) / 2^11; unpaired is far from it
    counts = (60, 10, 1, 29)
    table = [[counts[0] + counts[1], counts[2] + counts[3]], [counts[0] + counts[2], counts[1] + counts[3]]]
    unpaired = stats.chi2_contingency(table, correction=False).pvalue
    assert paired.mcnemar_exact(10, 1) == pytest.approx(24 / 2048)
    assert unpaired > 0.15


def _tango_by_optimiser(b, c, n, level):
    """Second implementation: the score statistic with the restricted likelihood maximised by scipy."""

    def score(delta):
        def loss(q):  # q = P(only second); P(only first) = q + delta
            rest = 1 - 2 * q - delta
            cells = [(b, q + delta), (c, q), (n - b - c, rest)]
            return -sum(k * math.log(max(p, 1e-300)) for k, p in cells if k)

        low, high = max(0.0, -delta), (1 - delta) / 2
        q = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
        variance = (2 * q + delta - delta**2) / n
        return ((b - c) / n - delta) / math.sqrt(variance)

    z, centre = stats.norm.ppf(0.5 + level / 2), (b - c) / n
    low = optimize.brentq(lambda d: score(d) - z, -1 + 1e-9, centre - 1e-9)
    high = optimize.brentq(lambda d: score(d) + z, centre + 1e-9, 1 - 1e-9)
    return low, high


@pytest.mark.parametrize(("b", "c", "n"), [(12, 2, 50), (1, 0, 44), (3, 5, 200), (10, 10, 100)])
def test_tango_agrees_with_a_numerical_second_implementation(b, c, n):
    got = paired.tango_interval(b, c, n)
    assert (got.low, got.high) == pytest.approx(_tango_by_optimiser(b, c, n, 0.95), abs=2e-5)


def test_tango_without_a_discordant_pair_by_hand():
    # score equation n * delta^2 / (delta (1 - delta)) = z^2 -> delta = z^2 / (n + z^2)
    z2 = 1.959964**2
    got = paired.tango_interval(0, 0, 10)
    assert (got.low, got.high) == pytest.approx((-z2 / (10 + z2), z2 / (10 + z2)), abs=1e-5)


def test_ten_items_without_disagreement_do_not_prove_equality():
    got = paired.compare([True] * 10, [True] * 10, np.random.default_rng(0), margin=0.02)
    assert got.difference == 0 and got.p_value == 1
    assert got.relation is paired.Relation.UNDECIDED
    assert got.interval.low < -0.2 and got.interval.high > 0.2
    assert "widened" in got.method


def test_a_thousand_items_without_disagreement_do():
    got = paired.compare([True] * 1000, [True] * 1000, np.random.default_rng(0), margin=0.02)
    assert got.relation is paired.Relation.EQUIVALENT


def test_swapping_the_arms_mirrors_the_comparison():
    rng = np.random.default_rng(5)
    a = rng.random(500) < 0.9
    b = np.where(rng.random(500) < 0.8, a, rng.random(500) < 0.6)
    one = paired.compare(a, b, np.random.default_rng(1))
    two = paired.compare(b, a, np.random.default_rng(1))
    assert one.difference == -two.difference
    assert one.p_value == two.p_value
    assert one.interval.low == pytest.approx(-two.interval.high, abs=1e-9)
    assert (one.relation, two.relation) == (paired.Relation.BETTER, paired.Relation.WORSE)


def test_comparison_of_nothing_or_of_unequal_lengths():
    empty = paired.compare([], [], np.random.default_rng(0))
    assert empty.difference is None and isinstance(empty.interval, Unknown)
    with pytest.raises(ValueError, match="pairs"):
        paired.compare([True], [], np.random.default_rng(0))


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1 -> .04 .06 .06 .06 after the running maximum
    assert paired.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06))
    assert paired.holm([]) == ()
    with pytest.raises(ValueError, match="p-values"):
        paired.holm([1.2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_and_is_between_none_and_bonferroni(ps):
    for p, adjusted in zip(ps, paired.holm(ps), strict=True):
        assert p <= adjusted <= min(1.0, p * len(ps)) + 1e-12 or adjusted <= 1.0
        assert adjusted >= p


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.05, "better"),
        (-0.05, -0.001, "worse"),
        (-0.015, 0.015, "equivalent"),
        (-0.015, 0.04, "non-inferior"),
        (-0.04, 0.015, "undecided"),
        (0.0, 0.01, "equivalent"),
    ],
)
def test_relation_from_the_interval(low, high, expected):
    assert paired.relation(Interval(low=low, high=high), 0.02) == expected


def test_a_small_but_certain_loss_is_worse_and_still_non_inferior():
    interval = Interval(low=-0.015, high=-0.005)
    assert paired.relation(interval, 0.02) is paired.Relation.WORSE
    assert paired.is_non_inferior(interval, 0.02) and paired.is_equivalent(interval, 0.02)
    assert not paired.is_non_inferior(Unknown(reason="x"), 0.02)


def _paired_hits(rng, only_first, only_second, n):
    u = rng.random(n)
    first = (u < only_first) | (u > 0.4)
    second = ((u >= only_first) & (u < only_first + only_second)) | (u > 0.4)
    return first, second


@pytest.mark.parametrize(("b", "c", "n"), [(0.10, 0.05, 400), (0.02, 0.01, 200)])
def test_difference_interval_covers_95_percent(b, c, n):
    rng, runs, hit = np.random.default_rng(6), 1000, 0
    for _ in range(runs):
        first, second = _paired_hits(rng, b, c, n)
        got = paired.compare(first, second, rng, settings=Bootstrap(draws=1000))
        hit += got.interval.contains(b - c)
    assert 0.93 <= hit / runs <= (0.97 if n == 400 else 0.985)  # sparse tables: widened on purpose


def _clustered_pair(rng, clusters, size):
    """No difference on average, but which arm is right depends on the cluster."""
    lean = rng.beta(0.5, 0.5, clusters)[:, None]
    discordant = rng.random((clusters, size)) < 0.3
    first = discordant & (rng.random((clusters, size)) < lean)
    return (first | ~discordant).ravel(), (~first).ravel()


def test_with_clusters_interval_and_test_hold_and_the_naive_ones_fail():
    rng, runs = np.random.default_rng(7), 600
    names = [i // 10 for i in range(400)]
    cover = naive = rejected = naive_rejected = 0
    how = Bootstrap(draws=600)
    for _ in range(runs):
        first, second = _clustered_pair(rng, 40, 10)
        got = paired.compare(first, second, rng, clusters=names, settings=how)
        flat = paired.compare(first, second, rng, settings=how)
        cover += got.interval.contains(0.0)
        naive += flat.interval.contains(0.0)
        rejected += got.p_value < 0.05
        naive_rejected += flat.p_value < 0.05
    assert 0.93 <= cover / runs <= 0.97
    assert rejected / runs <= 0.07
    assert naive / runs < 0.90
    assert naive_rejected / runs > 0.10


def test_with_clusters_and_hardly_a_disagreement_the_interval_still_covers():
    rng, runs, hit = np.random.default_rng(9), 400, 0
    names = [i // 5 for i in range(200)]
    for _ in range(runs):
        lean = rng.random((40, 1)) < 0.5  # which arm wins a discordant item is decided by the cluster
        discordant = rng.random((40, 5)) < 0.03
        first = (~discordant | lean).ravel()
        second = (~discordant | ~lean).ravel()
        got = paired.compare(first, second, rng, clusters=names, settings=Bootstrap(draws=400))
        hit += got.interval.contains(0.0)
    assert hit / runs >= 0.94


def test_mean_difference_of_scores_agrees_with_the_t_interval():
    rng = np.random.default_rng(8)
    a, b = rng.normal(1.0, 1, 800), rng.normal(0.8, 1, 800)
    got = paired.mean_difference(a, b, rng)
    theirs = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (got.low, got.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert isinstance(paired.mean_difference([1.0], [2.0], rng), Unknown)
