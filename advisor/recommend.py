"""From a use case to advice: (case, rubric, market, bands) in, one frozen record out. Pure.

The order of work: vetoes, scores, predictions, the answer to the pair, what a close call needs, what would
change the answer. Metadata alone predicts weakly, so a close call says "measure" and what that takes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal

from advisor.advice import (
    Advice,
    Answer,
    Assumption,
    Confidence,
    MoneySpan,
    OptionAdvice,
    PairAnswer,
    ToSettle,
    plain,
)
from advisor.assumed import Assumptions, Scenario, assumed_in, resolve
from advisor.case import Task, UseCase, facts_needed, must_self_host
from advisor.economics import Market
from advisor.flips import Judge, find_flips, find_open_questions
from advisor.options import ADVISED, Option
from advisor.predict import incumbent_total_per_1k, incumbent_usd_per_1k, predict, stand_ins
from advisor.rubric.bands import Bands
from advisor.rubric.rubric import Rubric
from advisor.rubric.scoring import Scores, band_of, between, combines, contributions, pair_answer

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
    judge = Judge(rubric=basis.rubric, market=basis.market)
    scores = judge.scores(case)
    options = _options(case, scores, basis)
    pair = _pair(scores, basis.rubric, options)
    now = judge.outcome(scores)
    return Advice(
        case=case,
        case_sha256=case_digest(case),
        pair=pair,
        options=options,
        confidence=_confidence(scores, basis.rubric),
        settle=_to_settle(case, scores, basis, pair),
        flips=find_flips(case, judge, now) if look_around and scores.ranked else (),
        open_questions=find_open_questions(case, judge, scores) if look_around else (),
        assumptions=_assumptions(case, basis.market.assumptions),
        unknown=scores.unknown,
        notes=(*_notes(case), *stand_ins(case, basis.market)),
        cannot_say=_cannot_say(scores),
        incumbent_usd_per_1k=incumbent_usd_per_1k(case),
        incumbent_usd_per_1k_total=incumbent_total_per_1k(case),
        currency=case.currency,
        rate=case.usd_rate,
        prices=() if must_self_host(case) else _price_lines(basis.market),
        rubric_version=basis.rubric.version,
        rubric_sha256=basis.rubric.sha256,
    )


def case_digest(case: UseCase) -> str:
    """Sha256 (hex) of the case's canonical JSON."""
    text = json.dumps(plain(case), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _options(case: UseCase, scores: Scores, basis: Basis) -> tuple[OptionAdvice, ...]:
    found = []
    order = [*scores.ranked, *(o for o in ADVISED if scores.vetoes[o])]
    for place, option in enumerate(order, start=1):
        standing = not scores.vetoes[option]
        prediction = predict(case, option, basis.market, basis.bands) if standing else None
        warnings = []
        if prediction is not None:
            warnings = _warnings(case, prediction.accuracy_high, prediction.p95_ms.low)
        found.append(
            OptionAdvice(
                option=option,
                place=place if standing else None,
                score=scores.totals[option],
                contributions=contributions(scores, option),
                vetoes=scores.vetoes[option],
                prediction=prediction,
                warnings=tuple(warnings),
            )
        )
    return tuple(found)


def _warnings(case: UseCase, best: float | None, fastest: float | None) -> list[str]:
    found = []
    if best is not None and case.quality_floor is not None and best < case.quality_floor:
        found.append(f"published figures end at {best:.2f}, below the floor of {case.quality_floor:.2f}")
    today = None if case.incumbent is None else case.incumbent.accuracy
    if best is not None and today is not None and best < today:
        found.append(f"published figures end at {best:.2f}, below today's {today:.2f}")
    if fastest is not None and case.p95_ms is not None and fastest > case.p95_ms:
        found.append(f"expected p95 of {fastest:.0f} ms or more, above the {case.p95_ms:.0f} ms wanted")
    return found


def _pair(scores: Scores, rubric: Rubric, options: tuple[OptionAdvice, ...]) -> PairAnswer:
    answer = pair_answer(scores, rubric)
    both = not scores.vetoes[Option.RETRIEVE] and not scores.vetoes[Option.TUNE]
    gap = scores.totals[Option.RETRIEVE] - scores.totals[Option.TUNE] if both else None
    cheaper = _cheaper(options) if both else None
    combine = combines(scores, rubric)
    return PairAnswer(
        answer=answer,
        sentence=_pair_sentence(scores, answer, cheaper, combine),
        gap=gap,
        cheaper=cheaper,
        combine=combine,
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


def _pair_sentence(scores: Scores, answer: Answer, cheaper: Option | None, combine: bool) -> str:
    match answer:
        case Answer.RETRIEVE:
            sentence = f"Retrieve. {_why(scores, Option.RETRIEVE, Option.TUNE)}"
        case Answer.TUNE:
            sentence = f"Tune. {_why(scores, Option.TUNE, Option.RETRIEVE)}"
        case Answer.TIED:
            named = "neither is known to be cheaper" if cheaper is None else f"{cheaper.value} is cheaper"
            sentence = f"Tied: nothing known separates them, and {named}."
        case Answer.MEASURE:
            sentence = "Measure: the two are too close to call from a description."
        case Answer.NEITHER:
            sentence = "Neither: both are ruled out."
    if combine and answer is not Answer.NEITHER:
        sentence += " Tuning on top of retrieving may beat both."
    return sentence


def _why(scores: Scores, winner: Option, loser: Option) -> str:
    if scores.vetoes[loser]:
        return f"{loser.value.capitalize()} is ruled out: {scores.vetoes[loser][0].reason}."
    ours = {c.factor: c for c in contributions(scores, winner)}
    theirs = {c.factor: c.points for c in contributions(scores, loser)}
    lead = {name: c.points - theirs.get(name, Decimal(0)) for name, c in ours.items()}
    lead |= {name: -value for name, value in theirs.items() if name not in ours}
    reasons = {m.factor.name: m.factor.reason for m in scores.measured}
    best = [name for name in sorted(lead, key=lambda n: (-lead[n], n)) if lead[name] > 0][:2]
    text = "; ".join(reasons[name] for name in best)
    return f"{text[:1].upper()}{text[1:]}."


def _confidence(scores: Scores, rubric: Rubric) -> Confidence:
    if not scores.ranked:
        return Confidence(words="cannot say", share=0.0, gap=None, basis="every option is ruled out")
    gap = None
    if len(scores.ranked) > 1:
        gap = scores.totals[scores.ranked[0]] - scores.totals[scores.ranked[1]]
    band = band_of(gap, rubric)
    basis = f"{band.seen} published cases with such a gap, in-sample, and set lower: weights are set by hand"
    if gap is None:
        basis = "the only option that is not ruled out"
    return Confidence(words=band.words, share=band.share, gap=gap, basis=basis)


def _to_settle(case: UseCase, scores: Scores, basis: Basis, pair: PairAnswer) -> ToSettle | None:
    """Evaluation items for the closest call: the pair if it is open, else first against second."""
    rules = basis.rubric.measure
    if pair.answer in (Answer.MEASURE, Answer.TIED):
        two = (Option.RETRIEVE, Option.TUNE)
    elif len(scores.ranked) > 1 and isinstance(
        between(scores, basis.rubric, scores.ranked[0], scores.ranked[1]), Answer
    ):
        two = (scores.ranked[0], scores.ranked[1])
    else:
        return None
    from advisor.stats.power import items_needed

    items = items_needed(rules.difference, rules.discordance) or 0
    spare = None if case.examples is None else int(case.examples * EVALUATION_SHARE)
    to_label = None if spare is None else max(0, items - spare)
    usd = _settling_cost(case, two, to_label if to_label is not None else items, items, basis)
    words = f"{items:,} evaluation items tell {two[0].value} from {two[1].value} if they differ by"
    return ToSettle(
        options=two,
        items=items,
        difference=rules.difference,
        discordance=rules.discordance,
        items_to_label=to_label,
        usd=usd,
        sentence=f"{words} {100 * rules.difference:.0f} % or more "
        f"(80 % power, {100 * rules.discordance:.0f} % discordance)",
    )


def _settling_cost(
    case: UseCase, two: tuple[Option, Option], to_label: int, items: int, basis: Basis
) -> MoneySpan:
    from advisor.predict import usd_per_query

    def at(scenario: Scenario) -> Decimal | None:
        inputs = resolve(case, basis.market.assumptions, scenario)
        calls = [usd_per_query(case, option, inputs, basis.market) for option in two]
        if any(call is None for call in calls):
            return None
        return to_label * inputs.example_cost + items * sum((c for c in calls if c is not None), Decimal(0))

    return MoneySpan(low=at(Scenario.CHEAP), likely=at(Scenario.LIKELY), high=at(Scenario.DEAR))


def _assumptions(case: UseCase, assumptions: Assumptions) -> tuple[Assumption, ...]:
    used = assumed_in(case, resolve(case, assumptions, Scenario.LIKELY))
    return tuple(
        Assumption(field=name, low=r.low, likely=r.likely, high=r.high, unit=r.unit, source=r.source)
        for name, r in used.items()
    )


def _notes(case: UseCase) -> tuple[str, ...]:
    notes = []
    if case.task is Task.QUESTION_ANSWERING and facts_needed(case) is None:
        notes.append("whether answers need facts from outside is not said; taken as half likely")
    if case.wrong_answer_cost is None:
        notes.append("wrong answers are left out of the totals: their cost is not known")
    if case.api_model is None and not must_self_host(case):
        notes.append("no hosted model is named; three public list prices, small to large, stand in")
    if case.examples == 0:
        notes.append(
            "there are no examples: nothing can be trained and nothing measured until some are checked"
        )
    notes.append("hidden reasoning tokens of hosted models are not counted")
    return tuple(notes)


def _cannot_say(scores: Scores) -> str:
    if not scores.ranked:
        return "Every option is ruled out; see the vetoes for the answer that would have to change."
    if scores.unknown_share > 0.9:
        return "Hardly anything is known of the use case; the order below is a habit, not advice."
    return ""


def _price_lines(market: Market) -> tuple[str, ...]:
    from advisor.money.ledger import source_of

    lines = []
    for price in dict.fromkeys(p.requested for p in market.sheet.api.values()):
        found = next(p for p in market.sheet.api.values() if p.requested == price)
        text = f"{found.requested}: {source_of(found)}"
        if found.next_change is not None:
            text += f"; announced: changes on {found.next_change.on:%Y-%m-%d}"
        lines.append(text)
    return tuple(lines)
