"""What was compared: every arm in one table, and the accuracies as a chart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from advisor.money.money import UNKNOWN
from advisor.sentences import capital
from harness.bakeoff.results import ArmResult, LimitCheck, LimitState
from harness.bakeoff.wording import limit_words
from harness.core.records import ArmId, Estimate
from harness.core.wording import (
    MISSING,
    decimal,
    one_line,
    percent,
    short_money,
    tally,
)
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import (
    Bullets,
    Cell,
    Chart,
    Fact,
    Facts,
    Row,
    Section,
    Table,
    Tone,
    section,
)
from harness.report.topics.cells import (
    ABOUT_ROUTE_TO_TODAY,
    about,
    accuracy_cell,
    as_title,
    basis_notes,
    columns,
    drawn,
    known_prices,
    plain_name,
    priced,
    row,
    times,
    timing_notes,
)
from harness.tasks.records import Metric


def state_of(c: ReportContext, arm: ArmId) -> tuple[str, Tone]:
    """What the run says of an arm in a word, and how its row looks."""
    advised = c.results.recommendation
    if arm == advised.ship:
        return "to use", "good"
    if arm == advised.pilot:
        return "to pilot", "good"
    return ("ruled out", "faint") if arm in c.results.verdict.barred else ("", "plain")


def options_section(c: ReportContext) -> Section:
    """The accuracies as a chart, and every arm in a table."""
    return section("options", "What was compared", accuracy_chart(c), arms_table(c))


def accuracy_section(c: ReportContext) -> Section:
    """The accuracies alone, for a page that has no room for every figure."""
    return section("options", "What was compared", accuracy_chart(c))


def figures_section(c: ReportContext) -> Section:
    """Every arm in a table, away from the chart."""
    return section("figures", "Every option in figures", arms_table(c), spare=1)


def arms_table(c: ReportContext) -> Table:
    """One row an arm, in the plan's order; its month where any month is known."""
    arms = c.results.arms
    heads = [
        ("option", ""),
        (c.metric.noun, "% (interval)"),
        ("typical /", "slow, ms"),
        ("1,000", "queries"),
        _thousand(c.metric),
        *([("a month,", "all in")] if c.months_known else []),
    ]
    return Table(
        columns=columns(
            *heads,
            sources={
                1: c.accuracy(*arms),
                2: c.latency(*arms),
                3: c.prices(*(arm.cost.usd_per_1k for arm in arms)),
                5: c.money_sources(),
            },
        ),
        rows=tuple(_row(c, arm) for arm in arms),
        notes=_notes(c),
    )


def _row(c: ReportContext, arm: ArmResult) -> Row:
    state, tone = state_of(c, arm.arm)
    found = c.forecast(arm.arm)
    return row(
        Cell(text=f"{c.title(arm.arm)}{f': {state}' if state else ''}", detail=arm.arm.label),
        accuracy_cell(arm.primary),
        times(arm.latency),
        priced(arm.cost.usd_per_1k, c.currency),
        priced(arm.cost.usd_per_1k_correct, c.currency),
        *([MISSING if found is None else c.marked(found.month_usd)] if c.months_known else []),
        tone=tone,
        key=one_line(str(arm.arm)),
    )


def _to_today(c: ReportContext) -> list[str]:
    """What the figures of a route to today's way hold of what it hands over."""
    route = c.results.route_to_today
    arm = next((arm.arm for arm in c.results.arms if arm.arm.to_today), None)
    if route is None or arm is None:
        return []
    handed = f"today's way on the rest, as stated: {percent(route.today_accuracy)} right"
    return [f"{c.title(arm)}: {handed}, {c.money(route.today_usd_per_item)} an item; it is timed without it"]


