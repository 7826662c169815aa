"""Payback and break-even in words: the same clause in the advisor's text and in a run's report. Pure."""

from __future__ import annotations

from decimal import Decimal

from advisor.money.crossing import UP_TO, BreakEvenCurve, Crossing
from advisor.money.tco import PaidBack

_ENDS = ("cheap", "dear")


def payback_words(found: PaidBack, months: Decimal | float | None, horizon: Decimal | float) -> str:
    """'it pays back in 2.7 months, within the horizon of 12 months': a clause without a full stop."""
    whole = f"{float(horizon):g} months"
    match found:
        case PaidBack.WITHIN:
            return f"it pays back in {months:.1f} months, within the horizon of {whole}"
        case PaidBack.LATE:
            took = float(months or 0)
            late = f"{took:,.{0 if took >= 100 else 1}f} months, longer than the horizon of {whole}"
            return f"it does not pay back: paying back would take {late}"
        case PaidBack.NEVER:
            return "it does not pay back at this volume: it costs no less by the month"
        case PaidBack.AHEAD:
            return "it costs less at first and no less by the month: see the horizon total"
        case PaidBack.UNKNOWN:
            return "a cost is not known"


def break_even_words(found: BreakEvenCurve) -> str:
    """'from 585 queries a month on, with 1 machine; at the dear end of its ranges never'."""
    alone = "calls and machines alone: " if found.calls_only else ""
    return f"{alone}{_where(found)}{_at_ends(found)}"


def _where(found: BreakEvenCurve) -> str:
    match found.outcome:
        case "unknown":
            return "a cost is not known"
        case "always":
            return "cheaper at any volume"
        case "never":
            return "dearer at any volume"
        case "up to":
            return f"cheaper up to {found.queries_per_month:,} queries a month"
    machines = found.machines
    with_ = "" if machines is None else f", with {machines} machine{'s' if machines > 1 else ''}"
    return f"from {found.queries_per_month:,} queries a month on{with_}"


def _at_ends(found: BreakEvenCurve) -> str:
    """What is otherwise at the ends of the ranges, '' where nothing is."""
    if found.outcome == "unknown":
        return ""
    others = [
        f"at the {name} end of its ranges {_briefly(end)}"
        for name, end in zip(_ENDS, found.ends, strict=False)
        if end.outcome != found.outcome
    ]
    return f"; {', '.join(others)}" if others else ""


def _briefly(found: Crossing) -> str:
    if found.volume is None or found.outcome in ("always", "never", "unknown"):
        return found.outcome
    return f"{'up to' if found.outcome == UP_TO else 'from'} {found.volume:,}"


def crossing_words(found: Crossing) -> str:
    """Where one of two ways is the cheaper one: 'cheaper from 8,021 queries a month on'."""
    match found.outcome:
        case "always" | "never":
            return f"{found.outcome} the cheaper one"
        case "unknown":
            return "not known"
        case "up to":
            return f"cheaper up to {found.volume:,} queries a month"
        case _:
            return f"cheaper from {found.volume:,} queries a month on"
