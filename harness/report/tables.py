"""The tables of a report: arms, slices, comparisons, labels, cost lines. Pure formatting of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.bakeoff.results import ArmResult, Comparison, LabelResult, Latency, Money, Verdict
from harness.bakeoff.wording import more_items_words
from harness.core.records import ArmId, CostLine, Estimate, PriceBasis
from harness.core.wording import (
    MISSING,
    UNKNOWN,
    bounds,
    busy_mark,
    decimal,
    milliseconds,
    money,
    one_line,
    percent,
    points,
    quantity,
    share_sentence,
    short_money,
    tally,
)
from harness.recommendation.records import Recommendation, RunResults
from harness.report.view import Cell, Column, Row, Table

_BASIS_MARK = {
    PriceBasis.MEASURED: "",
    PriceBasis.LIST_PRICE: "+",
    PriceBasis.ILLUSTRATIVE: "*",
    PriceBasis.ESTIMATE: "~",
}
_BASIS_WORDS = {
    PriceBasis.MEASURED: "measured use at prices you set",
    PriceBasis.LIST_PRICE: "+ counted tokens at public list prices",
    PriceBasis.ILLUSTRATIVE: "* measured time at an illustrative machine price, an example and no "
    "offer; set cost.machine_hour_usd in the plan to your own",
    PriceBasis.ESTIMATE: "~ estimate: tokens counted with another model's tokenizer",
}


def arms_table(results: RunResults) -> Table:
    """One row an arm, in the plan's order."""
    return Table(
        columns=(
            Column(head=("arm", "option@model"), right=False),
            Column(head=("accuracy %", "(95 % interval)")),
            Column(head=("macro", "F1")),
            Column(head=("p50 / p95", "ms")),
            Column(head=("$ per 1k", "queries")),
            Column(head=("$ per 1k", "correct")),
            Column(head=("in-", "valid")),
            Column(head=("failed", "")),
        ),
        rows=tuple(_arm_row(arm, results.verdict, results.recommendation.ship) for arm in results.arms),
        notes=(
            *_legend(results.arms, results.verdict, results.recommendation.ship),
            *all_rows_notes(results.arms),
            *_gaps(results.arms),
            *_price_notes(results.arms),
            *timing_notes(results.arms),
        ),
    )


def slices_table(arms: Sequence[ArmResult]) -> Table | None:
    """Accuracy of a few arms by slice; None without slices."""
    first = next((arm for arm in arms if arm.quality.slices), None)
    if first is None:
        return None
    rows = []
    for found in first.quality.slices:
        name = one_line(f"{found.column} = {found.value}")
        cells = [_slice_cell(arm, found.column, found.value) for arm in arms]
        rows.append(Row(cells=(Cell(text=name), Cell(text=f"{found.accuracy.n:,}"), *cells)))
    heads = [Column(head=_two_lines(arm.arm)) for arm in arms]
    return Table(
        columns=(Column(head=("slice", ""), right=False), Column(head=("n", "")), *heads), rows=tuple(rows)
    )


def comparisons_table(comparisons: Sequence[Comparison]) -> Table:
    """Every comparison of the run, with its test."""
    rows = [
        Row(
            cells=(
                Cell(text=f"{one_line(str(found.a))} - {one_line(str(found.b))}"),
                difference_cell(found.difference),
                Cell(text=f"{found.only_a:,} / {found.only_b:,}", n=found.difference.n),
                Cell(text=p_value(found.p_value)),
                Cell(text=found.relation.value),
                Cell(text=MISSING if found.detectable is None else f"{100 * found.detectable:.1f}"),
            )
        )
        for found in comparisons
    ]
    return Table(
        columns=(
            Column(head=("first minus second", ""), right=False),
            Column(head=("points", "(interval)")),
            Column(head=("only first /", "only second")),
            Column(head=("p", "")),
            Column(head=("first", "is")),
            Column(head=("detectable", "points")),
        ),
        rows=tuple(rows),
        notes=(
            "only first / only second: items that only one of the two answered rightly",
            *_interval_levels(comparisons),
            "p: chance of a difference this large if there were none, by the test of that interval",
            "detectable: smallest difference this many items would show at the disagreement seen",
            *_more_items(comparisons),
        ),
    )


