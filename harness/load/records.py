"""What a load test measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from advisor.stats.intervals import Interval
from harness.core.records import ArmId

MOST_FAILED = 0.01
"""A test in which more than this share failed shows no rate that an endpoint holds."""
GROWS = 1.05
"""Twice the slots, and not so much more a second: the endpoint is full."""


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
        at: when it was made.
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
    at: datetime

    @property
    def failed_share(self) -> float:
        """Of the questions sent, the share that came to nothing."""
        return sum(self.failures.values()) / self.sent if self.sent else 0.0

    @property
    def p95_s(self) -> float | None:
        """p95 of whole answers; None without answers."""
        return next((one.seconds for one in self.whole if one.q == 0.95), None)

    def within(self, max_p95_ms: float | None) -> bool:
        """Whether next to nothing failed, and p95 stayed within what the plan allows."""
        if not self.answered or self.failed_share > MOST_FAILED:
            return False
        return max_p95_ms is None or (self.p95_s is not None and self.p95_s * 1000 <= max_p95_ms)

    @property
    def kept_up(self) -> bool:
        """Whether answers came as fast as questions: what was left at the end was done soon after."""
        return self.drain_s <= max(1.0, 0.1 * self.duration_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """The most that an arm answered a second, of all its load tests.

    Attributes:
        test: the one in which it did.
        reached: a test that asked for more got no more, or failed, or was too slow; otherwise the true
            rate may lie above.
    """

    test: LoadResult
    reached: bool

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.test.per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLoad:
    """A served arm's load tests, the oldest first, and what they show; None where they show no rate."""

    arm: ArmId
    tests: tuple[LoadResult, ...]
    full: Saturation | None


def saturation(tests: Sequence[LoadResult], max_p95_ms: float | None) -> Saturation | None:
    """The rate at which an endpoint is full, from the tests of one arm; None where no test shows one.

    Args:
        max_p95_ms: the plan's limit: a rate at which answers take longer is none that can be sold.
    """
    held = [test for test in tests if test.within(max_p95_ms)]
    best = max(held, key=lambda test: test.per_second, default=None)
    if best is None:
        return None
    reached = any(_asked_more(test, best) or _nearly_as_much(test, best) for test in tests)
    return Saturation(test=best, reached=reached)


def _nearly_as_much(test: LoadResult, best: LoadResult) -> bool:
    """Whether fewer slots got nearly as much, so that more of them would bring no more."""
    if test.concurrency is None or best.concurrency is None or test.concurrency >= best.concurrency:
        return False
    return best.per_second < test.per_second * GROWS


def _asked_more(test: LoadResult, best: LoadResult) -> bool:
    """Whether a test asked for more than the best one got: at a higher rate, or in more slots."""
    if test.rate is not None:
        return test.rate > best.per_second and not (test is best and test.kept_up)
    return best.concurrency is not None and (test.concurrency or 0) > best.concurrency
