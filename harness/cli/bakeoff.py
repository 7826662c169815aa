"""`harness init`, `bakeoff`, `run` and `resume`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.finishing import finish_run
from harness.cli.options import (
    DEFAULT_RUNS,
    AskAgain,
    Budget,
    Concurrency,
    Data,
    Encoding,
    Group,
    IdColumn,
    Json,
    LabelColumn,
    NoHeader,
    NoQuotes,
    Offline,
    Price,
    Records,
    Retries,
    Runs,
    Sheet,
    SkipUnlabelled,
    Slice,
    Text,
    Threads,
    Timeout,
    make_context,
    split_names,
    typed_amount,
)
from harness.cli.plan_file import read_plan
from harness.cli.progress import open_progress
from harness.core.errors import DataError, MissingExtra, StoreError, UsageError, command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.bakeoff.plan import ExperimentPlan
    from harness.bakeoff.sizing import Sized
    from harness.core.context import Context


MANY = 300  # calls to models here, from which a run is worth timing a few of them first


def init(
    example: Annotated[str, typer.Option("--example", help="Which example to start from.")] = "tickets",
    output: Annotated[Path, typer.Option("-o", "--output", help="The plan to write.")] = Path("plan.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented plan to start from."""
    from harness.cli.examples import EXAMPLES, example_plan

    if example not in EXAMPLES:
        raise UsageError("There is no such example.", got=example, allowed=", ".join(EXAMPLES))
    if output.exists() and not force:
        raise UsageError(f"{output} exists already.", run=command("init", "--force", "-o", output))
    try:
        output.write_text(example_plan(example), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror}.") from error
    typer.echo(f"Wrote {output}. Next: {command('run', output)}")


