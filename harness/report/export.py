"""A run's results as files: JSON, CSV, Parquet, Markdown, PDF, HTML. The same run gives the same bytes.

JSON and Parquet hold texts as they are. CSV is opened in spreadsheets, so that a text which would be read
as a formula gets a leading apostrophe there. An unknown figure is an empty cell, never 0.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.results import ArmResult, Money
from harness.bakeoff.wording import limit_words
from harness.core.errors import MissingExtra, StoreError, UsageError
from harness.core.records import Estimate
from harness.core.serial import encode
from harness.core.wording import one_line
from harness.recommendation.records import RunResults
from harness.report.details import Closing
from harness.report.dress import PLAIN, Dress
from harness.report.executive import paper_of, run_dossier, run_paper
from harness.report.markdown import render_markdown
from harness.report.model import report_view
from harness.report.view import on_run

Value = str | int | float | bool | Decimal | None
Values = Mapping[str, Value]

ANSWER_COLUMNS = (
    "item_id",
    "arm",
    "text",
    "label",
    "answer",
    "correct",
    "confidence",
    "raw_answer",
    "failure",
)
"""Of `answer_rows`."""

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NOT_ASKED = Estimate(metric="accuracy on all test rows", value=None, n=0, method="none")
_USD_DIGITS = Decimal("1e-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the files are made of.

    Attributes:
        answers: every arm's answer to every test item (`harness.bakeoff.between_runs.item_answers`).
        closing: the run's manifest; None while it is incomplete.
        dress: company, logo and currency of the pages for readers.
    """

    results: RunResults
    answers: Sequence[ItemAnswer]
    closing: Closing | None = None
    dress: Dress = PLAIN


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
    wanted = list(dict.fromkeys(name.strip().lower() for name in formats))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise UsageError(
            "There is no such report format." if unknown else "No report format is named.",
            got=", ".join(unknown) or None,
            allowed=", ".join(("text", *FORMATS)),
            run=on_run(reported.results.run_id)("report", "--format", "md,csv"),
        )
    made = [file for name in wanted for file in FORMATS[name](reported).items()]
    return [write_whole(out_dir, name, content) for name, content in made]


def arm_rows(results: RunResults) -> list[dict[str, Value]]:
    """One row an arm: every figure with its interval and denominator, unformatted."""
    return [_arm_row(arm, results) for arm in results.arms]


def answer_rows(answers: Sequence[ItemAnswer]) -> list[dict[str, Value]]:
    """One row an item and arm."""
    return [
        {
            "item_id": found.item_id,
            "arm": str(found.arm),
            "text": found.text,
            "label": found.label,
            "answer": found.answer,
            "correct": found.correct,
            "confidence": found.confidence,
            "raw_answer": found.raw,
            "failure": found.failure or None,
        }
        for found in answers
    ]


def formula_safe(text: str) -> str:
    """A text that a spreadsheet shows rather than computes; NULs, which break readers, are shown."""
    shown = text.replace("\0", "\ufffd")
    starts = shown.lstrip().startswith(_FORMULA) or shown.startswith(("\t", "\r", "\n"))
    return f"'{shown}" if starts else shown


def _json(reported: Reported) -> dict[str, bytes]:
    return {"results.json": (encode(reported.results, indent=1) + "\n").encode()}


def _markdown(reported: Reported) -> dict[str, bytes]:
    return {"report.md": _utf8(render_markdown(report_view(reported.results, reported.closing)))}


def _csv(reported: Reported) -> dict[str, bytes]:
    return {
        "arms.csv": _csv_bytes(arm_rows(reported.results)),
        "predictions.csv": _csv_bytes(answer_rows(reported.answers)),
    }


def _parquet(reported: Reported) -> dict[str, bytes]:
    return {
        "arms.parquet": _parquet_bytes(arm_rows(reported.results)),
        "predictions.parquet": _parquet_bytes(answer_rows(reported.answers)),
    }


def _pdf(reported: Reported) -> dict[str, bytes]:
    from harness.report.pdf.render import render_pdf

    dress = reported.dress
    return {"report.pdf": render_pdf(run_paper(reported.results, reported.closing, dress), dress)}


def _html(reported: Reported) -> dict[str, bytes]:
    from harness.report.diagnosis_parts import diagnosis_parts
    from harness.report.html.page import render_html

    results, closing, dress = reported.results, reported.closing, reported.dress
    dossier = run_dossier(results, closing, dress)
    details = diagnosis_parts(dossier, reported.answers)
    sections = report_view(results, closing).sections
    arms = [one_line(str(arm.arm)) for arm in results.arms]
    page = render_html(paper_of(dossier, dress), details, sections, arms, dress)
    return {"report.html": _utf8(page)}


FORMATS: Mapping[str, Callable[[Reported], dict[str, bytes]]] = {
    "json": _json,
    "csv": _csv,
    "md": _markdown,
    "parquet": _parquet,
    "pdf": _pdf,
    "html": _html,
}
"""Format name -> file name -> content."""


