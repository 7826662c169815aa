"""What the measured arms mean in money: a month, the horizon, against today, and until when that holds.

Records only; `harness.measure.outlook` makes them from measured costs and what the plan says of the
business, and every page shows their fields. Dollars throughout; `currency` and `rate` say what a reader
is shown. Unknown stays None, with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from harness.records import ArmId, CostLine, PriceBasis


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Money with its range and what it rests on.

    Attributes:
        usd: the likely figure; None where a part of it is unknown, and then `reason` says which.
        low_usd, high_usd: the range of what is assumed in it; None without one.
    """

    usd: Decimal | None
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    basis: PriceBasis
    reason: str = ""


CostGroup = Literal["calls and machines", "retrieval", "changes", "people", "wrong answers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthPart:
    """One slice of a stacked monthly cost."""

    group: CostGroup
    amount: Amount
    lines: tuple[CostLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePoint:
    """Monthly cost of an arm and of its rival at one volume; None where unknown."""

    queries_per_month: int
    usd: Decimal | None
    rival_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEvenCurve:
    """From which volume on an arm is the cheaper one than its rival.

    Attributes:
        rival: 'incumbent', or the name of an arm or of a hosted model at list price.
        outcome: 'at', 'beyond one machine', 'always', 'never' or 'unknown' (`advisor.cost.break_even`).
        queries_per_month: the volume; None unless there is one.
        low, high: of the volume; None without an interval.
        reason: one sentence.
        points: the curve, rising volumes; empty where a cost is unknown.
    """

    rival: str
    outcome: str
    queries_per_month: int | None
    low: float | None
    high: float | None
    reason: str
    points: tuple[VolumePoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOutlook:
    """One arm over the horizon.

    Attributes:
        month: what a mean month consists of, in the order in which it is stacked.
        month_usd: their sum, wrong answers included only where their price was given.
        once_usd: building it: engineering days, labels, training, first index, evaluation.
        horizon_usd: once and all months.
        usd_per_1k, usd_per_1k_correct: the horizon by queries, and by right answers.
        saving_usd_per_month: against the incumbent; negative when it costs more; None without one.
        payback_months: until `once_usd` is earned back; None when never or unknown (`payback` says).
        payback: one sentence.
        break_even: against the incumbent and against rivals that are paid by the query.
    """

    arm: ArmId
    month: tuple[MonthPart, ...]
    month_usd: Amount
    once_usd: Amount
    horizon_usd: Amount
    usd_per_1k: Amount
    usd_per_1k_correct: Amount
    saving_usd_per_month: Amount
    payback_months: float | None
    payback: str
    break_even: tuple[BreakEvenCurve, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """What is done today, as the use case states it; never measured here unless it ran as an arm."""

    kind: str
    usd_per_item: Decimal | None
    accuracy: float | None
    p95_ms: float | None
    month_usd: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """The numbers of the use case that the outlook was computed for.

    Attributes:
        assumed: names of the fields below that the use case did not state and a range stood in for.
    """

    queries_per_month: int
    horizon_months: float
    day_rate_usd: Decimal | None
    wrong_answer_usd: Decimal | None
    example_usd: Decimal | None
    knowledge_changes_per_month: float | None
    label_changes_per_month: float | None
    machine_hour_usd: Decimal | None
    utilisation: float
    currency: str = "USD"
    rate: Decimal | None = None
    rate_source: str = ""
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Something that ends the verdict's validity.

    Attributes:
        what: 'price change', 'model retirement', 'change rate' or 'volume'.
        on: the day, where it is a day.
        sentence: what happens, and to what it would change the answer.
        source: where it is known from.
    """

    what: Literal["price change", "model retirement", "change rate", "volume"]
    on: date | None
    sentence: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The money of a run.

    Attributes:
        arms: every arm that may be shipped, in the run's order; `hosted` the same for hosted models that
            were not run, at list prices (never measured, no accuracy).
        valid_until: the first day on which something known changes; None when nothing is known to.
        limits: what ends the verdict's validity, days first.
        decider: who decides the next step, in a word ('budget holder', ...), and `next_step`, its command
            or action with `next_step_usd`.
        unknown: what is missing, one sentence each, and the plan key that would supply it.
    """

    business: Business
    incumbent: Incumbent | None
    arms: tuple[ArmOutlook, ...]
    hosted: tuple[HostedOutlook, ...] = ()
    valid_until: date | None = None
    limits: tuple[Limit, ...] = ()
    next_step: str = ""
    next_step_usd: Amount | None = None
    decider: str = ""
    biggest_risk: str = ""
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedOutlook:
    """A hosted model that was not run, at its list price for this volume."""

    model: str
    month_usd: Amount
    usd_per_1k: Amount
    source: str
