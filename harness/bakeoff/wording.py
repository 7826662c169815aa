"""Limits, and what more items would settle, in words: the same clause in every sentence and table. Pure."""

from __future__ import annotations

from harness.bakeoff.results import LimitCheck, LimitKind, LimitState, MoreItems
from harness.core.wording import milliseconds, money, percent
from harness.tasks.records import Metric

_LIMIT_OF_SHARE = {
    LimitKind.HANDED_BACK: ("share of out-of-scope inputs handed back", "the least is"),
    LimitKind.SEEDS: ("share of items on which training seeds agree", "the least is"),
}


def limit_words(check: LimitCheck, metric: Metric) -> str:
    """A limit as a clause: 'accuracy 68.0 %, at most 75.6 % on 100 items; the floor is 85.0 %'."""
    match check.kind:
        case LimitKind.GUESSING:
            guess = percent(check.bound)
            beats, more = "is no better than", ""
            if check.state is LimitState.OPEN:
                beats, more = "is not shown to be better than", _more_words(check)
            return f"{metric.name} {percent(check.value)} {beats} one answer to everything ({guess}){more}"
        case LimitKind.P95:
            return _p95_words(check)
        case LimitKind.P95_TODAY:
            return _p95_today_words(check)
        case LimitKind.PRICE:
            price = "unknown" if check.value is None else money(check.value)
            busy = ", timed on a busy machine" if check.busy else ""
            return f"1,000 queries cost {price}{busy}; the limit is {money(check.bound)}"
        case LimitKind.FAILURES:
            return f"{percent(check.value)} of calls failed; at most {percent(check.bound)} may"
        case _:
            name, limit = _LIMIT_OF_SHARE.get(check.kind, (metric.name, "the floor is"))
            return f"{name} {_measured_share(check)}; {limit} {percent(check.bound)}{_more_words(check)}"


def _measured_share(check: LimitCheck) -> str:
    if check.value is None:
        return "not measured"
    if check.low is None or check.high is None:
        return percent(check.value)
    match check.state:
        case LimitState.BROKEN:
            span = f"at most {percent(check.high)}"
        case LimitState.KEPT:
            span = f"at least {percent(check.low)}"
        case LimitState.OPEN:
            span = f"somewhere from {percent(check.low)} to {percent(check.high)}"
    return f"{percent(check.value)}, {span} on {check.n:,} items"


def _p95_words(check: LimitCheck) -> str:
    limit = f"the limit is {milliseconds(check.bound)} ms"
    if check.value is None:
        return f"p95 was not measured; {limit}"
    span = ""
    if check.low is not None and check.high is not None:
        span = f" ({milliseconds(check.low)} to {milliseconds(check.high)})"
    busy = ", timed on a busy machine" if check.busy else ""
    return f"p95 {milliseconds(check.value)} ms{span} on {check.n:,} queries{busy}; {limit}"


def _p95_today_words(check: LimitCheck) -> str:
    limit = f"the limit is {milliseconds(check.bound)} ms"
    if check.value is None:
        return f"what is handed over takes as long as today, which is not stated; {limit}"
    p95 = f"p95 {milliseconds(check.value)} ms"
    return f"what is handed over takes as long as today, {p95} as stated; {limit}"


def _more_words(check: LimitCheck) -> str:
    return "" if check.more_items is None else f"; about {check.more_items:,} more items would tell"


def more_items_words(more: MoreItems) -> str:
    """'about 111 more items would decide it (38 to 8,139, 80 % range)'."""
    if more.likely is None:
        return f"no number of further items can be named: {more.reason}"
    span = "" if more.low is None or more.high is None else f" ({more.low:,} to {more.high:,}, 80 % range)"
    return f"about {more.likely:,} more items would decide it{span}"
