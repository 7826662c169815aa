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
from advisor.options import Option


class Answer(StrEnum):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range of a figure; None where it is not known."""

    low: float | None
    likely: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneySpan:
    """A range of money in US dollars; None where a cost is not known."""

    low: Decimal | None
    likely: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payback:
    """Against the incumbent.

    Attributes:
        months: until the cost of building is earned back, by scenario; None when never or not known.
        verdict: 'yes', 'no' or 'depends' within the horizon, 'unknown' without the incumbent's cost.
        monthly_saving_usd: at likely costs.
    """

    months: Span
    verdict: str
    monthly_saving_usd: Decimal | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What is expected of an option before anything is measured.

    Attributes:
        model: what the option would run on.
        where: 'hosted', 'own-gpu', 'own-cpu' or 'linear'.
        accuracy_low, accuracy_high: share of right answers; None where nothing is published.
        usd_per_1k: calls and machines only, at the stated volume.
        usd_per_1k_total: everything over the horizon, people's time included.
        p95_ms: low and high.
        wrong_answers_counted: whether the total holds them.
    """

    option: Option
    model: str
    where: str
    accuracy_low: float | None
    accuracy_high: float | None
    accuracy_source: str
    usd_per_1k: MoneySpan
    usd_per_1k_total: MoneySpan
    usd_one_off: MoneySpan
    usd_per_month: MoneySpan
    p95_ms: Span
    payback: Payback
    wrong_answers_counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionAdvice:
    """One option: its place, score, reasons, vetoes and prediction; a vetoed one has no place."""

    option: Option
    place: int | None
    score: Decimal
    contributions: tuple[Contribution, ...]
    vetoes: tuple[Veto, ...]
    prediction: Prediction | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAnswer:
    """RAG or fine-tuning.

    Attributes:
        gap: score of retrieve minus score of tune; None where one is vetoed.
        cheaper: by the horizon's likely cost, named when tied.
        combine: tuning on top of retrieving scores above both.
    """

    answer: Answer
    sentence: str
    gap: Decimal | None
    cheaper: Option | None
    combine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """How far the first place can be trusted: `share` is the chance given that it holds."""

    words: str
    share: float
    gap: Decimal | None
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSettle:
    """What a measurement of the two closest options takes.

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
    usd: MoneySpan
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Where one input, alone, changes the first place or the answer.

    Attributes:
        field: 'queries_per_month', 'knowledge_changes_per_month', 'examples' or 'api_price'.
        at: the value at which it flips (`api_price`: times today's).
        above: whether it flips above `at`.
        assumed: whether today's value is assumed.
    """

    field: str
    now: float
    at: float
    above: bool
    assumed: bool
    to_option: Option
    to_answer: Answer
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """An answer not given that could change the advice: answers tried, and where they lead."""

    field: str
    question: str
    leads_to: tuple[tuple[str, Option | None, Answer], ...]
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
class Advice:
    """Everything said about a use case before anything is measured.

    Attributes:
        options: ranked ones first, vetoed ones last.
        cannot_say: set when every option is vetoed or nothing is known.
        incumbent_usd_per_1k_total: today's price with wrong answers, as totals of options count them.
        rubric_version, rubric_sha256, prices: what it rests on.
    """

    case: UseCase
    case_sha256: str
    pair: PairAnswer
    options: tuple[OptionAdvice, ...]
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
    currency: str
    rate: DatedRate | None
    prices: tuple[str, ...]
    rubric_version: str
    rubric_sha256: str

    @property
    def first(self) -> OptionAdvice | None:
        """The option in first place; None when all are vetoed."""
        return next((o for o in self.options if o.place == 1), None)


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
