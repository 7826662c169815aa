"""What lies behind an arm: small cases by hand, and a second, slower implementation on many predictions."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from advisor.options import Option
from harness.bakeoff.diagnose import diagnose
from harness.core.records import ArmId, Item
from harness.tasks.scored import Scored
from tests.support.scored import HOW, coded

ARM = ArmId(option=Option.LINEAR, model="linear")
LABELS = ("a", "b", "c")


def scored(truth: list[int], answer: list[int], sure: list[float] | None = None) -> Scored:
    """Answers with their confidence; the rest is spread over the other labels."""
    n = len(truth)
    rows = np.full((n, 3), np.nan)
    for i, value in enumerate(sure or []):
        if value == value:
            rows[i] = np.log(max(1e-300, (1 - value) / 2))
            rows[i, max(0, answer[i])] = np.log(value)
    made = tuple(Item(id=str(i), text="", target=LABELS[t]) for i, t in enumerate(truth))
    return coded(made, truth, answer, rows)


def test_confusions_come_most_frequent_first_and_leave_failures_out() -> None:
    # b taken for a twice, a for c once, one invalid answer, one failure, one right
    found = diagnose(ARM, scored([1, 1, 0, 2, 2, 0], [0, 0, 2, -1, -2, 0]), [], LABELS, None, HOW)
    assert [(c.label, c.answered, c.count) for c in found.confusions] == [("b", "a", 2), ("a", "c", 1)]
    assert found.confused == 3
    assert found.reliability == () and found.coverage == ()  # no distribution
    assert found.latency == () and found.latency_n == 0


def test_reliability_bins_by_hand() -> None:
    test = scored([0, 0, 0, 0], [0, 0, 1, 0], [0.95, 0.91, 0.65, 1.0])
    bins = diagnose(ARM, test, [], LABELS, 1.0, HOW).reliability
    assert len(bins) == 10 and sum(b.n for b in bins) == 4
    top, middle = bins[9], bins[6]
    assert (top.n, top.accuracy) == (3, 1.0)
    assert top.mean_confidence == pytest.approx((0.95 + 0.91 + 1.0) / 3)
    # Wilson at 95 % of 3 in 3: 3 / (3 + 1.96^2)
    assert top.accuracy_low == pytest.approx(3 / (3 + 1.959964**2), abs=1e-6) and top.accuracy_high == 1.0
    assert (middle.low, middle.n, middle.accuracy) == (0.6, 1, 0.0)
    assert (bins[0].n, bins[0].accuracy, bins[0].mean_confidence) == (0, None, None)


def test_coverage_keeps_equal_confidences_together() -> None:
    test = scored([0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0.9, 0.8, 0.8, 0.7, float("nan")])
    points = diagnose(ARM, test, [], LABELS, 1.0, HOW).coverage
    # from all that have a confidence (4 of 5 items) to the surest one
    assert [(p.n, round(p.precision, 4), p.kept) for p in points] == [
        (4, 0.75, 0.8),
        (3, 0.6667, 0.6),
        (1, 1.0, 0.2),
    ]
    assert [round(p.threshold, 6) for p in points] == [0.7, 0.8, 0.9]


def test_latency_is_order_statistics() -> None:
    found = diagnose(ARM, scored([0], [0]), [30.0, 10.0, 20.0, 40.0], LABELS, None, HOW)
    assert [(p.share, p.ms) for p in found.latency] == [(0.25, 10.0), (0.5, 20.0), (0.75, 30.0), (1.0, 40.0)]
    assert found.latency_n == 4
    many = diagnose(ARM, scored([0], [0]), [float(i) for i in range(1, 1002)], LABELS, None, HOW).latency
    assert len(many) == 101 and (many[0].ms, many[50].ms, many[-1].ms) == (1.0, 501.0, 1001.0)


def test_temperature_moves_confidence_and_not_confusions() -> None:
    test = scored([0, 1], [0, 0], [0.9, 0.8])
    cold, hot = (diagnose(ARM, test, [], LABELS, t, HOW) for t in (1.0, 5.0))
    assert cold.confusions == hot.confusions
    assert max(p.threshold for p in hot.coverage) < max(p.threshold for p in cold.coverage)


def test_a_hundred_thousand_predictions_by_a_second_way() -> None:
    rng, n, labels = np.random.default_rng(3), 100_000, tuple(f"l{i}" for i in range(20))
    truth, answer = rng.integers(0, 20, n), rng.integers(-2, 20, n)
    logits = rng.normal(size=(n, 20))
    logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    item = Item(id="x", text="", target="l0")
    test = coded((item,) * n, truth, answer, logprobs)
    start = time.process_time()
    found = diagnose(ARM, test, rng.random(n).tolist(), labels, 1.0, HOW)
    assert time.process_time() - start < 2
    pairs = Counter((t, a) for t, a in zip(truth.tolist(), answer.tolist(), strict=True) if 0 <= a != t)
    assert found.confused == sum(pairs.values()) and len(found.confusions) == 60
    assert [c.count for c in found.confusions] == [count for _, count in pairs.most_common(60)]
    for c in found.confusions:
        assert pairs[labels.index(c.label), labels.index(c.answered)] == c.count
    conf = np.exp(logprobs).max(axis=1)
    for b in found.reliability:
        inside = (conf >= b.low) & (conf < b.high)
        assert b.n == int(inside.sum())
        if b.n:
            assert b.accuracy == pytest.approx((answer == truth)[inside].mean())
    assert len(found.coverage) <= 101 and len(found.latency) == 101
    for p in found.coverage[::20]:
        kept = conf >= p.threshold - 1e-9  # scaling normalises once more
        assert p.n == int(kept.sum()) and p.precision == pytest.approx((answer == truth)[kept].mean())
