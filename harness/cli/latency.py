"""`harness latency`: time a run's arms again, as when the machine was busy."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import (
    DEFAULT_RUNS,
    Budget,
    Json,
    Offline,
    Price,
    Retries,
    Runs,
    Threads,
    Timeout,
    make_context,
    split_names,
)
from harness.cli.progress import open_progress
from harness.core.errors import IncompleteRun


def latency(
    name: Annotated[
        str, typer.Argument(metavar="[RUN]", help="A run id, its beginning, or latest.")
    ] = "latest",
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", help="Arms to time. [default: all but those that are billed by the call]"),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option("--items", min=1, help="Ask this many of the items. [default: those timed before]"),
    ] = None,
    as_json: Json = False,
    runs: Runs = DEFAULT_RUNS,
    offline: Offline = False,
    threads: Threads = None,
    budget_usd: Budget = None,
    timeout: Timeout = 60.0,
    max_retries: Retries = 4,
    price: Price = None,
) -> None:
    """Time a run's arms again and conclude it again; no answer changes."""
    from harness.bakeoff.retiming import TimingRequest, time_again
    from harness.bakeoff.run_folder import find_run
    from harness.cli.show import show_results
    from harness.core.serial import encode

    folder = find_run(runs, name)
    context = make_context(
        runs,
        open_progress(quiet=as_json),
        offline=offline,
        threads=threads,
        budget_usd=budget_usd,
        price=price,
        timeout_s=timeout,
        max_retries=max_retries,
    )
    try:
        results = time_again(folder, TimingRequest(arms=split_names(arm), items=items), context)
    except KeyboardInterrupt as error:
        raise IncompleteRun(
            f"Run {folder.run_id} was stopped while it was timed; no answer is lost, and an arm that was not "
            "timed to its end keeps its older timing.",
            run=folder.command("latency"),
        ) from error
    finally:
        context.progress.close()
    if as_json:
        typer.echo(encode(results, indent=1))
    else:
        show_results(folder, results)
