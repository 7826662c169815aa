"""Time the arms of a finished run again, as they settled, and conclude it again. No answer changes.

The new timing takes the place of the older one for latency and for money that is paid by the second. It
asks the items that were timed before, one by one and warm; where local models answered in batches, those
batches are timed again too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from harness.arms.base import Arm
from harness.bakeoff.arm_factory import ArmFactory, lanes_of
from harness.bakeoff.busy import watched
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.journal import Journal, Lane
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.run import (
    Conclude,
    chunks_of,
    is_first,
    manifest_of,
    reopened,
    same_arm,
    same_rows,
    settle_on_dev,
    warm_up,
)
from harness.bakeoff.run_folder import RunFolder
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.records import Evalset, Item, Outcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingRequest:
    """What is to be timed.

    Attributes:
        arms: names, `option@model` or the option alone; empty for all but those that are billed by the call.
        items: the first so many test items; None for those that were timed before.
    """

    arms: tuple[str, ...] = ()
    items: int | None = None


def time_arms(folder: RunFolder, wish: TimingRequest, context: Context, conclude: Conclude[T]) -> T:
    """Time again and conclude again.

    Raises:
        IncompleteRun: if the run is not finished.
        UsageError: if the run has no such arm, or an arm would be another one now.
        DataError: if the rows are not those of the run any more.
    """
    with folder.writing():
        manifest_of(folder)
        looks, plan = folder.closed_results().looks, folder.plan()
        chosen = _chosen(plan, wish.arms, folder)
        context.progress.stage("loading the rows", None)
        evalset = load_rows(plan, context, folder)
        same_rows(folder, evalset)
        with reopened(folder) as closed:
            assert closed is not None
            factory = ArmFactory(plan, evalset, folder, context)
            with closing(factory), folder.journal() as journal:
                bench = _Bench(
                    plan=plan, evalset=evalset, journal=journal, wish=wish, folder=folder, context=context
                )
                for arm_plan, seed in chosen:
                    with closing(factory.build(arm_plan, seed)) as arm:
                        _time_arm(arm, seed, bench)
            found = conclude(folder, looks, closed, context)
    context.progress.close()
    return found


def _chosen(plan: ExperimentPlan, names: Sequence[str], folder: RunFolder) -> list[tuple[ArmPlan, int]]:
    lanes = [(arm, seed) for arm, seed in lanes_of(plan) if is_first(plan, seed)]
    known = {name for arm, _ in lanes for name in (str(arm.id), arm.option.value)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"Run {folder.run_id} has no such arm to time.",
            got=", ".join(unknown),
            allowed=", ".join(str(arm.id) for arm, _ in lanes),
        )
    if names:
        return [(arm, seed) for arm, seed in lanes if {str(arm.id), arm.option.value} & set(names)]
    billed = {
        str(arm.arm)
        for arm in folder.results().arms
        if arm.identity is not None and arm.identity.location == "remote"
    }
    free = [(arm, seed) for arm, seed in lanes if str(arm.id) not in billed]
    if not free:
        raise UsageError(
            "Every arm of this run is billed by the call, so none is timed again unasked.",
            run=folder.command("latency", "--arm", sorted(billed)[0]),
        )
    return free


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What every arm is timed with."""

    plan: ExperimentPlan
    evalset: Evalset
    journal: Journal
    wish: TimingRequest
    folder: RunFolder
    context: Context


def _time_arm(arm: Arm, seed: int, bench: _Bench) -> None:
    """FittedArm from what is stored, then timed; an older timing stays until the new one is whole."""
    plan, evalset, journal = bench.plan, bench.evalset, bench.journal
    same_arm(arm, seed, evalset, journal, bench.folder)
    config = settle_on_dev(arm, seed, evalset, journal, bench.context)
    lanes = {
        split: Lane(arm=arm.id, seed=seed, split=split, config=config)
        for split in ("test", "latency", "throughput")
    }
    local = arm.identity is not None and arm.identity.location == "local"
    alone = local and plan.latency.mode == "shared"
    before = journal.outcomes(lanes["latency"], evalset.test)
    items = list(evalset.test) if alone else list(evalset.test[: plan.latency.items])
    if bench.wish.items is not None:
        items = list(evalset.test[: bench.wish.items])
    elif before:
        items = [item for item in evalset.test if item.id in before]
    if items:
        _one_by_one(arm, lanes["latency"], items, bench)
    if not alone and (arm.identity is None or local):
        _in_batches(arm, lanes["throughput"], evalset.test, bench)


def _one_by_one(arm: Arm, lane: Lane, items: Sequence[Item], bench: _Bench) -> None:
    progress = bench.context.progress
    progress.stage(f"{arm.id.label}: one query at a time", len(items))
    warm_up(arm, bench.evalset.test)
    watch = watched(bench.context, arm.identity)
    found: list[tuple[Item, Outcome]] = []
    for item in items:
        found.append((item, arm.predict_one(item)))
        progress.advance(1)
    bench.journal.replace(lane, found, None if watch is None else watch.finish())


def _in_batches(arm: Arm, lane: Lane, items: Sequence[Item], bench: _Bench) -> None:
    progress = bench.context.progress
    progress.stage(f"{arm.id.label}: in batches", len(items))
    by_id = {item.id: item for item in items}
    watch = watched(bench.context, arm.identity)
    found: list[tuple[Item, Outcome]] = []
    for chunk in chunks_of(arm, items):
        arm.refresh()
        found += [(by_id[outcome.item_id], outcome) for outcome in arm.predict(chunk)]
        progress.advance(len(chunk))
    bench.journal.replace(lane, found, None if watch is None else watch.finish())
