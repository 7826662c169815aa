"""The use case: the questionnaire as one frozen pydantic model, with unit, range and question for each field.

Every field but the name may be left out: `None` means not known, and what is not known widens what is
predicted. A value is read as people write it ("Question Answering", yes, 3.000, "cost, latency"); whatever is
wrong is one sentence saying what, got and allowed, and `build_case` says them all at once. Nothing here reads
a file (see `case_file`) and nothing judges (see `recommend`).
"""

from __future__ import annotations

import dataclasses
import functools
import reprlib
import typing
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import CoreSchema, core_schema

from advisor.case_words import (
    UNKNOWN_WORDS,
    Choice,
    currency_of,
    day_of,
    language_of,
    option_of,
    or_nothing,
    several,
    worker_of,
    yes_or_no,
)
from advisor.errors import CaseError
from advisor.faults import sentences
from advisor.money.money import CURRENCIES, CostError, parse_rate
from advisor.numbers import NumberFault, NumberKind, ReadNumber, figure, unambiguous
from advisor.options import Option
from advisor.units import amount_and_currency, read_quantity

_MOST = Decimal("1e15")  # no count or amount lies beyond
_CONFIG = ConfigDict(extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True)


class AnswerKind(Choice):
    """What an answer is."""

    CLASSIFICATION = "classification"  # one label of a closed set
    EXTRACTION = "extraction"  # fields out of a given text
    QUESTION_ANSWERING = "question-answering"  # an answer that rests on facts
    WRITING = "writing"  # text in a given voice or form
    SUMMARISATION = "summarisation"  # a given text, shorter
    CODE = "code"  # a program or a query
    TOOL_CALLS = "tool-calls"  # calls of given functions
    REASONING = "reasoning"  # open problems in several steps


class Problem(Choice):
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


class Residency(Choice):
    """Where the data may go."""

    ANYWHERE = "anywhere"
    REGION = "region"  # a hosted model in a named region is allowed
    SELF_HOST = "self-host-only"  # only machines of one's own


class GeneralModel(Choice):
    """Which model is prompted, and given what was retrieved."""

    FRONTIER = "frontier"  # a large hosted one
    SMALL_HOSTED = "small-hosted"  # a small, cheap hosted one
    OWN = "own"  # the open model that would also be tuned


class DayShape(Choice):
    """How queries spread over the day."""

    FLAT = "flat"
    OFFICE = "office"
    PEAKS = "peaks"  # office hours with peaks of three times the hour's mean


class Licence(Choice):
    """Which licences of an open model will do."""

    ANY = "any"
    COMMERCIAL = "commercial"
    PERMISSIVE = "permissive"


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """How a field is asked, and what it may be: stands in the field's type and checks it.

    Attributes:
        question: as the interview puts it.
        unit: of a number.
        low, high: allowed range, both included; None is open.
        above: whether `low` itself is not allowed.
    """

    question: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    _: dataclasses.KW_ONLY
    above: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        read = yes_or_no if bool in typing.get_args(source) else self._read
        return core_schema.no_info_before_validator_function(read, handler(source))

    @property
    def kind(self) -> NumberKind:
        """What one mark before three digits means in the number."""
        return "amount" if self.unit in ("share", "money", "billion parameters") else "count"

    def _read(self, value: Any) -> Any:
        if value is None or (isinstance(value, str) and value.strip().lower() in UNKNOWN_WORDS):
            return None
        if not self.unit:
            return value
        number: Any = value
        if type(value) not in (int, float) or not abs(value) <= float(_MOST):
            number = self._number(value)
        if self.low is not None and (number < self.low or (self.above and number == self.low)):
            raise ValueError(f"must be {'above' if self.above else 'at least'} {self.low:g}; got {value}")
        if self.high is not None and number > self.high:
            hint = " (a share: 0.93 or 93 %, not 93)" if self.unit == "share" else ""
            raise ValueError(f"must be at most {self.high:g}{hint}; got {value}")
        return number

    def _number(self, value: Any) -> Decimal:
        """A number given as one, or as text with or without its unit."""
        what = {"money": "an amount", "share": "a share", "ms": "a number of milliseconds"}.get(
            self.unit, "a number"
        )
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise ValueError(f"must be {what}; got {reprlib.repr(value)}")
        try:
            number = self.read(value).value if isinstance(value, str) else Decimal(str(value))
        except NumberFault as fault:
            such = _SUCH_AS.get(self.unit.rpartition(" (")[0] or self.unit, "3000 or 3.000")
            raise ValueError(f"must be {what}; {fault}; allowed: such as {such}, or unknown") from None
        except ValueError:  # an int of thousands of digits
            raise ValueError(f"must be {what}; got thousands of digits") from None
        if not number.is_finite() or abs(number) > _MOST:
            raise ValueError(
                f"must be {what} that is finite and at most {_MOST:g}; got {reprlib.repr(value)}"
            )
        return number

    def read(self, text: str) -> ReadNumber:
        """A figure as people write it, with or without its unit.

        Raises:
            NumberFault: if it is none.
        """
        return read_quantity(text, self.kind, self.unit)


