"""JSON in any nesting: where the rows are in it, and the asked values of them. Pure.

One value a line, one document, or documents one after another. Rows are a list of objects; it is looked for
in the document, and taken where exactly one holds the asked keys. Nested values are named by dots
(`ticket.subject`, `comments.0.body`); what nobody asked for is left alone. NaN is a missing value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice

from harness.core.errors import DataError
from harness.core.wording import counted
from harness.data.columns import (
    LISTS,
    OBJECTS,
    VALUES,
    Asked,
    Cells,
    DataTable,
    Numeral,
    check_columns,
    check_header,
    find_header,
    match_columns,
    needed,
    take_rows,
)
from harness.data.problems import Problems, shorten

_SAMPLE = 200
_DEPTH = 6
_MOST_PLACES = 200
_MOST_COLUMNS = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINES = re.compile(r"[^\n]+")
_PLACE = re.compile(r"\.\d+(\.|$)")
NOTHING: Asked = {}


class Repeated(dict[str, object]):
    """A JSON object in which keys were written twice."""

    twice: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """A list in a document.

    Attributes:
        path: keys from the top, joined by dots; '' for the document itself.
        objects: its elements are objects, not lists.
    """

    path: str
    rows: Sequence[object]
    objects: bool


def looks_like_json(text: str, name: str) -> bool:
    """Whether the text is JSON: by its first character and, unless the name says so, its first value."""
    start = text.lstrip()[:1]
    if not start or start not in "{[":
        return False
    if re.search(r"\.(jsonl?|ndjson|geojson)$", name, flags=re.IGNORECASE):
        return True
    try:
        first, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict | list) and bool(first)


def read_json(
    text: str, asked: Asked, problems: Problems, *, records: Sequence[str] = (), no_header: bool = False
) -> DataTable:
    """The asked values of a JSON text; what is wrong with its rows is noted in `problems`.

    Raises:
        DataError: no rows are found in the document, or in several places.
    """
    unit, values = _documents(text, problems)
    if values is None:
        return DataTable(columns=(), usable=False)
    head = list(islice(values, _SAMPLE))
    if len(head) == 1 and not records and _is_row(head[0][1], asked):
        unit = "line"
    if unit == "line" and not records and _are_rows(head, asked):
        return _objects(chain(head, values), head, asked, unit, problems)
    whole = [value for _, value in chain(head, values)]
    document = whole[0] if unit == "row" and len(whole) == 1 else whole
    taken = _named(document, records) if records else _found(document, asked, problems)
    numbered = list(enumerate(taken.rows, start=1))
    if taken.objects:
        return _objects(numbered, numbered[:_SAMPLE], asked, "row", problems)
    return _lists(numbered, asked, taken, problems, no_header=no_header)


Numbered = tuple[int, object]


def _documents(text: str, problems: Problems) -> tuple[str, Iterator[Numbered] | None]:
    """('line', a value a line) or ('row', the documents)."""
    try:
        return "row", iter([(1, _parse(text))])
    except (ValueError, RecursionError) as error:
        fault = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        cut = isinstance(error, json.JSONDecodeError) and (
            error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        )
    if any(isinstance(value, dict | list) for _, value in islice(_values(text, Problems()), 5)):
        return "line", _values(text, problems)
    documents = _one_after_another(text)
    if documents is None:
        if cut:
            problems.advise("get the file again: it ends before it is closed, as one that was cut off does")
        problems.add(f"not valid JSON ({fault})")
        return "row", None
    return "row", iter(list(enumerate(documents, start=1)))


def _values(text: str, problems: Problems) -> Iterator[Numbered]:
    number, end = 1, 0
    for match in _LINES.finditer(text):
        number += text.count("\n", end, match.start())
        end = match.start()
        line = match.group()
        if line.strip():
            try:
                yield number, _parse(line)
            except (ValueError, RecursionError):
                problems.add("not valid JSON", f"line {number}")


def _one_after_another(text: str) -> list[object] | None:
    decoder, found, at = _decoder(), list[object](), 0
    blank = re.compile(r"[\s,]*")
    try:
        while at < len(text):
            at = blank.match(text, at).end()  # type: ignore[union-attr]
            if at < len(text):
                value, at = decoder.raw_decode(text, at)
                found.append(value)
    except (ValueError, RecursionError):
        return None
    return found


@cache
def _decoder() -> json.JSONDecoder:
    # Numbers stay as they are written: 1.10 is a label, and 5,000 digits are no fault.
    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_float=Numeral,
        parse_int=Numeral,
        parse_constant=lambda name: None if name == "NaN" else name,
    )


def _parse(text: str) -> object:
    return _decoder().decode(text)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    names = [name for name, _ in pairs]
    repeated = Repeated(made)
    repeated.twice = frozenset(name for name in made if names.count(name) > 1)
    return repeated


def _clean(value: str) -> str:
    return _SURROGATE.sub("\ufffd", value)


# Which rows ---------------------------------------------------------------------------------------------


def _columns(rows: Iterable[Numbered], asked: Asked = NOTHING) -> tuple[str, ...]:
    """Keys of the first rows, those of nested objects by dots; of lists the first or the asked entry."""
    found: dict[str, None] = {}
    by_place = [name for names in asked.values() for name in names if _PLACE.search(name)]
    for _, row in rows:
        if isinstance(row, dict):
            found |= {name: None for name in by_place if _inside(row, name) is not _ABSENT}
            _add_keys(row, "", found)
    return tuple(islice(found, _MOST_COLUMNS))


def _add_keys(row: dict[str, object], before: str, found: dict[str, None], depth: int = 0) -> None:
    for key, value in row.items():
        found.setdefault(before + key)
        inner, name = (
            (value[0], f"{before}{key}.0.")
            if isinstance(value, list) and value
            else (value, f"{before}{key}.")
        )
        if isinstance(inner, dict) and depth < _DEPTH and len(found) < _MOST_COLUMNS:
            _add_keys(inner, name, found, depth + 1)


def _are_rows(head: Sequence[Numbered], asked: Asked) -> bool:
    """Whether these values are the rows themselves: no asked key is missing, or no list has rows."""
    if all(not isinstance(value, dict) for _, value in head):
        return False
    if not match_columns(asked, _columns(head, asked)).missing:
        return True
    return not any(found.path for found in _lists_in([value for _, value in head]))


def _is_row(value: object, asked: Asked) -> bool:
    """Whether a document is one row: it holds no rows, or its asked keys neither lists nor objects."""
    if not isinstance(value, dict):
        return False
    if _by_column(value, asked) is not None:
        return False
    if next(_lists_in(value), None) is None:
        return True
    names = _columns([(1, value)], asked)
    match = match_columns(asked, names)
    taken = [names[position] for position in match.needed]
    return (
        bool(taken)
        and not match.missing
        and not any(isinstance(_inside(value, n), dict | list) for n in taken)
    )


def _lists_in(value: object, path: str = "", depth: int = 0) -> Iterator[Lists]:
    """Lists of objects or of lists, from the outside in."""
    if isinstance(value, list) and value:
        objects = sum(isinstance(element, dict) for element in value) * 2 >= len(value)
        if objects or all(isinstance(element, list) for element in value):
            yield Lists(path=path, rows=value, objects=objects)
        if objects and depth < _DEPTH:
            heads = [element for element in islice(value, 20) if isinstance(element, dict)]
            for key in {key: None for element in heads for key, inner in element.items() if inner}:
                parts = [element.get(key) for element in value if isinstance(element, dict)]
                pages = [element for part in parts if isinstance(part, list) for element in part]
                yield from _lists_in(pages, _join(path, key), depth + 1)
    elif isinstance(value, dict) and depth < _DEPTH:
        if len(value) > 1 and all(isinstance(inner, dict) and inner for inner in value.values()):
            yield Lists(path=path, rows=list(value.values()), objects=True)
        for key, inner in islice(value.items(), _MOST_PLACES):
            yield from _lists_in(inner, _join(path, key), depth + 1)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _found(document: object, asked: Asked, problems: Problems) -> Lists:
    """The one list of rows in a document.

    Raises:
        DataError: there is none, or there are several.
    """
    columnwise = _by_column(document, asked)
    if columnwise is not None:
        return columnwise
    every = list(islice(_lists_in(document), _MOST_PLACES))
    holding = [each for each in every if _holds(each, asked)]
    outer = [
        each for each in holding if not any(other is not each and _within(each, other) for other in holding)
    ]
    if len(outer) == 1 or (not outer and len(every) == 1):
        taken = (outer or every)[0]
        if taken.path:
            message = f"The rows were taken from {taken.path!r} in the document ({len(taken.rows):,} rows)."
            problems.say("records", message, "note")
        return taken
    raise _no_one_place(document, outer or every, asked, holding=bool(outer))


def _within(inner: Lists, outer: Lists) -> bool:
    return inner.path != outer.path and (not outer.path or inner.path.startswith(f"{outer.path}."))


def _holds(each: Lists, asked: Asked) -> bool:
    if each.objects:
        return not match_columns(asked, _columns(enumerate(each.rows[:_SAMPLE]), asked)).missing
    return not find_header(_cells(enumerate(each.rows[:_SAMPLE], start=1)), asked).match.missing


def _by_column(document: object, asked: Asked) -> Lists | None:
    """A document that holds a list, or an object of equal keys, for each column, or names beside rows."""
    if not isinstance(document, dict) or not any(asked.values()):
        return None
    names, table = document.get("columns"), document.get("data", document.get("rows"))
    if isinstance(names, list) and _is_list_of_texts(names) and isinstance(table, list) and table:
        whole = [row for row in table if isinstance(row, list) and len(row) == len(names)]
        if len(whole) == len(table):
            return Lists(path="", rows=[dict(zip(names, row, strict=True)) for row in whole], objects=True)
    if match_columns(asked, tuple(document)).missing:
        return None
    columns = [inner for inner in document.values() if isinstance(inner, list | dict) and inner]
    if len(columns) < len(document) or len({len(inner) for inner in columns}) != 1:
        return None
    lists = [list(inner.values()) if isinstance(inner, dict) else inner for inner in columns]
    rows = [dict(zip(document, values, strict=True)) for values in zip(*lists, strict=True)]
    return Lists(path="", rows=rows, objects=True)


def _no_one_place(document: object, places: Sequence[Lists], asked: Asked, *, holding: bool) -> DataError:
    if not places:
        shape = ", ".join(map(shorten, islice(document, 8))) if isinstance(document, dict) else ""
        return DataError(
            "No list of rows is in this JSON document.",
            got=f"an object with the keys {shape}" if shape else f"a {type(document).__name__}",
            allowed="a list of objects, at the top or under a key",
        )
    shown = ", ".join(f"{each.path or 'the top'} ({len(each.rows):,} rows)" for each in places[:8])
    paths = ",".join(each.path for each in places if each.path)
    if holding:
        return DataError(
            "Rows with the asked keys are in several places of this JSON document.",
            got=shown,
            run=f"the same command with --records {paths}, or some of them",
        )
    first = places[0]
    if first.objects:
        keys = ", ".join(map(shorten, _columns(enumerate(first.rows[:_SAMPLE]))[:12]))
        wanted = ", ".join(name for use, names in asked.items() if needed(use) for name in names)
        return DataError(
            f"No list in this JSON document has objects with the keys {wanted}.",
            got=f"{shown}; keys of {first.path or 'the top'}: {keys}",
            run="the same command with --records and one of these places, and --text and --label by its keys",
        )
    row = first.rows[0] if isinstance(first.rows[0], list) else []
    example = ", ".join(shorten(str(cell)) for cell in row[:4])
    return DataError(
        "The rows of this JSON document are lists without a header, not objects with keys.",
        got=f"{shown}; the first: [{example}]",
        run=f"the same command with {f'--records {paths} ' if paths else ''}--no-header, and the columns by "
        "number, such as --text 1 --label 2",
    )


def _named(document: object, paths: Sequence[str]) -> Lists:
    """The lists that were asked for, one after another.

    Raises:
        DataError: one of them is not there, or they are of different kinds.
    """
    found: list[Lists] = []
    for path in paths:
        value = _walk(document, path)
        if isinstance(value, dict) and value and all(isinstance(inner, dict) for inner in value.values()):
            value = list(value.values())
        if not isinstance(value, list) or not value:
            there = ", ".join(each.path or "''" for each in islice(_lists_in(document), 12))
            raise DataError(
                "There is no list of rows in that place of the JSON document.",
                got=f"--records {path}",
                allowed=there or "no place in this document",
            )
        found.append(Lists(path=path, rows=value, objects=not all(isinstance(row, list) for row in value)))
    if len({each.objects for each in found}) > 1:
        raise DataError("The places named by --records hold objects and lists.", got=", ".join(paths))
    return Lists(
        path=",".join(paths), rows=[row for each in found for row in each.rows], objects=found[0].objects
    )


def _walk(value: object, path: str) -> object:
    """The value at a path; a list on the way is gone through, so that pages come one after another."""
    key, _, rest = path.partition(".")
    if isinstance(value, dict):
        if path in value:
            return value[path]
        inner = value.get(key)
        return _walk(inner, rest) if rest and inner is not None else inner
    if isinstance(value, list):
        parts = [_walk(element, path) for element in value if isinstance(element, dict)]
        return [element for part in parts if isinstance(part, list) for element in part]
    return None


# Their values -------------------------------------------------------------------------------------------


def _objects(
    rows: Iterable[Numbered], head: Sequence[Numbered], asked: Asked, unit: str, problems: Problems
) -> DataTable:
    columns = _columns(head, asked)
    match = match_columns(asked, columns)
    if match.missing:  # a key may first come later than in the head
        rows = list(rows)
        columns = tuple(
            dict.fromkeys((*columns, *(key for _, row in rows if isinstance(row, dict) for key in row)))
        )
        match = match_columns(asked, columns)
    if not check_columns(match, columns, problems):
        return DataTable(columns=columns, unit=unit, usable=False)
    names = [columns[position] for position in match.taken]
    must = {columns[position] for position in match.needed}
    texts = {columns[position] for position in match.positions.get("text", ())}
    as_they_stand = (*match.positions.get(OBJECTS, ()), *match.positions.get(LISTS, ()))
    whole = {columns[position] for position in as_they_stand}
    as_values = [
        at for use, found in match.positions.items() if use == VALUES or not needed(use) for at in found
    ]
    values_of = {columns[position] for position in as_values}
    lacking = dict.fromkeys(names, 0)
    found: list[tuple[int, tuple[str, ...]]] = []
    replaced = 0
    for number, row in rows:
        if not isinstance(row, dict):
            problems.add("not a JSON object", f"{unit} {number}")
            continue
        values = tuple(
            [
                _as_json(row, name, f"{unit} {number}", problems, lacking)
                if name in whole or (name in values_of and isinstance(_at(row, name), dict | list))
                else ", ".join(row[name])
                if name in texts and _is_list_of_texts(row.get(name))
                else _value(row, name, f"{unit} {number}", problems, lacking)
                for name in names
            ]
        )
        halves = sum(len(_SURROGATE.findall(value)) for value in values if not value.isascii())
        if halves:
            replaced += halves
            values = tuple([_clean(value) for value in values])
        found.append((number, values))
    for name, count in lacking.items():
        if count and name in must:
            message = f"{counted(count, 'row has', 'rows have')} no key {name!r}; it counts as empty there."
            problems.say("missing-key", message)
    if replaced:
        message = f"{counted(replaced, 'half surrogate was', 'half surrogates were')} replaced by U+FFFD."
        problems.say("half-surrogates", message)
    return DataTable(columns=columns, positions=match.positions_taken, rows=found, unit=unit)


_ABSENT = object()


def _value(row: dict[str, object], name: str, place: str, problems: Problems, lacking: dict[str, int]) -> str:
    value = _at(row, name)
    if isinstance(row, Repeated) and name in row.twice:
        problems.add("key written twice", f"{place} ({shorten(name)})")
    match value:
        case str():
            return value
        case [str() as only]:  # exports write tags as lists
            return only
        case None | []:
            return ""
        case bool():
            return "true" if value else "false"
        case list() if _is_list_of_texts(value):
            problems.add("several values where a row has one", f"{place} ({shorten(name)})")
            return "?"
        case dict() | list():
            problems.add("value is neither text nor a number", f"{place} ({shorten(name)})")
            return "?"  # not empty as well
        case _:
            lacking[name] += 1
    return ""


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _as_json(
    row: dict[str, object], name: str, place: str, problems: Problems, lacking: dict[str, int]
) -> str:
    """A value as it stands, for columns that hold objects."""
    value = _at(row, name)
    if value is _ABSENT:
        lacking[name] += 1
        return ""
    if isinstance(value, Repeated):
        problems.add("key written twice", f"{place} ({', '.join(map(shorten, sorted(value.twice)))})")
    return "" if value is None else json.dumps(_with_numbers(value), ensure_ascii=False)


def _with_numbers(value: object) -> object:
    """A value in which numbers are numbers again."""
    match value:
        case Numeral():
            return float(value) if set(value) & set(".eE") else int(value[:_MOST_DIGITS])
        case dict():
            return {key: _with_numbers(inner) for key, inner in value.items()}
        case list():
            return [_with_numbers(inner) for inner in value]
        case _:
            return value


_MOST_DIGITS = 400  # of a whole number; no value of a field has more


def _at(row: dict[str, object], name: str) -> object:
    """The value of a key, or of a path by dots where no key is called so."""
    value = row.get(name, _ABSENT)
    return _inside(row, name) if value is _ABSENT and "." in name else value


def _inside(row: object, name: str) -> object:
    for part in name.split("."):
        if isinstance(row, dict) and part in row:
            row = row[part]
        elif isinstance(row, list) and part.isdigit() and int(part) < len(row):
            row = row[int(part)]
        else:
            return None if row is None else _ABSENT
    return row


def _lists(
    rows: Sequence[Numbered],
    asked: Asked,
    taken: Lists,
    problems: Problems,
    *,
    no_header: bool,
) -> DataTable:
    cells = _cells(rows)
    header = find_header(cells[:_SAMPLE], asked, no_header=no_header)
    if header.match.missing and not header.match.found and not no_header:
        raise _no_one_place(None, [taken], asked, holding=False)
    if not check_header(header, cells[:_SAMPLE], "row", problems):
        return DataTable(columns=header.columns, usable=False)
    return take_rows(cells, header, "row", problems)


def _cells(rows: Iterable[Numbered]) -> list[Cells]:
    return [
        (
            number,
            [
                "" if cell is None else _clean(cell) if isinstance(cell, str) else json.dumps(cell)
                for cell in row
            ],
        )
        for number, row in rows
        if isinstance(row, list)
    ]
