"""What lies behind an arm: which labels it confuses, whether its confidence can be trusted, how time spreads.

Vectorised: a hundred thousand predictions take a fraction of a second. Confidences are those of the quality
estimates, scaled by the temperature fitted on dev.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from advisor.stats.intervals import Floats
from harness.bakeoff.diagnosis import ArmDiagnosis, Confusion, CoveragePoint, LatencyPoint, ReliabilityBin
from harness.core.records import ArmId
from harness.tasks.measures import Bools, Measuring, confidence, share
from harness.tasks.scored import Scored

MOST_CONFUSIONS = 60
BINS = 10
POINTS = 101


def diagnose(
    arm: ArmId,
    test: Scored,
    timed_ms: Sequence[float],
    labels: Sequence[str],
    temperature: float | None,
    how: Measuring,
) -> ArmDiagnosis:
    """Everything behind one arm.

    Args:
        timed_ms: of the timed pass, one a query; empty where none was timed.
        temperature: the one fitted on dev, None without distributions.
    """
    conf = confidence(test, temperature)
    rows = ~np.isnan(conf)
    confusions, confused = _confusions(test, labels)
    return ArmDiagnosis(
        arm=arm,
        confusions=confusions,
        confused=confused,
        reliability=_reliability(conf[rows], test.where(rows), how),
        coverage=_coverage(conf[rows], test.correct[rows], len(test.items)),
        latency=_latency(timed_ms),
        latency_n=len(timed_ms),
    )


def _confusions(test: Scored, labels: Sequence[str]) -> tuple[tuple[Confusion, ...], int]:
    """Pairs (right label, label answered), the most frequent first; invalid answers and failures are none."""
    if not labels:
        return (), 0
    wrong = (test.answer >= 0) & (test.answer != test.truth)
    codes, counts = np.unique(test.truth[wrong] * len(labels) + test.answer[wrong], return_counts=True)
    order = np.lexsort((codes, -counts))[:MOST_CONFUSIONS]
    found = tuple(
        Confusion(
            label=labels[int(codes[i]) // len(labels)],
            answered=labels[int(codes[i]) % len(labels)],
            count=int(counts[i]),
        )
        for i in order
    )
    return found, int(wrong.sum())


def _reliability(conf: Floats, test: Scored, how: Measuring) -> tuple[ReliabilityBin, ...]:
    """Ten bins [low, high), the last one closed."""
    if not conf.size:
        return ()
    codes = np.clip((conf * BINS).astype(int), 0, BINS - 1)
    return tuple(_bin(number, conf, test, codes == number, how) for number in range(BINS))


def _bin(number: int, conf: Floats, test: Scored, inside: Bools, how: Measuring) -> ReliabilityBin:
    right = share("accuracy", test, test.correct, inside, how)
    return ReliabilityBin(
        low=number / BINS,
        high=(number + 1) / BINS,
        n=right.n,
        mean_confidence=float(conf[inside].mean()) if right.n else None,
        accuracy=right.value,
        accuracy_low=right.low,
        accuracy_high=right.high,
    )


def _coverage(conf: Floats, correct: np.ndarray, items: int) -> tuple[CoveragePoint, ...]:
    """From all answers to the surest: answers of one confidence are kept or handed on together."""
    if not conf.size:
        return ()
    order = np.argsort(-conf, kind="stable")
    sure, hits = conf[order], np.cumsum(correct[order])
    last = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))  # the end of each run of equals
    picked = last[np.unique(np.linspace(0, len(last) - 1, POINTS).round().astype(int))][::-1]
    return tuple(
        CoveragePoint(
            threshold=float(sure[i]),
            kept=float((i + 1) / items),
            precision=float(hits[i] / (i + 1)),
            n=int(i + 1),
        )
        for i in picked
    )


def _latency(timed_ms: Sequence[float]) -> tuple[LatencyPoint, ...]:
    """Order statistics: the smallest time that at least a share of the queries kept to."""
    n = len(timed_ms)
    if n == 0:
        return ()
    ordered = np.sort(np.asarray(timed_ms, dtype=np.float64))
    ranks = np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(int))
    return tuple(LatencyPoint(share=float((rank + 1) / n), ms=float(ordered[rank])) for rank in ranks)
