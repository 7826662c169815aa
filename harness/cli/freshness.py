"""`harness freshness`: what keeping up takes when facts or labels change: indexing against training again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import CallOptions, Json, stoppable
from harness.cli.progress import open_progress
from harness.cli.show import read_user_text, show_json


@grouped
def freshness(
    plan: Annotated[
        Path, typer.Argument(metavar="PLAN.yaml", help="A plan with a part freshness: what changes.")
    ],
    run: Annotated[
        str,
        typer.Option(
            "--run", help="A run on the same rows, whose report and recommendation are to show the drill."
        ),
    ] = "",
    as_json: Json = False,
    *,
    here: CallOptions,
) -> None:
    """Drill the arms of a plan: ready, the facts or labels change, indexed or trained again, all scored."""
    from harness.bakeoff.run_folder import find_run, homes_of
    from harness.freshness.plan import parse_drill
    from harness.freshness.run import run_drill
    from harness.recommendation.run import keep_drill
    from harness.report.text import print_document
    from harness.report.topics.freshness import drill_document

    drill_plan = parse_drill(read_user_text(plan), str(plan))
    context = dataclasses.replace(here.context(open_progress(quiet=as_json)), homes=homes_of(plan))
    folder = find_run(context.runs, run) if run else None
    with stoppable(
        context, "The drill was stopped; no finished arm is lost.", "the same command goes on with it"
    ):
        found = run_drill(drill_plan, context)
        if folder is not None:
            keep_drill(folder, found, context)
    if as_json:
        show_json(found)
    else:
        print_document(drill_document(found))