def _notes(c: ReportContext) -> tuple[str, ...]:
    arms = c.results.arms
    conditions = "; ".join(dict.fromkeys(arm.latency.conditions for arm in arms if arm.latency.p50_ms.n))
    timed = _counts(arm.latency.p50_ms.n for arm in arms if arm.latency.p50_ms.n)
    people = "; a month, all in, adds people, changes and wrong answers too" if c.months_known else ""
    return (
        f"{c.metric.noun}: of n={_counts(arm.quality.primary.n for arm in arms)} test items; an answer "
        f"that failed or {c.nouns.invalid} counts as wrong",
        *([f"typical / slow: half and 95 % of n={timed} queries were answered within this time, {conditions}"]
          if timed else []),
        f"1,000 queries: calls and machine time only{people}",
        *_answered_by(c),
        *_uncached(c),
        *_to_today(c),
        *_without_label(c),
        *_all_rows(c),
        *_gaps(c),
        *basis_notes(known_prices(arms)),
        *timing_notes(arms, c.title),
    )  # fmt: skip


_MOST_NAMED = 3


def _answered_by(c: ReportContext) -> Iterator[str]:
    """What a provider says answered, and how it was asked."""
    for arm in c.results.arms:
        served = arm.served
        if served is None:
            continue
        said = []
        if served.by:
            many = len(served.by) > 1
            named = [f"{who} ({n:,})" if many else who for who, n in served.by[:_MOST_NAMED]]
            rest = len(served.by) - _MOST_NAMED
            said.append(f"answered by {', '.join(named)}{f' and {rest} more' if rest > 0 else ''}")
        if served.plain:
            said.append(
                f"{served.plain:,} of {served.answers:,} asked by the prompt alone, without the schema"
            )
        if served.left_out:
            said.append(f"{', '.join(served.left_out)} not sent, as the model does not take it")
        if said:
            yield f"{c.title(arm.arm)}: {'; '.join(said)}"


def _uncached(c: ReportContext) -> list[str]:
    """What queries would cost whose prompts no provider's cache held."""
    return [
        f"{c.title(arm.arm)}: 1,000 queries as billed, with what the provider's cache held; "
        f"{short_money(arm.cost.uncached_usd_per_1k.usd, c.currency)} if all of it were read anew"
        for arm in c.results.arms
        if arm.cost.uncached_usd_per_1k is not None
    ]


def _counts(values: Iterable[int]) -> str:
    return " or ".join(f"{n:,}" for n in sorted(set(values)))


def _without_label(c: ReportContext) -> list[str]:
    """Which arms gave answers in which none could be read, or none at all."""
    invalid = [(arm.arm, arm.quality.invalid_rate) for arm in c.results.arms]
    failed = [(arm.arm, arm.quality.failure_rate) for arm in c.results.arms]
    lines = []
    for what, rates in ((f"answers that {c.nouns.invalid_many}", invalid), ("calls that failed", failed)):
        counts = [f"{c.title(arm)} {tally(rate)} of {rate.n:,}" for arm, rate in rates if rate.value]
        lines += [f"{what}: {', '.join(counts)}"] if counts else []
    return lines


def _all_rows(c: ReportContext) -> list[str]:
    """Which options answered all test rows, where the others answered a part of them."""
    whole = [arm for arm in c.results.arms if arm.primary_all_rows is not None]
    if not whole:
        return []
    return [
        f"{', '.join(c.title(arm.arm) for arm in whole)}: of n={_counts(arm.primary.n for arm in whole)}, "
        "all test items, for they cost nothing to run; options are compared on the items that all of "
        "them answered"
    ]


def _gaps(c: ReportContext) -> list[str]:
    """Why a figure is missing, once a reason."""
    reasons: dict[str, list[str]] = {}
    for arm in c.results.arms:
        for what, figure in (
            (c.metric.noun, arm.primary),
            ("typical answer", arm.latency.p50_ms),
            ("slow answer", arm.latency.p95_ms),
        ):
            if figure.value is None:
                reasons.setdefault(f"{what}: {figure.reason or 'not measured'}", []).append(c.title(arm.arm))
        price = arm.cost.usd_per_1k
        if price.usd is None:
            source = f" [{price.source}]" if price.source and price.source not in price.reason else ""
            why = f"1,000 queries: {UNKNOWN}, {price.reason or 'a price is unknown'}{source}"
            reasons.setdefault(why, []).append(c.title(arm.arm))
    return [f"{', '.join(names)}: {why}" for why, names in reasons.items()]


