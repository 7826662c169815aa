"""`harness load`: how many questions a second a served arm answers."""

from __future__ import annotations

from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import CallOptions, Json, RunName, stoppable
from harness.cli.progress import open_progress
from harness.cli.show import show_json
from harness.core.errors import UsageError


@grouped
def load(
    name: RunName = "latest",
    arm: Annotated[str, typer.Option("--arm", help="The served arm to ask.")] = "prompt",
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.01, help="Questions a second, whatever is still in flight."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, help="Instead: so many questions at once.")
    ] = None,
    duration: Annotated[
        float, typer.Option("--duration", min=1, help="Seconds in which questions are asked, of each step.")
    ] = 30.0,
    as_json: Json = False,
    *,
    calls: CallOptions,
) -> None:
    """Ask a served arm of a run at a rate: p50, p95 and p99, time to the first word, errors apart.

    Without a rate or a concurrency, 1, 2, 4 … questions at once, until no more are answered a second: the
    rate at which it is full. What is found is stored with the run and prices its machines.
    """
    from harness.bakeoff.run_folder import find_run
    from harness.load.run import LoadRequest
    from harness.recommendation.run import measure_load
    from harness.report.text import print_document
    from harness.report.topics.load import load_document

    if rate is not None and concurrency is not None:
        raise UsageError("A load test has a rate or a concurrency, not both.", run="--rate 5")
    wish = LoadRequest(arm=arm, duration_s=duration, rate=rate, concurrency=concurrency)
    folder = find_run(calls.runs, name)
    context = calls.context(open_progress(quiet=as_json))
    with stoppable(context, "The load test was stopped.", "the same command begins it again"):
        found, results = measure_load(folder, wish, context)
    if as_json:
        show_json(found)
    else:
        print_document(load_document(found, results, folder.command))
