"""Tables as users have them: CSV with any usual delimiter, JSONL or a JSON array, from bytes.

Pure. Every fault is collected. Decided here:
- NUL bytes carry no text and no tool agrees on them: a few are dropped and counted, many mean the
  file is not text in this encoding, which is an error. Half surrogates become U+FFFD and are counted.
- Blank lines are skipped. A row with too few or too many fields is an error, never padded.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.data.problems import Problems, shorten
from harness.errors import DataError

DELIMITERS = (",", ";", "\t")
MAX_FIELD_CHARS = 50_000_000
_NUL_SHARE = 0.001
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A header and its rows, every value a string.

    Attributes:
        rows: (place, values by column); the place is 'line 7' of the file.
        nuls, surrogates: characters that were dropped or replaced.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, str]], ...]
    nuls: int = 0
    surrogates: int = 0
    encoding: str = field(default="utf-8")


def read_table(content: bytes, name: str, encoding: str, wanted: Sequence[str], problems: Problems) -> Table:
    """Read a table; the file name's ending decides between JSON lines and CSV.

    Args:
        wanted: columns the caller needs; they decide between delimiters.

    Raises:
        DataError: not text in this encoding, or nothing in it.
    """
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise DataError(f"{name} is empty.", got=f"{len(content)} bytes", allowed="a header and rows")
    text, nuls = _decode(content, name, encoding)
    if name.lower().endswith((".jsonl", ".ndjson", ".json")):
        columns, rows = _json_rows(text, name, problems)
    else:
        columns, rows = _csv_rows(text, wanted, problems)
    replaced = 0
    if _SURROGATE.search(text) or "\\u" in text:
        rows, replaced = _without_surrogates(rows)
    return Table(columns=columns, rows=tuple(rows), nuls=nuls, surrogates=replaced, encoding=encoding)


def _decode(content: bytes, name: str, encoding: str) -> tuple[str, int]:
    if encoding.lower().replace("_", "-") in {"utf-8", "utf8", "utf-8-sig"}:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{name} is UTF-16, not UTF-8.", run="the same command with --encoding utf-16")
        encoding = "utf-8-sig"
    try:
        text = content.decode(encoding)
    except LookupError as error:
        raise DataError(
            "There is no such encoding.", got=encoding, allowed="utf-8, utf-16, cp1252, latin-1 and the like"
        ) from error
    except UnicodeError as error:
        raise _undecodable(content, name, encoding, error) from error
    nuls = text.count("\x00")
    if nuls > max(8, _NUL_SHARE * len(text)):
        raise DataError(
            f"{name} is not a text file in this encoding.",
            got=f"{nuls} NUL characters of {len(text)}, read as {encoding}",
            run="the same command with --encoding utf-16, if it came from a spreadsheet",
        )
    return text.replace("\x00", ""), nuls


def _undecodable(content: bytes, name: str, encoding: str, error: UnicodeError) -> DataError:
    place = str(error)
    if isinstance(error, UnicodeDecodeError):
        line = content.count(b"\n", 0, error.start) + 1
        place = f"byte 0x{content[error.start]:02x} at offset {error.start}, line {line}"
    shown = "utf-8" if encoding == "utf-8-sig" else encoding
    return DataError(
        f"{name} is not valid {shown}.",
        got=place,
        allowed="UTF-8 unless told otherwise",
        run="the same command with --encoding cp1252 (Windows, Western European) or latin-1",
    )


Rows = list[tuple[str, dict[str, str]]]


class _Reader(Protocol):
    """What is used of a `csv.reader`, whose own type has no public name."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...


def _csv_rows(text: str, wanted: Sequence[str], problems: Problems) -> tuple[tuple[str, ...], Rows]:
    # The csv module keeps its field limit in one process-wide place; put back as it was.
    limit = csv.field_size_limit(MAX_FIELD_CHARS)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, wanted), strict=True)
        header = [name.strip() for name in next(reader)]
        while not any(header):
            header = [name.strip() for name in next(reader)]
        _check_header(header, problems)
        return tuple(header), _csv_body(reader, header, problems)
    except csv.Error as error:
        problems.add(f"not readable as CSV ({error})", f"line {reader.line_num}")
        return (), []
    finally:
        csv.field_size_limit(limit)


def _csv_body(reader: _Reader, header: list[str], problems: Problems) -> Rows:
    rows: Rows = []
    line = reader.line_num + 1
    for fields in reader:
        place, line = f"line {line}", reader.line_num + 1
        if not fields or not any(value.strip() for value in fields):
            continue
        if len(fields) != len(header):
            problems.add(
                f"number of fields differs from the header's {len(header)}", f"{place} has {len(fields)}"
            )
            continue
        rows.append((place, dict(zip(header, fields, strict=True))))
    return rows


def _delimiter(text: str, wanted: Sequence[str]) -> str:
    """The delimiter whose header holds the most wanted columns, then the most columns."""

    def fit(delimiter: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter))
        except (csv.Error, StopIteration):
            return (0, 0)
        names = {name.strip() for name in header}
        return (len(names & set(wanted)), len(header))

    return max(DELIMITERS, key=fit)


def _check_header(header: list[str], problems: Problems) -> None:
    for name in sorted({name for name in header if name and header.count(name) > 1}):
        problems.add("column named twice in the header", repr(name))


def _json_rows(text: str, name: str, problems: Problems) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = []
    columns: dict[str, None] = {}
    for place, record in _json_records(text, name, problems):
        if not isinstance(record, _Pairs):
            problems.add("not a JSON object", place)
            continue
        values = _json_values(record.pairs, place, problems)
        columns.update(dict.fromkeys(values))
        rows.append((place, values))
    return tuple(columns), rows


def _json_records(text: str, name: str, problems: Problems) -> list[tuple[str, object]]:
    if name.lower().endswith(".json") and text.lstrip().startswith("["):
        try:
            listed = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            problems.add(f"not valid JSON ({error})")
            return []
        return [(f"row {number}", record) for number, record in enumerate(listed, start=1)]
    records: list[tuple[str, object]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                records.append((f"line {number}", json.loads(line, object_pairs_hook=_Pairs)))
            except (ValueError, RecursionError):
                problems.add("not valid JSON", f"line {number}")
    return records


class _Pairs:
    """A JSON object as it was written, so that a key written twice is seen."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


def _json_values(pairs: list[tuple[str, object]], place: str, problems: Problems) -> dict[str, str]:
    values: dict[str, str] = {}
    for key, value in pairs:
        if key in values:
            problems.add("key written twice", f"{place} ({shorten(key)})")
        match value:
            case None:
                values[key] = ""
            case str():
                values[key] = value
            case bool() | int() | float():
                values[key] = json.dumps(value)
            case _:
                problems.add("value is neither text nor a number", f"{place} ({shorten(key)})")
                values[key] = ""
    return values


def _without_surrogates(rows: Rows) -> tuple[Rows, int]:
    replaced = 0
    clean: Rows = []
    for place, values in rows:
        found = {key: len(_SURROGATE.findall(value)) for key, value in values.items()}
        replaced += sum(found.values())
        clean.append((place, {k: _SURROGATE.sub("\ufffd", v) if found[k] else v for k, v in values.items()}))
    return clean, replaced