def limits_section(c: ReportContext) -> Section:
    """Which limits are broken, and which these items show neither to be kept nor to be broken."""
    still = [check for check in c.results.verdict.limits if check.state is LimitState.OPEN]
    idle = [check for check in still if not check.busy]
    busy = [replace(check, busy=False) for check in still if check.busy]
    open_yet = "Not shown to be kept yet"
    return section(
        "limits",
        "Limits set before the run",
        _limits(c, "Broken", c.results.verdict.broken),
        _limits(c, open_yet, idle),
        _limits(c, f"{open_yet}, for it was timed on a busy machine", busy),
    )


def _limits(c: ReportContext, label: str, checks: Sequence[LimitCheck]) -> Bullets | None:
    items = tuple(f"{c.title(check.arm)}: {limit_words(check, c.metric)}" for check in checks)
    return Bullets(label=label, items=items, tone="warn") if items else None


def accuracy_chart(c: ReportContext) -> Chart:
    """Right answers of every arm with their intervals."""
    arms = c.results.arms
    spec = drawings.accuracy(arms)
    levels = " or ".join(dict.fromkeys(f"{100 * arm.primary.level:g} %" for arm in arms))
    return drawn(
        "accuracy",
        spec,
        f"Chart of {c.metric.noun} with their {levels} intervals.",
        f"Share of {c.metric.noun}. The bar is the {levels} interval: where two bars overlap widely, the "
        "order may be chance.",
        sources=c.accuracy(*arms),
    )


def what_they_are(c: ReportContext) -> Facts:
    """A line on each option that was compared."""
    routes = [arm.arm for arm in c.results.arms if arm.arm.to_today]
    ways = {(arm.arm.option, about(arm.arm)): arm.arm for arm in c.results.arms if arm.arm not in routes}
    rows = [Fact(label=as_title(plain_name(arm)), text=text) for (_, text), arm in ways.items()]
    rows += [Fact(label=as_title(plain_name(arm)), text=ABOUT_ROUTE_TO_TODAY) for arm in routes]
    return Facts(label="What each option is", rows=tuple(rows))


def behind_section(c: ReportContext) -> Section:
    """What stands behind the primary metric: the others, dev, invalid and failed answers."""
    others = [metric for metric in c.results.metrics if not metric.primary]
    rows = tuple(
        row(
            Cell(text=c.title(arm.arm), detail=arm.arm.label),
            *(Cell(text=decimal(other.value), detail=_span(other)) for other in arm.quality.others),
            accuracy_cell(arm.quality.dev),
            accuracy_cell(arm.quality.answered),
            accuracy_cell(arm.quality.without_overlap),
            tally(arm.quality.invalid_rate),
            tally(arm.quality.failure_rate),
            key=one_line(str(arm.arm)),
        )
        for arm in c.results.arms
    )
    table = Table(
        columns=columns(
            ("option", ""),
            *(_heading(metric) for metric in others),
            ("on dev", "%"),
            ("of answered", "items, %"),
            ("of texts not", "in train, %"),
            ("in-", "valid"),
            ("failed", ""),
        ),
        rows=rows,
        notes=(
            *(f"{metric.name}: {metric.about}" for metric in others if metric.about),
            "on dev: on the items on which settings were chosen; invalid: answers that "
            f"{c.nouns.invalid_many}; failed: calls without an answer",
        ),
    )
    return section("behind", f"Behind the {c.metric.noun}", table)


def _thousand(metric: Metric) -> tuple[str, str]:
    """'1,000 right answers', over two lines."""
    first, _, rest = metric.whole.partition(" ")
    return f"1,000 {first}", rest


def _heading(metric: Metric) -> tuple[str, str]:
    """A metric's name over two lines."""
    first, _, rest = metric.name.partition("-" if "-" in metric.name else " ")
    return first, rest


def _span(found: Estimate) -> str:
    return "" if found.low is None or found.high is None else f"{decimal(found.low)} to {decimal(found.high)}"


def prices_section(c: ReportContext) -> Section:
    """Right answers against the price of 1,000 queries, and the route at its other thresholds."""
    spec = drawings.prices(c.results, c.currency)
    chart = drawn(
        "prices",
        spec,
        f"{capital(c.metric.noun)} against the price of 1,000 queries.",
        "Further left is cheaper, further up is better. A ring is a price that was not measured.",
    )
    return section("prices", f"{capital(c.metric.noun)} against price", chart if spec.curves else None)