_SUCH_AS = {
    "a month": "12.500, 10k or 150 per day",
    "times a month": "2, weekly or every 3 months",
    "share": "0.93 or 93 %",
    "money": "5, 0.40 or 1.200,50",
    "ms": "500 or 2 s",
    "tokens": "60.000 or 120 pages",
    "billion parameters": "7 or 135M",
    "months": "24 or 2 years",
    "days": "30 or 6 weeks",
}
"""By unit, how a figure may be written."""


Money = Annotated[Decimal, PlainSerializer(unambiguous)]
"""An amount in the case's currency."""
_Problems = Annotated[tuple[Problem, ...], WrapValidator(several)]
_Words = Annotated[
    tuple[Annotated[str, StringConstraints(to_lower=True, min_length=1), AfterValidator(language_of)], ...],
    WrapValidator(several),
]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Incumbent:
    """What does the work today.

    Attributes:
        cost_per_item: in the case's currency, everything counted.
        accuracy: share of right answers.
        items: on how many items that was measured; None where nobody says.
        p95_ms: 95th percentile of its time to answer.
    """

    kind: Annotated[Literal["people", "system"], BeforeValidator(worker_of)] = "people"
    cost_per_item: Annotated[Money | None, Ask("What does one item cost?", "money", 0)] = None
    accuracy: Annotated[float | None, Ask("What share is right?", "share", 0, 1)] = None
    items: Annotated[int | None, Ask("Measured on how many items?", "items", 1)] = None
    p95_ms: Annotated[float | None, Ask("How fast are 95 % of the answers?", "ms", 0, above=True)] = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Measurement:
    """What was measured of an option on this use case.

    Attributes:
        accuracy: share of right answers on items that nothing was chosen on.
        items: how many these were.
        source: where that stands, such as the run.
    """

    option: Annotated[Option, BeforeValidator(option_of)]
    accuracy: Annotated[float, Ask("What share is right?", "share", 0, 1)]
    items: Annotated[int, Ask("Measured on how many items?", "items", 1)]
    source: str = ""


