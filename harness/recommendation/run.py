"""What writes into a run and ends in a conclusion: the bake-off, and what is asked of it afterwards.

A finished run is also measured and decided again here, and two runs are put side by
side; that calls no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from harness.bakeoff.answer_sets import (
    stored_answers,
)
from harness.bakeoff.answers import ArmAcrossRuns
from harness.bakeoff.between_runs import compare_runs as compare_scored
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import check_price_day
from harness.bakeoff.quality import measuring
from harness.bakeoff.retiming import TimingRequest, time_arms
from harness.bakeoff.run import Early, manifest_of, reopened, run_plan
from harness.bakeoff.run_folder import FROM_JOURNAL, RESULTS, RunFolder, count_looks
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.freshness.records import Drill
from harness.freshness.store import write_drill
from harness.load.records import LoadResult
from harness.load.run import LoadRequest, put_under_load
from harness.recommendation.conclude import conclude, conclude_again
from harness.recommendation.records import RunResults
from harness.recommendation.store import read_results
from harness.robustness.run import RobustnessRequest, look_at
from harness.shipping.importing import ImportRequest, bring_in


def run_bakeoff(
    folder: RunFolder,
    context: Context,
    expected_s: Mapping[str, float] | None = None,
    early: Early | None = None,
) -> RunResults:
    """Run, or go on with, a locked plan, and conclude (`harness.bakeoff.run.run_plan`)."""
    return run_plan(folder, context, conclude_again, expected_s, early)


def time_again(folder: RunFolder, wish: TimingRequest, context: Context) -> RunResults:
    """Time arms of a finished run again, and conclude again (`harness.bakeoff.retiming`)."""
    return time_arms(folder, wish, context, conclude_again)


def import_into(folder: RunFolder, wish: ImportRequest, context: Context) -> RunResults:
    """Bring something into a finished run, and conclude again (`harness.shipping.importing`)."""
    return bring_in(folder, wish, context, conclude_again)


def check_robustness(folder: RunFolder, wish: RobustnessRequest, context: Context) -> RunResults:
    """Ask what a finished run was not asked, and conclude again (`harness.robustness.run`)."""
    return look_at(folder, wish, context, conclude_again)


def measure_load(
    folder: RunFolder, wish: LoadRequest, context: Context
) -> tuple[tuple[LoadResult, ...], RunResults]:
    """Put a served arm of a finished run under load, store that, and conclude again (`harness.load.run`)."""
    return put_under_load(folder, wish, context, conclude_again)


def keep_drill(folder: RunFolder, drill: Drill, context: Context) -> RunResults:
    """Store a drill with a finished run on the same rows, and conclude again.

    Raises:
        UsageError: if the run is about another evalset.
        IncompleteRun: if the run is not finished.
    """
    with folder.writing():
        results = folder.results()
        if results.data.name != drill.evalset:
            raise UsageError(
                f"Run {folder.run_id} is about other rows than the drill.",
                got=results.data.name,
                allowed=drill.evalset,
            )
        with reopened(folder) as closed:
            write_drill(folder.root, drill)
            return conclude_again(folder, results.looks, closed, context)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRuns:
    """Runs A and B, and the arms in common, A minus B."""

    a: RunResults
    b: RunResults
    across: tuple[ArmAcrossRuns, ...]


def closed_results(folder: RunFolder) -> RunResults:
    """What a run was closed with, or what it concluded so far.

    Raises:
        StoreError: if the plan, or anything the manifest has a digest of, was changed since.
    """
    folder.closed_results()
    return read_results(folder)


def rescore(folder: RunFolder, context: Context, price_date: str) -> RunResults:
    """Measure and decide again, at another day's prices if one is given.

    Raises:
        UsageError: if the day is no date, or no price is known for it.
    """
    plan = folder.plan()
    folder.check(but=FROM_JOURNAL)
    _known_models(folder.run_id, plan, context)
    if price_date:
        try:
            day = date.fromisoformat(price_date)
        except ValueError as error:
            raise UsageError(
                "--price-at is no date.", got=price_date, allowed="such as 2027-01-15"
            ) from error
        check_price_day(day, context)
        plan = plan.model_copy(update={"cost": plan.cost.model_copy(update={"price_date": day})})
    return conclude(folder, stored_looks(folder), context, plan=plan)


def _known_models(run_id: str, plan: ExperimentPlan, context: Context) -> None:
    """A price for a model that the run does not know would change nothing and go unnoticed."""
    known = sorted({arm.model for arm in plan.arms if "/" in arm.model} | set(plan.cost.frontier))
    unknown = [text for text in context.price_overrides if text.partition("=")[0] not in known]
    if unknown:
        raise UsageError(
            f"Run {run_id} has no such model to price.",
            got=", ".join(unknown),
            allowed=", ".join(f"{name}=INPUT/OUTPUT" for name in known) or None,
        )


def store_again(folder: RunFolder, context: Context, *, accept_changes: bool = False) -> RunResults:
    """Measure and decide again, and close the run with that: for older records and damaged ones.

    Args:
        accept_changes: take files that were changed after the run was closed as they are, and say so in
            every report from now on.

    Raises:
        IncompleteRun: if the run was never closed.
        StoreError: if anything that is measured from was changed after the run was closed.
    """
    with folder.writing():
        closed = manifest_of(folder)
        changed = [name for name in folder.changed() if name not in FROM_JOURNAL]
        if changed and not accept_changes:
            folder.check(but=FROM_JOURNAL)
        looks = stored_looks(folder)
        if changed:
            folder.accept(changed, context.clock())
        return conclude_again(folder, looks, closed, context)


def stored_looks(folder: RunFolder) -> int:
    """The looks that the results report, of an earlier version too; counted where these were changed."""
    if RESULTS not in folder.changed(journal=False):
        with suppress(OSError, ValueError, RecursionError):
            raw = json.loads((folder.root / RESULTS).read_text(encoding="utf-8"))
            if isinstance(raw, dict) and isinstance(raw.get("looks"), int):
                return int(raw["looks"])
    return count_looks(folder.root.parent, folder.data_facts().digests["test"], folder.plan().digest)


def compare_two(a: RunFolder, b: RunFolder, context: Context) -> ComparedRuns:
    """Two runs arm by arm, paired where they share their test items."""
    plan = a.plan()
    a.check()
    b.check()
    scored_a = {found.settled.arm: found.test for found in stored_answers(a, context)}
    scored_b = {found.settled.arm: found.test for found in stored_answers(b, context)}
    how = measuring(plan)
    across = compare_scored(scored_a, scored_b, plan.decision.margin, how)
    return ComparedRuns(a=read_results(a), b=read_results(b), across=across)
