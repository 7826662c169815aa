"""The words of an advice, once for the terminal and for every report: a sentence or a cell for each record.

Every figure is a field of the record; nothing is computed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from advisor.advice import (
    Advice,
    AdviceReason,
    AdviceRecommendation,
    AdvisedAnswer,
    Choice,
    Confidence,
    CostBasis,
    Do,
    Dominant,
    DrilledChanges,
    Flip,
    Ground,
    OpenQuestion,
    OptionPrediction,
    PairAnswer,
    PaysBack,
    RunnerUp,
    Sureness,
    Today,
    ToSettle,
    Tries,
    WayCost,
    Why,
)
from advisor.case import answer_words, asks
from advisor.money.money import UNKNOWN, FigureRange, MoneyRange, Range
from advisor.numbers import figure
from advisor.options import Option, Way
from advisor.ways import FITS

HOW = "How to build it"
COST, DECIDES, SURE, CHANGES = "It costs", "Who decides", "How sure", "What would change it"
NEXT, TRIED, HANGS = "Runner-up", "The cheapest test", "Its cost hangs on"
CHANGE_TITLE = "One figure alone would change it"
NO_FLIP = "No single one of volume, change rate, examples and price would change it, within wide limits."
OPEN_TITLE = "Questions not answered that could change it"
OPEN_SHOWN = 6
RULED_OUT_TITLE = "Ruled out before any scoring"
ASSUMED_TITLE = "Ranges that stood in for answers"


class MoneyWords(Protocol):
    """An amount in US dollars as the reader is shown it; `exact` where it is one that was stated."""

    def __call__(self, usd: Decimal, *, exact: bool = False) -> str:
        """The amount in the reader's currency."""


def named(choice: Choice) -> str:
    """An option in everyday words, or today's way, within a sentence."""
    return "today's way" if isinstance(choice, Today) else choice.traits.name


def capital(text: str) -> str:
    """The text with a large first letter, unless it begins with the name of an arm or of a model."""
    return text if set("@/") & set(text.split(" ", 1)[0]) else text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """A clause as a sentence."""
    return f"{capital(text).rstrip('.')}."


def recommendation_rows(advice: Advice, money: MoneyWords) -> dict[str, str]:
    """What the recommendation costs, who decides, how sure it is and what would change it, by label."""
    done = advice.recommendation
    how = {HOW: sentence(ways_words(done.ways))} if done.ways and done.ways != (Way.KEEP,) else {}
    return how | {
        COST: cost_sentence(done, money),
        DECIDES: done.decider.value,
        SURE: capital(sure_words(advice.confidence)),
        CHANGES: sentence(change_sentence(done)),
        **_beside(done, money),
    }


def _beside(done: AdviceRecommendation, money: MoneyWords) -> dict[str, str]:
    """The runner-up, the cheapest test and what the cost hangs on, each where there is one."""
    rows = {}
    if done.runner_up is not None:
        rows[NEXT] = sentence(runner_up_sentence(done.runner_up))
    if done.tries is not None:
        rows[TRIED] = sentence(tries_sentence(done.tries, money))
    if done.dominant is not None:
        rows[HANGS] = sentence(dominant_sentence(done.dominant, money))
    return rows


def runner_up_sentence(found: RunnerUp) -> str:
    """What comes next, and what would put it first."""
    name = named(found.choice)
    if found.flip is not None:
        return f"{name}; it comes first {flip_where(found.flip)}"
    if found.right is not None:
        return (
            f"{name}; it comes first where it is measured to get {100 * found.right:.0f} % or more right "
            f"(on {found.items} items)"
        )
    return f"{name}; no single figure puts it first"


def tries_sentence(found: Tries, money: MoneyWords) -> str:
    """What a few tries cost, and where they lead."""
    leads = "; ".join(
        f"with {right} right {'nothing is left' if first is None else f'{named(first)} comes first'}"
        for right, first in found.leads_to
    )
    how = f"advisor probe --tries {found.items}" if found.by_program else "judged by hand"
    return f"{found.items} tries of a prompt ({how}), {span_words(found.usd, money)}: {leads}"


