"""The list of runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.money.money import UNKNOWN
from harness.core.wording import MISSING, seconds
from harness.recommendation.history import Past
from harness.recommendation.records import Recommendation
from harness.report.document import Block, Command, Document, Paragraph, Row, Section, Table
from harness.report.topics.cells import cells, columns


def runs_document(rows: Sequence[Past]) -> Document:
    """All runs, in the order given; those without a manifest look it."""
    blocks: list[Block] = []
    if rows:
        blocks.append(_table(rows))
        incomplete = [row.resume for row in rows if row.state == "incomplete"]
        blocks += [Command(command=resume, purpose="goes on where it stopped") for resume in incomplete[-1:]]
    else:
        blocks.append(Paragraph(text="There is no run yet."))
        blocks.append(
            Command(command="harness bakeoff --evalset support-tickets", purpose="makes the first one")
        )
    section = Section(key="runs", title="Run folders", blocks=tuple(blocks))
    return Document(title="Runs", sections=(section,))


def runs_json(rows: Sequence[Past]) -> list[dict[str, object]]:
    """The list as plain values."""
    return [_plain(row) for row in rows]


def _table(rows: Sequence[Past]) -> Table:
    return Table(
        columns=columns(
            "run", "state", "evalset", "arms", "n", "took", "answer", "to use", left=(0, 1, 2, 6, 7)
        ),
        rows=tuple(_row(row) for row in rows),
        notes=(
            "a run's name is when it was locked (UTC) and the beginning of its plan's digest; n: test items",
            *(f"{row.run_id} is damaged: {row.fault}" for row in rows if row.fault),
        ),
    )


def _row(row: Past) -> Row:
    results = row.results
    return Row(
        cells=cells(
            row.run_id,
            row.state,
            row.evalset or UNKNOWN,
            str(len(row.arms)) if row.arms else MISSING,
            MISSING if results is None else f"{results.data.test:,}",
            MISSING if row.wall_s is None else seconds(row.wall_s),
            MISSING if results is None else results.verdict.answer.value,
            MISSING if results is None else _to_use(results.recommendation),
        ),
        tone="plain" if row.state == "complete" else "warn",
    )


def _to_use(advised: Recommendation) -> str:
    if advised.arm is None:
        return advised.action.value
    return advised.arm.label if advised.ship else f"pilot {advised.arm.label}"


def _plain(row: Past) -> dict[str, object]:
    results = row.results
    ship = None if results is None else results.recommendation.ship
    return {
        "run_id": row.run_id,
        "locked_at": None if row.locked_at is None else row.locked_at.isoformat(),
        "state": row.state,
        "evalset": row.evalset,
        "arms": list(row.arms),
        "test_items": None if results is None else results.data.test,
        "answer": None if results is None else results.verdict.answer.value,
        "ship": None if ship is None else str(ship),
        "wall_s": row.wall_s,
        "fault": row.fault,
    }
