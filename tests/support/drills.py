"""A drill as it is stored: neighbours indexed again, linear trained again, a tuned model that failed."""

from __future__ import annotations

import math
from decimal import Decimal

from advisor.money.ledger import Money, PriceBasis
from advisor.options import Option
from harness.core.records import ArmId, Estimate
from harness.freshness.records import (
    ArmDrill,
    ChangeRate,
    Drill,
    Forgotten,
    Group,
    GroupScore,
    Moment,
    Threshold,
    Upkeep,
)

NEIGHBOURS = ArmId(option=Option.NEIGHBOURS, model="training-rows")
LINEAR = ArmId(option=Option.LINEAR, model="linear")
TUNE = ArmId(option=Option.TUNE, model="m")


def estimate(value: float, n: int = 40) -> Estimate:
    return Estimate(
        metric="x", value=value, low=max(0, value - 0.1), high=min(1, value + 0.1), n=n, method="t"
    )


def dollars(usd: str | None) -> Money:
    return Money(usd=None if usd is None else Decimal(usd), basis=PriceBasis.ILLUSTRATIVE, source="cpu-2")


def arm(
    name: ArmId, upkeep: Upkeep, seconds: tuple[float, ...], usd: str | None, failed: str = ""
) -> ArmDrill:
    return ArmDrill(
        arm=name,
        upkeep=upkeep,
        seeds=(7,),
        ready_s=2.0,
        update_s=seconds,
        update_usd=dollars(usd),
        usd_per_1k=dollars("0.01"),
        scores=tuple(
            GroupScore(moment=moment, group=group, primary=estimate(0.7))
            for moment in Moment
            for group in (None, *Group)
        ),
        stale=(estimate(0.8), estimate(0.0)),
        forgotten=Forgotten(lost=2, gained=1, items=30, change=estimate(0.1), examples=("t1",))
        if not failed
        else None,
        above_floor=estimate(0.5),
        failed=failed,
    )


def a_drill() -> Drill:
    return Drill(
        plan_digest="d" * 64,
        title="t",
        evalset="tickets",
        of="labels",
        metric="accuracy",
        items={Group.UNCHANGED: 30, Group.CHANGED: 8, Group.WITHDRAWN: 2},
        train_rows=90,
        label_changes=(),
        arms=(
            arm(NEIGHBOURS, Upkeep.INDEX, (0.1,), "0.000001"),
            arm(LINEAR, Upkeep.TRAIN, (5.0, 7.0), "0.0002"),
            arm(TUNE, Upkeep.TRAIN, (), None, "The training diverged."),
        ),
        rates=(
            ChangeRate(
                retrieving=NEIGHBOURS,
                training=LINEAR,
                cheaper=Threshold(value=40.0, low=0.0, high=math.inf, never=0.1),
                better=Threshold(value=0.0, low=0.0, high=0.0, never=0.0),
                both=Threshold(value=math.inf, low=3.5, high=math.inf, never=0.6),
            ),
            ChangeRate(retrieving=NEIGHBOURS, training=TUNE, unmeasured=(TUNE,)),
        ),
        machine="cpu-2",
        queries_per_month=10_000,
        wrong_answer_usd=Decimal("0.5"),
        retrain_wait_hours=4.0,
        looks=1,
    )
