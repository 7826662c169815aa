"""What to do after a run: one recommendation, with typed reasons; and the whole of what a run concludes.

No sentence stands here: `harness.report` words these records, and every format shows the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from advisor.money.ledger import Money
from harness.bakeoff.leaving import SentRecord
from harness.bakeoff.results import BakeoffResults, Comparison, IfTodayIsWorse, LimitCheck
from harness.core.records import ArmId, Estimate
from harness.freshness.records import ChangeRate, Drill
from harness.load.records import ArmLoad
from harness.money.records import CostForecast, FrontierGap, Published
from harness.robustness.records import ArmRobustness
from harness.track_record.records import AdviceCheck


class Action(StrEnum):
    """What to do now."""

    SHIP = "ship"
    PILOT = "pilot"
    MEASURE_NEXT = "measure next"
    KEEP_TODAY = "keep today's way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """A part of the work is automated, and what is done today does the rest.

    Attributes:
        first: the arm that answers what it is sure of; `coverage` says how much that is, `precision` how much
            of that is right, both on test.
        rest: share of right answers of what is done today, as stated.
    """

    first: ArmId
    coverage: Estimate
    precision: Estimate
    rest: float


class ReasonKind(StrEnum):
    """Why, or why not."""

    ACCURACY = "accuracy"
    AUTOMATES = "accuracy together with what is done today"
    CHEAPEST = "lowest cost"
    SIMPLEST = "simplest within the range of the lowest cost"
    ONLY_ONE = "no other arm is as good and keeps the limits"
    COST_UNKNOWN = "cost could not decide"
    BEATS = "better than another arm"
    AS_GOOD_AS = "not worse than another arm by the margin"
    SAVES = "saves against today"
    NOT_EARNED = "saves less than it takes within the horizon"
    COSTS_MORE = "costs more than today"
    BELOW_TODAY = "right less often than today, as stated"
    LIMIT_KEPT = "a limit is kept"
    LIMIT_OPEN = "a limit is not shown to be kept"
    LIMIT_BROKEN = "a limit is broken"
    NOT_RUN = "a hosted model was not run"
    TODAY_COSTS = "what is done today costs more than a hosted model at its list price"
    ONLY_FLOOR = "only the floor was run"
    TOO_FEW = "so few items that no comparison of them could come out"
    KEEPS_UP = "what keeping up with change takes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason with its figures; which fields are filled depends on `kind`.

    Attributes:
        arm: what it speaks of; `others` are those it is set beside.
        estimate: an accuracy with its interval.
        comparison, check, gap: the record it is read from.
        automation: of a route to today's way; `estimate` is what both do together.
        today: what is done today costs, in the basis of `cost`.
        today_accuracy: share that is right today, as stated; `counted` is whether a saving counts it.
        cost: a sum, whose basis is `cost_basis`: 'a month, all in' or 'per 1,000 queries, calls and busy
            machine time'.
        once, labels: what building it takes, and the labels that show whether it keeps the floor, within
            `horizon_months`.
        rate: from how many changes a month retrieving wins against training again, by a drill.
        update_s: of an arm that was drilled beside none that keeps up in the other way: seconds until it is
            right again, for `cost`; `estimate` is the share of its answers that are old until then.
    """

    kind: ReasonKind
    arm: ArmId | None = None
    others: tuple[ArmId, ...] = ()
    estimate: Estimate | None = None
    today_accuracy: float | None = None
    counted: bool = False
    comparison: Comparison | None = None
    check: LimitCheck | None = None
    gap: FrontierGap | None = None
    cost: Money | None = None
    cost_basis: str = ""
    today: Money | None = None
    automation: Automation | None = None
    once: Money | None = None
    labels: Money | None = None
    horizon_months: float | None = None
    rate: ChangeRate | None = None
    update_s: float | None = None


class Certainty(StrEnum):
    """How far the comparisons of the arm to use with its rivals are settled."""

    ALL = "all"
    SOME_OPEN = "some open"
    NO_RIVAL = "no rival"
    NO_ARM = "no arm"


class Decider(StrEnum):
    """Whose decision the next step is."""

    BUDGET_HOLDER = "budget holder"
    PRODUCT_OWNER = "product owner"


class StepKind(StrEnum):
    """What the next step is."""

    PILOT = "pilot for a month on real queries"
    LABEL = "label more evaluation items"
    MEASURE_OPEN = "measure what is not shown yet"
    TIME_TODAY = "find out how long today's way takes"
    MEASURE_MODEL = "run a hosted model on the same rows"
    FIX = "fix what stands against the best arm"
    LOOK_AGAIN = "look again where the volume grows"
    PRICE_ERRORS = "say what a wrong answer costs"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """The next step, what it costs and who decides it.

    Attributes:
        items: evaluation items to label; `settles` says what they would show.
        checks: the limits that are to be shown or mended.
        model: the hosted model to run.
        command: what to run; '' where that is not one command.
        queries_per_month: the volume from which the arm would be worth it; None where no volume is enough.
        before: the first day on which a known price or model changes; None where none is known.
    """

    kind: StepKind
    usd: Money
    decides: Decider
    arm: ArmId | None = None
    items: int | None = None
    settles: str = ""
    checks: tuple[LimitCheck, ...] = ()
    model: str = ""
    command: str = ""
    queries_per_month: int | None = None
    before: date | None = None


