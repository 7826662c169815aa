"""From a use case to advice: (case, rubric, market, bands) in, one frozen record out. Pure.

The order of work: vetoes, scores, the gates of money, measured accuracy and limits (`judge`), predictions,
the one recommendation with its three reasons, the answer to the pair, what would settle or change it.
Metadata alone predicts weakly, so a close call says "measure" and what that takes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from advisor.advice import (
    Advice,
    AdviceDecider,
    AdviceReason,
    AdviceRecommendation,
    AdvisedAnswer,
    Assumption,
    Choice,
    Confidence,
    Contribution,
    CostBasis,
    Do,
    Dominant,
    Flip,
    Ground,
    OpenQuestion,
    OptionAdvice,
    OptionPrediction,
    PairAnswer,
    RecommendedCost,
    Sharing,
    Sureness,
    Today,
    ToSettle,
    WayCost,
    Why,
    plain,
)
from advisor.assumed import Assumptions, assumed_in, resolve, today_range
from advisor.case import AnswerKind, UseCase, asks_for_labels, facts_needed, must_self_host
from advisor.economics import Market
from advisor.flips import find_dominant, find_flips, find_open_questions, find_runner_up, find_tries
from advisor.judge import BrokenLimit, Judge, Standing, chance, kept
from advisor.money.inputs import plus, times
from advisor.money.money import MoneyRange, Range, Scenario, spanning, total
from advisor.money.workload import today_line
from advisor.options import Option, Way
from advisor.predict import (
    drilled_changes,
    incumbent_tco,
    incumbent_total_per_1k,
    incumbent_usd_per_1k,
    predict,
    stand_ins,
)
from advisor.reasons import three_reasons
from advisor.rubric.rubric import Bands, Rubric
from advisor.rubric.scoring import OptionScores, band_of, between, combines, contributions, leads
from advisor.ways import fitting, way_cost

EVALUATION_SHARE = 0.3
"""Of the examples at hand, what is set aside for evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What advice rests on, loaded once."""

    rubric: Rubric
    market: Market
    bands: Bands


def recommend(case: UseCase, basis: Basis, *, look_around: bool = True) -> Advice:
    """Advise on a use case.

    Args:
        look_around: also look for what would change the answer (most of the time it takes).

    Raises:
        CostError: if a machine named has no known price, or the currency no rate.
    """
    judge = Judge(rubric=basis.rubric, market=basis.market, bands=basis.bands)
    standing = judge.standing(case, judge.costs(case))
    scores = standing.scores
    likely = resolve(case, basis.market.assumptions, Scenario.LIKELY)
    options = _options(case, standing, basis)
    pair = _pair(standing, basis.rubric, options)
    what, tried, tied = _what(case, standing, basis.rubric)
    look_around = look_around and what is not Do.CHANGE_THE_CASE
    flips = find_flips(case, judge, standing.outcome) if look_around else ()
    questions = find_open_questions(case, judge, standing) if look_around else ()
    settle = _to_settle(case, basis, pair, tried)
    relax = tuple(_relaxing(case, judge)) if what is Do.CHANGE_THE_CASE else ()
    return Advice(
        case=case,
        case_sha256=case_digest(case),
        recommendation=AdviceRecommendation(
            what=what,
            options=tried,
            tied=tied,
            ways=fitting(case, tried[0]) if tried else (Way.KEEP,) if what is Do.KEEP else (),
            reasons=three_reasons(case, standing, what, tried, likely.horizon_months),
            cost=_cost(case, basis, (what, tried), options, settle),
            decider=_decider(case, what),
            flip=_nearest_flip(flips),
            question=next((q for q in questions if _changes_first(q, standing.first)), None),
            runner_up=find_runner_up(case, judge, standing, flips) if look_around else None,
            tries=find_tries(case, judge, standing) if look_around else None,
            dominant=_dominant(case, basis, options, tried) if what is Do.TRY and look_around else None,
            relax=relax,
        ),
        pair=pair,
        options=options,
        today_place=_place(standing, Today.KEEP),
        confidence=_confidence(case, judge, standing),
        settle=settle,
        flips=flips,
        open_questions=questions,
        assumptions=_assumptions(case, basis.market.assumptions, today=standing.today_assumed),
        unknown=scores.unknown,
        notes=(*_notes(case), *stand_ins(case, basis.market)),
        cannot_say=_cannot_say(what, relax, scores),
        incumbent_usd_per_1k=incumbent_usd_per_1k(case),
        incumbent_usd_per_1k_total=incumbent_total_per_1k(case),
        sharing=_sharing(case, basis, options),
        ways=_ways(case, basis, options),
        currency=case.currency,
        rate=case.usd_rate,
        prices=() if must_self_host(case) else _price_lines(basis.market),
        rubric_version=basis.rubric.version,
        rubric_sha256=basis.rubric.sha256,
    )


def _dominant(
    case: UseCase, basis: Basis, options: tuple[OptionAdvice, ...], tried: tuple[Option, ...]
) -> Dominant | None:
    found = next(one.prediction for one in options if one.option is tried[0])
    assert found is not None
    right = Range(low=found.accuracy_low, likely=found.accuracy_likely, high=found.accuracy_high)
    return find_dominant(case, tried[0], basis.market, right if found.wrong_answers_counted else None)


def _ways(case: UseCase, basis: Basis, options: tuple[OptionAdvice, ...]) -> tuple[WayCost, ...]:
    """Every way priced; those that fit come first, in the order of their options."""
    ranked = [one.option for one in options if one.place is not None]
    fit = [way for option in ranked for way in fitting(case, option)]
    rest = [way for way in Way if way not in fit]
    return tuple(way_cost(case, way, basis.market) for way in (*fit, *rest))


def _sharing(case: UseCase, basis: Basis, options: tuple[OptionAdvice, ...]) -> Sharing | None:
    """A linear classifier before today's way: how much it would leave to that, and what the rest costs."""
    today = incumbent_usd_per_1k(case)
    allowed = any(one.option is Option.LINEAR and one.place is not None for one in options)
    if today is None or case.incumbent is None or case.incumbent.accuracy is None:
        return None
    if not allowed or not asks_for_labels(case):
        return None
    part = basis.market.assumptions.part
    most, likely, least = (part("route_own_share", end) for end in Scenario)
    left = {
        share: today_line("the rest", 1000 * (1 - Decimal(str(share))), today / 1000).amount_usd
        for share in (most, likely, least)
    }
    return Sharing(
        option=Option.LINEAR,
        answered=Range(low=least, likely=likely, high=most),
        usd_per_1k=spanning(left.values(), left[likely]),
    )


