"""What a bake-off measured and decided: arms, comparisons, limits, the answer on the pair.

Reports compute nothing: each number they print is a field of a record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from advisor.money.ledger import Money
from advisor.options import Option, TaskKind
from advisor.stats.paired import Relation
from harness.bakeoff.diagnosis import ArmDiagnosis
from harness.core.machine import MachineUse
from harness.core.records import ArmId, CostLine, Estimate, Finding, Fitted, ModelIdentity
from harness.tasks.base import Breakdown
from harness.tasks.label_breakdown import LabelBreakdown
from harness.tasks.records import Metric

RESULTS_SCHEMA = 5
"""Raised where the rule of the decision or the files change: results of another one are decided again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceResult:
    """The primary metric over the test items with one value of one slice column."""

    column: str
    value: str
    primary: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How good an arm's answers are, by the task's metrics.

    Attributes:
        primary: over all items; failures and invalid answers are right nowhere.
        answered: the same over the items that got an answer.
        invalid_rate, failure_rate: over all items.
        dev: the primary metric on dev, on which choices were made.
        without_overlap: it over test items whose text does not stand in train.
        others: the task's other metrics over all items.
        breakdown: what lies behind it, by the kind of task.
    """

    primary: Estimate
    answered: Estimate
    invalid_rate: Estimate
    failure_rate: Estimate
    dev: Estimate
    without_overlap: Estimate
    others: tuple[Estimate, ...] = ()
    breakdown: Breakdown
    slices: tuple[SliceResult, ...] = ()

    @property
    def by_label(self) -> LabelBreakdown:
        """The breakdown of a classification; an empty one of another kind."""
        return self.breakdown if isinstance(self.breakdown, LabelBreakdown) else LabelBreakdown()

    @property
    def temperature(self) -> float | None:
        """The one fitted on dev, where the arm gives a distribution over choices."""
        return self.by_label.temperature


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Per-item seconds from the warm pass.

    Attributes:
        conditions: concurrency, batch size, warm or not, where the model ran, what was not timed.
        throughput_qps: queries a second of the batched quality pass; None where not batched.
        busy: why the machine was too busy for these figures to be believed, in a few words; '' where it was
            not, or nobody watched (`machine` is empty then).
        machine: how busy it was, a record for each part of the timed pass.
        slowest_ms: the longest of the timed queries.
        timeouts: queries among those timed that got no answer in time; they count as the time they took.
        retried: queries among those timed that took more than one attempt; the last one is timed.
    """

    p50_ms: Estimate
    p95_ms: Estimate
    p99_ms: Estimate
    conditions: str
    throughput_qps: Estimate
    busy: str = ""
    machine: tuple[MachineUse, ...] = ()
    slowest_ms: float | None = None
    timeouts: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What 1,000 queries cost, line by line.

    Attributes:
        uncached_usd_per_1k: the same if none of the prompt were read from a provider's cache; None where
            none was.
    """

    lines: tuple[CostLine, ...]
    usd_per_1k: Money
    usd_per_1k_correct: Money
    mean_tokens: dict[str, float | None] = field(default_factory=dict)
    uncached_usd_per_1k: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAnswers:
    """What is known of a served model's answers on test.

    Attributes:
        by: what the provider says answered (snapshot, fingerprint), with how many answers, most first.
        answers: all of them.
        plain: those asked for by the prompt alone, where a schema was not taken.
        left_out: what was to be sent with them and was not, as the model does not take it.
    """

    by: tuple[tuple[str, int], ...]
    answers: int
    plain: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """Everything measured about one arm.

    Attributes:
        peak_memory_mib: the most the process held from opening the arm to its last answer, data and
            libraries included; None where the system does not tell.
        primary_all_rows: of an arm that costs nothing, over the test rows that a limit keeps from the others
            too; arms are compared on the rows that all of them answered. None without such rows.
        served: what is known of its answers where a provider gave them; None of another arm.
    """

    arm: ArmId
    identity: ModelIdentity | None
    fitted: Fitted
    quality: Quality
    latency: Latency
    cost: Cost
    seeds: tuple[SeedResult, ...] = ()
    peak_memory_mib: float | None = None
    primary_all_rows: Estimate | None = None
    served: ServedAnswers | None = None

    @property
    def primary(self) -> Estimate:
        """On the most test rows it answered; limits are held against it, and money is reckoned with it."""
        return self.primary_all_rows or self.quality.primary

    @property
    def hosted(self) -> bool:
        """Whether somebody else runs its model: behind an API, or behind a gateway here that bills tokens."""
        if self.identity is None or self.identity.location == "local":
            return False
        return self.identity.location == "remote" or any(line.unit == "tokens" for line in self.cost.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """The primary metric on test of one training seed of a tuned arm."""

    seed: int
    primary: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreItems:
    """How many further evaluation items would settle a comparison, at the rates seen.

    Attributes:
        likely: None where it is settled, or where no number would settle it; `reason` says which.
        low, high: over the 80 % interval of the difference; None without one.
    """

    likely: int | None
    low: int | None = None
    high: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two arms on the same items.

    Attributes:
        difference: accuracy of a minus accuracy of b; interval and p-value come from one statistic. The
            pair's interval is at one minus the plan's alpha; all others share one alpha between them.
        only_a, only_b: items only one of them got right.
        p_value: two-sided and unadjusted; `p_method` says by which test.
        relation: read from the interval, and nothing else.
        same_model: True when only the option differs; else the effect is one of the pair.
        detectable: the smallest difference this many items would show at the plan's power, at the share of
            items on which these two arms were seen to differ.
    """

    a: ArmId
    b: ArmId
    difference: Estimate
    only_a: int
    only_b: int
    p_value: float | None
    p_method: str
    relation: Relation
    same_model: bool
    detectable: float | None
    more_items: MoreItems


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePoint:
    """One threshold of a route: share kept by the first arm, accuracy and cost of the whole."""

    threshold: float
    kept: float
    accuracy: float
    usd_per_1k: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDesign:
    """A route composed from two journaled arms.

    Attributes:
        threshold: keep the first arm's answer at or above this confidence; None when dev gives no
            guarantee, and then `reason` says what is missing.
        dev_precision: precision of the kept dev answers when each fold's threshold comes from the other
            folds, which shows what a threshold fitted on so few rows is worth; None without a threshold.
    """

    first: ArmId
    then: ArmId
    precision: float
    threshold: float | None
    kept: Estimate | None
    curve: tuple[RoutePoint, ...] = ()
    reason: str = ""
    dev_precision: Estimate | None = None


