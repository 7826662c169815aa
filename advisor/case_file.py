"""Use cases from and to YAML: every fault is reported at once, unknown keys and contradictions are refused.

Parsing text is pure; only `load_case` reads a file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import reprlib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from advisor.case import (
    Ask,
    DatedRate,
    DayShape,
    GeneralModel,
    Incumbent,
    Licence,
    Problem,
    Residency,
    Task,
    UseCase,
    asks,
    must_self_host,
)
from advisor.errors import CaseError
from advisor.money.money import CURRENCIES
from advisor.numbers import NumberFault, NumberKind, read_number, unambiguous
from advisor.reading import Unreadable, parse_yaml, read_text

CHOICES: dict[str, type[StrEnum]] = {
    "task": Task,
    "residency": Residency,
    "general_model": GeneralModel,
    "day_shape": DayShape,
    "licence": Licence,
}
YES_NO = {"out_of_scope_matters", "needs_facts", "citations_required", "pii", "offline"}
_COUNTS = {
    "knowledge_tokens",
    "labels",
    "labels_per_class",
    "examples",
    "prompting_items",
    "retrieval_items",
    "classifier_items",
    "input_tokens",
    "output_tokens",
}
_MONEY = {"example_cost", "wrong_answer_cost", "machine_hour_cost", "day_rate"}
_SMALL_UNITS = {"share", "billion parameters"}
_TEXTS = {"api_model", "hardware"}
_MOST = Decimal("1e15")  # no count or amount lies beyond
UNKNOWN_WORDS = {"", "?", "unknown", "not known", "n/a"}


class _Fault(ValueError):
    """One sentence about one field."""


def load_case(path: Path) -> UseCase:
    """Read a use case from a YAML file.

    Raises:
        CaseError: if the file cannot be read or is no usable use case, with every fault.
    """
    return parse_case(read_case_text(path), path.name)


def read_case_text(path: Path) -> str:
    """The text of a use case.

    Raises:
        CaseError: if the file cannot be read.
    """
    try:
        return read_text(path)
    except FileNotFoundError:
        raise CaseError(
            "There is no such use case.", got=str(path), run="advisor interview   # writes one"
        ) from None
    except Unreadable as fault:
        raise CaseError("The use case cannot be read.", got=f"{path}: {fault}") from None


def parse_case(text: str, source: str) -> UseCase:
    """Read a use case from YAML text; `source` names it in messages.

    Raises:
        CaseError: with every fault.
    """
    return build_case(_mapping(text, source), source)


def numbers_read(text: str, source: str) -> tuple[str, ...]:
    """How numbers of a use case were read that are not written plainly: `examples: '3.000' read as 3,000`.

    Raises:
        CaseError: if the text is no YAML mapping.
    """
    found = []
    for name, value in _mapping(text, source).items():
        if isinstance(value, str) and name in asks() and asks()[name].unit:
            with contextlib.suppress(NumberFault):
                echo = read_number(value, number_kind(name)).echo
                found += [f"{name}: {echo}"] if echo else []
    return tuple(found)


def _mapping(text: str, source: str) -> dict[Any, object]:
    """A YAML mapping whose numbers are still as they were written: YAML would make 3.0 of 3.000."""
    try:
        raw = parse_yaml(text, numbers=False)
    except Unreadable as fault:
        raise CaseError(f"{source} is not valid YAML.", got=fault) from None
    if not isinstance(raw, dict):
        raise CaseError(f"{source} holds no use case.", got=type(raw).__name__, allowed="a YAML mapping")
    return raw


def build_case(raw: Mapping[str, object], source: str = "the use case") -> UseCase:
    """Check a use case given as a mapping.

    Raises:
        CaseError: with every fault: unknown keys, values out of range, contradictions.
    """
    faults = _unknown_keys(raw, {f.name for f in dataclasses.fields(UseCase)})
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in {f.name for f in dataclasses.fields(UseCase)}:
            continue
        try:
            values[name] = read_field(name, value)
        except _Fault as fault:
            faults.append(f"{name}: {fault}")
    if not isinstance(values.get("name"), str) and not any(f.startswith("name:") for f in faults):
        faults.append("name: is missing; any short name will do")
    if not faults:
        case = UseCase(**values)
        faults = contradictions(case)
        if not faults:
            return case
    lines = "\n".join(f"  - {fault}" for fault in faults)
    raise CaseError(f"{source} is not a usable use case: {len(faults)} fault(s).\n{lines}")


def read_field(name: str, value: object) -> Any:
    """One answer as the field's type; the words for 'not known' give None.

    Raises:
        ValueError: one sentence saying what is wrong.
    """
    if name in ("name", "description", "currency"):
        return _named_text(name, value)
    if value is None or (isinstance(value, str) and value.strip().lower() in UNKNOWN_WORDS):
        return None
    if name in CHOICES:
        return _enum(CHOICES[name], value)
    if name == "problems":
        return tuple(dict.fromkeys(_enum(Problem, part) for part in _list(value)))
    if name == "languages":
        return tuple(word.lower() for word in map(_text, _list(value)) if word)
    if name in YES_NO:
        return _bool(value)
    if name in _TEXTS:
        return _text(value)
    if name == "incumbent":
        return _incumbent(value)
    if name == "usd_rate":
        return _rate(value)
    return _in_range(name, value)


def _in_range(name: str, value: object) -> Any:
    number = _money(value) if name in _MONEY else _number(value, number_kind(name))
    ask: Ask = asks()[name]
    amount = float(number)
    if ask.low is not None and (amount < ask.low or (ask.above and amount == ask.low)):
        raise _Fault(f"must be {'above' if ask.above else 'at least'} {ask.low:g}; got {value}")
    if ask.high is not None and amount > ask.high:
        hint = " (a share: 0.93, not 93)" if ask.unit == "share" else ""
        raise _Fault(f"must be at most {ask.high:g}{hint}; got {value}")
    if name in _COUNTS:
        if amount != int(amount):
            raise _Fault(f"must be a whole number; got {value}")
        return int(amount)
    return number


def _named_text(name: str, value: object) -> str:
    text = "" if value is None else _text(value)
    if name == "currency":
        if text.upper() not in CURRENCIES:
            raise _Fault(f"unknown currency; got {_shown(value)}, allowed: {', '.join(CURRENCIES)}")
        return text.upper()
    if name == "name" and not text:
        raise _Fault("is missing; any short name will do")
    return text


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float | date):
        raise _Fault(f"must be a text, in quotes if need be; got {_shown(value)}")
    return str(value).strip()


def _enum(kind: type[StrEnum], value: object) -> Any:
    text = str(value).strip().lower().replace("_", "-").replace(" ", "-")
    allowed = [member.value for member in kind]
    if text in allowed:
        return kind(text)
    close = difflib.get_close_matches(text, allowed, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise _Fault(f"got {_shown(value)}, allowed: {', '.join(allowed)}{hint}")


def _list(value: object) -> list[object]:
    if isinstance(value, str):
        return [part for part in value.replace(";", ",").split(",") if part.strip()]
    if isinstance(value, list | tuple):
        return list(value)
    raise _Fault(f"must be a list; got {_shown(value)}")


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("yes", "y", "true"):
        return True
    if text in ("no", "n", "false"):
        return False
    raise _Fault(f"must be yes or no; got {_shown(value)}")


def _number(value: object, kind: NumberKind) -> float:
    return float(_decimal(value, kind, "a number"))


def _money(value: object) -> Decimal:
    return _decimal(value, "amount", "an amount without a currency sign")


def _decimal(value: object, kind: NumberKind, what: str) -> Decimal:
    """A number given as one, or as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise _Fault(f"must be {what}; got {_shown(value)}")
    if isinstance(value, str):
        try:
            number = read_number(value, kind).value
        except NumberFault as fault:
            raise _Fault(f"must be {what}; {fault}") from None
    else:
        try:
            number = Decimal(str(value))
        except ValueError:  # an int of thousands of digits
            raise _Fault(f"must be {what}; got thousands of digits") from None
    if not number.is_finite() or abs(number) > _MOST:
        raise _Fault(f"must be {what} that is finite and at most {_MOST:g}; got {_shown(value)}")
    return number


