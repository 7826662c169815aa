"""Which columns are asked for, and where a header holds them. Pure.

Tables of cells, from CSV, a workbook or lists in JSON: where the header is, and the rows below it. Pure.

A header is the first row that holds every asked column. What stands above it is skipped and said; a row
further down that repeats it is left out and said. A row with too few or too many fields is an error, never
padded; empty fields too many at its end are no fault of the data.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from harness.core.wording import counted
from harness.data.problems import Problems, shorten

Asked = Mapping[str, Sequence[str]]
"""Names of columns by what they are for: {'text': ('subject', 'body'), 'label': ('queue',)}.

A purpose that ends in a question mark may be missing, and nothing is said about its columns.
"""

OBJECTS = "objects"
"""The purpose of columns in which objects and lists are values, handed on as JSON."""

VALUES = "values"
"""The purpose of columns of fields: texts as they are, numbers as `Numeral`, objects and lists as JSON."""

LISTS = "lists"
"""The purpose of slices of which every entry of a list counts, handed on as JSON too."""

SHOWN_COLUMNS = 40
_CASELESS = "\0"  # before a name without its case; no column's name holds a NUL


class Numeral(str):
    """A number as it is written, where a file tells numbers from texts."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Asked names against the columns of a table.

    Attributes:
        positions: for each purpose, where its columns are; complete only without `missing`.
        missing: asked names that no column has.
    """

    positions: Mapping[str, tuple[int, ...]]
    missing: tuple[str, ...]

    @property
    def found(self) -> int:
        """Needed columns found."""
        return len(self.needed)

    @property
    def needed(self) -> tuple[int, ...]:
        """Where the columns are that must be there."""
        places = [at for purpose, found in self.positions.items() if needed(purpose) for at in found]
        return tuple(dict.fromkeys(places))

    @property
    def taken(self) -> list[int]:
        """Where all columns are that will be read, in order."""
        return sorted({at for found in self.positions.values() for at in found})

    @property
    def positions_taken(self) -> dict[str, tuple[int, ...]]:
        """The positions among the columns taken."""
        at = {position: place for place, position in enumerate(self.taken)}
        return {purpose: tuple(at[place] for place in found) for purpose, found in self.positions.items()}


def needed(purpose: str) -> bool:
    """Whether columns for this purpose must be there."""
    return not purpose.endswith("?")


def plain_name(name: str) -> str:
    """A column's name without what cannot be typed: line breaks, runs of blanks, blanks at commas, marks."""
    name = unicodedata.normalize("NFC", name.replace("\ufeff", "").replace("\u200b", ""))
    return re.sub(r" ?, ?", ",", " ".join(name.split()))


def match_columns(asked: Asked, columns: Sequence[str]) -> Match:
    """Find the asked columns: by their exact name, then by `plain_name`, then whatever their case.

    Neighbours that are no columns by themselves are tried as one name, so that a name may hold commas
    although names are asked for in a comma list.
    """
    places: dict[str, int] = {}
    for position, column in enumerate(columns):
        places.setdefault(column, position)
    for position, column in enumerate(columns):
        places.setdefault(plain_name(column), position)
    folded = Counter(plain_name(column).casefold() for column in columns)
    for position, column in enumerate(columns):
        if folded[plain_name(column).casefold()] == 1:
            places.setdefault(_CASELESS + plain_name(column).casefold(), position)
    found: dict[str, tuple[int, ...]] = {}
    missing: list[str] = []
    for purpose, names in asked.items():
        found[purpose], lacking = _match(names, places)
        missing += [name for name in lacking if needed(purpose) and name not in missing]
    return Match(positions=found, missing=tuple(missing))


def _match(names: Sequence[str], places: Mapping[str, int]) -> tuple[tuple[int, ...], list[str]]:
    found: list[int] = []
    missing: list[str] = []
    start = 0
    while start < len(names):
        single = names[start]
        if single in places:
            found.append(places[single])
            start += 1
            continue
        for end in (start + 1, *range(len(names), start + 1, -1)):
            joined = plain_name(",".join(names[start:end]))
            position = places.get(joined, places.get(_CASELESS + joined.casefold()))
            if position is not None:
                found.append(position)
                start = end
                break
        else:
            missing.append(single)
            start += 1
    return tuple(found), missing


