"""Two runs side by side. The differences come from `harness.bakeoff.between_runs`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.bakeoff.answers import ArmAcrossRuns
from harness.bakeoff.results import ArmResult
from harness.core.wording import MISSING, busy_mark, milliseconds
from harness.recommendation.records import RunResults
from harness.recommendation.run import ComparedRuns
from harness.report.document import (
    Block,
    Bullets,
    Document,
    Fact,
    Facts,
    Paragraph,
    Row,
    Table,
    section,
)
from harness.report.topics.cells import (
    accuracy_cell,
    basis_notes,
    columns,
    difference_cell,
    known_prices,
    p_value,
    priced,
    relation_words,
    row,
    timing_notes,
)
from harness.report.topics.decision import answer_words
from harness.report.topics.recommendation import RunWords, headline
from harness.report.topics.sources import short
from harness.tasks.records import Metric


def compare_document(found: ComparedRuns) -> Document:
    """What differs between the runs, then the arms both have, then both answers."""
    a, b = found.a, found.b
    answers = Facts(rows=(_answer("A", a), _answer("B", b)))
    return Document(
        title="Two runs side by side",
        sections=(
            section("runs", "The runs", _runs(a, b)),
            section("arms", "Arms in common", *_arms(a, b, found.across)),
            section("answers", "What they say", answers),
        ),
    )


def _runs(a: RunResults, b: RunResults) -> Facts:
    same_plan = "the same plan" if a.plan_digest == b.plan_digest else "different plans"
    same_rows = _test(a) == _test(b)
    rows = (
        "the same, so that arms are compared item by item"
        if same_rows
        else "different: the figures stand side by side, and no arm is called better or worse"
    )
    return Facts(
        rows=(
            Fact(label="A", text=_one_run(a)),
            Fact(label="B", text=_one_run(b)),
            Fact(label="plans", text=f"{same_plan} ({short(a.plan_digest)}, {short(b.plan_digest)})"),
            Fact(label="test rows", text=rows, tone="plain" if same_rows else "warn"),
        )
    )


def _one_run(run: RunResults) -> str:
    digest = short(run.data.digests.get("test", "")) or "unknown"
    return f"{run.run_id}, {run.data.name}, {run.data.test:,} test items ({digest}), seed {run.seed}"


def _arms(a: RunResults, b: RunResults, across: Sequence[ArmAcrossRuns]) -> tuple[Block | None, ...]:
    none = Paragraph(text="The runs have no arm in common.", tone="warn")
    common = (_table(across, a.metric), _speed_and_price(a, b, across)) if across else (none,)
    return *common, _only("A", a, b), _only("B", b, a)


def _only(name: str, one: RunResults, other: RunResults) -> Bullets | None:
    own = tuple(arm.arm.label for arm in one.arms if arm.arm not in other.ids)
    return Bullets(label=f"only in {name}", items=own) if own else None


def _table(across: Sequence[ArmAcrossRuns], metric: Metric) -> Table:
    first, _, rest = metric.noun.partition(" ")
    return Table(
        columns=columns(
            ("arm", ""),
            (f"A: {first}", f"{rest} %"),
            (f"B: {first}", f"{rest} %"),
            ("A minus B,", "points"),
            ("only A /", "only B"),
            ("p", ""),
            ("A is", ""),
            left=(0, 6),
        ),
        rows=tuple(_row(found) for found in across),
        notes=(
            "only A / only B: items that only one of the two runs answered rightly",
            "p: chance of a difference this large if there were none; the intervals allow for all arms",
            *(
                f"interval and test: {how}"
                for how in dict.fromkeys(found.difference.method for found in across)
            ),
            *(
                ()
                if all(found.paired for found in across)
                else ("the items differ, so a difference may be one of the data",)
            ),
        ),
    )


def _row(found: ArmAcrossRuns) -> Row:
    split = MISSING if found.only_first is None else f"{found.only_first:,} / {found.only_second:,}"
    return row(
        found.arm.label,
        accuracy_cell(found.first),
        accuracy_cell(found.second),
        difference_cell(found.difference),
        split,
        p_value(found.p_value),
        relation_words(found.relation),
    )


def _speed_and_price(a: RunResults, b: RunResults, across: Sequence[ArmAcrossRuns]) -> Table:
    pairs = [(a.arm(found.arm), b.arm(found.arm)) for found in across]
    shared = [arm for pair in pairs for arm in pair if arm is not None]
    return Table(
        columns=columns(
            ("arm", ""), ("A", "p95 ms"), ("B", "p95 ms"), ("A: 1,000", "queries"), ("B: 1,000", "queries")
        ),
        rows=tuple(
            row(found.arm.label, *map(_p95, pair), *map(_price, pair))
            for found, pair in zip(across, pairs, strict=True)
        ),
        notes=(
            "p95: 95 % of queries are answered within this time; runs on different machines do not compare",
            *basis_notes(known_prices(shared)),
            *timing_notes(shared),
        ),
    )


def _p95(arm: ArmResult | None) -> str:
    return MISSING if arm is None else milliseconds(arm.latency.p95_ms.value) + busy_mark(arm.latency.busy)


def _price(arm: ArmResult | None) -> str:
    return MISSING if arm is None else priced(arm.cost.usd_per_1k).text


def _answer(name: str, run: RunResults) -> Fact:
    return Fact(
        label=name,
        text=f"{headline(run.recommendation, RunWords(metric=run.metric))} {answer_words(run.verdict)}",
    )


def _test(run: RunResults) -> str | None:
    return run.data.digests.get("test")
