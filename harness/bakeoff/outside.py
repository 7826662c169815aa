"""Latency and cost of answers that were brought in from outside: not measured, and said so."""

from __future__ import annotations

from advisor.money.ledger import PriceBasis, line
from harness.bakeoff.cost import ledger_cost
from harness.bakeoff.results import Cost, Latency
from harness.core.records import Estimate

_WHY = "not measured: answered outside this run"


def latency_outside() -> Latency:
    """No figure, with the reason."""

    def none(metric: str) -> Estimate:
        return Estimate(metric=metric, value=None, n=0, method="none", reason=_WHY)

    return Latency(
        p50_ms=none("p50_ms"),
        p95_ms=none("p95_ms"),
        p99_ms=none("p99_ms"),
        conditions=_WHY,
        throughput_qps=none("queries per second"),
    )


def cost_outside(accuracy: Estimate) -> Cost:
    """One line whose amount is not known."""
    unknown = line("what its owner pays", None, "queries", None, PriceBasis.ESTIMATE, _WHY)
    return ledger_cost((unknown,), accuracy, {})