def _fx(value: object) -> str:
    """A rate as it is written on a command line: `EUR=1.08@2026-11-20`."""
    text = str(value or "").strip()
    if text:
        try:
            parse_rate(text)
        except CostError as error:
            raise ValueError(f"{error.what} Got {error.got}, allowed: {error.allowed}") from error
    return text


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class DatedRate:
    """What one US dollar buys in the case's currency, from `source` on `as_of`."""

    per_usd: Annotated[Money, Ask("What does a dollar buy?", "money", 0, above=True)]
    as_of: Annotated[date, BeforeValidator(day_of)]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class UseCase:
    """Someone's use case. Shares lie in [0, 1]; money is in `currency`; None is not known."""

    name: Annotated[str, StringConstraints(min_length=1)]
    description: Annotated[str, BeforeValidator(or_nothing)] = ""

    task: Annotated[AnswerKind | None, Ask("What is an answer?")] = None
    problems: Annotated[_Problems | None, Ask("What is not good enough today?")] = None
    out_of_scope_matters: Annotated[bool | None, Ask("Must it notice questions it is not meant for?")] = None

    inputs_differ: Annotated[
        bool | None, Ask("Will inputs differ from your examples (other topics, senders, times)?")
    ] = None
    one_right_answer: Annotated[bool | None, Ask("Is there one right answer, not many good ones?")] = None

    needs_facts: Annotated[
        bool | None,
        Ask("Do answers need facts that a general model cannot know (documents, records, news)?"),
    ] = None
    knowledge_changes_per_month: Annotated[
        float | None, Ask("How often do these facts change?", "times a month", 0)
    ] = None
    knowledge_changed_share: Annotated[float | None, Ask("How much changes each time?", "share", 0, 1)] = None
    knowledge_tokens: Annotated[
        int | None, Ask("How much text holds them?", "tokens (1 page is about 500)", 0)
    ] = None
    citations_required: Annotated[bool | None, Ask("Must an answer cite its source?")] = None
    access_rights: Annotated[bool | None, Ask("May some users see only a part of what answers rest on?")] = (
        None
    )
    retrieval_recall: Annotated[
        float | None, Ask("How often does your search find the right passage?", "share", 0, 1)
    ] = None

    labels: Annotated[int | None, Ask("How many labels are there (classification)?", "labels", 2)] = None
    labels_per_class: Annotated[int | None, Ask("Examples of a typical label?", "examples", 0)] = None
    label_changes_per_month: Annotated[float | None, Ask("Labels added or redefined?", "a month", 0)] = None
    label_noise: Annotated[
        float | None, Ask("Share of your examples that are labelled wrongly?", "share", 0, 1)
    ] = None
    examples: Annotated[
        int | None, Ask("How many checked examples (input and right answer)?", "examples", 0)
    ] = None
    example_cost: Annotated[Money | None, Ask("What does one more example cost?", "money", 0)] = None
    model_writes_rows: Annotated[
        bool | None, Ask("Could a strong model write more examples that you would accept?")
    ] = None
    references_good: Annotated[
        bool | None, Ask("Are the answers in your examples as good as those you want?")
    ] = None
    prompting_accuracy: Annotated[
        float | None, Ask("Accuracy the best prompt has reached?", "share", 0, 1)
    ] = None
    prompting_items: Annotated[int | None, Ask("Measured on how many items?", "items", 1)] = None
    retrieval_accuracy: Annotated[
        float | None, Ask("Accuracy reached with passages or similar examples shown?", "share", 0, 1)
    ] = None
    retrieval_items: Annotated[int | None, Ask("Measured on how many items?", "items", 1)] = None
    classifier_accuracy: Annotated[
        float | None, Ask("Accuracy of a classifier you have trained?", "share", 0, 1)
    ] = None
    classifier_items: Annotated[int | None, Ask("Measured on how many items?", "items", 1)] = None

    measured: tuple[Measurement, ...] | None = None

    queries_per_month: Annotated[float | None, Ask("How many queries?", "a month", 0, above=True)] = None
    day_shape: Annotated[DayShape | None, Ask("How do they spread over the day?")] = None
    input_tokens: Annotated[int | None, Ask("How long is one input?", "tokens", 1)] = None
    output_tokens: Annotated[int | None, Ask("How long is one answer?", "tokens", 1)] = None
    p95_ms: Annotated[float | None, Ask("How fast must 95 % of the answers be?", "ms", 0, above=True)] = None
    quality_floor: Annotated[float | None, Ask("Least accuracy that is of use?", "share", 0, 1)] = None
    wrong_answer_cost: Annotated[Money | None, Ask("What does a wrong answer cost?", "money", 0)] = None

    residency: Annotated[Residency | None, Ask("Where may the data go?")] = None
    pii: Annotated[bool | None, Ask("Do inputs hold personal data?")] = None
    offline: Annotated[bool | None, Ask("Must it run without a network?")] = None
    deletion_on_request: Annotated[
        bool | None, Ask("Must what was learnt of a person be deleted on request?")
    ] = None
    audit: Annotated[bool | None, Ask("Must it be shown later what an answer rested on?")] = None
    general_model: Annotated[GeneralModel | None, Ask("Which kind of model would be prompted?")] = None
    api_model: Annotated[str | None, Ask("Which hosted model (provider/model)?")] = None
    open_model_billions: Annotated[
        float | None, Ask("How large is the open model you would tune?", "billion parameters", 0, above=True)
    ] = None
    hardware: Annotated[
        str | None, Ask("Which machine would serve it (none, cpu-4, T4, L4, A100-80, H100)?")
    ] = None
    machine_hour_cost: Annotated[Money | None, Ask("What does an hour of that machine cost?", "money", 0)] = (
        None
    )
    licence: Annotated[Licence | None, Ask("Which licences of an open model will do?")] = None
    languages: Annotated[_Words | None, Ask("Which languages (en, de, ...)?")] = None

    horizon_months: Annotated[
        float | None, Ask("Over how many months must it pay?", "months", 0, above=True)
    ] = None
    days_to_ship: Annotated[
        float | None, Ask("In how many days must it be in use?", "days", 0, above=True)
    ] = None
    currency: Annotated[str, BeforeValidator(currency_of)] = "USD"
    usd_rate: DatedRate | None = None
    fx: Annotated[str, BeforeValidator(_fx)] = ""
    incumbent: Incumbent | None = None
    day_rate: Annotated[Money | None, Ask("What does a day of an engineer cost?", "money", 0)] = None


