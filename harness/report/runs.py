"""The list of runs: as a view, on the terminal, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TextIO

from harness.core.wording import MISSING, UNKNOWN, one_line, seconds
from harness.recommendation.records import RunResults
from harness.report.text import print_view
from harness.report.view import Block, Cell, Column, Command, Row, Section, Sentence, Table, View


class PastRun(Protocol):
    """One run folder; `harness.recommendation.history.Past` is one."""

    @property
    def run_id(self) -> str:
        """The folder's name."""
        ...

    @property
    def locked_at(self) -> datetime | None:
        """None for a damaged folder."""
        ...

    @property
    def state(self) -> str:
        """'complete', 'running', 'incomplete' or 'damaged'."""
        ...

    @property
    def evalset(self) -> str:
        """Name of the evalset or of the user's file."""
        ...

    @property
    def arms(self) -> tuple[str, ...]:
        """As planned."""
        ...

    @property
    def results(self) -> RunResults | None:
        """None before a conclusion."""
        ...

    @property
    def wall_s(self) -> float | None:
        """None unless complete."""
        ...

    @property
    def resume(self) -> str:
        """The command that goes on with it."""
        ...

    @property
    def fault(self) -> str:
        """What is wrong with a damaged folder."""
        ...


def print_runs(rows: Sequence[PastRun], stream: TextIO | None = None) -> None:
    """The list on a terminal or a pipe."""
    print_view(runs_view(rows), stream or sys.stdout)


def runs_json(rows: Sequence[PastRun]) -> str:
    """The list as a JSON array."""
    return json.dumps([_plain(row) for row in rows], indent=1)


def runs_view(rows: Sequence[PastRun]) -> View:
    """All runs, in the order given; those without a manifest look it."""
    blocks: list[Block] = []
    if rows:
        blocks.append(_table(rows))
        incomplete = [row.resume for row in rows if row.state == "incomplete"]
        blocks += [Command(command=resume, purpose="goes on where it stopped") for resume in incomplete[-1:]]
    else:
        blocks.append(Sentence(text="There is no run yet."))
        blocks.append(
            Command(command="harness bakeoff --evalset support-tickets", purpose="makes the first one")
        )
    return View(title="Runs", sections=(Section(key="runs", title="Run folders", blocks=tuple(blocks)),))


def _table(rows: Sequence[PastRun]) -> Table:
    damaged = [f"{one_line(row.run_id)} is damaged: {one_line(row.fault)}" for row in rows if row.fault]
    return Table(
        columns=(
            Column(head=("run",), right=False),
            Column(head=("state",), right=False),
            Column(head=("evalset",), right=False),
            Column(head=("arms",)),
            Column(head=("n",)),
            Column(head=("took",)),
            Column(head=("answer",), right=False),
            Column(head=("ship",), right=False),
        ),
        rows=tuple(_row(row) for row in rows),
        notes=(
            "a run's name is when it was locked (UTC) and the beginning of its plan's digest; n: test items",
            *damaged,
        ),
    )


def _row(row: PastRun) -> Row:
    results = row.results
    return Row(
        cells=(
            Cell(text=one_line(row.run_id)),
            Cell(text=row.state),
            Cell(text=one_line(row.evalset) or UNKNOWN),
            Cell(text=str(len(row.arms)) if row.arms else MISSING),
            Cell(text=MISSING if results is None else f"{results.data.test:,}"),
            Cell(text=MISSING if row.wall_s is None else seconds(row.wall_s)),
            Cell(text=MISSING if results is None else results.verdict.answer.value),
            Cell(text=MISSING if results is None else _ship(results)),
        ),
        tone="plain" if row.state == "complete" else "warn",
    )


def _ship(results: RunResults) -> str:
    return "nothing" if results.recommendation.ship is None else one_line(str(results.recommendation.ship))


def _plain(row: PastRun) -> dict[str, object]:
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
