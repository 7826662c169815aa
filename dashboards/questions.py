"""The questionnaire as a form: how each question is asked, and answers from and to a use case. Pure.

A page keeps its answers under `key(field)`. `None` is an answer too: not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from advisor.case import DayShape, GeneralModel, Licence, Problem, Residency, Task, UseCase, asks
from advisor.case_file import build_case

Way = Literal["choice", "choices", "yes or no", "steps", "money", "text", "words"]
NOT_KNOWN = "not known"

CHOICES: Mapping[str, type[StrEnum]] = {
    "task": Task,
    "problems": Problem,
    "residency": Residency,
    "general_model": GeneralModel,
    "day_shape": DayShape,
    "licence": Licence,
}
STEPS: Mapping[str, tuple[float, ...]] = {
    "queries_per_month": (100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7),
    "knowledge_changes_per_month": (0, 0.1, 0.3, 1, 2, 4, 10, 30, 100),
    "knowledge_changed_share": (0, 0.01, 0.03, 0.1, 0.3, 1),
    "knowledge_tokens": (1e4, 1e5, 3e5, 1e6, 1e7, 1e8),
    "retrieval_recall": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99),
    "labels": (2, 3, 5, 10, 20, 30, 50, 77, 100, 150),
    "labels_per_class": (0, 5, 10, 20, 50, 100, 300, 1000),
    "label_changes_per_month": (0, 0.1, 0.3, 1, 3, 10),
    "label_noise": (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
    "examples": (0, 30, 100, 300, 600, 1e3, 3e3, 1e4, 3e4, 1e5),
    "prompting_accuracy": (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99),
    "prompting_items": (30, 100, 300, 1000, 3000),
    "input_tokens": (20, 50, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5),
    "output_tokens": (1, 5, 20, 50, 100, 300, 1e3, 3e3),
    "p95_ms": (50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4),
    "quality_floor": (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.98, 0.99),
    "open_model_billions": (0.135, 0.5, 1, 3, 4, 7, 8, 14, 32, 70),
    "horizon_months": (1, 3, 6, 12, 24, 36),
}
WHOLE = {
    "knowledge_tokens",
    "labels",
    "labels_per_class",
    "examples",
    "prompting_items",
    "input_tokens",
    "output_tokens",
}
MONEY = {"example_cost", "wrong_answer_cost", "machine_hour_cost", "day_rate"}
YES_OR_NO = {"out_of_scope_matters", "needs_facts", "citations_required", "pii", "offline"}

GROUPS: Mapping[str, tuple[str, ...]] = {
    "The task": ("task", "problems", "labels", "quality_floor", "out_of_scope_matters"),
    "What it has to know": (
        "needs_facts",
        "knowledge_changes_per_month",
        "citations_required",
        "knowledge_tokens",
        "knowledge_changed_share",
        "retrieval_recall",
    ),
    "Your examples": (
        "examples",
        "labels_per_class",
        "label_noise",
        "label_changes_per_month",
        "example_cost",
        "prompting_accuracy",
        "prompting_items",
    ),
    "Load and speed": ("queries_per_month", "p95_ms", "day_shape", "input_tokens", "output_tokens"),
    "Where it may run": (
        "residency",
        "pii",
        "offline",
        "general_model",
        "api_model",
        "open_model_billions",
        "hardware",
        "licence",
        "languages",
    ),
    "Money": ("wrong_answer_cost", "day_rate", "machine_hour_cost", "horizon_months"),
}
"""Every question once, in the order in which it is asked."""

TODAY = ("kind", "cost_per_item", "accuracy", "p95_ms")
RATE = ("per_usd", "as_of", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question.

    Attributes:
        options: answers to choose from, not known included, where there are any.
    """

    field: str
    way: Way
    text: str
    options: tuple[Any, ...] = ()


def key(field: str) -> str:
    """Under which the answer is kept."""
    return f"case.{field}"


