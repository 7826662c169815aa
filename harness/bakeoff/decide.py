"""From plan, estimates, limits and costs to a verdict. Pure, and fixed before the run by the plan.

Two questions, answered apart (docs/decisions/0007-one-true-answer.md):

1. Retrieve or tune? The best `retrieve` arm on dev against the best `tune` arm on dev, on the same test
   items. The word is read from the interval of their difference and from nothing else: no price, no clock and
   no third arm changes it.
2. What to ship? Of the arms that break no limit, those not worse than their dev leader by more than the
   margin; of these the one with the lowest all-in monthly cost, the simpler one within its range. Only an arm
   shown to keep every limit is shipped; one with a limit still open may be piloted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from advisor.options import Option
from advisor.stats.paired import Relation
from harness.bakeoff.plan import DecisionPlan
from harness.bakeoff.results import (
    Answer,
    ArmResult,
    Certainty,
    Comparison,
    FrontierGap,
    LimitCheck,
    LimitState,
    Published,
    Verdict,
    Veto,
)
from harness.core.records import ArmId
from harness.core.wording import epochs, limit_words, money, more_items_words, percent, points
from harness.money.records import Amount

Pair = tuple[ArmId, ArmId]

_ENOUGH_EPOCHS = 2.5  # three passes gave 3 points more than one on Banking77 (docs/lab-log.md)
_TIMED_ALIKE = Decimal("1.25")  # busy seconds of one arm differ by as much from one timing to the next
_ANSWER_OF_TUNED = {
    Relation.BETTER: Answer.TUNE,
    Relation.NON_INFERIOR: Answer.TUNE_AS_GOOD,
    Relation.EQUIVALENT: Answer.TIED,
    Relation.UNDECIDED: Answer.NOT_ENOUGH_EVIDENCE,
    Relation.NON_SUPERIOR: Answer.RETRIEVE_AS_GOOD,
    Relation.WORSE: Answer.RETRIEVE,
}
_TURNED = {
    Relation.BETTER: Relation.WORSE,
    Relation.NON_INFERIOR: Relation.NON_SUPERIOR,
    Relation.NON_SUPERIOR: Relation.NON_INFERIOR,
    Relation.WORSE: Relation.BETTER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a verdict is made of.

    Attributes:
        comparisons: at least the pair, and every arm against the dev leader.
        limits: every limit held against every arm.
        months: all-in cost of a month by arm; empty where not reckoned.
        cautions: findings about data and prices that bound what can be claimed.
    """

    plan: DecisionPlan
    arms: tuple[ArmResult, ...]
    comparisons: tuple[Comparison, ...]
    limits: tuple[LimitCheck, ...] = ()
    months: Mapping[ArmId, Amount] = field(default_factory=dict)
    frontier: tuple[FrontierGap, ...] = ()
    published: tuple[Published, ...] = ()
    frontier_measured: bool
    cautions: tuple[str, ...] = ()


def rag_and_tuned(arms: Sequence[ArmResult]) -> Pair | None:
    """The best RAG arm and the best tuned arm on dev; None if the run lacks one of them."""
    best_rag, best_tuned = _dev_best(arms, {Option.RETRIEVE}), _dev_best(arms, {Option.TUNE})
    return (best_rag.arm, best_tuned.arm) if best_rag and best_tuned else None


def pairs_to_compare(
    arms: Sequence[ArmResult], limits: Sequence[LimitCheck]
) -> tuple[Pair | None, tuple[Pair, ...]]:
    """The pair, tuned arm first, and the other comparisons that the report and the recommendation need.

    Others: the method's own effect where the pair's models differ; what tuning and retrieving each add to the
    other where both were combined; and every arm against the dev leader of those that may be shipped.
    """
    names = [arm.arm for arm in arms if arm.arm.option is not Option.FLOOR]
    pair = rag_and_tuned(arms)
    primary = None if pair is None else (pair[1], pair[0])
    leader = dev_leader(contenders(arms, limits) or arms)
    parts = {Option.TUNE: [Option.RETRIEVE], Option.TUNE_RETRIEVE: [Option.RETRIEVE, Option.TUNE]}
    wanted = [
        (arm, ArmId(option=part, model=arm.model)) for arm in names for part in parts.get(arm.option, ())
    ]
    wanted += [(arm, leader.arm) for arm in names]
    seen = {frozenset(primary)} if primary else set()
    others: list[Pair] = []
    for one, other in wanted:
        if one != other and other in names and frozenset((one, other)) not in seen:
            seen.add(frozenset((one, other)))
            others.append((one, other))
    return primary, tuple(others)


