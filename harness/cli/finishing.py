"""The run itself, its results or the way on; and plans, reports and records on this terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from advisor.reading import Unreadable, read_text
from harness.cli.options import stoppable
from harness.cli.progress import BarProgress
from harness.core.errors import DataError, IncompleteRun, MissingExtra, OverBudget, UsageError, WaitTooLong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.bakeoff.plan import ExperimentPlan
    from harness.bakeoff.run_folder import RunFolder
    from harness.core.context import Context
    from harness.core.records import ArmId
    from harness.recommendation.records import RunResults
    from harness.report.document import Document


def read_plan(path: Path) -> ExperimentPlan:
    """The plan in a file.

    Raises:
        UsageError: if it cannot be read or is no plan.
    """
    from harness.bakeoff.plan import parse_plan

    return parse_plan(read_user_text(path), str(path))


def read_user_text(path: Path) -> str:
    """The text of a plan's file.

    Raises:
        UsageError: if it cannot be read.
    """
    try:
        return read_text(path)
    except (FileNotFoundError, Unreadable) as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error
        raise UsageError(
            f"The plan {path} cannot be read: {why}.", run="harness init --example tickets"
        ) from error


def show_results(
    folder: RunFolder, results: RunResults, *, full: bool = False, as_json: bool = False
) -> None:
    """The terminal report, with colour where there is a terminal; or the results as JSON."""
    if as_json:
        typer.echo(json.dumps(_by_metric(results), indent=1, ensure_ascii=False))
        return
    from harness.report.run_document import run_document
    from harness.report.text import print_document

    print_document(run_document(results, folder.manifest(), command=folder.command), full=full)


def _by_metric(results: RunResults) -> dict[str, Any]:
    """The results as plain JSON, in which an arm's quality is also found under its metric's own name."""
    from harness.core.serial import encode

    found: dict[str, Any] = json.loads(encode(results))
    for arm in found["arms"]:
        arm["quality"].setdefault(results.metric.name, arm["quality"]["primary"])
    return found


def show(record: object, document: Document, *, as_json: bool) -> None:
    """What was found on stdout: the record as JSON, or the document on it."""
    from harness.report.text import print_document

    if as_json:
        show_json(record)
    else:
        print_document(document)


def show_json(record: object) -> None:
    """A record as JSON."""
    from harness.core.serial import encode

    typer.echo(encode(record, indent=1))


def finish_run(
    folder: RunFolder, context: Context, *, as_json: bool, expected_s: Mapping[str, float] | None = None
) -> None:
    """Run what is left of a run and show it; whatever stops it says how to go on.

    Args:
        expected_s: seconds forecast by arm; None where they were not.

    Raises:
        UserError: of any kind; what was computed is kept.
    """
    from harness.recommendation.run import run_bakeoff

    goes_on = folder.command("resume")
    with stoppable(context, f"Run {folder.run_id} was stopped; nothing computed is lost.", goes_on):
        try:
            early = None if as_json else first_figures(folder, context)
            results = run_bakeoff(folder, context, expected_s, early)
        except (DataError, MissingExtra, UsageError):
            folder.discard_if_empty()
            raise
        except WaitTooLong as error:
            raise IncompleteRun(error.what, got=error.got, allowed=error.allowed, run=goes_on) from error
        except OverBudget as error:
            more = error.run or f"{goes_on}   # with a larger --budget-usd"
            raise OverBudget(error.what, got=error.got, allowed=error.allowed, run=more) from error
    show_results(folder, results, as_json=as_json)
    if not as_json:
        typer.echo(f"\nRun folder: {folder.root}")
    if results.failed:
        raise IncompleteRun(
            f"Run {folder.run_id} is incomplete: {len(results.failed)} of its arms failed, the others are "
            "compared.",
            got="; ".join(f"{one.arm.label}: {one.reason}" for one in results.failed),
            run=f"{goes_on}   # tries them again",
        )


def first_figures(folder: RunFolder, context: Context) -> Callable[[Sequence[ArmId]], None]:
    """Shows what the fast arms say while the slow ones are still to come; decides and stores nothing."""

    def show(answered: Sequence[ArmId]) -> None:
        from advisor.options import Option
        from harness.recommendation.conclude import conclude_some
        from harness.report.run_document import first_document
        from harness.report.text import render_text

        if all(arm.option is Option.FLOOR for arm in answered):
            return
        to_come = [arm.id for arm in folder.plan().arms if arm.id not in answered]
        text = render_text(first_document(conclude_some(folder, answered, context), to_come))
        if isinstance(context.progress, BarProgress):
            context.progress.line(text)
        else:
            typer.echo(text)

    return show
