"""Paired comparisons against scipy, a numerical second implementation, and simulated coverage."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from advisor.stats import paired
from advisor.stats.intervals import Interval, Unknown
from advisor.stats.paired import Relation
from tests.support.intervals import inside


def mid_p(b, c):
    """Second implementation: the binomial distribution's own tails."""
    one = stats.binom(b + c, 0.5)
    half = one.pmf(b) / 2
    return min(1.0, 2 * min(one.cdf(b) - half, one.sf(b) + half))


@given(st.integers(0, 400), st.integers(0, 400))
def test_mid_p_agrees_with_scipy_and_is_symmetric(b, c):
    assert paired.mcnemar_mid_p(b, c) == pytest.approx(mid_p(b, c), abs=1e-10)
    assert paired.mcnemar_mid_p(b, c) == pytest.approx(paired.mcnemar_mid_p(c, b), abs=1e-12)


def test_mid_p_by_hand():
    # 1 against 5: the table itself counts half: 2 * (1 + 6 / 2) / 64
    assert paired.mcnemar_mid_p(1, 5) == pytest.approx(8 / 64)
    assert paired.mcnemar_mid_p(0, 0) == 1


def test_pairing_finds_what_an_unpaired_test_misses():
    # 100 items, 10 against 1 discordant: paired p = 2 * (1 + 11 / 2) / 2^11; unpaired is far from it
    counts = (60, 10, 1, 29)
    table = [[counts[0] + counts[1], counts[2] + counts[3]], [counts[0] + counts[2], counts[1] + counts[3]]]
    unpaired = stats.chi2_contingency(table, correction=False).pvalue
    assert paired.mcnemar_mid_p(10, 1) == pytest.approx(13 / 2048)
    assert unpaired > 0.15


def _beyond(end, b, c, n, differing):
    """Second implementation: P(t (2 s - 1) > end), integrated over s instead of over t."""
    size = stats.beta(*differing)
    total = 0.0
    for share in ((b, c + 1), (b + 1, c)):
        s = stats.beta(*share)

        def inner(x, s=s):
            lean = 2 * x - 1
            if lean == 0:
                return s.pdf(x) * (end < 0)
            return s.pdf(x) * (size.sf(end / lean) if lean > 0 else size.cdf(end / lean))

        centre, spread = s.mean(), 12 * s.std()
        cuts = [max(0.0, centre - spread), 0.5, min(1.0, centre + spread)]
        total += sum(integrate.quad(inner, x, y, limit=200)[0] for x, y in pairwise(cuts) if y > x)
    return total / 2


@pytest.mark.parametrize(
    ("b", "c", "n"), [(12, 2, 50), (3, 5, 200), (10, 10, 100), (44, 20, 1000), (7, 1, 9)]
)
def test_the_melded_interval_agrees_with_a_second_integration(b, c, n):
    got, m = paired.melded_interval(b, c, n), b + c
    wide, narrow = (m + 1, n - m), (m, n - m + 1)
    assert _beyond(got.high, b, c, n, wide) == pytest.approx(0.025, abs=2e-5)
    assert _beyond(-got.low, c, b, n, wide if got.low < 0 else narrow) == pytest.approx(0.025, abs=2e-5)


def test_without_a_differing_item_by_hand():
    # nothing differs in n items: the sign is open, so half of Beta(1, n) lies on each side;
    # (1 - u)^n / 2 = 0.025 gives u = 1 - 0.05^(1 / n)
    got = paired.melded_interval(0, 0, 10)
    assert (got.low, got.high) == pytest.approx((-(1 - 0.05**0.1), 1 - 0.05**0.1), abs=1e-9)


tables = st.integers(1, 400).flatmap(
    lambda n: st.integers(0, n).flatmap(
        lambda m: st.integers(0, m).map(lambda b: (b, m - b, n)),
    )
)


@given(tables, st.sampled_from([0.80, 0.95, 0.99375]))
def test_an_interval_leaves_out_0_just_where_its_test_is_below_alpha(table, level):
    b, c, n = table
    got, p = paired.melded_interval(b, c, n, level), paired.mcnemar_mid_p(b, c)
    assert (got.low > 0 or got.high < 0) == (p < 1 - level)
    assert -1 <= got.low <= (b - c) / n <= got.high <= 1, "the estimate lies inside"
    assert got.low < got.high, "no sample gives certainty"
    mirrored = paired.melded_interval(c, b, n, level)
    assert (mirrored.low, mirrored.high) == pytest.approx((-got.high, -got.low), abs=1e-9)


@settings(max_examples=60)
@given(st.integers(2, 120), st.integers(0, 300))
def test_at_a_fixed_number_of_differing_items_both_ends_rise_with_the_lead(differing, alike):
    n = differing + alike
    found = [paired.melded_interval(b, differing - b, n) for b in range(differing + 1)]
    for one, other in pairwise(found):
        assert one.low <= other.low + 1e-9 and one.high <= other.high + 1e-9


ORDER = [
    [Relation.WORSE],
    [Relation.NON_SUPERIOR],
    [Relation.EQUIVALENT, Relation.UNDECIDED],
    [Relation.NON_INFERIOR],
    [Relation.BETTER],
]


