"""What a learning curve says: the task's metric against the number of training examples, what more brings.

Written as `learning_curves.json`. No sentence stands here: `harness.report.topics.curve` words these records.
"More training examples" is about these records; "more evaluation items" is about comparisons
(`harness.bakeoff.results`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from advisor.money.ledger import Money
from harness.core.records import ArmId, Estimate

CURVES_SCHEMA = 3


class Reach(StrEnum):
    """Whether more training examples reach the target."""

    REACHED = "reached"
    MORE = "more examples"
    NEVER = "labels will not get there"
    CANNOT_SAY = "cannot say"


class NoCurve(StrEnum):
    """Why no law is fitted."""

    FEW_ITEMS = "too few independent items"
    FEW_SIZES = "too few sizes"
    NARROW = "the sizes lie too close together"


class NotTold(StrEnum):
    """Why it cannot be said whether more examples reach the target."""

    NO_CURVE = "no curve is fitted"
    NO_RISE = "accuracy is not shown to rise"
    TOO_FAR = "not within reach of the curve"


class CurveNote(StrEnum):
    """What a reader must know to use a curve."""

    HALVES = "each half of dev was scored by the arm chosen on the other"
    ONE_SEED = "one training seed"
    ONE_RECIPE = "every size was trained by the plan's recipe"
    OVERLAP = "subsets of one pool overlap"
    TEST = "scored on test"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One arm settled on `size` training examples, the first of the order that `seed` draws.

    Attributes:
        primary: the task's metric over the scored items; failures and invalid answers are right nowhere.
    """

    size: int
    seed: int
    primary: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveMean:
    """The mean over the seeds at one size.

    Attributes:
        seeds: different subsets of rows behind it; all rows are one and the same subset.
        primary: the mean, with an interval over items and seeds.
    """

    size: int
    seeds: int
    primary: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFit:
    """The law metric = a - b * n^-c through the means.

    Attributes:
        form: the law as text.
        limit: a, the value that no number of examples exceeds, with its interval.
        b, c: the other two parameters.
        misfit: root mean square distance of the means from the law.
        draws: bootstrap draws behind the intervals.
    """

    form: str
    limit: Estimate
    b: float
    c: float
    misfit: float
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePoint:
    """The fitted law at one size, for drawing.

    Attributes:
        extrapolated: whether the size lies beyond the examples at hand.
    """

    size: int
    primary: Estimate
    extrapolated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetForecast:
    """How many training examples more would reach a target.

    Attributes:
        more: how many, counted in 'training examples'; no value unless `reach` is 'more examples'; a
            `high` of None there means beyond what the law may be read at.
        usd: `more` at `example_usd`, the price of one more example; None where that is not known.
        here: where the curve stands with the examples at hand, where the target is reached.
        not_told: why nothing can be said; None where something can.
    """

    target: float
    reach: Reach
    more: Estimate
    usd: Money | None = None
    example_usd: Decimal | None = None
    here: Estimate | None = None
    not_told: NotTold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """The curve of one arm on one evalset.

    Attributes:
        split: which rows it was scored on; 'test' is a look, counted in `looks`.
        looks: how many locked plans have looked at these test rows, this one included; None on dev.
        train: training examples at hand, the largest size that may be asked for.
        items: how many items each point was scored on.
        fit: None where no law can be fitted; then `no_fit` says why.
        line: the law from the smallest size to the largest it may be read at.
        target: None where no target was given.
        notes: what a reader must know to use it.
    """

    arm: ArmId
    evalset: str
    plan_digest: str
    split: Literal["dev", "test"]
    looks: int | None
    train: int
    items: int
    points: tuple[CurvePoint, ...]
    means: tuple[CurveMean, ...]
    fit: CurveFit | None
    no_fit: NoCurve | None
    line: tuple[LinePoint, ...]
    target: TargetForecast | None
    notes: tuple[CurveNote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurves:
    """Every curve of a run or plan, one for each arm and split: the newest asked for."""

    schema: Literal[3] = 3
    curves: tuple[LearningCurve, ...]
