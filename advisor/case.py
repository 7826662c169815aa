# ruff: noqa: RUF009 - `_ask` returns a dataclass field, one a line
"""The use case: the questionnaire as one frozen record, with unit, range and question for each field.

Every field but the name may be left out: `None` means not known, and what is not known widens what is
predicted. Nothing here reads a file (see `case_file`) and nothing judges (see `recommend`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any


class Task(StrEnum):
    """What an answer is."""

    CLASSIFICATION = "classification"  # one label of a closed set
    EXTRACTION = "extraction"  # fields out of a given text
    QUESTION_ANSWERING = "question-answering"  # an answer that rests on facts
    WRITING = "writing"  # text in a given voice or form
    SUMMARISATION = "summarisation"  # a given text, shorter
    CODE = "code"  # a program or a query
    TOOL_CALLS = "tool-calls"  # calls of given functions
    REASONING = "reasoning"  # open problems in several steps


class Problem(StrEnum):
    """What is not good enough today."""

    MISSING_FACTS = "missing-facts"
    DRIFT = "drifting-behaviour"
    FORMAT = "format"
    STYLE = "style"
    SKILL = "skill"  # vocabulary, conventions or a language of one's own
    ACCURACY = "accuracy"
    COST = "cost"
    LATENCY = "latency"
    PRIVACY = "privacy"


class Residency(StrEnum):
    """Where the data may go."""

    ANYWHERE = "anywhere"
    REGION = "region"  # a hosted model in a named region is allowed
    SELF_HOST = "self-host-only"  # only machines of one's own


class GeneralModel(StrEnum):
    """Which model is prompted, and given what was retrieved."""

    FRONTIER = "frontier"  # a large hosted one
    SMALL_HOSTED = "small-hosted"  # a small, cheap hosted one
    OWN = "own"  # the open model that would also be tuned


class DayShape(StrEnum):
    """How queries spread over the day."""

    FLAT = "flat"
    OFFICE = "office"
    PEAKS = "peaks"  # office hours with peaks of three times the hour's mean


class Licence(StrEnum):
    """Which licences of an open model will do."""

    ANY = "any"
    COMMERCIAL = "commercial"
    PERMISSIVE = "permissive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """What does the work today.

    Attributes:
        kind: 'people' or 'system'.
        cost_per_item: in the case's currency, everything counted.
        accuracy: share of right answers.
        items: on how many items that was measured; None where nobody says.
        p95_ms: 95th percentile of its time to answer.
    """

    kind: str = "people"
    cost_per_item: Decimal | None = None
    accuracy: float | None = None
    items: int | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedRate:
    """What one US dollar buys in the case's currency, from `source` on `as_of`."""

    per_usd: Decimal
    as_of: date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How a field is asked and what it may be.

    Attributes:
        question: as the interview puts it.
        unit: of a number.
        low, high: allowed range, both included; None is open.
        above: whether `low` itself is not allowed.
        short: whether the short interview asks it.
    """

    question: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    above: bool = False
    short: bool = False


def _ask(
    question: str,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    *,
    above: bool = False,
    short: bool = False,
) -> Any:  # the type of dataclasses.field
    ask = Ask(question=question, unit=unit, low=low, high=high, above=above, short=short)
    return dataclasses.field(default=None, metadata={"ask": ask})


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """Someone's use case. Shares lie in [0, 1]; money is in `currency`; None is not known."""

    name: str
    description: str = ""

    task: Task | None = _ask("What is an answer?", short=True)
    problems: tuple[Problem, ...] | None = _ask("What is not good enough today?", short=True)
    out_of_scope_matters: bool | None = _ask("Must it notice questions it is not meant for?")

    needs_facts: bool | None = _ask(
        "Do answers need facts that a general model cannot know (documents, records, news)?", short=True
    )
    knowledge_changes_per_month: float | None = _ask(
        "How often do these facts change?", "times a month", 0, short=True
    )
    knowledge_changed_share: float | None = _ask("How much changes each time?", "share", 0, 1)
    knowledge_tokens: int | None = _ask("How much text holds them?", "tokens (1 page is about 500)", 0)
    citations_required: bool | None = _ask("Must an answer cite its source?", short=True)
    retrieval_recall: float | None = _ask("How often does your search find the right passage?", "share", 0, 1)

    labels: int | None = _ask("How many labels are there (classification)?", "labels", 2)
    labels_per_class: int | None = _ask("Examples of a typical label?", "examples", 0)
    label_changes_per_month: float | None = _ask("Labels added or redefined?", "a month", 0)
    label_noise: float | None = _ask("Share of your examples that are labelled wrongly?", "share", 0, 1)
    examples: int | None = _ask(
        "How many checked examples (input and right answer)?", "examples", 0, short=True
    )
    example_cost: Decimal | None = _ask("What does one more example cost?", "money", 0)
    prompting_accuracy: float | None = _ask("Accuracy the best prompt has reached?", "share", 0, 1)
    prompting_items: int | None = _ask("Measured on how many items?", "items", 1)
    retrieval_accuracy: float | None = _ask(
        "Accuracy reached with passages or similar examples shown?", "share", 0, 1
    )
    retrieval_items: int | None = _ask("Measured on how many items?", "items", 1)
    classifier_accuracy: float | None = _ask("Accuracy of a classifier you have trained?", "share", 0, 1)
    classifier_items: int | None = _ask("Measured on how many items?", "items", 1)

    queries_per_month: float | None = _ask("How many queries?", "a month", 0, above=True, short=True)
    day_shape: DayShape | None = _ask("How do they spread over the day?")
    input_tokens: int | None = _ask("How long is one input?", "tokens", 1)
    output_tokens: int | None = _ask("How long is one answer?", "tokens", 1)
    p95_ms: float | None = _ask("How fast must 95 % of the answers be?", "ms", 0, above=True, short=True)
    quality_floor: float | None = _ask("Least accuracy that is of use?", "share", 0, 1, short=True)
    wrong_answer_cost: Decimal | None = _ask("What does a wrong answer cost?", "money", 0)

    residency: Residency | None = _ask("Where may the data go?", short=True)
    pii: bool | None = _ask("Do inputs hold personal data?")
    offline: bool | None = _ask("Must it run without a network?")
    general_model: GeneralModel | None = _ask("Which kind of model would be prompted?")
    api_model: str | None = _ask("Which hosted model (provider/model)?")
    open_model_billions: float | None = _ask(
        "How large is the open model you would tune?", "billion parameters", 0, above=True
    )
    hardware: str | None = _ask("Which machine would serve it (none, cpu-4, T4, L4, A100-80, H100)?")
    machine_hour_cost: Decimal | None = _ask("What does an hour of that machine cost?", "money", 0)
    licence: Licence | None = _ask("Which licences of an open model will do?")
    languages: tuple[str, ...] | None = _ask("Which languages (en, de, ...)?")

    horizon_months: float | None = _ask("Over how many months must it pay?", "months", 0, above=True)
    currency: str = "USD"
    usd_rate: DatedRate | None = None
    incumbent: Incumbent | None = None
    day_rate: Decimal | None = _ask("What does a day of an engineer cost?", "money", 0, short=True)