@settings(max_examples=60)
@given(st.integers(2, 120), st.integers(0, 2000), st.sampled_from([0.005, 0.02, 0.1]))
def test_the_word_only_moves_towards_the_leading_arm(differing, alike, margin):
    n = differing + alike
    places = []
    for b in range(differing + 1):
        word = paired.relation(paired.melded_interval(b, differing - b, n), margin)
        places.append(next(place for place, words in enumerate(ORDER) if word in words))
    assert places == sorted(places)


def test_ten_items_without_disagreement_do_not_prove_equality():
    got = paired.compare([True] * 10, [True] * 10, margin=0.02)
    assert got.difference == 0 and got.p_value == 1
    assert got.relation is Relation.UNDECIDED
    assert got.interval.low < -0.2 and got.interval.high > 0.2


def test_a_thousand_items_without_disagreement_do():
    assert paired.compare([True] * 1000, [True] * 1000, margin=0.02).relation is Relation.EQUIVALENT


def test_all_items_for_one_arm_is_still_a_sample():
    got = paired.compare([True] * 6, [False] * 6)
    assert got.difference == 1 and got.interval.high == 1 and got.interval.low < 0.7


def test_swapping_the_arms_mirrors_the_comparison():
    rng = np.random.default_rng(5)
    a = rng.random(500) < 0.9
    b = np.where(rng.random(500) < 0.8, a, rng.random(500) < 0.6)
    one, two = paired.compare(a, b), paired.compare(b, a)
    assert one.difference == -two.difference
    assert one.p_value == pytest.approx(two.p_value)
    assert one.interval.low == pytest.approx(-two.interval.high, abs=1e-9)
    assert (one.relation, two.relation) == (Relation.BETTER, Relation.WORSE)


def test_comparison_of_nothing_or_of_unequal_lengths():
    empty = paired.compare([], [])
    assert empty.difference is None and isinstance(empty.interval, Unknown)
    with pytest.raises(ValueError, match="pairs"):
        paired.compare([True], [])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.05, Relation.BETTER),
        (-0.05, -0.001, Relation.WORSE),
        (-0.015, 0.015, Relation.EQUIVALENT),
        (0.005, 0.015, Relation.EQUIVALENT),  # certain, and smaller than what matters
        (-0.015, -0.005, Relation.EQUIVALENT),
        (-0.015, 0.04, Relation.NON_INFERIOR),
        (-0.04, 0.015, Relation.NON_SUPERIOR),
        (-0.04, 0.04, Relation.UNDECIDED),
        (-0.02, 0.02, Relation.UNDECIDED),  # the margin itself is no tie
        (0.0, 0.05, Relation.NON_INFERIOR),  # an interval that touches 0 does not leave it out
    ],
)
def test_relation_from_the_interval(low, high, expected):
    assert paired.relation(Interval(low=low, high=high), 0.02) is expected


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
    for _ in range(runs):
        first, second = _clustered_pair(rng, 40, 10)
        got, flat = paired.compare(first, second, clusters=names), paired.compare(first, second)
        cover += inside(got.interval, 0.0)
        naive += inside(flat.interval, 0.0)
        rejected += got.p_value < 0.05
        naive_rejected += flat.p_value < 0.05
        assert (got.p_value < 0.05) == (got.interval.low > 0 or got.interval.high < 0)
    assert 0.93 <= cover / runs <= 0.97
    assert rejected / runs <= 0.07
    assert naive / runs < 0.90
    assert naive_rejected / runs > 0.10


def test_the_cluster_t_is_that_of_the_cluster_means():
    # equal clusters: the ratio estimator is the plain mean of cluster means, and its t that of scipy
    rng = np.random.default_rng(3)
    first, second = rng.random(300) < 0.8, rng.random(300) < 0.7
    got = paired.compare(first, second, clusters=[i // 3 for i in range(300)])
    means = (first.astype(float) - second).reshape(100, 3).mean(axis=1)
    theirs = stats.ttest_1samp(means, 0)
    assert got.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    ends = theirs.confidence_interval(0.95)
    assert (got.interval.low, got.interval.high) == pytest.approx((ends.low, ends.high), rel=1e-9)


def test_with_clusters_and_hardly_a_disagreement_the_interval_still_covers():
    rng, runs, hit = np.random.default_rng(9), 400, 0
    names = [i // 5 for i in range(200)]
    for _ in range(runs):
        lean = rng.random((40, 1)) < 0.5  # which arm wins a discordant item is decided by the cluster
        discordant = rng.random((40, 5)) < 0.03
        first = (~discordant | lean).ravel()
        second = (~discordant | ~lean).ravel()
        got = paired.compare(first, second, clusters=names)
        hit += inside(got.interval, 0.0)
        assert got.interval.width > 0
    assert hit / runs >= 0.94


def test_clusters_that_all_differ_alike_leave_room_for_doubt():
    got = paired.compare([True, False] * 30, [False, False] * 30, clusters=[i // 2 for i in range(60)])
    assert got.difference == 0.5 and got.p_value < 0.001
    assert got.interval.low < 0.5 and got.interval.width > 0.01


def test_clusters_of_one_item_are_items():
    first, second = [True] * 30 + [False] * 10, [True] * 20 + [False] * 20
    alone = paired.compare(first, second, clusters=[None] * 40)
    assert alone == paired.compare(first, second)