def question(field: str, given: object = None) -> Question:
    """How a field is asked; a value already given is among its steps."""
    ask = asks()[field]
    unit = f" ({ask.unit})" if ask.unit and ask.unit not in {"share", "money"} else ""
    text = f"{ask.question.removesuffix('?')}{unit}?"
    if field in STEPS:
        steps = {float(step) for step in STEPS[field]} | ({float(str(given))} if _is_step(given) else set())
        return Question(field=field, way="steps", text=text, options=(None, *sorted(steps)))
    if field == "problems":
        return Question(field=field, way="choices", text=text, options=tuple(p.value for p in Problem))
    if field in CHOICES:
        options = (None, *(member.value for member in CHOICES[field]))
        return Question(field=field, way="choice", text=text, options=options)
    if field in YES_OR_NO:
        return Question(field=field, way="yes or no", text=text, options=(None, True, False))
    if field in MONEY:
        return Question(field=field, way="money", text=text)
    return Question(field=field, way="words" if field == "languages" else "text", text=text)


def _is_step(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def in_words(field: str, answer: object) -> str:
    """An answer as the form shows it."""
    match answer:
        case None:
            return NOT_KNOWN
        case bool():
            return "yes" if answer else "no"
        case float() | int():
            share = asks()[field].unit == "share" if field in asks() else False
            return f"{100 * answer:g} %" if share else f"{answer:,.15g}"
        case _:
            return str(answer).replace("-", " ")


def answers_of(case: UseCase) -> dict[str, Any]:
    """A use case as the answers of the form, by key; what is not known is `None`."""
    found: dict[str, Any] = {key("name"): case.name, key("description"): case.description}
    for field in asks():
        found[key(field)] = _answer(field, getattr(case, field))
    today = case.incumbent
    for part in TODAY:
        value = None if today is None else getattr(today, part)
        found[key(f"incumbent.{part}")] = value if isinstance(value, str) else _float(value)
    found[key("currency")] = case.currency
    rate = case.usd_rate
    found[key("usd_rate.per_usd")] = None if rate is None else float(rate.per_usd)
    found[key("usd_rate.as_of")] = None if rate is None else rate.as_of
    found[key("usd_rate.source")] = "" if rate is None else rate.source
    return found


def _answer(field: str, value: Any) -> Any:
    if field == "problems":
        return [problem.value for problem in value or ()]
    if field == "languages":
        return ", ".join(value or ())
    if field in {"api_model", "hardware"}:
        return value or ""
    if isinstance(value, StrEnum):
        return value.value
    return value if isinstance(value, bool) else _float(value)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def case_from(answers: Mapping[str, Any]) -> UseCase:
    """The use case that the answers describe.

    Raises:
        CaseError: with every contradiction and every value out of range.
    """
    raw: dict[str, object] = {"name": answers.get(key("name")) or "My use case"}
    if answers.get(key("description")):
        raw["description"] = answers[key("description")]
    for field in asks():
        value = answers.get(key(field))
        if value is None or value == "" or value == []:
            continue
        if field == "languages":
            value = [part.strip() for part in str(value).split(",") if part.strip()]
        elif field in WHOLE:
            value = int(value)
        elif field in MONEY:
            value = f"{value:.15g}"
        raw[field] = value
    raw |= _today(answers) | _currency(answers)
    return build_case(raw, "this use case")


def _today(answers: Mapping[str, Any]) -> dict[str, object]:
    given = {part: answers.get(key(f"incumbent.{part}")) for part in TODAY}
    if given["kind"] is None:
        return {}
    if given["cost_per_item"] is not None:
        given["cost_per_item"] = f"{given['cost_per_item']:.15g}"
    return {"incumbent": {part: value for part, value in given.items() if value is not None}}


def _currency(answers: Mapping[str, Any]) -> dict[str, object]:
    currency = answers.get(key("currency")) or "USD"
    if currency == "USD":
        return {}
    per_usd, as_of, source = (answers.get(key(f"usd_rate.{part}")) for part in RATE)
    if per_usd is None or not isinstance(as_of, date):
        return {"currency": currency}
    rate = {"per_usd": f"{per_usd:.15g}", "as_of": as_of, "source": source or "as given in the form"}
    return {"currency": currency, "usd_rate": rate}
