"""What a load test measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from advisor.stats.intervals import Interval
from harness.core.records import ArmId


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """A quantile of a time.

    Attributes:
        q: 0.95 is p95.
        interval: distribution-free, None where there are fewer values than one needs (`needed`).
    """

    q: float
    seconds: float
    interval: Interval | None
    needed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """One load test of one arm.

    Attributes:
        address: where the calls went.
        rate: questions a second that were asked, whatever came back; None where slots took turns instead.
        concurrency: questions in flight; None where they came at a rate.
        duration_s: seconds in which questions were asked.
        drain_s: seconds from then to the last answer.
        sent: questions; each was answered or failed.
        failures: by kind; their times are in no quantile.
        per_second: answers a second, from the first question to the last answer.
        whole: seconds from when a question was due to its whole answer; first: to its first word, of streamed
            answers. Empty without answers.
        late_s: p95 of how much later than due this process sent a question.
    """

    arm: ArmId
    address: str
    rate: float | None
    concurrency: int | None
    duration_s: float
    drain_s: float
    sent: int
    answered: int
    failures: Mapping[str, int]
    per_second: float
    whole: tuple[Quantile, ...]
    first: tuple[Quantile, ...]
    late_s: float

    @property
    def kept_up(self) -> bool:
        """Whether answers came as fast as questions: what was left at the end was done soon after."""
        return self.drain_s <= max(1.0, 0.1 * self.duration_s)
