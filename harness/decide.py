"""From plan, estimates and costs to a verdict. Pure, and fixed before the run by the plan.

Two questions, answered apart:

1. Retrieve or tune? The best `retrieve` arm on dev against the best tuned arm on dev, on the same test
   items. Better: the paired interval excludes 0 and the Holm-adjusted test agrees. Tied: the interval lies
   inside the margin, or the
   cheaper of the two is not worse by more than the margin. Anything else is not enough evidence.
2. What to ship? Among all arms without a veto, those not worse than the dev leader by more than the
   margin; of these the one with the cheapest correct answer. Where a price is unknown, the dev leader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from advisor.stats.paired import Relation
from harness.harm import HARM_CHECKED
from harness.plan import DecisionPlan
from harness.records import ArmId, Option
from harness.results import (
    Answer,
    ArmResult,
    Comparison,
    FrontierGap,
    Published,
    Verdict,
    Veto,
)
from harness.wording import epochs, money, percent, points

_ENOUGH_EPOCHS = 2.5  # three passes gave 3 points more than one on Banking77 (docs/lab-log.md)
_RAG = {Option.RETRIEVE}
_TUNED = {Option.TUNE, Option.TUNE_RETRIEVE}
_SIMPLEST = (
    Option.FLOOR,
    Option.CLASSICAL,
    Option.PROMPT,
    Option.RETRIEVE,
    Option.TUNE,
    Option.TUNE_RETRIEVE,
    Option.ROUTE,
    Option.EXTERNAL,
)
_NOT_OURS_TO_SHIP = {Option.FLOOR, Option.EXTERNAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a verdict is made of.

    Attributes:
        comparisons: at least the pair, and every arm against the dev leader.
        noise_ceiling: findings about the reference labels that bound what can be claimed.
    """

    plan: DecisionPlan
    arms: tuple[ArmResult, ...]
    comparisons: tuple[Comparison, ...]
    frontier: tuple[FrontierGap, ...]
    published: tuple[Published, ...]
    frontier_measured: bool
    cautions: tuple[str, ...]


def rag_and_tuned(arms: Sequence[ArmResult]) -> tuple[ArmId, ArmId] | None:
    """The best RAG arm and the best tuned arm on dev; None if the run lacks one of them."""
    best_rag, best_tuned = _dev_best(arms, _RAG), _dev_best(arms, _TUNED)
    return (best_rag.arm, best_tuned.arm) if best_rag and best_tuned else None


def contenders(plan: DecisionPlan, arms: Sequence[ArmResult]) -> tuple[ArmResult, ...]:
    """The arms that may be shipped: none that is vetoed, never the floor, never one from outside."""
    barred = {veto.arm for veto in vetoes(plan, arms)}
    return tuple(arm for arm in arms if arm.arm not in barred and arm.arm.option not in _NOT_OURS_TO_SHIP)


def dev_leader(arms: Sequence[ArmResult]) -> ArmResult:
    """The arm with the best dev accuracy, the simplest option among equals; routes are not fitted on dev."""
    leader = _dev_best(arms, set(Option) - {Option.ROUTE, Option.EXTERNAL})
    return leader or arms[0]


def vetoes(plan: DecisionPlan, arms: Sequence[ArmResult]) -> tuple[Veto, ...]:
    """Every reason for which an arm may not be shipped: the plan's, and being no better than guessing."""
    floor = next((arm for arm in arms if arm.arm.option is Option.FLOOR), None)
    found: list[Veto] = []
    for arm in arms:
        reasons = [*_veto_reasons(plan, arm), *_no_better_than(floor, arm)]
        found.extend(Veto(arm=arm.arm, reason=reason) for reason in reasons)
    return tuple(found)


