"""A bake-off from a plan to its conclusion, in a run folder of its own."""

from __future__ import annotations

from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import with_stated_prices
from harness.bakeoff.run_folder import RunFolder, create_run
from harness.core.context import Context
from harness.recommendation.records import RunResults
from harness.recommendation.run import run_bakeoff


def start_bakeoff(plan: ExperimentPlan, context: Context) -> tuple[RunFolder, RunResults]:
    """Lock the plan in a new run folder and run it."""
    plan = with_stated_prices(plan, context)
    folder = create_run(context.runs, plan, context.clock(), context.homes)
    return folder, run_bakeoff(folder, context)
