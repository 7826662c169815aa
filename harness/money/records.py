"""What the measured arms mean in money: a month, the horizon, against today, and until when that holds.

Records only, and no sentence: `harness.money.forecast` makes them from measured costs and what the plan says
of the business, and `harness.report.topics.forecast` words them. Dollars throughout; `currency` and `rate`
say what a reader is shown. Unknown stays None, with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from advisor.money.crossing import BreakEvenCurve, Crossing
from advisor.money.inputs import CostInputs
from advisor.money.ledger import Money
from advisor.money.tco import PaidBack
from advisor.options import Option
from harness.core.records import ArmId, CostLine

CostGroup = Literal["calls and machines", "retrieval", "changes", "people", "wrong answers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthPart:
    """One slice of a stacked monthly cost."""

    group: CostGroup
    amount: Money
    lines: tuple[CostLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCost:
    """What an arm takes that runs on machines of one's own, reckoned in both ways.

    Attributes:
        charged: which of the two stands in the arm's month.
        busy_usd: a month of the seconds its queries keep a machine busy, at the plan's utilisation: the
            machine is shared with other work.
        whole_usd: a month of machines that run day and night for it alone, as many as the peak takes.
        machines: how many those are; None without a measured rate.
        utilisation: share of their paid time spent on queries.
        per_s: queries a second that one machine answers.
        full_usd_per_1k: 1,000 queries on a machine that is kept as full as that.
        under_load: whether the rate is that of a full endpoint; else of queries asked one by one, or batches.
    """

    charged: Literal["busy seconds", "whole machines"]
    busy_usd: Decimal | None
    whole_usd: Decimal | None
    machines: int | None
    utilisation: float | None
    per_s: float | None = None
    full_usd_per_1k: Decimal | None = None
    under_load: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmForecast:
    """One arm over the horizon.

    Attributes:
        month: what a mean month consists of, in the order in which it is stacked.
        month_usd: their sum, wrong answers included only where their price was given.
        once_usd: building it: engineering days, labels, training, first index, evaluation.
        horizon_usd: once and all months.
        usd_per_1k, usd_per_1k_correct: the horizon by queries, and by right answers.
        saving_usd_per_month: against the incumbent; negative when it costs more; None without one.
        payback_months: until `once_usd` is earned back; None when never or unknown (`paid_back` says).
        break_even: against the incumbent and against rivals that are paid by the query.
        once: the lines of `once_usd`.
        saving_usd_horizon: against the incumbent over the horizon, building included.
        serving: where it runs on machines of one's own.
        barred: a veto stands against it, so it may not be shipped whatever it costs.
    """

    arm: ArmId
    month: tuple[MonthPart, ...]
    month_usd: Money
    once_usd: Money
    horizon_usd: Money
    usd_per_1k: Money
    usd_per_1k_correct: Money
    saving_usd_per_month: Money
    payback_months: float | None
    paid_back: PaidBack
    break_even: tuple[BreakEvenCurve, ...] = ()
    once: tuple[CostLine, ...] = ()
    saving_usd_horizon: Money | None = None
    serving: ServingCost | None = None
    barred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IncumbentCosts:
    """What is done today, as the use case states it; never measured here unless it ran as an arm.

    `month_usd` holds wrong answers where their price and the accuracy are stated.
    """

    kind: str
    usd_per_item: Decimal | None
    accuracy: float | None
    p95_ms: float | None
    month_usd: Money
    horizon_usd: Money | None = None
    usd_per_1k_correct: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedPrice:
    """A hosted model's price for 1,000 queries like those of the run, now and as announced.

    Attributes:
        arm: where the model was run; None for one that was not.
        next_on, next_usd_per_1k: the next announced price, None where none is known.
        retires_on, retires_source: when the provider is known to switch it off.
    """

    model: str
    arm: ArmId | None
    usd_per_1k: Money
    source: str
    next_on: date | None = None
    next_usd_per_1k: Decimal | None = None
    retires_on: date | None = None
    retires_source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmGrounds:
    """What is known of an arm's seconds beside its ledger; None where not measured.

    Attributes:
        busy_s_per_query: how long a query keeps a machine of one's own busy, searching included.
        search_s_per_query: embedding the query and searching.
        refit_s: fitting it again after a change; 0 where nothing is fitted.
        batched_qps: queries a second of a batched pass; None where it answered one by one.
        loaded_qps: answers a second of its endpoint when that is full, by a load test; searching is no part
            of it.
    """

    arm: ArmId
    busy_s_per_query: float | None = None
    search_s_per_query: float | None = None
    refit_s: float | None = None
    batched_qps: float | None = None
    loaded_qps: float | None = None
    index: tuple[CostLine, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Seconds of a machine that a query takes: searching and its share of a full endpoint, or alone."""
        if self.loaded_qps:
            return (self.search_s_per_query or 0.0) + 1 / self.loaded_qps
        return self.busy_s_per_query

    @property
    def per_s(self) -> float | None:
        """Queries a second that one machine answers; None where not known."""
        if not self.seconds:
            return None
        return 1 / self.seconds if self.loaded_qps else max(1 / self.seconds, self.batched_qps or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a forecast rests on beside arms and figures, kept so that it can be reckoned again.

    Attributes:
        acceptable: the arms that may be shipped and are not worse than the best by the margin.
    """

    arms: tuple[ArmGrounds, ...]
    hosted: tuple[HostedPrice, ...]
    acceptable: tuple[ArmId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEffect:
    """What a hosted model's next price changes about the answer.

    Attributes:
        acceptable: False for the price of an arm that is no candidate anyway.
        cheapest: the cheapest acceptable arm before and after; of an arm that was run.
        crossings: where the arm to use is the cheaper one, before and after; of a model that was not run.
    """

    acceptable: bool = True
    cheapest: tuple[ArmId, ArmId] | None = None
    crossings: tuple[Crossing, Crossing] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Something that ends the verdict's validity; which fields are filled depends on `what`.

    Attributes:
        on: the day, where it is a day.
        at: the changes or the queries a month, where it is a rate or a volume.
        source: where it is known from.
        arm, other: the arm to use, and the acceptable arm that is the cheaper one beyond the limit.
        side: on which side of `at` the other arm is cheaper; 'here' where it is so at the volume asked for.
        months_usd: a month of both at that volume, where they are known to be on the wrong side of it.
        changes: the figure of `CostInputs` that is a rate.
        model, was_run: the hosted model, and whether it was an arm of the run.
        now_usd, then_usd: its price for 1,000 queries, now and from that day on; `effect` of the change.
    """

    what: Literal["price change", "model retirement", "change rate", "volume"]
    on: date | None = None
    source: str
    at: float | None = None
    arm: ArmId | None = None
    other: ArmId | None = None
    side: Literal["above", "below", "here"] = "above"
    months_usd: tuple[Decimal, Decimal] | None = None
    changes: Literal["label_changes_per_month", "knowledge_changes_per_month"] | None = None
    model: str = ""
    was_run: bool = False
    now_usd: Decimal | None = None
    then_usd: Decimal | None = None
    effect: PriceEffect | None = None


class PlanKey(StrEnum):
    """What a plan may lack; the value is the key that supplies it."""

    BUSINESS = "business"
    DAY_RATE = "business.day_rate_usd"
    EXAMPLE = "business.example_usd"
    LABEL_CHANGES = "business.label_changes_per_month"
    KNOWLEDGE_CHANGES = "business.knowledge_changes_per_month"
    HORIZON = "business.horizon_months"
    WRONG_ANSWER = "cost.wrong_answer_usd"
    INCUMBENT = "business.incumbent"
    ITEM_TODAY = "business.incumbent.usd_per_item"
    ACCURACY_TODAY = "business.incumbent.accuracy"
    PEOPLE = "business.people"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstated:
    """A figure that nobody stated or assumed; `options` are those whose people's time it is."""

    key: PlanKey
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedForecast:
    """A hosted model that was not run, at its list price for this volume."""

    model: str
    month_usd: Money
    usd_per_1k: Money
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CostForecast:
    """The money of a run.

    Attributes:
        arms: every arm but the floor, in the run's order, those with a veto marked; `hosted` the same
            for hosted models that were not run, at list prices (never measured, no accuracy).
        valid_until: the first day on which something known changes; None when nothing is known to.
        limits: what ends the verdict's validity, days first.
        unknown: what the plan does not state.
        grounds: what it rests on; `harness.money.what_if` reckons again with it.
    """

    business: CostInputs
    incumbent: IncumbentCosts | None
    arms: tuple[ArmForecast, ...]
    hosted: tuple[HostedForecast, ...] = ()
    valid_until: date | None = None
    limits: tuple[Limit, ...] = ()
    unknown: tuple[Unstated, ...] = ()
    grounds: Grounds


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierGap:
    """What an unmeasured frontier model would have to reach, at list prices.

    Attributes:
        usd_per_1k: list price of the counted tokens (another model's tokenizer: an estimate).
        accuracy_to_win: that of the arm to ship plus the margin, or the plan's floor where nothing may be
            shipped; whether so much would be significant depends on the items; None if it lies above 1.
        accuracy_same_cost_per_correct: accuracy at which a correct answer costs the same; None if
            it lies above 1 ('never cheaper').
        settle_usd: list price of all calls of `settle_command`, each taken to be as long as a retrieve query.
    """

    model: str
    usd_per_1k: Money
    accuracy_to_win: float | None
    accuracy_same_cost_per_correct: float | None
    settle_usd: Decimal | None
    settle_command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A figure from the literature; never one of ours."""

    statement: str
    low: float
    high: float
    source: str
    checked: str