def number_kind(name: str) -> NumberKind:
    """What one mark before three digits means in a field of numbers."""
    small = name in _MONEY or asks()[name].unit in _SMALL_UNITS
    return "amount" if small else "count"


def _shown(value: object) -> str:
    """A value as it is shown in a message: short, whatever it is."""
    return reprlib.repr(value)


def _part(value: object, kind: type[Any], readers: Mapping[str, Callable[[object], Any]]) -> dict[str, Any]:
    """A nested mapping read field by field, all of its faults at once."""
    if not isinstance(value, dict):
        raise _Fault(f"must be a mapping of {', '.join(readers)}; got {_shown(value)}")
    faults = _unknown_keys(value, set(readers))
    values: dict[str, Any] = {}
    for name, read in readers.items():
        try:
            if value.get(name) is not None:
                values[name] = read(value[name])
        except _Fault as fault:
            faults.append(f"{name} {fault}")
    required = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING]
    faults += [f"{name} is missing" for name in required if value.get(name) is None]
    if faults:
        raise _Fault("; ".join(faults))
    return values


def _incumbent(value: object) -> Incumbent:
    def kind(text: object) -> str:
        if text not in ("people", "system"):
            raise _Fault(f"got {_shown(text)}, allowed: people, system")
        return str(text)

    readers = {
        "kind": kind,
        "cost_per_item": _amount,
        "accuracy": _share,
        "items": _items,
        "p95_ms": _above_zero,
    }
    return Incumbent(**_part(value, Incumbent, readers))