def asks() -> Mapping[str, Ask]:
    """The questions by field, in the order of the questionnaire."""
    return {f.name: f.metadata["ask"] for f in dataclasses.fields(UseCase) if "ask" in f.metadata}


def examples_per_label(case: UseCase) -> float | None:
    """Examples of a typical label: as given, else all examples spread evenly; None when not known."""
    if case.labels_per_class is not None:
        return float(case.labels_per_class)
    if case.examples is None:
        return None
    if case.examples == 0:
        return 0.0
    return case.examples / case.labels if case.labels else None


def facts_needed(case: UseCase) -> bool | None:
    """Whether answers need facts from outside: as said, else as other answers imply; None when open."""
    if case.needs_facts is not None:
        return case.needs_facts
    if case.citations_required or (case.problems and Problem.MISSING_FACTS in case.problems):
        return True
    return None


def must_self_host(case: UseCase) -> bool:
    """Whether no hosted model can be called."""
    return case.residency is Residency.SELF_HOST or case.offline is True


def prompts_own_model(case: UseCase) -> bool | None:
    """Whether prompts go to the open model itself rather than to a hosted one; None when not known."""
    if must_self_host(case) or case.general_model is GeneralModel.OWN:
        return True
    if case.general_model is not None or case.api_model is not None:
        return False
    return None


def asks_for_labels(case: UseCase) -> bool:
    """Whether an answer is one label of a closed set, as far as is said: what a bake-off can measure."""
    return case.task in (None, Task.CLASSIFICATION)
