"""What writes into a run and ends in a conclusion: the bake-off, and what is asked of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import with_stated_prices
from harness.bakeoff.reopen import reopened
from harness.bakeoff.retiming import TimingRequest, time_arms
from harness.bakeoff.run import Early, run_plan
from harness.bakeoff.run_folder import RunFolder, create_run
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.freshness.records import Drill
from harness.freshness.store import write_drill
from harness.load.records import LoadResult
from harness.load.run import LoadRequest, put_under_load
from harness.recommendation.conclude import conclude_again
from harness.recommendation.records import RunResults
from harness.robustness.run import RobustnessRequest, look_at
from harness.shipping.importing import ImportRequest, bring_in


def start_bakeoff(plan: ExperimentPlan, context: Context) -> tuple[RunFolder, RunResults]:
    """Lock the plan in a new run folder and run it."""
    plan = with_stated_prices(plan, context)
    folder = create_run(context.runs, plan, context.clock(), context.homes)
    return folder, run_bakeoff(folder, context)


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
