"""Figures as cells of tables, what their marks mean, and arms and options in everyday words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from advisor.money.ledger import Money
from advisor.options import TRAITS, Option
from advisor.sentences import capital
from advisor.stats.paired import Relation
from harness.bakeoff.results import ArmResult, Latency
from harness.core.records import ABSTAINING, BEST_SENTENCE, ArmId, CostLine, Estimate, PriceBasis
from harness.core.wording import (
    MISSING,
    USD,
    Currency,
    bounds,
    busy_mark,
    milliseconds,
    money,
    one_line,
    percent,
    points,
    quantity,
    short_money,
)
from harness.report.charts import ChartSpec, HeatChart, words_of
from harness.report.document import Cell, Chart, Column, Row, Span, Tone, said

_FIGURE = re.compile(r"\d+(\.\d+)?")
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

_RELATION = {
    Relation.BETTER: ("better", ""),
    Relation.WORSE: ("worse", ""),
    Relation.EQUIVALENT: ("the same", ", within the margin"),
    Relation.NON_INFERIOR: ("not worse", " by the margin"),
    Relation.NON_SUPERIOR: ("not better", " by the margin"),
    Relation.UNDECIDED: ("not decided", ""),
}
"""What an interval allows to say of the first of two arms, and what it is measured by."""


def relation_words(relation: Relation | None, *, drawn: bool = False) -> str:
    """What an interval allows to say of the first of two arms.

    Args:
        drawn: the margin is drawn beside the words.
    """
    said, by = (MISSING, "") if relation is None else _RELATION[relation]
    return said if drawn else said + by


def columns(
    *heads: str | tuple[str, ...],
    left: Iterable[int] = (0,),
    sources: Mapping[int, tuple[str, ...]] | None = None,
) -> tuple[Column, ...]:
    """Columns by their heads; those in `left` hold words, all others figures, which rest on `sources`."""
    lean = set(left)
    return tuple(
        Column(
            head=(head,) if isinstance(head, str) else head,
            right=place not in lean,
            sources=(sources or {}).get(place, ()),
        )
        for place, head in enumerate(heads)
    )


def drawn(
    key: str, spec: ChartSpec, what: str, caption: str, *, words: str = "", sources: tuple[str, ...] = ()
) -> Chart:
    """A chart with all it shows in words, for those who do not see it.

    Args:
        what: what is drawn, as a sentence; `words` what its marks say, where that is not what they carry.
        sources: what its figures rest on.
    """
    if not words and not isinstance(spec, HeatChart):
        words = words_of(spec)
    cited = said(caption, Span(text="", sources=sources)) if sources else caption
    return Chart(key=key, spec=spec, alt=f"{what} {words}", caption=cited)


def cells(*texts: str | Cell) -> tuple[Cell, ...]:
    """Cells from texts and cells."""
    return tuple(text if isinstance(text, Cell) else Cell(text=text) for text in texts)


def row(*texts: str | Cell, mark: str = "", tone: Tone = "plain", key: str = "") -> Row:
    """A row from texts and cells."""
    return Row(cells=cells(*texts), mark=mark, tone=tone, key=key)


def share(value: float | None) -> str:
    """A share in percent; an unknown one is missing."""
    return MISSING if value is None else percent(value)


def accuracy_cell(estimate: Estimate) -> Cell:
    """Accuracy in percent with its bounds; the unit stands in the head."""
    text = share(estimate.value).removesuffix(" %")
    return Cell(text=text, detail=bounds(estimate))


def difference_cell(estimate: Estimate) -> Cell:
    """A difference in points with its bounds; the unit stands in the head."""
    if estimate.value is None:
        return Cell(text=MISSING)
    inside = ""
    if estimate.low is not None and estimate.high is not None:
        inside = f"{bare_points(estimate.low)} to {bare_points(estimate.high)}"
    return Cell(text=bare_points(estimate.value), detail=inside)


def bare_points(difference: float) -> str:
    """A difference in points without its unit."""
    return points(difference).removesuffix(" points")


def priced(price: Money, currency: Currency = USD) -> Cell:
    """A price with the mark of what it rests on; unknown stays the word."""
    mark = "" if price.usd is None else _BASIS_MARK[price.basis] + busy_mark(price.busy)
    return Cell(text=f"{short_money(price.usd, currency)}{mark}")


def basis_notes(prices: Iterable[Money | CostLine]) -> tuple[str, ...]:
    """What the marks at prices mean, those in use only."""
    used = {price.basis for price in prices}
    return tuple(f"prices: {_BASIS_WORDS[basis]}" for basis in PriceBasis if basis in used)


def known_prices(arms: Iterable[ArmResult]) -> list[Money]:
    """What 1,000 queries cost, of the arms of which it is known."""
    return [arm.cost.usd_per_1k for arm in arms if arm.cost.usd_per_1k.usd is not None]


def times(latency: Latency) -> str:
    """p50 and p95 in ms, marked where the machine was busy."""
    found = f"{milliseconds(latency.p50_ms.value)} / {milliseconds(latency.p95_ms.value)}"
    return found + busy_mark(latency.busy)


def timing_notes(
    arms: Sequence[ArmResult], name: Callable[[ArmId], str] = attrgetter("label")
) -> tuple[str, ...]:
    """What stands behind the timed figures: a busy machine, timeouts, further attempts."""
    reasons = [arm.latency.busy or arm.cost.usd_per_1k.busy for arm in arms]
    why = "; ".join(_with_ranges([reason for reason in reasons if reason]))
    slower = "slower and dearer than on an idle one; it decides nothing"
    found = [f"! timed on a busy machine ({why}): {slower}"] if why else []
    for arm in arms:
        late, again, n = arm.latency.timeouts, arm.latency.retried, arm.latency.p50_ms.n
        if late:
            found.append(
                f"{name(arm.arm)}: {late:,} of {n:,} timed queries got no answer in time and count as "
                "the time "
                "that was waited"
            )
        if again:
            found.append(
                f"{name(arm.arm)}: {again:,} of {n:,} took more than one attempt; the last one is timed"
            )
    return tuple(dict.fromkeys(found))


def _with_ranges(reasons: Sequence[str]) -> list[str]:
    """Reasons that differ in their first figure only as one, with the range of that figure."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for reason in reasons:
        before, figure, after = _first_figure(reason)
        kinds.setdefault((before, after), []).append(figure)
    return [_one_reason(before, figures, after) for (before, after), figures in kinds.items()]


