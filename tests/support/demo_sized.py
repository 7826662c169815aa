"""A hand-made run as large as the demo's: eight options, a route to today's way, 30 labels."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from advisor.money.ledger import Money
from advisor.options import Option
from harness.bakeoff.results import (
    Answer,
    IfTodayIsWorse,
    LimitCheck,
    LimitKind,
    LimitState,
    RouteToToday,
)
from harness.core.records import TODAY, ArmId, Estimate, Finding, PriceBasis
from harness.money.records import CostForecast, HostedForecast
from harness.recommendation.records import (
    Action,
    Automation,
    Caution,
    CautionKind,
    Certainty,
    NextStep,
    Reason,
    ReasonKind,
    Recommendation,
    RunResults,
    StepKind,
)
from harness.tasks.label_breakdown import LabelBreakdown, LabelResult
from harness.track_record.records import AdviceCheck, CheckedRange
from tests.support import money as hand_money
from tests.support.results import (
    FLOOR,
    LINEAR,
    PROMPT,
    RETRIEVE,
    TUNE,
    arm_result,
    broken,
    comparison,
    data_summary,
    dollars,
    gap,
    recommendation,
    run_results,
    share,
    verdict,
)

NEIGHBOURS = ArmId(option=Option.NEIGHBOURS, model="neighbours")
ENCODER = ArmId(option=Option.ENCODER, model="encoder")
ROUTE = ArmId(option=Option.ROUTE, model=TODAY)
OUTSIDE = ArmId(option=Option.EXTERNAL, model="the system outside")
OPTIONS = (FLOOR, NEIGHBOURS, LINEAR, ENCODER, PROMPT, RETRIEVE, TUNE, ROUTE)
MODELS = ("openai/gpt-6-luna", "anthropic/claude-sonnet-5-5", "openai/gpt-6-astra")
FEW = "26 labels have fewer than 5 test rows: 'accounting_integration', 'api_webhooks', ...."
WORSE = tuple(
    IfTodayIsWorse(
        by=by, blended=share("accuracy", 0.826, 0.765, 0.867), floor=state, more_usd_per_month=more
    )
    for by, state, more in (
        (0.05, LimitState.OPEN, Decimal(142)),
        (0.1, LimitState.BROKEN, Decimal(285)),
    )
)
"""What becomes of the route where today's way does worse."""


def demo_sized(*more: ArmId) -> RunResults:
    """The run; `more` are further arms, such as one whose predictions come from outside."""
    arms = (*OPTIONS, *more)
    rivals = [arm for arm in arms if arm not in (FLOOR, ROUTE)]
    fitted = arm_result(LINEAR, (0.68, 0.59, 0.77)).quality
    label = fitted.by_label.labels[0]
    labels: tuple[LabelResult, ...] = tuple(replace(label, label=f"label_{n}") for n in range(30))
    quality = replace(fitted, breakdown=LabelBreakdown(labels=labels))
    limits = (
        *(broken(arm, value=0.66, high=0.738, bound=0.85, n=100) for arm in rivals),
        broken(PROMPT, kind=LimitKind.GUESSING, value=0.04, bound=0.07),
        broken(
            ROUTE, state=LimitState.OPEN, bound=0.85, value=0.854, low=0.803, high=0.889, more_items=15_671
        ),
        broken(ROUTE, kind=LimitKind.P95_TODAY, state=LimitState.OPEN, bound=2000.0, value=4000.0),
    )
    base = run_results()
    return replace(
        base,
        data=data_summary(
            labels=30, findings=(Finding(code="thin-support-test", severity="warning", message=FEW),)
        ),
        arms=tuple(
            arm_result(arm, (0.68, 0.59, 0.77), quality=quality, primary_all_rows=_all_rows(arm))
            for arm in arms
        ),
        comparisons=(
            replace(comparison(ENCODER, RETRIEVE), same_model=False),
            comparison(),
            *(comparison(arm, ROUTE) for arm in rivals),
        ),
        route=None,
        route_asked=False,
        route_to_today=_route(),
        verdict=verdict(answer=Answer.NOT_ENOUGH_EVIDENCE, pair=(RETRIEVE, ENCODER), limits=limits),
        recommendation=_recommendation(limits[-2]),
        outlook=_outlook(arms),
        advice=_advice(),
    )


