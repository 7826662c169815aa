"""The recommendation and the answer on the pair as sentences. Pure: typed records in, words out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from advisor.options import Option
from advisor.sentences import capital
from advisor.stats.paired import Relation
from harness.bakeoff.limit_checks import FINE_TUNED
from harness.bakeoff.results import (
    Answer,
    ArmResult,
    BakeoffResults,
    Comparison,
    IfTodayIsWorse,
    LimitCheck,
    LimitKind,
    LimitState,
)
from harness.bakeoff.wording import limit_words, more_items_words
from harness.core.records import ArmId
from harness.core.wording import (
    USD,
    Currency,
    counted,
    epochs,
    marked_money,
    milliseconds,
    money,
    money_range,
    percent,
    points,
    share_sentence,
)
from harness.data.gate import LONG_ANSWERS
from harness.recommendation.choose import LEAST_ITEMS
from harness.recommendation.records import (
    Action,
    Automation,
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
from harness.report.topics.cells import bare_points
from harness.report.topics.freshness import rate_sentence, update_sentence
from harness.tasks.classification import ACCURACY
from harness.tasks.records import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWords:
    """How arms, the metric and money are written: ids, right answers and dollars unless told otherwise."""

    name: Callable[[ArmId], str] = str
    currency: Currency = USD
    metric: Metric = ACCURACY


BARE = RunWords()
UNSTATED = "How much is enough was not stated: a floor would say it."


def reached(metric: Metric, who: str, value: float | None) -> str:
    """'RAG answered 68.0 % correctly', or by another metric 'RAG reached 61.0 % of fields right'."""
    if metric == ACCURACY:
        return f"{who} answered {percent(value)} correctly"
    return f"{who} reached {percent(value)} ({metric.noun})"


def answer_sentence(results: BakeoffResults, words: RunWords = BARE) -> str:
    """The difference of the pair, and what its interval shows."""
    pair = results.verdict.pair
    if pair is None:
        return _lacking(results.arms)
    rag, tuned = pair
    found = results.pair
    if found is None:
        return f"{capital(words.name(tuned))} and {words.name(rag)} were not compared."
    said = _difference(found, tuned, rag, words)
    return f"{said}{_proof(found, results.verdict.answer, results.margin)}"


def headline(recommendation: Recommendation, words: RunWords = BARE) -> str:
    """What to do now, in a few words."""
    shared = recommendation.automation
    match recommendation.action:
        case Action.SHIP if shared is not None:
            return f"{capital(automation_words(shared, words))}."
        case Action.PILOT if shared is not None:
            return f"Pilot, do not ship yet: {automation_words(shared, words)}."
        case Action.SHIP if recommendation.if_enough is not None:
            much = f"{percent(recommendation.if_enough.value)} {words.metric.noun}"
            return f"Ship {_one(recommendation.ship, words)} if {much} will do."
        case Action.SHIP:
            return f"Ship {_one(recommendation.ship, words)}."
        case Action.PILOT:
            return f"Pilot {_one(recommendation.pilot, words)}; do not ship it yet."
        case Action.KEEP_TODAY:
            return "Keep today's way."
        case Action.MEASURE_NEXT:
            model = recommendation.next.model
            measure = f" Measure {hosted(model)} next." if model else ""
            return f"Ship none of these yet.{measure}"


def hosted(model: str) -> str:
    """A hosted model where it is named first: what the name stands for, then the name."""
    return f"the hosted model {model}"


def automation_words(shared: Automation, words: RunWords = BARE) -> str:
    """'automate 58 % with the linear classifier and leave the rest where it is'."""
    much = percent(shared.coverage.value, 0)
    return f"automate {much} with {words.name(shared.first)} and leave the rest where it is"


def _one(arm: ArmId | None, words: RunWords) -> str:
    return "it" if arm is None else words.name(arm)


def reason_sentence(reason: Reason, words: RunWords = BARE) -> str:
    """One reason as a sentence."""
    match reason.kind:
        case ReasonKind.ACCURACY:
            floor = "" if reason.check is None else f"; the floor is {percent(reason.check.bound)}"
            return f"{_reaches(reason, words)}{floor}."
        case ReasonKind.AUTOMATES:
            return _automates(reason, words)
        case ReasonKind.BEATS | ReasonKind.AS_GOOD_AS:
            return _against(reason, words)
        case ReasonKind.LIMIT_KEPT | ReasonKind.LIMIT_OPEN | ReasonKind.LIMIT_BROKEN:
            return _of_limit(reason, words)
        case ReasonKind.NOT_RUN | ReasonKind.TODAY_COSTS:
            return _not_run(reason, words.currency)
        case ReasonKind.ONLY_FLOOR:
            return "Only the floor was run: it is what an option has to beat, not one to ship."
        case ReasonKind.TOO_FEW:
            n = 0 if reason.estimate is None else reason.estimate.n
            tested = counted(n, "test item cannot", "test items cannot")
            return f"{tested} show anything: below {LEAST_ITEMS} no comparison can come out."
        case ReasonKind.KEEPS_UP:
            if reason.rate is not None:
                return f"{rate_sentence(reason.rate, words.name)}."
            return update_sentence(_one(reason.arm, words), reason.update_s, reason.cost, reason.estimate)
        case ReasonKind.ONLY_ONE:
            return (
                "Every other option is worse than the leader on dev, not shown to be within the margin of "
                "it, or breaks a limit."
            )
        case _:
            return _of_cost(reason, words)


def _reaches(reason: Reason, words: RunWords) -> str:
    """'The linear classifier is right in 71.0 % (...)', or by another metric 'RAG: field F1 61.0 % (...)'."""
    name, figure = capital(_one(reason.arm, words)), share_sentence(reason.estimate)
    return (
        f"{name} is right in {figure}"
        if words.metric == ACCURACY
        else f"{name}: {words.metric.noun} {figure}"
    )


def _automates(reason: Reason, words: RunWords) -> str:
    shared = reason.automation
    if shared is None:
        return ""
    floor = "" if reason.check is None else f"; the floor is {percent(reason.check.bound)}"
    own = f"{percent(shared.coverage.value)} itself, {percent(shared.precision.value)} of that rightly"
    return (
        f"{capital(words.name(shared.first))} answers {own}; with the rest done as today, "
        f"{percent(shared.rest)} of it rightly as stated, {share_sentence(reason.estimate)} "
        f"come out right{floor}."
    )


def _of_limit(reason: Reason, words: RunWords) -> str:
    check = "" if reason.check is None else limit_words(reason.check, words.metric)
    match reason.kind:
        case ReasonKind.LIMIT_KEPT:
            return f"It keeps a limit: {check}."
        case ReasonKind.LIMIT_OPEN:
            return f"Not shown yet: {check}."
        case _:
            return f"{capital(_one(reason.arm, words))} comes nearest and breaks a limit: {check}."


def _of_cost(reason: Reason, words: RunWords) -> str:
    others, currency = ", ".join(map(words.name, reason.others)), words.currency
    cost = "" if reason.cost is None else f"{marked_money(reason.cost, currency)} {reason.cost_basis}"
    match reason.kind:
        case ReasonKind.CHEAPEST:
            return f"It costs least ({cost}) of those that are as good within the margin: {others}."
        case ReasonKind.SIMPLEST:
            return f"It is the simplest within the range of the lowest cost ({cost}). As good: {others}."
        case ReasonKind.COST_UNKNOWN:
            return f"It led on dev; what {others} costs is not known, so cost could not decide."
        case ReasonKind.NOT_EARNED:
            return _not_earned(reason, words)
        case ReasonKind.SAVES:
            return f"It saves {cost} against what is done today."
        case ReasonKind.BELOW_TODAY:
            today = percent(reason.today_accuracy)
            name = capital(_one(reason.arm, words))
            paid = (
                "the saving counts that"
                if reason.counted
                else "a wrong answer has no price, so no saving counts it"
            )
            return f"{name} is right less often than what is done today ({today}, as stated); {paid}."
        case _:
            amount = reason.cost
            more = money(None if amount is None or amount.usd is None else -amount.usd, currency)
            name = capital(_one(reason.arm, words))
            built = "" if reason.once is None else f", and {money(reason.once.usd, currency)} to build"
            beside = f"{reason.cost_basis}, it costs {more} more than what is done today{built}"
            return f"{name} saves nothing: {beside}."


def _not_earned(reason: Reason, words: RunWords) -> str:
    """What an arm saves a month, and what it takes first that the horizon does not earn back."""
    takes = [
        f"building it takes {marked_money(reason.once, words.currency)}" if reason.once is not None else "",
        f"showing that it keeps the floor {marked_money(reason.labels, words.currency)} of labels"
        if reason.labels is not None
        else "",
    ]
    saved = "" if reason.cost is None else f"{marked_money(reason.cost, words.currency)} {reason.cost_basis}"
    horizon = "its savings do" if reason.horizon_months is None else f"{reason.horizon_months:g} months do"
    outlay = " and ".join(filter(None, takes))
    return f"{capital(_one(reason.arm, words))} would save {saved}; {outlay}, which {horizon} not earn back."


def _references(results: BakeoffResults) -> str:
    """That the fault may lie in the right answers, where the data say so."""
    warned = {found.code for found in results.data.findings if found.severity == "warning"}
    said = " State the right answers that are paragraphs in a few words: hardly any answer matches one."
    return said if LONG_ANSWERS in warned else ""


def step_action(step: NextStep, results: BakeoffResults, words: RunWords = BARE) -> str:
    """What the next step is."""
    against, name = (
        "; ".join(limit_words(check, words.metric) for check in step.checks),
        _one(step.arm, words),
    )
    match step.kind:
        case StepKind.PILOT:
            return f"Pilot {name} on real queries for a month, and check a sample of its answers."
        case StepKind.LABEL:
            return (
                f"Label {step.items:,} more evaluation items and measure on these alone: that would decide "
                f"{_in_words(step.settles, results, words)}."
            )
        case StepKind.MEASURE_OPEN:
            still = ", and ".join(dict.fromkeys(_open_words(check, words) for check in step.checks))
            return f"Pilot {name} only to measure what is not shown yet: {still}."
        case StepKind.TIME_TODAY:
            limit = next((f" {milliseconds(check.bound)} ms" for check in step.checks), " the limit")
            return (
                f"Pilot {name}, and look up how long today's way takes for what it is handed: where 95 % of "
                f"that comes within{limit}, it may be shipped."
            )
        case StepKind.MEASURE_MODEL:
            return f"Run {hosted(step.model)} on the same items, and compare."
        case StepKind.FIX:
            if step.arm is None:
                return "Add an option that answers, then run again."
            fault = f"Fix this first: {name}, {against}.{_references(results)}"
            return f"{fault} More labelled examples or another model may do it."
        case StepKind.PRICE_ERRORS:
            return (
                f"Say what a wrong answer costs, and decide again: what {name} saves is then set against it."
            )
        case StepKind.LOOK_AGAIN if step.queries_per_month is not None:
            return (
                f"Look again at about {step.queries_per_month:,} queries a month: from there on {name} pays."
            )
        case StepKind.LOOK_AGAIN:
            return f"Nothing now. Look again when today's way costs more, or when {name} costs less."


_STILL_OPEN = {
    LimitKind.GUESSING: "whether it beats one answer to everything",
    LimitKind.P95: "the limit on its answer times",
    LimitKind.P95_TODAY: "how fast today's way answers the rest",
    LimitKind.PRICE: "the limit on its price",
    LimitKind.FAILURES: "the limit on failed calls",
    LimitKind.HANDED_BACK: "how much it hands back of what it is not meant for",
    LimitKind.SEEDS: "how far its trainings agree",
}


def _open_words(check: LimitCheck, words: RunWords) -> str:
    return _STILL_OPEN.get(check.kind) or f"the floor of {words.metric.noun}"


def certainty_words(
    recommendation: Recommendation, words: RunWords = BARE, limits: Sequence[LimitCheck] = ()
) -> str:
    """How far the recommendation's comparisons are decided, and which of its limits are not.

    Args:
        limits: the run's; those of the arm to use that are open are named.
    """
    still = dict.fromkeys(
        _open_words(check, words)
        for check in limits
        if check.state is LimitState.OPEN and check.arm == recommendation.arm
    )
    if still:
        rivals = _open_to(recommendation, words)
        compared = {
            Certainty.NO_RIVAL: " Nothing was compared with it.",
            Certainty.SOME_OPEN: f" Nor do these items decide between it and {rivals}.",
            Certainty.ALL: " Decided: every comparison with another option.",
        }.get(recommendation.certainty, "")
        return f"Not sure yet. Open: {', and '.join(still)}.{compared}"
    said = _decided(recommendation, words)
    return said if recommendation.if_enough is None else f"{said} {UNSTATED}"


def _decided(recommendation: Recommendation, words: RunWords) -> str:
    match recommendation.certainty:
        case Certainty.NO_ARM if recommendation.action is Action.KEEP_TODAY:
            return "It rests on what was stated of today's way: its costs and its accuracy."
        case Certainty.NO_ARM:
            return "None of the options tested here can be recommended."
        case Certainty.NO_RIVAL:
            return "Nothing was compared with it."
        case Certainty.SOME_OPEN:
            names = _open_to(recommendation, words)
            return f"Fairly sure: these items do not decide between it and {names}."
        case Certainty.ALL:
            return "Sure on these items: every comparison with it is decided at the plan's level."


def _open_to(recommendation: Recommendation, words: RunWords) -> str:
    return " or ".join(map(words.name, recommendation.open_to))


def _in_words(text: str, results: BakeoffResults, words: RunWords) -> str:
    """A text that names arms by their labels, with their everyday names instead."""
    for arm in results.arms:
        text = text.replace(arm.arm.label, words.name(arm.arm)) if "@" in arm.arm.label else text
    return text


_ANYWAY = {
    RiskKind.NOTHING_TESTED: "what it is worth is not known",
    RiskKind.NOTHING_KEEPS_LIMITS: "none keeps the limits that were set before the run",
    RiskKind.NOTHING_BEATS_GUESSING: "none is shown to do better than one answer to everything",
}


def risk_sentence(risk: Risk, words: RunWords = BARE) -> str:
    """The biggest risk."""
    name = _one(risk.arm, words)
    match risk.kind:
        case RiskKind.NOTHING_TESTED | RiskKind.NOTHING_KEEPS_LIMITS | RiskKind.NOTHING_BEATS_GUESSING:
            return f"Using one of these anyway: {_ANYWAY[risk.kind]}."
        case RiskKind.TODAY_AS_STATED:
            return "Today's way was not measured: what it costs and how often it is right are as stated."
        case RiskKind.NOT_OWN_ROWS:
            return f"The rows are {risk.provenance}: on your own queries every option may do better or worse."
        case RiskKind.HARDER_REST:
            return f"What is handed over is the harder part. {_if_worse(risk.worse, words)}"
        case RiskKind.WIDE:
            found = risk.estimate
            n = 0 if found is None else found.n
            if found is None or found.low is None or found.high is None:
                return f"{capital(name)} was tested on {n:,} items: too few for an interval."
            span = f"between {percent(found.low)} and {percent(found.high)}"
            return f"{capital(name)} was tested on {n:,} items only: its {words.metric.name} lies {span}."
        case RiskKind.ONE_TRAINING:
            return f"{capital(name)} is one training from one seed: another training may do better or worse."
        case RiskKind.ASSUMED:
            return (
                f"Most of what {name} costs a month is assumed, above all {risk.group}: it may be "
                f"{money_range(risk.cost, words.currency)}. Replace the assumed figures with your own."
            )
        case RiskKind.NO_OUTSIDE_ROWS:
            return "No test row is a question it is not meant for: how it answers those is not known."
        case RiskKind.NO_HOSTED:
            return "No hosted model was measured: one may be better than anything here, at its list price."
        case RiskKind.NONE_SEEN:
            return "None that a run can see by itself; real traffic may still differ from the test rows."


def caution_sentence(caution: Caution, results: BakeoffResults, words: RunWords = BARE) -> str:
    """One thing that could change the answer."""
    arm = None if caution.arm is None else results.arm(caution.arm)
    match caution.kind:
        case CautionKind.DATA:
            return caution.message
        case CautionKind.ILLUSTRATIVE_MACHINE:
            return "The machine price is illustrative: set cost.machine_hour_usd in the plan to your own."
        case CautionKind.REACH:
            return _reach(caution.comparison)
        case CautionKind.IF_TODAY_IS_WORSE:
            return _if_worse(caution.worse, words)
        case CautionKind.SEEDS:
            return "" if arm is None else _seeds(arm, words)
        case CautionKind.SHORT_TRAINING:
            return "" if arm is None else _short_training(arm, words)
        case CautionKind.NO_HOSTED:
            return "No hosted model was run: what one would reach on these items is not known."


def cautions(results: RunResults, words: RunWords = BARE) -> tuple[str, ...]:
    """Everything that could change the answer."""
    found = (caution_sentence(one, results, words) for one in results.recommendation.cautions)
    return tuple(sentence for sentence in found if sentence)


def _lacking(arms: tuple[ArmResult, ...]) -> str:
    options = {arm.arm.option for arm in arms}
    rag, tuned = Option.RETRIEVE in options, any(option in options for option in FINE_TUNED)
    lacks = "RAG" if tuned else "fine-tuned model" if rag else "RAG and no fine-tuned model"
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


def difference_sentence(found: Comparison, words: RunWords = BARE) -> str:
    """A comparison's difference with its interval, and what it is an effect of."""
    return f"{_difference(found, found.a, found.b, words)}."