def _first_figure(reason: str) -> tuple[str, str, str]:
    found = _FIGURE.search(reason)
    return (reason, "", "") if found is None else (reason[: found.start()], found[0], reason[found.end() :])


def _one_reason(before: str, figures: Sequence[str], after: str) -> str:
    ordered = sorted(set(figures), key=lambda figure: float(figure or 0))
    return f"{before}{' to '.join(dict.fromkeys((ordered[0], ordered[-1])))}{after}"


def p_value(p: float | None) -> str:
    """A p-value, small ones by their bound."""
    if p is None:
        return MISSING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def line_columns(of: str) -> tuple[Column, ...]:
    """The columns of a ledger whose quantities are those `of` something."""
    return columns("paid for", of, "unit price", "amount", "basis", left=(0, 4))


def line_cells(line: CostLine) -> tuple[Cell, ...]:
    """One line of a ledger, under `line_columns`."""
    return cells(
        line.name,
        quantity(line.quantity, line.unit),
        money(line.unit_price_usd),
        money(line.amount_usd),
        line.basis.value,
    )


def source_notes(lines: Iterable[CostLine]) -> tuple[str, ...]:
    """Where prices come from, each once."""
    return tuple(f"source: {source}" for source in dict.fromkeys(line.source for line in lines))


ROUTE_TO_TODAY = "the route to today's way"
ABOUT_ROUTE_TO_TODAY = "one option answers when it is sure; what is done today takes the rest"
RAG_HERE = "RAG, here: the model is shown similar past items before it answers."
RAG_OVER_DOCUMENTS = "RAG, here: the model is shown passages of the documents before it answers."
TUNING_HERE = "Fine-tuning: the model was adapted to past items beforehand."

_OVER_DOCUMENTS = {
    (Option.FLOOR, ABSTAINING): ("never answering", "hands every question back; what others have to beat"),
    (Option.NEIGHBOURS, BEST_SENTENCE): (
        "the best sentence of the documents",
        "the sentence with most of the question's rare words is read out of the passages found; no model",
    ),
}
"""Names of arms without a model that do another thing over documents, with a line on what that is."""


def plain_name(arm: ArmId, among: Sequence[ArmId] = ()) -> str:
    """An arm in everyday words; its model is named where several arms share the option."""
    if arm.to_today:
        return ROUTE_TO_TODAY
    traits = arm.option.traits
    name, _ = _OVER_DOCUMENTS.get((arm.option, arm.model), (traits.name, traits.about))
    twins = [other for other in among if other.option is arm.option and other != arm and not other.to_today]
    return f"{name} ({one_line(arm.model)})" if twins else name


def about(arm: ArmId) -> str:
    """A line on what an arm does, for somebody who never saw one."""
    traits = arm.option.traits
    return _OVER_DOCUMENTS.get((arm.option, arm.model), (traits.name, traits.about))[1]


def option_name(option: str) -> str:
    """An option in everyday words, by its stored name; an unknown one as it is."""
    return TRAITS[Option(option)].name if option in list(Option) else one_line(option)


def as_title(name: str) -> str:
    """A name where it stands alone: 'Linear classifier'."""
    return capital(name.removeprefix("the "))
