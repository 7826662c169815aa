"""Arms, comparisons and limits with chosen figures, for tests of what is decided from them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from advisor.stats.intervals import Interval
from advisor.stats.paired import Relation, relation
from harness.bakeoff.limit_checks import decide
from harness.bakeoff.plan import DecisionPlan
from harness.bakeoff.results import (
    ArmResult,
    BakeoffResults,
    Comparison,
    LimitCheck,
    LimitKind,
    LimitState,
    MoreItems,
)
from harness.core.records import ArmId, Estimate
from tests.support.results import (
    FLOOR,
    LINEAR,
    PROMPT,
    RETRIEVE,
    TUNE,
    arm_result,
    dollars,
    run_results,
    share,
    timed,
)

PLAN = DecisionPlan(margin=0.02)


def measured(
    arm: ArmId, accuracy: float, usd: str | None = "0.01", dev: float | None = None, p95: float | None = 100.0
) -> ArmResult:
    """An arm with this accuracy on test (and dev) and this price per 1,000 queries, by the token."""
    base = arm_result(arm, (accuracy, accuracy - 0.03, accuracy + 0.03))
    per_correct = None if usd is None else str(Decimal(usd) / Decimal(str(accuracy or 1)))
    return replace(
        base,
        quality=replace(base.quality, dev=share("dev accuracy", accuracy if dev is None else dev)),
        cost=replace(base.cost, lines=(), usd_per_1k=dollars(usd), usd_per_1k_correct=dollars(per_correct)),
        latency=replace(base.latency, p95_ms=timed("p95_ms", p95)),
    )


def compared(
    a: ArmId, b: ArmId, low: float | None, high: float | None, more: MoreItems | None = None
) -> Comparison:
    """a minus b with this interval."""
    interval = None if low is None or high is None else Interval(low=low, high=high, level=0.95)
    middle = None if interval is None else (interval.low + interval.high) / 2
    found = Relation.UNDECIDED if interval is None else relation(interval, PLAN.margin)
    return Comparison(
        a=a,
        b=b,
        difference=Estimate(
            metric="d", value=middle, low=low, high=high, n=400, method="melded", reason="none"
        ),
        only_a=30,
        only_b=20,
        p_value=0.001 if found in (Relation.BETTER, Relation.WORSE) else 0.4,
        p_method="McNemar mid-p",
        relation=found,
        same_model=a.model == b.model,
        detectable=0.05,
        more_items=more or MoreItems(likely=None, reason="settled"),
    )


def held(
    arm: ArmId, state: LimitState, kind: LimitKind = LimitKind.ACCURACY, more: int | None = None
) -> LimitCheck:
    """A limit on accuracy in this state."""
    return LimitCheck(
        arm=arm, kind=kind, state=state, bound=0.85, value=0.86, low=0.79, high=0.91, n=100, more_items=more
    )


def judged(
    arms: list[ArmResult], *comparisons: Comparison, limits: tuple[LimitCheck, ...] = ()
) -> BakeoffResults:
    """The results of these arms, decided."""
    verdict = decide(arms, comparisons, limits)
    return replace(
        run_results(), arms=tuple(arms), comparisons=comparisons, verdict=verdict, margin=PLAN.margin
    )


def pair(tune_usd: str | None = "0.01", retrieve_usd: str | None = "0.05") -> list[ArmResult]:
    """A retrieve arm and a tuned arm, equally good."""
    return [measured(RETRIEVE, 0.6, retrieve_usd), measured(TUNE, 0.6, tune_usd)]


ARMS = (FLOOR, LINEAR, PROMPT, RETRIEVE, TUNE)
SHARE = st.floats(0, 1).map(lambda v: round(v, 3))


@st.composite
def cases(draw: st.DrawFn) -> BakeoffResults:
    """Any run: arms, comparisons and limits."""
    chosen = draw(st.lists(st.sampled_from(ARMS), min_size=1, unique=True))
    price = st.none() | st.decimals("0.001", "9", places=3).map(str)
    arms = [
        measured(a, draw(SHARE), draw(price), draw(SHARE), draw(st.none() | st.floats(1, 500)))
        for a in chosen
    ]
    comparisons = []
    for n, a in enumerate(chosen):
        for b in chosen[n + 1 :]:
            ends = sorted(draw(st.tuples(st.floats(-1, 1), st.floats(-1, 1))))
            known = draw(st.booleans())
            comparisons.append(compared(a, b, *(ends if known else (None, None))))
    limits = tuple(held(a, draw(st.sampled_from(LimitState))) for a in chosen if a != FLOOR)
    return judged(arms, *comparisons, limits=limits)
