"""Latency comes from single warm queries, throughput from batches; never one for the other."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bakeoff.latency import measure_latency, measure_throughput
from harness.core.machine import MachineUse
from harness.core.records import Completion, Failure, FailureKind, ModelIdentity, Outcome, Timing
from harness.tasks.scoring import score
from tests.support.scored import TASK, items, outcomes, scored

LOCAL = ModelIdentity(id="m", location="local")
REMOTE = ModelIdentity(id="m", location="remote")
LOOPBACK = ModelIdentity(id="m", location="loopback")


def answered(s: float, *, item: str = "x", batched: bool = False) -> Completion:
    timing = Timing(queue_s=9.0, retrieval_s=s / 4, model_s=3 * s / 4, batched=batched)
    return Completion(item_id=item, text="a", timing=timing)


def warm(*seconds: float, batched: bool = False) -> dict[str, Outcome]:
    return {f"t{n}": answered(s, item=f"t{n}", batched=batched) for n, s in enumerate(seconds)}


def test_percentiles_are_of_retrieval_and_model_without_waiting() -> None:
    found = measure_latency(warm(*[n / 1000 for n in range(1, 101)]), scored("a", "a"), LOCAL)
    # 1 to 100 ms: half of them are below 51, 95 of them below 96
    assert (found.p50_ms.value, found.p95_ms.value) == pytest.approx((51, 96))
    assert found.p50_ms.n == 100
    # order statistics 40 and 61 hold the median of 100 values with 95 % (binomial tables)
    assert (found.p50_ms.low, found.p50_ms.high) == pytest.approx((40, 61))


@pytest.mark.parametrize(("name", "n"), [("p50_ms", 3), ("p95_ms", 21), ("p99_ms", 101)])
def test_what_would_be_the_slowest_query_is_called_that_and_no_percentile(name: str, n: int) -> None:
    few = measure_latency(warm(*[k / 1000 for k in range(1, n)]), scored("a", "a"), LOCAL)
    assert getattr(few, name).value is None and few.slowest_ms == pytest.approx(n - 1)
    assert f"needs {n}; the slowest took {n - 1} ms" in getattr(few, name).reason
    enough = measure_latency(warm(*[k / 1000 for k in range(1, n + 1)]), scored("a", "a"), LOCAL)
    assert getattr(enough, name).value == pytest.approx(n - 1)  # one more query took longer


def test_an_interval_says_how_many_queries_it_needs() -> None:
    found = measure_latency(warm(*[n / 1000 for n in range(1, 201)]), scored("a", "a"), LOCAL)
    assert found.p99_ms.value == pytest.approx(199)
    assert found.p99_ms.low is None and "needs 368" in found.p99_ms.reason


def test_batches_say_nothing_on_latency_but_how_many_go_through() -> None:
    rows = items("aaaa")
    test = score(rows, outcomes(rows, "aaaa", seconds=0.2, batched=True), TASK)
    found = measure_latency({}, test, LOCAL)
    assert found.p50_ms.value is None and found.p50_ms.reason
    assert found.throughput_qps.value == pytest.approx(5.0)  # four in 0.8 s
    assert measure_latency(warm(0.1, 0.2, batched=True), test, LOCAL).p50_ms.value is None


def test_a_local_models_single_answers_are_the_timed_pass() -> None:
    rows = items("aaaa")
    test = score(rows, outcomes(rows, "aaaa", seconds=0.25), TASK)
    found = measure_latency({}, test, LOCAL)
    assert found.p50_ms.value == pytest.approx(250) and found.throughput_qps.value is None


@pytest.mark.parametrize("identity", [REMOTE, LOOPBACK])
def test_a_served_models_test_pass_is_concurrent_and_no_latency(identity: ModelIdentity) -> None:
    rows = items("aaaa")
    test = score(rows, outcomes(rows, "aaaa", seconds=0.25), TASK)
    found = measure_latency({}, test, identity)
    assert found.p50_ms.value is None and found.p50_ms.n == 0


def test_loopback_is_called_loopback() -> None:
    said = [measure_latency({}, scored("a", "a"), i).conditions for i in (LOCAL, LOOPBACK, REMOTE, None)]
    assert "in this process" in said[0] and "loopback" in said[1] and "over the network" in said[2]
    assert "in this process" in said[3]


def failed(kind: FailureKind, timing: Timing | None) -> dict[str, Outcome]:
    return {"x": Failure(item_id="x", kind=kind, message="late", timing=timing, attempts=3)}


def test_a_query_that_timed_out_counts_as_the_time_it_took() -> None:
    late = failed(FailureKind.TIMEOUT, Timing(queue_s=9, model_s=60.0))
    found = measure_latency(warm(*[0.1] * 2) | late, scored("a", "a"), REMOTE)
    assert (found.p50_ms.n, found.timeouts, found.retried) == (3, 1, 1)
    assert found.slowest_ms == pytest.approx(60_000)
    many = measure_latency(warm(0.1) | late | {"y": late["x"]}, scored("a", "a"), REMOTE)
    assert many.p50_ms.value == pytest.approx(60_000)


def test_a_timeout_of_unknown_length_is_the_slowest_and_gives_no_figure() -> None:
    found = measure_latency(
        warm(*[0.1] * 30) | failed(FailureKind.TIMEOUT, None) | {}, scored("a", "a"), REMOTE
    )
    assert found.p95_ms.value == pytest.approx(100) and found.p95_ms.high is None
    assert found.slowest_ms == pytest.approx(100) and found.timeouts == 1
    half = {f"y{n}": failed(FailureKind.TIMEOUT, None)["x"] for n in range(30)}
    assert "timed out" in measure_latency(warm(*[0.1] * 5) | half, scored("a", "a"), REMOTE).p95_ms.reason


def test_other_failures_have_no_latency() -> None:
    broken = failed(FailureKind.SERVER, Timing(model_s=60.0))
    found = measure_latency(warm(*[0.1] * 21) | broken, scored("a", "a"), REMOTE)
    assert found.p95_ms.n == 21 and found.p95_ms.value == pytest.approx(100)
    assert found.timeouts == 0


def test_earlier_attempts_are_told_and_not_timed() -> None:
    again = dataclasses.replace(answered(0.1), attempts=2)
    found = measure_latency(warm(*[0.1] * 21) | {"x": again}, scored("a", "a"), REMOTE)
    assert found.retried == 1 and found.p95_ms.value == pytest.approx(100)


def test_nobody_takes_whole_answers_for_first_tokens() -> None:
    assert "first token not timed" in measure_latency({}, scored("a", "a"), REMOTE).conditions


def test_a_busy_machine_is_told_with_the_figures_it_spoils() -> None:
    busy = MachineUse(wall_s=30, cpus=2, own_cpus=1, others_cpus=1.0)
    found = measure_latency(warm(*[0.1] * 30), scored("a", "a"), LOCAL, [busy])
    assert found.busy == "other work took 1.0 of 2 CPUs" and found.machine == (busy,)
    assert measure_latency({}, scored("a", "a"), REMOTE, [busy]).busy == ""  # nothing was timed
    assert measure_throughput([answered(0.1, batched=True)], None, [busy]).reason == found.busy


@given(st.lists(st.floats(0.001, 100), min_size=2, max_size=300))
def test_a_percentile_is_one_of_the_values_and_in_its_interval(seconds: list[float]) -> None:
    found = measure_latency(warm(*seconds), scored("a", "a"), LOCAL)
    for estimate in (found.p50_ms, found.p95_ms, found.p99_ms):
        if estimate.value is None:
            assert "slowest" in estimate.reason
            continue
        assert any(estimate.value == pytest.approx(1000 * s) for s in seconds)
        if estimate.low is not None and estimate.high is not None:
            assert estimate.low <= estimate.value <= estimate.high


def test_what_is_answered_in_batches_has_neither_latency_nor_throughput() -> None:
    batches = dataclasses.replace(REMOTE, decides=(("processing", "batch"),))
    found = measure_latency({}, scored("a", "a"), batches)
    assert found.p95_ms.value is None and found.throughput_qps.value is None
    assert "batch interface" in found.p95_ms.reason and "batch interface" in found.throughput_qps.reason