def dominant_sentence(found: Dominant, money: MoneyWords) -> str:
    """The assumed input that moves the cost most."""
    span = f"alone it moves the cost over the horizon from {money(found.usd_low)} to {money(found.usd_high)}"
    if found.low is None or found.high is None:
        return f"which hosted model is called (small to large list prices stand in): {span}"
    if found.field == "accuracy":
        share = f"{100 * found.low:.0f} to {100 * found.high:.0f} %"
        return f"how many of its answers are right ({share} expected): {span}, each wrong one at its price"
    asked = asks()[found.field].question.rstrip("?")
    return f'"{asked}?" ({figure(found.low)} to {figure(found.high)} {found.unit} assumed): {span}'


_WAYS_SHOWN = 3


def ways_words(ways: Sequence[Way]) -> str:
    """The ways that fit best, what the first needs, and whether a run tries it or something in its place."""
    first, *others = ways[:_WAYS_SHOWN]
    traits = first.traits
    tried = f"a run measures it as {traits.measured_as}"
    if traits.not_run:
        tried = f"a run measures {traits.measured_as} in its place ({traits.not_run})"
    rest = f". Or {'; or '.join(other.value for other in others)}" if others else ""
    return f"{first.value}: it needs {traits.needs}, and costs {traits.costs}; {tried}{rest}"


WAYS_TITLE = "Ways of today: to build, and a month, wrong answers left out"


def way_price_words(found: WayCost, money: MoneyWords) -> tuple[str, str]:
    """What a way costs once and by the month; the reason, in the place of both, where it is not priced."""
    if found.not_priced:
        return f"not priced: {found.not_priced}", ""
    left = f", without {found.left_out}" if found.left_out else ""
    return likely_words(found.usd_once, money), f"{likely_words(found.usd_per_month, money)}{left}"


def way_run_words(way: Way) -> str:
    """What a run measures of a way, and why not more."""
    traits = way.traits
    return traits.measured_as if not traits.not_run else f"{traits.measured_as} stands in: {traits.not_run}"


def share_words(found: OptionPrediction) -> str:
    """'91 % (82 to 96 %)', or 'unknown'."""
    likely = found.accuracy_likely
    return _shares(Range(low=found.accuracy_low, likely=likely, high=found.accuracy_high), UNKNOWN)


def seconds_words(found: OptionPrediction) -> str:
    """'0.3 to 4.2', or 'unknown'."""
    low, high = found.p95_ms.low, found.p95_ms.high
    if low is None or high is None:
        return UNKNOWN
    ends = (f"{ms / 1000:.2g}" if ms < 100_000 else f"{ms / 1000:.0f}" for ms in (low, high))
    return " to ".join(ends)


def months_words(found: OptionPrediction) -> str:
    """Until building it is paid back: '0.9 to 14.0 months', 'never', 'unknown'."""
    span, verdict = found.payback.months, found.payback.verdict
    if verdict is PaysBack.UNKNOWN:
        return UNKNOWN
    ends = ["never" if value is None else f"{value:.1f}" for value in (span.low, span.high)]
    if ends[0] == ends[1]:
        return ends[0] if ends[0] == "never" else f"{ends[0]} months"
    return f"{ends[0]} to {ends[1]}" + ("" if ends[1] == "never" else " months")


def today_words(advice: Advice, money: MoneyWords) -> str:
    """What is paid today for 1,000 queries, '' where nobody said."""
    today, whole = advice.incumbent_usd_per_1k, advice.incumbent_usd_per_1k_total
    if today is None:
        return ""
    right = None if advice.case.incumbent is None else advice.case.incumbent.accuracy
    place = "" if advice.today_place is None else f" (place {advice.today_place})"
    known = "" if right is None else f", {_percent(right)} right"
    in_all = "" if whole is None else f", {money(whole)} in all with its wrong answers"
    return f"today{place}, as stated: {money(today, exact=True)} for 1,000 queries{known}{in_all}"