def contenders(arms: Sequence[ArmResult], limits: Sequence[LimitCheck]) -> tuple[ArmResult, ...]:
    """The arms that break no limit, never the floor, never one from outside."""
    broken = {check.arm for check in limits if check.state is LimitState.BROKEN}
    return tuple(arm for arm in arms if arm.arm not in broken and arm.arm.option.traits.ships)


def dev_leader(arms: Sequence[ArmResult]) -> ArmResult:
    """The arm with the best dev accuracy, the simplest option among equals; routes are not fitted on dev."""
    leader = _dev_best(arms, set(Option) - {Option.ROUTE, Option.EXTERNAL})
    return leader or arms[0]


def acceptable(
    plan: DecisionPlan,
    arms: Sequence[ArmResult],
    limits: Sequence[LimitCheck],
    comparisons: Sequence[Comparison],
) -> tuple[ArmResult, ...]:
    """The arms that break no limit and are not worse than their dev leader by more than the margin."""
    allowed = contenders(arms, limits)
    if not allowed:
        return ()
    leader = dev_leader(allowed)

    def near(arm: ArmResult) -> bool:
        found = _between(comparisons, arm.arm, leader.arm)
        return found is not None and _not_worse(found, arm.arm, plan.margin)

    return tuple(arm for arm in allowed if arm is leader or near(arm))


def decide(case: Case) -> Verdict:
    """The verdict of a run."""
    by_id = {arm.arm: arm for arm in case.arms}
    pair = rag_and_tuned(case.arms)
    answer, because = _answer_pair(case, pair)
    chosen = _choose(case)
    settled, open_to = _settled(case, chosen.ship or chosen.pilot)
    return Verdict(
        answer=answer,
        answer_because=because,
        pair=pair,
        ship=chosen.ship,
        pilot=chosen.pilot,
        ship_because=chosen.because,
        settled=settled,
        open_to=open_to,
        sure=_sure(settled, open_to),
        hangs_on=_hangs_on(case, pair, by_id),
        limits=case.limits,
        vetoes=tuple(
            Veto(arm=check.arm, reason=limit_words(check))
            for check in case.limits
            if check.state is LimitState.BROKEN
        ),
        frontier_measured=case.frontier_measured,
        frontier=case.frontier,
        published=case.published,
    )


def _lacking(arms: Sequence[ArmResult]) -> str:
    rag, tuned = _dev_best(arms, {Option.RETRIEVE}), _dev_best(arms, {Option.TUNE})
    lacks = "retrieve arm" if tuned else "tuned arm" if rag else "retrieve arm and no tuned arm"
    return f"The run has no {lacks}, so the two are not compared."


def _answer_pair(case: Case, pair: Pair | None) -> tuple[Answer, str]:
    if pair is None:
        return Answer.NOT_ENOUGH_EVIDENCE, _lacking(case.arms)
    rag, tuned = pair
    found = _between(case.comparisons, tuned, rag)
    if found is None:
        return Answer.NOT_ENOUGH_EVIDENCE, f"{tuned} and {rag} were not compared."
    of_tuned = found.relation if found.a == tuned else _TURNED.get(found.relation, found.relation)
    answer = _ANSWER_OF_TUNED[of_tuned]
    return answer, f"{_difference(found, tuned, rag)}{_proof(found, answer, case.plan)}"