def _what(case: UseCase, standing: Standing, rubric: Rubric) -> tuple[Do, tuple[Option, ...], bool]:
    """What to do, with which options, and whether these are tied: two are measured where the description is
    close and neither the expected accuracy nor money puts one first.
    """
    first = standing.first
    if first is None or not _possible(case, standing):
        return Do.CHANGE_THE_CASE, (), False
    if not isinstance(first, Option):
        return Do.KEEP, (), False
    close = Decimal(str(rubric.decision.close))
    second = next((o for o in standing.scores.ranked if o is not first), None)
    if second is None or _ground(standing, close) is not Ground.DESCRIPTION or not _free(standing, second):
        return Do.TRY, (first,), False
    if standing.scores.totals[first] - standing.scores.totals[second] >= close:
        return Do.TRY, (first,), False
    answer = between(standing.scores, rubric, first, second, chance(standing.contenders, first, second))
    if answer is first:
        return Do.TRY, (first,), False
    return Do.MEASURE, (first, second), answer is AdvisedAnswer.TIED


def _possible(case: UseCase, standing: Standing) -> bool:
    """Whether first place can be what is wanted. A floor above the published range may still be reached, and
    a measurement shows it; that every answer is right none can show, and no fastest answer gets faster.
    """
    if standing.first is None:
        return False
    broken = standing.contenders[standing.first].broken
    return BrokenLimit.LATENCY not in broken and not (broken and case.quality_floor == 1)


def _free(standing: Standing, option: Option) -> bool:
    """Whether nothing keeps an option from first place but its score."""
    return option not in standing.barred and not standing.contenders[option].broken


def _ground(standing: Standing, close: Decimal) -> Ground:
    """What decided first place; `close` is the lead below which the description decides nothing."""
    first, ranked = standing.first, standing.scores.ranked
    if not ranked:
        return Ground.NOTHING_LEFT
    if not isinstance(first, Option):
        free = [o for o in ranked if not standing.contenders[o].broken]
        return Ground.MONEY if free else Ground.LIMITS
    mine = standing.contenders[first]
    over = [o for o in ranked if standing.scores.totals[o] > standing.scores.totals[first]]
    barred = [standing.barred[o] for o in over if o in standing.barred]
    if mine.items is not None and mine.low is not None and (not over or first in barred):
        return Ground.MEASUREMENT
    if barred:
        return Ground.MONEY
    if over:
        return Ground.LIMITS
    if len(ranked) == 1:
        return Ground.ONLY_OPTION
    second = ranked[1]
    if standing.scores.totals[first] - standing.scores.totals[second] >= close or _free(standing, second):
        return Ground.DESCRIPTION
    return Ground.MONEY if second in standing.barred else Ground.LIMITS


