"""Ranges: a low, a likely and a high figure, and which end of them is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, Generic, TypeVar

from advisor.money.errors import CostError

Number = TypeVar("Number")


class Scenario(StrEnum):
    """Which end of every range: the cheap one, the likely one or the dear one."""

    CHEAP = "cheap"
    LIKELY = "likely"
    DEAR = "dear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range(Generic[Number]):
    """The lowest, the likely and the highest value of a figure; None where an end is not known."""

    low: Number
    likely: Number
    high: Number

    def __post_init__(self) -> None:
        """Refuse ranges out of order.

        Raises:
            CostError: unless low <= likely <= high, as far as they are known.
        """
        ends: list[Any] = [end for end in (self.low, self.likely, self.high) if end is not None]
        if not all(one <= other for one, other in pairwise(ends)):
            raise CostError("A range needs low <= likely <= high.", got=self)

    def at(self, scenario: Scenario) -> Number:
        """The value at one end, where less is cheaper."""
        match scenario:
            case Scenario.CHEAP:
                return self.low
            case Scenario.LIKELY:
                return self.likely
            case Scenario.DEAR:
                return self.high


MoneyRange = Range[Decimal | None]
"""US dollars; an end is None where a cost is not known."""
FigureRange = Range[float | None]
"""Shares, milliseconds or months; None where one is not known."""


def spanning(values: Iterable[Decimal | None], likely: Decimal | None) -> MoneyRange:
    """From the least to the most of all values, `likely` among them; open where one of them is not known."""
    found = list(values)
    known = [value for value in found if value is not None]
    whole = len(known) == len(found)
    return Range(low=min(known) if whole else None, likely=likely, high=max(known) if whole else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRange(Range[float]):
    """What stands in for a figure nobody stated; `cheap_is_low` says which end makes queries cheaper.

    Attributes:
        key: the field it stands in for.
        source: where the range comes from.
    """

    key: str
    unit: str
    cheap_is_low: bool = True
    source: str

    def at(self, scenario: Scenario) -> float:
        """The value in a scenario."""
        if self.cheap_is_low or scenario is Scenario.LIKELY:
            return Range.at(self, scenario)
        return self.high if scenario is Scenario.CHEAP else self.low
