"""The money of a stored run at other figures: what a page asks for. Nothing is run again."""

from __future__ import annotations

from collections.abc import Mapping

from advisor.money.money import CostError
from harness.bakeoff.results import BakeoffResults
from harness.core.errors import UsageError
from harness.core.records import ArmId
from harness.money.forecast import outlook
from harness.money.records import CostForecast


def what_if(
    results: BakeoffResults, stored: CostForecast, figures: Mapping[str, object], ship: ArmId | None = None
) -> CostForecast:
    """The forecast of a run at other figures, from what it stored.

    Args:
        figures: fields of `CostInputs`, `machine_hour_usd` for the price of an hour; any number a person can
            type is allowed within the figure's own limits. A figure given is no longer assumed.
        ship: the arm that is to be used.

    Raises:
        UsageError: if a figure lies outside its range.
    """
    try:
        inputs = stored.business.stating(**figures)
    except CostError as error:
        raise UsageError(error.what, got=error.got, allowed=error.allowed) from error
    return outlook(results, inputs, stored.incumbent, stored.grounds, ship)
