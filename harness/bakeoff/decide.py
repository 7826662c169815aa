"""The answer to "RAG or fine-tuning?", and which arms may be shipped. Pure, and fixed before the run.

The best `retrieve` arm on dev is set against the best fine-tuned small model on dev, an `encoder` or a `tune`
arm, on the same test items. The word is read from the interval of their difference and from nothing else: no
price, no clock and no third arm changes it (docs/decisions/0007-one-true-answer.md). Which arm to use, and
what that costs, is another question: `harness.recommendation`.
"""

from __future__ import annotations

from collections.abc import Sequence

from advisor.options import Option
from advisor.stats.paired import Relation
from harness.bakeoff.plan import DecisionPlan
from harness.bakeoff.results import Answer, ArmResult, Comparison, LimitCheck, LimitState, Verdict
from harness.core.records import ArmId

Pair = tuple[ArmId, ArmId]

FINE_TUNED = (Option.ENCODER, Option.TUNE)
"""What stands for fine-tuning in the pair: the best of them on dev."""

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


def rag_and_tuned(arms: Sequence[ArmResult]) -> Pair | None:
    """The best RAG arm and the best fine-tuned model on dev; None if the run lacks one of them."""
    best_rag, best_tuned = _dev_best(arms, {Option.RETRIEVE}), _dev_best(arms, set(FINE_TUNED))
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
    """The arm with the best dev accuracy, the simplest option among equals.

    A route between two arms is none: its threshold is chosen on dev for its accuracy there.
    """
    among = [arm for arm in arms if arm.arm.to_today or not arm.arm.option.traits.composed]
    leader = _dev_best(among, set(Option) - {Option.EXTERNAL})
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
        found = between(comparisons, arm.arm, leader.arm)
        return found is not None and _not_worse(found, arm.arm, plan.margin)

    return tuple(arm for arm in allowed if arm is leader or near(arm))


def decide(
    arms: Sequence[ArmResult], comparisons: Sequence[Comparison], limits: Sequence[LimitCheck] = ()
) -> Verdict:
    """The answer of a run, from at least the pair's comparison, and its limits."""
    pair = rag_and_tuned(arms)
    return Verdict(answer=_answer(pair, comparisons), pair=pair, limits=tuple(limits))


def _answer(pair: Pair | None, comparisons: Sequence[Comparison]) -> Answer:
    found = None if pair is None else between(comparisons, *pair)
    if pair is None or found is None:
        return Answer.NOT_ENOUGH_EVIDENCE
    of_tuned = found.relation if found.a == pair[1] else _TURNED.get(found.relation, found.relation)
    return _ANSWER_OF_TUNED[of_tuned]


def _not_worse(found: Comparison, arm: ArmId, margin: float) -> bool:
    """Whether `arm` of a comparison is worse by less than the margin, by its interval."""
    low, high = found.difference.low, found.difference.high
    if low is None or high is None:
        return False
    return low > -margin if arm == found.a else -high > -margin


def _dev_best(arms: Sequence[ArmResult], options: set[Option]) -> ArmResult | None:
    among = [arm for arm in arms if arm.arm.option in options]
    if not among:
        return None
    return min(
        among,
        key=lambda arm: (-(arm.quality.dev.value or 0.0), arm.arm.option.simplicity, arm.arm),
    )


def between(comparisons: Sequence[Comparison], a: ArmId, b: ArmId) -> Comparison | None:
    """The comparison of two arms, whichever way round."""
    return next((c for c in comparisons if {c.a, c.b} == {a, b}), None)
