"""The money of a run: a month against today, the break-even, hosted models that were not run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import get_args

from advisor.money.crossing import BreakEvenCurve
from advisor.money.ledger import Money
from advisor.money.money import UNKNOWN
from advisor.money.words import break_even_words
from advisor.numbers import figure
from advisor.sentences import capital
from harness.core.records import ArmId
from harness.core.wording import MISSING, one_line, percent
from harness.money.records import (
    ArmForecast,
    CostForecast,
    CostGroup,
    FrontierGap,
    HostedForecast,
    Published,
)
from harness.report import drawings
from harness.report.context import MARKS, ReportContext
from harness.report.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Command,
    Fact,
    Facts,
    Paragraph,
    RecommendationBlock,
    Row,
    Section,
    Span,
    Table,
    Text,
    said,
    section,
)
from harness.report.topics.arms import state_of
from harness.report.topics.cells import (
    cells,
    columns,
    drawn,
    line_cells,
    line_columns,
    row,
    source_notes,
)
from harness.report.topics.decision import words_of
from harness.report.topics.forecast import payback_sentence, serving_sentence, unstated_sentence
from harness.report.topics.recommendation import headline, hosted

GROUPS_OF_A_MONTH: tuple[CostGroup, ...] = get_args(CostGroup)
"""What a month is paid for, in the order in which it is stacked."""

_CENT = Decimal("0.01")
BUSY_MONEY = "! machine time in it was timed on a busy machine: it would be less on an idle one"


def money_section(c: ReportContext) -> Section:
    """A month by what it is paid for, against what is done today."""
    outlook = c.results.outlook
    business = outlook.business
    lead = said(
        f"For {business.queries_per_month:,} queries a month over {business.horizon_months:g} months",
        Span(text=".", sources=c.money_sources()),
    )
    today = outlook.incumbent is not None and outlook.incumbent.month_usd.usd is not None
    used = c.results.recommendation.arm
    points = (*_paid_back(c, [arm for arm in outlook.arms if arm.arm == used]), *_assumed(outlook))
    return section(
        "money",
        "Money",
        _month_chart(c, outlook) if c.months_known or today else None,
        _month_table(c, outlook),
        Bullets(items=points) if points else None,
        lead=lead,
        page="fit" if c.months_known else "new",
    )


def _month_table(c: ReportContext, outlook: CostForecast) -> Table:
    """What each arm costs a month; calls and machines alone where no whole month is known."""
    busy = (BUSY_MONEY,) if any(arm.month_usd.busy for arm in outlook.arms) else ()
    unstated = tuple(unstated_sentence(found, outlook) for found in outlook.unknown)
    if not c.months_known and outlook.incumbent is None:
        rows = (
            Row(cells=(*_month_cells(c, found)[:2],), tone=state_of(c, found.arm)[1])
            for found in outlook.arms
        )
        heads = columns("option", "calls and machines a month")
        return Table(columns=heads, rows=tuple(rows), notes=unstated)
    wrong = ""
    if outlook.business.wrong_answer_usd is None:
        wrong = "; a wrong answer has no price and is left out"
    return Table(
        columns=columns(
            ("option", ""),
            ("calls and", "machines"),
            ("a month,", "all in"),
            ("saved a month", "against today"),
            ("to build,", "once"),
            ("paid back", "in months"),
            sources={2: c.money_sources()},
        ),
        rows=(*_today_row(c, outlook), *(_month_row(c, found) for found in outlook.arms)),
        notes=(
            "a month, all in: calls, machines, people, changes and wrong answers; a second figure is "
            f"the range of the accuracy and of what is assumed{wrong}",
            *unstated,
            *busy,
        ),
    )


def _today_row(c: ReportContext, outlook: CostForecast) -> tuple[Row, ...]:
    today = outlook.incumbent
    if today is None:
        return ()
    month = Cell(text=c.marked(today.month_usd), detail=c.range(today.month_usd))
    name = Cell(text="Today", detail=f"{one_line(today.kind)}, as stated")
    return (row(name, MISSING, month, *3 * [MISSING], tone="faint"),)


def _month_row(c: ReportContext, found: ArmForecast) -> Row:
    return Row(cells=_month_cells(c, found), tone=state_of(c, found.arm)[1], key=one_line(str(found.arm)))


def _month_cells(c: ReportContext, found: ArmForecast) -> tuple[Cell, ...]:
    calls = next((part.amount for part in found.month if part.group == "calls and machines"), None)
    months = UNKNOWN if found.saving_usd_per_month.usd is None else "never"
    if found.payback_months is not None:
        late = found.payback_months > c.results.outlook.business.horizon_months
        months = f"{found.payback_months:,.{0 if found.payback_months >= 100 else 1}f}"
        months += " (too late)" if late else ""
    return cells(
        c.title(found.arm),
        UNKNOWN if calls is None else _part_of_month(c, calls),
        Cell(text=c.marked(found.month_usd), detail=c.range(found.month_usd)),
        c.marked(found.saving_usd_per_month),
        Cell(text=c.money(found.once_usd.usd), detail=c.range(found.once_usd)),
        months,
    )


def _part_of_month(c: ReportContext, amount: Money) -> str:
    """What one group costs a month; under a cent only the bound is shown."""
    cent = _CENT / c.currency.per_usd
    small = amount.usd is not None and 0 < amount.usd < cent
    return f"<{c.money(cent)}" if small else c.marked(amount)


def month_parts_section(c: ReportContext) -> Section:
    """What each month is paid for, by group, where any whole month is known."""
    arms = c.results.outlook.arms
    groups = [group for group in GROUPS_OF_A_MONTH if any(p.group == group for a in arms for p in a.month)]
    rows = []
    for found in arms:
        parts = {part.group: part.amount for part in found.month}
        texts = [_part_of_month(c, parts[group]) if group in parts else MISSING for group in groups]
        rows.append(row(c.title(found.arm), *texts, c.marked(found.month_usd)))
    heads = (("option", ""), *(_two(group) for group in groups), ("a month,", "all in"))
    table = Table(columns=columns(*heads), rows=tuple(rows))
    return section("month", "What a month is paid for", table if c.months_known else None)


def _two(group: str) -> tuple[str, str]:
    first, _, last = group.rpartition(" ")
    return (first, last) if first else (last, "")


def _month_chart(c: ReportContext, outlook: CostForecast) -> Chart:
    """What each arm costs a month, beside what today costs."""
    spec = drawings.month(outlook, c.currency)
    return drawn(
        "month",
        spec,
        "Bar chart of the cost of a month.",
        "A month, all in, by what it is paid for. The thin line is the range of what is assumed.",
        sources=c.money_sources(),
    )


def paid_back_section(c: ReportContext) -> Section:
    """When the options that are not to be used would pay, against today."""
    used = c.results.recommendation.arm
    points = _paid_back(c, [arm for arm in c.results.outlook.arms if arm.arm != used])
    return section(
        "paid-back", "When the other options would pay", Bullets(items=tuple(points)) if points else None
    )


def _paid_back(c: ReportContext, arms: Sequence[ArmForecast]) -> Sequence[Text]:
    """Payback and break-even: of the arm to use against every rival, of the others against today."""
    outlook, said_of = c.results.outlook, dict[str, list[str]]()
    for arm in arms:
        use = arm.arm == c.results.recommendation.arm
        curves = [curve for curve in arm.break_even if use or curve.rival == "incumbent"]
        sentences = [_cheaper(c, curve) for curve in curves if curve.outcome != "never"]
        sentences += _never_cheaper(c, [curve for curve in curves if curve.outcome == "never"])
        if outlook.incumbent is not None:
            sentences.insert(0, payback_sentence(arm, outlook))
        if arm.serving is not None and use:
            sentences.append(serving_sentence(arm.serving))
        if sentences:
            said_of.setdefault(" ".join(sentences), []).append(c.title(arm.arm))
    return [said(Span(text=f"{', '.join(names)}. ", strong=True), text) for text, names in said_of.items()]


def _never_cheaper(c: ReportContext, curves: Sequence[BreakEvenCurve]) -> list[str]:
    """Whom an arm is at no volume cheaper than, in one sentence."""
    arms = set(map(str, c.results.ids))
    models = [one_line(curve.rival) for curve in curves if curve.rival not in {"incumbent", *arms}]
    names = [rival_words(c, curve) for curve in curves if curve.rival in {"incumbent", *arms}]
    if models:
        names.append(f"the hosted models {', '.join(models)}" if len(models) > 1 else hosted(models[0]))
    return [f"Never cheaper than {' or '.join(names)}."] if names else []


def _assumed(outlook: CostForecast) -> Sequence[Text]:
    if not outlook.business.assumed:
        return []
    names = ", ".join(
        name.removesuffix("_usd").removesuffix("_months").replace("_", " ")
        for name in outlook.business.assumed
    )
    return [said(Span(text="Assumed, not stated: ", strong=True), f"{names}.")]


def rival_words(c: ReportContext, curve: BreakEvenCurve) -> str:
    """Whom an arm is set against."""
    if curve.rival == "incumbent":
        return "what is done today"
    arms = {str(arm): arm for arm in c.results.ids}
    return c.name(arms[curve.rival]) if curve.rival in arms else hosted(one_line(curve.rival))


def break_even_section(c: ReportContext) -> Section:
    """From which volume on the arm to use is the cheaper one."""
    picked = _picked(c, c.results.outlook)
    chart = None if picked is None else _break_even_chart(c, *picked)
    return section("break-even", "From which volume on it pays", chart)


def _picked(c: ReportContext, outlook: CostForecast) -> tuple[ArmForecast, BreakEvenCurve] | None:
    """The curve to draw: of the arm to use where it has one, else of one that pays from some volume on."""
    used = c.results.recommendation.arm
    ordered = sorted(outlook.arms, key=lambda found: (found.arm != used, found.barred))
    return next(
        (
            (found, curve)
            for found in ordered
            for curve in found.break_even
            if curve.points and (found.arm == used or curve.queries_per_month)
        ),
        None,
    )


def _break_even_chart(c: ReportContext, found: ArmForecast, curve: BreakEvenCurve) -> Chart:
    name, rival = c.title(found.arm), rival_words(c, curve)
    if found.barred:
        name += " (ruled out)"
    business = c.results.outlook.business
    under = [
        p for p, point in enumerate(curve.points) if point.queries_per_month <= business.queries_per_month
    ]
    chart = drawn(
        "break-even",
        drawings.break_even(found, curve, business, (name, rival), c.currency),
        f"Lines of the monthly cost of {name} and of {rival} by queries a month.",
        f"{name} against {rival}: {break_even_words(curve)}. Building is spread over the horizon.",
        words=f"{capital(curve.outcome)}: {break_even_words(curve)}.",
        sources=c.money_sources(),
    )
    stops = Table(
        columns=columns("queries a month", name, rival),
        rows=tuple(
            row(f"{p.queries_per_month:,}", c.money(p.usd), c.money(p.rival_usd)) for p in curve.points
        ),
        caption="Volume, over the points this run has stored",
    )
    return replace(chart, stops=stops, start=max(under, default=0))


def hosted_section(c: ReportContext) -> Section:
    """Hosted models that were not run: what they cost at list price, and what they would have to reach."""
    advised = c.results.recommendation
    hosted = {found.model: found for found in c.results.outlook.hosted}
    gaps = {gap.model: gap for gap in advised.frontier}
    models = list(dict.fromkeys((*gaps, *hosted)))
    return section(
        "hosted",
        "Hosted models that were not run",
        _hosted_table(c, [(m, gaps.get(m), hosted.get(m)) for m in models]) if models else None,
        _published(advised.published),
        *(
            Command(
                command=gap.settle_command,
                purpose=f"measures {gap.model}; all its calls: {_calls(c, gap)}",
            )
            for gap in advised.frontier
            if gap.settle_command
        ),
        lead="No large hosted model was run. At list prices:" if models else "",
    )


def _published(among: Sequence[Published]) -> Bullets | None:
    items = tuple(
        said(
            Span(
                text=f"{found.statement}: {_span(found)}",
                mark="published elsewhere",
                sources=(f"Published: {found.source}, checked {found.checked}; not measured here.",),
            )
        )
        for found in among
    )
    return Bullets(items=items, label="Published by others, not measured here") if items else None


def _span(found: Published) -> str:
    low, high = percent(found.low), percent(found.high)
    return low if low == high else f"{low} to {high}"


def _calls(c: ReportContext, gap: FrontierGap) -> str:
    return "at a price that is unknown" if gap.settle_usd is None else f"about {c.money(gap.settle_usd)}"


def _hosted_table(
    c: ReportContext, rows: Sequence[tuple[str, FrontierGap | None, HostedForecast | None]]
) -> Table:
    gaps = [gap for _, gap, _ in rows if gap is not None]
    cited = c.prices(*(gap.usd_per_1k for gap in gaps)) or tuple(
        f"Prices: {found.source} (list price)." for *_, found in rows if found is not None
    )
    need = "keep the floor" if c.results.recommendation.ship is None else "win by margin"
    return Table(
        columns=columns(
            ("hosted model", "(not run)"),
            ("1,000", "queries"),
            ("calls", "a month"),
            (c.metric.noun, f"to {need}"),
            ("for the same cost", "a right answer"),
            ("calls to", "find out"),
            sources={1: cited},
        ),
        rows=tuple(_hosted_row(c, *row) for row in rows),
        notes=("list prices; tokens counted with another model's tokenizer are an estimate",),
    )


def _hosted_row(c: ReportContext, model: str, gap: FrontierGap | None, found: HostedForecast | None) -> Row:
    price = gap.usd_per_1k if gap is not None else found.usd_per_1k if found is not None else None
    return row(
        model,
        MISSING if price is None else _listed(c, price),
        MISSING if found is None else c.money(found.month_usd.usd),
        MISSING if gap is None else _reach(c, gap.accuracy_to_win, "above 100 %"),
        MISSING if gap is None else _same_cost(c, gap),
        MISSING if gap is None else c.money(gap.settle_usd),
    )


def _listed(c: ReportContext, price: Money) -> Cell:
    return Cell(text=c.money(price.usd), detail="" if price.usd is None else MARKS[price.basis])


def _reach(c: ReportContext, accuracy: float | None, beyond: str) -> str:
    if accuracy is not None:
        return percent(accuracy)
    return MISSING if c.results.recommendation.ship is None else beyond


def _same_cost(c: ReportContext, gap: FrontierGap) -> str:
    if gap.accuracy_same_cost_per_correct is None and gap.usd_per_1k.usd is None:
        return UNKNOWN
    return _reach(c, gap.accuracy_same_cost_per_correct, "never cheaper")


def costs_section(c: ReportContext) -> Section:
    """Every cost line of every arm, per 1,000 queries, in dollars as the ledger has them."""
    lines = [(arm.arm, line) for arm in c.results.arms for line in arm.cost.lines]
    table = Table(
        columns=columns("option")[:1] + line_columns("per 1,000 queries"),
        rows=tuple(Row(cells=(Cell(text=c.name(arm)), *line_cells(line))) for arm, line in lines),
        notes=source_notes(line for _, line in lines),
    )
    return section("costs", "Costs of 1,000 queries, line by line", table if lines else None)


def month_answer(c: ReportContext, *, asked: bool) -> RecommendationBlock:
    """A month of the arm to use, everything counted, against today.

    Args:
        asked: other numbers than the plan's were asked about.
    """
    use, business = c.results.recommendation.arm, c.results.outlook.business
    found = None if use is None else c.forecast(use)
    at = f"{'What if: ' if asked else ''}{business.queries_per_month:,} queries a month"
    at += f" over {figure(business.horizon_months)} months"
    if found is None:
        advised, would = headline(c.results.recommendation, words_of(c)), "what each option would cost"
        return RecommendationBlock(headline=advised, reasons=(f"{at}: {would}.",), facts=(), tone="plain")
    month, spread = found.month_usd, c.range(found.month_usd)
    facts = [
        Fact(label="1,000 queries, all in", text=said(c.amount(found.usd_per_1k))),
        Fact(label="1,000 right answers, all in", text=said(c.amount(found.usd_per_1k_correct))),
        Fact(label="To build, once", text=said(c.amount(found.once_usd))),
    ]
    today = c.results.outlook.incumbent
    if today is not None:
        text = said(c.amount(found.saving_usd_per_month), f" against {c.money(today.month_usd.usd)} today")
        facts.append(Fact(label="Saved a month", text=text))
    payback = payback_sentence(found, c.results.outlook)
    reasons = (at, f"Between {spread}, by what is assumed." if spread else "", payback, month.reason)
    known = "costs " + c.marked(month) if month.usd is not None else "has no known cost"
    return RecommendationBlock(
        headline=f"A month of {c.name(found.arm)} {known}, everything counted.",
        reasons=tuple(filter(None, reasons)),
        facts=tuple(facts),
        tone="plain" if month.usd is not None else "warn",
    )


def break_even_blocks(c: ReportContext, found: ArmForecast, curve: BreakEvenCurve) -> tuple[Block, ...]:
    """From which volume on one arm is cheaper than one rival: in words, and drawn where it is known."""
    first = Span(text=f"{_cheaper(c, curve)} ", strong=True)
    words = Paragraph(text=said(first, f"{break_even_words(curve)}."))
    return (words, _break_even_chart(c, found, curve)) if curve.points else (words,)


def _cheaper(c: ReportContext, curve: BreakEvenCurve) -> str:
    rival, volume = rival_words(c, curve), curve.queries_per_month
    match curve.outcome:
        case "at" if volume:
            return f"Cheaper than {rival} from {volume:,} queries a month on."
        case "up to" if volume:
            return f"Cheaper than {rival} up to {volume:,} queries a month."
        case "beyond one machine":
            return f"Cheaper than {rival} only beyond one machine."
        case "always":
            return f"Cheaper than {rival} at every volume."
        case "never":
            return f"Never cheaper than {rival}."
        case _:
            return f"Whether it is cheaper than {rival} is unknown."


def business_facts(c: ReportContext) -> Facts:
    """Everything the months were calculated for; what is assumed is marked."""
    b = c.results.outlook.business
    facts, labels = _count(b.knowledge_changes_per_month), _count(b.label_changes_per_month)
    shown = {
        "queries_per_month": ("Queries a month", f"{b.queries_per_month:,}"),
        "horizon_months": ("Horizon", f"{figure(b.horizon_months)} months"),
        "knowledge_changes_per_month": ("Changes of the facts a month", facts),
        "label_changes_per_month": ("Changes of the labels a month", labels),
        "wrong_answer_usd": ("A wrong answer", c.money(b.wrong_answer_usd)),
        "day_rate_usd": ("An engineer's day", c.money(b.day_rate_usd)),
        "example_usd": ("A labelled example", c.money(b.example_usd)),
        "machine_hour_usd": ("A machine hour", c.money(b.machine_hour_usd)),
        "utilisation": ("Utilisation", percent(b.utilisation, 0)),
    }
    return Facts(
        rows=tuple(
            Fact(label=label, text=said(Span(text=words, mark="assumed" if field in b.assumed else "")))
            for field, (label, words) in shown.items()
        )
    )


def _count(value: float | None) -> str:
    return UNKNOWN if value is None else figure(value)


def ledger_sections(c: ReportContext, arm: ArmId) -> tuple[Section, ...]:
    """Every line of one arm's costs: of 1,000 queries, of a month by what it is paid for, and once."""
    measured, whole = c.arm(arm), c.forecast(arm)
    parts = [] if measured is None else [("1,000 queries", "per 1,000 queries", measured.cost.lines)]
    if whole is not None:
        parts += [(f"A month: {part.group}", "a month", part.lines) for part in whole.month]
        parts.append(("Once", "once", whole.once))
    return tuple(
        section(
            "ledger",
            title,
            Table(
                columns=line_columns(of),
                rows=tuple(Row(cells=line_cells(line)) for line in lines),
                notes=source_notes(lines),
                caption=title,
            ),
        )
        for title, of, lines in parts
        if lines
    )
