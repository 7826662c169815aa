"""Latency comes from single warm queries, throughput from batches; never one for the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.latency import measure_latency
from harness.measure.scored import score
from harness.records import Failure, FailureKind, ModelIdentity, Outcome, Prediction, Timing
from tests.harness.measure.helpers import LABELS, items, outcomes, scored

LOCAL = ModelIdentity(id="m", location="local")
REMOTE = ModelIdentity(id="m", location="remote")
LOOPBACK = ModelIdentity(id="m", location="loopback")


def warm(*seconds: float, batched: bool = False) -> dict[str, Outcome]:
    return {
        f"t{n}": Prediction(
            item_id=f"t{n}",
            text="a",
            timing=Timing(queue_s=9.0, retrieval_s=s / 4, model_s=3 * s / 4, batched=batched),
        )
        for n, s in enumerate(seconds)
    }


def test_percentiles_are_of_retrieval_and_model_without_waiting() -> None:
    found = measure_latency(warm(*[n / 1000 for n in range(1, 101)]), scored("a", "a"), LOCAL)
    # 1 to 100 ms: half of them are below 51, 95 of them below 96
    assert (found.p50_ms.value, found.p95_ms.value, found.p99_ms.value) == pytest.approx((51, 96, 100))
    assert found.p50_ms.n == 100
    # order statistics 40 and 61 hold the median of 100 values with 95 % (binomial tables)
    assert (found.p50_ms.low, found.p50_ms.high) == pytest.approx((40, 61))
    assert found.p99_ms.low is None and "needs" in found.p99_ms.reason


def test_batches_say_nothing_on_latency_but_how_many_go_through() -> None:
    rows = items("aaaa")
    test = score(rows, outcomes(rows, "aaaa", seconds=0.25, batched=True), LABELS)
    found = measure_latency({}, test, LOCAL)
    assert found.p50_ms.value is None and found.p50_ms.reason
    assert found.throughput_qps.value == pytest.approx(4.0)
    assert measure_latency(warm(0.1, 0.2, batched=True), test, LOCAL).p50_ms.value is None


def test_a_local_models_single_answers_are_the_timed_pass() -> None:
    rows = items("aaaa")
    test = score(rows, outcomes(rows, "aaaa", seconds=0.25), LABELS)
    found = measure_latency({}, test, LOCAL)
    assert found.p50_ms.value == pytest.approx(250) and found.throughput_qps.value is None


@pytest.mark.parametrize("identity", [REMOTE, LOOPBACK])
def test_a_served_models_test_pass_is_concurrent_and_no_latency(identity: ModelIdentity) -> None:
    rows = items("aaaa")
    test = score(rows, outcomes(rows, "aaaa", seconds=0.25), LABELS)
    found = measure_latency({}, test, identity)
    assert found.p50_ms.value is None and found.p50_ms.n == 0


def test_loopback_is_called_loopback() -> None:
    said = [measure_latency({}, scored("a", "a"), i).conditions for i in (LOCAL, LOOPBACK, REMOTE, None)]
    assert "in this process" in said[0] and "loopback" in said[1] and "over the network" in said[2]
    assert "in this process" in said[3]


def test_failures_have_no_latency() -> None:
    late: dict[str, Outcome] = {
        "x": Failure(item_id="x", kind=FailureKind.TIMEOUT, message="late", timing=Timing(model_s=60.0))
    }
    found = measure_latency(warm(0.1, 0.1) | late, scored("a", "a"), REMOTE)
    assert found.p95_ms.n == 2 and found.p95_ms.value == pytest.approx(100)


@given(st.lists(st.floats(0.001, 100), min_size=2, max_size=300))
def test_a_percentile_is_one_of_the_values_and_in_its_interval(seconds: list[float]) -> None:
    found = measure_latency(warm(*seconds), scored("a", "a"), LOCAL)
    for estimate in (found.p50_ms, found.p95_ms, found.p99_ms):
        assert estimate.value is not None
        assert any(estimate.value == pytest.approx(1000 * s) for s in seconds)
        if estimate.low is not None and estimate.high is not None:
            assert estimate.low <= estimate.value <= estimate.high
