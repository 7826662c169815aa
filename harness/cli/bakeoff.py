"""`harness init`, `plan`, `bakeoff`, `run` and `resume`."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.grouped import grouped
from harness.cli.finishing import finish_run, read_plan
from harness.cli.options import AskAgain, DryRun, Json, ManyCallOptions, PlanOptions, RunName, run_in
from harness.cli.typed import MoneyStated, one_of
from harness.core.errors import DataError, MissingExtra, UsageError, command, on_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.bakeoff.plan import ExperimentPlan
    from harness.bakeoff.sizing import Sized
    from harness.core.context import Context


PLANS = ("tickets",)
MANY = 300  # calls to models here, from which a run is worth timing a few of them first


def init(
    example: Annotated[
        str, typer.Option("--example", help="tickets, a plan; or a use case, such as ticket-routing.")
    ] = "tickets",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file to write.", show_default="plan.yaml or case.yaml"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented plan, or a complete use case, to start from."""
    from advisor.bundled import example_cases

    plans = resources.files("harness.cli").joinpath("plans")
    found = {name: plans.joinpath(f"{name}.yaml") for name in PLANS} | example_cases()
    named = one_of(example, tuple(found), "example")
    path = output or Path("plan.yaml" if named in PLANS else "case.yaml")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already.", run=command("init", "--force", "-o", path))
    _write(found[named].read_text(encoding="utf-8"), path)
    after = command("run", path) if named in PLANS else f"advisor assess {shlex.quote(str(path))}"
    typer.echo(f"Wrote {path}. Next: {after}")


@grouped
def bakeoff(
    wish: PlanOptions,
    case: Annotated[
        Path | None,
        typer.Option("--case", help="A use case: its advice is locked with the plan, its limits hold."),
    ] = None,
    dry_run: DryRun = False,
    plan_out: Annotated[
        Path | None, typer.Option("--plan-out", help="Also write the plan to this file.")
    ] = None,
    as_json: Json = False,
    *,
    money: MoneyStated,
    calls: ManyCallOptions,
) -> None:
    """Run every option on one evalset and recommend one."""
    from harness.bakeoff.plan import dump_plan
    from harness.bakeoff.planning import draft

    context = calls.context(quiet=as_json)
    request = wish.request(calls.runs, case, money.stated())
    on_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    drafted = draft(request, context, _asked(context)) if on_terminal else draft(request, context)
    for remark in drafted.remarks:
        typer.echo(remark, err=True)
    if plan_out is not None:
        _write(dump_plan(drafted.plan), plan_out)
    _go(drafted.plan, context, dry_run=dry_run, as_json=as_json, expected_s=drafted.expected_s)


@grouped
def plan(
    case: Annotated[Path, typer.Argument(metavar="CASE.yaml", help="The use case; see `advisor assess`.")],
    wish: PlanOptions,
    output: Annotated[Path, typer.Option("-o", "--output", help="The plan to write.")] = Path("plan.yaml"),
    *,
    money: MoneyStated,
    calls: ManyCallOptions,
) -> None:
    """Advise on a use case and write the plan that tests the advice; the prediction is locked with it."""
    from harness.bakeoff.plan import dump_plan
    from harness.bakeoff.planning import draft

    context = calls.context(quiet=True)
    drafted = draft(wish.request(calls.runs, case, money.stated()), context)
    _write(dump_plan(drafted.plan), output)
    typer.echo("\n".join((*drafted.remarks, _reach(drafted.plan, context))))
    typer.echo(f"Wrote {output}. Next: {command('run', output)}")


@grouped
def run(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="The plan to run.")],
    dry_run: DryRun = False,
    as_json: Json = False,
    *,
    money: MoneyStated,
    calls: ManyCallOptions,
) -> None:
    """Lock a plan and run it; figures given here replace the plan's."""
    from harness.bakeoff.plan import build_plan
    from harness.bakeoff.planning import NOTHING_STATED, laid_over
    from harness.bakeoff.run_folder import homes_of

    read, stated = read_plan(plan_file), money.stated()
    if stated != NOTHING_STATED:
        read = build_plan(laid_over(read.model_dump(mode="json"), stated), str(plan_file))
    context = calls.context(quiet=as_json)
    _go(read, dataclasses.replace(context, homes=homes_of(plan_file)), dry_run=dry_run, as_json=as_json)


@grouped
def resume(
    name: RunName = "latest",
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Call again where a call failed.")
    ] = False,
    ask_again: AskAgain = False,
    as_json: Json = False,
    *,
    calls: ManyCallOptions,
) -> None:
    """Continue a run that stopped; nothing computed is lost."""

    context = calls.context(quiet=as_json)
    context = dataclasses.replace(context, retry_failures=retry_errors, ask_again=ask_again)
    finish_run(run_in(calls.runs, name), context, as_json=as_json)


def _asked(context: Context) -> Callable[[Sized, Sized], bool]:
    """Asks whether every arm is to be run where that takes longer than the time that was named."""

    def keep(every_arm: Sized, fewer: Sized) -> bool:
        context.progress.close()
        names = " and ".join(str(arm) for arm in fewer.dropped)
        question = (
            f"Every arm takes about {every_arm.expected_s / 60:.0f} min here, longer than that. Leave out "
            f"{names} (then about {max(1, round(fewer.expected_s / 60))} min)?"
        )
        return not typer.confirm(question, default=True, err=True)

    return keep


def _go(
    plan: ExperimentPlan,
    context: Context,
    *,
    dry_run: bool,
    as_json: bool,
    expected_s: Mapping[str, float] | None = None,
) -> None:
    from harness.bakeoff.addresses import check_addresses, check_models
    from harness.bakeoff.evalset import load_rows
    from harness.bakeoff.preflight import check_budget, preflight, preflight_text
    from harness.bakeoff.prices import with_stated_prices
    from harness.bakeoff.run_folder import create_run
    from harness.bakeoff.sizing import forecast_seconds
    from harness.models.resolve import Provider, resolve

    here = any(
        arm.option.traits.needs_model and not isinstance(resolve(arm.model), Provider) for arm in plan.arms
    )
    if dry_run or here or context.budget_usd is not None:
        evalset = load_rows(plan, context)
        found = preflight(plan, context, evalset)
        if dry_run:
            expected_s = expected_s or forecast_seconds(plan, context, evalset)
            context.progress.close()
            typer.echo(preflight_text(found, expected_s))
            return
        check_models(plan, context)
        check_budget(found.arms, context.budget_usd)
        if not expected_s and sum(e.calls for e in found.arms if e.input_tokens and not e.served) > MANY:
            expected_s = forecast_seconds(plan, context, evalset)
    check_addresses(plan, context)
    plan = with_stated_prices(plan, context)
    folder = create_run(context.runs, plan, context.clock(), context.homes)
    finish_run(folder, context, as_json=as_json, expected_s=expected_s)


def _reach(plan: ExperimentPlan, context: Context) -> str:
    """What a plan can tell apart; why that is not known where its rows cannot be read yet."""
    from harness.bakeoff.evalset import load_rows
    from harness.bakeoff.preflight import reach_of

    try:
        return f"What it can tell apart: {reach_of(plan, load_rows(plan, context))}"
    except (DataError, MissingExtra) as error:
        return f"What it can tell apart is not known yet: {error.what}"


def _write(text: str, path: Path) -> None:
    with on_disk(f"{path} cannot be written"):
        path.write_text(text, encoding="utf-8")
