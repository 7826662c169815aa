"""From table rows to items: which columns hold what, and every fault of the rows at once. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.problems import Problems, shorten
from harness.data.table import Table
from harness.records import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReader:
    """How rows become items.

    Attributes:
        id: '' numbers the rows from 0 with `prefix`: `test-00017`.
        label: '' for rows that have none.
        text: columns joined in this order with a blank line between, empty ones left out.
        groups: columns whose equal values tie rows together; with one column its value is the
            cluster's name.
    """

    id: str
    text: tuple[str, ...]
    label: str
    groups: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    prefix: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that must be there, each once."""
        named = (self.id, *self.text, self.label, *self.groups, *self.slices)
        return tuple(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroups:
    """An item with the group values of its row, one a group column ('' when empty)."""

    item: Item
    groups: tuple[str, ...]


def read_rows(table: Table, reader: RowReader, problems: Problems) -> list[RowGroups]:
    """Turn rows into items; ids and labels are stripped of outer blanks, texts are too.

    Missing columns end it early: nothing else could be told about such rows.
    """
    if not _columns_there(table, reader, problems):
        return []
    found: list[RowGroups] = []
    for number, (place, values) in enumerate(table.rows):
        missing = [name for name in reader.columns if name not in values]
        for name in missing:
            problems.add(f"column {name!r} missing", place)
        if not missing:
            found.append(_row(values, place, number, reader, problems))
    _check_ids(found, problems)
    return found


def join_text(values: Sequence[str]) -> str:
    """Join the text columns of a row: outer blanks off, empty ones left out, a blank line between."""
    return "\n\n".join(part for part in (value.strip() for value in values) if part)


def _row(values: dict[str, str], place: str, number: int, reader: RowReader, problems: Problems) -> RowGroups:
    label = values[reader.label].strip() if reader.label else ""
    if reader.label and not label:
        problems.add(f"label column {reader.label!r} is empty", place)
    own = values[reader.id].strip() if reader.id else f"{reader.prefix}-{number:05d}"
    if not own:
        problems.add(f"id column {reader.id!r} is empty", place)
    groups = tuple(values[name].strip() for name in reader.groups)
    item = Item(
        id=own,
        text=join_text([values[name] for name in reader.text]),
        label=label,
        cluster=groups[0] or None if len(groups) == 1 else None,
        slices=tuple((name, values[name].strip()) for name in reader.slices),
        row=number + 1,
    )
    return RowGroups(item=item, groups=groups)


def _columns_there(table: Table, reader: RowReader, problems: Problems) -> bool:
    missing = [name for name in reader.columns if name not in table.columns]
    for name in missing:
        near = difflib.get_close_matches(name.casefold(), [c.casefold() for c in table.columns], n=1)
        hint = next((c for c in table.columns if near and c.casefold() == near[0]), None)
        suggestion = f"; did you mean {hint!r}?" if hint else ""
        problems.add(f"no column {name!r}{suggestion}")
    if missing and table.columns:
        problems.add("columns found", ", ".join(shorten(c) for c in table.columns))
    return not missing


def _check_ids(found: list[RowGroups], problems: Problems) -> None:
    counts = Counter(row.item.id for row in found)
    for own, count in counts.items():
        if own and count > 1:
            problems.add("id used more than once", f"{shorten(own)} ({count} times)")
