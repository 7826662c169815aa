"""Money that may still be spent, checked before each paid call instead of after it.

The worst a call can cost is reserved before it is sent and settled with what it did cost. A call that
could pass the budget is refused, so the budget holds even with many calls in flight. A call whose cost
never becomes known (no usage reported, or lost on the way) stays booked at its worst case. Each call is
written to a log before it is sent, so that the budget holds over every resume as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from advisor.money.usage import Usage
from harness.core.errors import OverBudget

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


class Log(Protocol):
    """Where calls are written down; `harness.bakeoff.budget.CallLog` is one."""

    def sent(self, model: str, most_in: int, most_out: int) -> int:
        """A call is about to be sent; returns its number."""

    def answered(self, number: int, usage: Usage) -> None:
        """A call reported what it used."""

    def not_billed(self, number: int) -> None:
        """A call was certainly not billed."""

    def close(self) -> None:
        """Write down what was reported last."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one call; settle it exactly once."""

    usd: Decimal
    number: int
    logged: int = 0


class Spending:
    """What was spent and is set aside, in US dollars: one for all models that draw on a budget together."""

    def __init__(self, spent_usd: Decimal = Decimal(0)) -> None:
        """Begin with what was spent before."""
        self.lock = threading.Lock()
        self.spent = spent_usd
        self.open: dict[int, Decimal] = {}
        self.count = 0

    @property
    def reserved(self) -> Decimal:
        """Set aside for calls in flight; to be read under the lock."""
        return sum(self.open.values(), Decimal(0))


class SpendGuard:
    """A budget in US dollars shared by any number of threads and tasks.

    Attributes:
        budget_usd: never passed by spent and reserved money together; None to keep the log alone.
        tally: what is spent and set aside, of all that draw on the budget.
    """

    def __init__(
        self,
        budget_usd: Decimal | None,
        worst_case: WorstCase,
        cost_of: CostOf,
        *,
        tally: Spending | None = None,
        log: tuple[Log, str] | None = None,
    ) -> None:
        """Begin with what was spent before.

        Args:
            tally: what other models spend of the same budget counts too; None begins at 0.
            log: where calls are written down, and as calls of which model.

        Raises:
            ValueError: if the budget is negative or not a number.
        """
        if budget_usd is not None and (not budget_usd.is_finite() or budget_usd < 0):
            raise ValueError(f"a budget must be at least 0, got {budget_usd}")
        self.budget_usd = budget_usd
        self._worst_case = worst_case
        self._cost_of = cost_of
        self._log = log
        self.tally = tally or Spending()

    @property
    def spent_usd(self) -> Decimal:
        """Settled calls and what was spent before, those booked at their worst case included."""
        with self.tally.lock:
            return self.tally.spent

    def reserve(self, input_tokens: int, output_tokens: int) -> Reservation:
        """Set aside the worst case of a call, before it is sent.

        Raises:
            OverBudget: if it could pass the budget, or its price is unknown.
        """
        worst = self._allowed(input_tokens, output_tokens)
        with self.tally.lock:
            spent, reserved = self.tally.spent, self.tally.reserved
            if self.budget_usd is not None and spent + reserved + worst > self.budget_usd:
                raise OverBudget(
                    "The next call could pass the budget; what was computed is kept.",
                    got=f"{spent} USD spent on this run, {reserved} in flight, "
                    f"up to {worst} for the next call",
                    allowed=f"{self.budget_usd} USD in all",
                )
            self.tally.count += 1
            number = self.tally.count
            self.tally.open[number] = worst
        logged = 0
        if self._log is not None:
            log, model = self._log
            logged = log.sent(model, input_tokens, output_tokens)
        return Reservation(usd=worst, number=number, logged=logged)

    def _allowed(self, input_tokens: int, output_tokens: int) -> Decimal:
        """The worst case of a call; 0 where no budget is kept."""
        if self.budget_usd is None:
            return Decimal(0)
        worst = self._worst_case(input_tokens, output_tokens)
        if worst is None:
            raise OverBudget(
                "The model's price is unknown, so the budget could not be kept.",
                got=f"budget {self.budget_usd} USD",
                allowed="a price for the model (0/0 where nobody bills), or no --budget-usd",
                run="--price provider/model=INPUT/OUTPUT",
            )
        return worst

    def settle(self, reservation: Reservation, usage: Usage | None, *, unbilled: bool = False) -> None:
        """Book a call that was sent: at its cost, or at its worst case when that is unknown.

        Args:
            unbilled: it was certainly not billed, so that what was set aside is given back.

        Raises:
            KeyError: if the reservation was settled before.
        """
        cost = None if usage is None else self._cost_of(usage)
        self.settle_earlier(reservation.logged, usage, unbilled=unbilled)
        with self.tally.lock:
            worst = self.tally.open.pop(reservation.number)
            if not unbilled:
                self.tally.spent += worst if cost is None else cost

    def settle_earlier(self, number: int, usage: Usage | None, *, unbilled: bool) -> None:
        """Write down what a call of an earlier start cost; its worst case stays counted till the next one."""
        if self._log is None or not number:
            return
        if unbilled:
            self._log[0].not_billed(number)
        elif usage is not None:
            self._log[0].answered(number, usage)

    def close(self) -> None:
        """Close the log: for a guard that has one of its own."""
        if self._log is not None:
            self._log[0].close()
