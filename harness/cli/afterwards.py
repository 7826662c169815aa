"""`harness latency`, `load`, `robustness`, `freshness` and `curve`: what is asked once a run has answered."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from advisor.grouped import grouped
from harness.cli.finishing import read_plan, read_user_text, show
from harness.cli.options import (
    AskAgain,
    CallOptions,
    Encoding,
    Json,
    ManyCallOptions,
    RunName,
    run_in,
    stoppable,
)
from harness.cli.typed import a_number, arm_names, one_of, split_names, typed_amount
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.core.context import Context
    from harness.curve.fit import ExamplePrice
    from harness.curve.records import LearningCurves
    from harness.curve.run import CurveRequest


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
    from harness.cli.finishing import show_results
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


@grouped
def curve(
    what: Annotated[
        str, typer.Argument(metavar="[RUN|PLAN.yaml]", help="A run id, its beginning, latest, or a plan.")
    ] = "latest",
    arms: Annotated[
        list[str] | None,
        typer.Option("--arms", help="linear,retrieve,tune,tune+retrieve", show_default="linear"),
    ] = None,
    sizes: Annotated[
        str, typer.Option("--sizes", help="Training examples of each point: auto or 100,200,400,800")
    ] = "auto",
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Draws of the rows, for arms that are not trained.")
    ] = 3,
    tune_seeds: Annotated[
        int, typer.Option("--tune-seeds", min=1, help="Draws of the rows and training seeds of tuned arms.")
    ] = 1,
    target: Annotated[
        float | None,
        typer.Option(
            "--target",
            parser=a_number("--target", "amount", 0, 1),
            help="Accuracy to reach, 0.93.",
            show_default="the quality floor",
        ),
    ] = None,
    case: Annotated[
        Path | None, typer.Option("--case", help="The use case: its price of one more example.")
    ] = None,
    example_usd: Annotated[
        str | None, typer.Option("--example-usd", help="What one more labelled example costs.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="dev, or test: a look at the test rows, and counted.")
    ] = "dev",
    ask_again: AskAgain = False,
    as_json: Json = False,
    *,
    calls: ManyCallOptions,
) -> None:
    """Fit arms on parts of the training rows, and say what more labelled examples would bring."""
    from harness.curve.run import CurveRequest
    from harness.report.topics.curve import curves_document

    floor, price = _case(case)
    request = CurveRequest(
        options=arm_names(arms) or ("linear",),
        sizes=_sizes(sizes),
        seeds=seeds,
        tune_seeds=tune_seeds,
        target=floor if target is None else _target(target),
        price=_price(example_usd) or price,
        split=cast(Literal["dev", "test"], one_of(split, ("dev", "test"), "split to score on")),
    )
    context = dataclasses.replace(calls.context(quiet=as_json), ask_again=ask_again)
    with stoppable(
        context, "The curve was stopped; no finished point is lost.", "the same command goes on with it"
    ):
        made = _curves(what, request, context)
    show(made, curves_document(made), as_json=as_json)


def _curves(what: str, request: CurveRequest, context: Context) -> LearningCurves:
    from harness.bakeoff.run_folder import homes_of
    from harness.curve.run import curves_of_plan, curves_of_run

    path = Path(what)
    if path.suffix.lower() not in {".yaml", ".yml"}:
        return curves_of_run(run_in(context.runs, what), request, context)
    near = dataclasses.replace(context, homes=homes_of(path))
    return curves_of_plan(read_plan(path), request, near)


def _sizes(text: str) -> tuple[int, ...]:
    if text.strip() == "auto":
        return ()
    try:
        return tuple(int(part) for part in split_names([text]))
    except ValueError as error:
        raise UsageError("--sizes are no whole numbers.", got=text, allowed="auto or 100,200,400") from error


def _target(share: float) -> float:
    if not 0 < share < 1:
        raise UsageError(
            "--target is no share.", got=f"{share:g}", allowed="above 0 and below 1: 0.93 for 93 %"
        )
    return share


def _case(path: Path | None) -> tuple[float | None, ExamplePrice | None]:
    """Quality floor and price of one more example of a use case."""
    if path is None:
        return None, None
    from advisor.assumed import rates
    from advisor.case_file import load_case
    from advisor.errors import CaseError
    from advisor.money.money import CostError, to_usd
    from harness.curve.fit import ExamplePrice

    try:
        case = load_case(path)
        usd = None if case.example_cost is None else to_usd(case.example_cost, case.currency, rates(case))
    except (CaseError, CostError) as error:
        raise UsageError(str(error)) from error
    price = None if usd is None else ExamplePrice(usd=usd, source=f"example_cost of {case.name}")
    return case.quality_floor, price


def _price(text: str | None) -> ExamplePrice | None:
    if text is None:
        return None
    from harness.curve.fit import ExamplePrice

    usd = typed_amount(text, "--example-usd")
    if usd < 0:
        raise UsageError("--example-usd must be at least 0.", got=text)
    return ExamplePrice(usd=usd, source="--example-usd")
