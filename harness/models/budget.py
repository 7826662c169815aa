"""Money that may still be spent, checked before each paid call instead of after it.

The worst a call can cost is reserved before it is sent and settled with what it did cost. A call that
could pass the budget is refused, so the budget holds even with many calls in flight. A call whose cost
never becomes known (no usage reported, or lost on the way) stays booked at its worst case.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from advisor.cost.usage import Usage
from harness.errors import OverBudget

WorstCase = Callable[[int, int], Decimal | None]
"""(most input tokens, most output tokens) -> US dollars, None when a price is unknown."""

CostOf = Callable[[Usage], Decimal | None]
"""What reported usage costs in US dollars, None when a price or a count is unknown."""


def per_token(input_usd: Decimal | None, output_usd: Decimal | None) -> WorstCase:
    """The worst case at flat prices for one input and one output token.

    Give the dearest input price there is: cache writes and long-context tiers cost more than plain input.
    """

    def worst(input_tokens: int, output_tokens: int) -> Decimal | None:
        if input_usd is None or output_usd is None:
            return None
        return input_usd * input_tokens + output_usd * output_tokens

    return worst


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one call; settle it exactly once."""

    usd: Decimal
    number: int


class SpendGuard:
    """A budget in US dollars shared by any number of threads and tasks.

    Attributes:
        budget_usd: never passed by spent and reserved money together.
    """

    def __init__(self, budget_usd: Decimal, worst_case: WorstCase, cost_of: CostOf) -> None:
        """Begin with nothing spent.

        Raises:
            ValueError: if the budget is negative or not a number.
        """
        if not budget_usd.is_finite() or budget_usd < 0:
            raise ValueError(f"a budget must be at least 0, got {budget_usd}")
        self.budget_usd = budget_usd
        self._worst_case = worst_case
        self._cost_of = cost_of
        self._lock = threading.Lock()
        self._spent = Decimal(0)
        self._assumed = Decimal(0)
        self._open: dict[int, Decimal] = {}
        self._count = 0

    @property
    def spent_usd(self) -> Decimal:
        """Settled calls, those booked at their worst case included."""
        with self._lock:
            return self._spent

    @property
    def assumed_usd(self) -> Decimal:
        """The part of `spent_usd` that is a worst case, because the true cost never became known."""
        with self._lock:
            return self._assumed

    @property
    def reserved_usd(self) -> Decimal:
        """Set aside for calls in flight."""
        with self._lock:
            return sum(self._open.values(), Decimal(0))

    def reserve(self, input_tokens: int, output_tokens: int) -> Reservation:
        """Set aside the worst case of a call, before it is sent.

        Raises:
            OverBudget: if it could pass the budget, or its price is unknown.
        """
        worst = self._worst_case(input_tokens, output_tokens)
        if worst is None:
            raise OverBudget(
                "The model's price is unknown, so the budget could not be kept.",
                got=f"budget {self.budget_usd} USD",
                allowed="a price for the model, or no --budget-usd",
            )
        with self._lock:
            reserved = sum(self._open.values(), Decimal(0))
            if self._spent + reserved + worst > self.budget_usd:
                raise OverBudget(
                    "The next call could pass the budget; what was computed is kept.",
                    got=f"{self._spent} USD spent, {reserved} in flight, up to {worst} for the next call",
                    allowed=f"{self.budget_usd} USD in all",
                )
            self._count += 1
            self._open[self._count] = worst
            return Reservation(usd=worst, number=self._count)

    def settle(self, reservation: Reservation, usage: Usage | None) -> None:
        """Book a call that was sent: at its cost, or at its worst case when that is unknown.

        Raises:
            KeyError: if the reservation was settled or released before.
        """
        cost = None if usage is None else self._cost_of(usage)
        with self._lock:
            worst = self._open.pop(reservation.number)
            self._spent += worst if cost is None else cost
            self._assumed += worst if cost is None else Decimal(0)

    def release(self, reservation: Reservation) -> None:
        """Give back what was set aside for a call that was certainly not billed.

        Raises:
            KeyError: if the reservation was settled or released before.
        """
        with self._lock:
            del self._open[reservation.number]