def bakeoff(
    evalset: Annotated[str, typer.Option("--evalset", help="An evalset by name or folder.")] = "",
    data: Data = "",
    text: Text = None,
    label: LabelColumn = None,
    group: Group = None,
    own_id: IdColumn = "",
    slices: Slice = None,
    skip_unlabelled: SkipUnlabelled = False,
    encoding: Encoding = "utf-8",
    records: Records = None,
    sheet: Sheet = "",
    no_header: NoHeader = False,
    no_quotes: NoQuotes = False,
    case: Annotated[
        Path | None,
        typer.Option("--case", help="A use case: its advice is locked with the plan, its limits hold."),
    ] = None,
    arms: Annotated[
        list[str] | None,
        typer.Option("--arms", help="floor,classical,prompt,retrieve,tune,tune+retrieve,route"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", envvar="TOR_MODEL", help="Model(s) of prompt and retrieve, such as openai/gpt-6-luna."
        ),
    ] = None,
    tune_model: Annotated[
        str, typer.Option("--tune-model", envvar="TOR_TUNE_MODEL", help="The model to tune.")
    ] = "smollm2-135m",
    api_base: Annotated[
        str,
        typer.Option("--api-base", envvar="TOR_API_BASE", help="An OpenAI-compatible endpoint for --model."),
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", envvar="TOR_LIMIT", min=1, help="Use this many test items.")
    ] = None,
    limit_train: Annotated[
        int | None, typer.Option("--limit-train", min=1, help="Use this many training rows.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", envvar="TOR_MINUTES", min=1, help="Size the plan to take about this long here."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", envvar="TOR_SEED", help="Of splits, training and intervals.")
    ] = 17,
    seeds: Annotated[
        list[str] | None, typer.Option("--train-seeds", help="Train once with each: 17,18,19")
    ] = None,
    after: Annotated[
        str,
        typer.Option("--after", help="A run on the same question: what it tested is left out."),
    ] = "",
    margin: Annotated[
        float | None,
        typer.Option("--margin", envvar="TOR_MARGIN", help="Non-inferiority margin. [default: 0.02]"),
    ] = None,
    machine_hour_usd: Annotated[
        str | None,
        typer.Option("--machine-hour-usd", envvar="TOR_MACHINE_HOUR_USD", help="What this machine costs."),
    ] = None,
    price_date: Annotated[str, typer.Option("--price-at", help="Prices of this day. [default: today]")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print arms, rows, tokens and dollars; run nothing.")
    ] = False,
    plan_out: Annotated[
        Path | None, typer.Option("--plan-out", help="Also write the plan to this file.")
    ] = None,
    as_json: Json = False,
    runs: Runs = DEFAULT_RUNS,
    offline: Offline = False,
    threads: Threads = None,
    concurrency: Concurrency = 8,
    budget_usd: Budget = None,
    timeout: Timeout = 60.0,
    max_retries: Retries = 4,
    price: Price = None,
) -> None:
    """Run every option on one evalset and give the verdict."""
    from harness.bakeoff.planning import PlanRequest, draft
    from harness.bakeoff.run_folder import find_run

    progress = open_progress(quiet=as_json)
    context = make_context(
        runs,
        progress,
        offline=offline,
        threads=threads,
        budget_usd=budget_usd,
        price=price,
        concurrency=concurrency,
        timeout_s=timeout,
        max_retries=max_retries,
    )
    request = PlanRequest(
        case=case,
        evalset=evalset,
        file=data,
        text=split_names(text),
        label=_one_or_more(split_names(label)),
        group=split_names(group),
        encoding=encoding,
        reading={
            **_reading(own_id, slices, skip_unlabelled, records, sheet, no_header, no_quotes),
            "after": find_run(runs, after).run_id if after else None,
        },
        options=split_names(arms),
        models=split_names(model),
        tune_model=tune_model,
        api_base=api_base,
        limit_test=limit,
        limit_train=limit_train,
        minutes=minutes,
        seed=seed,
        train_seeds=split_names(seeds),
        margin=margin,
        machine_hour_usd=_typed_hour(machine_hour_usd),
        price_date=price_date,
    )
    drafted = draft(request, context, _asked(context)) if _on_terminal() else draft(request, context)
    for remark in drafted.remarks:
        typer.echo(remark, err=True)
    if plan_out is not None:
        _write_plan(drafted.plan, plan_out)
    _go(drafted.plan, context, dry_run=dry_run, as_json=as_json, expected_s=drafted.expected_s)


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


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


def _typed_hour(text: str | None) -> str | None:
    return None if text is None else f"{typed_amount(text, '--machine-hour-usd'):f}"


def plan(
    case: Annotated[Path, typer.Argument(metavar="CASE.yaml", help="The use case; see `advisor assess`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The plan to write.")] = Path("plan.yaml"),
    evalset: Annotated[str, typer.Option("--evalset", help="An evalset by name or folder.")] = "",
    data: Data = "",
    text: Text = None,
    label: LabelColumn = None,
    group: Group = None,
    own_id: IdColumn = "",
    slices: Slice = None,
    skip_unlabelled: SkipUnlabelled = False,
    encoding: Encoding = "utf-8",
    records: Records = None,
    sheet: Sheet = "",
    no_header: NoHeader = False,
    no_quotes: NoQuotes = False,
    model: Annotated[
        str, typer.Option("--model", envvar="TOR_MODEL", help="Model of prompt and retrieve.")
    ] = "smollm2-135m",
    tune_model: Annotated[
        str, typer.Option("--tune-model", envvar="TOR_TUNE_MODEL", help="The model to tune.")
    ] = "smollm2-135m",
    api_base: Annotated[str, typer.Option("--api-base", envvar="TOR_API_BASE")] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Use this many test items.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", envvar="TOR_SEED")] = 17,
    price_at: Annotated[str | None, typer.Option("--price-at", help="Prices of this day.")] = None,
    price: Price = None,
) -> None:
    """Advise on a use case and write the plan that tests the advice; the prediction is locked with it."""
    from harness.bakeoff.advising import CaseRequest, plan_case
    from harness.bakeoff.planning import advice_remark

    context = make_context(DEFAULT_RUNS, open_progress(quiet=True), price=price)
    rows = {
        "evalset": evalset,
        "file": data,
        "text": list(split_names(text)),
        "label": _one_or_more(split_names(label)),
        "limit_test": limit,
        "group": list(split_names(group)),
        "encoding": encoding,
        **_reading(own_id, slices, skip_unlabelled, records, sheet, no_header, no_quotes),
    }
    request = CaseRequest(
        case=case,
        rows=rows,
        model=model,
        tune_model=tune_model,
        api_base=api_base,
        seed=seed,
        price_at=price_at,
    )
    made = plan_case(request, context)
    _write_plan(made, output)
    typer.echo(advice_remark(made))
    typer.echo(_reach(made, context))
    typer.echo(f"Wrote {output}. Next: {command('run', output)}")


def run(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="The plan to run.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print arms, rows, tokens and dollars; run nothing.")
    ] = False,
    as_json: Json = False,
    runs: Runs = DEFAULT_RUNS,
    offline: Offline = False,
    threads: Threads = None,
    concurrency: Concurrency = 8,
    budget_usd: Budget = None,
    timeout: Timeout = 60.0,
    max_retries: Retries = 4,
    price: Price = None,
) -> None:
    """Lock a plan and run it."""
    from harness.bakeoff.run_folder import homes_of

    plan = read_plan(plan_file)
    context = make_context(
        runs,
        open_progress(quiet=as_json),
        offline=offline,
        threads=threads,
        budget_usd=budget_usd,
        price=price,
        concurrency=concurrency,
        timeout_s=timeout,
        max_retries=max_retries,
    )
    context = dataclasses.replace(context, homes=homes_of(plan_file))
    _go(plan, context, dry_run=dry_run, as_json=as_json)