class NoRoute(StrEnum):
    """Why an arm is trusted with nothing while today's way does the rest."""

    NO_CONFIDENCE = "no arm with enough rows gives a confidence"
    NOT_SHOWN = "no threshold is shown to keep the quality"
    COSTS_MORE = "handing everything over costs less"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStep:
    """One threshold that was tested, on the rows that thresholds are chosen on.

    Attributes:
        answered: share of the rows that the arm answers itself.
        low: lower limit, at the design's alpha, of the blended quality; of the precision where today's
            accuracy is not known.
        usd_per_month: a month of what the threshold decides: the arm's calls, what is handed over, and wrong
            answers where they have a price; None where a part is not known.
        shown: `low` reaches the target.
    """

    threshold: float
    answered: float
    low: float | None
    usd_per_month: Decimal | None
    shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IfTodayIsWorse:
    """What becomes of a route where today's way does worse on what it is handed than it does overall.

    Attributes:
        by: how much worse, a share.
        floor: whether the plan's floor is kept then; None without one.
        more_usd_per_month: what the further wrong answers cost; None where they have no price.
    """

    by: float
    blended: Estimate
    floor: LimitState | None
    more_usd_per_month: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteToToday:
    """An arm answers what it is sure of, and what is done today does the rest.

    Attributes:
        first: the arm; None where none is left to judge. `tried` are the arms that shared the alpha.
        threshold: the arm answers at or above this confidence; None where no threshold may be used, and then
            `why_not` says why.
        temperature: which its log-probabilities are divided by before a confidence is read.
        alpha: the risk that the quality of the chosen threshold lies below the target: that of the plan,
            shared by the arms that were tried.
        target: of the blended quality; of the precision where today's accuracy is not known.
        rows: that the threshold was chosen on; `out_of_fold` of them are training rows.
        coverage, precision, blended: on test; `blended` takes today's accuracy as stated.
        steps: every threshold that was tested.
    """

    first: ArmId | None
    tried: tuple[ArmId, ...]
    threshold: float | None = None
    temperature: float | None = None
    alpha: float
    target: float
    today_accuracy: float | None
    today_usd_per_item: Decimal | None
    rows: int = 0
    out_of_fold: int = 0
    coverage: Estimate | None = None
    precision: Estimate | None = None
    blended: Estimate | None = None
    steps: tuple[RouteStep, ...] = ()
    if_worse: tuple[IfTodayIsWorse, ...] = ()
    why_not: NoRoute | None = None

    @property
    def judged(self) -> bool:
        """Whether enough is stated of today's way to recommend it: its accuracy and its cost."""
        return self.today_accuracy is not None and self.today_usd_per_item is not None


class Answer(StrEnum):
    """The answer to the question in the title, from retrieve to tune as the difference grows."""

    RETRIEVE = "retrieve"
    RETRIEVE_AS_GOOD = "retrieve at least as good"
    TIED = "tied"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"
    TUNE_AS_GOOD = "tune at least as good"
    TUNE = "tune"


class LimitState(StrEnum):
    """Whether an arm keeps a limit: `open` where neither is shown."""

    KEPT = "kept"
    OPEN = "open"
    BROKEN = "broken"


