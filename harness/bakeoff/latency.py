"""Latency from the warm per-item pass, throughput from the batched one; never one for the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from advisor.stats.intervals import Interval, Unknown, quantile_interval
from harness.bakeoff.busy import busy_reason
from harness.bakeoff.results import Latency
from harness.core.machine import MachineUse
from harness.core.records import Completion, Estimate, Failure, FailureKind, ModelIdentity, Outcome
from harness.tasks.measures import estimate
from harness.tasks.scored import Scored

_IN_BATCHES = "answered through the provider's batch interface, which has no latency"


def measure_latency(
    warm: Mapping[str, Outcome],
    test: Scored,
    identity: ModelIdentity | None,
    machine: Sequence[MachineUse] = (),
    throughput: Estimate | None = None,
) -> Latency:
    """Percentiles of retrieval and model seconds, waiting and earlier attempts left out.

    A query that timed out counts as the time after which it was given up: it would have taken longer. A
    percentile is given only where more than one query lies at or beyond it; else it is the slowest one,
    and is called that.

    Args:
        warm: outcomes of the separate timing pass; empty where the test pass itself was timed, which
            is so for local models only: served ones answer the test concurrently.
        machine: how busy the machine was during the timed pass; empty where nobody watched.
        throughput: of `measure_throughput`; None takes the test pass.
    """
    timed = _timed(warm, test, identity)
    seconds = [_seconds(outcome) for outcome in timed]
    untimed = _IN_BATCHES if identity is not None and identity.in_batches else "no warm pass was run"
    finite = [s for s in seconds if math.isfinite(s)]
    return Latency(
        p50_ms=_percentile(seconds, 0.50, untimed),
        p95_ms=_percentile(seconds, 0.95, untimed),
        p99_ms=_percentile(seconds, 0.99, untimed),
        conditions=_conditions(identity),
        throughput_qps=throughput or measure_throughput(test.outcomes, identity),
        busy=busy_reason(machine, identity) if seconds else "",
        machine=tuple(machine),
        slowest_ms=1000 * max(finite) if finite else None,
        timeouts=sum(isinstance(outcome, Failure) for outcome in timed),
        retried=sum(outcome.attempts > 1 for outcome in timed),
    )


def timed_seconds(warm: Mapping[str, Outcome], test: Scored, identity: ModelIdentity | None) -> list[float]:
    """Seconds of the timed queries, one by one: of the separate pass, else of a local model's test pass."""
    return [s for s in map(_seconds, _timed(warm, test, identity)) if math.isfinite(s)]


def _timed(warm: Mapping[str, Outcome], test: Scored, identity: ModelIdentity | None) -> list[Outcome]:
    timed = list(warm.values())
    if not timed and identity is not None and identity.location == "local":
        timed = [one for one in test.outcomes if isinstance(one, Completion)]
    return [outcome for outcome in timed if _counts(outcome)]


def _counts(outcome: Outcome) -> bool:
    """Answers count, and timeouts do, or the slowest queries would be left out; other failures are no answer
    at all, however long they took."""
    match outcome:
        case Completion():
            return not outcome.timing.batched
        case Failure():
            return outcome.kind is FailureKind.TIMEOUT


def _seconds(outcome: Outcome) -> float:
    """Of retrieval and model; endless for a timeout of which no time was noted."""
    timing = outcome.timing
    return math.inf if timing is None else timing.retrieval_s + timing.model_s


def _percentile(seconds: Sequence[float], q: float, untimed: str) -> Estimate:
    name, n = f"p{q * 100:.0f}", len(seconds)
    in_ms = sorted(1000 * s for s in seconds)
    rank = int(q * n)
    if n < 2:
        reason = untimed if not n else "one query was timed"
    elif n - rank < 2:
        enough = next(k for k in range(n, n + 1000) if k - int(q * k) > 1)
        reason = f"{n} timed queries, {name} needs {enough}; the slowest took {_ms(in_ms[-1])}"
    elif not math.isfinite(in_ms[rank]):
        reason = "too many queries timed out"
    else:
        return _order_statistic(f"{name}_ms", in_ms, q)
    return Estimate(metric=f"{name}_ms", value=None, n=n, method="none", reason=reason)


def _order_statistic(metric: str, in_ms: Sequence[float], q: float) -> Estimate:
    interval = quantile_interval(in_ms, q)
    if isinstance(interval, Interval) and not math.isfinite(interval.high):
        interval = Unknown(reason="too many queries timed out for an interval")
    value = in_ms[int(q * len(in_ms))]
    return estimate(metric, value, interval, len(in_ms), "order statistics, warm pass")


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if math.isfinite(value) else "longer than was waited"


def measure_throughput(
    outcomes: Sequence[Outcome], identity: ModelIdentity | None, machine: Sequence[MachineUse] = ()
) -> Estimate:
    """Queries a second of a batched pass; its reason says if the machine was too busy to believe it.

    Args:
        machine: how busy it was during that pass.
    """
    if identity is not None and identity.in_batches:
        return Estimate(metric="queries per second", value=None, n=0, method="none", reason=_IN_BATCHES)
    seconds = [_seconds(one) for one in outcomes if isinstance(one, Completion) and one.timing.batched]
    busy_s, n = sum(seconds), len(seconds)
    if busy_s <= 0:
        reason = "too fast to time" if seconds else "answered one by one, not in batches"
        return Estimate(metric="queries per second", value=None, n=n, method="none", reason=reason)
    return Estimate(
        metric="queries per second",
        value=n / busy_s,
        n=n,
        method="batched quality pass",
        reason=busy_reason(machine, identity),
    )


def _conditions(identity: ModelIdentity | None) -> str:
    match identity.location if identity else "local":
        case "local":
            where = "in this process"
        case "loopback":
            where = "server on this machine (loopback)"
        case _:
            where = "over the network"
    return f"one query at a time, warm, uncached answers, {where}; whole answers, first token not timed"
