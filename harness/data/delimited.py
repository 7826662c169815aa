"""CSV and its kin: the delimiter by the columns that are asked for, quotes as they are written. Pure.

A first line `sep=;` names the delimiter. Otherwise the one is taken under which a header holds the asked
columns, and said unless it is the comma. Quotes are read as RFC 4180 has them; only where that leaves faults
are quotes escaped by a backslash, or standing after a blank, tried, and taken if they leave none.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from harness.data.columns import (
    HEADER_ROWS,
    Asked,
    Cells,
    DataTable,
    Header,
    check_header,
    find_header,
    needed,
    plain_name,
    take_rows,
)
from harness.data.problems import Problems

DELIMITERS = (",", ";", "\t", "|")
MAX_FIELD_CHARS = 50_000_000
SAMPLE_ROWS = 4 * HEADER_ROWS
_SAMPLE_CHARS = 1 << 18
_SEP = re.compile(r'"?sep=(\\t|[^\r\n])"?[,;\t]*[ ]*(?:\r\n|\r|\n)', flags=re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BACKSLASHED = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
_NO_DELIMITERS = {*DELIMITERS, *"\"'_ -.()\r\n"}
_SHOWN = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a vertical bar"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    """How fields are told apart; `skipped` lines stand above the text."""

    delimiter: str
    quote: str
    blanks_before_quotes: bool = False
    skipped: int = 0


class _Unreadable(Exception):
    """A row that is no CSV: the line it begins in, the line where that showed, and the csv module's words."""

    def __init__(self, first: int, last: int, words: str) -> None:
        super().__init__(words)
        self.first, self.last, self.words = first, last, words


def read_csv(text: str, asked: Asked, problems: Problems, *, no_header: bool, no_quotes: bool) -> DataTable:
    """Read a CSV text; what is wrong is noted in `problems`."""
    # The csv module keeps its field limit in one process-wide place; put back as it was.
    limit = csv.field_size_limit(MAX_FIELD_CHARS)
    try:
        named = _SEP.match(text)
        if named:
            text = text[named.end() :]
        sep = named.group(1).replace("\\t", "\t") if named else ""
        header, sample, dialect = _find_dialect(text, asked, sep, no_header=no_header, no_quotes=no_quotes)
        if header.match.missing and len(header.columns) == 1 and (inner := _unwrapped(text)):
            problems.say(
                "quotes", "Each row as a whole stands in quotation marks, which were taken off.", "note"
            )
            text = inner
            header, sample, dialect = _find_dialect(
                text, asked, sep, no_header=no_header, no_quotes=no_quotes
            )
        if not check_header(header, sample, "line", problems):
            return DataTable(columns=header.columns, unit="line", usable=False)
        if dialect.delimiter != "," and len(header.columns) > 1:
            shown = _SHOWN.get(dialect.delimiter, ascii(dialect.delimiter))
            message = f"Fields are separated by {shown}{', as its first line says' if sep else ''}."
            problems.say("delimiter", message, "note")
        if dialect.quote == "'":
            problems.say("quotes", "Cells stand in single quotation marks, which were taken off.", "note")
        return _read_body(text, header, dialect, problems)
    finally:
        csv.field_size_limit(limit)


def _find_dialect(
    text: str, asked: Asked, sep: str, *, no_header: bool, no_quotes: bool
) -> tuple[Header, list[Cells], _Dialect]:
    delimiters = dict.fromkeys((*sep, *DELIMITERS, *_odd_delimiters(text, asked)))
    usual: tuple[Header, list[Cells], _Dialect] | None = None
    for quote in ("",) if no_quotes else ('"', "'"):
        found = []
        for delimiter in delimiters:
            dialect = _Dialect(delimiter=delimiter, quote=quote, skipped=1 if sep else 0)
            sample = _sample(text, dialect)
            found.append((find_header(sample, asked, no_header=no_header), sample, dialect))
            if delimiter == sep and not found[-1][0].match.missing:
                return found[-1]
        best = max(found, key=lambda each: each[0].score)
        usual = usual or best
        if not best[0].match.missing:
            return best
    assert usual is not None  # there are delimiters
    return usual