def sharing_sentence(advice: Advice, money: MoneyWords) -> str:
    """How much a cheap option could take off today's way, '' where today's way is not stated."""
    shared = advice.sharing
    if shared is None:
        return ""
    return (
        f"Or share the work: {shared.option.traits.name} answers what it is sure of, and the rest stays "
        f"where it is. It would answer {_shares(shared.answered)} (assumed), "
        f"and the rest of 1,000 queries would cost {span_words(shared.usd_per_1k, money)}. How many are "
        "right then, only a run shows: it plans this as route@today."
    )


def order_sentence(advice: Advice) -> str:
    """Why the places are not those of the points alone, '' where they are."""
    ranked = sorted((one for one in advice.options if one.place is not None), key=lambda one: one.place or 0)
    points = [one.score for one in ranked]
    if points == sorted(points, reverse=True):
        return ""
    return (
        "The order is not that of the points alone: what does not pay back against today's way, prompting or "
        "a cheaper option of the same accuracy stands behind it, and what misses a limit comes last."
    )


def need_sentence(settle: ToSettle, money: MoneyWords) -> str:
    """What is still to be labelled for a measurement, and what that costs."""
    cost, left = span_words(settle.usd, money), settle.items_to_label
    if left is None:
        return f"If none is labelled yet, that costs {cost}."
    if left == 0:
        return f"The examples you have are enough for that; the calls cost {cost}."
    return f"{left:,} of them are still to be labelled: {cost} with the calls."


def unscored_sentence(advice: Advice) -> str:
    """What was left out of the scores."""
    return f"Not scored, as not known: {'; '.join(advice.unknown)}."


def headline(done: AdviceRecommendation) -> str:
    """What to do now, in one sentence."""
    names = [named(option) for option in done.options]
    match done.what:
        case Do.TRY:
            made = done.ways[0] if done.ways else None
            if made is not None and made in FITS:
                return f"try {names[0]}, built as {made.value}."
            return f"try {names[0]}."
        case Do.MEASURE:
            if done.tied:
                simpler = named(min(done.options, key=lambda option: option.simplicity))
                return (
                    f"take {simpler}, the simpler of two that are tied, or measure it against "
                    f"{next(name for name in names if name != simpler)}."
                )
            return f"measure {names[0]} and {names[1]}; what is known does not separate them."
        case Do.KEEP:
            return "keep today's way."
        case Do.CHANGE_THE_CASE:
            return "change the use case; as it stands no option keeps its limits."


def reason_sentence(reason: AdviceReason, money: MoneyWords) -> str:
    """A reason as a sentence without its full stop."""
    kind, one, other = reason.kind, reason.choice, reason.against
    mine = "" if one is None else named(one)
    theirs = "" if other is None else named(other)
    match kind:
        case Why.FACTOR:
            assert reason.contribution is not None
            return f"in favour of {mine}: {reason.contribution.reason}"
        case Why.RULED_OUT:
            assert reason.veto is not None
            return f"{theirs} is ruled out: {reason.veto.reason}"
        case Why.CLOSE_CALL:
            return f"by the description {mine} is only {reason.points} points ahead of {theirs}"
        case Why.CHEAPER | Why.PAYS_BACK | Why.NOTHING_PAYS_BACK:
            return _money_sentence(reason, mine, theirs, money)
        case Why.BREAK_EVEN:
            assert reason.usd is not None and reason.months is not None
            most = ""
            if reason.against_usd is not None:
                most = f" (at most {money(reason.against_usd)} is assumed)"
            return (
                f"what an item costs today is not stated{most}; {mine} pays within {figure(reason.months)} "
                f"months where that is more than about {money(reason.usd)}"
            )
        case Why.TOO_SLOW:
            assert reason.ms is not None and reason.ms.low is not None and reason.wanted_ms is not None
            return (
                f"{theirs} takes {reason.ms.low:,.0f} ms or more (p95); {reason.wanted_ms:,.0f} ms is wanted"
            )
        case Why.COST:
            months = "" if reason.months is None else f" over {figure(reason.months)} months"
            usd = "an unknown sum" if reason.usd is None else f"about {money(reason.usd)}"
            return f"{mine} is expected to cost {usd}{months}, everything counted"
        case Why.SPEED:
            ms = None if reason.ms is None else reason.ms.low
            took = "at an unknown speed" if ms is None else f"in {ms:,.0f} ms at the fastest (p95)"
            return f"{mine} is expected to answer {took}"
        case _:
            return _accuracy_sentence(reason, mine, theirs)


