"""`harness freshness`: what keeping up takes when facts or labels change: indexing against training again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import CallOptions, Json, stoppable, typed_amount
from harness.cli.progress import open_progress
from harness.cli.show import read_user_text, show_json


@grouped
def freshness(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PLAN.yaml|RUN",
            help="A plan with a part freshness, what changes; or a run, and --second.",
        ),
    ],
    run: Annotated[
        str,
        typer.Option(
            "--run", help="A run on the same rows, whose report and recommendation are to show the drill."
        ),
    ] = "",
    second: Annotated[
        list[str] | None,
        typer.Option("--second", help="Of a run: its other edition, edition=2026-07, or docs= and file=."),
    ] = None,
    wrong_answer_usd: Annotated[
        str | None, typer.Option("--wrong-answer-usd", help="What a wrong answer costs.", show_default="plan")
    ] = None,
    as_json: Json = False,
    *,
    here: CallOptions,
) -> None:
    """Drill arms: ready, the facts or labels change, indexed or trained again, all scored."""
    from harness.bakeoff.run_folder import find_run, homes_of
    from harness.freshness.plan import drill_on, parse_drill
    from harness.freshness.run import run_drill
    from harness.recommendation.run import keep_drill
    from harness.report.text import print_document
    from harness.report.topics.freshness import drill_document

    context = here.context(open_progress(quiet=as_json))
    path = Path(what)
    if path.suffix.lower() in {".yaml", ".yml"}:
        drill_plan = parse_drill(read_user_text(path), what)
        homes, folder = homes_of(path), find_run(context.runs, run) if run else None
    else:
        folder = find_run(context.runs, run or what)
        ran, homes = find_run(context.runs, what), folder.homes()
        plan = ran.plan()
        if wrong_answer_usd is not None:
            money = {"wrong_answer_usd": typed_amount(wrong_answer_usd, "--wrong-answer-usd")}
            plan = plan.model_copy(update={"cost": plan.cost.model_copy(update=money)})
        change = {"second": dict(one.partition("=")[::2] for one in second or ())}
        drill_plan = drill_on(plan, change, f"The run {ran.run_id}")
    context = dataclasses.replace(context, homes=homes)
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
