"""What a drill found. Written as `freshness.json`; `harness.report.topics.freshness` words these records."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from advisor.money.ledger import Money
from harness.core.records import ArmId, Estimate

FRESHNESS_SCHEMA = 1


class Group(StrEnum):
    """What became of a test item's answer between the editions."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"


class Moment(StrEnum):
    """When an arm was scored."""

    BEFORE = "before"  # edition one, right by edition one
    STALE = "stale"  # still the answers of edition one, right by edition two
    AFTER = "after"  # brought up to edition two, right by edition two


class Upkeep(StrEnum):
    """What an arm does when what it knows changes."""

    INDEX = "indexes again"
    TRAIN = "trains again"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """Right answers to one group at one moment, over all seeds; None stands for all items."""

    moment: Moment
    group: Group | None
    primary: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Unchanged items right before and wrong after, and the other way round, of the first seed.

    Attributes:
        change: share right after minus share right before, paired.
    """

    lost: int
    gained: int
    items: int
    change: Estimate
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDrill:
    """One arm before, at and after the change.

    Attributes:
        seeds: of its trainings; one for an arm that is not trained with a seed.
        ready_s: seconds until it was ready on edition one; update_s: until it was right again, by seed.
        update_usd: what the machine costs for the mean of `update_s`.
        stale: of changed and withdrawn items, the share answered as edition one has it, until the update and
            after it.
        above_floor: right before on unchanged items minus the floor's share, paired; None of the floor.
        failed: why it could not be brought up to edition two; then it stays as it was.
        busy: why its seconds are not to be believed; '' where they are, or nothing is known.
    """

    arm: ArmId
    upkeep: Upkeep
    seeds: tuple[int, ...]
    ready_s: float
    update_s: tuple[float, ...]
    update_usd: Money
    usd_per_1k: Money
    scores: tuple[GroupScore, ...]
    stale: tuple[Estimate, Estimate]
    forgotten: Forgotten | None
    above_floor: Estimate | None = None
    failed: str = ""
    busy: str = ""

    @property
    def mean_update_s(self) -> float | None:
        """Mean seconds until it was right again; None where it never was."""
        return sum(self.update_s) / len(self.update_s) if self.update_s else None

    @property
    def must_keep_up(self) -> bool:
        """Whether the change made answers old that it could give, and it was brought up to date."""
        return self.upkeep is not Upkeep.NOTHING and bool(self.update_s) and self.stale[0].value is not None

    @property
    def measurable(self) -> bool:
        """Whether it beats the floor on unchanged items, so that its curve says something."""
        low = None if self.above_floor is None else self.above_floor.low
        return low is not None and low > 0

    def right(self, moment: Moment, group: Group | None = None) -> Estimate:
        """Its right answers at a moment."""
        return next(s.primary for s in self.scores if (s.moment, s.group) == (moment, group))


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Changes a month; 0 is always, infinity is none.

    Attributes:
        low, high: of 95 % of the draws over items; None without an interval.
        never: the share of the draws in which there is none.
    """

    value: float
    low: float | None
    high: float | None
    never: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRate:
    """The changes a month above which `retrieving` is cheaper, right more often, and both, than `training`.

    Attributes:
        unmeasured: arms of the two that do not beat the floor or could not be brought up to edition two; then
            no rate is given.
    """

    retrieving: ArmId
    training: ArmId
    cheaper: Threshold | None = None
    better: Threshold | None = None
    both: Threshold | None = None
    unmeasured: tuple[ArmId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChange:
    """One label before and after, and the test items it concerns."""

    kind: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A whole drill.

    Attributes:
        of: 'labels' or 'facts'.
        items: test items by group, those that both editions have; train_rows: of edition two.
        looks: locked plans that tested these rows, this one included.
    """

    schema: int = FRESHNESS_SCHEMA
    plan_digest: str
    title: str
    evalset: str
    of: str
    metric: str
    items: dict[Group, int]
    train_rows: int
    label_changes: tuple[LabelChange, ...]
    arms: tuple[ArmDrill, ...]
    rates: tuple[ChangeRate, ...]
    machine: str
    queries_per_month: int
    wrong_answer_usd: Decimal
    retrain_wait_hours: float
    looks: int

    def arm(self, wanted: ArmId) -> ArmDrill | None:
        """What was found of one arm."""
        return next((found for found in self.arms if found.arm == wanted), None)
