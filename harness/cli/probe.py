"""`harness probe`: a few tries of a task with a named model, kept in the use case as a measurement."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import DryRun, ManyCallOptions, PlanOptions, stoppable
from harness.cli.typed import MoneyStated, a_number
from harness.core.errors import IncompleteRun, StoreError, UsageError, command

if TYPE_CHECKING:
    from advisor.case import Measurement
    from harness.bakeoff.preflight import Preflight

TRIES = 10


@grouped
def probe(
    case: Annotated[Path, typer.Argument(metavar="CASE.yaml", help="The use case to write into.")],
    wish: PlanOptions,
    examples: Annotated[
        str, typer.Option("--examples", help="Your checked examples: a file as for --data.")
    ] = "",
    tries: Annotated[
        int,
        typer.Option("--tries", parser=a_number("--tries", "count", 1), help="How many are tried."),
    ] = TRIES,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Call the model without asking.")] = False,
    dry_run: DryRun = False,
    *,
    money: MoneyStated,
    calls: ManyCallOptions,
) -> None:
    """Try a few of your examples with a model; the advice then counts what it got right."""
    from advisor.run_evidence import read_run
    from harness.bakeoff.addresses import check_addresses
    from harness.bakeoff.planning import draft
    from harness.bakeoff.preflight import check_budget, preflight, preflight_text
    from harness.bakeoff.prices import with_stated_prices
    from harness.bakeoff.run_folder import create_run
    from harness.core.wording import share_sentence
    from harness.recommendation.run import run_bakeoff

    if not wish.model or len(wish.model) != 1:
        raise UsageError(
            "Name the one model to try.", allowed="--model", run=command("probe", case, "--model", "MODEL")
        )
    rows = dataclasses.replace(wish, arms=["prompt"], limit=tries, data=examples or wish.data)
    context = calls.context(quiet=True)
    plan = draft(rows.request(calls.runs, case, money.stated()), context).plan
    found = preflight(plan, context)
    check_budget(found.arms, context.budget_usd)
    if dry_run:
        typer.echo(preflight_text(found))
        return
    _agreed(found, case, yes=yes)
    check_addresses(plan, context)
    folder = create_run(context.runs, with_stated_prices(plan, context), context.clock(), context.homes)
    with stoppable(context, f"Run {folder.run_id} was stopped; nothing is lost.", folder.command("resume")):
        results = run_bakeoff(folder, context)
    if results.failed:
        raise IncompleteRun(
            "The model could not be tried.", got=results.failed[0].reason, run=folder.command("resume")
        )
    measured = read_run(str(folder.root)).measured[0]
    keep(case, measured)
    right = results.arms[0].quality.primary
    typer.echo(f"{wish.model[0]}: {right.metric} {share_sentence(right)}.")
    typer.echo(f"Kept in {case} as measured, from run {folder.run_id}. Next: advisor assess {case}")


def _agreed(found: Preflight, case: Path, *, yes: bool) -> None:
    """Ask before anything is sent or paid.

    Raises:
        UsageError: if nobody is there to be asked.
        typer.Exit: if the answer is no.
    """
    arm = found.arms[0]
    if yes or not arm.served:
        return
    price = "its price is not known" if arm.usd is None else f"about ${arm.usd:.4f} by list price"
    where = f" at {arm.address}" if arm.address else ""
    question = f"{arm.calls} calls of {arm.arm}{where}, {price}. Send them?"
    if not sys.stdin.isatty():
        raise UsageError(
            "Calls are sent only where somebody agrees.", got=question, allowed="--yes",
            run=command("probe", case, "--yes", "..."),
        )  # fmt: skip
    if not typer.confirm(question, default=False, err=True):
        raise typer.Exit(1)


def keep(path: Path, found: Measurement) -> None:
    """Write a measurement into a use case; it takes the place of what was said of the same option.

    A file that says nothing of measurements is only added to, so that its comments stay.

    Raises:
        CaseError: if the file is no usable use case.
        StoreError: if it cannot be written.
    """
    from advisor.case import measured_of
    from advisor.case_file import dump_case, parse_case, read_case_text
    from advisor.run_evidence import with_measured

    text = read_case_text(path)
    case = parse_case(text, path.name)
    if case.measured is None and measured_of(case, found.option) is None:
        kept = (
            f"{text.rstrip()}\n"
            f"measured:\n  - option: {found.option.value}\n    accuracy: {found.accuracy:.6g}\n"
            f"    items: {found.items}\n    source: {found.source}\n"
        )
    else:
        kept = dump_case(with_measured(case, (found,)))
    try:
        path.write_text(kept, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
