"""A run's arms at the business's numbers: the sides of each arm and of its rivals, built once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from advisor.options import Option
from harness.bakeoff.results import ArmResult, BakeoffResults
from harness.core.records import ArmId
from harness.money.cost_curves import (
    CostCurve,
    Shape,
    holds_a_model,
    shape_of,
    side_of_arm,
    side_of_hosted,
    side_of_incumbent,
)
from harness.money.inputs import ENDS, CostInputs, End
from harness.money.records import Business, HostedPrice, Incumbent

Ends = Mapping[End, CostCurve]


@dataclass(frozen=True, kw_only=True)  # no slots: sides are kept once built
class Scene:
    """Everything an outlook is reckoned from.

    Attributes:
        ship: the arm that is to be used.
    """

    results: BakeoffResults
    given: CostInputs
    today: Incumbent | None
    ship: ArmId | None = None

    @property
    def volume(self) -> int:
        """Queries a month."""
        return self.given.business.queries_per_month

    @property
    def priced(self) -> bool:
        """Whether a wrong answer has a price."""
        return self.given.business.wrong_answer_usd is not None

    @property
    def priced_today(self) -> bool:
        """Whether wrong answers can be counted on both sides of a comparison with the incumbent."""
        return self.priced and self.today is not None and self.today.accuracy is not None

    @cached_property
    def arms(self) -> dict[ArmId, ArmResult]:
        """The measured arms."""
        return {arm.arm: arm for arm in self.results.arms}

    @cached_property
    def may_ship(self) -> tuple[ArmResult, ...]:
        """The arms without a veto, the floor left out."""
        return tuple(arm for arm in self.counted if arm.arm not in self.barred)

    @property
    def barred(self) -> frozenset[ArmId]:
        """The arms with a veto."""
        return self.results.verdict.barred

    @property
    def counted(self) -> tuple[ArmResult, ...]:
        """The arms whose money is shown: all but the floor, those with a veto marked as barred."""
        return tuple(arm for arm in self.results.arms if arm.arm.option is not Option.FLOOR)

    @cached_property
    def acceptable(self) -> tuple[ArmId, ...]:
        """The arms that are not worse than the best by the margin."""
        return tuple(arm for arm in self.given.grounds.acceptable if arm in self.arms)

    @cached_property
    def not_run(self) -> tuple[HostedPrice, ...]:
        """Hosted models that were not run."""
        return tuple(price for price in self.given.grounds.hosted if price.arm is None)

    def whole(self, arm: ArmResult) -> bool:
        """Whether the arm is paid by whole machines."""
        return holds_a_model(arm, self.arms, self.results.route)

    def sides(self, arm: ArmResult, *, accuracy_end: End | None = None) -> Ends:
        """An arm at all ends."""
        whole = self.whole(arm)
        return {
            end: side_of_arm(arm, self.given, end, whole=whole, accuracy_end=accuracy_end) for end in ENDS
        }

    def likely_shape(self, arm: ArmId, *, counted: bool) -> Shape:
        """The staircase of an arm at likely figures."""
        found = self.arms[arm]
        side = side_of_arm(found, self.given, "likely", whole=self.whole(found))
        return shape_of(side, counted=counted)

    @cached_property
    def incumbent(self) -> Ends | None:
        """What is done today, None where nobody said."""
        if self.today is None:
            return None
        return {end: side_of_incumbent(self.today, self.given, end) for end in ENDS}

    def hosted(self, price: HostedPrice) -> Ends:
        """A hosted model that was not run."""
        return {end: side_of_hosted(price, self.given, end) for end in ENDS}

    def at(self, business: Business) -> Scene:
        """The same run at other numbers."""
        return replace(self, given=replace(self.given, business=business))


def shapes_of(sides: Ends, *, counted: bool) -> Mapping[End, Shape]:
    """The staircases of all ends."""
    return {end: shape_of(side, counted=counted) for end, side in sides.items()}
