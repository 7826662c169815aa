"""Serving on machines paid by the hour: whole machines, a load that varies over the day, idle time paid.

A machine costs the same busy or idle, so a low utilisation makes a query dearer, never cheaper; only
scaling to zero saves idle time, and then cold starts are paid. Queries are taken to arrive
independently (Poisson) within an hour; bursts beyond that belong into `peak_factor`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from advisor.money.machines import HOURS_PER_MONTH
from advisor.money.money import CostError

FLAT_DAY = (1.0,) * 24
OFFICE_DAY = (0.2,) * 7 + (0.6, 1.5, 2.2, 2.5, 2.4, 2.0, 2.2, 2.3, 2.2, 1.9, 1.4, 0.9) + (0.4,) * 5
"""Relative load by hour of a desk that works from eight to six: an assumption, not a measurement."""


IDLE_S, COLD_START_S = 300.0, 60.0
"""How long a machine that may sleep waits for a query before it is off, and until it answers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Queries of a mean month and how they spread over the day.

    Attributes:
        day: 24 relative weights, by hour.
        peak_factor: how far the busiest minutes of an hour exceed its mean.
    """

    queries_per_month: float
    day: tuple[float, ...] = FLAT_DAY
    peak_factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse loads that cannot be.

        Raises:
            CostError: on a negative volume, a day that has not 24 weights, or a factor below 1.
        """
        if not self.queries_per_month >= 0 or math.isinf(self.queries_per_month):
            raise CostError("The volume must be at least 0.", got=self.queries_per_month)
        if len(self.day) != 24 or min(self.day) < 0 or sum(self.day) <= 0:
            raise CostError("A day needs 24 weights of at least 0, not all 0.", got=self.day)
        if self.peak_factor < 1:
            raise CostError("The peak factor must be at least 1.", got=self.peak_factor)

    def hourly_qps(self) -> tuple[float, ...]:
        """Mean queries a second in each hour of the day."""
        a_day = self.queries_per_month / float(HOURS_PER_MONTH) * 24
        return tuple(a_day * weight / sum(self.day) / 3600 for weight in self.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """How queries are served.

    Attributes:
        queries_per_s: what one machine sustains within the latency wanted, measured or published.
        usd_per_hour: of one machine; None when not known.
        target_utilisation: share of that rate planned for, so that queues stay short.
        sleeps: machines are added and removed by the hour, and off when nothing came for a while; else there
            are enough for the peak, day and night.
    """

    queries_per_s: float
    usd_per_hour: Decimal | None
    target_utilisation: float = 0.7
    sleeps: bool = False

    def __post_init__(self) -> None:
        """Refuse fleets that cannot be.

        Raises:
            CostError: on a rate or utilisation outside its range.
        """
        if not self.queries_per_s > 0:
            raise CostError("A machine must answer more than 0 queries a second.", got=self.queries_per_s)
        if not 0 < self.target_utilisation <= 1:
            raise CostError("Target utilisation lies in (0, 1].", got=self.target_utilisation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What serving a load takes.

    Attributes:
        machines: the most that run at once.
        machine_hours: paid in a mean month, cold starts included.
        utilisation: share of the paid time spent on queries.
        usd_per_month: None when the price of an hour is not known.
    """

    machines: int
    machine_hours: Decimal
    utilisation: float
    usd_per_month: Decimal | None


def usd_per_1k(
    busy_s_per_query: float | None, machine_hour_usd: Decimal | None, utilisation: float = 1.0
) -> Decimal | None:
    """Dollars for 1,000 queries that each keep a machine busy for a while.

    busy seconds / 3600 * price of an hour * 1000 / utilisation: idle time is paid too, so half the
    utilisation doubles the cost of a query. Unknown if seconds or price are.

    Raises:
        CostError: if `utilisation` is not within (0, 1] or the seconds are negative.
    """
    if not 0 < utilisation <= 1:
        raise CostError("Utilisation lies in (0, 1].", got=utilisation)
    if busy_s_per_query is None or machine_hour_usd is None:
        return None
    if not busy_s_per_query >= 0:
        raise CostError("Busy seconds must be at least 0.", got=busy_s_per_query)
    return Decimal(str(busy_s_per_query)) / 3600 * machine_hour_usd * 1000 / Decimal(str(utilisation))


def machines_needed(peak_qps: float, fleet: Fleet) -> int:
    """Whole machines for a rate: the staircase, never below one unless they sleep."""
    wanted = math.ceil(peak_qps / (fleet.queries_per_s * fleet.target_utilisation) - 1e-9)
    return max(0 if fleet.sleeps else 1, wanted)


def serve(load: Load, fleet: Fleet) -> Serving:
    """Machines, hours, utilisation and money of a mean month."""
    rates = load.hourly_qps()
    needed = [machines_needed(rate * load.peak_factor, fleet) for rate in rates]
    hours = [float(max(needed))] * 24
    if fleet.sleeps:
        hours = [_hours_on(rate, n, fleet) for rate, n in zip(rates, needed, strict=True)]
    paid = Decimal(str(round(sum(hours), 9))) / 24 * HOURS_PER_MONTH
    busy = load.queries_per_month / fleet.queries_per_s / 3600
    return Serving(
        machines=max(needed),
        machine_hours=paid,
        utilisation=busy / float(paid) if paid else 0.0,
        usd_per_month=None if fleet.usd_per_hour is None else paid * fleet.usd_per_hour,
    )


def _hours_on(rate: float, machines: int, fleet: Fleet) -> float:
    """Machine hours paid within an hour when machines switch off after `IDLE_S` without a query.

    With Poisson arrivals and a busy-or-waiting time T after each, a machine is on for the share
    1 - exp(-rate * T) (the empty probability of an M/G/infinity queue), and is started
    rate * exp(-rate * T) times a second, each start costing `COLD_START_S`.
    """
    if rate == 0 or machines == 0:
        return 0.0
    stays = IDLE_S + 1 / fleet.queries_per_s
    alone = rate / machines
    off = math.exp(-alone * stays)
    return machines * min(1.0, (1 - off) + alone * off * COLD_START_S)


def monthly_capacity(load: Load, fleet: Fleet) -> float:
    """Queries a month that one machine carries at the load's shape: the peak sets the limit."""
    shape = max(load.day) / sum(load.day) * 24 * load.peak_factor
    seconds = float(HOURS_PER_MONTH) * 3600
    return fleet.queries_per_s * fleet.target_utilisation * seconds / shape
