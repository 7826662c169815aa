"""Fields of a message: what may be asked for, how values are read, and when two are the same. Pure.

A `FieldSchema` is read from a JSON Schema (objects nested at most one level, scalars, lists of scalars) and
written again in one canonical form, the one that models are held to. Values count by (field, value) pairs,
each entry of a repeated field on its own; an absent field, `null`, an empty text and an empty list are the
same: nothing is stated.

Two values are the same when they are equal after this reading:

- text: Unicode NFKC, case folded, without blanks and the marks `-`, `/`, `_` (so `88-01274` is `8801274`);
- number: as JSON, or written in the ways of Europe: `1.234,56 €`, `1'500.00`, `45,—`. A mark before exactly
  three digits separates thousands (`1.234` in a text is 1234), unless nothing but 0 stands before it;
  `(12.50)` and `12,50-` are below zero, as accounts write them;
- date: ISO, or the day before the month: `4.11.2025`, `04/11/25`, `4. November 2025`, `4 nov. 2025`; a month
  with a name may come first (`March 4, 2025`), a weekday before it and a time behind it;
- choice and yes or no: without case.

What cannot be read so is compared as text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from harness.core.errors import DataError
from harness.core.records import Fields, Target

MOST_FIELDS = 100
_FAULTS_SHOWN = 10
_COMPOSED = {"anyOf", "oneOf", "allOf", "not", "if", "patternProperties", "prefixItems"}


class FieldKind(StrEnum):
    """What a value is."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole number"
    DATE = "date"
    CHOICE = "choice"
    YES_NO = "yes or no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field.

    Attributes:
        path: its name, behind the name of its group where it is in one.
        repeated: several values may be stated, in no order.
        required: an answer must hold it.
        choices: the values of a choice.
        description: what it means, as the model is told.
    """

    path: tuple[str, ...]
    kind: FieldKind = FieldKind.TEXT
    repeated: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    description: str = ""

    @property
    def name(self) -> str:
        """The name as tables show it: `customer.city`."""
        return ".".join(self.path)

    def value_schema(self) -> dict[str, Any]:
        """The JSON Schema of its value."""
        one: dict[str, Any] = {"type": _JSON_TYPES[self.kind]}
        if self.kind is FieldKind.DATE:
            one["format"] = "date"
        if self.choices:
            one["enum"] = list(self.choices)
        return {"type": "array", "items": one} if self.repeated else one


_JSON_TYPES = {
    FieldKind.TEXT: "string",
    FieldKind.NUMBER: "number",
    FieldKind.WHOLE: "integer",
    FieldKind.DATE: "string",
    FieldKind.CHOICE: "string",
    FieldKind.YES_NO: "boolean",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCount:
    """The values of one field, or of all: in how many ways they agree.

    Attributes:
        right: stated and given.
        wrong: another value was given in place of the stated one.
        missing: stated and not given.
        invented: given where nothing (more) is stated.
    """

    right: int = 0
    wrong: int = 0
    missing: int = 0
    invented: int = 0

    def __add__(self, other: FieldCount) -> FieldCount:
        return FieldCount(
            right=self.right + other.right,
            wrong=self.wrong + other.wrong,
            missing=self.missing + other.missing,
            invented=self.invented + other.invented,
        )

    @property
    def stated(self) -> int:
        """Values in the reference."""
        return self.right + self.wrong + self.missing

    @property
    def given(self) -> int:
        """Values in the answer."""
        return self.right + self.wrong + self.invented

    @property
    def f1(self) -> float:
        """2 right / (given + stated), the harmonic mean of precision and recall; 1 where both are empty."""
        both = self.given + self.stated
        return 2 * self.right / both if both else 1.0


def whole(counts: Mapping[str, FieldCount]) -> FieldCount:
    """The values of all fields."""
    return sum(counts.values(), FieldCount())


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSchema:
    """The fields that are asked for, in the order in which they are written."""

    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names in order."""
        return tuple(one.name for one in self.fields)

    def json_schema(self) -> dict[str, Any]:
        """The canonical JSON Schema: types, choices, what is required, and nothing beside it."""
        top = _object()
        for one in self.fields:
            inside = top
            if len(one.path) > 1:
                inside = top["properties"].setdefault(one.path[0], _object())
                if one.required and one.path[0] not in top["required"]:
                    top["required"].append(one.path[0])
            inside["properties"][one.path[-1]] = one.value_schema()
            if one.required:
                inside["required"].append(one.path[-1])
        return top

    def ordered(self, values: Fields) -> dict[str, Any]:
        """The stated values alone, in the schema's order, as what their fields are.

        Numbers that are written as texts are numbers, whole ones without a point; dates are ISO.
        """
        found: dict[str, Any] = {}
        for one in self.fields:
            read = ((value, read_value(one, value)) for value in entries_of(values, one.path))
            put(found, one, [_plain(value if known is None else known) for value, known in read])
        return found

    def written(self, values: Fields) -> str:
        """The values as a model is to write them: one line of JSON."""
        return json.dumps(self.ordered(values), ensure_ascii=False)

    def misfits(self, values: Fields) -> list[str]:
        """Why values are no reference for this schema, a phrase each; empty where they fit."""
        faults = [f"no field {name!r}" for name in self.unknown(values)]
        for one in self.fields:
            entries = entries_of(values, one.path)
            if one.required and not entries:
                faults.append(f"{one.name} is required and absent")
            if len(entries) > 1 and not one.repeated:
                faults.append(f"{one.name} has {len(entries)} values and is not repeated")
            faults += [
                f"{one.name} is no {one.kind.value}"
                + (f" of {', '.join(one.choices)}" if one.choices else "")
                + f": {_short(value)}"
                for value in entries
                if read_value(one, value) is None
            ]
        return faults

    def unknown(self, values: Fields) -> list[str]:
        """Names that hold something in an answer and are no fields."""
        groups = {one.path[0] for one in self.fields if len(one.path) > 1}
        names = set(self.names)
        found = []
        for name, value in values.items():
            if name in groups and isinstance(value, Mapping):
                found += [
                    f"{name}.{key}" for key in value if f"{name}.{key}" not in names and _entries(value[key])
                ]
            elif name not in names and _entries(value):
                found.append(name)
        return found

    def count(self, stated: Fields, given: Fields, *, exact: bool = False) -> dict[str, FieldCount]:
        """How an answer agrees with the reference, by field; what is no field of the schema is invented.

        Args:
            exact: whether values must be equal as they are written.
        """
        counts = {}
        for one in self.fields:
            theirs, mine = (_keys(one, entries_of(v, one.path), exact=exact) for v in (stated, given))
            right = (theirs & mine).total()
            lost, more = theirs.total() - right, mine.total() - right
            wrong = min(lost, more)
            counts[one.name] = FieldCount(
                right=right, wrong=wrong, missing=lost - wrong, invented=more - wrong
            )
        for name in self.unknown(given):
            counts[name] = FieldCount(invented=1)
        return counts


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def put(found: dict[str, Any], one: Field, values: Sequence[Any]) -> None:
    """Add values of a field, all of a repeated one, else the first."""
    if values:
        inside: dict[str, Any] = found if len(one.path) == 1 else found.setdefault(one.path[0], {})
        inside[one.path[-1]] = [*inside.get(one.path[-1], ()), *values] if one.repeated else values[0]


