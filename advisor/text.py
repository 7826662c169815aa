"""Advice as plain ASCII text. It computes nothing and words nothing: `advisor.sentences` does."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from advisor.advice import Advice, OptionAdvice, OptionPrediction
from advisor.assumed import rates
from advisor.evidence import NOT_MEASURED_HERE, Evidence
from advisor.layout import aligned, ascii_safe, section, wrap
from advisor.money.money import format_money, from_usd, unit_of
from advisor.numbers import figure
from advisor.rubric.rubric import Factor
from advisor.sentences import (
    ASSUMED_TITLE,
    CHANGE_TITLE,
    NO_FLIP,
    OPEN_SHOWN,
    OPEN_TITLE,
    RULED_OUT_TITLE,
    SURE,
    WAYS_TITLE,
    MoneyWords,
    capital,
    confidence_sentence,
    flip_sentence,
    headline,
    leads_sentence,
    months_words,
    need_sentence,
    order_sentence,
    pair_sentence,
    reason_sentence,
    recommendation_rows,
    seconds_words,
    sentence,
    settle_sentence,
    share_words,
    sharing_sentence,
    span_words,
    today_words,
    unscored_sentence,
    way_price_words,
    way_run_words,
)

_OPTIONS_SHOWN, _FACTORS_SHOWN = 3, 4


def advice_text(advice: Advice, *, verbose: bool = False) -> str:
    """The whole advice, the answer first."""
    money = money_of(advice)
    parts = [
        _head(advice, money),
        _table(advice, money),
        _reasons(advice, money, verbose=verbose),
        _ruled_out(advice),
        _ways(advice, money, verbose=verbose),
        _settle(advice, money),
        _changes(advice),
        _open(advice),
        _assumed(advice, verbose=verbose),
        _foot(advice),
    ]
    return ascii_safe("\n\n".join(part for part in parts if part) + "\n")


def money_of(advice: Advice) -> MoneyWords:
    """How an amount in US dollars is shown: in the case's currency."""
    given = rates(advice.case)

    def shown(usd: Decimal, *, exact: bool = False) -> str:
        return format_money(from_usd(usd, advice.currency, given), advice.currency, exact=exact)

    return shown


def _head(advice: Advice, money: MoneyWords) -> str:
    rows = recommendation_rows(advice, money)
    rows[SURE] += f"; {confidence_sentence(advice.confidence)}."
    width = max(map(len, rows)) + 2
    lines = [f"{advice.case.name}", "", wrap(capital(headline(advice.recommendation)), first="")]
    lines += [
        wrap(f"{number}. {sentence(reason_sentence(reason, money))}", indent="     ", first="  ")
        for number, reason in enumerate(advice.recommendation.reasons, start=1)
    ]
    lines += [
        wrap(words, indent=" " * (width + 2), first=f"  {f'{label}:':{width}}")
        for label, words in rows.items()
    ]
    if advice.cannot_say:
        lines.append(wrap(advice.cannot_say))
    pair = capital(pair_sentence(advice.pair, advice.recommendation))
    lines += [
        "",
        wrap(f"RAG or fine-tuning? {pair}", first=""),
        wrap("A prediction, made before anything is measured: the plan built from it tests it.", first=""),
    ]
    return "\n".join(lines)


def _table(advice: Advice, money: MoneyWords) -> str:
    unit = advice.currency
    heads = ("", "option", "score", "right", f"{unit}/1k running", f"{unit}/1k in all", "p95, s", "pays back")
    found = [(option, option.prediction) for option in advice.options if option.prediction is not None]
    if not found:
        return ""
    rows = [heads, *(_row(option, prediction, money, unit_of(unit)) for option, prediction in found)]
    below = filter(
        None, [today_words(advice, money), sharing_sentence(advice, money), order_sentence(advice)]
    )
    return "\n".join([*aligned(rows, right={0, 2}), *(wrap(one, first="") for one in below)])


