"""`harness curve`: would more labelled examples help, how many, at what price."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from advisor.grouped import grouped
from harness.cli.options import AskAgain, Json, ManyCallOptions, run_in, stoppable
from harness.cli.show import read_plan, show
from harness.cli.typed import a_number, arm_names, one_of, split_names, typed_amount
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.core.context import Context
    from harness.curve.fit import ExamplePrice
    from harness.curve.records import LearningCurves
    from harness.curve.run import CurveRequest


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