def _unwrapped(text: str) -> str:
    """The text without the quotes around each whole row; '' unless all of the first rows are written so."""
    outer = _Dialect(delimiter=",", quote='"')
    sample = _sample(text, outer)
    wrapped = [row for _, row in sample if row]
    if not text.startswith('"') or any(len(row) > 1 for row in wrapped):
        return ""
    try:
        return "\n".join("".join(row) for _, row in _records(text, outer))
    except _Unreadable:
        return ""


def _odd_delimiters(text: str, asked: Asked) -> list[str]:
    """Other characters beside the asked names in a line that holds all of them, such as ^ or ~."""
    names = [plain_name(name) for purpose in asked if needed(purpose) for name in asked[purpose]]
    for line in islice(_lines(text[:_SAMPLE_CHARS]), HEADER_ROWS):
        if names and all(name in line for name in names):
            either = "|".join(map(re.escape, names))
            marks = {mark for pair in re.findall(f"(?:{either})(.)|(.)(?:{either})", line) for mark in pair}
            return sorted(
                mark for mark in marks if mark and mark not in _NO_DELIMITERS and not mark.isalnum()
            )[:4]
    return []


def _sample(text: str, dialect: _Dialect) -> list[Cells]:
    """The first rows, read without strictness; one that the sample's end cuts is left out."""
    rows = []
    try:
        for row in islice(_records(text[:_SAMPLE_CHARS], dialect, strict=False), SAMPLE_ROWS + 1):
            rows.append(row)
    except _Unreadable:
        pass
    return rows[:-1] if len(text) > _SAMPLE_CHARS and 1 < len(rows) <= SAMPLE_ROWS else rows[:SAMPLE_ROWS]


def _lines(text: str) -> Iterator[str]:
    return (match.group() for match in _LINE.finditer(text))


def _records(text: str, dialect: _Dialect, *, strict: bool = True) -> Iterator[Cells]:
    reader = csv.reader(
        _lines(text),
        delimiter=dialect.delimiter,
        strict=strict,
        skipinitialspace=dialect.blanks_before_quotes,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )
    first = dialect.skipped + 1
    try:
        for fields in reader:
            yield first, fields
            first = dialect.skipped + reader.line_num + 1
    except csv.Error as error:
        words = str(error).replace("\t", "\\t")
        raise _Unreadable(first, dialect.skipped + reader.line_num, words) from error


def _read_body(text: str, header: Header, dialect: _Dialect, problems: Problems) -> DataTable:
    said = Problems()
    table = _try(text, header, dialect, said)
    if said and dialect.quote == '"':
        for other, other_dialect, words in _other_quotes(text, dialect):
            other_said = Problems()
            other_table = _try(other, header, other_dialect, other_said)
            if not other_said:
                table, said = other_table, other_said
                said.say("quotes", words, "note")
                break
    problems.take(said)
    return table


def _other_quotes(text: str, dialect: _Dialect) -> Iterator[tuple[str, _Dialect, str]]:
    spaced = replace(dialect, blanks_before_quotes=True)
    escaped = _BACKSLASHED.sub(r'\1""', text) if '\\"' in text else None
    if escaped is not None:
        yield escaped, dialect, 'Quotes within a cell are written \\" in this file and were read so.'
    if f'{dialect.delimiter} "' in text:
        yield text, spaced, "Blanks between a delimiter and a quotation mark were left out."
        if escaped is not None:
            yield (
                escaped,
                spaced,
                'Quotes within a cell are written \\", and blanks stand before quoted cells.',
            )


def _try(text: str, header: Header, dialect: _Dialect, problems: Problems) -> DataTable:
    try:
        return take_rows(_records(text, dialect), header, "line", problems)
    except _Unreadable as error:
        to = f" and goes on to line {error.last}" if error.last > error.first else ""
        problems.add(f"not readable as CSV ({error.words})", f"the row that begins in line {error.first}{to}")
        problems.advise(
            f"the same command once the quotation mark in line {error.first} is doubled or closed; or with "
            "--no-quotes, if this file encloses nothing in quotation marks"
        )
        return DataTable(columns=header.columns, unit="line", usable=False)