def _all_rows(arm: ArmId) -> Estimate | None:
    free = arm in (FLOOR, NEIGHBOURS, LINEAR, ENCODER)
    return replace(share("accuracy", 0.632, 0.589, 0.671), n=579) if free else None


def _route() -> RouteToToday:
    return RouteToToday(
        first=NEIGHBOURS,
        tried=(NEIGHBOURS, LINEAR),
        threshold=0.68,
        temperature=0.1,
        alpha=0.025,
        target=0.85,
        today_accuracy=0.85,
        today_usd_per_item=Decimal("0.10"),
        rows=753,
        out_of_fold=723,
        coverage=share("share it answers", 0.43, 0.33, 0.53),
        precision=share("accuracy of answered", 0.86, 0.727, 0.934),
        blended=share("accuracy", 0.854, 0.793, 0.893),
        steps=(),
        if_worse=WORSE,
    )


def _recommendation(missing: LimitCheck) -> Recommendation:
    accuracy = share("accuracy", 0.854, 0.793, 0.893)
    shared = Automation(first=NEIGHBOURS, coverage=share("c", 0.43), precision=share("p", 0.86), rest=0.85)
    base = recommendation()
    settles = "whether route@today keeps the floor"
    return recommendation(
        action=Action.PILOT,
        ship=None,
        pilot=ROUTE,
        automation=shared,
        reasons=(
            Reason(kind=ReasonKind.AUTOMATES, arm=ROUTE, automation=shared, estimate=accuracy, check=missing),
            Reason(kind=ReasonKind.ONLY_ONE, arm=ROUTE),
            Reason(kind=ReasonKind.LIMIT_OPEN, arm=ROUTE, check=missing),
        ),
        next=NextStep(
            kind=StepKind.LABEL,
            items=15_671,
            settles=settles,
            usd=hand_money.amount("6268"),
            decides=base.next.decides,
        ),
        certainty=Certainty.ALL,
        open_to=(),
        cautions=(
            *(Caution(kind=CautionKind.IF_TODAY_IS_WORSE, worse=worse) for worse in WORSE),
            Caution(kind=CautionKind.DATA, message=FEW),
            Caution(kind=CautionKind.ILLUSTRATIVE_MACHINE),
            Caution(kind=CautionKind.REACH, comparison=comparison()),
            Caution(kind=CautionKind.SEEDS, arm=TUNE),
            Caution(kind=CautionKind.NO_HOSTED),
        ),
        frontier=tuple(gap(model=model, usd_per_1k=_listed(model)) for model in MODELS),
    )


def _listed(model: str) -> Money:
    source = f"genai-prices 0.2: {model} on 2026-11-20; tokens counted with the local model's tokenizer"
    return dollars("0.842", PriceBasis.ESTIMATE, source)


def _outlook(arms: tuple[ArmId, ...]) -> CostForecast:
    like = hand_money.linear()
    hosted = tuple(
        HostedForecast(
            model=model,
            month_usd=hand_money.amount("8.42", basis=PriceBasis.ESTIMATE),
            usd_per_1k=hand_money.amount("0.842", basis=PriceBasis.ESTIMATE),
            source=_listed(model).source,
        )
        for model in MODELS
    )
    curves = tuple(hand_money.curve(rival, "never", None) for rival in ("incumbent", *MODELS))
    months = tuple(
        replace(like, arm=arm, break_even=curves if arm == ROUTE else like.break_even)
        for arm in arms
        if arm != FLOOR
    )
    return hand_money.outlook(arms=months, hosted=hosted)


def _advice() -> AdviceCheck:
    metrics = (
        ("accuracy", 0.7, 0.94, 0.66),
        ("p95_ms", 3.0, 389.0, 79.0),
        ("usd_per_1k", 0.0002, 0.05, 0.007),
    )
    figures = tuple(
        CheckedRange(
            arm=arm,
            metric=metric,
            predicted_model=arm.model,
            low=low,
            high=high,
            measured=found,
            inside=low <= found <= high,
            same_model=True,
        )
        for arm in (NEIGHBOURS, LINEAR, ENCODER, PROMPT, RETRIEVE, TUNE)
        for metric, low, high, found in metrics
    )
    return AdviceCheck(
        case="Ticket routing",
        answer="tune",
        measured_answer="not enough evidence",
        first="linear",
        measured_first="route",
        figures=figures,
        inside=12,
        tested=18,
    )