def _interval_levels(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """The level of the first comparison, the pair's, and of the others, which share one alpha."""
    levels = list(dict.fromkeys(f"{100 * found.difference.level:.4g} %" for found in comparisons))
    if len(levels) < 2:
        return tuple(f"interval: {each}" for each in levels)
    return (
        f"interval: {levels[0]} for the first; {levels[1]} for the others, so that all of them hold at once",
    )


def _more_items(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """How many items more would settle what is open."""
    return tuple(
        f"{one_line(str(found.a))} - {one_line(str(found.b))}: {more_items_words(found.more_items)}"
        for found in comparisons
        if found.more_items.likely is not None
    )


def labels_table(labels: Sequence[LabelResult]) -> Table:
    """Quality by label of one arm."""
    rows = [
        Row(
            cells=(
                Cell(text=one_line(found.label)),
                Cell(text=f"{found.support:,}"),
                Cell(text=f"{found.predicted:,}"),
                Cell(text=f"{found.correct:,}"),
                Cell(text=_known(found.precision), n=found.predicted),
                Cell(text=_known(found.recall), n=found.support),
                Cell(text=decimal(found.f1)),
            )
        )
        for found in labels
    ]
    heads = ("items", "answered", "correct", "precision", "recall", "F1")
    return Table(
        columns=(Column(head=("label",), right=False), *(Column(head=(head,)) for head in heads)),
        rows=tuple(rows),
        notes=(
            "precision: share of the answers with this label that are right",
            "recall: share of the items with this label that were found",
        ),
    )


def cost_table(arms: Sequence[ArmResult]) -> Table:
    """Every cost line of every arm, per 1,000 queries."""
    rows = [
        Row(
            cells=(
                Cell(text=one_line(str(arm.arm))),
                *line_cells(line),
            )
        )
        for arm in arms
        for line in arm.cost.lines
    ]
    return Table(
        columns=(
            Column(head=("arm",), right=False),
            *line_columns("per 1,000 queries"),
        ),
        rows=tuple(rows),
        notes=source_notes(line.source for arm in arms for line in arm.cost.lines),
    )


def line_cells(line: CostLine) -> tuple[Cell, ...]:
    """One line of a ledger, under `line_columns`."""
    return (
        Cell(text=one_line(line.name)),
        Cell(text=quantity(line.quantity, one_line(line.unit))),
        Cell(text=money(line.unit_price_usd)),
        Cell(text=money(line.amount_usd)),
        Cell(text=line.basis.value, source=one_line(line.source)),
    )


def line_columns(of: str) -> tuple[Column, ...]:
    """The columns of a ledger whose quantities are those `of` something."""
    return (
        Column(head=("paid for",), right=False),
        Column(head=(of,)),
        Column(head=("unit price",)),
        Column(head=("amount",)),
        Column(head=("basis",), right=False),
    )


def frontier_table(advised: Recommendation) -> Table:
    """What frontier models that were not run would have to reach."""
    rows = [
        Row(
            cells=(
                Cell(text=one_line(gap.model)),
                priced(gap.usd_per_1k),
                Cell(text=_to_reach(gap.accuracy_to_win, advised.ship, "cannot: above 100 %")),
                Cell(text=_same_cost(gap.accuracy_same_cost_per_correct, gap.usd_per_1k, advised.ship)),
                Cell(text=money(gap.settle_usd)),
            )
        )
        for gap in advised.frontier
    ]
    return Table(
        columns=(
            Column(head=("model", "(not run)"), right=False),
            Column(head=("$ per 1k", "queries")),
            Column(head=("accuracy to", "keep the floor" if advised.ship is None else "win by margin")),
            Column(head=("accuracy for same", "$ per correct")),
            Column(head=("$ to", "settle it")),
        ),
        rows=tuple(rows),
        notes=basis_notes([gap.usd_per_1k.basis for gap in advised.frontier]),
    )


def arm_named(results: RunResults, wanted: ArmId | None) -> ArmResult | None:
    """The result of an arm, None if there is none."""
    return next((arm for arm in results.arms if arm.arm == wanted), None)


def accuracy_cell(estimate: Estimate) -> Cell:
    """Accuracy in percent with its bounds; the unit stands in the head."""
    text = MISSING if estimate.value is None else percent(estimate.value).removesuffix(" %")
    return Cell(text=text, interval=bounds(estimate), n=estimate.n, source=estimate.method)


def difference_cell(estimate: Estimate) -> Cell:
    """A difference in points with its bounds; the unit stands in the head."""
    if estimate.value is None:
        return Cell(text=MISSING, n=estimate.n)
    inside = ""
    if estimate.low is not None and estimate.high is not None:
        inside = f"{_bare(estimate.low)} to {_bare(estimate.high)}"
    return Cell(text=_bare(estimate.value), interval=inside, n=estimate.n, source=estimate.method)


def priced(price: Money) -> Cell:
    """A price with the mark of what it rests on; unknown stays the word."""
    mark = "" if price.usd is None else _BASIS_MARK[price.basis] + busy_mark(price.busy)
    return Cell(text=f"{short_money(price.usd)}{mark}", source=one_line(price.source))


def basis_notes(bases: Iterable[PriceBasis]) -> tuple[str, ...]:
    """What the marks at prices mean, those in use only."""
    used = set(bases)
    return tuple(f"prices: {_BASIS_WORDS[basis]}" for basis in PriceBasis if basis in used)


def all_rows_notes(
    arms: Sequence[ArmResult], name: Callable[[ArmId], str] = lambda arm: one_line(str(arm))
) -> tuple[str, ...]:
    """What arms that cost nothing reach on all test rows, where the others answered a part of them."""
    return tuple(
        f"{name(arm.arm)} costs nothing to run and answered all test rows: "
        f"{share_sentence(arm.accuracy_all_rows)}; compared is on the rows that every arm answered"
        for arm in arms
        if arm.accuracy_all_rows is not None
    )


def times(latency: Latency) -> str:
    """p50 and p95 in ms, marked where the machine was busy."""
    found = f"{milliseconds(latency.p50_ms.value)} / {milliseconds(latency.p95_ms.value)}"
    return found + busy_mark(latency.busy)


def timing_notes(arms: Sequence[ArmResult], names: Mapping[ArmId, str] | None = None) -> tuple[str, ...]:
    """What stands behind the timed figures: a busy machine, timeouts, further attempts.

    Args:
        names: how the reader knows the arms; their ids where None.
    """

    def name(arm: ArmResult) -> str:
        return one_line(str(arm.arm)) if names is None else names[arm.arm]

    why: dict[str, list[str]] = {}
    for arm in arms:
        for busy in dict.fromkeys((arm.latency.busy, arm.cost.usd_per_1k.busy)):
            if busy:
                why.setdefault(one_line(busy), []).append(name(arm))
    found = [
        f"! timed on a busy machine ({', '.join(whose)}: {busy}): slower and dearer than on an idle one; "
        "it decides nothing"
        for busy, whose in why.items()
    ]
    for arm in arms:
        late, again, n = arm.latency.timeouts, arm.latency.retried, arm.latency.p50_ms.n
        if late:
            found.append(
                f"{name(arm)}: {late:,} of {n:,} timed queries got no answer in time and count as the time "
                "that was waited"
            )
        if again:
            found.append(f"{name(arm)}: {again:,} of {n:,} took more than one attempt; the last one is timed")
    return tuple(found)


def p_value(p: float | None) -> str:
    """A p-value, small ones by their bound."""
    if p is None:
        return MISSING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _arm_row(arm: ArmResult, verdict: Verdict, ship: ArmId | None) -> Row:
    ships = arm.arm == ship
    barred = arm.arm in verdict.barred
    quality, latency = arm.quality, arm.latency
    f1 = quality.macro_f1
    return Row(
        cells=(
            Cell(text=one_line(str(arm.arm))),
            accuracy_cell(quality.accuracy),
            Cell(
                text=decimal(f1.value),
                n=f1.n,
                source=f"{f1.method}, {decimal(f1.low)} to {decimal(f1.high)}",
            ),
            Cell(
                text=times(latency),
                n=latency.p50_ms.n,
                source=latency.conditions,
            ),
            priced(arm.cost.usd_per_1k),
            priced(arm.cost.usd_per_1k_correct),
            Cell(text=tally(quality.invalid_rate), n=quality.invalid_rate.n),
            Cell(text=tally(quality.failure_rate), n=quality.failure_rate.n),
        ),
        mark=">" if ships else "x" if barred else "",
        tone="good" if ships else "faint" if barred else "plain",
    )


def _legend(arms: Sequence[ArmResult], verdict: Verdict, ship: ArmId | None) -> tuple[str, ...]:
    marks = []
    if ship is not None:
        marks.append("> the arm to ship")
    if verdict.broken:
        marks.append("x may not be shipped (see vetoes)")
    counts = sorted({arm.quality.accuracy.n for arm in arms})
    items = " or ".join(f"{n:,}" for n in counts)
    timed = sorted({arm.latency.p50_ms.n for arm in arms})
    queries = " or ".join(f"{n:,}" for n in timed)
    lead = (", ".join(marks),) if marks else ()
    return (
        *lead,
        f"accuracy: share of all n={items} test items answered with the right label; "
        "an invalid or failed answer counts as wrong",
        "macro-F1: quality averaged over the labels, so that rare labels count as much as common ones",
        f"p50 / p95: half / 95 % of queries are answered within this time (n={queries} queries, "
        f"{'; '.join(dict.fromkeys(one_line(arm.latency.conditions) for arm in arms))})",
        f"invalid: answers that name no label; failed: calls without an answer; both counted among n={items}",
    )


def _gaps(arms: Sequence[ArmResult]) -> tuple[str, ...]:
    """Why a dash stands in the table, once a reason."""
    reasons: dict[str, list[str]] = {}
    for arm in arms:
        name = one_line(str(arm.arm))
        for figure in (arm.quality.accuracy, arm.quality.macro_f1, arm.latency.p50_ms, arm.latency.p95_ms):
            if figure.value is None:
                said = one_line(f"{figure.metric}: {figure.reason or 'not measured'}")
                reasons.setdefault(said, []).append(name)
        for what, price in (("", arm.cost.usd_per_1k), (" correct answers", arm.cost.usd_per_1k_correct)):
            if price.usd is None:
                why = price.reason or "a price is unknown"
                said = one_line(f"$ per 1,000{what or ' queries'}: {UNKNOWN}, {why} [{price.source}]")
                reasons.setdefault(said, []).append(name)
    return tuple(f"{MISSING} {', '.join(names)}: {said}" for said, names in reasons.items())


def _price_notes(arms: Sequence[ArmResult]) -> tuple[str, ...]:
    return basis_notes(arm.cost.usd_per_1k.basis for arm in arms if arm.cost.usd_per_1k.usd is not None)


def source_notes(sources: Iterable[str]) -> tuple[str, ...]:
    """Where prices come from, each once."""
    return tuple(f"source: {one_line(source)}" for source in dict.fromkeys(sources))


def _slice_cell(arm: ArmResult, column: str, value: str) -> Cell:
    for found in arm.quality.slices:
        if (found.column, found.value) == (column, value):
            return accuracy_cell(found.accuracy)
    return Cell(text=MISSING)


def _two_lines(arm: ArmId) -> tuple[str, str]:
    return (one_line(arm.option.value), one_line(f"@{arm.model}"))


def _known(share: float | None) -> str:
    return MISSING if share is None else percent(share)


def _bare(difference: float) -> str:
    return points(difference).removesuffix(" points")


def _to_reach(accuracy: float | None, ship: ArmId | None, beyond: str) -> str:
    if accuracy is not None:
        return percent(accuracy)
    return MISSING if ship is None else beyond


def _same_cost(accuracy: float | None, price: Money, ship: ArmId | None) -> str:
    if accuracy is None and price.usd is None:
        return UNKNOWN
    return _to_reach(accuracy, ship, "never cheaper")
