"""Advice as plain ASCII text. It computes nothing: every figure is a field of the advice."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from advisor.advice import Advice, FigureSpan, MoneySpan, OptionAdvice, OptionPrediction, PaysBack
from advisor.assumed import rates
from advisor.evidence import NOT_MEASURED_HERE, Evidence
from advisor.layout import aligned, ascii_safe, section, wrap
from advisor.money.money import format_money, from_usd
from advisor.numbers import figure
from advisor.rubric.rubric import Factor
from advisor.sentences import (
    Money,
    change_sentence,
    confidence_sentence,
    cost_sentence,
    flip_sentence,
    headline,
    leads_sentence,
    pair_sentence,
    reason_sentence,
    settle_sentence,
)


def advice_text(advice: Advice, *, verbose: bool = False) -> str:
    """The whole advice, the answer first."""
    parts = [
        _head(advice),
        _table(advice),
        _reasons(advice, verbose=verbose),
        _ruled_out(advice),
        _settle(advice),
        _changes(advice),
        _open(advice),
        _assumed(advice, verbose=verbose),
        _foot(advice),
    ]
    return ascii_safe("\n\n".join(part for part in parts if part) + "\n")


def money_of(advice: Advice) -> Money:
    """How an amount in US dollars is shown: in the case's currency."""
    return lambda usd: _money(advice, usd)


def recommendation_lines(advice: Advice) -> tuple[list[str], dict[str, str]]:
    """The three reasons, and cost, who decides, what would change it and how sure it is, by name."""
    done, money, sure = advice.recommendation, money_of(advice), advice.confidence
    reasons = [f"{capital(reason_sentence(reason, money))}." for reason in done.reasons]
    rows = {
        "Cost": f"{capital(cost_sentence(done, money))}.",
        "Decides": f"{capital(done.decider.value)}.",
        "Changes it": f"{capital(change_sentence(done))}.",
        "How sure": f"{capital(sure.certainty.value)}, about {100 * sure.share:.0f} %; "
        f"{confidence_sentence(sure)}.",
    }
    return reasons, rows


def _head(advice: Advice) -> str:
    reasons, rows = recommendation_lines(advice)
    lines = [
        f"{advice.case.name}",
        "",
        wrap(f"First: {headline(advice.recommendation)}", indent="       ", first=""),
    ]
    for number, reason in enumerate(reasons, start=1):
        lines.append(wrap(f"{number}. {reason}", indent="     ", first="  "))
    lines += [wrap(words, indent=" " * 14, first=f"  {name + ':':12}") for name, words in rows.items()]
    if advice.cannot_say:
        lines.append(wrap(advice.cannot_say))
    pair = capital(pair_sentence(advice.pair, advice.recommendation))
    lines += [
        "",
        wrap(f"RAG or fine-tuning? {pair}", first=""),
        wrap("A prediction, made before anything is measured: the plan built from it tests it.", first=""),
    ]
    return "\n".join(lines)


def capital(text: str) -> str:
    """The text with a large first letter."""
    return f"{text[:1].upper()}{text[1:]}"


def _table(advice: Advice) -> str:
    unit = advice.currency
    rows: list[tuple[str, ...]] = [
        ("", "option", "score", "accuracy", f"{unit}/1k running", f"{unit}/1k in all", "p95", "pays back")
    ]
    for option in advice.options:
        if option.prediction is not None:
            rows.append(_row(advice, option, option.prediction))
    if len(rows) == 1:
        return ""
    lines = aligned(rows, right={0, 2})
    today = advice.incumbent_usd_per_1k
    if today is not None:
        place = "" if advice.today_place is None else f" (place {advice.today_place})"
        incumbent = advice.case.incumbent
        known = (
            "" if incumbent is None or incumbent.accuracy is None else f", accuracy {incumbent.accuracy:.2f}"
        )
        total = advice.incumbent_usd_per_1k_total
        in_all = "" if total is None else f", {_money(advice, total)} in all with its wrong answers"
        lines.append(f"today{place}: {_money(advice, today)} per 1,000{known}{in_all}")
    return "\n".join(lines)


def _row(advice: Advice, option: OptionAdvice, prediction: OptionPrediction) -> tuple[str, ...]:
    accuracy = "unknown"
    if prediction.accuracy_low is not None and prediction.accuracy_high is not None:
        accuracy = f"{prediction.accuracy_low:.2f}-{prediction.accuracy_high:.2f}"
    return (
        f"{option.place}.",
        option.option.value,
        f"{option.score:+.2f}",
        accuracy,
        money_span(advice, prediction.usd_per_1k),
        money_span(advice, prediction.usd_per_1k_total),
        _p95(prediction.p95_ms),
        _months(prediction),
    )


def _p95(span: FigureSpan) -> str:
    def one(ms: float | None) -> str:
        if ms is None:
            return "unknown"
        return f"{ms / 1000:.1f}s" if ms >= 1000 else f"{ms:.0f}ms"

    return f"{one(span.low)}-{one(span.high)}"


def _months(prediction: OptionPrediction) -> str:
    span, verdict = prediction.payback.months, prediction.payback.verdict
    if verdict is PaysBack.UNKNOWN:
        return "unknown"
    ends = ["never" if value is None else f"{value:.1f}" for value in (span.low, span.high)]
    if ends[0] == ends[1]:
        return ends[0] if ends[0] == "never" else f"{ends[0]} months"
    return f"{ends[0]} to {ends[1]}" + ("" if "never" in ends[1] else " months")


def money_span(advice: Advice, span: MoneySpan) -> str:
    """'2.10-4.19' in the case's currency, or 'unknown'."""
    if span.low is None or span.high is None:
        return "unknown"
    return f"{_bare(advice, span.low)}-{_bare(advice, span.high)}"