def fields_in(target: Target | None) -> Fields:
    """The fields of a target; none of one that is none or is no object."""
    return target if isinstance(target, dict) else {}


def entries_of(values: Fields, path: Sequence[str]) -> list[Any]:
    """What is stated at a path: no value, one, or the values of a list."""
    value: Any = values
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return []
        value = value[name]
    return _entries(value)


def _entries(value: Any) -> list[Any]:
    many = value if isinstance(value, list) else [value]
    nothing: tuple[object, ...] = (None, [], {}, "")
    return [one for one in many if (one.strip() if isinstance(one, str) else one) not in nothing]


def _keys(one: Field, entries: Sequence[Any], *, exact: bool) -> Counter[str]:
    return Counter(_exactly(value) if exact else same_as(one, value) for value in entries)


def _exactly(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True)


def same_as(one: Field, value: Any) -> str:
    """The form in which two values of a field are compared."""
    read = read_value(one, value)
    if read is not None and one.kind in (FieldKind.NUMBER, FieldKind.WHOLE):
        return str(Decimal(str(read)).normalize() + 0)
    if read is None or one.kind is FieldKind.TEXT:
        return plain_text(value if isinstance(value, str) else _exactly(value))
    return str(read)


def read_value(one: Field, value: Any) -> str | int | float | bool | None:
    """A value as its field's kind, from JSON or from a text; None where it is none."""
    if isinstance(value, dict | list):
        return None
    match one.kind:
        case FieldKind.TEXT:
            return value if isinstance(value, str) else _exactly(value)
        case FieldKind.NUMBER:
            return number_of(value)
        case FieldKind.WHOLE:
            number = number_of(value)
            return int(number) if number is not None and number == int(number) else None
        case FieldKind.DATE:
            return date_of(value) if isinstance(value, str) else None
        case FieldKind.CHOICE:
            return next((c for c in one.choices if plain_text(c) == plain_text(str(value))), None)
        case FieldKind.YES_NO:
            return value if isinstance(value, bool) else yes_or_no(str(value))


