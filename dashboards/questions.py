"""The questionnaire as a form: how each question is asked, and answers from and to a use case. Pure.

A page keeps its answers under `key(field)`; numbers as they are typed ('12,500', '12.500', '12,5'), read
by the advisor's one rule. '' and `None` are answers too: not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from advisor.case import UseCase, answer_type, asks, build_case, choices
from advisor.interview import senseless
from advisor.numbers import NumberFault, figure, read_number, unambiguous

Way = Literal["choice", "choices", "yes or no", "number", "text"]
NOT_KNOWN = "not known"

MEASURED = ("prompting", "retrieval", "classifier")
ESSENTIAL = (
    "task",
    "labels",
    "examples",
    "model_writes_rows",
    "queries_per_month",
    "needs_facts",
    "knowledge_changes_per_month",
    "quality_floor",
    "p95_ms",
    "residency",
    "wrong_answer_cost",
)
"""What moves the advice most; always in sight."""
MORE: Mapping[str, tuple[str, ...]] = {
    "The task": (
        "problems",
        "one_right_answer",
        "inputs_differ",
        "out_of_scope_matters",
        "languages",
        "days_to_ship",
    ),
    "What it has to know": (
        "citations_required",
        "knowledge_tokens",
        "knowledge_changed_share",
        "retrieval_recall",
    ),
    "Your examples": (
        "labels_per_class",
        "label_noise",
        "references_good",
        "label_changes_per_month",
        "example_cost",
        *(f"{way}_{what}" for way in MEASURED for what in ("accuracy", "items")),
    ),
    "Load": ("day_shape", "input_tokens", "output_tokens"),
    "Where it may run": (
        "pii",
        "access_rights",
        "deletion_on_request",
        "audit",
        "offline",
        "general_model",
        "api_model",
        "open_model_billions",
        "hardware",
        "licence",
    ),
    "Money": ("day_rate", "machine_hour_cost", "horizon_months"),
}
"""Every other question once, in the order in which it is asked."""

TODAY = ("kind", "cost_per_item", "accuracy", "items", "p95_ms")
RATE = ("per_usd", "as_of", "source")
_SHARE = "share"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question.

    Attributes:
        options: answers to choose from, not known included, where there are any.
    """

    way: Way
    text: str
    options: tuple[Any, ...] = ()


def key(field: str) -> str:
    """Under which the answer is kept."""
    return f"case.{field}"


def question(field: str, currency: str = "USD") -> Question:
    """How a field is asked."""
    ask = asks()[field]
    named = "" if ask.unit in ask.question else f" ({ask.unit})"
    unit = {_SHARE: " (%)", "money": f" ({currency})"}.get(ask.unit, named)
    text = f"{ask.question.removesuffix('?')}{unit}?"
    if field == "problems":
        return Question(way="choices", text=text, options=choices(field))
    if choices(field):
        return Question(way="choice", text=text, options=(None, *choices(field)))
    if answer_type(field) is bool:
        return Question(way="yes or no", text=text, options=(None, True, False))
    return Question(way="number" if ask.unit else "text", text=text)


def in_words(answer: object) -> str:
    """A chosen answer as the form shows it."""
    match answer:
        case None:
            return NOT_KNOWN
        case bool():
            return "yes" if answer else "no"
        case _:
            return str(answer).replace("-", " ")


def echo(field: str, text: str) -> str:
    """How a number was read that can be written in several ways: `'12.500' read as 12,500`."""
    with suppress(NumberFault):
        found = asks()[field].read(_bare(text))
        return "" if figure(found.value) == _bare(text) else found.echo
    return ""


def worth_asking(field: str, answers: Mapping[str, Any]) -> bool:
    """Whether a question makes sense beside the answers so far, or has an answer already."""
    if answers.get(key(field)) not in (None, "", []):
        return True
    raw = {name: answers.get(key(name)) for name in ("task", "needs_facts", "residency", "offline")}
    return not senseless(field, {name: value for name, value in raw.items() if value is not None})


def answers_of(case: UseCase) -> dict[str, Any]:
    """A use case as the answers of the form, by key."""
    found: dict[str, Any] = {key("name"): case.name, key("description"): case.description}
    found |= {key(field): _answer(field, getattr(case, field)) for field in asks()}
    found[key("measured")] = [asdict(one) for one in case.measured or ()]
    today, rate = case.incumbent, case.usd_rate
    found[key("incumbent.kind")] = None if today is None else today.kind
    for part in TODAY[1:]:
        stated = None if today is None else getattr(today, part)
        found[key(f"incumbent.{part}")] = _typed(stated, share=part == "accuracy")
    found[key("currency")] = case.currency
    found[key("usd_rate.per_usd")] = "" if rate is None else _typed(rate.per_usd)
    found[key("usd_rate.as_of")] = None if rate is None else rate.as_of
    found[key("usd_rate.source")] = "" if rate is None else rate.source
    return found


def _answer(field: str, value: Any) -> Any:
    match question(field).way:
        case "number":
            share = asks()[field].unit == _SHARE
            counts = value is not None and asks()[field].kind == "count"
            return figure(value) if counts else _typed(value, share=share)
        case "choices":
            return [problem.value for problem in value or ()]
        case "text":
            return ", ".join(value or ()) if field == "languages" else value or ""
        case _:
            return value.value if isinstance(value, StrEnum) else value


def _typed(value: float | Decimal | None, *, share: bool = False) -> str:
    """A number as it could have been typed, a share in percent."""
    if value is None:
        return ""
    exact = Decimal(str(value)) * (100 if share else 1)
    return unambiguous(exact.normalize())


def case_from(answers: Mapping[str, Any]) -> UseCase:
    """The use case that the answers describe.

    Raises:
        CaseError: with every contradiction, every value out of range, and every text that is no number.
    """
    raw: dict[str, object] = {"name": answers.get(key("name")) or "My use case"}
    if answers.get(key("description")):
        raw["description"] = answers[key("description")]
    if answers.get(key("measured")):
        raw["measured"] = answers[key("measured")]  # is asked nowhere; a run or a file says it
    for field in asks():
        value = answers.get(key(field))
        if value is None or value == "" or value == []:
            continue
        raw[field] = _whole(value) if asks()[field].unit == _SHARE else value
    return build_case(raw | _today(answers) | _currency(answers), "this use case")


def _whole(text: str) -> str:
    """A share typed in percent as a share; what is no number stays as it is, and is refused."""
    with suppress(NumberFault):
        return f"{read_number(_bare(text), 'amount').value / 100:f}"
    return text


def _bare(text: str) -> str:
    return text.strip().removesuffix("%").strip()


def _today(answers: Mapping[str, Any]) -> dict[str, object]:
    given = {part: answers.get(key(f"incumbent.{part}")) for part in TODAY}
    if given["kind"] is None:
        return {}
    if given["accuracy"]:
        given["accuracy"] = _whole(given["accuracy"])
    return {"incumbent": {part: value for part, value in given.items() if value not in (None, "")}}


def _currency(answers: Mapping[str, Any]) -> dict[str, object]:
    currency = answers.get(key("currency")) or "USD"
    if currency == "USD":
        return {}
    per_usd, as_of, source = (answers.get(key(f"usd_rate.{part}")) for part in RATE)
    if not per_usd or not isinstance(as_of, date):
        return {"currency": currency}
    rate = {"per_usd": per_usd, "as_of": as_of, "source": source or "as given in the form"}
    return {"currency": currency, "usd_rate": rate}