def resume(
    name: Annotated[
        str, typer.Argument(metavar="[RUN]", help="A run id, its beginning, or latest.")
    ] = "latest",
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Call again where a call failed.")
    ] = False,
    ask_again: AskAgain = False,
    as_json: Json = False,
    runs: Runs = DEFAULT_RUNS,
    offline: Offline = False,
    threads: Threads = None,
    concurrency: Concurrency = 8,
    budget_usd: Budget = None,
    timeout: Timeout = 60.0,
    max_retries: Retries = 4,
    price: Price = None,
) -> None:
    """Go on with a run that stopped, from what it has."""
    from harness.bakeoff.run_folder import find_run

    context = make_context(
        runs,
        open_progress(quiet=as_json),
        offline=offline,
        threads=threads,
        budget_usd=budget_usd,
        price=price,
        concurrency=concurrency,
        timeout_s=timeout,
        max_retries=max_retries,
        retry_failures=retry_errors,
        ask_again=ask_again,
    )
    folder = find_run(runs, name)
    finish_run(folder, context, as_json=as_json)


def _go(
    plan: ExperimentPlan,
    context: Context,
    *,
    dry_run: bool,
    as_json: bool,
    expected_s: Mapping[str, float] | None = None,
) -> None:
    from harness.bakeoff.addresses import check_addresses
    from harness.bakeoff.preflight import check_budget, preflight, preflight_text
    from harness.bakeoff.run_folder import create_run
    from harness.bakeoff.sizing import forecast_seconds
    from harness.models.resolve import Provider, resolve

    here = any(arm.model and not isinstance(resolve(arm.model), Provider) for arm in plan.arms)
    if dry_run or here or context.budget_usd is not None:
        found = preflight(plan, context)
        if dry_run:
            expected_s = expected_s or forecast_seconds(plan, context)
            context.progress.close()
            typer.echo(preflight_text(found, expected_s))
            return
        check_budget(found.arms, context.budget_usd)
        if not expected_s and sum(e.calls for e in found.arms if e.input_tokens and not e.served) > MANY:
            expected_s = forecast_seconds(plan, context)
    check_addresses(plan, context)
    folder = create_run(context.runs, plan, context.clock(), context.homes)
    finish_run(folder, context, as_json=as_json, expected_s=expected_s)


def _one_or_more(names: tuple[str, ...]) -> str | tuple[str, ...]:
    return names[0] if len(names) == 1 else names or ""


def _reading(
    own_id: str,
    slices: list[str] | None,
    skip_unlabelled: bool,
    records: list[str] | None,
    sheet: str,
    no_header: bool,
    no_quotes: bool,
) -> dict[str, object]:
    """How a user's own file is read, as the plan's data part names it."""
    return {
        "id": own_id,
        "slices": list(split_names(slices)),
        "skip_unlabelled": skip_unlabelled,
        "records": list(split_names(records)),
        "sheet": sheet,
        "no_header": no_header,
        "no_quotes": no_quotes,
    }


def _reach(plan: ExperimentPlan, context: Context) -> str:
    """What a plan can settle; why that is not known where its rows cannot be read yet."""
    from harness.bakeoff.evalset import load_rows
    from harness.bakeoff.preflight import reach_of

    try:
        return f"What it can settle: {reach_of(plan, load_rows(plan, context))}"
    except (DataError, MissingExtra) as error:
        return f"What it can settle is not known yet: {error.what}"


def _write_plan(plan: ExperimentPlan, path: Path) -> None:
    from harness.bakeoff.plan import dump_plan

    try:
        path.write_text(dump_plan(plan), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