def _accuracy_sentence(reason: AdviceReason, mine: str, theirs: str) -> str:
    assert reason.accuracy is not None
    measured = "" if reason.items is None else f", measured on {reason.items:,} items"
    right = f"{_shares(reason.accuracy)} of the answers right{measured}"
    floor = "" if reason.floor is None else f"{100 * reason.floor:.0f} %"
    match reason.kind:
        case Why.MEASURED:
            kept = "" if not floor else f"; {floor} is wanted"
            return f"{mine} gets {right}{kept}"
        case Why.KEEPS_FLOOR:
            return f"{mine} keeps the {floor} wanted: {right}"
        case Why.OPEN_FLOOR:
            return f"{mine} may keep the {floor} wanted: {right}"
        case Why.BELOW_FLOOR:
            return f"{theirs} does not reach the {floor} wanted: {right}"
        case Why.BELOW_TODAY:
            return f"{theirs} does not reach today's {floor}: {right}"
        case _:
            return f"{mine} is expected to get {right}"


def _money_sentence(reason: AdviceReason, mine: str, theirs: str, money: MoneyWords) -> str:
    assert reason.usd is not None and reason.against_usd is not None and reason.months is not None
    ours, others = money(reason.usd), money(reason.against_usd)
    over = f"over {figure(reason.months)} months"
    wrong = ", wrong answers left out"
    if reason.wrong_usd is not None:
        price = money(reason.wrong_usd, exact=not reason.wrong_assumed)
        wrong = f", with each wrong answer counted at {price}"
        wrong += " (assumed: the price of one more checked example)" if reason.wrong_assumed else ""
    match reason.kind:
        case Why.PAYS_BACK:
            return f"it pays back: {mine} costs about {ours} {over}, {theirs} {others}{wrong}"
        case Why.NOTHING_PAYS_BACK:
            return (
                f"nothing pays back {over}: {mine} costs {ours}, the cheapest option, {theirs}, "
                f"about {others}{wrong}"
            )
        case _:
            return f"{mine} costs about {ours} {over}, {theirs} about {others}{wrong}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def _shares(span: FigureRange, unknown: str = "an unknown share") -> str:
    if span.low is None or span.high is None:
        return unknown
    whole = f"{100 * span.low:.0f} to {100 * span.high:.0f} %"
    return whole if span.likely is None else f"{100 * span.likely:.0f} % ({whole})"


def cost_sentence(done: AdviceRecommendation, money: MoneyWords) -> str:
    """What the recommendation costs, and which sum that is."""
    cost = done.cost
    if done.what is Do.CHANGE_THE_CASE:
        return "none, as nothing is recommended"
    if cost is None:
        return "not known; the volume or what an item costs today is not stated"
    match cost.basis:
        case CostBasis.MEASURING:
            return f"{span_words(cost.usd_once, money)} once for labels and calls"
        case CostBasis.AS_STATED:
            assert cost.usd_per_month is not None
            return f"nothing to build; {span_words(cost.usd_per_month, money)} a month, as stated"
        case CostBasis.ALL_IN:
            assert cost.usd_per_month is not None
            counted = "with wrong answers" if cost.wrong_answers_counted else "wrong answers left out"
            return (
                f"{likely_words(cost.usd_once, money)} to build, then "
                f"{likely_words(cost.usd_per_month, money)} a month, all in and {counted}"
                f"{'' if cost.drilled is None else f'; of it {drilled_words(cost.drilled, money)}'}"
            )


def drilled_words(found: DrilledChanges, money: MoneyWords) -> str:
    """What keeping up with change costs by a drill."""
    stale = f"{found.stale:,.1f} wrong answers until they are done, " if found.stale else ""
    return f"{money(found.usd)} a month for updates, {stale}{found.source}, not assumed"


