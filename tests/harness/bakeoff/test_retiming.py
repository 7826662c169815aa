"""A run that was timed on a busy machine is timed again: the figures change, the answers do not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.arms.linear import LinearArm
from harness.bakeoff.results import ArmResult
from harness.bakeoff.retiming import TimingRequest
from harness.bakeoff.run_folder import RunFolder
from harness.core.context import Context
from harness.core.errors import IncompleteRun, UsageError
from harness.core.machine import MachineUse
from harness.recommendation.records import RunResults
from harness.recommendation.run import closed_results, time_again
from harness.recommendation.store import read_results
from tests.harness.bakeoff.test_run import context, plan, shop, tickets
from tests.support.bakeoff import start_bakeoff

__all__ = ["shop", "tickets"]

ARMS = [{"option": "floor"}, {"option": "linear"}, {"option": "prompt", "model": "m"}]
IDLE = MachineUse(wall_s=5, cpus=2, own_cpus=1.5, others_cpus=0.02, quiet_cpus=0.02, waited_s=0.0)
BUSY = dataclasses.replace(IDLE, own_cpus=0.9, others_cpus=1.1, quiet_cpus=1.1, waited_s=2.0)
WHY = "other work took 1.1 of 2 CPUs"


class Seen:
    """A watch that has seen this already."""

    def __init__(self, use: MachineUse) -> None:
        self.use = use

    def over(self) -> None:
        pass

    def finish(self) -> MachineUse:
        return self.use


def on(use: MachineUse, folder: Path, **changes: Any) -> Context:
    return context(folder, watch=lambda beside: Seen(use), **changes)


def run(tickets: Path, folder: Path, use: MachineUse = BUSY, **changes: Any) -> RunFolder:
    made, _ = start_bakeoff(plan(tickets, **({"arms": ARMS} | changes)), on(use, folder))
    return made


def arm(results: RunResults, option: Option) -> ArmResult:
    return next(found for found in results.arms if found.arm.option is option)


def said_to(folder: RunFolder) -> dict[tuple[str, str], str]:
    with folder.journal(read_only=True) as journal:
        rows = journal._rows("SELECT arm, item_id, payload FROM outcomes WHERE pass IN ('dev', 'test')")
    return {(arm, item): payload for arm, item, payload in rows}


def test_a_run_on_an_idle_machine_is_not_marked(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    for found in read_results(run(tickets, tmp_path, IDLE)).arms:
        assert (found.latency.busy, found.cost.usd_per_1k.busy) == ("", "")
        assert found.latency.machine == (IDLE,)


def test_how_busy_the_machine_was_is_on_disk_before_the_next_arm_is_fitted(
    shop, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed while an arm trains has kept what was seen of the arms before it."""
    shop()
    seen: list[tuple[str, str]] = []
    fit = LinearArm.fit

    def looked(self: LinearArm, material: Any, stored: Any) -> Any:
        folder = RunFolder(root=next((tmp_path / "runs").glob("*/journal.sqlite")).parent)
        with folder.journal(read_only=True) as journal:
            seen.extend(journal._rows("SELECT arm, pass FROM machine"))
        return fit(self, material, stored)

    monkeypatch.setattr(LinearArm, "fit", looked)
    run(tickets, tmp_path)
    assert seen == [("floor@majority", "test"), ("floor@majority", "latency")]


def test_what_was_timed_on_a_busy_machine_is_marked_and_money_with_it(
    shop, tickets: Path, tmp_path: Path
) -> None:
    shop()
    for found in read_results(run(tickets, tmp_path)).arms:
        assert found.latency.busy == WHY
        assert found.cost.usd_per_1k.busy == WHY and found.cost.usd_per_1k_correct.busy == WHY
    assert arm(read_results(run(tickets, tmp_path / "b")), Option.LINEAR).latency.throughput_qps.reason == WHY


