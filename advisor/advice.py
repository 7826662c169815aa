"""The advice as records: what is recommended, why, what is predicted, and what would change it.

Frozen and made of plain values, so that it can be stored before a run and compared with it afterwards.
Money is in US dollars where the name says so; `currency` and `rate` say what the reader is shown.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from advisor.case import DatedRate, UseCase
from advisor.money.money import FigureRange, MoneyRange
from advisor.options import Option, Way


class Today(StrEnum):
    """What stands beside the options: leaving the work as it is done today."""

    KEEP = "keep today's way"


Choice = Option | Today
"""What can come first."""


class AdvisedAnswer(StrEnum):
    """The answer to 'RAG or fine-tuning?'."""

    RETRIEVE = "retrieve"
    TUNE = "tune"
    TIED = "tied"
    MEASURE = "measure"
    NEITHER = "neither"  # both are vetoed


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one factor adds to an option's score, in points; the score is their exact sum."""

    factor: str
    weight: float
    strength: float
    points: Decimal
    reason: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """Why an option falls before scoring, and which answers say so."""

    rule: str
    reason: str


class PaysBack(StrEnum):
    """Whether an option earns its building back within the horizon."""

    YES = "yes"  # at cheap, likely and dear costs
    DEPENDS = "depends"
    NO = "no"
    UNKNOWN = "unknown"  # what today costs is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Payback:
    """Against the incumbent.

    Attributes:
        months: until the cost of building is earned back, by scenario; None when never or not known.
        monthly_saving: lowest, likely and highest saving a month.
        wrong_answers_counted: whether the wrong answers of both sides are in the saving.
    """

    months: FigureRange
    verdict: PaysBack
    monthly_saving: MoneyRange
    wrong_answers_counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionPrediction:
    """What is expected of an option before anything is measured.

    Attributes:
        model: what the option would run on.
        where: 'hosted', 'own-gpu', 'own-cpu' or 'linear'.
        accuracy_low, accuracy_likely, accuracy_high: share of right answers; None where nothing is published.
        usd_per_1k: calls and machines only, at the stated volume.
        usd_per_1k_total: everything over the horizon, people's time included.
        p95_ms: low and high.
        wrong_answers_counted: whether the total holds them.
    """

    option: Option
    model: str
    where: str
    accuracy_low: float | None
    accuracy_likely: float | None
    accuracy_high: float | None
    accuracy_source: str
    usd_per_1k: MoneyRange
    usd_per_1k_total: MoneyRange
    usd_one_off: MoneyRange
    usd_per_month: MoneyRange
    p95_ms: FigureRange
    payback: Payback
    wrong_answers_counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionAdvice:
    """One option: its place, score, reasons, vetoes and prediction; a vetoed one has no place.

    Attributes:
        warnings: what it is not expected to keep, or to do as well as today's way.
    """

    option: Option
    place: int | None
    score: Decimal
    contributions: tuple[Contribution, ...]
    vetoes: tuple[Veto, ...]
    prediction: OptionPrediction | None
    warnings: tuple[AdviceReason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAnswer:
    """RAG or fine-tuning, by what the description says; no price has a say in it.

    Attributes:
        gap: score of retrieve minus score of tune; None where one is vetoed.
        cheaper: by the horizon's likely cost, named when tied.
        combine: tuning on top of retrieving scores above both.
        because: what speaks most for the winner against the loser, at most two factors; `points` is the lead.
        vetoes: why the loser, or both, are ruled out.
    """

    answer: AdvisedAnswer
    gap: Decimal | None
    cheaper: Option | None
    combine: bool
    because: tuple[Contribution, ...] = ()
    vetoes: tuple[Veto, ...] = ()


class Sureness(StrEnum):
    """How sure first place is; the rubric says from which score gap on."""

    NONE = "cannot say"
    CLOSE = "too close to call"
    LEANING = "leaning"
    LIKELY = "likely"
    CLEAR = "clear"


class Ground(StrEnum):
    """What decided first place, and so what the confidence in it rests on."""

    DESCRIPTION = "description"  # the score gap to the next option, against published cases
    ONLY_OPTION = "only option"
    MONEY = "money"
    MEASUREMENT = "measurement"
    LIMITS = "limits"  # what scores higher cannot keep the floor or the latency
    NOTHING_LEFT = "nothing left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """How far the first place can be trusted.

    Attributes:
        share: the chance given that it holds, set by hand.
        gap: score of first place minus that of the next option by description; None without one.
        cases_held, cases: published cases with such a gap, in-sample, where `ground` is the description.
        scenarios_held, scenarios: of cheap, likely and dear costs, how many lead to the same first place.
    """

    certainty: Sureness
    share: float
    gap: Decimal | None
    ground: Ground
    cases_held: int | None = None
    cases: int | None = None
    scenarios_held: int | None = None
    scenarios: int | None = None


class Do(StrEnum):
    """What to do now."""

    TRY = "try"
    MEASURE = "measure"
    KEEP = "keep today's way"
    CHANGE_THE_CASE = "change the use case"  # nothing is left that keeps its limits


class Why(StrEnum):
    """What a reason says; the comment names the fields it fills."""

    FACTOR = "factor"  # choice, contribution
    MEASURED = "measured"  # choice, accuracy, items, floor
    CHEAPER = "cheaper"  # choice, usd, against, against_usd, months, wrong_usd
    PAYS_BACK = "pays back"  # choice, usd, against, against_usd, months
    NOTHING_PAYS_BACK = "nothing pays back"  # usd: today; against: the cheapest option, against_usd, months
    BREAK_EVEN = "pays above"  # choice, usd: what an item must cost today, against_usd: may at most; months
    KEEPS_FLOOR = "keeps the floor"  # choice, accuracy, items, floor
    OPEN_FLOOR = "may keep the floor"  # choice, accuracy, items, floor
    BELOW_FLOOR = "below the floor"  # against, accuracy, items, floor
    BELOW_TODAY = "below today"  # against, accuracy; floor: today's
    TOO_SLOW = "too slow"  # against, ms, wanted_ms
    RULED_OUT = "ruled out"  # against, veto
    CLOSE_CALL = "close call"  # choice, against, points
    ACCURACY = "accuracy"  # choice, accuracy
    COST = "cost"  # choice, usd, months
    SPEED = "speed"  # choice, ms


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceReason:
    """One reason with its figures; `kind` says which are filled.

    Attributes:
        against: what `choice` is set against.
        usd, against_usd: likely cost over `months`, everything counted; of one item where the kind says so.
        wrong_usd: what a wrong answer is valued at within these sums; None where they hold none.
        wrong_assumed: whether that is the price of one more checked example, as none was stated.
        accuracy: low, stated (where measured) and high share of right answers.
        items: on how many items it was measured; None for a published range or where nobody says.
        ms: low and high p95.
    """

    kind: Why
    choice: Choice | None = None
    against: Choice | None = None
    contribution: Contribution | None = None
    veto: Veto | None = None
    points: Decimal | None = None
    usd: Decimal | None = None
    against_usd: Decimal | None = None
    wrong_usd: Decimal | None = None
    wrong_assumed: bool = False
    months: float | None = None
    accuracy: FigureRange | None = None
    items: int | None = None
    floor: float | None = None
    ms: FigureRange | None = None
    wanted_ms: float | None = None


class CostBasis(StrEnum):
    """Which sum a cost is."""

    ALL_IN = "all in"  # calls, machines, people, changes, and wrong answers where their price is known
    AS_STATED = "as stated"  # what today costs an item, times the volume
    MEASURING = "labels and calls of the measurement"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrilledChanges:
    """What a month's changes cost by a drill, at likely values.

    Attributes:
        usd: of a month's updates; stale: wrong answers a month until these are done.
        source: the drill.
    """

    usd: Decimal
    stale: Decimal
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedCost:
    """What the recommendation costs.

    Attributes:
        usd_once: paid before anything runs.
        usd_per_month: of a mean month; None for a measurement.
        wrong_answers_counted: whether the month holds them.
        drilled: updates in it whose cost was measured, at the use case's own number of changes.
    """

    basis: CostBasis
    usd_once: MoneyRange
    usd_per_month: MoneyRange | None
    wrong_answers_counted: bool
    drilled: DrilledChanges | None = None


class AdviceDecider(StrEnum):
    """Who says yes."""

    WORK_OWNER = "the owner of the work"
    BUDGET_HOLDER = "the holder of the budget"
    DATA_PROTECTION = "the owner of the work, with data protection"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerUp:
    """What stands next to first place, and the least that would put it there.

    Attributes:
        flip: the figure that would; None where none does.
        right: the share of right answers, measured on `items`, from which it would; None where a flip is
            named, or none is enough.
    """

    choice: Choice
    flip: Flip | None
    right: float | None
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """A few tries of a prompt that may change first place.

    Attributes:
        leads_to: of so many right, what would come first.
        usd: of the calls.
        by_program: whether a run can score the answers.
    """

    items: int
    by_program: bool
    leads_to: tuple[tuple[int, Choice | None], ...]
    usd: MoneyRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Dominant:
    """The assumed input that alone moves an option's cost most.

    Attributes:
        field: of the use case; 'api_model' for a hosted price, 'accuracy' for the option's own.
        low, high: what is assumed of it; None for a price.
        usd_low, usd_high: cost over the horizon at either end, wrong answers left out.
    """

    field: str
    low: float | None
    high: float | None
    unit: str
    usd_low: Decimal
    usd_high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WayCost:
    """What a way of today costs at the stated volume, wrong answers left out.

    Attributes:
        not_priced: why it has no price; '' where it has one.
        left_out: what the price does not hold; '' where it holds everything.
    """

    way: Way
    usd_once: MoneyRange
    usd_per_month: MoneyRange
    not_priced: str = ""
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceRecommendation:
    """The one recommendation.

    Attributes:
        options: what to try (one) or to measure (two); none where today's way is kept.
        tied: of the two, neither is likely to be right more often and neither leads on money.
        ways: of the first of them, how it is built or bought today, what fits best first.
        reasons: exactly three.
        flip: the nearest single figure that would change what comes first.
        question: the strongest answer not given that would.
        runner_up: what comes next; None where nothing else is left.
        tries: the cheapest experiment that may change it; None where none so small could.
        dominant: what the cost of the first option hangs on most; None where nothing is assumed.
        relax: limits of which one, relaxed, would leave an option, with that option; where all are ruled out.
    """

    what: Do
    options: tuple[Option, ...]
    tied: bool
    ways: tuple[Way, ...]
    reasons: tuple[AdviceReason, ...]
    cost: RecommendedCost | None
    decider: AdviceDecider
    flip: Flip | None
    question: OpenQuestion | None
    runner_up: RunnerUp | None
    tries: Tries | None
    dominant: Dominant | None
    relax: tuple[tuple[str, str, Option], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSettle:
    """What a measurement of the two closest options takes, at 80 % power.

    Attributes:
        items: evaluation items, not training examples.
        items_to_label: of these, not at hand yet; None when it is not known how many there are.
        usd: labels and calls.
    """

    options: tuple[Option, Option]
    items: int
    difference: float
    discordance: float
    items_to_label: int | None
    usd: MoneyRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Where one input, alone, changes the first place or the answer.

    Attributes:
        field: 'queries_per_month', 'knowledge_changes_per_month', 'examples' or 'api_price'.
        at: the value at which it flips (`api_price`: times today's).
        above: whether it flips above `at`.
        assumed: whether today's value is assumed.
        to_option: what comes first beyond it; None where nothing is left.
        stays_first: whether first place is the same and only the pair's answer changes.
    """

    field: str
    now: float
    at: float
    above: bool
    assumed: bool
    to_option: Choice | None
    to_answer: AdvisedAnswer
    stays_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """An answer not given that could change the advice: answers tried, and where they lead."""

    field: str
    question: str
    leads_to: tuple[tuple[str, Choice | None, AdvisedAnswer], ...]
    swing: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """A range that stood in for an answer, or a figure nobody is asked for."""

    field: str
    low: float
    likely: float
    high: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """A cheap option answers what it is sure of and leaves the rest to what is done today.

    Attributes:
        answered: share it answers itself, a range that stands in until it is measured.
        usd_per_1k: of 1,000 items, what those left to today's way cost; the option's own cost is not in it.
    """

    option: Option
    answered: FigureRange
    usd_per_1k: MoneyRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Everything said about a use case before anything is measured.

    Attributes:
        recommendation: what to do; everything else backs it.
        options: ranked ones first, vetoed ones last.
        today_place: the place of today's way among the options; None where its cost is not known or it is no
            way on.
        cannot_say: set when every option is vetoed or nothing is known.
        incumbent_usd_per_1k_total: today's price with wrong answers, as totals of options count them.
        sharing: of labels, where today's cost and accuracy are stated; None elsewhere.
        ways: every way of today with its price, those that fit the ranked options first.
        rubric_version, rubric_sha256, prices: what it rests on.
    """

    case: UseCase
    case_sha256: str
    recommendation: AdviceRecommendation
    pair: PairAnswer
    options: tuple[OptionAdvice, ...]
    today_place: int | None
    confidence: Confidence
    settle: ToSettle | None
    flips: tuple[Flip, ...]
    open_questions: tuple[OpenQuestion, ...]
    assumptions: tuple[Assumption, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]
    cannot_say: str
    incumbent_usd_per_1k: Decimal | None
    incumbent_usd_per_1k_total: Decimal | None
    sharing: Sharing | None
    ways: tuple[WayCost, ...]
    currency: str
    rate: DatedRate | None
    prices: tuple[str, ...]
    rubric_version: str
    rubric_sha256: str

    def ways_of_first(self, options: int) -> tuple[WayCost, ...]:
        """The priced ways of the first so many options."""
        near = {one.option for one in self.options[:options] if one.place is not None}
        return tuple(one for one in self.ways if one.way.traits.option in near and not one.not_priced)

    @property
    def first(self) -> OptionAdvice | None:
        """The option to try before all others, even where today's way is better; None when all are vetoed."""
        return next((o for o in self.options if o.place is not None), None)


def plain(value: Any) -> Any:
    """A record as values JSON knows: money as text, days as ISO dates."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value