def span_words(span: MoneyRange, money: MoneyWords, unknown: str = "an unknown sum") -> str:
    """'$2.10 to $4.19' or 'EUR 2.10 to 4.19', one figure where both are the same."""
    if span.low is None or span.high is None:
        return unknown
    low, high = money(span.low), money(span.high)
    code = low[:4] if low[:1].isalpha() else ""
    return low if low == high else f"{low} to {high.removeprefix(code)}"


def likely_words(span: MoneyRange, money: MoneyWords) -> str:
    """'about $40.00 ($10.00 to $90.00)': the likely sum and its span; the span alone where none is likely."""
    whole = span_words(span, money)
    if span.likely is None or span.low == span.high:
        return whole
    return f"about {money(span.likely)} ({whole})"


def change_sentence(done: AdviceRecommendation) -> str:
    """The nearest thing that would change what comes first."""
    if done.flip is not None:
        return flip_sentence(done.flip)
    if done.question is not None:
        return f'the answer to "{done.question.question}"'
    if done.what is Do.CHANGE_THE_CASE:
        relaxed = "; ".join(f"{what} ({field}) would leave {named(one)}" for field, what, one in done.relax)
        return relaxed or "no single limit: several would have to be relaxed, see the reasons below"
    return "no single figure, within wide limits"


def moved_sentence(before: Advice, now: Advice) -> str:
    """What the answers that changed between two advices moved; '' where none did."""
    questions, old, new = asks(), before.case, now.case
    fields = [field.name for field in dataclasses.fields(old)]
    changed = [name for name in fields if getattr(old, name) != getattr(new, name) and name != "name"]
    if not changed:
        return ""
    said = []
    for name in changed:
        asked = questions[name].question.rstrip("?") if name in questions else name.replace("_", " ")
        said.append(f"{asked}: {answer_words(getattr(old, name))}, now {answer_words(getattr(new, name))}")
    first, then = headline(before.recommendation), headline(now.recommendation)
    shares = [f"{100 * one.confidence.share:.0f} %" for one in (before, now)]
    if first != then:
        moved = f"Before: {first}"
    elif shares[0] != shares[1]:
        moved = f"The advice stays; how sure it is went from {shares[0]} to {shares[1]}."
    else:
        moved = "The advice stays, and so does how sure it is."
    return f"{'; '.join(said)}. {moved}"


_SIDES = {AdvisedAnswer.RETRIEVE: "RAG", AdvisedAnswer.TUNE: "fine-tuning"}
_OF_SIDE = {AdvisedAnswer.RETRIEVE: (Option.RETRIEVE,), AdvisedAnswer.TUNE: (Option.TUNE, Option.ENCODER)}


def pair_sentence(pair: PairAnswer, done: AdviceRecommendation) -> str:
    """The answer to 'RAG or fine-tuning?' beside the recommendation, with its reasons."""
    match pair.answer:
        case AdvisedAnswer.RETRIEVE | AdvisedAnswer.TUNE:
            sentence = _of_two(pair, done)
        case AdvisedAnswer.TIED:
            cheaper = "neither is known to be cheaper"
            if pair.cheaper is not None:
                cheaper = f"{_SIDES[AdvisedAnswer(pair.cheaper.value)]} is cheaper"
            sentence = f"tied: neither is likely to be right more often, and {cheaper}"
        case AdvisedAnswer.MEASURE:
            sentence = "only a measurement can tell; the description does not separate them"
        case AdvisedAnswer.NEITHER:
            sentence = "neither; both are ruled out"
    both = pair.combine and pair.answer is not AdvisedAnswer.NEITHER and done.what is not Do.CHANGE_THE_CASE
    return f"{sentence}.{' Fine-tuning on top of RAG may beat both.' if both else ''}"


def _of_two(pair: PairAnswer, done: AdviceRecommendation) -> str:
    side = _SIDES[pair.answer]
    why = "; ".join(part.reason for part in pair.because)
    if pair.vetoes:
        other = _SIDES[
            AdvisedAnswer.TUNE if pair.answer is AdvisedAnswer.RETRIEVE else AdvisedAnswer.RETRIEVE
        ]
        why = f"{other} is ruled out: {pair.vetoes[0].reason}"
        if done.what is Do.CHANGE_THE_CASE:
            return f"neither keeps the limits as they stand; {why}"
    first = done.options[0].value if len(done.options) == 1 else None
    if first == pair.answer.value or done.what is Do.MEASURE:
        return f"{side}; {why}"
    if first in (AdvisedAnswer.RETRIEVE.value, AdvisedAnswer.TUNE.value):
        return f"for quality alone, {side}; {why}. Cost or a limit puts {_SIDES[AdvisedAnswer(first)]} first"
    return f"if you need one of them, {side}; {why}"


