"""What lies behind an arm's quality and latency: confusions, calibration, distributions. Records only.

`harness.bakeoff.diagnose` makes them from scored answers; pages draw them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.records import ArmId


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often one label was answered where another was right (never on the diagonal)."""

    label: str
    answered: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Answers whose confidence lies in [low, high).

    Attributes:
        mean_confidence, accuracy: over the `n` answers in it; None for an empty bin.
        accuracy_low, accuracy_high: Wilson interval of the accuracy.
    """

    low: float
    high: float
    n: int
    mean_confidence: float | None
    accuracy: float | None
    accuracy_low: float | None = None
    accuracy_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveragePoint:
    """What an arm keeps and gets right when it only answers above a confidence."""

    threshold: float
    kept: float
    precision: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPoint:
    """A point of the distribution: `share` of the timed queries took at most `ms`."""

    share: float
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDiagnosis:
    """Everything behind one arm.

    Attributes:
        confusions: the most frequent first, at most 60; `confused` is the count of all of them.
        reliability: ten bins over [0, 1]; empty without a distribution.
        coverage: from all answers to the surest, at most 101 points; empty without a distribution.
        latency: at most 101 points of the distribution of the timed pass; empty where not timed.
        latency_n: how many queries were timed.
    """

    arm: ArmId
    confusions: tuple[Confusion, ...]
    confused: int
    reliability: tuple[ReliabilityBin, ...]
    coverage: tuple[CoveragePoint, ...]
    latency: tuple[LatencyPoint, ...]
    latency_n: int
