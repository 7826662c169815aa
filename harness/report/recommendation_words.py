"""The recommendation and the answer on the pair in words, made here only: every format shows them."""

from __future__ import annotations

from advisor.options import Option
from advisor.stats.paired import Relation
from harness.bakeoff.results import Answer, ArmResult, BakeoffResults, Comparison
from harness.bakeoff.wording import limit_words, more_items_words
from harness.core.records import ArmId
from harness.core.wording import (
    USD,
    Currency,
    epochs,
    marked_money,
    money,
    money_range,
    percent,
    points,
    share_sentence,
)
from harness.recommendation.records import (
    Action,
    Caution,
    CautionKind,
    Certainty,
    NextStep,
    Reason,
    ReasonKind,
    Recommendation,
    Risk,
    RiskKind,
    RunResults,
    StepKind,
)


def answer_sentence(results: BakeoffResults) -> str:
    """The difference of the pair, and what its interval shows."""
    pair = results.verdict.pair
    if pair is None:
        return _lacking(results.arms)
    rag, tuned = pair
    found = results.pair
    if found is None:
        return f"{tuned} and {rag} were not compared."
    return f"{_difference(found, tuned, rag)}{_proof(found, results.verdict.answer, results.margin)}"


def headline(recommendation: Recommendation) -> str:
    """What to do now, in a few words."""
    match recommendation.action:
        case Action.SHIP:
            return f"Ship {recommendation.ship}."
        case Action.PILOT:
            return f"Pilot {recommendation.pilot}; do not ship it yet."
        case Action.KEEP_TODAY:
            return "Keep today's way."
        case Action.MEASURE_NEXT:
            model = recommendation.next.model
            return (
                f"Ship none of these arms yet. Measure {model} next."
                if model
                else "Ship none of these arms yet."
            )


def reason_sentence(reason: Reason, currency: Currency = USD) -> str:
    """One reason as a sentence."""
    match reason.kind:
        case ReasonKind.ACCURACY:
            floor = "" if reason.check is None else f"; the floor is {percent(reason.check.bound)}"
            return f"{reason.arm} is right in {share_sentence(reason.estimate)}{floor}."
        case ReasonKind.BEATS | ReasonKind.AS_GOOD_AS:
            return _against(reason)
        case ReasonKind.LIMIT_KEPT | ReasonKind.LIMIT_OPEN | ReasonKind.LIMIT_BROKEN:
            return _of_limit(reason)
        case ReasonKind.NOT_RUN | ReasonKind.TODAY_COSTS:
            return _not_run(reason, currency)
        case ReasonKind.ONLY_FLOOR:
            return "Only the floor was run; it is what an arm has to beat, not one to ship."
        case ReasonKind.ONLY_ONE:
            return "Every other arm is worse, not shown to be within the margin, or breaks a limit."
        case _:
            return _of_cost(reason, currency)


def _of_limit(reason: Reason) -> str:
    check = "" if reason.check is None else limit_words(reason.check)
    match reason.kind:
        case ReasonKind.LIMIT_KEPT:
            return f"It keeps a limit: {check}."
        case ReasonKind.LIMIT_OPEN:
            return f"Not shown yet: {check}."
        case _:
            return f"{reason.arm} comes nearest and breaks a limit: {check}."


def _of_cost(reason: Reason, currency: Currency) -> str:
    others = ", ".join(map(str, reason.others))
    cost = "" if reason.cost is None else f"{marked_money(reason.cost, currency)} {reason.cost_basis}"
    match reason.kind:
        case ReasonKind.CHEAPEST:
            return f"It costs least ({cost}) of the arms that are as good within the margin: {others}."
        case ReasonKind.SIMPLEST:
            return f"It is the simplest within the range of the lowest cost ({cost}). As good: {others}."
        case ReasonKind.COST_UNKNOWN:
            return f"It led on dev; what {others} costs is not known, so cost could not decide."
        case ReasonKind.SAVES:
            return f"It saves {cost} against what is done today."
        case _:
            amount = reason.cost
            more = money(None if amount is None or amount.usd is None else -amount.usd, currency)
            return f"{reason.arm} costs {more} more {reason.cost_basis} than what is done today."


def step_sentence(step: NextStep, results: BakeoffResults, currency: Currency = USD) -> str:
    """The next step with its price, who decides, and by when."""
    when = (
        ""
        if step.before is None
        else f" Decide before {step.before:%Y-%m-%d}, when a price or model changes."
    )
    return f"{step_action(step, results)}{_price(step, currency)} Decides: {step.decides.value}.{when}"


