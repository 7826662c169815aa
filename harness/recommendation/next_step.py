"""What to do next, what that costs and who decides it; and the one risk to name. Rules, in a fixed order.

The next step:
1. Nothing may be shipped: mend what stands against the most accurate arm.
2. An arm breaks no limit and one is open: label as many items as would show whether it keeps the floor, or
   measure what was not measured.
3. RAG against tuning is open and no third arm ships: label as many more evaluation items as would settle it.
4. Else pilot the arm to ship for a month.

The biggest risk is the first of these that holds, from what would undo the whole answer to what would
shift it: nothing may be shipped; the rows are not the user's own; the accuracy is known to no better than
`WIDE` either way; the arm is one training of one seed; most of its month rests on assumed figures or on an
illustrative price; no row tests questions it is not meant for; no hosted model was measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from advisor.options import Option
from harness.bakeoff.results import Answer, ArmResult, Comparison, LimitKind, LimitState
from harness.core.records import ArmId, PriceBasis
from harness.core.wording import limit_words, money, percent
from harness.money.inputs import ENDS
from harness.money.records import Amount, ArmForecast
from harness.money.scene import Scene

WIDE = 0.05
OWN_ROWS = "the user's own file"
_OUTSIDE = re.compile(
    r"(?:^|[ _-])(?:out[ _-]of[ _-]scope|oos|none[ _-]of[ _-](?:these|the above)|other)(?:$|[ _-])"
)
_MOST = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An action, its price and who decides it."""

    text: str
    usd: Amount | None
    decider: str


def next_step(scene: Scene, arms: Sequence[ArmForecast]) -> Step:
    """What the verdict asks for."""
    verdict = scene.results.verdict
    if verdict.ship is None and verdict.pilot is None:
        return Step(text=_mend(scene), usd=None, decider="product owner")
    if verdict.pilot is not None:
        return _open(verdict.pilot, scene)
    settled = verdict.answer is not Answer.NOT_ENOUGH_EVIDENCE
    if not settled and verdict.pair is not None and verdict.ship in verdict.pair:
        pair = _pair(scene)
        if pair is not None and pair.more_items.likely:
            return _label(pair.more_items.likely, "that would settle RAG against tuning", scene)
    ship = next((arm for arm in arms if arm.arm == verdict.ship), None)
    beside = " beside what is done today" if scene.today is not None else ""
    text = f"Pilot {verdict.ship} on real queries for a month{beside}, and check a sample of its answers."
    return Step(text=text, usd=None if ship is None else _pilot(ship), decider="budget holder")


def _mend(scene: Scene) -> str:
    """What stands against the most accurate of the arms with a veto."""
    verdict = scene.results.verdict
    barred = [arm for arm in scene.counted if arm.arm in scene.barred]
    best = max(barred, key=lambda arm: arm.quality.accuracy.value or 0.0, default=None)
    against = [veto.reason for veto in verdict.vetoes if best is not None and veto.arm == best.arm]
    if best is None:
        return f"Ship nothing yet: {verdict.ship_because} Fix this first, then run again."
    return (
        f"Ship nothing yet. {best.arm} comes nearest: {'; '.join(against)}. Fix this first, with more "
        "labelled examples or another model, then run again."
    )


def _pair(scene: Scene) -> Comparison | None:
    pair = scene.results.verdict.pair or ()
    return next((c for c in scene.results.comparisons if {c.a, c.b} == set(pair)), None)


def _open(pilot: ArmId, scene: Scene) -> Step:
    """What would show whether the arm keeps the limits that are still open."""
    checks = [c for c in scene.results.verdict.limits if c.arm == pilot and c.state is LimitState.OPEN]
    items = [c.more_items for c in checks if c.kind is LimitKind.ACCURACY and c.more_items]
    if items:
        return _label(max(items), f"that would show whether {pilot} keeps the floor", scene)
    against = "; ".join(limit_words(check) for check in checks)
    return Step(
        text=f"Pilot {pilot} only to measure what is not shown yet: {against}.",
        usd=None,
        decider="product owner",
    )