def _cost(
    case: UseCase,
    basis: Basis,
    done: tuple[Do, tuple[Option, ...]],
    options: tuple[OptionAdvice, ...],
    settle: ToSettle | None,
) -> RecommendedCost | None:
    what, tried = done
    nothing: MoneyRange = Range(low=Decimal(0), likely=Decimal(0), high=Decimal(0))
    match what:
        case Do.TRY:
            found = next(o.prediction for o in options if o.option is tried[0])
            assert found is not None
            return RecommendedCost(
                basis=CostBasis.ALL_IN,
                usd_once=found.usd_one_off,
                usd_per_month=found.usd_per_month,
                wrong_answers_counted=found.wrong_answers_counted,
                drilled=drilled_changes(case, tried[0], basis.market),
            )
        case Do.MEASURE:
            assert settle is not None
            return RecommendedCost(
                basis=CostBasis.MEASURING,
                usd_once=settle.usd,
                usd_per_month=None,
                wrong_answers_counted=False,
            )
        case Do.KEEP:
            inputs = resolve(case, basis.market.assumptions, Scenario.LIKELY)
            total = incumbent_tco(case, inputs, counted=False) if case.queries_per_month else None
            if total is None or total.monthly_usd is None:
                return None
            month: MoneyRange = Range(low=total.monthly_usd, likely=total.monthly_usd, high=total.monthly_usd)
            return RecommendedCost(
                basis=CostBasis.AS_STATED, usd_once=nothing, usd_per_month=month, wrong_answers_counted=False
            )
        case Do.CHANGE_THE_CASE:
            return None


def _decider(case: UseCase, what: Do) -> AdviceDecider:
    if what is Do.MEASURE:
        return AdviceDecider.BUDGET_HOLDER
    if what is Do.TRY and case.pii:
        return AdviceDecider.DATA_PROTECTION
    return AdviceDecider.WORK_OWNER


def _nearest_flip(flips: tuple[Flip, ...]) -> Flip | None:
    """The flip of first place that takes the smallest factor of change."""
    moving = [flip for flip in flips if not flip.stays_first]
    return min(moving, key=lambda f: abs(math.log(f.at / f.now)) if f.now > 0 else math.inf, default=None)


def _changes_first(question: OpenQuestion, first: Choice | None) -> bool:
    return any(choice is not first for _, choice, _ in question.leads_to)


def _place(standing: Standing, choice: Choice) -> int | None:
    return standing.order.index(choice) + 1 if choice in standing.order else None