class LimitKind(StrEnum):
    """What a limit of the plan is about."""

    ACCURACY = "accuracy"
    GUESSING = "better than guessing"
    P95 = "p95_ms"
    P95_TODAY = "p95_ms of today's way"
    PRICE = "usd_per_1k"
    FAILURES = "failed calls"
    HANDED_BACK = "out of scope handed back"
    SEEDS = "seeds agree"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCheck:
    """One limit, held against one arm.

    Attributes:
        bound: the plan's; a share, milliseconds or dollars, by `kind`.
        value: what was measured; None where nothing was.
        low, high: its one-sided limits, each at the plan's alpha; None where none can be given.
        n: items that `value` rests on.
        busy: the machine was busy with other work while it was timed, so it decides nothing.
        more_items: evaluation items to add before `open` is likely to end; None where none help.
    """

    arm: ArmId
    kind: LimitKind
    state: LimitState
    bound: float
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    busy: bool = False
    more_items: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSummary:
    """The rows the run stands on.

    Attributes:
        labels: 0 where answers are no labels; `majority_share` is None then.
        clusters: groups of related test items; None where each stands alone.
        look: which look at its question the run is; from the second on only items count that no earlier one
            tested. `planned_looks` is how many the plan split its alpha over.
    """

    name: str
    title: str
    licence: str
    provenance: str
    labels: int
    train: int
    dev: int
    test: int
    clusters: int | None
    digests: dict[str, str]
    findings: tuple[Finding, ...]
    annotator_agreement: Estimate | None
    annotator_kappa: Estimate | None
    majority_share: float | None
    look: int = 1
    planned_looks: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedArm:
    """An arm of the plan that could not be settled or could not answer, and therefore is in no comparison.

    Attributes:
        reason: what happened, in one sentence.
    """

    arm: ArmId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Files that were not what a run was closed with, and that its user took as they were."""

    files: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the scores say: the answer on the pair, and the limits. No price and no clock decides the answer.

    Attributes:
        pair: the retrieve arm and the tuned arm that are compared; None where the run lacks one of them.
        limits: every limit held against every arm.
    """

    answer: Answer
    pair: tuple[ArmId, ArmId] | None
    limits: tuple[LimitCheck, ...] = ()

    @property
    def broken(self) -> tuple[LimitCheck, ...]:
        """The limits that are broken: their arms may not be shipped, whatever their accuracy."""
        return tuple(check for check in self.limits if check.state is LimitState.BROKEN)

    @property
    def barred(self) -> frozenset[ArmId]:
        """The arms that break a limit."""
        return frozenset(check.arm for check in self.broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class BakeoffResults:
    """What was measured and decided, before money and what to do. Written as `results.json`.

    Attributes:
        margin: the difference in the primary metric that matters, as the plan has it.
        task: what was asked about the rows; metrics: what answers are measured by, the primary one first.
        failed: arms that are left out; a run with any is incomplete.
        route_asked: whether the plan names a route; `route` is None where its arms could not make one.
        accepted: what was changed after the run was closed, and taken as found.
    """

    schema: Literal[5] = 5
    run_id: str
    plan_digest: str
    seed: int
    looks: int
    margin: float
    task: TaskKind
    metrics: tuple[Metric, ...]
    data: DataSummary
    arms: tuple[ArmResult, ...]
    comparisons: tuple[Comparison, ...]
    route: RouteDesign | None
    route_to_today: RouteToToday | None = None
    verdict: Verdict
    diagnosis: tuple[ArmDiagnosis, ...] = ()
    failed: tuple[FailedArm, ...] = ()
    route_asked: bool = False
    accepted: tuple[Accepted, ...] = ()

    @property
    def metric(self) -> Metric:
        """What arms are compared by."""
        return next(metric for metric in self.metrics if metric.primary)

    @property
    def ids(self) -> tuple[ArmId, ...]:
        """The arms, in the run's order."""
        return tuple(arm.arm for arm in self.arms)

    @property
    def frontier_measured(self) -> bool:
        """Whether a hosted model was among the arms."""
        return any(arm.hosted for arm in self.arms)

    @property
    def pair(self) -> Comparison | None:
        """The comparison of the pair."""
        pair = self.verdict.pair
        return None if pair is None else self.between(*pair)

    def between(self, a: ArmId, b: ArmId) -> Comparison | None:
        """The comparison of two arms, whichever way round."""
        return next((c for c in self.comparisons if {c.a, c.b} == {a, b}), None)

    def arm(self, name: ArmId) -> ArmResult | None:
        """The results of one arm."""
        return next((arm for arm in self.arms if arm.arm == name), None)

    def parts(self, name: ArmId) -> tuple[ArmResult, ...]:
        """The arms that a route is made of, the one that is asked first in front; none of any other arm."""
        made_of: tuple[ArmId | None, ...] = ()
        if name.to_today and self.route_to_today is not None:
            made_of = (self.route_to_today.first,)
        elif name.option is Option.ROUTE and self.route is not None:
            made_of = (self.route.first, self.route.then)
        return tuple(arm for part in made_of if part is not None and (arm := self.arm(part)) is not None)