def asks() -> Mapping[str, Ask]:
    """The questions by field, in the order of the questionnaire."""
    return {name: ask for name, (_, ask) in _asked().items()}


def answer_type(field: str) -> Any:
    """What an answer is: an enum, `bool`, `int`, `float`, `Decimal`, `str`, or a tuple of words."""
    return _asked()[field][0]


def choices(field: str) -> tuple[str, ...]:
    """The words to choose from, one or several; none where an answer is free."""
    kind = answer_type(field)
    kind = next(iter(typing.get_args(kind)), kind)
    return tuple(word.value for word in kind) if isinstance(kind, type) and issubclass(kind, Choice) else ()


@functools.cache
def _asked() -> Mapping[str, tuple[Any, Ask]]:
    kinds, found = typing.get_type_hints(UseCase), {}
    for name, hint in typing.get_type_hints(UseCase, include_extras=True).items():
        ask = next((part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Ask)), None)
        if ask is not None:
            found[name] = (typing.get_args(kinds[name])[0], ask)
    return found


def answer_words(value: Any, unit: str = "") -> str:
    """An answer as people say it: 'yes', '12,500', 'style, skill', '90 %' where the unit is a share."""
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case int() | float() | Decimal():
            return f"{figure(round(100 * float(value), 6))} %" if unit == "share" else figure(value)
        case tuple():
            return ", ".join(map(answer_words, value)) or "nothing"
        case str():
            return str(value)
        case _:
            return "stated"


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
    """Whether answers need facts from outside: as said, else as other answers imply; None when open.

    What is read out of a text, or made shorter, stands in that text unless somebody says otherwise.
    """
    if case.needs_facts is not None:
        return case.needs_facts
    if case.citations_required or (case.problems and Problem.MISSING_FACTS in case.problems):
        return True
    return False if case.task in (AnswerKind.EXTRACTION, AnswerKind.SUMMARISATION) else None


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
    """Whether an answer is one label of a closed set, as far as is said."""
    return case.task in (None, AnswerKind.CLASSIFICATION)


def build_case(raw: Mapping[Any, object], source: str = "the use case") -> UseCase:
    """Check a use case given as a mapping.

    Raises:
        CaseError: with every fault: unknown keys, values out of range, contradictions.
    """
    given, faults = _one_currency(raw)
    try:
        case: UseCase = _model().validate_python(given)
        faults += contradictions(case)
    except ValidationError as error:
        faults += sentences(error, _fields)
    if not faults:
        return case
    lines = "\n".join(f"  - {fault}" for fault in faults)
    raise CaseError(
        f"{source} is not a usable use case: {len(faults)} fault{'s' * (len(faults) != 1)}.\n{lines}"
    )


def _one_currency(raw: Mapping[Any, object]) -> tuple[dict[Any, object], list[str]]:
    """The answers with bare amounts and the currency these name; and faults of any other one."""
    given, named = dict(raw), {}
    today = given.get("incumbent")
    inner = dict(today) if isinstance(today, Mapping) else {}
    for place, holder, field in (
        *((name, given, name) for name, ask in asks().items() if ask.unit == "money"),
        ("incumbent.cost_per_item", inner, "cost_per_item"),
    ):
        text = holder.get(field)
        number, code = amount_and_currency(text) if isinstance(text, str) else ("", "")
        if number and code in CURRENCIES:
            holder[field], named[place] = number, code
    if inner:
        given["incumbent"] = inner
    if named and given.get("currency") is None:
        given["currency"] = next(iter(named.values()))
    stated = amount_and_currency(str(given.get("currency")))[1] or "USD"
    return given, [
        f"{place}: is in {code}, but this use case is in {stated}: write all amounts in one currency"
        for place, code in named.items()
        if code != stated
    ]