def _arm_row(arm: ArmResult, results: RunResults) -> dict[str, Value]:
    quality, latency, cost = arm.quality, arm.latency, arm.cost
    row: dict[str, Value] = {
        "run_id": results.run_id,
        "plan_digest": results.plan_digest,
        "test_digest": results.data.digests.get("test"),
        "evalset": results.data.name,
        "arm": str(arm.arm),
        "option": arm.arm.option.value,
        "model": arm.arm.model,
        "ship": arm.arm == results.recommendation.ship,
        "vetoes": "; ".join(limit_words(c) for c in results.verdict.broken if c.arm == arm.arm) or None,
    }
    for name, estimate in (
        ("accuracy", quality.accuracy),
        ("accuracy_answered", quality.accuracy_answered),
        ("accuracy_without_overlap", quality.accuracy_without_overlap),
        ("dev_accuracy", quality.dev_accuracy),
        ("macro_f1", quality.macro_f1),
        ("invalid_rate", quality.invalid_rate),
        ("failure_rate", quality.failure_rate),
        ("p50_ms", latency.p50_ms),
        ("p95_ms", latency.p95_ms),
        ("p99_ms", latency.p99_ms),
        ("throughput_qps", latency.throughput_qps),
    ):
        row |= _estimate_columns(name, estimate)
    row |= _estimate_columns("accuracy_all_rows", arm.accuracy_all_rows or _NOT_ASKED)
    row["latency_conditions"] = latency.conditions
    row |= {
        "latency_busy": latency.busy or None,
        "slowest_ms": latency.slowest_ms,
        "timed_timeouts_n": latency.timeouts,
        "timed_retried_n": latency.retried,
    }
    row |= _money_columns("usd_per_1k", cost.usd_per_1k)
    row |= _money_columns("usd_per_1k_correct", cost.usd_per_1k_correct)
    return row


def _estimate_columns(name: str, estimate: Estimate) -> dict[str, Value]:
    return {
        name: None if estimate.value is None else float(estimate.value),
        f"{name}_low": None if estimate.low is None else float(estimate.low),
        f"{name}_high": None if estimate.high is None else float(estimate.high),
        f"{name}_n": estimate.n,
    }


def _money_columns(name: str, price: Money) -> dict[str, Value]:
    return {
        name: price.usd,
        f"{name}_low": price.low_usd,
        f"{name}_high": price.high_usd,
        f"{name}_basis": price.basis.value if price.usd is not None else "unknown",
        f"{name}_source": price.source,
        f"{name}_busy": price.busy or None,
    }


def csv_text(rows: Sequence[Values], columns: Sequence[str]) -> str:
    """Rows with these keys as CSV under a header."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180; a bare CR in a cell is quoted only so
    writer.writerow(columns)
    writer.writerows([_csv_value(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _csv_bytes(rows: Sequence[Values]) -> bytes:
    if not rows:
        return b""
    return codecs.BOM_UTF8 + _utf8(
        csv_text(rows, tuple(rows[0]))
    )  # without it a spreadsheet guesses, and umlauts suffer


def _csv_value(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return formula_safe(value)
        case Decimal():
            return f"{value:f}"
        case _:
            return repr(value)


def _parquet_bytes(rows: Sequence[Values]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra.of("pyarrow", "tables") from error
    fields = [(name, _arrow_type(pa, name)) for name in (rows[0] if rows else ())]
    plain = [{name: _arrow_value(value) for name, value in row.items()} for row in rows]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(plain, schema=pa.schema(fields)), out, compression="zstd")
    return out.getvalue()


def _arrow_type(pa: object, name: str) -> object:
    """The type of a column, from its name: the same whatever stands in the rows."""
    if name in {"ship", "correct"}:
        return pa.bool_()  # type: ignore[attr-defined]
    if name.endswith("_n"):
        return pa.int64()  # type: ignore[attr-defined]
    if name.startswith("usd_") and not name.endswith(("_basis", "_source", "_busy")):
        return pa.decimal128(38, 12)  # type: ignore[attr-defined]
    numbers = ("accuracy", "dev_accuracy", "macro_f1", "invalid_", "failure_", "p50", "p95", "p99", "slowest")
    if name == "confidence" or name.startswith((*numbers, "throughput")):
        return pa.float64()  # type: ignore[attr-defined]
    return pa.string()  # type: ignore[attr-defined]


def _arrow_value(value: Value) -> Value:
    match value:
        case Decimal():
            return value.quantize(_USD_DIGITS)
        case str():
            return _utf8(value).decode()
        case _:
            return value


def _utf8(text: str) -> bytes:
    """UTF-8; half characters, which have none, are written as escapes."""
    return text.encode("utf-8", errors="backslashreplace")


def write_whole(folder: Path, name: str, content: bytes) -> Path:
    """Write a file whole or not at all.

    Raises:
        StoreError: if it cannot be written.
    """
    path = folder / name
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # the first fault is the one to tell
            temporary.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.",
            allowed="a writable folder with free space; -o names another one",
        ) from error
    return path
