"""Which columns are asked for, and where a header holds them. Pure."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.data.problems import Problems, shorten

Asked = Mapping[str, Sequence[str]]
"""Names of columns by what they are for: {'text': ('subject', 'body'), 'label': ('queue',)}.

A purpose that ends in a question mark may be missing, and nothing is said about its columns.
"""

SHOWN_COLUMNS = 40
_CASELESS = "\0"  # before a name without its case; no column's name holds a NUL


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


def check_columns(match: Match, columns: Sequence[str], problems: Problems) -> bool:
    """Note asked columns that are missing or stand in the header twice; True if all is well."""
    for name in match.missing:
        near = nearest(name, columns)
        problems.add(f"no column {name!r}{f'; did you mean {near!r}?' if near else ''}")
    if match.missing and any(columns):
        more = f" and {len(columns) - SHOWN_COLUMNS} more" if len(columns) > SHOWN_COLUMNS else ""
        listed = ", ".join(shorten(name) for name in columns[:SHOWN_COLUMNS])
        problems.add("columns found", f"{listed}{more}")
    counts = Counter(plain_name(name) for name in columns)
    twice = [columns[position] for position in match.needed if counts[plain_name(columns[position])] > 1]
    for name in twice:
        problems.add("column named twice in the header", repr(name))
    return not match.missing and not twice


def nearest(name: str, columns: Sequence[str]) -> str:
    """The column most like a name, a nested one by its ending; '' where none is."""
    ending = [column for column in columns if column.endswith(f".{name}")]
    folded = {column.casefold(): column for column in reversed(columns)}
    near = ending or [folded[n] for n in difflib.get_close_matches(name.casefold(), folded, n=1)]
    return near[0] if near else ""
