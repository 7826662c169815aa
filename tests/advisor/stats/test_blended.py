"""Shared work by hand, its interval's coverage, and the promise of thresholds tested in sequence."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from advisor.stats import calibration as b
from advisor.stats.intervals import Unknown


def counted(right, wrong, handed, rest, level=0.9, clusters=None):
    n = right + wrong + handed
    answered, correct = np.arange(n) < right + wrong, np.arange(n) < right
    return b.blended(answered, correct, rest, clusters=clusters, level=level)


def test_the_value_by_hand():
    # 60 of 100 answered, 54 of them right, and 8 in 10 of the other 40: 0.6 x 0.9 + 0.4 x 0.8
    found = counted(54, 6, 40, 0.8)
    assert found.value == pytest.approx(0.86)
    assert (found.answered, found.right, found.n) == (60, 54, 100)


def test_limits_by_hand_where_nothing_and_where_all_is_answered_rightly():
    # nothing answered of 10: coverage is at most 1 - 0.05^(1/10), and its precision may be 0
    nothing = counted(0, 0, 10, 0.8)
    assert nothing.interval.low == pytest.approx(0.8 * 0.05 ** (1 / 10))
    # one of one answered and wrong: the precision may be 0, and coverage 1
    assert counted(0, 1, 0, 0.8).interval.low == pytest.approx(0.0)
    # 30 of 30 right and nothing known to replace: the precision alone, Clopper and Pearson's 0.05^(1/30),
    # times a coverage that is 30 of 30 as well
    low = counted(30, 0, 0, 0.0).interval.low
    product = np.random.default_rng(1).beta(30, 1, (2, 400_000)).prod(axis=0)
    assert low == pytest.approx(float(np.quantile(product, 0.05)), abs=2e-3)
    assert low < 0.05 ** (1 / 30)


def test_the_ends_are_quantiles_of_coverage_times_gain():
    found = counted(90, 10, 100, 0.8)
    rng = np.random.default_rng(2)
    low = 0.8 + rng.beta(100, 101, 400_000) * (rng.beta(90, 11, 400_000) - 0.8)
    high = 0.8 + rng.beta(101, 100, 400_000) * (rng.beta(91, 10, 400_000) - 0.8)
    assert found.interval.low == pytest.approx(float(np.quantile(low, 0.05)), abs=5e-4)
    assert found.interval.high == pytest.approx(float(np.quantile(high, 0.95)), abs=5e-4)


def test_where_the_target_is_the_rest_only_precision_decides():
    """Blended >= rest where precision >= rest: the exact binomial test, whatever is handed over."""
    for right, wrong in ((19, 0), (18, 0), (60, 4), (60, 5), (200, 20)):
        for handed in (0, 5, 500):
            found = counted(right, wrong, handed, 0.85)
            exact = stats.binomtest(right, right + wrong).proportion_ci(0.9, "exact").low
            assert (found.interval.low >= 0.85) == (exact >= 0.85)


@given(st.integers(0, 60), st.integers(0, 30), st.integers(0, 60), st.floats(0, 1))
def test_the_interval_holds_its_value_and_moves_with_the_answers(right, wrong, handed, rest):
    if right + wrong + handed == 0:
        return
    found = counted(right, wrong, handed, rest)
    assert -1e-9 <= found.interval.low <= found.value + 1e-9 <= found.interval.high + 2e-9 <= 1 + 3e-9
    if wrong:  # one more right instead of wrong never lowers an end
        better = counted(right + 1, wrong - 1, handed, rest)
        assert better.interval.low >= found.interval.low - 1e-9
        assert better.interval.high >= found.interval.high - 1e-9
    if rest < 0.99:  # nor does a better rest
        assert counted(right, wrong, handed, rest + 0.01).interval.low >= found.interval.low - 1e-9


def test_clusters_count_for_less():
    pairs = np.repeat(np.arange(60), 2)
    answered, correct = np.arange(120) < 100, np.arange(120) < 90
    alone = b.blended(answered, correct, 0.8, level=0.9).interval
    together = b.blended(answered, correct, 0.8, clusters=pairs.tolist(), level=0.9).interval
    assert together.low < alone.low and together.high > alone.high
    same = b.blended(answered, correct, 0.8, clusters=list(range(120)), level=0.9).interval
    assert same == alone


@pytest.mark.parametrize(
    ("coverage", "precision", "rest"), [(0.6, 0.9, 0.85), (0.3, 0.8, 0.9), (0.9, 0.7, 0.5)]
)
def test_each_end_misses_at_most_its_half(coverage, precision, rest):
    rng, n, runs = np.random.default_rng(3), 200, 4000
    own = rng.binomial(n, coverage, runs)
    right = rng.binomial(own, precision)
    truth = rest + coverage * (precision - rest)
    ends = [b.melded(int(r), int(o - r), n, rest, 0.9) for o, r in zip(own, right, strict=True)]
    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean([end.low > truth for end in ends]) <= 0.05 + error
    assert np.mean([end.high < truth for end in ends]) <= 0.05 + error


def population(n, rng, shift=0.0):
    """Confidences, and answers that are right as often as the confidence says, less a shift."""
    confidence = rng.beta(3, 1.2, n)
    return confidence, rng.random(n) < np.clip(confidence - shift, 0, 1)


FRESH = np.sort(np.random.default_rng(0).beta(3, 1.2, 100_000))


def true_quality(threshold, rest, shift):
    right = np.clip(FRESH - shift, 0, 1)
    return float(np.where(threshold <= FRESH, right, rest).mean())


@pytest.mark.parametrize(
    ("rest", "target", "shift"), [(0.85, 0.85, 0.0), (0.9, 0.85, 0.05), (0.8, 0.82, 0.0), (0.85, 0.85, 0.1)]
)
def test_the_cheapest_threshold_that_is_shown_breaks_the_target_in_at_most_alpha_of_runs(rest, target, shift):
    """The lowest one shown is the cheapest where handing over is paid for, and the riskiest."""
    rng, runs, alpha = np.random.default_rng(4), 150, 0.1
    broken = used = 0
    for _ in range(runs):
        confidence, right = population(200, rng, shift)
        steps = b.in_sequence(confidence, right, rest=rest, target=target, alpha=alpha)
        shown = [step.threshold for step in steps if step.shown]
        used += bool(shown)
        broken += bool(shown) and true_quality(shown[-1], rest, shift) < target
    assert broken / runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert used > 0


def test_the_sequence_starts_at_the_rest_and_ends_at_the_first_that_is_not_shown():
    confidence, right = population(400, np.random.default_rng(5))
    steps = b.in_sequence(confidence, right, rest=0.85, target=0.8, alpha=0.05)
    assert [step.threshold for step in steps] == list(b.thresholds(confidence, 0.85))[: len(steps)]
    assert all(step.shown for step in steps[:-1]) and not steps[-1].shown
    assert all(one.found.answered <= two.found.answered for one, two in itertools.pairwise(steps))


def test_a_sure_arm_is_shown_down_to_no_confidence_at_all():
    steps = b.in_sequence(np.full(500, 0.9), np.ones(500, bool), rest=0.85, target=0.85, alpha=0.05)
    assert steps[-1].shown and steps[-1].threshold == 0


def test_thresholds_answer_a_hundredth_of_the_rows_more_each():
    confidence = np.arange(200) / 200
    found = b.thresholds(confidence, 0.9)
    assert found[0] == 0.9 and found[-1] == 0.0 and list(found) == sorted(found, reverse=True)
    reached = [int((confidence >= threshold).sum()) for threshold in found]
    assert reached[0] == 20 and set(np.diff(reached)) == {2}
    assert b.thresholds(np.full(50, 0.7), 0.9) == (0.9, 0.7, 0.0), "equal confidences are one step"
    assert b.thresholds(confidence, 0.0) == (0.0,) and b.thresholds(np.zeros(0), 0.5) == (0.5, 0.0)


def test_items_to_show_a_target():
    found = counted(270, 30, 0, 0.0)  # a plain accuracy of 0.9 against 0.85
    z = stats.norm.ppf(0.95) + stats.norm.ppf(0.8)
    assert b.items_to_show(found, 0.85, 0.8, 0.05) == int(np.ceil(0.09 * (z / 0.05) ** 2))
    assert b.items_to_show(found, 0.9, 0.8, 0.05) is None


def test_what_cannot_be():
    nobody = np.zeros(0, bool)
    assert isinstance(b.blended(nobody, nobody, 0.5).interval, Unknown)
    with pytest.raises(ValueError, match="share"):
        counted(1, 1, 1, 1.5)
    with pytest.raises(ValueError, match="answers"):
        b.blended(np.ones(2, bool), np.ones(3, bool), 0.5)
    with pytest.raises(ValueError, match="items"):
        b.melded(2, 0, 1, 0.5)