def case_digest(case: UseCase) -> str:
    """Sha256 (hex) of the canonical JSON of what is answered."""
    answered = {field: value for field, value in plain(case).items() if value is not None}
    text = json.dumps(answered, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _options(case: UseCase, standing: Standing, basis: Basis) -> tuple[OptionAdvice, ...]:
    found = []
    scores = standing.scores
    ranked = [choice for choice in standing.order if isinstance(choice, Option)]
    for option in (*ranked, *(o for o in scores.totals if scores.vetoes[o])):
        stands = not scores.vetoes[option]
        prediction = predict(case, option, basis.market, basis.bands) if stands else None
        found.append(
            OptionAdvice(
                option=option,
                place=_place(standing, option),
                score=scores.totals[option],
                contributions=contributions(scores, option),
                vetoes=scores.vetoes[option],
                prediction=prediction,
                warnings=() if prediction is None else tuple(_warnings(case, prediction)),
            )
        )
    return tuple(found)


def _warnings(case: UseCase, found: OptionPrediction) -> Iterator[AdviceReason]:
    """What an option is not expected to keep, or to do as well as today's way."""
    best, fastest = found.accuracy_high, found.p95_ms.low
    accuracy = Range(low=found.accuracy_low, likely=None, high=best)
    today = None if case.incumbent is None else case.incumbent.accuracy
    marks = ((Why.BELOW_FLOOR, case.quality_floor), (Why.BELOW_TODAY, today))
    for kind, mark in marks:
        if best is not None and mark is not None and best < mark:
            yield AdviceReason(kind=kind, against=found.option, accuracy=accuracy, floor=mark)
    if fastest is not None and case.p95_ms is not None and fastest > case.p95_ms:
        yield AdviceReason(kind=Why.TOO_SLOW, against=found.option, ms=found.p95_ms, wanted_ms=case.p95_ms)


def _pair(standing: Standing, rubric: Rubric, options: tuple[OptionAdvice, ...]) -> PairAnswer:
    scores, answer = standing.scores, standing.answer
    retrieve, tune = scores.vetoes[Option.RETRIEVE], scores.vetoes[Option.TUNE]
    both = not retrieve and not tune
    because: tuple[Contribution, ...] = ()
    if both and answer is AdvisedAnswer.RETRIEVE:
        because = leads(scores, Option.RETRIEVE, Option.TUNE)[:2]
    elif both and answer is AdvisedAnswer.TUNE:
        because = leads(scores, Option.TUNE, Option.RETRIEVE)[:2]
    return PairAnswer(
        answer=answer,
        gap=scores.totals[Option.RETRIEVE] - scores.totals[Option.TUNE] if both else None,
        cheaper=_cheaper(options) if both else None,
        combine=combines(scores, rubric),
        because=because,
        vetoes=(*retrieve[:1], *tune[:1]),
    )


def _cheaper(options: tuple[OptionAdvice, ...]) -> Option | None:
    cost = {
        o.option: o.prediction.usd_per_1k_total.likely
        for o in options
        if o.prediction is not None and o.option in (Option.RETRIEVE, Option.TUNE)
    }
    one, other = cost.get(Option.RETRIEVE), cost.get(Option.TUNE)
    if one is None or other is None or one == other:
        return None
    return Option.RETRIEVE if one < other else Option.TUNE


_BY_MONEY = {3: Sureness.LIKELY, 2: Sureness.LEANING, 1: Sureness.CLOSE}
"""How sure, by how many of the cheap, likely and dear costs lead to the same first place."""


def _confidence(case: UseCase, judge: Judge, standing: Standing) -> Confidence:
    close = Decimal(str(judge.rubric.decision.close))
    ground, ranked = _ground(standing, close), standing.scores.ranked
    if not _possible(case, standing):
        ground = Ground.NOTHING_LEFT
    shares = {Sureness(band.words): band.share for band in judge.rubric.confidence}
    certainty, gap, held = Sureness.NONE, None, None
    match ground:
        case Ground.NOTHING_LEFT:
            return Confidence(certainty=certainty, share=0.0, gap=None, ground=ground)
        case Ground.MONEY:
            ends = (Scenario.CHEAP, Scenario.DEAR)
            firsts = [judge.standing(case, judge.costs(case, s), s).first for s in ends]
            held = 1 + sum(first is standing.first for first in firsts)
            certainty = _BY_MONEY[held]
        case Ground.MEASUREMENT:
            assert standing.first is not None
            shown = kept(standing.contenders[standing.first], case)
            certainty = Sureness.CLEAR if shown else Sureness.LEANING
        case Ground.ONLY_OPTION:
            certainty = Sureness.CLEAR
        case Ground.LIMITS:
            certainty = Sureness.LEANING
        case Ground.DESCRIPTION:
            gap = standing.scores.totals[ranked[0]] - standing.scores.totals[ranked[1]]
            band = band_of(gap, judge.rubric)
            return Confidence(
                certainty=Sureness(band.words),
                share=band.share,
                gap=gap,
                ground=ground,
                cases_held=band.held,
                cases=band.cases,
            )
    return Confidence(
        certainty=certainty,
        share=shares[certainty],
        gap=gap,
        ground=ground,
        scenarios_held=held,
        scenarios=None if held is None else len(Scenario),
    )


def _to_settle(case: UseCase, basis: Basis, pair: PairAnswer, tried: tuple[Option, ...]) -> ToSettle | None:
    """Evaluation items for the closest call: the two to be measured, else the pair if it is open."""
    rules = basis.rubric.measure
    if len(tried) > 1:
        two = (tried[0], tried[1])
    elif pair.answer in (AdvisedAnswer.MEASURE, AdvisedAnswer.TIED):
        two = (Option.RETRIEVE, Option.TUNE)
    else:
        return None
    from advisor.stats.power import items_needed

    items = items_needed(rules.difference, rules.discordance) or 0
    spare = None if case.examples is None else int(case.examples * EVALUATION_SHARE)
    to_label = None if spare is None else max(0, items - spare)
    usd = _settling_cost(case, two, to_label if to_label is not None else items, items, basis)
    return ToSettle(
        options=two,
        items=items,
        difference=rules.difference,
        discordance=rules.discordance,
        items_to_label=to_label,
        usd=usd,
    )


def _settling_cost(
    case: UseCase, two: tuple[Option, Option], to_label: int, items: int, basis: Basis
) -> MoneyRange:
    from advisor.predict import usd_per_query

    def at(scenario: Scenario) -> Decimal | None:
        inputs = resolve(case, basis.market.assumptions, scenario)
        calls = total(usd_per_query(case, option, inputs, basis.market) for option in two)
        return plus(times(to_label, inputs.example_usd), times(items, calls))

    return spanning([at(scenario) for scenario in Scenario], at(Scenario.LIKELY))


def _assumptions(case: UseCase, assumptions: Assumptions, *, today: bool) -> tuple[Assumption, ...]:
    """The ranges that stood in; that of today's cost only where something hangs on it."""
    used = assumed_in(case, resolve(case, assumptions, Scenario.LIKELY))
    if today:
        used["today_cost"] = today_range(case, assumptions)
    return tuple(
        Assumption(field=name, low=r.low, likely=r.likely, high=r.high, unit=r.unit, source=r.source)
        for name, r in used.items()
    )


def _notes(case: UseCase) -> tuple[str, ...]:
    notes = []
    if case.task is AnswerKind.QUESTION_ANSWERING and facts_needed(case) is None:
        notes.append("whether answers need facts from outside is not said; taken as half likely")
    if case.queries_per_month is None:
        notes.append("no volume is stated, so cost has no say in the order")
    if case.wrong_answer_cost is None:
        notes.append("wrong answers are left out of the totals: their cost is not known")
    if case.api_model is None and not must_self_host(case):
        notes.append("no hosted model is named; three public list prices, small to large, stand in")
    if case.quality_floor == 1:
        notes.append(
            "that every answer is right cannot be said: no number of items shows it; name a floor below 1"
        )
    if case.examples == 0:
        notes.append(
            "there are no examples: nothing can be trained and nothing measured until some are checked"
        )
    notes.append("hidden reasoning tokens of hosted models are not counted")
    return tuple(notes)


_RELAXED: Mapping[str, str] = {
    "quality_floor": "a lower share of right answers",
    "p95_ms": "a slower answer",
    "citations_required": "answers without a cited source",
    "offline": "a network",
    "residency": "a hosted model",
    "hardware": "another machine",
    "open_model_billions": "a smaller open model",
    "examples": "checked examples",
    "access_rights": "one body of knowledge for all users",
    "retrieval_recall": "a search that finds the passages",
    "knowledge_tokens": "less text to rest on",
}
"""What it means to give up each answer that can rule an option out."""


def _relaxing(case: UseCase, judge: Judge) -> list[tuple[str, str, Option]]:
    """Single answers without which an option would be left, what that means, and what would come first."""
    found = []
    for field, meaning in _RELAXED.items():
        if getattr(case, field) is None:
            continue
        without: dict[str, Any] = {field: None}
        relaxed = replace(case, **without)
        there = judge.standing(relaxed)
        if isinstance(there.first, Option) and _possible(relaxed, there):
            found.append((field, meaning, there.first))
    return found


def _cannot_say(what: Do, relax: tuple[tuple[str, str, Option], ...], scores: OptionScores) -> str:
    if what is Do.CHANGE_THE_CASE:
        why = "No option is expected to keep its limits" if scores.ranked else "Every option is ruled out"
        if relax:
            said = "; ".join(
                f"{what} ({field}) would leave {first.traits.name}" for field, what, first in relax
            )
            return f"{why}. To relax one limit is enough: {said}."
        return f"{why}, and no single limit relaxed would leave one; see the reasons."
    if scores.unknown_share > 0.9:
        return "Hardly anything is known of the use case; the order below is a habit, not advice."
    return ""


def _price_lines(market: Market) -> tuple[str, ...]:
    from advisor.money.ledger import source_of

    prices = {price.requested: price for price in market.sheet.api.values()}
    return tuple(
        f"{name}: {source_of(price)}"
        + ("" if price.next_change is None else f"; announced: changes on {price.next_change:%Y-%m-%d}")
        for name, price in prices.items()
    )