def column_name(name: str, characters: int = 40) -> str:
    """A column's name in a list to choose from: letters as they are, what cannot be printed escaped."""
    shown = repr(name)
    return shown if len(shown) <= characters else f"{shown[: characters - 4]}...'"


def check_columns(match: Match, columns: Sequence[str], problems: Problems) -> bool:
    """Note asked columns that are missing or stand in the header twice; True if all is well."""
    for name in match.missing:
        near = nearest(name, columns)
        problems.add(f"no column {name!r}{f'; did you mean {near!r}?' if near else ''}")
    if match.missing and any(columns):
        more = f" and {len(columns) - SHOWN_COLUMNS} more" if len(columns) > SHOWN_COLUMNS else ""
        listed = ", ".join(column_name(name) for name in columns[:SHOWN_COLUMNS])
        problems.allow(f"a column of the file: {listed}{more}")
    counts = Counter(plain_name(name) for name in columns)
    twice = [columns[position] for position in match.needed if counts[plain_name(columns[position])] > 1]
    for name in twice:
        problems.add("column named twice in the header", repr(name))
        problems.advise("the same command once one of them has another name")
    return not match.missing and not twice


def nearest(name: str, columns: Sequence[str]) -> str:
    """The column most like a name, a nested one by its ending; '' where none is."""
    ending = [column for column in columns if column.endswith(f".{name}")]
    folded = {column.casefold(): column for column in reversed(columns)}
    near = ending or [folded[n] for n in difflib.get_close_matches(name.casefold(), folded, n=1)]
    return near[0] if near else ""


Cells = tuple[int, list[str]]
"""The number of a line or row, and its fields."""

