"""A run's results as rows: one an arm, one an item and arm; as CSV and as Parquet. Unformatted.

Parquet holds texts as they are. CSV is opened in spreadsheets, so that a text which would be read as a
formula gets a leading apostrophe there. An unknown figure is an empty cell, never 0.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from advisor.money.ledger import Money
from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.results import ArmResult
from harness.bakeoff.wording import limit_words
from harness.core.errors import needs
from harness.core.records import Estimate
from harness.recommendation.mistakes import ArmErrors
from harness.recommendation.records import RunResults

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
_USD_DIGITS = Decimal("1e-12")


def column_of(metric: str) -> str:
    """A metric's name as a column: 'macro-F1' is macro_f1."""
    return re.sub(r"\W+", "_", metric.casefold())


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


def errors_csv(found: ArmErrors) -> str:
    """One row an item that an arm got wrong, with what went wrong in `kind`; formulas are defused."""
    rows = []
    for kind, answers in (("wrong", found.wrong), ("invalid", found.invalid), ("failed", found.failed)):
        rows += [{"kind": kind, **row} for row in answer_rows(answers)]
    return csv_text(rows, ("kind", *ANSWER_COLUMNS))


def formula_safe(text: str) -> str:
    """A text that a spreadsheet shows rather than computes; NULs, which break readers, are shown."""
    shown = text.replace("\0", "\ufffd")
    starts = shown.lstrip().startswith(_FORMULA) or shown.startswith(("\t", "\r", "\n"))
    return f"'{shown}" if starts else shown


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
        "vetoes": "; ".join(
            limit_words(one, results.metric) for one in results.verdict.broken if one.arm == arm.arm
        )
        or None,
    }
    own = column_of(results.metric.name)
    for name, estimate in (
        (own, quality.primary),
        (f"{own}_answered", quality.answered),
        (f"{own}_without_overlap", quality.without_overlap),
        (f"dev_{own}", quality.dev),
        *((column_of(other.metric), other) for other in quality.others),
        ("invalid_rate", quality.invalid_rate),
        ("failure_rate", quality.failure_rate),
        ("p50_ms", latency.p50_ms),
        ("p95_ms", latency.p95_ms),
        ("p99_ms", latency.p99_ms),
        ("throughput_qps", latency.throughput_qps),
    ):
        row |= _estimate_columns(name, estimate)
    whole = arm.primary_all_rows or Estimate(metric=own, value=None, n=0, method="none")
    row |= _estimate_columns(f"{own}_all_rows", whole)
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


def csv_bytes(rows: Sequence[Values]) -> bytes:
    """Rows as a CSV file; empty without any."""
    if not rows:
        return b""
    return codecs.BOM_UTF8 + utf8(
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


def parquet_bytes(rows: Sequence[Values]) -> bytes:
    """Rows as a Parquet file.

    Raises:
        MissingExtra: without pyarrow.
    """
    with needs("tables"):
        import pyarrow as pa
        import pyarrow.parquet as pq
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
            return utf8(value).decode()
        case _:
            return value


def utf8(text: str) -> bytes:
    """UTF-8; half characters, which have none, are written as escapes."""
    return text.encode("utf-8", errors="backslashreplace")