def yes_or_no(text: str) -> bool | None:
    """What a text says that is one of the two; None for any other."""
    return _YES_NO.get(text.strip().casefold())


_YES_NO = dict.fromkeys(["true", "yes", "ja", "oui", "si", "sì", "sí", "tak"], True) | dict.fromkeys(
    ["false", "no", "nein", "nee", "non", "nie"], False
)
_APART = re.compile(r"[\s/_-]+")


def plain_text(text: str) -> str:
    """A text as it is compared: without case, blanks, and the marks `-`, `/`, `_` in any width."""
    for _ in range(_MOST_TURNS):  # what stands apart no longer may join what stood before it
        plain = _without_marks(text)
        if plain == text:
            break
        text = plain
    return text


def _without_marks(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    marks = "".join("-" if unicodedata.category(c) == "Pd" else _QUOTES.get(c, c) for c in folded)
    return unicodedata.normalize("NFKC", _APART.sub("", marks) or marks.strip())


_MOST_TURNS = 4
_QUOTES = {"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"'}
_NUMBER = re.compile(r"(?P<before>\D*)(?P<digits>\d[\d,.'’\s]*)(?P<after>\D*)")
_POWER = re.compile(r"[-+]?\d+(?:[.,]\d+)?[eE][-+]\d{1,3}")
_CURRENCY = r"\s*(?:[€$£¥]|[A-Z]{3})?\s*"
_MINUS = re.compile(r"(?:^|[^\w])[-−]\s*(?:[€$£¥]\s*)?$")
_OPENS, _CLOSES = re.compile(rf"{_CURRENCY}\({_CURRENCY}"), re.compile(rf"{_CURRENCY}\){_CURRENCY}")
_CENTS, _MINUS_BEHIND = re.compile(r".*[.,]\d\d", re.DOTALL), re.compile(rf"[-−]{_CURRENCY}")
_MOST_DIGITS = 30


def number_of(value: object, decimal: str = "") -> float | None:
    """A number, or the one number that a text states in the ways of Europe.

    Args:
        decimal: a mark that is known to be the decimal one, also before three digits.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e300 else None
    if not isinstance(value, str) or len(value) > 2 * _MOST_DIGITS:
        return None
    if _POWER.fullmatch(value.strip()):
        return float(value.strip().replace(",", "."))
    found = _NUMBER.fullmatch(value.strip())
    if found is None:
        return None
    digits = re.sub(r"['’\s]", "", found["digits"]).rstrip(",.")
    try:
        read = float(_decimal(digits, decimal))
    except (InvalidOperation, ValueError):
        return None
    return -read if _below_zero(found) else read


def _below_zero(found: re.Match[str]) -> bool:
    """Whether a number has a minus before it, or is written as accounts write one: `(12.50)`, `12,50-`."""
    before, after = found["before"], found["after"]
    return bool(
        _MINUS.search(before)
        or (_OPENS.fullmatch(before) and _CLOSES.fullmatch(after))
        or (_CENTS.fullmatch(found["digits"]) and _MINUS_BEHIND.fullmatch(after))
    )


def _decimal(digits: str, decimal: str = "") -> Decimal:
    """Digits with points and commas: the last mark is the decimal one, unless it separates thousands."""
    marks = [c for c in digits if c in ".,"]
    if not marks:
        return Decimal(digits)
    last = digits.rfind(marks[-1])
    whole, rest = digits[:last], digits[last + 1 :]
    alone = len(marks) == 1 and len(rest) == 3 and 1 <= len(whole) <= 3 and whole.strip("0") != ""
    alone = alone and marks[0] != decimal
    thousands = alone or marks.count(marks[-1]) > 1
    groups = re.split(r"[.,]", digits if thousands else whole)
    if len(groups) > 1 and (len(groups[0]) > 3 or any(len(group) != 3 for group in groups[1:])):
        lakhs = len(groups[0]) <= 2 and len(groups[-1]) == 3 and all(len(g) == 2 for g in groups[1:-1])
        if not lakhs:  # 1,23,000 in India
            raise ValueError(digits)
    return Decimal("".join(groups) if thousands else f"{''.join(groups)}.{rest}")


_MONTHS = (
    "january januar januari janvier gennaio enero janeiro jänner stycznia styczeń",
    "february februar februari feber février febbraio febrero fevereiro lutego luty",
    "march märz maerz mrz maart mrt mars marzo março marca marzec",
    "april avril aprile abril kwietnia kwiecień",
    "may mai mei maggio mayo maio maja",
    "june juni juin giugno junio junho czerwca czerwiec",
    "july juli juillet luglio julio julho lipca lipiec",
    "august augustus août aout agosto sierpnia sierpień",
    "september septembre settembre septiembre setembro września wrzesień",
    "october oktober octobre ottobre octubre outubro października październik pazdziernika",
    "november novembre noviembre novembro listopada listopad",
    "december dezember décembre decembre dicembre diciembre dezembro grudnia grudzień",
)
"""Months in English, German, French, Italian, Spanish, Dutch, Polish and Portuguese; short forms begin so."""
_SHORTEST_MONTH = 3
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?", re.DOTALL)
_DAY_FIRST = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{1,2})\s*[-/.]\s*(\d{4}|\d\d)")
_NAMED = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|er|º|ª|\.)?\s*(?:of |de )?([^\W\d_]{3,12})\.?,?\s*(?:de )?(\d{4}|\d\d)"
)
_MONTH_NAMED = re.compile(r"([^\W\d_]{3,12})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})")
_WEEKDAY = re.compile(r"^[^\W\d_]{2,12}\.?,\s*")
_TIME = re.compile(
    r"(?<=\d)(?:,\s*|\s+)(?:um |at |à )?\d{1,2}[:h]\d\d(?::\d\d)?(?:\s*(?:uhr|am|pm|h|utc))?$", re.IGNORECASE
)


def date_of(text: str, *, month_first: bool = False) -> str | None:
    """A date as ISO, from ISO or with the day before the month; None for any other text.

    Args:
        month_first: whether `11/4/2025` is in November, as in the United States.
    """
    said = _TIME.sub("", _WEEKDAY.sub("", unicodedata.normalize("NFKC", text[:80]).strip()))
    if len(said) > 40:
        return None
    if found := _ISO.fullmatch(said):
        return _iso(found[1], int(found[2]), found[3])
    if found := _DAY_FIRST.fullmatch(said):
        day, number = (found[2], found[1]) if month_first else (found[1], found[2])
        return _iso(found[3], int(number), day)
    if found := _MONTH_NAMED.fullmatch(said):
        month = _month(found[1].casefold())
        return _iso(found[3], month, found[2]) if month else None
    if found := _NAMED.fullmatch(said):
        month = _month(found[2].casefold())
        return _iso(found[3], month, found[1]) if month else None
    return None


def _month(name: str) -> int | None:
    names = enumerate(_MONTHS, 1)
    found = {number for number, full in names if any(one.startswith(name) for one in full.split())}
    return min(found) if len(found) == 1 and len(name) >= _SHORTEST_MONTH else None


def _iso(year: str, month: int, day: str) -> str | None:
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), month, int(day)).isoformat()
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    """A value as JSON writes it, a whole number without a point."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _short(value: Any) -> str:
    return repr(value)[:60]


def parse_schema(raw: object, source: str) -> FieldSchema:
    """The fields of a JSON Schema.

    Args:
        source: where it stands, for messages.

    Raises:
        DataError: with every fault.
    """
    faults: list[str] = []
    fields = tuple(_fields_in(raw, (), _Schema(raw, faults), required=True))
    names = [one.name for one in fields]
    faults += [f"{name!r} names two fields" for name, times in Counter(names).items() if times > 1]
    if not fields and not faults:
        faults.append("it has no fields: 'properties' is empty")
    if len(fields) > MOST_FIELDS:
        faults.append(f"it has {len(fields)} fields, more than {MOST_FIELDS}")
    if faults:
        shown = "; ".join(faults[:_FAULTS_SHOWN])
        more = f"; and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
        raise DataError(
            f"{source} is no schema that fields can be read by.",
            got=shown + more,
            allowed="an object whose properties are string, number, integer, boolean, a date (string with "
            "format date), a choice (enum of texts) or a list of one of these; objects of such fields one "
            "level deep",
        )
    return FieldSchema(fields=fields)


class _Schema:
    """References are followed inside the schema alone; faults are collected."""

    def __init__(self, root: object, faults: list[str]) -> None:
        self._root = root
        self._faults = faults

    def fault(self, path: Sequence[str], what: str) -> None:
        self._faults.append(f"{'.'.join(path) or 'the schema'} {what}")

    def composed(self, part: Mapping[str, Any], path: Sequence[str]) -> bool:
        """Whether a part is put together of others, which is a fault: what fits it cannot be told apart."""
        found = sorted(_COMPOSED & set(part))
        if found:
            self.fault(path, f"uses {', '.join(found)}, which no value is read by")
        return bool(found)

    def resolved(self, part: object, path: Sequence[str]) -> dict[str, Any] | None:
        """A part of the schema with its reference followed and `or null` left out; None for a fault."""
        seen: list[str] = []
        while isinstance(part, dict):
            reference = part.get("$ref")
            if reference is None:
                one = _plainer(part)
                if one is part:
                    return part
                part = one
                continue
            if not isinstance(reference, str) or not reference.startswith("#/"):
                self.fault(path, f"refers to {_short(reference)}, outside its schema")
                return None
            if reference in seen:
                self.fault(path, f"refers to itself by {reference!r}")
                return None
            seen.append(reference)
            part = self._at(reference)
        self.fault(path, f"refers to {seen[-1]!r}, which is not there" if seen else "is no object")
        return None

    def _at(self, reference: str) -> object:
        part: object = self._root
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            part = part.get(key) if isinstance(part, dict) else None
        return part


def _plainer(part: dict[str, Any]) -> dict[str, Any]:
    """A part without the turns by which generators of schemas say something plain.

    `["string", "null"]`, `anyOf: [..., null]` and null among choices say that a field may be absent, as every
    field may; one part in `anyOf` or `allOf` stands for itself; `const` is one choice.
    """
    for key in ("anyOf", "oneOf", "allOf"):
        options = part.get(key)
        others = [one for one in options if one != {"type": "null"}] if isinstance(options, list) else []
        if len(others) == 1 and isinstance(others[0], dict):
            return {**{name: value for name, value in part.items() if name != key}, **others[0]}
    if isinstance(part.get("const"), str) and "enum" not in part:
        return {**part, "enum": [part["const"]]}
    choices = part.get("enum")
    if isinstance(choices, list) and None in choices and len(choices) > 1:
        return {**part, "enum": [choice for choice in choices if choice is not None]}
    kinds = part.get("type")
    if isinstance(kinds, list) and "null" in kinds and len(kinds) == 2:
        return {**part, "type": next((kind for kind in kinds if kind != "null"), None)}
    return part


def _fields_in(raw: object, path: tuple[str, ...], reader: _Schema, *, required: bool) -> Iterator[Field]:
    """The fields of an object."""
    found = reader.resolved(raw, path)
    if found is None or reader.composed(found, path):
        return
    properties = found.get("properties")
    if found.get("type", "object") != "object" or not isinstance(properties, dict):
        reader.fault(path, "is no object with 'properties'")
        return
    needed = found.get("required", [])
    for name in needed if isinstance(needed, list) else [needed]:
        if name not in properties:
            reader.fault(path, f"requires {_short(name)}, which is no property of it")
    for name, part in properties.items():
        here = (*path, str(name))
        if not str(name).strip():
            reader.fault(here, "has a blank name")
            continue
        must = required and isinstance(needed, list) and name in needed
        inner = reader.resolved(part, here)
        if inner is None or reader.composed(inner, here):
            continue
        if "properties" in inner or inner.get("type") == "object":
            if path:
                reader.fault(here, "is nested deeper than one level; write its fields one level up")
            else:
                yield from _fields_in(inner, here, reader, required=must)
            continue
        field = _field(inner, here, reader, required=must)
        if field is not None:
            yield field


def _field(part: dict[str, Any], path: tuple[str, ...], reader: _Schema, *, required: bool) -> Field | None:
    repeated = part.get("type") == "array"
    value = reader.resolved(part.get("items"), path) if repeated else part
    if value is None:
        return None
    kind, choices = _kind(value)
    if kind is None:
        what = _short(value.get("enum", value.get("type", sorted(value))))
        reader.fault(path, f"is {'a list of ' if repeated else ''}{what}, which no value is read by")
        return None
    if choices is not None and len({plain_text(choice) for choice in choices}) < max(1, len(choices)):
        reader.fault(path, "has no choices" if not choices else "has two choices that read the same")
        return None
    return Field(
        path=path,
        kind=kind,
        repeated=repeated,
        required=required,
        choices=choices or (),
        description=" ".join(str(part.get("description") or value.get("description") or "").split()),
    )


def _kind(value: dict[str, Any]) -> tuple[FieldKind | None, tuple[str, ...] | None]:
    if "enum" in value:
        choices = value["enum"]
        texts = isinstance(choices, list) and all(isinstance(one, str) and one.strip() for one in choices)
        return (FieldKind.CHOICE, tuple(choices)) if texts else (None, None)
    if value.get("type") == "string" and value.get("format") == "date":
        return FieldKind.DATE, None
    return next((kind for kind, name in _JSON_TYPES.items() if name == value.get("type")), None), None
