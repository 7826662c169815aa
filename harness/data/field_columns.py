"""Fields of a user's own columns: what their cells say, and of what kind each column is. Pure.

A cell holds one value, a list of values, or an object of fields, as a value of JSON or as a text that writes
one (`harness.tasks.json_answers.structured`). The keys of objects are fields: of one column alone by their
names, of several columns in a group named like the column. A list makes a repeated field, a list of objects
one for each key.

Numbers and yes or no of a file that tells them from texts are such. Texts are dates where all of a column
are, numbers where all are and one has a decimal mark (digits alone may be an order's number, whose zeros
count), yes or no where all are and both occur, else texts. What a single text leaves open its column settles:
which mark is the decimal one, and whether the month stands before the day. `n/a` and the like state nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.core.wording import counted
from harness.data.columns import Numeral
from harness.data.problems import Problems, shorten
from harness.tasks.fields import (
    MOST_FIELDS,
    Field,
    FieldKind,
    FieldSchema,
    date_of,
    number_of,
    put,
    read_value,
)
from harness.tasks.json_answers import structured

Rows = Mapping[int, Mapping[str, Any]]
"""Cells by the number of their row and the name of their column; empty ones are left out."""

_NOTHING = frozenset(
    ["", "n/a", "N/A", "#N/A", "#NV", "null", "NULL", "nan", "NaN", "<NA>", "-", "--", "–", "—", "[]", "{}"]
)
_NO_VALUE = frozenset(
    ["na", "n.a.", "n.v.", "k.a.", "none", "nil", "unknown", "unbekannt", "inconnu", "?", "tbd"]
)
"""Words for no value, also in a column of dates or numbers alone."""
_NAMELIKE = re.compile(r"\D*0\d|\s*v(?:er(?:sion)?)?\.?\s*\d", re.IGNORECASE)
"""Of a phone number or a version, whose digits are no amount."""
_MARKED = re.compile(r"\d[.,]\d")
_CURRENCIES = {"€": "eur", "$": "usd", "£": "gbp", "euro": "eur", "us$": "usd"}
_OBJECT = re.compile(r"\s*\{\s*[\"'}]")
_THOUSAND = 3  # digits
_EXACT = 2**53  # whole numbers up to which a number is exact; longer ones are names of something


@dataclass(slots=True)
class _Column:
    """The values of one field by the number of their row, and whether a row may state several."""

    repeated: bool = False
    values: dict[int, list[Any]] = field(default_factory=dict)

    def add(self, row: int, value: object) -> None:
        stated = [one for one in (value if isinstance(value, list) else [value]) if not _is_nothing(one)]
        self.repeated = self.repeated or isinstance(value, list)
        if stated:
            self.values.setdefault(row, []).extend(stated)


def fields_of_columns(
    names: Sequence[str], rows: Rows, problems: Problems
) -> tuple[FieldSchema, list[dict[str, Any]]]:
    """The fields of a table's columns, and what each row states of them, in the rows' order.

    Faults, and what a reader should know, are noted in `problems`.
    """
    names = tuple(dict.fromkeys(names))
    columns: dict[tuple[str, ...], _Column] = {}
    apart: set[str] = set()
    for name in names:
        for row, cell in _cells(name, rows, problems).items():
            before = (name,) if len(names) > 1 or not isinstance(cell, dict) else ()
            for path, value in _parts(cell, before, apart):
                columns.setdefault(path, _Column()).add(row, value)
        if not any(path[:1] == (name,) for path in columns) and (len(names) > 1 or not columns):
            columns[(name,)] = _Column()
    for path in [path for path in columns if any(other[:1] == path != other for other in columns)]:
        if columns.pop(path).values:
            problems.add(f"{path[0]!r} is an object in some rows and a value in others")
            problems.allow("values of one kind for a key in all rows")
    for name in sorted(apart):
        together = "which values stood in one object is not compared"
        problems.say(
            "list-of-objects", f"{name!r} is a list of objects, read as a list for each key: {together}."
        )
    if not any(column.values for column in columns.values()):
        problems.add(f"no row has a value in {', '.join(map(repr, names))}")
        problems.advise(
            "other columns with --fields; a workbook's formulas have values once it is saved again"
        )
    if len(columns) > MOST_FIELDS:
        problems.add(f"{len(columns):,} columns and keys of objects, more than {MOST_FIELDS} fields")
        problems.allow("objects that have the same few keys in all rows")
    found, targets = [], {row: dict[str, Any]() for row in rows}
    for path, column in columns.items():
        one, read = _field(path, column, problems)
        found.append(one)
        for row, values in column.values.items():
            put(targets[row], one, [value for value in map(read, values) if value is not None])
    return FieldSchema(fields=tuple(found)), list(targets.values())


def _cells(name: str, rows: Rows, problems: Problems) -> dict[int, Any]:
    """The stated cells of a column; of a column of objects or lists, what texts write of them."""
    given = [values[name] for values in rows.values() if values.get(name)]
    _say_not_stated(name, [text for text in given if _is_nothing(text) and text[0] not in "[{"], problems)
    cells = {row: values[name] for row, values in rows.items() if not _is_nothing(values.get(name))}
    read = {row: structured(cell) for row, cell in cells.items()}
    objects = sum(isinstance(value, dict) for value in read.values())
    lists = sum(isinstance(value, list) for value in read.values())
    broken = [row for row, cell in cells.items() if read[row] is None and _OBJECT.match(cell)]
    if 2 * max(objects, lists) < len(cells):
        if 2 * (objects + len(broken)) < len(cells):
            return cells
        objects = len(cells)
    kind, whole = (dict, "an object of fields") if objects >= lists else (list, "a list")
    for row, value in read.items():
        if not isinstance(value, kind) and (kind is dict or str(cells[row]).startswith("[")):
            problems.add(
                f"{name!r} holds {whole} in most rows, here none", f"row {row} ({shorten(cells[row])})"
            )
            problems.advise("the same command once those cells are JSON, or empty")
    return {row: cells[row] if value is None else value for row, value in read.items()}


def _parts(value: Any, path: tuple[str, ...], apart: set[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of a cell with their places, at most one group deep; entries of a list are gone through.

    Args:
        apart: takes the names of lists of objects, whose values are taken apart.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            here = (path[0], ".".join((*path[1:], key))) if path else (key,)
            yield from _parts(inner, here, apart)
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        apart.add(".".join(path))
        for one in value:
            for inner, found in _parts(one, path, apart):
                yield inner, found if isinstance(found, list) else [found]
    else:
        yield path, value


def _is_nothing(value: object) -> bool:
    return value is None or value in ([], {}) or (isinstance(value, str) and value.strip() in _NOTHING)


def _field(path: tuple[str, ...], column: _Column, problems: Problems) -> tuple[Field, Callable[[Any], Any]]:
    """A field of the kind that all its values have, and what reads a value of it; None states nothing."""
    name = ".".join(path)
    values = [_number(value) for values in column.values.values() for value in values]
    said = [value for value in values if not _says_no_value(value)]
    if not values:
        problems.say("empty-field", f"No row states {name!r}: whatever is answered there is invented.")
    kind, read = _kind(name, said, problems)
    if kind is not FieldKind.TEXT:
        _say_not_stated(name, [value for value in values if _says_no_value(value)], problems)
    one = Field(path=path, kind=kind, repeated=column.repeated)

    def value_of(value: Any) -> Any:
        value = _number(value)
        return None if kind is not FieldKind.TEXT and _says_no_value(value) else read(value)

    return one, value_of


def _number(value: Any) -> Any:
    """A number as such, where the file says that it is one; texts stay texts."""
    if isinstance(value, Numeral):
        return float(value) if set(value) & set(".eE") else int(value)
    return value.strip() if isinstance(value, str) else value


def _says_no_value(value: Any) -> bool:
    return isinstance(value, str) and value.casefold() in _NO_VALUE


def _say_not_stated(name: str, words: Sequence[str], problems: Problems) -> None:
    if words:
        many = counted(len(words), "value", "values")
        said = f"{many} of {name!r}, such as {shorten(words[0])}, count as not stated."
        problems.say("not-stated", said, "note")


def _kind(name: str, values: Sequence[Any], problems: Problems) -> tuple[FieldKind, Callable[[Any], Any]]:
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(texts) == len(values):
        return _kind_of_texts(name, texts, problems)
    if len(numbers) == len(values):
        if all(isinstance(value, int) for value in numbers):
            exact = all(abs(value) <= _EXACT for value in numbers)
            return (FieldKind.WHOLE, lambda value: value) if exact else (FieldKind.TEXT, str)
        return FieldKind.NUMBER, lambda value: value
    if not numbers and all(isinstance(value, bool) for value in values if value not in texts):
        yes_no = Field(path=(name,), kind=FieldKind.YES_NO)
        if all(read_value(yes_no, value) is not None for value in values):
            return FieldKind.YES_NO, lambda value: read_value(yes_no, value)
    if any(isinstance(value, float) for value in numbers) and len(numbers) + len(texts) == len(values):
        mark = _decimal_mark(texts)
        if all(number_of(value, mark) is not None for value in texts):
            return FieldKind.NUMBER, lambda value: number_of(value, mark)
    return FieldKind.TEXT, lambda value: value if isinstance(value, str) else json.dumps(value)


def _kind_of_texts(
    name: str, texts: Sequence[str], problems: Problems
) -> tuple[FieldKind, Callable[[Any], Any]]:
    if texts and all(map(date_of, texts)):
        return FieldKind.DATE, date_of
    if texts and all(date_of(text, month_first=True) for text in texts):
        first = shorten(next(text for text in texts if not date_of(text)))
        problems.say(
            "month-first", f"{name!r} is read with the month before the day, as {first} has it.", "note"
        )
        return FieldKind.DATE, partial(date_of, month_first=True)
    mark = _decimal_mark(texts)
    if (
        any(map(_MARKED.search, texts))
        and not any(map(_NAMELIKE.match, texts))
        and all(number_of(text, mark) is not None for text in texts)
    ):
        _say_how_numbers_are_read(name, texts, mark, problems)
        return FieldKind.NUMBER, lambda text: number_of(text, mark)
    yes_no = Field(path=(name,), kind=FieldKind.YES_NO)
    if {read_value(yes_no, text) for text in texts} == {True, False}:
        return FieldKind.YES_NO, partial(read_value, yes_no)
    return FieldKind.TEXT, lambda text: text


def _decimal_mark(texts: Sequence[str]) -> str:
    """The mark that some text can only have as the decimal one and none as that of thousands; '' for none."""
    decimal, thousands = set(), set()
    for text in texts:
        digits = re.sub(r"[^\d.,]", "", text).strip(".,")
        marks = re.findall(r"[.,]", digits)
        if not marks:
            continue
        if len(set(marks)) > 1:
            thousands.add(marks[0])
            decimal.add(marks[-1])
        elif len(marks) > 1:
            thousands.add(marks[0])
        elif len(digits.rpartition(marks[0])[2]) != _THOUSAND or digits.startswith("0"):
            decimal.add(marks[0])
    return next(iter(decimal)) if len(decimal) == 1 and not decimal & thousands else ""


def _say_how_numbers_are_read(name: str, texts: Sequence[str], mark: str, problems: Problems) -> None:
    """Say what could be meant otherwise: units that a number leaves out, and a point before three digits."""
    units = Counter(_unit(text) for text in texts)
    named = [unit for unit, _ in units.most_common() if unit]
    if len(named) > 1:
        listed = ", ".join(map(shorten, named[:4]))
        problems.say(
            "units",
            f"{name!r} is compared as a number, without the units in it ({listed}); they are compared too "
            "where they are a column of their own.",
        )
    if not mark:
        point = [text for text in texts if re.search(r"(?<![\d.,])[1-9]\d{0,2}\.\d{3}(?![\d.,])", text)]
        if point:
            read = f"{number_of(point[0]):.0f}"
            problems.say(
                "thousands", f"{name!r} is read with thousands: {shorten(point[0])} is {read}.", "note"
            )


def _unit(text: str) -> str:
    said = re.sub(r"[\d.,'’\s()+−–—-]", "", text).casefold()
    return _CURRENCIES.get(said, said)
