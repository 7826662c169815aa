"""`harness robustness`: what a run's arms do with what they should not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import Encoding, Json, ManyCallOptions, RunName, split_names, stoppable
from harness.cli.progress import open_progress
from harness.cli.show import show_json


@grouped
def robustness(
    name: RunName = "latest",
    out_of_scope: Annotated[
        Path | None,
        typer.Option(
            "--out-of-scope", help="Inputs that belong to no label.", show_default="those of the run"
        ),
    ] = None,
    text: Annotated[
        str,
        typer.Option("--text", help="Their text columns.", show_default="those of the run, or text"),
    ] = "",
    encoding: Encoding = "utf-8",
    unseen: Annotated[
        list[str] | None,
        typer.Option("--unseen", help="A label to leave out of one more training; can be given again."),
    ] = None,
    inject: Annotated[
        int,
        typer.Option(
            "--inject",
            min=0,
            help="So many test items with an order hidden in them, or in a passage, to answer otherwise.",
            show_default="those of the run",
        ),
    ] = 0,
    as_json: Json = False,
    *,
    calls: ManyCallOptions,
) -> None:
    """Test a run's arms on inputs out of scope, labels a tuned arm never saw, and orders hidden in texts."""
    from harness.bakeoff.run_folder import find_run
    from harness.data.out_of_scope import read_out_of_scope
    from harness.recommendation.run import check_robustness
    from harness.report.text import print_document
    from harness.report.topics.robustness import robustness_document
    from harness.robustness.run import RobustnessRequest

    folder = find_run(calls.runs, name)
    columns = tuple(split_names([text])) or folder.plan().data.text or ("text",)
    rows = () if out_of_scope is None else read_out_of_scope(out_of_scope, columns, encoding)
    wish = RobustnessRequest(out_of_scope=rows, unseen=tuple(unseen or ()), injected=inject)
    context = calls.context(open_progress(quiet=as_json))
    with stoppable(
        context, "The checks were stopped; no answer is lost.", "the same command goes on with them"
    ):
        results = check_robustness(folder, wish, context)
    if as_json:
        show_json(results)
        return
    print_document(robustness_document(results, folder.command))
