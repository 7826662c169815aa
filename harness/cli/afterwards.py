"""`harness latency`, `load`, `robustness` and `freshness`: what is asked of arms once a run has answered."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import CallOptions, Encoding, Json, ManyCallOptions, RunName, run_in, stoppable
from harness.cli.show import read_user_text, show
from harness.cli.typed import arm_names, split_names, typed_amount
from harness.core.errors import UsageError


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
    from harness.cli.show import show_results
    from harness.recommendation.run import time_again

    folder = run_in(calls.runs, name)
    context = calls.context(quiet=as_json)
    stopped = (
        f"Run {folder.run_id} was stopped while it was timed; no answer is lost, and an arm that was not "
        "timed to its end keeps its older timing."
    )
    with stoppable(context, stopped, folder.command("latency")):
        results = time_again(folder, TimingRequest(arms=arm_names(arm), items=items), context)
    show_results(folder, results, as_json=as_json)


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
    from harness.load.run import LoadRequest
    from harness.recommendation.run import measure_load
    from harness.report.topics.latency import load_document

    if rate is not None and concurrency is not None:
        raise UsageError("A load test has a rate or a concurrency, not both.", run="--rate 5")
    wish = LoadRequest(arm=arm, duration_s=duration, rate=rate, concurrency=concurrency)
    folder = run_in(calls.runs, name)
    context = calls.context(quiet=as_json)
    with stoppable(context, "The load test was stopped.", "the same command begins it again"):
        found, results = measure_load(folder, wish, context)
    show(found, load_document(found, results, folder.command), as_json=as_json)


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
    from harness.data.load import read_out_of_scope
    from harness.recommendation.run import check_robustness
    from harness.report.topics.robustness import robustness_document
    from harness.robustness.run import RobustnessRequest

    folder = run_in(calls.runs, name)
    columns = tuple(split_names([text])) or folder.plan().data.text or ("text",)
    rows = () if out_of_scope is None else read_out_of_scope(out_of_scope, columns, encoding)
    wish = RobustnessRequest(out_of_scope=rows, unseen=tuple(unseen or ()), injected=inject)
    context = calls.context(quiet=as_json)
    with stoppable(
        context, "The checks were stopped; no answer is lost.", "the same command goes on with them"
    ):
        results = check_robustness(folder, wish, context)
    show(results, robustness_document(results, folder.command), as_json=as_json)


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
    from harness.bakeoff.run_folder import homes_of
    from harness.freshness.plan import drill_on, parse_drill
    from harness.freshness.run import run_drill
    from harness.recommendation.run import keep_drill
    from harness.report.topics.freshness import drill_document

    context = here.context(quiet=as_json)
    path = Path(what)
    if path.suffix.lower() in {".yaml", ".yml"}:
        drill_plan = parse_drill(read_user_text(path), what)
        homes, folder = homes_of(path), run_in(context.runs, run) if run else None
    else:
        folder = run_in(context.runs, run or what)
        ran, homes = run_in(context.runs, what), folder.homes()
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
    show(found, drill_document(found), as_json=as_json)