def test_a_run_that_nobody_watched_is_not_marked(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    _, results = start_bakeoff(plan(tickets, arms=ARMS), context(tmp_path))
    assert all(found.latency.busy == "" and found.latency.machine == () for found in results.arms)


def test_timing_again_replaces_the_figures_and_no_answer(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    made.chat.model_s = dict.fromkeys((f"t{n}" for n in range(1000)), 0.01)
    folder = run(tickets, tmp_path)
    before, answers = read_results(folder), said_to(folder)
    made.chat.model_s = {item.id: 0.002 for item in folder.items()["test"]}
    after = time_again(folder, TimingRequest(), on(IDLE, tmp_path))
    assert said_to(folder) == answers
    for old, new in zip(before.arms, after.arms, strict=True):
        assert new.quality == old.quality and new.latency.busy == "" and new.cost.usd_per_1k.busy == ""
        assert new.latency.p50_ms.n == old.latency.p50_ms.n
    assert after.comparisons == before.comparisons
    prompt, earlier = arm(after, Option.PROMPT), arm(before, Option.PROMPT)
    assert prompt.latency.p50_ms.value == pytest.approx(2.0)
    assert earlier.latency.p50_ms.value == pytest.approx(10.0)
    assert prompt.cost.usd_per_1k.usd is not None and earlier.cost.usd_per_1k.usd is not None
    assert float(prompt.cost.usd_per_1k.usd / earlier.cost.usd_per_1k.usd) == pytest.approx(0.2)
    assert closed_results(folder) == after and folder.manifest() is not None


def test_only_the_named_arm_and_so_many_items_are_timed(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    folder = run(tickets, tmp_path)
    asked = len(made.chat.asked)
    results = time_again(folder, TimingRequest(arms=("prompt",), items=4), on(IDLE, tmp_path))
    assert len(made.chat.asked) - asked == 3 + 4  # three to warm up
    assert arm(results, Option.PROMPT).latency.p50_ms.n == 4
    assert arm(results, Option.LINEAR).latency.busy == WHY
    with pytest.raises(UsageError, match="no such arm"):
        time_again(folder, TimingRequest(arms=("retrieve",)), on(IDLE, tmp_path))


def test_batches_are_timed_again_where_money_stands_on_them(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    folder = run(tickets, tmp_path, latency={"mode": "separate", "items": 6})
    before = arm(read_results(folder), Option.PROMPT)
    made.chat.model_s = {item.id: 0.002 for item in folder.items()["test"]}
    after = arm(time_again(folder, TimingRequest(), on(IDLE, tmp_path)), Option.PROMPT)
    assert before.latency.p50_ms.n == after.latency.p50_ms.n == 6
    assert before.cost.usd_per_1k.busy == WHY and after.cost.usd_per_1k.busy == ""
    assert after.cost.usd_per_1k.usd is not None and before.cost.usd_per_1k.usd is not None
    assert float(after.cost.usd_per_1k.usd / before.cost.usd_per_1k.usd) == pytest.approx(0.2)


def test_an_arm_that_is_billed_by_the_call_is_timed_only_when_it_is_named(
    shop, tickets: Path, tmp_path: Path
) -> None:
    made = shop("remote")
    folder = run(tickets, tmp_path)
    asked = len(made.chat.asked)
    time_again(folder, TimingRequest(), on(IDLE, tmp_path))
    assert len(made.chat.asked) == asked
    time_again(folder, TimingRequest(arms=("prompt@m",), items=2), on(IDLE, tmp_path))
    assert len(made.chat.asked) == asked + 5
    with folder.journal(read_only=True) as journal:
        kept = {(a, p): n for a, p, n, _ in journal.counts()}
    assert kept[("prompt@m", "replaced")] > 0, "what was paid for stays in the books"
    alone = run(tickets, tmp_path / "alone", arms=[{"option": "prompt", "model": "m"}])
    with pytest.raises(UsageError, match="billed by the call"):
        time_again(alone, TimingRequest(), on(IDLE, tmp_path / "alone"))


def test_a_stop_leaves_the_older_timing_and_the_run_closed(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    folder = run(tickets, tmp_path)
    before, asked = read_results(folder), len(made.chat.asked)
    whole: Callable[[Any], Any] = made.chat._answer

    def until(request: Any) -> Any:
        if len(made.chat.asked) >= asked + 8:
            raise KeyboardInterrupt
        return whole(request)

    made.chat._answer = until
    with pytest.raises(KeyboardInterrupt):
        time_again(folder, TimingRequest(arms=("prompt",)), on(IDLE, tmp_path))
    made.chat._answer = whole
    assert closed_results(folder) == before, "closed as it was"
    again = time_again(folder, TimingRequest(arms=("prompt",)), on(IDLE, tmp_path))
    assert arm(again, Option.PROMPT).latency.busy == "" and folder.manifest() is not None


def test_only_a_finished_run_of_the_same_arms_is_timed_again(shop, tickets: Path, tmp_path: Path) -> None:
    made = shop()
    folder = run(tickets, tmp_path)
    made.chat.name = "another"
    with pytest.raises(UsageError, match="would be another arm now"):
        time_again(folder, TimingRequest(arms=("prompt",)), on(IDLE, tmp_path))
    assert folder.manifest() is not None, "closed as it was"
    (folder.root / "manifest.json").unlink()
    with pytest.raises(IncompleteRun):
        time_again(folder, TimingRequest(), on(IDLE, tmp_path))


def test_results_without_the_record_are_read_and_not_marked(shop, tickets: Path, tmp_path: Path) -> None:
    shop()
    folder = run(tickets, tmp_path)
    raw = json.loads((folder.root / "results.json").read_text(encoding="utf-8"))
    for found in raw["arms"]:
        for name in ("busy", "machine", "slowest_ms", "timeouts", "retried"):
            del found["latency"][name]
        for price in ("usd_per_1k", "usd_per_1k_correct"):
            del found["cost"][price]["busy"]
    (folder.root / "results.json").write_text(json.dumps(raw), encoding="utf-8")
    assert all(found.latency.busy == "" for found in read_results(folder).arms)
