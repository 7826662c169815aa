"""Latency from the warm per-item pass, throughput from the batched one; never one for the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.stats.intervals import quantile_interval
from harness.measure.quality import estimate
from harness.measure.scored import Scored
from harness.records import Estimate, ModelIdentity, Outcome, Prediction
from harness.results import Latency


def measure_latency(warm: Mapping[str, Outcome], test: Scored, identity: ModelIdentity | None) -> Latency:
    """Percentiles of retrieval and model seconds, waiting and earlier attempts left out.

    Args:
        warm: outcomes of the separate timing pass; empty where the test pass itself was timed, which
            is so for local models only: served ones answer the test concurrently.
    """
    seconds = timed_seconds(warm, test, identity)
    return Latency(
        p50_ms=_percentile(seconds, 0.50),
        p95_ms=_percentile(seconds, 0.95),
        p99_ms=_percentile(seconds, 0.99),
        conditions=_conditions(identity),
        throughput_qps=_throughput(test),
    )


def timed_seconds(warm: Mapping[str, Outcome], test: Scored, identity: ModelIdentity | None) -> list[float]:
    """Seconds of the timed queries, one by one: of the separate pass, else of a local model's test pass."""
    timed = list(warm.values())
    if not timed and identity is not None and identity.location == "local":
        timed = [p for p in test.predictions if p is not None]
    return [
        outcome.timing.retrieval_s + outcome.timing.model_s
        for outcome in timed
        if isinstance(outcome, Prediction) and not outcome.timing.batched
    ]


def _percentile(seconds: Sequence[float], q: float) -> Estimate:
    metric = f"p{q * 100:.0f}_ms"
    if len(seconds) < 2:
        return Estimate(
            metric=metric, value=None, n=len(seconds), method="none", reason="no warm pass was run"
        )
    in_ms = sorted(1000 * s for s in seconds)
    value = in_ms[min(len(in_ms) - 1, int(q * len(in_ms)))]
    return estimate(metric, value, quantile_interval(in_ms, q), len(in_ms), "order statistics, warm pass")


def _throughput(test: Scored) -> Estimate:
    timings = [p.timing for p in test.predictions if p is not None and p.timing.batched]
    busy = sum(timing.retrieval_s + timing.model_s for timing in timings)
    if not timings or busy <= 0:
        reason = "answered one by one, not in batches" if not timings else "too fast to time"
        return Estimate(metric="queries per second", value=None, n=len(timings), method="none", reason=reason)
    return Estimate(
        metric="queries per second", value=len(timings) / busy, n=len(timings), method="batched quality pass"
    )


def _conditions(identity: ModelIdentity | None) -> str:
    match identity.location if identity else "local":
        case "local":
            where = "in this process"
        case "loopback":
            where = "server on this machine (loopback)"
        case _:
            where = "over the network"
    return f"one query at a time, warm, uncached answers, {where}"