class RiskKind(StrEnum):
    """The biggest risk, from what would undo the answer to what would shift it."""

    NOTHING_TESTED = "so few items that nothing is known"
    NOTHING_KEEPS_LIMITS = "nothing keeps the limits"
    NOTHING_BEATS_GUESSING = "nothing is shown to beat one answer to everything"
    TODAY_AS_STATED = "today's way was not measured"
    NOT_OWN_ROWS = "the rows are not the user's own"
    HARDER_REST = "today's way is handed the harder part"
    WIDE = "the accuracy is not known closely"
    ONE_TRAINING = "one training of one seed"
    ASSUMED = "most of the month is assumed"
    NO_OUTSIDE_ROWS = "no row tests questions it is not meant for"
    NO_HOSTED = "no hosted model was measured"
    NONE_SEEN = "none that a run can see"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """The one risk to name.

    Attributes:
        estimate: the accuracy that is not known closely.
        group: the part of the month that is assumed above all, and `cost` the month with its range.
        provenance: of rows that are not the user's own.
        worse: what becomes of a route where today's way does worse on what it is handed.
    """

    kind: RiskKind
    arm: ArmId | None = None
    estimate: Estimate | None = None
    group: str = ""
    cost: Money | None = None
    provenance: str = ""
    worse: IfTodayIsWorse | None = None


class CautionKind(StrEnum):
    """What bounds the answer."""

    DATA = "a finding on the rows"
    ILLUSTRATIVE_MACHINE = "the machine price is illustrative"
    REACH = "what so many items can show"
    SEEDS = "training seeds"
    SHORT_TRAINING = "a short training"
    NO_HOSTED = "no hosted model was run"
    IF_TODAY_IS_WORSE = "today's way may do worse on what it is handed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """One thing that bounds what can be claimed, and could change the answer.

    Attributes:
        message: of a finding on the rows, as the gate words it.
        comparison: the pair, whose items and disagreement say what could be seen.
        worse: what becomes of a route where today's way does worse on what it is handed.
    """

    kind: CautionKind
    arm: ArmId | None = None
    message: str = ""
    comparison: Comparison | None = None
    worse: IfTodayIsWorse | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to do. Written as `recommendation.json`.

    Attributes:
        ship: the arm to ship; None where none is shown to keep every limit, or today's way is kept.
        pilot: the arm to pilot where none may be shipped: it breaks no limit, and one is still open.
        if_enough: what the arm to ship gets right, where nothing stated says whether that is enough: no
            floor, no accuracy of today's way and no price of a wrong answer.
        automation: where the arm to use is a route to today's way.
        reasons: three at most, the weightiest first, and one more where a drill was stored with the run.
        certainty: how far the arm's comparisons are settled; `open_to` names rivals where they are not.
        frontier: what hosted models that were not run would have to reach; `published` what others report.
    """

    action: Action
    ship: ArmId | None = None
    pilot: ArmId | None = None
    if_enough: Estimate | None = None
    automation: Automation | None = None
    reasons: tuple[Reason, ...]
    next: NextStep
    risk: Risk
    certainty: Certainty
    open_to: tuple[ArmId, ...] = ()
    cautions: tuple[Caution, ...] = ()
    frontier: tuple[FrontierGap, ...] = ()
    published: tuple[Published, ...] = ()

    @property
    def arm(self) -> ArmId | None:
        """The arm to use, shipped or piloted."""
        return self.ship or self.pilot


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResults(BakeoffResults):
    """The whole of what a run concludes; `harness.recommendation.store` keeps its parts.

    Attributes:
        robustness: of the arms that were looked at.
        outlook: what the arms mean in money.
        advice: the prediction that was locked with the plan, against the measurement.
        drill: what keeping up with change takes, where it was drilled.
        load: its served arms that were put under load.
        sent: what left this machine, and what became of personal data in it; None where nothing did.
    """

    recommendation: Recommendation
    robustness: tuple[ArmRobustness, ...] = ()
    outlook: CostForecast
    advice: AdviceCheck | None = None
    drill: Drill | None = None
    load: tuple[ArmLoad, ...] = ()
    sent: SentRecord | None = None

    def robustness_of(self, arm: ArmId) -> ArmRobustness | None:
        """What was looked at of one arm."""
        return next((found for found in self.robustness if found.arm == arm), None)