def _proof(found: Comparison, answer: Answer, plan: DecisionPlan) -> str:
    """What the interval shows, and how many items would show more."""
    low, high, margin = found.difference.low, found.difference.high, f"{100 * plan.margin:g} points"
    match answer:
        case Answer.TUNE | Answer.RETRIEVE:
            return f": the interval leaves out 0 ({found.p_method}, p = {found.p_value:.2g})."
        case Answer.TIED:
            apart = low is not None and high is not None and (low > 0 or high < 0)
            smaller = " There is a difference, smaller than you said matters." if apart else ""
            return f": all of the interval lies within the margin of {margin}.{smaller}"
        case Answer.TUNE_AS_GOOD | Answer.RETRIEVE_AS_GOOD:
            return f": a loss of the margin of {margin} is ruled out, a gain is not shown. {_more(found)}"
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


def _not_worse(found: Comparison, arm: ArmId, margin: float) -> bool:
    """Whether `arm` of a comparison is worse by less than the margin, by its interval."""
    low, high = found.difference.low, found.difference.high
    if low is None or high is None:
        return False
    return low > -margin if arm == found.a else -high > -margin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    ship: ArmId | None = None
    pilot: ArmId | None = None
    because: str


def _choose(case: Case) -> _Chosen:
    allowed = contenders(case.arms, case.limits)
    if all(arm.arm.option is Option.FLOOR for arm in case.arms):
        return _Chosen(because="Only the floor was run; it is what an arm has to beat, not one to ship.")
    if not allowed:
        return _Chosen(because="Every arm breaks a limit that was set before the run.")
    near = acceptable(case.plan, case.arms, case.limits, case.comparisons)
    unsure = {check.arm for check in case.limits if check.state is LimitState.OPEN}
    kept = tuple(arm for arm in near if arm.arm not in unsure)
    best, because = _cheapest(kept or near, case.months, dev_leader(allowed))
    if kept:
        alone = "It is the only arm that breaks no limit." if len(allowed) == 1 else because
        return _Chosen(ship=best.arm, because=alone)
    return _Chosen(pilot=best.arm, because=f"{because} {_still_open(case, best.arm)}")


def _still_open(case: Case, arm: ArmId) -> str:
    open_ones = [c for c in case.limits if c.arm == arm and c.state is LimitState.OPEN]
    return " ".join(f"Not shown yet: {limit_words(check)}." for check in open_ones)


def _cheapest(
    among: Sequence[ArmResult], months: Mapping[ArmId, Amount], leader: ArmResult
) -> tuple[ArmResult, str]:
    """The arm with the lowest cost, the simpler one within its range; and why, in a sentence."""
    if len(among) == 1:
        whose = "It led on dev" if among[0] is leader else "It keeps the limits that the dev leader has open"
        return among[0], f"{whose}; every other arm is worse, not shown to be within the margin, or limited."
    costs, basis = _costs(among, months)
    unknown = [str(arm.arm) for arm, cost in zip(among, costs, strict=True) if cost is None]
    if unknown:
        best = leader if leader in among else among[0]
        return best, f"It led on dev; what {', '.join(unknown)} costs is unknown, so cost could not decide."
    known = [(cost, arm) for cost, arm in zip(costs, among, strict=True) if cost is not None]
    lowest = min((cost for cost, _ in known), key=lambda cost: cost.usd)
    within = [(cost, arm) for cost, arm in known if cost.usd <= lowest.high]
    best_cost, best = min(
        within, key=lambda entry: (entry[1].arm.option.simplicity, entry[0].usd, entry[1].arm)
    )
    others = ", ".join(str(arm.arm) for arm in among if arm is not best)
    how = f"Lowest cost ({money(best_cost.usd)} {basis})"
    if best_cost.usd > lowest.usd:
        how = f"The simplest within the range of the lowest cost ({money(best_cost.usd)} {basis})"
    return best, f"{how} of the arms that are as good within the margin: also {others}."


@dataclass(frozen=True, slots=True)
class _Cost:
    usd: Decimal
    high: Decimal