def step_action(step: NextStep, results: BakeoffResults) -> str:
    """What the next step is."""
    against = "; ".join(limit_words(check) for check in step.checks)
    match step.kind:
        case StepKind.PILOT:
            return f"Pilot {step.arm} on real queries for a month, and check a sample of its answers."
        case StepKind.LABEL:
            return (
                f"Label {step.items:,} more evaluation items and run again with --after {results.run_id}, so "
                f"that the fresh items alone decide: that would settle {step.settles}."
            )
        case StepKind.MEASURE_OPEN:
            return f"Pilot {step.arm} only to measure what is not shown yet: {against}."
        case StepKind.MEASURE_MODEL:
            return f"Run {step.model} on the same rows: {step.command}."
        case StepKind.FIX:
            if step.arm is None:
                return "Add an arm that answers, then run again."
            return (
                f"Fix this first: {step.arm}, {against}. More labelled examples or another model may do it."
            )


def certainty_words(recommendation: Recommendation) -> str:
    """How far the recommendation's comparisons are settled."""
    match recommendation.certainty:
        case Certainty.NO_ARM:
            return "No arm can be recommended."
        case Certainty.NO_RIVAL:
            return "Nothing to compare it with: the run has no other arm that was compared."
        case Certainty.SOME_OPEN:
            names = ", ".join(map(str, recommendation.open_to))
            return f"Fairly sure: the difference to {names} is not settled on these items."
        case Certainty.ALL:
            return "Sure on these items: every comparison with it is settled at the plan's level."


def risk_sentence(risk: Risk, currency: Currency = USD) -> str:
    """The biggest risk."""
    match risk.kind:
        case RiskKind.NOTHING_KEEPS_LIMITS:
            return "Using one of these arms all the same: none keeps the limits that were set before the run."
        case RiskKind.NOT_OWN_ROWS:
            return f"The rows are {risk.provenance}: on your own queries every arm may do better or worse."
        case RiskKind.WIDE:
            found = risk.estimate
            n = 0 if found is None else found.n
            if found is None or found.low is None or found.high is None:
                return f"{risk.arm} was tested on {n:,} items: too few for an interval."
            span = f"between {percent(found.low)} and {percent(found.high)}"
            return f"{risk.arm} was tested on {n:,} items only: its accuracy lies {span}."
        case RiskKind.ONE_TRAINING:
            return f"{risk.arm} is one training from one seed: another training may do better or worse."
        case RiskKind.ASSUMED:
            return (
                f"Most of what {risk.arm} costs a month is assumed, above all {risk.group}: it may be "
                f"{money_range(risk.cost, currency)}. Replace the assumed figures with your own."
            )
        case RiskKind.NO_OUTSIDE_ROWS:
            return "No test row is a question it is not meant for: how it answers those is not known."
        case RiskKind.NO_HOSTED:
            return (
                "No hosted model was measured: one may be better than any arm of this run, at its list price."
            )
        case RiskKind.NONE_SEEN:
            return "None that a run can see by itself; real traffic may still differ from the test rows."


def caution_sentence(caution: Caution, results: BakeoffResults) -> str:
    """One thing that could change the answer."""
    arm = None if caution.arm is None else results.arm(caution.arm)
    match caution.kind:
        case CautionKind.DATA:
            return caution.message
        case CautionKind.ILLUSTRATIVE_MACHINE:
            return "The machine price is illustrative: set cost.machine_hour_usd in the plan to your own."
        case CautionKind.REACH:
            return _reach(caution.comparison)
        case CautionKind.SEEDS:
            return "" if arm is None else _seeds(arm)
        case CautionKind.SHORT_TRAINING:
            return "" if arm is None else _short_training(arm)
        case CautionKind.NO_HOSTED:
            return "No frontier model was run: retrieval was measured on the models named here only."


def cautions(results: RunResults) -> tuple[str, ...]:
    """Everything that could change the answer."""
    found = (caution_sentence(one, results) for one in results.recommendation.cautions)
    return tuple(sentence for sentence in found if sentence)


def _lacking(arms: tuple[ArmResult, ...]) -> str:
    options = {arm.arm.option for arm in arms}
    rag, tuned = Option.RETRIEVE in options, Option.TUNE in options
    lacks = "retrieve arm" if tuned else "tuned arm" if rag else "retrieve arm and no tuned arm"
    return f"The run has no {lacks}, so the two are not compared."


