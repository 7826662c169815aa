"""Reading a small table in a test, with what was said about it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from harness.core.errors import UserError
from harness.data.columns import Asked
from harness.data.problems import Problems
from harness.data.settings import TableForm
from harness.data.table import read_table

ASKED: Asked = {"text": ("subject", "body"), "label": ("queue",)}
ROWS = [
    {"subject": f"about {n}", "body": f"text, number; {n} | here", "queue": ("billing", "login")[n % 2]}
    for n in range(12)
]


@dataclass(frozen=True)
class Seen:
    """The asked values of each row, the number of its line, faults, what would be right, and findings."""

    values: list[tuple[str, ...]]
    numbers: list[int]
    columns: tuple[str, ...]
    faults: str
    allowed: str
    said: Mapping[str, str]


def see(content: str | bytes, name: str = "t.csv", asked: Asked = ASKED, **form: object) -> Seen:
    problems = Problems()
    raw = content.encode() if isinstance(content, str) else content
    table = read_table(raw, name, asked, problems, TableForm(**form))  # type: ignore[arg-type]
    order = [position for places in table.positions.values() for position in places]
    return Seen(
        values=[tuple(values[position] for position in order) for _, values in table.rows],
        numbers=[number for number, _ in table.rows],
        columns=table.columns,
        faults="\n".join(problems.lines()),
        allowed=problems.allowed or "",
        said={finding.code: finding.message for finding in problems.findings},
    )


def refusal(content: str | bytes, name: str = "t.csv", asked: Asked = ASKED, **form: object) -> str:
    with pytest.raises(UserError) as caught:
        see(content, name, asked, **form)
    return str(caught.value)


def values(rows: list[dict[str, str]] = ROWS) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in rows]


def as_csv(rows: list[dict[str, str]] = ROWS, delimiter: str = ",", end: str = "\r\n", **how: object) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), delimiter=delimiter, lineterminator=end, **how)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
