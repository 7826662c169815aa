"""A hand-made outlook and diagnosis for `tests.support.results`: an incumbent, a 'never', an unknown.

10,000 queries a month over 12 months; today people do it for $0.80 an item at 93 %, and a wrong answer costs
$2. Every sum below was made by hand from the parts beside it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from advisor.money.crossing import BreakEvenCurve, VolumePoint
from advisor.money.inputs import CostInputs, People
from advisor.money.ledger import Money
from advisor.money.machines import NO_MACHINE
from advisor.money.money import AssumedRange, ExchangeRate, Range
from advisor.money.tco import PaidBack
from advisor.options import Option
from harness.bakeoff.diagnosis import ArmDiagnosis, Confusion, CoveragePoint, LatencyPoint, ReliabilityBin
from harness.core.records import ArmId, CostLine, PriceBasis
from harness.money.records import (
    ArmForecast,
    ArmGrounds,
    CostForecast,
    Grounds,
    HostedForecast,
    HostedPrice,
    IncumbentCosts,
    Limit,
    MonthPart,
    PlanKey,
    ServingCost,
    Unstated,
)

LINEAR = ArmId(option=Option.LINEAR, model="linear")
RETRIEVE = ArmId(option=Option.RETRIEVE, model="smollm2-135m")
TUNE = ArmId(option=Option.TUNE, model="smollm2-135m")
BOTH = ArmId(option=Option.TUNE_RETRIEVE, model="smollm2-135m")
LUNA = "openai/gpt-6-luna"
LUNA_SOURCE = "genai-prices 0.2: openai/gpt-6-luna on 2026-11-20"
MACHINE = "illustrative: 2 vCPU at $0.10 an hour"
UNKNOWN_PEOPLE = "no hours are stated for tune+retrieve (business.people)"


def amount(
    usd: str | None,
    low: str | None = None,
    high: str | None = None,
    basis: PriceBasis = PriceBasis.ILLUSTRATIVE,
    reason: str = "",
) -> Money:
    """Money with its range, or an unknown one with its reason."""
    known = [None if text is None else Decimal(text) for text in (usd, low, high)]
    return Money(usd=known[0], low_usd=known[1], high_usd=known[2], basis=basis, reason=reason)


def cost_line(name: str, quantity: str, unit: str, price: str, basis: PriceBasis, source: str) -> CostLine:
    """A ledger line; its amount is quantity times price."""
    return CostLine(
        name=name,
        quantity=Decimal(quantity),
        unit=unit,
        unit_price_usd=Decimal(price),
        amount_usd=Decimal(quantity) * Decimal(price),
        basis=basis,
        source=source,
    )


def running(days: str) -> CostLine:
    """An engineer's days a month at $600."""
    return cost_line("running", days, "days", "600", PriceBasis.ESTIMATE, "engineering day rate")


def wrong(answers: str) -> CostLine:
    """Wrong answers a month at $2."""
    return cost_line("wrong answers", answers, "answers", "2", PriceBasis.ESTIMATE, "as stated")


def building(days: str) -> CostLine:
    """An engineer's days once at $600."""
    return cost_line("building", days, "days", "600", PriceBasis.ESTIMATE, "engineering day rate")


def whole_machine() -> CostLine:
    """One machine for a month: 730 hours at $0.10."""
    return cost_line("machines", "730", "hours", "0.10", PriceBasis.ILLUSTRATIVE, MACHINE)


def new_rows() -> CostLine:
    """0.2 label changes a month, 20 rows each, at $0.50."""
    return cost_line("rows for changed labels", "4", "items", "0.50", PriceBasis.ESTIMATE, "assumption")


def curve(rival: str, outcome: str, volume: int | None) -> BreakEvenCurve:
    """A curve of three volumes."""
    points = (
        VolumePoint(queries_per_month=100, usd=Decimal("389.52"), rival_usd=Decimal("94")),
        VolumePoint(queries_per_month=1_000, usd=Decimal("727.01"), rival_usd=Decimal("940")),
        VolumePoint(queries_per_month=10_000, usd=Decimal("4102.12"), rival_usd=Decimal("9400")),
    )
    span = (None, None) if volume is None else (0.5 * volume, 2.0 * volume)
    shown = points if rival == "incumbent" and outcome != "unknown" else ()
    return BreakEvenCurve(
        rival=rival,
        outcome=outcome,
        queries_per_month=volume,
        low=span[0],
        high=span[1],
        machines=1 if outcome == "at" else None,
        points=shown,
    )