@functools.cache
def _model() -> TypeAdapter[UseCase]:
    return TypeAdapter(UseCase)


def _fields(place: list[str]) -> list[str]:
    """The fields there are at a place."""
    kinds = {"incumbent": Incumbent, "usd_rate": DatedRate, "measured": Measurement}
    kind = kinds.get(place[0], UseCase) if place else UseCase
    return [field.name for field in dataclasses.fields(kind)]


def contradictions(case: UseCase) -> list[str]:
    """Answers that cannot all be true, one sentence each."""
    found = []
    if must_self_host(case):
        why = "offline: yes" if case.offline else "residency: self-host-only"
        if case.general_model in (GeneralModel.FRONTIER, GeneralModel.SMALL_HOSTED):
            found.append(
                f"general_model: {case.general_model.value} is a hosted model, but {why} allows none"
            )
        elif case.api_model is not None:
            found.append(f"api_model: {case.api_model} is a hosted model, but {why} allows none")
    if case.offline and case.residency is Residency.REGION:
        found.append("offline: yes and residency: region (a hosted model) exclude each other")
    found += _label_contradictions(case)
    if case.needs_facts is False:
        if case.citations_required:
            found.append("citations_required: yes needs facts to cite, but needs_facts is no")
        if case.problems and Problem.MISSING_FACTS in case.problems:
            found.append("problems names missing-facts, but needs_facts is no")
    if case.knowledge_tokens == 0 and case.needs_facts:
        found.append("knowledge_tokens: 0, but needs_facts is yes")
    found += [
        f"{way}_items is given without {way}_accuracy"
        for way in ("prompting", "retrieval", "classifier")
        if getattr(case, f"{way}_items") is not None and getattr(case, f"{way}_accuracy") is None
    ]
    found += _measured_contradictions(case)
    if case.fx and parse_rate(case.fx).currency != case.currency:
        found.append(f"fx: {case.fx} is no rate of {case.currency}, the currency of this use case")
    if case.fx and case.usd_rate is not None:
        found.append("fx and usd_rate both give a rate; keep one")
    if case.currency == "USD" and case.usd_rate is not None and case.usd_rate.per_usd != 1:
        found.append("usd_rate: a dollar is worth one dollar; name the other currency in currency")
    return found


MEASURED_BY_HAND: Mapping[Option, str] = {
    Option.PROMPT: "prompting",
    Option.RETRIEVE: "retrieval",
    Option.LINEAR: "classifier",
}
"""By option, the fields that hold what somebody says was measured of it."""


def _measured_contradictions(case: UseCase) -> list[str]:
    options = [one.option for one in case.measured or ()]
    found = [
        f"measured: {option.value} stands there more than once; keep one"
        for option in dict.fromkeys(options)
        if options.count(option) > 1
    ]
    found += [
        f"measured and {field}_accuracy both say how {option.value} did; keep one"
        for option, field in MEASURED_BY_HAND.items()
        if option in options and getattr(case, f"{field}_accuracy") is not None
    ]
    return found


def measured_of(case: UseCase, option: Option) -> tuple[float, int | None, str] | None:
    """(accuracy, items, source) that was measured of an option; None where nothing was."""
    for one in case.measured or ():
        if one.option is option:
            return one.accuracy, one.items, one.source
    field = MEASURED_BY_HAND.get(option)
    accuracy: float | None = None if field is None else getattr(case, f"{field}_accuracy")
    return None if accuracy is None else (accuracy, getattr(case, f"{field}_items"), "")


def _label_contradictions(case: UseCase) -> list[str]:
    found = []
    given = {"labels": case.labels, "labels_per_class": case.labels_per_class}
    named = [name for name, value in given.items() if value is not None]
    if case.task not in (None, AnswerKind.CLASSIFICATION) and named:
        assert case.task is not None
        found.append(
            f"{' and '.join(named)}: only classification has a closed label set, not {case.task.value}"
        )
    elif case.labels_per_class is not None and case.examples is not None:
        if case.labels_per_class > case.examples:
            found.append(
                f"labels_per_class: {case.labels_per_class} of a label cannot be more than all"
                f" {case.examples} examples"
            )
        elif case.labels_per_class == 0 and case.labels and case.examples > 0:
            found.append(f"labels_per_class: 0 of a typical label, but there are {case.examples} examples")
    return found