def _difference(found: Comparison, a: ArmId, b: ArmId, words: RunWords) -> str:
    if found.difference.value is None:
        return f"{capital(words.name(a))} against {words.name(b)}: {found.difference.reason}"
    kind = "the method, on the same model" if found.same_model else "the pair of option and model"
    names = f"{capital(words.name(a))} minus {words.name(b)}"
    return f"{names}: {_seen_from(a, found)} on {found.difference.n} items, an effect of {kind}"


def _seen_from(arm: ArmId | None, found: Comparison) -> str:
    """A difference with its interval: this arm minus the other."""
    d, sign = found.difference, 1 if found.a == arm else -1
    value = None if d.value is None else sign * d.value
    if d.low is None or d.high is None:
        return points(value)
    low, high = sorted((sign * d.low, sign * d.high))
    return f"{points(value)} ({bare_points(low)} to {bare_points(high)})"


def _against(reason: Reason, words: RunWords) -> str:
    rival, found = words.name(reason.others[0]), reason.comparison
    if found is None:
        return f"It was compared with {rival}."
    said = "as good as" if found.relation is Relation.EQUIVALENT else "better than"
    return f"It is {said} {rival}: {_seen_from(reason.arm, found)} on {found.difference.n:,} items."


def _not_run(reason: Reason, currency: Currency) -> str:
    gap = reason.gap
    if gap is None:
        return ""
    if reason.kind is ReasonKind.TODAY_COSTS:
        now = money(None if reason.today is None else reason.today.usd, currency)
        then = money(None if reason.cost is None else reason.cost.usd, currency)
        calls = f"calls of {hosted(gap.model)}"
        return f"Today costs {now} a month without its mistakes; {calls} would cost {then}."
    need = "" if gap.accuracy_to_win is None else f"; it would have to reach {percent(gap.accuracy_to_win)}"
    return (
        f"{capital(hosted(gap.model))} was not run: at list price 1,000 queries cost "
        f"{money(gap.usd_per_1k.usd, currency)}"
        f"{need}, and finding out costs {money(gap.settle_usd, currency)}."
    )


