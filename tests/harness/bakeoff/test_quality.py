"""Quality against figures worked out by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest

from harness.bakeoff.quality import measure_quality, two_annotators
from harness.tasks.scoring import score
from tests.support.scored import HOW, TASK, items, outcomes, scored

TRUTH = "aaaabbbbcc"
SAID = "aaabbb?!ca"  # a: 3 of 4, b: 2 of 4, c: 1 of 2; one invalid, one failure; b said 3 times, a 4, c 1


def test_shares_have_their_own_denominators() -> None:
    found = measure_quality(scored("ab", "ab", "d"), scored(TRUTH, SAID), TASK, frozenset(), HOW)
    assert (found.primary.value, found.primary.n) == (0.6, 10)
    assert found.answered.value == pytest.approx(6 / 9) and found.answered.n == 9
    assert found.invalid_rate.value == pytest.approx(0.1) and found.failure_rate.value == pytest.approx(0.1)
    assert (found.dev.value, found.dev.n) == (1.0, 2)


def test_the_interval_of_a_share_is_wilsons() -> None:
    found = measure_quality(scored("ab", "ab", "d"), scored(TRUTH, SAID), TASK, frozenset(), HOW)
    # Wilson for 6 of 10 at 95 % (z = 1.959964): centre (0.6 + z^2/20) / (1 + z^2/10) = 0.57226,
    # half width z * sqrt(0.6 * 0.4 / 10 + z^2 / 400) / (1 + z^2/10) = 0.25959
    assert found.primary.low == pytest.approx(0.31267, abs=2e-4)
    assert found.primary.high == pytest.approx(0.83182, abs=2e-4)


def test_macro_f1_and_label_results() -> None:
    found = measure_quality(scored("ab", "ab", "d"), scored(TRUTH, SAID), TASK, frozenset(), HOW)
    a, b, c = found.by_label.labels
    assert (a.support, a.predicted, a.correct) == (4, 4, 3)
    assert (b.support, b.predicted, b.correct) == (4, 3, 2)
    assert (c.support, c.predicted, c.correct) == (2, 1, 1)
    assert (b.precision, b.recall) == (pytest.approx(2 / 3), 0.5)
    # F1 = 2 tp / (support + predicted): a 6/8, b 4/7, c 2/3; their mean
    assert found.others[0].value == pytest.approx((6 / 8 + 4 / 7 + 2 / 3) / 3)


def test_a_label_nobody_said_has_no_precision() -> None:
    found = measure_quality(scored("ab", "ab", "d"), scored("ab", "aa"), TASK, frozenset(), HOW)
    assert found.by_label.labels[1].precision is None and found.by_label.labels[1].recall == 0
    assert (
        found.by_label.labels[2].precision,
        found.by_label.labels[2].recall,
        found.by_label.labels[2].f1,
    ) == (None, None, None)


def test_overlapping_items_are_left_out_where_that_is_asked() -> None:
    test = scored("aabb", "aaaa")
    found = measure_quality(scored("ab", "ab", "d"), test, TASK, frozenset({"t0"}), HOW)
    assert found.without_overlap.n == 3
    assert found.without_overlap.value == pytest.approx(1 / 3)
    nothing = measure_quality(scored("ab", "ab", "d"), test, TASK, frozenset({"t0", "t1", "t2", "t3"}), HOW)
    assert nothing.without_overlap.value is None and nothing.without_overlap.reason


def test_slices_are_reported_by_value() -> None:
    rows = tuple(
        dataclasses.replace(item, slices=(("language", "de" if n < 3 else "en"),))
        for n, item in enumerate(items("aabb"))
    )
    test = score(rows, outcomes(rows, "abbb"), TASK)
    found = measure_quality(scored("ab", "ab", "d"), test, TASK, frozenset(), HOW)
    assert [(s.value, s.primary.value, s.primary.n) for s in found.slices] == [
        ("de", pytest.approx(2 / 3), 3), ("en", 1.0, 1)
    ]  # fmt: skip


def test_clusters_are_resampled_together() -> None:
    """Twenty rows of two customers are two units: no interval can be given, where single rows have one."""
    rows = items("a" * 20)
    said = "a" * 10 + "b" * 10
    alone = score(rows, outcomes(rows, said), TASK)
    together = tuple(dataclasses.replace(item, cluster=f"c{n // 10}") for n, item in enumerate(rows))
    clustered = score(together, outcomes(together, said), TASK)
    dev = scored("ab", "ab", "d")
    one = measure_quality(dev, alone, TASK, frozenset(), HOW).primary
    other = measure_quality(dev, clustered, TASK, frozenset(), HOW).primary
    assert one.value == other.value == 0.5 and one.method == "Wilson" and other.method == "cluster bootstrap"
    assert one.low is not None and one.high is not None
    if other.low is not None and other.high is not None:
        assert other.high - other.low > one.high - one.low
    else:
        assert other.reason


def sure(p: float) -> tuple[float, float, float]:
    """Label a with probability p, the rest shared by b and c."""
    return (math.log(p), math.log((1 - p) / 2), math.log((1 - p) / 2))


def test_calibration_is_of_test_at_the_temperature_of_dev() -> None:
    """On dev 80 % confidence is right 80 % of the time: temperature 1. On test it is right half the time."""
    dev = scored("a" * 80 + "b" * 10 + "c" * 10, "a" * 100, "d", logprobs=[sure(0.8)] * 100)
    test = scored("a" * 50 + "b" * 50, "a" * 100, logprobs=[sure(0.8)] * 100)
    found = measure_quality(dev, test, TASK, frozenset(), HOW)
    assert found.temperature == pytest.approx(1.0, abs=0.01)
    assert (
        found.by_label.ece is not None
        and found.by_label.ece.value == pytest.approx(0.3, abs=0.005)
        and found.by_label.ece.n == 100
    )
    assert (
        found.by_label.coverage is not None
        and found.by_label.coverage.value is None
        and found.by_label.coverage.reason
    )


def test_without_a_distribution_there_is_no_calibration() -> None:
    found = measure_quality(scored("ab", "ab", "d"), scored(TRUTH, SAID), TASK, frozenset(), HOW)
    assert (found.by_label.ece, found.by_label.coverage, found.temperature) == (None, None, None)


def test_the_same_answers_give_the_same_figures() -> None:
    one, two = (
        measure_quality(scored("ab", "ab", "d"), scored(TRUTH, SAID), TASK, frozenset(), HOW) for _ in "ab"
    )
    assert one == two


def test_a_missing_outcome_is_no_wrong_answer() -> None:
    rows = items("ab")
    with pytest.raises(ValueError, match="1 items have no outcome, the first is t1"):
        score(rows, outcomes(rows[:1], "a"), TASK)


def test_confidence_of_impossible_labels_is_one() -> None:
    test = scored("ab", "aa", logprobs=[(0.0, -math.inf, -math.inf)] * 2)
    dev = scored("ab", "aa", "d", logprobs=[sure(0.6)] * 2)
    assert measure_quality(dev, test, TASK, frozenset(), HOW).by_label.ece is not None


def test_annotators_who_agree_on_all_of_a_few_customers_are_sure_of_those_customers_alone() -> None:
    """Wilson of 8 of 8 clusters begins at 8 / (8 + z^2) = 0.67559, where 16 items alone begin at 0.80639."""
    twice = [dataclasses.replace(item, cluster=str(at // 2)) for at, item in enumerate(items("ab" * 8))]
    second = {item.id: item.label for item in twice}
    raw, beyond = two_annotators(twice, second, HOW)
    assert (raw.value, raw.n, raw.method) == (1.0, 16, "cluster bootstrap")
    assert raw.low == pytest.approx(0.67559, abs=1e-5)
    # chance is a half: kappa begins at (0.67559 - 0.5) / 0.5
    assert beyond.value == 1.0 and beyond.low == pytest.approx(0.35118, abs=2e-5)
    alone, _ = two_annotators(items("ab" * 8), second, HOW)
    assert alone.method == "Wilson" and alone.low == pytest.approx(0.80639, abs=1e-5)