def acceptable(
    plan: DecisionPlan, arms: Sequence[ArmResult], comparisons: Sequence[Comparison]
) -> tuple[ArmResult, ...]:
    """The arms that may be shipped and are not worse than the dev leader of these by more than the margin."""
    allowed = contenders(plan, arms)
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
    answer, because, cheaper = _answer_pair(case, pair, by_id)
    barred = vetoes(case.plan, case.arms)
    ship, ship_because = _ship(case)
    return Verdict(
        answer=answer,
        answer_because=because,
        pair=pair,
        cheaper=cheaper,
        ship=ship,
        ship_because=ship_because,
        sure=_sure(case, ship),
        hangs_on=_hangs_on(case, pair, by_id),
        vetoes=barred,
        frontier_measured=case.frontier_measured,
        frontier=case.frontier,
        published=case.published,
    )


def _lacking(arms: Sequence[ArmResult]) -> str:
    rag, tuned = _dev_best(arms, _RAG), _dev_best(arms, _TUNED)
    lacks = "retrieve arm" if tuned else "tuned arm" if rag else "retrieve arm and no tuned arm"
    return f"The run has no {lacks}, so the two are not compared."


def _answer_pair(
    case: Case, pair: tuple[ArmId, ArmId] | None, by_id: Mapping[ArmId, ArmResult]
) -> tuple[Answer, str, ArmId | None]:
    if pair is None:
        return Answer.NOT_ENOUGH_EVIDENCE, _lacking(case.arms), None
    rag, tuned = pair
    found = _between(case.comparisons, tuned, rag)
    if found is None:
        return Answer.NOT_ENOUGH_EVIDENCE, f"{tuned} and {rag} were not compared.", None
    cheaper, same_price = _cheaper(by_id[rag], by_id[tuned])
    seen = _difference(found, tuned, rag)
    significant = found.p_holm is not None and found.p_holm < case.plan.alpha
    if significant and found.relation in {Relation.BETTER, Relation.WORSE}:
        better = tuned if (found.relation is Relation.BETTER) == (found.a == tuned) else rag
        proof = f"{seen}; the interval excludes 0 and {found.p_method} gives p = {found.p_holm:.2g} (Holm)."
        return Answer.TUNE if better == tuned else Answer.RETRIEVE, proof, cheaper
    if _inside(found, case.plan.margin) or (
        cheaper is not None and _not_worse(found, cheaper, case.plan.margin)
    ):
        return Answer.TIED, _tied(case, seen, cheaper, same_price), cheaper
    return Answer.NOT_ENOUGH_EVIDENCE, f"{seen}. {_what_would_settle(found, case.plan.alpha)}", cheaper


def _tied(case: Case, seen: str, cheaper: ArmId | None, same_price: bool) -> str:
    margin = f"{100 * case.plan.margin:g} points"
    if cheaper is None:
        price = "They cost the same" if same_price else "Which is cheaper is not known"
        return f"{seen}: within the margin of {margin}. {price}."
    return f"{seen}: {cheaper} is cheaper and not worse by the margin of {margin}."


def _difference(found: Comparison, a: ArmId, b: ArmId) -> str:
    d = found.difference
    if d.value is None:
        return f"{a} against {b}: {d.reason}"
    where = "" if d.low is None or d.high is None else f" ({points(d.low)} to {points(d.high)})"
    kind = "the method, on the same model" if found.same_model else "the pair of option and model"
    return f"{a} minus {b}: {points(d.value)}{where} on {d.n} items, an effect of {kind}"


def _what_would_settle(found: Comparison, alpha: float) -> str:
    if found.relation in {Relation.BETTER, Relation.WORSE} and found.p_holm is not None:
        return (
            "The interval of this pair alone excludes 0; adjusted for all comparisons of the run it is not "
            f"settled (p = {found.p_holm:.2g}, Holm; below {alpha:g} is asked for)."
        )
    if found.more_items:
        return f"About {found.more_items:,} more evaluation items would settle it at the rates seen."
    return f"No number of further items can be named: {found.more_items_reason}."


def _inside(found: Comparison, margin: float) -> bool:
    """Whether the whole interval lies within the margin, whatever side of 0 it is on."""
    low, high = found.difference.low, found.difference.high
    return low is not None and high is not None and -margin < low and high < margin