def sure_words(sure: Confidence) -> str:
    """'leaning, about 60 %', or 'cannot say'."""
    return sure.certainty.value + (f", about {100 * sure.share:.0f} %" if sure.share else "")


def confidence_sentence(sure: Confidence) -> str:
    """What the confidence rests on."""
    match sure.ground:
        case Ground.DESCRIPTION:
            return (
                f"{sure.cases_held} of {sure.cases} published cases with such a lead held; that is "
                "in-sample, so the chance is set lower"
            )
        case Ground.MONEY:
            return f"decided by cost; {sure.scenarios_held} of {sure.scenarios} cost scenarios agree"
        case Ground.MEASUREMENT:
            if sure.certainty is Sureness.CLEAR:
                return "decided by what was measured"
            return "decided by what was measured, on too few items to show that the floor is kept"
        case Ground.LIMITS:
            return "decided by limits that the others are not expected to keep"
        case Ground.ONLY_OPTION:
            return "the only option that is not ruled out"
        case Ground.NOTHING_LEFT:
            return "no option is left that keeps its limits"


def settle_sentence(settle: ToSettle) -> str:
    """How many items tell two options apart."""
    one, other = settle.options
    return (
        f"{settle.items:,} evaluation items tell {named(one)} from {named(other)} if they differ "
        f"by {100 * settle.difference:.0f} points or more "
        f"(80 % power, {100 * settle.discordance:.0f} % discordance)"
    )


_UNITS = {
    "queries_per_month": "queries a month",
    "knowledge_changes_per_month": "changes of the facts a month",
    "examples": "examples",
    "api_price": "times today's price of the hosted model",
}


def flip_sentence(flip: Flip) -> str:
    """Where one figure alone changes the advice; with what it is today."""
    stays = "stays" if flip.stays_first else "comes"
    leads = "nothing is left" if flip.to_option is None else f"{named(flip.to_option)} {stays} first"
    if flip.stays_first:
        leads += f"; RAG or fine-tuning: {_SIDES.get(flip.to_answer, flip.to_answer.value)}"
    return f"{flip_where(flip)}: {leads}"


def flip_where(flip: Flip) -> str:
    """'above about 1,200 queries a month (now 900)'."""
    if flip.field == "examples" and flip.at <= 1:
        return "with any examples at all (now none)"
    side = "above" if flip.above else "below"
    now = ""
    if flip.field != "api_price":
        now = f" (now {figure(flip.now)}{', assumed' if flip.assumed else ''})"
    return f"{side} about {_apart(flip.at, flip.now)} {_UNITS[flip.field]}{now}"


def leads_sentence(question: OpenQuestion, now: AdvisedAnswer) -> str:
    """What comes first by each answer to an open question; RAG or fine-tuning, where that changes.

    Args:
        now: which of the two the advice says without an answer.
    """
    outcomes: dict[str, list[str]] = {}
    for word, option, answer in question.leads_to:
        side = _SIDES.get(answer, answer.value)
        told = answer is now or option in _OF_SIDE.get(answer, ())
        leads = "nothing left" if option is None else named(option)
        outcomes.setdefault(leads if told else f"{leads} (RAG or fine-tuning: {side})", []).append(word)
    return "; ".join(f"{' or '.join(words)}: {leads}" for leads, words in outcomes.items())


def _apart(value: float, now: float) -> str:
    """A rounded figure that does not read as today's value."""
    for digits in (2, 3, 4):
        places = digits - 1 - math.floor(math.log10(value))
        shown = f"{round(value, places):,.{max(0, places)}f}"
        if float(shown.replace(",", "")) != now:
            break
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