HEADER_ROWS = 50
_RULED = re.compile(r"\s*(:?-{3,}:?)?\s*")  # a cell of the line below the header in Markdown
_LONG_NAME = 80
_SEVERAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of a table.

    Attributes:
        index: of the header among the rows of the table; -1 where it has none.
        number: of its line or row.
        steady: share of the rows that have as many fields.
        resembling: asked names that stand somewhere in it.
    """

    index: int
    number: int
    columns: tuple[str, ...]
    match: Match
    steady: float
    resembling: int

    @property
    def score(self) -> tuple[int, int, int, float, int]:
        """How well it fits; of two readings of one file the higher is right."""
        found, width = self.match.found, len(self.columns)
        several = _SEVERAL if found else min(width, _SEVERAL)
        return (found, self.resembling, several, self.steady, width)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTable:
    """The columns of a table and the asked cells of its rows, every value a string.

    Attributes:
        columns: all that were found; empty where the file could not be read.
        positions: for each purpose that was asked, where its values stand in a row.
        rows: the number of a line or row of the file, and the asked values.
        unit: what that number counts: 'line' or 'row'.
        usable: False where the asked columns could not be found; `Problems` has what is wrong.
    """

    columns: tuple[str, ...]
    positions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    rows: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    unit: str = "row"
    usable: bool = True


def find_header(sample: Sequence[Cells], asked: Asked, *, no_header: bool = False) -> Header:
    """The header among the first rows of a table: the first that holds most of the asked columns.

    Where none holds any, the first row that is as wide as most are.
    """
    widths = Counter(_width(cells) for _, cells in sample if any(map(str.strip, cells)))
    usual = widths.most_common(1)[0][0] if widths else 0
    if no_header:
        columns = tuple(str(number + 1) for number in range(usual))
        return _header(-1, 0, columns, asked, widths)
    best: Header | None = None
    for index, (number, cells) in enumerate(sample[:HEADER_ROWS]):
        columns = tuple(cell.replace("\ufeff", "").strip() for cell in cells)
        if not any(columns):
            continue
        found = _header(index, number, columns, asked, widths)
        if not found.match.missing and asked:
            return found
        better = best is None or found.score[:2] > best.score[:2]
        if better or (best and not any(best.score[:2]) and len(best.columns) < usual == len(columns)):
            best = found
    return best or _header(-1, 0, (), asked, widths)


def _header(index: int, number: int, columns: tuple[str, ...], asked: Asked, widths: Counter[int]) -> Header:
    total = widths.total()
    width = _width(columns)
    text = " ".join(columns).casefold()
    return Header(
        index=index,
        number=number,
        columns=columns,
        match=match_columns(asked, columns),
        steady=widths[width] / total if total else 0.0,
        resembling=sum(name.casefold() in text for use in asked if needed(use) for name in asked[use]),
    )


def _width(cells: Sequence[str]) -> int:
    """Fields up to the last that holds something."""
    return next((n for n in range(len(cells), 0, -1) if cells[n - 1].strip()), 0)


def take_rows(cells: Iterable[Cells], header: Header, unit: str, problems: Problems) -> DataTable:
    """The rows below a header, the asked columns of them.

    Args:
        cells: the whole table, from its first row.
        unit: what a number counts: 'line' or 'row'.
    """
    taken = header.match.taken
    width, least = len(header.columns), _width(header.columns)
    names = {plain_name(header.columns[position]) for position in taken}
    anchor = header.columns[taken[-1]] if len(names) >= _SEVERAL and header.index >= 0 else None
    rows: list[tuple[int, tuple[str, ...]]] = []
    trailing: list[int] = []
    repeated: list[int] = []
    for number, fields in islice(iter(cells), header.index + 1, None):
        if not any(map(str.strip, fields)):
            continue
        if number == header.number + 1 and all(_RULED.fullmatch(field) for field in fields):
            continue
        if len(fields) != width:
            if len(fields) > width and _width(fields) <= width:
                trailing.append(number)
            elif not least <= len(fields) < width:
                problems.add(
                    f"number of fields differs from the header's {width}",
                    f"{unit} {number} has {len(fields)}",
                )
                problems.advise(
                    "the same command once those lines are fixed: cells with a delimiter, a line break or a "
                    "quotation mark in them stand in quotation marks, and a line that is no row goes"
                )
                continue
            fields = (fields + [""] * width)[:width]
        if anchor is not None and anchor in fields:
            plain = [plain_name(field) for field in fields]
            if names.issubset(plain):
                if all(plain[position] == plain_name(header.columns[position]) for position in taken):
                    repeated.append(number)
                else:
                    problems.add("another header, with the columns in another order", f"{unit} {number}")
                continue
        rows.append((number, tuple([fields[position] for position in taken])))
    if trailing:
        message = f"Empty fields too many at the end of {_places(trailing, unit)} were dropped."
        problems.say("trailing-delimiter", message, "note")
    if repeated:
        message = f"The header stands again in {_places(repeated, unit)} and was left out there."
        problems.say("repeated-header", message)
    return DataTable(columns=header.columns, positions=header.match.positions_taken, rows=rows, unit=unit)


def _places(numbers: Sequence[int], unit: str) -> str:
    listed = ", ".join(str(number) for number in numbers[:5]) + (", ..." if len(numbers) > 5 else "")
    return f"{counted(len(numbers), 'row', 'rows')} ({unit} {listed})"


def check_header(header: Header, sample: Sequence[Cells], unit: str, problems: Problems) -> bool:
    """Note what is wrong with a header, or say what was skipped above it; True if the table can be read."""
    well = check_columns(header.match, header.columns, problems)
    if well:
        above = [cells for _, cells in sample[: max(0, header.index)] if any(map(str.strip, cells))]
        if above:
            shown = "; ".join(shorten(" ".join(filter(None, map(str.strip, cells)))) for cells in above[:3])
            some = counted(len(above), "row", "rows")
            message = f"{some} above the header in {unit} {header.number} skipped: {shown}."
            problems.say("above-the-header", message)
        return True
    known = header.match.found or header.resembling
    if (
        header.match.missing
        and not known
        and not any(nearest(n, header.columns) for n in header.match.missing)
    ):
        looked = min(len(sample), HEADER_ROWS)
        shown = f"; those of {unit} {header.number} are shown" if header.columns else ""
        problems.add(f"no header with those columns in the first {looked} rows{shown}")
        if _is_data(header, sample):
            problems.add(f"{unit} {header.number} looks like a row, not like a header")
            problems.advise(
                "the same command with --no-header, and the columns by number, such as --text 1 --label 2"
            )
    return False


def _is_data(header: Header, sample: Sequence[Cells]) -> bool:
    """Whether what was taken for a header is a row like the others."""
    if header.index < 0:
        return False
    below = [cells for _, cells in sample[header.index + 1 :]]
    for position, name in enumerate(header.columns):
        again = any(len(cells) > position and cells[position].strip() == name for cells in below)
        if name and (again or len(name) > _LONG_NAME or name.replace(".", "").isdigit()):
            return True
    return False