def _proof(found: Comparison, answer: Answer, margin: float) -> str:
    """What the interval shows, and how many items would show more."""
    low, high, wide = found.difference.low, found.difference.high, f"{100 * margin:g} points"
    match answer:
        case Answer.TUNE | Answer.RETRIEVE:
            return f": the interval leaves out 0 ({found.p_method}, p = {found.p_value:.2g})."
        case Answer.TIED:
            apart = low is not None and high is not None and (low > 0 or high < 0)
            smaller = " There is a difference, smaller than you said matters." if apart else ""
            return f": all of the interval lies within the margin of {wide}.{smaller}"
        case Answer.TUNE_AS_GOOD | Answer.RETRIEVE_AS_GOOD:
            return f": a loss of the margin of {wide} is ruled out, a gain is not shown. {_more(found)}"
        case _:
            return f". {_more(found)}"


def _more(found: Comparison) -> str:
    words = more_items_words(found.more_items)
    return f"{words[0].upper()}{words[1:]}."


def _difference(found: Comparison, a: ArmId, b: ArmId) -> str:
    d = found.difference
    if d.value is None:
        return f"{a} against {b}: {d.reason}"
    value, low, high = d.value, d.low, d.high
    if found.a != a:
        value, low, high = -d.value, *(None if end is None else -end for end in (d.high, d.low))
    where = "" if low is None or high is None else f" ({points(low)} to {points(high)})"
    kind = "the method, on the same model" if found.same_model else "the pair of option and model"
    return f"{a} minus {b}: {points(value)}{where} on {d.n} items, an effect of {kind}"


def _against(reason: Reason) -> str:
    rival, found = reason.others[0], reason.comparison
    if found is None:
        return f"It was compared with {rival}."
    low, high, value = found.difference.low, found.difference.high, found.difference.value
    if found.a != reason.arm:
        low, high = None if high is None else -high, None if low is None else -low
        value = None if value is None else -value
    span = "" if low is None or high is None else f" ({points(low)} to {points(high)})"
    said = "as good as" if found.relation is Relation.EQUIVALENT else "better than"
    return f"It is {said} {rival}: {points(value)}{span} on {found.difference.n:,} items."


def _not_run(reason: Reason, currency: Currency) -> str:
    gap = reason.gap
    if gap is None:
        return ""
    if reason.kind is ReasonKind.TODAY_COSTS:
        now = money(None if reason.today is None else reason.today.usd, currency)
        then = money(None if reason.cost is None else reason.cost.usd, currency)
        return f"Today costs {now} a month without its mistakes; calls of {gap.model} would cost {then}."
    need = "" if gap.accuracy_to_win is None else f"; it would have to reach {percent(gap.accuracy_to_win)}"
    return (
        f"{gap.model} was not run: at list price 1,000 queries cost {money(gap.usd_per_1k.usd, currency)}"
        f"{need}, and finding out costs {money(gap.settle_usd, currency)}."
    )


def _price(step: NextStep, currency: Currency) -> str:
    if step.usd.usd is None:
        return f" Its price is not known: {step.usd.reason}."
    spread = money_range(step.usd, currency)
    return f" It costs {money(step.usd.usd, currency)}{f' ({spread})' if spread else ''}."


def _reach(found: Comparison | None) -> str:
    """What these items can show of the pair, at the disagreement that was measured."""
    if found is None or not found.difference.n:
        return ""
    n = found.difference.n
    apart = f"{n:,} test items, and the pair differs on {percent((found.only_a + found.only_b) / n)} of them"
    if found.detectable is None:
        return f"{apart}: too few to show any difference (80 % power)."
    return f"{apart}: differences of {points(found.detectable).lstrip('+')} or more show (80 % power)."


def _seeds(tuned: ArmResult) -> str:
    if len(tuned.seeds) <= 1:
        return f"{tuned.arm} is one artefact from one training seed; another seed may differ."
    values = [s.accuracy.value for s in tuned.seeds if s.accuracy.value is not None]
    spread = f"{percent(min(values))} to {percent(max(values))}" if values else "not measured"
    return f"{tuned.arm} was trained with {len(tuned.seeds)} seeds: test accuracy {spread}."


def _short_training(arm: ArmResult) -> str:
    """A tuned model that saw each row only a few times says little against tuning."""
    artefact = arm.fitted.artefact
    if artefact is None:
        return ""
    return (
        f"{arm.arm} was trained for {epochs(artefact.recipe.epochs)} only ({artefact.steps} steps): "
        "a longer training may raise it, so this run speaks of this artefact and not of tuning."
    )
