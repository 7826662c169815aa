"""What commands have in common: a plan that is named, a run's report or a record on this terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from advisor.reading import Unreadable, read_text
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.bakeoff.plan import ExperimentPlan
    from harness.bakeoff.run_folder import RunFolder
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
