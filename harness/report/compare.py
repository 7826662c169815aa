"""Two runs side by side, as a view. The differences come from `harness.bakeoff.between_runs`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from harness.bakeoff.answers import ArmAcrossRuns
from harness.core.serial import encode
from harness.core.wording import MISSING, busy_mark, milliseconds, one_line
from harness.recommendation.records import RunResults
from harness.report.details import lines, short
from harness.report.model import answer_words
from harness.report.tables import (
    accuracy_cell,
    arm_named,
    basis_notes,
    difference_cell,
    p_value,
    priced,
    timing_notes,
)
from harness.report.text import print_view
from harness.report.view import Block, Bullets, Cell, Column, Fact, Row, Section, Sentence, Table, View


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRuns:
    """Runs A and B, and the arms in common, A minus B."""

    a: RunResults
    b: RunResults
    across: tuple[ArmAcrossRuns, ...]


def print_comparison(found: ComparedRuns, stream: TextIO | None = None) -> None:
    """The comparison on a terminal or a pipe."""
    print_view(compare_view(found), stream or sys.stdout)


def comparison_json(found: ComparedRuns) -> str:
    """The comparison as JSON, both runs' results included."""
    return encode(found, indent=1)


def compare_view(found: ComparedRuns) -> View:
    """What differs between the runs, then the arms both have, then both verdicts."""
    a, b = found.a, found.b
    return View(
        title="Two runs side by side",
        sections=(
            Section(key="runs", title="The runs", blocks=_runs(a, b)),
            Section(key="arms", title="Arms in common", blocks=_arms(a, b, found.across)),
            Section(key="verdicts", title="Their verdicts", blocks=(*_verdict("A", a), *_verdict("B", b))),
        ),
    )


def _runs(a: RunResults, b: RunResults) -> tuple[Block, ...]:
    same_plan = "the same plan" if a.plan_digest == b.plan_digest else "different plans"
    same_rows = _test(a) == _test(b)
    return (
        Fact(label="A", text=_one_run(a)),
        Fact(label="B", text=_one_run(b)),
        Fact(label="plans", text=f"{same_plan} ({short(a.plan_digest)}, {short(b.plan_digest)})"),
        Fact(
            label="test rows",
            text="the same, so that arms are compared item by item"
            if same_rows
            else "different: the figures stand side by side, and no arm is called better or worse",
            tone="plain" if same_rows else "warn",
        ),
    )


def _one_run(run: RunResults) -> str:
    digest = short(run.data.digests.get("test", "")) or "unknown"
    name = one_line(run.data.name)
    return f"{one_line(run.run_id)}, {name}, {run.data.test:,} test items ({digest}), seed {run.seed}"


def _arms(a: RunResults, b: RunResults, across: Sequence[ArmAcrossRuns]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if across:
        blocks += [_table(across), _speed_and_price(a, b, across)]
    else:
        blocks.append(Sentence(text="The runs have no arm in common.", tone="warn"))
    for name, one, other in (("A", a, b), ("B", b, a)):
        own = [str(arm.arm) for arm in one.arms if arm_named(other, arm.arm) is None]
        if own:
            blocks.append(Bullets(label=f"only in {name}", items=lines(own)))
    return tuple(blocks)


def _table(across: Sequence[ArmAcrossRuns]) -> Table:
    methods = dict.fromkeys(one_line(found.difference.method) for found in across)
    return Table(
        columns=(
            Column(head=("arm", ""), right=False),
            Column(head=("A", "accuracy %")),
            Column(head=("B", "accuracy %")),
            Column(head=("A minus B", "points")),
            Column(head=("only A /", "only B")),
            Column(head=("p", "")),
            Column(head=("A is", "")),
        ),
        rows=tuple(_row(found) for found in across),
        notes=(
            "only A / only B: items that only one of the two runs answered rightly",
            "p: chance of a difference this large if there were none; the intervals allow for all arms",
            *(f"interval and test: {method}" for method in methods),
        ),
    )


def _row(found: ArmAcrossRuns) -> Row:
    split = MISSING if found.only_first is None else f"{found.only_first:,} / {found.only_second:,}"
    return Row(
        cells=(
            Cell(text=one_line(str(found.arm))),
            accuracy_cell(found.first),
            accuracy_cell(found.second),
            difference_cell(found.difference),
            Cell(text=split, n=found.difference.n),
            Cell(text=p_value(found.p_value)),
            Cell(text=MISSING if found.relation is None else found.relation.value),
        )
    )


def _speed_and_price(a: RunResults, b: RunResults, across: Sequence[ArmAcrossRuns]) -> Table:
    rows = [
        Row(
            cells=(
                Cell(text=one_line(str(found.arm))),
                Cell(text=_p95(a, found)),
                Cell(text=_p95(b, found)),
                Cell(text=_price(a, found)),
                Cell(text=_price(b, found)),
            )
        )
        for found in across
    ]
    shared = [arm_named(run, found.arm) for run in (a, b) for found in across]
    return Table(
        columns=(
            Column(head=("arm", ""), right=False),
            Column(head=("A", "p95 ms")),
            Column(head=("B", "p95 ms")),
            Column(head=("A", "$ per 1k queries")),
            Column(head=("B", "$ per 1k queries")),
        ),
        rows=tuple(rows),
        notes=(
            "p95: 95 % of queries are answered within this time; runs on different machines do not compare",
            *basis_notes(arm.cost.usd_per_1k.basis for arm in shared if arm is not None),
            *dict.fromkeys(timing_notes([arm for arm in shared if arm is not None])),
        ),
    )


def _p95(run: RunResults, found: ArmAcrossRuns) -> str:
    arm = arm_named(run, found.arm)
    if arm is None:
        return MISSING
    return milliseconds(arm.latency.p95_ms.value) + busy_mark(arm.latency.busy)


def _price(run: RunResults, found: ArmAcrossRuns) -> str:
    arm = arm_named(run, found.arm)
    return MISSING if arm is None else priced(arm.cost.usd_per_1k).text


def _verdict(name: str, run: RunResults) -> tuple[Block, ...]:
    ship = "nothing" if run.recommendation.ship is None else one_line(str(run.recommendation.ship))
    return (Fact(label=name, text=f"{answer_words(run.verdict)} To ship: {ship}."),)


def _test(run: RunResults) -> str | None:
    return run.data.digests.get("test")