def business(**changes: object) -> CostInputs:
    """What was stated, and one range that stands in."""
    hours = {
        Option.LINEAR: (("2", "4", "8"), ("0.5", "2", "6")),
        Option.RETRIEVE: (("3", "8", "20"), ("1", "4", "12")),
        Option.TUNE: (("5", "12", "30"), ("2", "6", "16")),
    }
    base = CostInputs(
        queries_per_month=10_000,
        horizon_months=12.0,
        day_rate_usd=Decimal(600),
        wrong_answer_usd=Decimal(2),
        example_usd=Decimal("0.5"),
        knowledge_changes_per_month=0.0,
        label_changes_per_month=0.2,
        rows_per_label_change=20.0,
        machine=replace(NO_MACHINE, name="cpu-2", usd_per_hour=Decimal("0.10"), source=MACHINE),
        utilisation=0.3,
        exchange=ExchangeRate(
            currency="EUR", per_usd=Decimal("0.92"), as_of=date(2026, 11, 20), source="example rate"
        ),
        ranges=(
            assumed("label_changes_per_month", 0.0, 0.2, 2.0, "labels a month"),
            assumed("rows_per_label_change", 10.0, 20.0, 40.0, "rows"),
        ),
        people={
            option.value: People(
                build_days=spread(*days), run_hours_per_month=spread(*run), source="assumption"
            )
            for option, (days, run) in hours.items()
        },
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def assumed(key: str, low: float, likely: float, high: float, unit: str) -> AssumedRange:
    """A range that stands in for a figure."""
    return AssumedRange(key=key, low=low, likely=likely, high=high, unit=unit, source="assumption")


def spread(low: str, likely: str | None = None, high: str | None = None) -> Range[Decimal]:
    """A range; one figure is a range without width."""
    return Range(low=Decimal(low), likely=Decimal(likely or low), high=Decimal(high or low))


def linear() -> ArmForecast:
    """Month 0.123 + 2 + 150 + 3,750 = 3,902.123; saves 9,400 - 3,902.123; pays back 2,400 in 0.44 months."""
    query = cost_line(
        "machine time at 30% utilisation", "1.23", "hours", "0.10", PriceBasis.ILLUSTRATIVE, MACHINE
    )
    return ArmForecast(
        arm=LINEAR,
        month=(
            MonthPart(group="calls and machines", amount=amount("0.123", "0.123", "0.123"), lines=(query,)),
            MonthPart(group="changes", amount=amount("2", "0", "40"), lines=(new_rows(),)),
            MonthPart(group="people", amount=amount("150", "37.5", "450"), lines=(running("0.25"),)),
            MonthPart(group="wrong answers", amount=amount("3750", "3040", "4600"), lines=(wrong("1875"),)),
        ),
        month_usd=amount("3902.123", "3077.623", "5090.123"),
        once_usd=amount("2400", "1200", "4800"),
        horizon_usd=amount("49225.476", "38131.476", "65881.476"),
        usd_per_1k=amount("410.2123", "317.7623", "549.0123"),
        usd_per_1k_correct=amount("504.88", "374.72", "713"),
        saving_usd_per_month=amount("5497.877", "4309.877", "6322.377"),
        payback_months=0.4365,
        paid_back=PaidBack.WITHIN,
        break_even=(
            curve("incumbent", "at", 585),
            curve(LUNA, "always", 0),
        ),
        once=(building("4"),),
        saving_usd_horizon=amount("63574.524", "46918.524", "74668.524"),
        serving=ServingCost(
            charged="busy seconds",
            busy_usd=Decimal("0.123"),
            whole_usd=Decimal(73),
            machines=1,
            utilisation=0.0005,
        ),
    )


def tune() -> ArmForecast:
    """Month 73 + 2 + 450 + 4,072 = 4,597."""
    return ArmForecast(
        arm=TUNE,
        month=(
            MonthPart(group="calls and machines", amount=amount("73", "73", "73"), lines=(whole_machine(),)),
            MonthPart(group="changes", amount=amount("2", "0", "40"), lines=(new_rows(),)),
            MonthPart(group="people", amount=amount("450", "150", "1200"), lines=(running("0.75"),)),
            MonthPart(group="wrong answers", amount=amount("4072", "3360", "4920"), lines=(wrong("2036"),)),
        ),
        month_usd=amount("4597", "3583", "6233"),
        once_usd=amount("7200", "3000", "18000"),
        horizon_usd=amount("62364", "45996", "92796"),
        usd_per_1k=amount("519.7", "383.3", "773.3"),
        usd_per_1k_correct=amount("652.56", "460.7", "1025.6"),
        saving_usd_per_month=amount("4803", "3167", "5817"),
        payback_months=1.4991,
        paid_back=PaidBack.WITHIN,
        break_even=(
            curve("incumbent", "at", 1750),
            curve(LUNA, "never", None),
        ),
        once=(building("12"),),
        saving_usd_horizon=amount("50436", "20004", "66804"),
        serving=ServingCost(
            charged="whole machines",
            busy_usd=Decimal("0.92"),
            whole_usd=Decimal(73),
            machines=1,
            utilisation=0.0038,
        ),
    )


def retrieve() -> ArmForecast:
    """Month 73 + 2 + 300 + 10,178 = 10,553: more than today, so it never pays back."""
    return ArmForecast(
        arm=RETRIEVE,
        month=(
            MonthPart(group="calls and machines", amount=amount("70", "70", "70"), lines=(whole_machine(),)),
            MonthPart(group="retrieval", amount=amount("3", "3", "3")),
            MonthPart(group="changes", amount=amount("2", "0", "40"), lines=(new_rows(),)),
            MonthPart(group="people", amount=amount("300", "75", "900"), lines=(running("0.5"),)),
            MonthPart(group="wrong answers", amount=amount("10178", "9360", "11000"), lines=(wrong("5089"),)),
        ),
        month_usd=amount("10553", "9508", "12013"),
        once_usd=amount("4800", "1800", "12000"),
        horizon_usd=amount("131436", "115896", "156156"),
        usd_per_1k=amount("1095.3", "965.8", "1301.3"),
        usd_per_1k_correct=amount("2230.3", "1815.41", "2891.78"),
        saving_usd_per_month=amount("-1153", "-2613", "-108"),
        payback_months=None,
        paid_back=PaidBack.NEVER,
        break_even=(curve("incumbent", "never", None),),
        once=(building("8"),),
        saving_usd_horizon=amount("-18636", "-43356", "-3096"),
    )


def both() -> ArmForecast:
    """Nobody stated what running it takes: the sum is unknown, never 0."""
    unknown = amount(None, reason=UNKNOWN_PEOPLE)
    return ArmForecast(
        arm=BOTH,
        month=(
            MonthPart(group="calls and machines", amount=amount("73", "73", "73"), lines=(whole_machine(),)),
            MonthPart(group="people", amount=unknown),
            MonthPart(group="wrong answers", amount=amount("4036", "3320", "4880"), lines=(wrong("2018"),)),
        ),
        month_usd=unknown,
        once_usd=unknown,
        horizon_usd=unknown,
        usd_per_1k=unknown,
        usd_per_1k_correct=unknown,
        saving_usd_per_month=unknown,
        payback_months=None,
        paid_back=PaidBack.UNKNOWN,
        break_even=(curve("incumbent", "unknown", None),),
        saving_usd_horizon=unknown,
    )


def limits() -> tuple[Limit, ...]:
    """A day, a rate and a volume."""
    return (
        Limit(
            what="price change",
            on=date(2026, 12, 1),
            model=LUNA,
            now_usd=Decimal("0.842"),
            then_usd=Decimal("1.684"),
            source=LUNA_SOURCE,
        ),
        Limit(
            what="model retirement",
            on=date(2027, 3, 31),
            model=LUNA,
            source="litellm 1.106.0, deprecation_date",
        ),
        Limit(
            what="change rate",
            source="calculated from this run",
            at=100.0,
            arm=LINEAR,
            other=TUNE,
            changes="label_changes_per_month",
        ),
        Limit(
            what="volume",
            source="calculated from this run",
            at=40.0,
            arm=LINEAR,
            other=TUNE,
            side="below",
        ),
    )


def grounds() -> Grounds:
    """What the figures rest on beside the arms."""
    return Grounds(
        arms=(
            ArmGrounds(arm=LINEAR, busy_s_per_query=0.00013284, search_s_per_query=0.0, refit_s=12.5),
            ArmGrounds(arm=RETRIEVE, busy_s_per_query=0.00013284, search_s_per_query=0.000005, refit_s=0.01),
            ArmGrounds(arm=TUNE, busy_s_per_query=0.00013284, search_s_per_query=0.0, refit_s=900.0),
            ArmGrounds(arm=BOTH, busy_s_per_query=0.00013284, search_s_per_query=0.000005, refit_s=900.0),
        ),
        hosted=(
            HostedPrice(
                model=LUNA,
                arm=None,
                usd_per_1k=amount("0.842", basis=PriceBasis.ESTIMATE),
                source=LUNA_SOURCE,
                next_on=date(2026, 12, 1),
                next_usd_per_1k=Decimal("1.684"),
                retires_on=date(2027, 3, 31),
                retires_source="litellm 1.106.0, deprecation_date",
            ),
        ),
        acceptable=(LINEAR, TUNE, BOTH),
    )


def outlook(**changes: object) -> CostForecast:
    """The whole: four arms that may be shipped, one hosted model, limits and the next step."""
    base = CostForecast(
        business=business(),
        incumbent=IncumbentCosts(
            kind="people",
            usd_per_item=Decimal("0.80"),
            accuracy=0.93,
            p95_ms=None,
            month_usd=amount("9400", "9400", "9400", PriceBasis.MEASURED),
            horizon_usd=amount("112800", "112800", "112800", PriceBasis.MEASURED),
            usd_per_1k_correct=amount("1010.75", "1010.75", "1010.75", PriceBasis.MEASURED),
        ),
        arms=(linear(), retrieve(), tune(), both()),
        hosted=(
            HostedForecast(
                model=LUNA,
                month_usd=amount("8.42", basis=PriceBasis.ESTIMATE),
                usd_per_1k=amount("0.842", basis=PriceBasis.ESTIMATE),
                source=LUNA_SOURCE,
            ),
        ),
        valid_until=date(2026, 12, 1),
        limits=limits(),
        unknown=(Unstated(key=PlanKey.PEOPLE, options=(Option.TUNE_RETRIEVE,)),),
        grounds=grounds(),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def diagnosis() -> tuple[ArmDiagnosis, ...]:
    """What lies behind the linear arm and the retrieve arm; the latter was not timed and not scored."""
    return (
        ArmDiagnosis(
            arm=LINEAR,
            confusions=(
                Confusion(label="refund_request", answered="invoice_question", count=7),
                Confusion(label="login_problem", answered="password_reset", count=4),
            ),
            confused=105,
            reliability=tuple(_bin(number) for number in range(10)),
            coverage=(
                CoveragePoint(threshold=0.11, kept=1.0, precision=0.8125, n=560),
                CoveragePoint(threshold=0.52, kept=0.75, precision=0.9, n=420),
                CoveragePoint(threshold=0.97, kept=0.25, precision=0.9857, n=140),
            ),
            latency=(
                LatencyPoint(share=0.0, ms=1.1),
                LatencyPoint(share=0.5, ms=1.6),
                LatencyPoint(share=0.95, ms=2.9),
                LatencyPoint(share=1.0, ms=7.4),
            ),
            latency_n=200,
        ),
        ArmDiagnosis(
            arm=RETRIEVE,
            confusions=(Confusion(label="login_problem", answered="refund_request", count=31),),
            confused=285,
            reliability=(),
            coverage=(),
            latency=(),
            latency_n=0,
        ),
    )


def _bin(number: int) -> ReliabilityBin:
    """Empty below 0.5; above, 112 answers a bin that are right a little less often than they are sure."""
    low, high = number / 10, (number + 1) / 10
    if number < 5:
        return ReliabilityBin(low=low, high=high, n=0, mean_confidence=None, accuracy=None)
    middle = low + 0.05
    return ReliabilityBin(
        low=low,
        high=high,
        n=112,
        mean_confidence=middle,
        accuracy=middle - 0.03,
        accuracy_low=middle - 0.12,
        accuracy_high=middle + 0.05,
    )
