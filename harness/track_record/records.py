"""How often the advice held: the records behind `harness track-record`."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.records import ArmId, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRanges:
    """Predicted ranges of one metric, of how many how many held.

    Attributes:
        metric: 'accuracy', 'p95_ms' or 'usd_per_1k'.
        inside: of the ranges in `share.n`.
        share: inside by tested, with the exact interval of clustered items, counted in 'predictions'.
        mean_width: mean of upper minus lower end, in the metric's unit; a wide range holds easily.
        mean_ratio: geometric mean of upper by lower end; None where a lower end is 0.
    """

    metric: str
    inside: int
    share: Estimate
    mean_width: float | None
    mean_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRun:
    """One complete run whose plan locked an advice.

    Attributes:
        counted: False for a second run of the same plan on the same rows (`why` names the first).
        first, ships: the option the advice placed first, and that of the arm the run would ship.
        answer, measured_answer: on retrieve against tune.
    """

    run_id: str
    case: str
    evalset: str
    counted: bool
    why: str
    inside: int
    tested: int
    first: str
    ships: str
    answer: str
    measured_answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRecord:
    """All of it.

    Attributes:
        held: on evalsets that informed no range of that metric: a test.
        informed: on those that did, with `informed_because`: shown, and no test.
        ranked_first: how often the option placed first is the one to ship.
        answered: how often a decided answer was the measured one, where both decided.
        notes: what a reader must know.
    """

    runs: tuple[CheckedRun, ...]
    held: tuple[HeldRanges, ...]
    informed: tuple[HeldRanges, ...]
    informed_because: tuple[str, ...]
    ranked_first: Estimate
    answered: Estimate
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRange:
    """One figure that was predicted, against what was measured.

    Attributes:
        metric: 'accuracy', 'p95_ms' or 'usd_per_1k'.
        low, high: the predicted range.
        inside: whether the measured value lies in it; None where either is missing, or where the value was
            timed on a busy machine (`busy` says how).
        same_model: False when the prediction was for another model (`predicted_model`): then the
            figure says nothing on the advice.
    """

    arm: ArmId
    metric: str
    predicted_model: str
    low: float
    high: float
    measured: float | None
    inside: bool | None
    same_model: bool
    busy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceCheck:
    """The advice against the measurement.

    Attributes:
        answer: what the advice said on retrieve against tune, and `measured_answer` the run.
        first: the option it placed first, and `measured_first` the option of the arm to ship.
    """

    case: str
    answer: str
    measured_answer: str
    first: str
    measured_first: str
    figures: tuple[CheckedRange, ...]
    inside: int
    tested: int

    @property
    def wrong_answer(self) -> bool:
        """Whether it decided the question and the run did so otherwise; 'at least as good' confirms any."""
        both = {self.answer, self.measured_answer}
        return both <= {"retrieve", "tune", "tied"} and len(both) == 2

    @property
    def wrong_first(self) -> bool:
        """Whether it placed another option first than the one to ship."""
        return "none" not in (self.first, self.measured_first) and self.first != self.measured_first

    @property
    def outside(self) -> tuple[CheckedRange, ...]:
        """The ranges that were tested and did not hold."""
        return tuple(figure for figure in self.figures if figure.same_model and figure.inside is False)