def _not_worse(found: Comparison, arm: ArmId, margin: float) -> bool:
    """Whether `arm` of a comparison is worse by less than the margin, by its interval."""
    low, high = found.difference.low, found.difference.high
    if low is None or high is None:
        return False
    return low > -margin if arm == found.a else -high > -margin


def _ship(case: Case) -> tuple[ArmId | None, str]:
    allowed = contenders(case.plan, case.arms)
    if all(arm.arm.option is Option.FLOOR for arm in case.arms):
        return None, "Only the floor was run; it is what an arm has to beat, not one to ship."
    if not allowed:
        return None, "Every arm is vetoed; see the reasons."
    if len(allowed) == 1:
        return allowed[0].arm, "It is the only arm that may be shipped."
    leader, near = dev_leader(allowed), acceptable(case.plan, case.arms, case.comparisons)
    unpriced = [arm.arm for arm in near if arm.cost.usd_per_1k_correct.usd is None]
    if unpriced:
        names = ", ".join(map(str, unpriced))
        return leader.arm, f"It led on dev; the price of {names} is unknown, so cost could not decide."
    best = min(near, key=lambda arm: (_price(arm), _SIMPLEST.index(arm.arm.option)))
    if best is leader and len(near) == 1:
        return best.arm, "It led on dev, and every other arm is worse, or not shown to be within the margin."
    others = ", ".join(str(arm.arm) for arm in near if arm is not best)
    margin = f"{100 * case.plan.margin:g} points"
    price = money(best.cost.usd_per_1k_correct.usd)
    return (
        best.arm,
        f"Cheapest per correct answer ({price} per 1,000) of the arms within {margin}: also {others}.",
    )


def _sure(case: Case, ship: ArmId | None) -> str:
    if ship is None:
        return "No arm can be recommended."
    rivals = [c for c in case.comparisons if ship in (c.a, c.b)]
    if not rivals:
        return "Nothing to compare it with: the run has no other arm that was compared."
    open_to = [c.b if c.a == ship else c.a for c in rivals if not _settled(c, case.plan)]
    if open_to:
        names = ", ".join(sorted(map(str, open_to)))
        return f"Fairly sure: the difference to {names} is not settled on these items."
    return "Sure on these items: every comparison with it is settled at the plan's level."


def _settled(found: Comparison, plan: DecisionPlan) -> bool:
    """Better or worse in the adjusted test too, or the same within the margin."""
    if _inside(found, plan.margin):
        return True
    apart = found.relation in {Relation.BETTER, Relation.WORSE}
    return apart and found.p_holm is not None and found.p_holm < plan.alpha


def _hangs_on(
    case: Case, pair: tuple[ArmId, ArmId] | None, by_id: Mapping[ArmId, ArmResult]
) -> tuple[str, ...]:
    notes = list(case.cautions)
    if pair is not None:
        tuned = by_id[pair[1]]
        count = max(1, len(tuned.seeds))
        if count == 1:
            notes.append(f"{pair[1]} is one artefact from one training seed; another seed may differ.")
        else:
            values = [s.accuracy.value for s in tuned.seeds if s.accuracy.value is not None]
            spread = f"{percent(min(values))} to {percent(max(values))}" if values else "not measured"
            notes.append(f"{pair[1]} was trained with {count} seeds: test accuracy {spread}.")
        notes.extend(_short_training(tuned))
    if not case.frontier_measured:
        notes.append("No frontier model was run: retrieval was measured on the models named here only.")
    return tuple(notes)


def _short_training(arm: ArmResult) -> list[str]:
    """A tuned model that saw each row only a few times says little against tuning."""
    artefact = arm.fitted.artefact
    if artefact is None or artefact.recipe.epochs >= _ENOUGH_EPOCHS:
        return []
    return [
        f"{arm.arm} was trained for {epochs(artefact.recipe.epochs)} only ({artefact.steps} steps): "
        "a longer training may raise it, so this run speaks of this artefact and not of tuning."
    ]