def _costs(among: Sequence[ArmResult], months: Mapping[ArmId, Amount]) -> tuple[list[_Cost | None], str]:
    """All-in months where every arm's is known, else 1,000 queries in calls and busy machine time."""
    amounts = [months.get(arm.arm) for arm in among]
    if all(amount is not None and amount.usd is not None for amount in amounts):
        known = [(a.usd, a.high_usd) for a in amounts if a is not None and a.usd is not None]
        return [_Cost(usd, max(usd, high or usd)) for usd, high in known], "a month, all in"
    found: list[_Cost | None] = []
    for arm in among:
        usd = arm.cost.usd_per_1k.usd
        timed = any(line.unit == "hours" for line in arm.cost.lines)
        found.append(None if usd is None else _Cost(usd, usd * _TIMED_ALIKE if timed else usd))
    return found, "per 1,000 queries, calls and busy machine time"


def _settled(case: Case, arm: ArmId | None) -> tuple[Certainty, tuple[ArmId, ...]]:
    if arm is None:
        return Certainty.NO_ARM, ()
    rivals = [c for c in case.comparisons if arm in (c.a, c.b)]
    if not rivals:
        return Certainty.NO_RIVAL, ()
    settled = {Relation.BETTER, Relation.WORSE, Relation.EQUIVALENT}
    open_to = tuple(sorted(c.b if c.a == arm else c.a for c in rivals if c.relation not in settled))
    return (Certainty.SOME_OPEN if open_to else Certainty.ALL), open_to


def _sure(settled: Certainty, open_to: Sequence[ArmId]) -> str:
    match settled:
        case Certainty.NO_ARM:
            return "No arm can be recommended."
        case Certainty.NO_RIVAL:
            return "Nothing to compare it with: the run has no other arm that was compared."
        case Certainty.SOME_OPEN:
            names = ", ".join(map(str, open_to))
            return f"Fairly sure: the difference to {names} is not settled on these items."
        case Certainty.ALL:
            return "Sure on these items: every comparison with it is settled at the plan's level."


def _hangs_on(case: Case, pair: Pair | None, by_id: Mapping[ArmId, ArmResult]) -> tuple[str, ...]:
    notes = list(case.cautions)
    if pair is not None:
        notes.extend(_reach(_between(case.comparisons, *pair)))
        tuned = by_id[pair[1]]
        notes.append(_seeds(tuned))
        notes.extend(_short_training(tuned))
    if not case.frontier_measured:
        notes.append("No frontier model was run: retrieval was measured on the models named here only.")
    return tuple(notes)


def _reach(found: Comparison | None) -> list[str]:
    """What these items can show of the pair, at the disagreement that was measured."""
    if found is None or found.difference.n == 0:
        return []
    n = found.difference.n
    apart = f"{n:,} test items, and the pair differs on {percent((found.only_a + found.only_b) / n)} of them"
    if found.detectable is None:
        return [f"{apart}: too few to show any difference (80 % power)."]
    return [f"{apart}: differences of {points(found.detectable).lstrip('+')} or more show (80 % power)."]


def _seeds(tuned: ArmResult) -> str:
    if len(tuned.seeds) <= 1:
        return f"{tuned.arm} is one artefact from one training seed; another seed may differ."
    values = [s.accuracy.value for s in tuned.seeds if s.accuracy.value is not None]
    spread = f"{percent(min(values))} to {percent(max(values))}" if values else "not measured"
    return f"{tuned.arm} was trained with {len(tuned.seeds)} seeds: test accuracy {spread}."


def _short_training(arm: ArmResult) -> list[str]:
    """A tuned model that saw each row only a few times says little against tuning."""
    artefact = arm.fitted.artefact
    if artefact is None or artefact.recipe.epochs >= _ENOUGH_EPOCHS:
        return []
    return [
        f"{arm.arm} was trained for {epochs(artefact.recipe.epochs)} only ({artefact.steps} steps): "
        "a longer training may raise it, so this run speaks of this artefact and not of tuning."
    ]


def _dev_best(arms: Sequence[ArmResult], options: set[Option]) -> ArmResult | None:
    among = [arm for arm in arms if arm.arm.option in options]
    if not among:
        return None
    return min(
        among,
        key=lambda arm: (-(arm.quality.dev_accuracy.value or 0.0), arm.arm.option.simplicity, arm.arm),
    )


def _between(comparisons: Sequence[Comparison], a: ArmId, b: ArmId) -> Comparison | None:
    return next((c for c in comparisons if {c.a, c.b} == {a, b}), None)