def _in_currency(advice: Advice, usd: Decimal) -> Decimal:
    amount = from_usd(usd, advice.currency, rates(advice.case))
    assert amount is not None
    return amount


def _bare(advice: Advice, usd: Decimal) -> str:
    text = format_money(_in_currency(advice, usd), "USD", digits=2)
    return text.replace("$", "")


def _money(advice: Advice, usd: Decimal) -> str:
    return format_money(_in_currency(advice, usd), advice.currency)


def _reasons(advice: Advice, *, verbose: bool) -> str:
    lines: list[str] = []
    shown = advice.options if verbose else advice.options[:3]
    for option in shown:
        if option.place is None:
            continue
        lines.append(f"  {option.option.value} {option.score:+.2f}")
        parts = option.contributions if verbose else option.contributions[:4]
        for part in parts:
            source = f" [{part.source}]" if verbose else ""
            text = f"{part.points:+.2f}  {part.factor}: {part.reason}{source}"
            lines.append(wrap(text, indent=" " * 11, first="    "))
        left = option.contributions[len(parts) :]
        if left:
            rest = sum((part.points for part in left), Decimal(0))
            lines.append(f"    {rest:+.2f}  {len(left)} more (--verbose shows them with their sources)")
        lines += [
            wrap(f"note: {reason_sentence(one, money_of(advice))}", indent=" " * 10, first="    ")
            for one in option.warnings
        ]
    return section("Why", lines)


def _ruled_out(advice: Advice) -> str:
    lines = [
        wrap(f"{option.option.value}: {veto.reason}", indent="    ", first="  ")
        for option in advice.options
        for veto in option.vetoes
    ]
    return section("Ruled out", lines)


def _settle(advice: Advice) -> str:
    settle = advice.settle
    if settle is None:
        return ""
    lines = ["To decide it", wrap(settle_sentence(settle) + ".")]
    cost = money_span(advice, settle.usd)
    if settle.items_to_label is None:
        need = f"If none is labelled yet, that costs {advice.currency} {cost}."
    elif settle.items_to_label == 0:
        need = f"The examples you have are enough for that; the calls cost {advice.currency} {cost}."
    else:
        need = f"{settle.items_to_label:,} of them are still to be labelled:"
        need += f" {advice.currency} {cost} with the calls."
    lines.append(wrap(need))
    return "\n".join(lines)


def _changes(advice: Advice) -> str:
    nothing = "  no single one of volume, change rate, examples and price, within wide limits"
    lines = [wrap(flip_sentence(flip), indent="    ", first="  ") for flip in advice.flips]
    return section("What would change the answer", lines or [nothing])


def _open(advice: Advice) -> str:
    lines = []
    for question in advice.open_questions[:5]:
        lines.append(wrap(f"{question.question} ({question.field})", indent="    ", first="  "))
        lines.append(wrap(leads_sentence(question), indent="      "))
    left = len(advice.open_questions) - 5
    if left > 0:
        lines.append(f"  and {left} more (--json lists them)")
    return section("Answers not given that could change it", lines)


def _assumed(advice: Advice, *, verbose: bool) -> str:
    lines = []
    if advice.assumptions:
        lines.append("Assumed, as not stated")
        for a in advice.assumptions:
            source = f" [{a.source}]" if verbose else ""
            text = f"{a.field}: {figure(a.likely)} {a.unit} ({figure(a.low)} to {figure(a.high)}){source}"
            lines.append(wrap(text, indent="    ", first="  "))
    if advice.unknown:
        lines.append(wrap("Not scored, as not known: " + ", ".join(advice.unknown), indent="  ", first=""))
    return "\n".join(lines)


def _foot(advice: Advice) -> str:
    lines = [wrap(f"- {note}", indent="  ", first="") for note in advice.notes]
    if advice.rate is not None and advice.currency != "USD":
        rate = advice.rate
        lines.append(f"- 1 USD = {rate.per_usd} {advice.currency} on {rate.as_of} ({rate.source})")
    lines += [wrap(f"- price {price}", indent="  ", first="") for price in advice.prices]
    lines.append("- machine hours are illustrative list prices unless given")
    lines.append(
        f"- rubric {advice.rubric_version} ({advice.rubric_sha256[:12]}), case {advice.case_sha256[:12]}"
    )
    return "\n".join(lines)


_TAGS = "P text or table seen, R public repository, S second-hand, V vendor, C computed, U unverified"


def figures_text(found: Sequence[Evidence]) -> str:
    """Published figures, a line each with its source below."""
    rows = aligned(
        (
            (
                f"[{e.tag}] {e.task}",
                e.option or "-",
                e.metric,
                f"{e.value:g}",
                f"n={e.n}" if e.n else "",
                e.study,
            )
            for e in found
        ),
        right={3},
    )
    sources = (f"      {e.source}{'; ' + e.note if e.note else ''}" for e in found)
    lines = [line for pair in zip(rows, sources, strict=True) for line in pair]
    return ascii_safe("\n".join([f"{len(found)} figures, {NOT_MEASURED_HERE} ({_TAGS})", "", *lines]) + "\n")


def rubric_text(factors: Sequence[Factor]) -> str:
    """The rubric's factors with weight, directions, reason and source."""
    lines = [
        f"{len(factors)} factors; weights set by hand, so agreement with published cases is in-sample",
        "",
    ]
    for one in factors:
        toward = ", ".join(f"{option.value} {value:+g}" for option, value in one.toward.items())
        lines += [f"{one.weight:<4g} {one.name}: {one.reason}", f"     {toward}"]
        lines += [f"     source: {one.source} (opened: {one.opened})", ""]
    return ascii_safe("\n".join(lines))