def _no_better_than(floor: ArmResult | None, arm: ArmResult) -> list[str]:
    if floor is None or arm is floor:
        return []
    guess, accuracy = floor.quality.accuracy.value, arm.quality.accuracy.value
    if guess is None or accuracy is None or accuracy > guess:
        return []
    return [f"accuracy {percent(accuracy)} is no better than always guessing ({percent(guess)})"]


def _veto_reasons(plan: DecisionPlan, arm: ArmResult) -> list[str]:
    reasons = []
    accuracy, p95 = arm.quality.accuracy, arm.latency.p95_ms.value
    failures, price = arm.quality.failure_rate.value, arm.cost.usd_per_1k.usd
    if plan.quality_floor is not None and (accuracy.value or 0.0) < plan.quality_floor:
        reasons.append(
            f"accuracy {percent(accuracy.value)} is under the floor of {percent(plan.quality_floor)}"
        )
    if plan.max_p95_ms is not None:
        if p95 is None:
            reasons.append(f"p95 was not measured; the limit is {plan.max_p95_ms:g} ms")
        elif p95 > plan.max_p95_ms:
            reasons.append(f"p95 {p95:,.0f} ms is over the limit of {plan.max_p95_ms:g} ms")
    if plan.max_usd_per_1k is not None:
        limit = money(plan.max_usd_per_1k)
        if price is None:
            reasons.append(f"its price per 1,000 queries is unknown; the limit is {limit}")
        elif price > plan.max_usd_per_1k:
            reasons.append(f"{money(price)} per 1,000 queries is over the limit of {limit}")
    if failures is not None and failures > plan.max_failure_rate:
        reasons.append(f"{percent(failures)} of calls failed; at most {percent(plan.max_failure_rate)} may")
    return reasons + _harm_reasons(plan, arm)


def _harm_reasons(plan: DecisionPlan, arm: ArmResult) -> list[str]:
    """Limits on harm hold for arms that learn from labelled rows; what was not looked at is not passed."""
    reasons = []
    rejection, agreement = (arm.harm.rejection, arm.harm.agreement) if arm.harm else (None, None)
    if plan.min_handed_back is not None and arm.arm.option in HARM_CHECKED:
        back = None if rejection is None else rejection.handed_back.value
        limit = percent(plan.min_handed_back)
        if back is None:
            reasons.append(f"what it does out of scope is not known; at least {limit} must be handed back")
        elif back < plan.min_handed_back:
            reasons.append(f"{percent(back)} out of scope is handed back, at least {limit} must be")
    if plan.min_seed_agreement is not None and arm.arm.option in (Option.TUNE, Option.TUNE_RETRIEVE):
        same = None if agreement is None else agreement.unanimous.value
        limit = percent(plan.min_seed_agreement)
        if same is None:
            reasons.append(f"how far training seeds agree is not known; on {limit} of items they must")
        elif same < plan.min_seed_agreement:
            reasons.append(f"training seeds agree on {percent(same)} of items, on {limit} they must")
    return reasons


def _dev_best(arms: Sequence[ArmResult], options: set[Option]) -> ArmResult | None:
    among = [arm for arm in arms if arm.arm.option in options]
    if not among:
        return None
    return max(
        among, key=lambda arm: (arm.quality.dev_accuracy.value or 0.0, -_SIMPLEST.index(arm.arm.option))
    )


def _between(comparisons: Sequence[Comparison], a: ArmId, b: ArmId) -> Comparison | None:
    return next((c for c in comparisons if {c.a, c.b} == {a, b}), None)


def _cheaper(a: ArmResult, b: ArmResult) -> tuple[ArmId | None, bool]:
    """The cheaper arm, None if that is not known or none is; and whether both are known to cost the same."""
    price_a, price_b = a.cost.usd_per_1k.usd, b.cost.usd_per_1k.usd
    if price_a is None or price_b is None:
        return None, False
    if price_a == price_b:
        return None, True
    return (a.arm if price_a < price_b else b.arm), False


def _price(arm: ArmResult) -> Decimal:
    usd = arm.cost.usd_per_1k_correct.usd
    assert usd is not None
    return usd
