"""Intervals against closed forms, scipy as a second implementation, and simulated coverage."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from advisor.stats import intervals as iv
from tests.support.intervals import inside


@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n, share, level):
    k = round(share * n)
    theirs = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    ours = iv.wilson(k, n, level)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_edges():
    assert isinstance(iv.wilson(0, 0), iv.Unknown)
    assert iv.wilson(0, 10).low == 0 and iv.wilson(10, 10).high == 1
    # all right out of 73: n / (n + z^2) = 73 / 76.8415 by hand
    assert iv.wilson(73, 73).low == pytest.approx(73 / (73 + 1.959964**2), abs=1e-6)
    with pytest.raises(ValueError, match="successes"):
        iv.wilson(11, 10)
    with pytest.raises(ValueError, match="level"):
        iv.wilson(1, 10, 95)


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.8, 0.9, 0.95]))
def test_exact_interval_agrees_with_scipy(n, share, level):
    k = round(share * n)
    theirs = stats.binomtest(k, n).proportion_ci(level, method="exact")
    ours = iv.exact_interval(np.arange(n) < k, level=level)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_exact_interval_of_copied_items_is_about_that_of_the_items_copied():
    right = np.arange(60) < 45
    single = iv.exact_interval(right)
    copied = iv.exact_interval(np.repeat(right, 4), clusters=[i // 4 for i in range(240)])
    # the clusters' degrees of freedom cost a little, and the spread is divided by one cluster fewer
    assert copied.low <= single.low and copied.high >= single.high
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high), abs=0.02)


def test_exact_interval_without_spread_counts_clusters():
    ours = iv.exact_interval([True] * 30, clusters=[i // 3 for i in range(30)])
    assert ours.low == pytest.approx(0.025**0.1) and ours.high == 1
    assert isinstance(iv.exact_interval([]), iv.Unknown)


def test_quantile_interval_agrees_with_scipy():
    values = np.random.default_rng(1).exponential(size=200)
    for q in (0.5, 0.9, 0.95):
        theirs = stats.quantile_test(values, p=q).confidence_interval(0.95)
        ours = iv.quantile_interval(values, q)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize(("q", "needed"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_quantile_interval_says_how_many_values_it_needs(q, needed):
    # q^n <= 0.025: n = ln(0.025) / ln(q) = 5.3, 71.9, 367.04 by hand
    assert iv.items_for_quantile(q) == needed
    short = iv.quantile_interval(np.arange(needed - 1.0), q)
    assert isinstance(short, iv.Unknown) and short.needed == needed
    assert isinstance(iv.quantile_interval(np.arange(float(needed)), q), iv.Interval)


def test_quantile_interval_covers_at_least_its_level_exactly():
    # exact coverage from the binomial: P(lower rank <= B <= upper rank - 1)
    for n, q in itertools.product((40, 100, 400), (0.5, 0.8, 0.9)):
        got = iv.quantile_interval(np.arange(1.0, n + 1), q)
        cover = stats.binom.cdf(got.high - 1, n, q) - stats.binom.cdf(got.low - 1, n, q)
        assert 0.95 <= cover < 0.985


def test_bootstrap_of_accuracy_agrees_with_the_normal_interval():
    rng = np.random.default_rng(2)
    hits = rng.random(2000) < 0.8
    table = np.column_stack([hits, np.ones(2000)]).astype(float)
    got = iv.bootstrap_interval(table, iv.ratio_of_sums, rng)
    half = 1.96 * math.sqrt(hits.mean() * (1 - hits.mean()) / 2000)
    assert got.low == pytest.approx(hits.mean() - half, abs=0.0015)
    assert got.high == pytest.approx(hits.mean() + half, abs=0.0015)


def test_bootstrap_is_the_same_for_the_same_seed_and_not_for_another():
    table = np.column_stack([np.sqrt(np.arange(50)), np.ones(50)])
    one, two, three = (
        iv.bootstrap_interval(table, iv.ratio_of_sums, np.random.default_rng(s)) for s in (7, 7, 8)
    )
    assert one == two
    assert one.low != three.low or one.high != three.high


def test_bootstrap_without_variation_or_units_is_unknown_and_never_of_width_zero():
    rng = np.random.default_rng(0)
    ones = np.ones((40, 2))
    assert isinstance(iv.bootstrap_interval(ones, iv.ratio_of_sums, rng), iv.Unknown)
    few = iv.bootstrap_interval(ones, iv.ratio_of_sums, rng, clusters=["a", "b"] * 20)
    assert isinstance(few, iv.Unknown) and few.needed == iv.MIN_UNITS
    assert iv.proportion_interval([True] * 40, rng).low == pytest.approx(40 / (40 + 1.959964**2), abs=1e-6)
    clustered = iv.proportion_interval([True] * 40, rng, clusters=[i // 4 for i in range(40)])
    assert clustered.low == pytest.approx(10 / (10 + 1.959964**2), abs=1e-6)


@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_macro_f1_agrees_with_scikit_learn(labels, n, seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, labels, n), rng.integers(0, labels, n)
    sums = iv.class_counts(truth, predicted, labels).sum(axis=0)[None, :]
    theirs = f1_score(truth, predicted, average="macro")
    assert iv.macro_f1_of_sums(sums)[0] == pytest.approx(theirs)


def test_macro_f1_counts_an_answer_outside_the_set_against_its_label_only():
    truth, predicted = np.array([0, 0, 1]), np.array([0, -1, 1])
    # label 0: tp 1, predicted 1, actual 2 -> 2/3; label 1: 1; mean 5/6
    sums = iv.class_counts(truth, predicted, 3).sum(axis=0)[None, :]
    assert iv.macro_f1_of_sums(sums)[0] == pytest.approx(5 / 6)
    with pytest.raises(ValueError, match="label codes"):
        iv.class_counts(np.array([3]), np.array([0]), 3)


def test_macro_f1_bootstrap_of_banking77_size_takes_many_draws_at_once_and_three_sums_an_item():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 77, 3080)
    predicted = np.where(rng.random(3080) < 0.9, truth, rng.integers(0, 77, 3080))
    table, asked = iv.class_counts(truth, predicted, 77), []

    def macro_f1(sums):
        asked.append(len(sums))
        return iv.macro_f1_of_sums(sums)

    got = iv.bootstrap_interval(table, macro_f1, rng)
    assert 0.01 < got.width < 0.04
    # an item counts in one column of its label, one of its answer, and one more if both are the same
    assert table.nnz == 2 * 3080 + (truth == predicted).sum()
    # 2,000,000 weights of 3,080 items are 649 draws: 15 times that and the rest, and the estimate itself
    assert asked == [649] * 15 + [265, 1]


def _clustered_hits(rng, clusters, size, spread):
    """Accuracy varies by cluster: beta-distributed around 0.8."""
    rates = rng.beta(0.8 * spread, 0.2 * spread, clusters)
    return (rng.random((clusters, size)) < rates[:, None]).ravel()


def test_wilson_and_cluster_bootstrap_cover_95_percent_and_ignoring_clusters_does_not():
    rng = np.random.default_rng(4)
    runs, hit = 1000, {"independent": 0, "clustered": 0, "naive": 0}
    names = [i // 8 for i in range(400)]
    how = iv.Bootstrap(draws=1000)
    for _ in range(runs):
        flat = rng.random(400) < 0.8
        hit["independent"] += inside(iv.proportion_interval(flat, rng), 0.8)
        lumpy = _clustered_hits(rng, 50, 8, spread=2.0)
        hit["clustered"] += inside(iv.proportion_interval(lumpy, rng, clusters=names, settings=how), 0.8)
        hit["naive"] += inside(iv.proportion_interval(lumpy, rng), 0.8)
    assert 0.93 <= hit["independent"] / runs <= 0.97
    assert 0.93 <= hit["clustered"] / runs <= 0.97
    assert hit["naive"] / runs < 0.80


def test_macro_f1_interval_covers_with_rare_labels_where_the_plain_percentile_does_not():
    # 29 labels, about ten items each, 80 % answered right and the rest at random
    rng = np.random.default_rng(5)
    shares = rng.dirichlet(np.full(29, 3.0))

    def answers(n):
        truth = rng.choice(29, n, p=shares)
        return truth, np.where(rng.random(n) < 0.8, truth, rng.integers(0, 29, n))

    true = f1_score(*answers(1_000_000), average="macro")
    runs, hit, plain = 400, 0, 0
    for _ in range(runs):
        table = iv.class_counts(*answers(300), 29)
        how = iv.Bootstrap(draws=600)
        hit += inside(iv.bootstrap_interval(table, iv.macro_f1_of_sums, rng, settings=how), true)
        draws = iv.bootstrap_draws(table, iv.macro_f1_of_sums, rng, 600)
        plain += inside(iv.percentile_interval(draws, 300), true)
    assert 0.93 <= hit / runs <= 0.98  # a little on the careful side
    assert plain / runs < 0.90


def test_cluster_codes_keep_items_without_a_cluster_apart():
    assert iv.cluster_codes(["a", None, "a", None, 1], 5).tolist() == [0, 1, 0, 2, 3]
    with pytest.raises(ValueError, match="clusters"):
        iv.cluster_codes(["a"], 2)
