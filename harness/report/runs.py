"""The list of runs, as a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.report.view import Block, Cell, Column, Command, Row, Section, Sentence, Table, View
from harness.wording import MISSING, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run folder.

    Attributes:
        complete: whether it has its manifest.
        evalset: name of the evalset or of the user's file.
        test_items: None while it has no results.
        answer, ship: of the verdict, '' while there is none.
    """

    run_id: str
    locked_at: datetime
    complete: bool
    evalset: str
    arms: tuple[str, ...]
    test_items: int | None = None
    answer: str = ""
    ship: str = ""


def runs_view(rows: Sequence[RunRow]) -> View:
    """All runs, in the order given; incomplete ones look it."""
    blocks: list[Block] = []
    if rows:
        blocks.append(_table(rows))
        incomplete = [row.run_id for row in rows if not row.complete]
        blocks += [
            Command(command=f"harness resume {one_line(run_id)}", purpose="goes on where it stopped")
            for run_id in incomplete[-1:]
        ]
    else:
        blocks.append(Sentence(text="There is no run yet."))
        blocks.append(
            Command(command="harness bakeoff --evalset support-tickets", purpose="makes the first one")
        )
    return View(title="Runs", sections=(Section(key="runs", title="Run folders", blocks=tuple(blocks)),))


def _table(rows: Sequence[RunRow]) -> Table:
    return Table(
        columns=(
            Column(head=("run",), right=False),
            Column(head=("locked (UTC)",), right=False),
            Column(head=("state",), right=False),
            Column(head=("evalset",), right=False),
            Column(head=("arms",)),
            Column(head=("n",)),
            Column(head=("answer",), right=False),
            Column(head=("ship",), right=False),
        ),
        rows=tuple(_row(row) for row in rows),
        notes=("n: test items; an incomplete run has no manifest and no verdict to rely on",),
    )


def _row(row: RunRow) -> Row:
    return Row(
        cells=(
            Cell(text=one_line(row.run_id)),
            Cell(text=f"{row.locked_at:%Y-%m-%d %H:%M}"),
            Cell(text="complete" if row.complete else "incomplete"),
            Cell(text=one_line(row.evalset)),
            Cell(text=str(len(row.arms))),
            Cell(text=MISSING if row.test_items is None else f"{row.test_items:,}"),
            Cell(text=one_line(row.answer) or MISSING),
            Cell(text=one_line(row.ship) or MISSING),
        ),
        tone="plain" if row.complete else "warn",
    )