def _if_worse(worse: IfTodayIsWorse | None, words: RunWords) -> str:
    """What becomes of a route where today's way does worse on what it is handed than stated."""
    if worse is None:
        return ""
    floor = {
        None: "",
        LimitState.KEPT: ", and the floor is still kept",
        LimitState.OPEN: ", and the floor is not shown to be kept",
        LimitState.BROKEN: ", and the floor is broken",
    }[worse.floor]
    more = worse.more_usd_per_month
    cost = "" if more is None else f"; the wrong answers cost {money(more, words.currency)} more a month"
    return (
        f"If today's way is right {100 * worse.by:g} points less often on what it is handed than stated, "
        f"{share_sentence(worse.blended)} come out right{floor}{cost}."
    )


def _reach(found: Comparison | None) -> str:
    """What these items can show of the pair, at the disagreement that was measured."""
    if found is None or not found.difference.n:
        return ""
    n = found.difference.n
    apart = f"{n:,} test items, and the pair differs on {percent((found.only_a + found.only_b) / n)} of them"
    if found.detectable is None:
        return f"{apart}: too few to show any difference (80 % power)."
    return f"{apart}: differences of {points(found.detectable).lstrip('+')} or more show (80 % power)."


def _seeds(tuned: ArmResult, words: RunWords) -> str:
    name = capital(words.name(tuned.arm))
    if len(tuned.seeds) <= 1:
        return f"{name} is one artefact from one training seed; another seed may differ."
    values = [s.primary.value for s in tuned.seeds if s.primary.value is not None]
    spread = f"{percent(min(values))} to {percent(max(values))}" if values else "not measured"
    return f"{name} was trained with {len(tuned.seeds)} seeds: test {words.metric.name} {spread}."


def _short_training(arm: ArmResult, words: RunWords) -> str:
    """A tuned model that saw each row only a few times says little against tuning."""
    artefact = arm.fitted.artefact
    if artefact is None:
        return ""
    return (
        f"{capital(words.name(arm.arm))} was trained for {epochs(artefact.recipe.epochs)} only "
        f"({artefact.steps} steps): "
        "a longer training may raise it, so this says how good this artefact is, not how good tuning can be."
    )