def _rate(value: object) -> DatedRate:
    return DatedRate(**_part(value, DatedRate, {"per_usd": _rate_amount, "as_of": _day, "source": _text}))


def _amount(value: object) -> Decimal:
    amount = _money(value)
    if amount < 0:
        raise _Fault(f"must be at least 0; got {value}")
    return amount


def _rate_amount(value: object) -> Decimal:
    amount = _money(value)
    if amount <= 0:
        raise _Fault(f"must be above 0; got {value}")
    return amount


def _share(value: object) -> float:
    number = _number(value, "amount")
    if not 0 <= number <= 1:
        raise _Fault(f"must lie within 0 and 1 (a share: 0.93, not 93); got {value}")
    return number


def _items(value: object) -> int:
    number = _number(value, "count")
    if number < 1 or number != int(number):
        raise _Fault(f"must be a whole number above 0; got {value}")
    return int(number)


def _above_zero(value: object) -> float:
    number = _number(value, "count")
    if number <= 0:
        raise _Fault(f"must be above 0; got {value}")
    return number


def _day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise _Fault(f"must be a date, YYYY-MM-DD; got {_shown(value)}") from None


def _unknown_keys(raw: Mapping[Any, object], allowed: set[str]) -> list[str]:
    faults = []
    for key in raw:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), sorted(allowed), n=1)
            faults.append(f"{key}: unknown key" + (f"; did you mean {close[0]}?" if close else ""))
    return faults


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
    if case.currency != "USD" and case.usd_rate is None:
        found.append(
            f"currency: {case.currency} needs usd_rate (per_usd, as_of, source); there is no built-in rate"
        )
    if case.currency == "USD" and case.usd_rate is not None and case.usd_rate.per_usd != 1:
        found.append("usd_rate: a dollar is worth one dollar; name the other currency in currency")
    return found


def _label_contradictions(case: UseCase) -> list[str]:
    found = []
    given = {"labels": case.labels, "labels_per_class": case.labels_per_class}
    named = [name for name, value in given.items() if value is not None]
    if case.task not in (None, Task.CLASSIFICATION) and named:
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


def dump_case(case: UseCase, *, all_fields: bool = False) -> str:
    """The use case as YAML that reads back to an equal one; answers not known are left out."""
    import yaml

    raw = {f.name: _plain(getattr(case, f.name)) for f in dataclasses.fields(UseCase)}
    kept = {k: v for k, v in raw.items() if all_fields or v not in (None, "")}
    text: str = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=100)
    return text


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {name: part for name, part in parts.items() if part is not None}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return unambiguous(value) if isinstance(value, Decimal) else value
