"""What keeping up with change takes: indexing again against training again. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from advisor.money.ledger import Money
from advisor.sentences import capital
from harness.core.records import ArmId, Estimate
from harness.core.wording import MISSING, bounds, counted, decimal, money, percent, points, share_sentence
from harness.freshness.records import ChangeRate, Drill, Group, Moment, Threshold, Upkeep
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import Bullets, Chart, Document, Paragraph, Section, Table, section
from harness.report.topics.cells import bare_points, columns, drawn, plain_name, row, share

_UPKEEP = {Upkeep.INDEX: "indexed again", Upkeep.TRAIN: "trained again", Upkeep.NOTHING: "nothing to do"}
UNMEASURED = "not measurable with this model"


def drill_document(drill: Drill) -> Document:
    """A drill by itself."""
    return Document(title="Keeping up with change", sections=(_section(drill),))


def _section(drill: Drill) -> Section:
    """Until right again, over time, forgotten, and the rate of change from which retrieving wins."""
    return section(
        "freshness",
        f"When {drill.of} change: {drill.evalset}",
        Paragraph(text=_what(drill)),
        _rates(drill),
        _update(drill),
        _drawn(drill),
        _over_time(drill),
        _changes(drill),
        Bullets(label="to know", items=tuple(_notes(drill)), tone="faint"),
    )


def freshness_section(c: ReportContext) -> Section:
    """The drill that was stored with a run; empty where there is none."""
    drill = c.results.drill
    return section("freshness", "") if drill is None else _section(drill)


def rate_sentence(rate: ChangeRate, name: Callable[[ArmId], str]) -> str:
    """From which rate of change one arm is the better choice than another."""
    one, other = name(rate.retrieving), name(rate.training)
    if rate.both is None or rate.cheaper is None or rate.better is None:
        poor = "neither" if len(rate.unmeasured) > 1 else "".join(map(name, rate.unmeasured))
        shown = "is shown" if poor == "neither" else "is not shown"
        return (
            f"Which of {one} and {other} keeps up better is {UNMEASURED}: {poor} {shown} to beat the floor "
            "on what stays the same and to come up to date"
        )
    where = {0.0: f"At any rate of change {one} is", math.inf: f"At no rate of change is {one}"}.get(
        rate.both.value, f"{capital(_rate(rate.both.value))} {one} is"
    )
    return (
        f"{where} both cheaper and right more often than {other}{_span(rate.both)}: it is cheaper "
        f"{_from(rate.cheaper)}, and right more often {_from(rate.better)}"
    )


def _from(rate: Threshold) -> str:
    """From where, with its interval."""
    return f"{_rate(rate.value)}{_span(rate)}"


def _span(rate: Threshold) -> str:
    """The interval of a rate; '' where every draw says the same."""
    if rate.low is None or rate.high is None:
        return " (no interval: too few items)"
    if (rate.low, rate.high) == (rate.value, rate.value):
        return ""
    return f" (95 %: {_end(rate.low)} to {_end(rate.high)})"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else decimal(value, 2)


def _end(value: float) -> str:
    """An end of an interval of changes a month."""
    return {0.0: "any rate", math.inf: "no rate"}.get(value, _count(value))


def _rate(value: float) -> str:
    if value == 0:
        return "at any rate"
    if math.isinf(value):
        return "at no rate"
    return f"above {_count(value)} changes a month"


def _what(drill: Drill) -> str:
    of = drill.items
    trains = any(arm.upkeep is Upkeep.TRAIN for arm in drill.arms)
    trained = f" on {counted(drill.train_rows, 'row', 'rows')}" if trains else ""
    return (
        f"{of[Group.UNCHANGED]:,} test items keep their answer, {of[Group.CHANGED]:,} have another one, and "
        f"the answer of {of[Group.WITHDRAWN]:,} is withdrawn. Every option was made ready on edition one, "
        f"then the {drill.of} changed, and it was indexed again, or trained again{trained}."
    )


def _rates(drill: Drill) -> Bullets | None:
    said = (*until_right(drill), *(f"{rate_sentence(rate, _namer(drill))}." for rate in drill.rates))
    return Bullets(label="what that means", items=said) if said else None


def _namer(drill: Drill) -> Callable[[ArmId], str]:
    """How a sentence names the arms of a drill; tables have their ids."""
    among = tuple(arm.arm for arm in drill.arms)
    return lambda arm: plain_name(arm, among)


def until_right(drill: Drill) -> Iterator[str]:
    """How long each option that has to keep up is behind, and what it says meanwhile."""
    for arm in drill.arms:
        if arm.must_keep_up:
            told = update_sentence(_namer(drill)(arm.arm), arm.mean_update_s, arm.update_usd, arm.stale[0])
            doubt = " It is not shown to beat the floor on what stays the same."
            yield told if arm.measurable else f"{told}{doubt}"


def update_sentence(who: str, seconds: float | None, cost: Money | None, stale: Estimate | None) -> str:
    """How long an option is behind after a change, for what, and what it says meanwhile."""
    assert seconds is not None and cost is not None, "it was brought up to date"
    return (
        f"{capital(who)} is up to date {_seconds(seconds)} after the change, for {money(cost.usd)} of "
        f"machine time. Until then {share_sentence(stale)} of its answers to what changed are the old ones."
    )


def _changes(drill: Drill) -> Bullets | None:
    said = tuple(
        f"{change.kind}: {', '.join(change.before)} becomes {', '.join(change.after)} "
        f"({counted(change.items, 'test item', 'test items')})"
        for change in drill.label_changes
    )
    return Bullets(label="labels that change", items=said) if said else None


def _update(drill: Drill) -> Table:
    rows = []
    for arm in drill.arms:
        update = arm.mean_update_s
        rows.append(
            row(
                arm.arm.label,
                _UPKEEP[arm.upkeep],
                f"{_seconds(arm.ready_s)}",
                MISSING if update is None else _seconds(update),
                money(arm.update_usd.usd),
                share(arm.stale[0].value),
                share(arm.stale[1].value),
                MISSING if arm.forgotten is None else f"{arm.forgotten.lost:,} (+{arm.forgotten.gained:,})",
            )
        )
    return Table(
        caption="Until right again",
        columns=columns(
            ("option", ""),
            ("what it", "does"),
            ("ready", "after"),
            ("right again", "after"),
            ("that", "costs"),
            ("stale before", "the update"),
            ("stale after", "the update"),
            ("forgotten", "(learnt)"),
            left=(0, 1),
        ),
        rows=tuple(rows),
        notes=(
            "stale: of the changed and withdrawn items, those answered as edition one has it",
            "forgotten: unchanged items right before and wrong after; in brackets those wrong before and "
            "right after",
            f"costs: seconds on {drill.machine}; what people do is not counted",
        ),
    )


def _drawn(drill: Drill) -> Chart:
    """Right answers over the seconds after the change."""
    return drawn(
        "freshness",
        drawings.over_time(drill),
        f"{drill.metric} of every option from the change until it is up to date again.",
        "At the left edge the change falls in; an option is right again where its line rises. The table "
        "below has the intervals.",
    )


def _over_time(drill: Drill) -> Table:
    groups = [group for group in (Group.UNCHANGED, Group.CHANGED, Group.WITHDRAWN) if drill.items[group]]
    rows = [
        row(
            arm.arm.label,
            _right(arm.right(Moment.BEFORE)),
            _right(arm.right(Moment.STALE)),
            _right(arm.right(Moment.AFTER)),
            *(
                " to ".join(
                    percent(arm.right(moment, group).value) for moment in (Moment.STALE, Moment.AFTER)
                )
                for group in groups
            ),
        )
        for arm in drill.arms
    ]
    return Table(
        caption=f"{capital(drill.metric)} over time, with its 95 % interval",
        columns=columns(
            ("option", ""),
            ("before", "the change"),
            ("until", "the update"),
            ("after", "the update"),
            *((f"{group.value} items:", "until, after") for group in groups),
        ),
        rows=tuple(rows),
    )


def _notes(drill: Drill) -> list[str]:
    plans = counted(drill.looks, "locked plan has", "locked plans have")
    found = [
        f"Counted in a rate: calls on {drill.machine}, updates, and {money(drill.wrong_answer_usd)} for each "
        f"wrong answer, at {drill.queries_per_month:,} queries a month. One change is one such as this.",
        "An option answers as before until its update is done"
        + (
            f", a trained one {decimal(drill.retrain_wait_hours, 1)} hours longer, as the plan states."
            if drill.retrain_wait_hours
            else "; checks and a release take no time unless the plan states retrain_wait_hours."
        ),
        "What is indexed again keeps what it chose on dev of edition one.",
        f"{plans} tested these rows, this one included.",
    ]
    found += [
        f"{arm.arm.label} could not be trained again and stays as it was: {arm.failed}"
        for arm in drill.arms
        if arm.failed
    ]
    found += [
        f"{arm.arm.label}: timed on a busy machine ({arm.busy}); its seconds and dollars are too high."
        for arm in drill.arms
        if arm.busy
    ]
    for arm in drill.arms:
        seeds = len(arm.seeds)
        if seeds > 1 and arm.update_s:
            spread = f"{_seconds(min(arm.update_s))} to {_seconds(max(arm.update_s))}"
            found.append(f"{arm.arm.label}: means of {seeds} training seeds, right again after {spread}.")
    found += [
        f"{arm.arm.label}: {_difference(arm.forgotten.change)} right after minus before on unchanged items."
        for arm in drill.arms
        if arm.forgotten is not None and arm.forgotten.lost + arm.forgotten.gained
    ]
    return found


def _difference(estimate: Estimate) -> str:
    """A paired difference with its interval."""
    if estimate.low is None or estimate.high is None:
        return f"{points(estimate.value)} (n={estimate.n:,})"
    inside = f"{bare_points(estimate.low)} to {bare_points(estimate.high)}"
    return f"{points(estimate.value)} ({inside}, n={estimate.n:,})"


def _right(estimate: Estimate) -> str:
    return f"{percent(estimate.value)} {bounds(estimate)}".strip()


def _seconds(seconds: float) -> str:
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