def _label(items: int, why: str, scene: Scene) -> Step:
    """More evaluation items, at the price of an example."""
    low, likely, high = (scene.given.figure("example_usd", end) for end in ENDS)
    text = (
        f"Label {items:,} more evaluation items and run again with --after {scene.results.run_id}, "
        f"so that the fresh items alone decide: {why}."
    )
    if likely is None:
        reason = "what one more example costs is not stated: business.example_usd"
        return Step(
            text=text, usd=Amount(usd=None, basis=PriceBasis.ESTIMATE, reason=reason), decider="budget holder"
        )
    usd = Amount(
        usd=likely * items,
        low_usd=None if low is None else low * items,
        high_usd=None if high is None else high * items,
        basis=PriceBasis.ESTIMATE,
    )
    return Step(text=text, usd=usd, decider="budget holder")


def _pilot(ship: ArmForecast) -> Amount:
    """Building and one month; wrong answers are no outlay, so they are left out."""
    parts = [ship.once_usd, *(part.amount for part in ship.month if part.group != "wrong answers")]
    reason = "; ".join(dict.fromkeys(part.reason for part in parts if part.usd is None))
    basis = PriceBasis.ESTIMATE
    if any(part.usd is None for part in parts):
        return Amount(usd=None, basis=basis, reason=reason)
    return Amount(
        usd=sum((part.usd or Decimal(0) for part in parts), Decimal(0)),
        low_usd=sum((part.low_usd or Decimal(0) for part in parts), Decimal(0)),
        high_usd=sum((part.high_usd or Decimal(0) for part in parts), Decimal(0)),
        basis=basis,
    )


def biggest_risk(scene: Scene, arms: Sequence[ArmForecast]) -> str:
    """The first risk that holds, by the order this module names."""
    verdict, data = scene.results.verdict, scene.results.data
    use = verdict.ship or verdict.pilot
    if use is None:
        return "Using one of these arms all the same: none keeps the limits that were set before the run."
    arm = scene.arms[use]
    checks = (
        _not_own_rows(data.provenance),
        _wide(arm),
        _one_seed(arm, scene),
        _assumed(arm, arms),
        _inside_only(arm),
        None
        if verdict.frontier_measured
        else "No hosted model was measured: one may be better than any arm of this run, at its list price.",
    )
    return next(
        (found for found in checks if found),
        "None of the risks that a run can see by itself; real traffic may still differ from the test rows.",
    )


def _not_own_rows(provenance: str) -> str | None:
    if provenance == OWN_ROWS:
        return None
    return f"The rows are {provenance}: on your own queries every arm may do better or worse."


def _wide(arm: ArmResult) -> str | None:
    accuracy = arm.quality.accuracy
    if accuracy.low is None or accuracy.high is None:
        return f"{arm.arm} was tested on {accuracy.n:,} items: too few for an interval."
    if accuracy.high - accuracy.low <= 2 * WIDE:
        return None
    return (
        f"{arm.arm} was tested on {accuracy.n:,} items only: its accuracy lies between "
        f"{percent(accuracy.low)} and {percent(accuracy.high)}."
    )


def _one_seed(arm: ArmResult, scene: Scene) -> str | None:
    route = scene.results.route
    if arm.arm.option is Option.ROUTE and route is not None:
        arm = scene.arms.get(route.first, arm)
    if not arm.arm.option.traits.tuned or len(arm.seeds) > 1:
        return None
    return f"{arm.arm} is one training from one seed: another training may do better or worse."


def _assumed(arm: ArmResult, arms: Sequence[ArmForecast]) -> str | None:
    """Whether most of the month's outlay rests on assumed hours or on an illustrative price."""
    found = next((outlook for outlook in arms if outlook.arm == arm.arm), None)
    if found is None or found.month_usd.usd is None or not found.month_usd.usd:
        return None
    paid = [part for part in found.month if part.group != "wrong answers"]
    whole = sum((part.amount.usd or Decimal(0) for part in paid), Decimal(0))
    weak = [
        part
        for part in paid
        if part.amount.basis is PriceBasis.ILLUSTRATIVE or part.amount.low_usd != part.amount.high_usd
    ]
    share = sum((part.amount.usd or Decimal(0) for part in weak), Decimal(0))
    if not whole or share / whole <= _MOST:
        return None
    biggest = max(weak, key=lambda part: part.amount.usd or Decimal(0))
    where = f"{money(found.month_usd.low_usd)} to {money(found.month_usd.high_usd)}"
    return (
        f"Most of what {arm.arm} costs a month is assumed, above all {biggest.group}: it may be {where}. "
        "Replace the assumed figures with your own."
    )


def _inside_only(arm: ArmResult) -> str | None:
    if any(_OUTSIDE.search(label.label.casefold()) for label in arm.quality.labels):
        return None
    return "No test row is a question it is not meant for: how it answers those is not known."
