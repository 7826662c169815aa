"""A forecast's records in words: payback, what ends the answer, what the plan does not state. Pure."""

from __future__ import annotations

from advisor.money.words import crossing_words, payback_words
from advisor.sentences import capital
from harness.money.records import (
    ArmForecast,
    CostForecast,
    Limit,
    PlanKey,
    PriceEffect,
    ServingCost,
    Unstated,
)
from harness.report.context import ReportContext
from harness.report.document import outside

_UNSTATED = {
    PlanKey.DAY_RATE: "An engineer's day rate is not stated, so people's time is unknown",
    PlanKey.EXAMPLE: "What one more labelled example costs is not stated",
    PlanKey.LABEL_CHANGES: "How often labels change is not stated, so the cost of changes is unknown",
    PlanKey.KNOWLEDGE_CHANGES: "How often knowledge changes is not stated",
    PlanKey.WRONG_ANSWER: "A wrong answer has no price, so wrong answers are counted and not paid",
    PlanKey.INCUMBENT: "What is done today is not stated, so nothing is saved or paid back",
    PlanKey.ITEM_TODAY: "What an item costs today is not stated",
    PlanKey.ACCURACY_TODAY: "Today's accuracy is not stated",
}
_RATES = {"label_changes_per_month": "label changes", "knowledge_changes_per_month": "changes of knowledge"}


def payback_sentence(found: ArmForecast, outlook: CostForecast) -> str:
    """Whether building an arm is earned back against today, and when."""
    if outlook.incumbent is None:
        return "Not known: what is done today is not stated."
    saving = found.saving_usd_per_month
    said = payback_words(found.paid_back, found.payback_months, outlook.business.horizon_months)
    if saving.usd is None:
        said = f"not known: {saving.reason}"
    note = ""
    if outlook.business.wrong_answer_usd is not None and outlook.incumbent.accuracy is None:
        note = " Wrong answers are left out on both sides: how accurate today's way is, is not stated."
    return f"{capital(said)}.{note}"


def serving_sentence(found: ServingCost) -> str:
    """How an arm on machines of one's own is charged, and why."""
    if found.charged == "whole machines":
        said = "Charged by whole machines: a language model holds its machine day and night, busy or idle."
        return f"{said} How many it takes is from a load test." if found.under_load else said
    return "Charged by the seconds it keeps a shared machine busy: it needs no machine of its own."


def unstated_sentence(found: Unstated, outlook: CostForecast) -> str:
    """What the plan lacks, with the key that supplies it."""
    match found.key:
        case PlanKey.BUSINESS:
            return (
                "The plan has no business part: people's time, changes and today's cost are not known, and "
                "with them a month's total and the payback. `harness plan` writes that part from a use case."
            )
        case PlanKey.HORIZON:
            months = f"{outlook.business.horizon_months:g}"
            said = f"Over how many months it must pay is taken as {months}"
        case PlanKey.PEOPLE:
            names = ", ".join(option.traits.name for option in found.options)
            said = f"People's time is not stated for {names}"
        case _:
            said = _UNSTATED[found.key]
    return f"{said}: {found.key.value}."


def limit_sentence(c: ReportContext, limit: Limit) -> str:
    """What ends the validity of the answer, and to what it would change it."""
    ours, other = ("it" if arm is None else c.name(arm) for arm in (limit.arm, limit.other))
    model = outside(limit.model)
    match limit.what:
        case "price change":
            then, now = c.money(limit.then_usd), c.money(limit.now_usd)
            return f"{model} then costs {then} per 1,000 queries instead of {now}{_effect(c, limit)}."
        case "model retirement":
            what = "has to be replaced" if limit.was_run else "is no choice any more"
            when = "" if limit.on is not None else " on a day that is not known"
            return f"{model} is switched off by its provider{when}; it then {what}."
        case "change rate":
            words = _RATES[limit.changes or "label_changes_per_month"]
            where = f"From {limit.at:.3g} {words} a month on"
            return f"{where} {other} is the cheaper acceptable option, not {ours}."
        case "volume":
            return _volume_sentence(c, limit, ours, other)


def _volume_sentence(c: ReportContext, limit: Limit, ours: str, other: str) -> str:
    if limit.side == "here":
        mine, theirs = map(c.money, limit.months_usd or (None, None))
        return (
            f"Already at {limit.at:,.0f} queries a month {other} costs less than {ours}, people and building "
            f"included: {theirs} a month against {mine}. The verdict goes by what a right answer costs in "
            "calls and busy machine time."
        )
    where = f"From {limit.at:,.0f} queries a month on"
    if limit.side == "below":
        where = f"At {limit.at:,.0f} queries a month or fewer"
    return f"{where} {other} is the cheaper acceptable option, not {ours}."


def _effect(c: ReportContext, limit: Limit) -> str:
    """What the next price changes about the answer, '' where that is not known."""
    effect = limit.effect or PriceEffect()
    if not effect.acceptable:
        return "; it is no acceptable option"
    if effect.cheapest is not None:
        before, after = effect.cheapest
        word = "stays" if before == after else "becomes"
        return f"; {c.name(after)} {word} the cheapest acceptable option"
    if effect.crossings is None or limit.arm is None:
        return ""
    now, later = effect.crossings
    if now == later:
        return f"; {c.name(limit.arm)} against it stays as it is ({crossing_words(now)})"
    return f"; {c.name(limit.arm)} against it: {crossing_words(later)} instead of {crossing_words(now)}"
