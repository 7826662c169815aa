"""Reports as files: of a run, and of a use case before anything is measured. Same records, same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from advisor.advice import Advice, plain
from advisor.commands import CommandPrices, advise, measuring
from advisor.errors import CaseError
from advisor.money.money import CostError
from harness.bakeoff.answers import ItemAnswer, without_texts
from harness.bakeoff.run_folder import Manifest, RunFolder
from harness.core.context import Context
from harness.core.errors import UsageError, command
from harness.core.files import make_folder, write_atomically
from harness.core.serial import encode
from harness.recommendation.records import RunResults
from harness.report.context import PLAIN, Branding
from harness.report.document import Document, on_run
from harness.report.run_document import run_document
from harness.report.tables import answer_rows, arm_rows, csv_bytes, parquet_bytes, utf8
from harness.report.topics.advice import advice_document

FORMATS = ("json", "csv", "md", "parquet", "pdf", "html")
CASE_FORMATS = ("text", "json", "pdf", "html")
ELSEWHERE = "name another folder with -o"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the files of a run are made of.

    Attributes:
        answers: every arm's answer to every test item (`harness.bakeoff.between_runs.item_answers`).
        closing: the run's manifest; None while it is incomplete.
        branding: company, logo and currency of the pages for readers.
    """

    results: RunResults
    answers: Sequence[ItemAnswer]
    closing: Manifest | None = None
    branding: Branding = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """What the files of a use case are made of.

    Attributes:
        name: what the files are called.
        day: the day whose prices were taken.
        command: what to run to measure it.
    """

    advice: Advice
    name: str
    day: datetime
    command: str


def advised(case: Path, context: Context, price_at: str = "", evidence: str = "") -> Advised:
    """Advise on a use case, ready to be written.

    Args:
        price_at: the day whose prices are taken; '' is today.
        evidence: a run or drill that counts.

    Raises:
        UsageError: if the use case, the day, a price or the run cannot be used.
    """
    day = _day(price_at, context)
    prices = CommandPrices(price_at=f"{day:%Y-%m-%d}", overrides=context.price_overrides)
    try:
        advice: Advice = advise(case, prices, evidence)
    except (CaseError, CostError) as error:
        raise UsageError(str(error)) from error
    return Advised(advice=advice, name=case.stem, day=day, command=measuring(advice.case, case.name))


def _day(price_at: str, context: Context) -> datetime:
    if not price_at:
        now = context.clock()
        return datetime(now.year, now.month, now.day, tzinfo=UTC)
    try:
        day = date.fromisoformat(price_at)
    except ValueError as error:
        raise UsageError("--price-at is no date.", got=price_at, allowed="such as 2027-01-15") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def export_run(
    folder: RunFolder,
    formats: Sequence[str],
    out_dir: Path,
    context: Context,
    branding: Branding = PLAIN,
    *,
    texts: bool = True,
) -> list[Path]:
    """Write a stored run in other formats.

    Args:
        texts: whether the files may hold texts of the items.

    Raises:
        IncompleteRun, UsageError, StoreError: as `RunFolder.results` and `write_report`; also if the
            results were changed after the run was closed.
    """
    from harness.bakeoff.answer_sets import stored_answers
    from harness.bakeoff.between_runs import item_answers
    from harness.recommendation.run import closed_results

    results, closing = closed_results(folder), folder.manifest()
    answers: list[ItemAnswer] = []
    for found in stored_answers(folder, context):
        answers += item_answers(found.settled.arm, found.test, found.temperature)
    answers = answers if texts else without_texts(answers)
    reported = Reported(results=results, answers=answers, closing=closing, branding=branding)
    return write_report(reported, formats, out_dir)


def write_report(reported: Reported, formats: Iterable[str], out_dir: Path) -> list[Path]:
    """Write the files of each format; existing ones are replaced whole or not at all.

    Args:
        formats: of `FORMATS`; a format named twice is written once.

    Returns:
        The files, in the order of the formats.

    Raises:
        UsageError: for an unknown format; nothing is written then.
        MissingExtra: for Parquet without pyarrow, for PDF without typst.
        StoreError: if `out_dir` cannot be written.
    """
    again = on_run(reported.results.run_id)("report", "--format", "md,csv")
    wanted = _known(formats, FORMATS, ("text", *FORMATS), "There is no such report format.", again)
    made = [file for name in wanted for file in _files(reported, name).items()]
    return _written(out_dir, made)


def write_case_report(
    advised: Advised, formats: Iterable[str], out_dir: Path, branding: Branding = PLAIN
) -> list[Path]:
    """Write the prediction in each format.

    Raises:
        UsageError: for an unknown format; nothing is written then.
        MissingExtra: for PDF without typst.
        StoreError: if `out_dir` cannot be written.
    """
    again = command("report", f"{advised.name}.yaml", "--format", "pdf")
    wanted = _known(formats, CASE_FORMATS, CASE_FORMATS, "There is no such format for a use case.", again)
    return _written(out_dir, [_case(advised, name, branding) for name in wanted])


def _known(
    formats: Iterable[str], known: Iterable[str], allowed: Iterable[str], no_such: str, again: str
) -> list[str]:
    """The formats asked for, each once; an unknown one, or none, is the user's error."""
    wanted = list(dict.fromkeys(name.strip().lower() for name in formats))
    unknown = [name for name in wanted if name not in set(known)]
    if unknown or not wanted:
        raise UsageError(
            no_such if unknown else "No report format is named.",
            got=", ".join(unknown) or None,
            allowed=", ".join(allowed),
            run=again,
        )
    return wanted


def _files(reported: Reported, name: str) -> dict[str, bytes]:
    """File name -> content, of one format."""
    match name:
        case "json":
            return {"results.json": (encode(reported.results, indent=1) + "\n").encode()}
        case "csv" | "parquet":
            made = csv_bytes if name == "csv" else parquet_bytes
            tables = {"arms": arm_rows(reported.results), "predictions": answer_rows(reported.answers)}
            return {f"{table}.{name}": made(rows) for table, rows in tables.items()}
        case _:
            found = run_document(
                reported.results,
                reported.closing,
                name,
                branding=reported.branding,
                answers=reported.answers,
            )
            return {f"report.{name}": _page(found, name, reported.branding)}


def _page(document: Document, name: str, branding: Branding) -> bytes:
    """A document in one of the formats that readers read."""
    match name:
        case "pdf":
            from harness.report.pdf import render_pdf

            return render_pdf(document, branding)
        case "html":
            from harness.report.html import render_html

            return utf8(render_html(document, branding))
        case "md":
            from harness.report.markdown import render_markdown

            return utf8(render_markdown(document))
        case _:
            from harness.report.text import render_text

            return utf8(render_text(document, full=True))


def _case(advised: Advised, name: str, branding: Branding) -> tuple[str, bytes]:
    ending = "txt" if name == "text" else name
    if name == "json":
        content = (json.dumps(plain(advised.advice), indent=1) + "\n").encode()
    else:
        found = advice_document(advised.advice, advised.day, advised.command, branding)
        content = _page(found, name, branding)
    return f"{advised.name}-prediction.{ending}", content


def _written(folder: Path, made: Sequence[tuple[str, bytes]]) -> list[Path]:
    make_folder(folder, run=ELSEWHERE)
    for name, content in made:
        write_atomically(folder / name, content, run=ELSEWHERE)
    return [folder / name for name, _ in made]