def _row(option: OptionAdvice, found: OptionPrediction, money: MoneyWords, unit: str) -> tuple[str, ...]:
    running, whole = (
        span_words(span, money, "unknown").replace(unit, "")
        for span in (found.usd_per_1k, found.usd_per_1k_total)
    )
    return (
        f"{option.place}.",
        option.option.value,
        f"{option.score:+.2f}",
        share_words(found),
        running,
        whole,
        seconds_words(found),
        months_words(found),
    )


def _reasons(advice: Advice, money: MoneyWords, *, verbose: bool) -> str:
    lines: list[str] = []
    shown = advice.options if verbose else advice.options[:_OPTIONS_SHOWN]
    for option in shown:
        if option.place is None:
            continue
        lines.append(f"  {option.option.value} {option.score:+.2f}")
        parts = option.contributions if verbose else option.contributions[:_FACTORS_SHOWN]
        for part in parts:
            source = f" [{part.source}]" if verbose else ""
            text = f"{part.points:+.2f}  {part.factor}: {part.reason}{source}"
            lines.append(wrap(text, indent=" " * 11, first="    "))
        left = option.contributions[len(parts) :]
        if left:
            rest = sum((part.points for part in left), Decimal(0))
            lines.append(f"    {rest:+.2f}  {len(left)} more (--verbose shows them with their sources)")
        lines += [
            wrap(f"note: {reason_sentence(one, money)}", indent=" " * 10, first="    ")
            for one in option.warnings
        ]
    return section("Why", lines)


def _ruled_out(advice: Advice) -> str:
    lines = [
        wrap(f"{option.option.value}: {veto.reason}", indent="    ", first="  ")
        for option in advice.options
        for veto in option.vetoes
    ]
    return section(RULED_OUT_TITLE, lines)


def _ways(advice: Advice, money: MoneyWords, *, verbose: bool) -> str:
    """Those that fit the first options; all of them, and what a run tries, with `--verbose`."""
    lines = []
    for found in advice.ways if verbose else advice.ways_of_first(_OPTIONS_SHOWN):
        price = "; then a month ".join(filter(None, way_price_words(found, money)))
        lines.append(wrap(f"{found.way.value}: {price}", indent="    ", first="  "))
        if verbose:
            more = f"can: {found.way.traits.can}. In a run: {way_run_words(found.way)}"
            lines.append(wrap(more, indent="      ", first="    "))
    return section(WAYS_TITLE, lines)


def _settle(advice: Advice, money: MoneyWords) -> str:
    settle = advice.settle
    if settle is None:
        return ""
    return section(
        "To decide it", [wrap(sentence(settle_sentence(settle))), wrap(need_sentence(settle, money))]
    )


def _changes(advice: Advice) -> str:
    if not advice.flips:
        return wrap(NO_FLIP, first="")
    lines = [wrap(flip_sentence(flip), indent="    ", first="  ") for flip in advice.flips]
    return section(CHANGE_TITLE, lines)


def _open(advice: Advice) -> str:
    lines = []
    for question in advice.open_questions[:OPEN_SHOWN]:
        lines.append(wrap(f"{question.question} ({question.field})", indent="    ", first="  "))
        lines.append(wrap(leads_sentence(question, advice.pair.answer), indent="      "))
    left = len(advice.open_questions) - OPEN_SHOWN
    if left > 0:
        lines.append(f"  and {left} more (--json lists them)")
    return section(OPEN_TITLE, lines)


def _assumed(advice: Advice, *, verbose: bool) -> str:
    lines = []
    for a in advice.assumptions:
        source = f" [{a.source}]" if verbose else ""
        text = f"{a.field}: {figure(a.likely)} {a.unit} ({figure(a.low)} to {figure(a.high)}){source}"
        lines.append(wrap(text, indent="    ", first="  "))
    parts = [section(ASSUMED_TITLE, lines)]
    if advice.unknown:
        parts.append(wrap(unscored_sentence(advice), first=""))
    return "\n".join(filter(None, parts))


def _foot(advice: Advice) -> str:
    lines = [wrap(f"- {note}", indent="  ", first="") for note in advice.notes]
    if advice.rate is not None and advice.currency != "USD":
        rate = advice.rate
        lines.append(f"- 1 USD = {rate.per_usd:.6g} {advice.currency} on {rate.as_of} ({rate.source})")
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
