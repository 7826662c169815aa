"""Hand-made run results for tests of what reads them: small, complete, every figure chosen by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from advisor.money.ledger import Money
from advisor.options import Option, TaskKind
from advisor.stats.paired import Relation
from harness.bakeoff.results import (
    Answer,
    ArmResult,
    Comparison,
    Cost,
    DataSummary,
    Latency,
    LimitCheck,
    LimitKind,
    LimitState,
    MoreItems,
    Quality,
    RouteDesign,
    RoutePoint,
    SeedResult,
    SliceResult,
    Verdict,
)
from harness.core.records import ArmId, CostLine, Estimate, Finding, Fitted, ModelIdentity, PriceBasis
from harness.core.serial import decode
from harness.money.records import FrontierGap, Published
from harness.recommendation.records import (
    Action,
    Caution,
    CautionKind,
    Certainty,
    Decider,
    NextStep,
    Reason,
    ReasonKind,
    Recommendation,
    Risk,
    RiskKind,
    RunResults,
    StepKind,
)
from harness.tasks.classification import ACCURACY, MACRO_F1
from harness.tasks.label_breakdown import LabelBreakdown, LabelResult
from tests.support import money as hand_money

N = 560
MACHINE = "illustrative: 2 vCPU at $0.10 an hour"

FLOOR = ArmId(option=Option.FLOOR, model="majority")
LINEAR = ArmId(option=Option.LINEAR, model="linear")
PROMPT = ArmId(option=Option.PROMPT, model="smollm2-135m")
RETRIEVE = ArmId(option=Option.RETRIEVE, model="smollm2-135m")
TUNE = ArmId(option=Option.TUNE, model="smollm2-135m")
BOTH = ArmId(option=Option.TUNE_RETRIEVE, model="smollm2-135m")


def share(metric: str, value: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    """A share over all test items."""
    return Estimate(
        metric=metric,
        value=value,
        low=low,
        high=high,
        n=N,
        method="cluster bootstrap" if value is not None else "none",
        reason="" if value is not None else "no distribution",
    )


def timed(metric: str, value: float | None) -> Estimate:
    """A latency over 200 warm queries."""
    if value is None:
        return Estimate(metric=metric, value=None, n=0, method="none", reason="no warm pass was run")
    return Estimate(metric=metric, value=value, low=value * 0.9, high=value * 1.2, n=200, method="order")


def dollars(usd: str | None, basis: PriceBasis = PriceBasis.ILLUSTRATIVE, source: str = MACHINE) -> Money:
    """A price, or an unknown one."""
    known = None if usd is None else Decimal(usd)
    return Money(usd=known, basis=basis, source=source, reason="" if usd else "a price is unknown")


def arm_result(arm: ArmId, accuracy: tuple[float, float, float], **changes: object) -> ArmResult:
    """An arm with this accuracy and interval; `changes` replace its parts."""
    value, low, high = accuracy
    quality = Quality(
        primary=share("accuracy", value, low, high),
        answered=share("accuracy of answered", value, low, high),
        invalid_rate=share("invalid rate", 7 / N, 0.006, 0.026),
        failure_rate=share("failure rate", 0.0, 0.0, 0.007),
        dev=replace(share("dev accuracy", value, low, high), n=120),
        without_overlap=share("accuracy without overlap", value, low, high),
        others=(share("macro-F1", 0.789, 0.75, 0.82),),
        slices=(
            SliceResult(column="language", value="de", primary=replace(share("a", 0.7, 0.6, 0.79), n=80)),
            SliceResult(column="language", value="en", primary=replace(share("a", 0.83, 0.79, 0.86), n=480)),
        ),
        breakdown=LabelBreakdown(
            labels=(
                LabelResult(
                    label="refund_request",
                    support=40,
                    predicted=44,
                    correct=33,
                    precision=0.75,
                    recall=0.825,
                    f1=0.7857,
                ),
            )
        ),
    )
    result = ArmResult(
        arm=arm,
        identity=ModelIdentity(id=arm.model, revision="ab" * 32, precision="fp32", location="local"),
        fitted=Fitted(choices={"k": 4}, seconds=12.5),
        quality=quality,
        latency=Latency(
            p50_ms=timed("p50_ms", 41.0),
            p95_ms=timed("p95_ms", 1234.0),
            p99_ms=timed("p99_ms", 1500.0),
            conditions="one query at a time, warm, in this process",
            throughput_qps=share("queries per second", None),
        ),
        cost=Cost(
            lines=(machine_line(),),
            usd_per_1k=dollars("0.0123"),
            usd_per_1k_correct=dollars("0.0152"),
        ),
    )
    return replace(result, **changes)  # type: ignore[arg-type]


def machine_line(source: str = MACHINE) -> CostLine:
    """Machine time, illustratively priced."""
    return CostLine(
        name="machine time at 30% utilisation",
        quantity=Decimal("0.123"),
        unit="hours",
        unit_price_usd=Decimal("0.10"),
        amount_usd=Decimal("0.0123"),
        basis=PriceBasis.ILLUSTRATIVE,
        source=source,
    )


def comparison(a: ArmId = TUNE, b: ArmId = RETRIEVE) -> Comparison:
    """Second arm behind the first by 30.5 points."""
    return Comparison(
        a=a,
        b=b,
        difference=share("accuracy difference", 0.305, 0.262, 0.349),
        only_a=190,
        only_b=19,
        p_value=0.00009,
        p_method="cluster-robust t test",
        relation=Relation.BETTER,
        same_model=a.model == b.model,
        detectable=0.043,
        more_items=MoreItems(likely=None, reason="settled"),
    )


def broken(arm: ArmId = PROMPT, **changes: object) -> LimitCheck:
    """A floor of 50 % on accuracy that the arm does not reach."""
    base = LimitCheck(
        arm=arm,
        kind=LimitKind.ACCURACY,
        state=LimitState.BROKEN,
        bound=0.5,
        value=0.12,
        low=0.094,
        high=0.149,
        n=N,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def verdict(**changes: object) -> Verdict:
    """Fine-tuning beats RAG; the prompted arm breaks the floor."""
    base = Verdict(answer=Answer.TUNE, pair=(RETRIEVE, TUNE), limits=(broken(),))
    return replace(base, **changes)  # type: ignore[arg-type]


def recommendation(**changes: object) -> Recommendation:
    """The linear classifier ships; a hosted model was not run."""
    base = Recommendation(
        action=Action.SHIP,
        ship=LINEAR,
        reasons=(
            Reason(
                kind=ReasonKind.ACCURACY,
                arm=LINEAR,
                estimate=share("accuracy", 0.8125, 0.77, 0.848),
                check=broken(LINEAR, state=LimitState.KEPT, value=0.8125, low=0.777, high=0.842),
            ),
            Reason(
                kind=ReasonKind.CHEAPEST,
                arm=LINEAR,
                others=(TUNE, BOTH),
                cost=hand_money.amount("151.5"),
                cost_basis="a month, all in",
            ),
            Reason(kind=ReasonKind.SAVES, arm=LINEAR, cost=hand_money.amount("8000"), cost_basis="a month"),
        ),
        next=NextStep(
            kind=StepKind.PILOT,
            arm=LINEAR,
            usd=hand_money.amount("6302.123", "4277.623", "9890.123"),
            decides=Decider.BUDGET_HOLDER,
        ),
        risk=Risk(kind=RiskKind.NOT_OWN_ROWS, provenance="machine-written, not customer data"),
        certainty=Certainty.SOME_OPEN,
        open_to=(TUNE,),
        cautions=(
            Caution(kind=CautionKind.DATA, message="3 labels have fewer than 10 training rows."),
            Caution(kind=CautionKind.SEEDS, arm=TUNE),
        ),
        frontier=(gap(),),
        published=(
            Published(
                statement="k-NN few-shot with GPT-class models on Banking77",
                low=0.83,
                high=0.941,
                source="Example et al. 2025",
                checked="2026-11-20",
            ),
        ),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def none_to_ship(**changes: object) -> Recommendation:
    """Every arm breaks a limit; a hosted model is to be measured next."""
    base = recommendation(
        action=Action.MEASURE_NEXT,
        ship=None,
        reasons=(Reason(kind=ReasonKind.LIMIT_BROKEN, arm=PROMPT, check=broken()),),
        next=NextStep(
            kind=StepKind.MEASURE_MODEL,
            model="openai/gpt-6-luna",
            command="harness bakeoff --evalset support-tickets --model openai/gpt-6-luna",
            usd=hand_money.amount("0.4715"),
            decides=Decider.BUDGET_HOLDER,
        ),
        risk=Risk(kind=RiskKind.NOTHING_KEEPS_LIMITS),
        certainty=Certainty.NO_ARM,
        open_to=(),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def gap(**changes: object) -> FrontierGap:
    """A frontier model that was not run."""
    base = FrontierGap(
        model="openai/gpt-6-luna",
        usd_per_1k=dollars("0.842", PriceBasis.ESTIMATE, "genai-prices 0.2: openai/gpt-6-luna on 2026-11-20"),
        accuracy_to_win=0.854,
        accuracy_same_cost_per_correct=None,
        settle_usd=Decimal("0.4715"),
        settle_command="harness bakeoff --evalset support-tickets --model openai/gpt-6-luna",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def data_summary(**changes: object) -> DataSummary:
    """Machine-written tickets with one warning."""
    base = DataSummary(
        name="support-tickets",
        title="Support tickets of a fictitious European SaaS company",
        licence="CC-BY-4.0",
        provenance="machine-written, not customer data",
        labels=24,
        train=600,
        dev=120,
        test=N,
        clusters=310,
        digests={"train": "11" * 32, "dev": "22" * 32, "test": "3a" * 32},
        findings=(
            Finding(
                code="rare-label", severity="warning", message="3 labels have fewer than 10 training rows."
            ),
            Finding(code="pii", severity="note", message="12 rows hold something like an e-mail address."),
        ),
        annotator_agreement=replace(share("agreement", 0.875, 0.804, 0.923), n=120),
        annotator_kappa=replace(share("kappa", 0.868, 0.8, 0.93), n=120),
        majority_share=0.0821,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def run_results(**changes: object) -> RunResults:
    """A whole run: six arms, fine-tuning beats RAG, the linear arm ships; with money and diagnosis."""
    base = RunResults(
        task=TaskKind.CLASSIFICATION,
        metrics=(ACCURACY, MACRO_F1),
        run_id="20261123-201500-c0ffee",
        plan_digest="c0ffee" + "00" * 29,
        seed=7,
        looks=3,
        data=data_summary(),
        arms=(
            arm_result(FLOOR, (0.0821, 0.061, 0.108), identity=None),
            arm_result(LINEAR, (0.8125, 0.77, 0.848), identity=None),
            arm_result(PROMPT, (0.12, 0.094, 0.149)),
            arm_result(RETRIEVE, (0.4911, 0.45, 0.532)),
            arm_result(TUNE, (0.7964, 0.754, 0.832), seeds=(_seed(7), _seed(8))),
            arm_result(BOTH, (0.7982, 0.756, 0.834)),
        ),
        comparisons=(comparison(), comparison(LINEAR, TUNE)),
        route=RouteDesign(
            first=TUNE,
            then=RETRIEVE,
            precision=0.9,
            threshold=None,
            kept=None,
            curve=(RoutePoint(threshold=0.5, kept=0.8, accuracy=0.8, usd_per_1k=None),),
            reason="No threshold keeps 90 % precision on 120 dev items.",
        ),
        margin=0.02,
        verdict=verdict(),
        recommendation=recommendation(),
        outlook=hand_money.outlook(),
        diagnosis=hand_money.diagnosis(),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def _seed(seed: int) -> SeedResult:
    return SeedResult(seed=seed, primary=share("accuracy", 0.79 + seed / 1000, 0.75, 0.83))


def printed_results(text: str) -> RunResults:
    """The results that `--json` printed; the metric's own name is there for tools that know no records."""
    found = json.loads(text)
    for arm in found["arms"]:
        assert arm["quality"].pop("accuracy") == arm["quality"]["primary"]
    return decode(RunResults, json.dumps(found))
