"""`harness latency`: time a run's arms again, as when the machine was busy."""

from __future__ import annotations

from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import CallOptions, Json, RunName, arm_names, stoppable
from harness.cli.progress import open_progress


@grouped
def latency(
    name: RunName = "latest",
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", help="Arms to time.", show_default="all but those that are billed by the call"),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option("--items", min=1, help="Ask this many of the items.", show_default="those timed before"),
    ] = None,
    as_json: Json = False,
    *,
    calls: CallOptions,
) -> None:
    """Time a run's arms again and update its results; no answer changes."""
    from harness.bakeoff.retiming import TimingRequest
    from harness.bakeoff.run_folder import find_run
    from harness.cli.show import show_results
    from harness.recommendation.run import time_again

    folder = find_run(calls.runs, name)
    context = calls.context(open_progress(quiet=as_json))
    stopped = (
        f"Run {folder.run_id} was stopped while it was timed; no answer is lost, and an arm that was not "
        "timed to its end keeps its older timing."
    )
    with stoppable(context, stopped, folder.command("latency")):
        results = time_again(folder, TimingRequest(arms=arm_names(arm), items=items), context)
    show_results(folder, results, as_json=as_json)
