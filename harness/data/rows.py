"""From table rows to items: which columns hold what, and every fault of the rows at once. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.core.records import Item, Target
from harness.data.columns import LISTS, Asked, DataTable
from harness.data.problems import Problems, shorten
from harness.tasks.classification import levels_of

ReadTarget = Callable[[Sequence[str]], Target | None]

_ID_LIKE = re.compile(r"(?:^|[^a-z])(?:id|no|nr|key|ref|number|nummer|ticket|incident|case)(?:$|[^a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReader:
    """How rows become items.

    Attributes:
        id: '' takes `optional_id`, or numbers the rows from 0 with `prefix`: `test-00017`.
        label: the columns of the target, none for rows that have none; `read` makes a target of their cells.
        text: columns joined in this order with a blank line between, empty ones left out.
        documents: a column that belongs to the target too, last: a document's name or a list of them.
        purpose: what the columns of the target are asked for as: `OBJECTS` where they hold objects, which are
            read as JSON, `VALUES` where they are fields.
        listed: slices of which every entry of a list counts as a value.
        groups: columns whose equal values tie rows together; with one column its value is the
            cluster's name.
        skip_unlabelled: rows without a label are left out rather than an error.
        optional_id: a column that gives the ids if it is there and each row has one of its own.
        optional_label: groups of columns that belong to the target too; a column that is not there has empty
            cells, and the first of a group takes the others with it.
    """

    id: str
    text: tuple[str, ...]
    label: tuple[str, ...]
    documents: str = ""
    groups: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    prefix: str
    skip_unlabelled: bool = False
    read: ReadTarget = levels_of
    purpose: str = "label"
    optional_id: str = ""
    optional_label: tuple[tuple[str, ...], ...] = ()

    @property
    def asked(self) -> Asked:
        """Every column that must be there, by purpose."""
        return {
            "id": (self.id,) * bool(self.id),
            "id?": (self.optional_id,) * bool(self.optional_id and not self.id),
            "text": self.text,
            self.purpose: self.label,
            **{f"{name}?": (name,) for names in self.optional_label for name in names},
            "group": self.groups,
            "slice": self.single,
            **({LISTS: self.lists} if self.lists else {}),
        }

    @property
    def lists(self) -> tuple[str, ...]:
        """The columns whose cells may hold a list."""
        return (*self.listed, *filter(None, (self.documents,)))

    @property
    def single(self) -> tuple[str, ...]:
        """The slices that have one value a row."""
        return tuple(name for name in self.slices if name not in self.listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroups:
    """An item with the group values of its row, one a group column ('' when empty)."""

    item: Item
    groups: tuple[str, ...]


def read_rows(table: DataTable, reader: RowReader, problems: Problems) -> list[RowGroups]:
    """Turn rows into items; ids and labels are stripped of outer blanks, texts are too.

    The table's cells are used up, so that texts do not lie in memory twice.
    """
    if not table.usable:
        return []
    listed = table.positions[LISTS][-1:] if reader.documents else ()
    targets = (*table.positions[reader.purpose], *_more(table, reader), *listed)
    if set(table.positions["text"]) & set(targets):
        problems.add("the label column is among the text columns, which give the answer away")
        return []
    known: dict[str, str] = {}  # equal labels and group values are kept once
    found: list[RowGroups] = []
    unlabelled: list[int] = []
    ids = _ids(table, reader, problems)
    for place, own in enumerate(ids):
        number, values = table.rows[place]
        table.rows[place] = (number, ())
        try:
            target = reader.read(["" if position is None else values[position] for position in targets])
        except ValueError as fault:
            problems.add(str(fault), f"{table.unit} {number}")
            continue
        if reader.label and target is None:
            unlabelled.append(number)
            continue
        target = "" if target is None else target
        groups = tuple([_once(values[position], known) for position in table.positions["group"]])
        slices = zip(reader.single, table.positions["slice"], strict=False)
        lists = zip(reader.listed, table.positions.get(LISTS, ()), strict=False)
        item = Item(
            id=own,
            text=join_text([values[position] for position in table.positions["text"]]),
            target=known.setdefault(target, target) if isinstance(target, str) else target,
            cluster=groups[0] or None if len(groups) == 1 else None,
            slices=tuple(
                [(name, _once(values[position], known)) for name, position in slices]
                + [(name, _once(entry, known)) for name, at in lists for entry in entries(values[at])]
            ),
            row=place + 1,
        )
        found.append(RowGroups(item=item, groups=groups))
    _say_unlabelled(unlabelled, table, reader, problems)
    return found


def _more(table: DataTable, reader: RowReader) -> list[int | None]:
    """Where the optional columns of the target stand; None for those that are not there."""
    found: list[int | None] = []
    for names in reader.optional_label:
        places = [next(iter(table.positions.get(f"{name}?", ())), None) for name in names]
        found += [None] * len(names) if places[0] is None else places
    return found


def entries(cell: str) -> tuple[str, ...]:
    """The values of a list in a cell: of JSON its entries or its text, else the parts between commas."""
    try:
        found = json.loads(cell)
    except ValueError:
        found = cell.split(",")
    parts = found if isinstance(found, list) else [found if isinstance(found, str) else cell]
    return tuple(dict.fromkeys(text for one in parts if (text := str(one).strip())))


def join_text(values: Sequence[str]) -> str:
    """Join the text columns of a row: outer blanks off, empty ones left out, a blank line between."""
    return "\n\n".join([part for part in [value.strip() for value in values] if part])


def _once(value: str, known: dict[str, str]) -> str:
    value = value.strip()
    return known.setdefault(value, value)


def _say_unlabelled(unlabelled: list[int], table: DataTable, reader: RowReader, problems: Problems) -> None:
    if not unlabelled:
        return
    count, total = len(unlabelled), len(table.rows)
    if count == total > 1:
        problems.add(f"label column {reader.label[0]!r} is empty in every row")
        problems.advise(
            "another column with --label; a workbook's formulas have values once it is saved again"
        )
        return
    if not reader.skip_unlabelled:
        for number in unlabelled:
            problems.add(f"label column {reader.label[0]!r} is empty", f"{table.unit} {number}")
        problems.advise(
            f"the same command with --skip-unlabelled, which leaves out {count:,} of {total:,} rows"
        )
        return
    listed = ", ".join(map(str, unlabelled[:5])) + (", ..." if count > 5 else "")
    message = f"{count:,} of {total:,} rows have no label and were left out: {table.unit} {listed}."
    problems.say("unlabelled", message)


def _numbered(table: DataTable, reader: RowReader) -> str:
    """That the rows got ids of their own, how to name one, and which column may hold the user's."""
    used = {*reader.text, *reader.label, *reader.groups, *reader.slices}
    near = [name for name in table.columns if name not in used and _ID_LIKE.search(name.casefold())]
    own = f" Its column {near[0]!r} may hold ids of your own: --id takes it." if near else ""
    first = f"{reader.prefix}-00000"
    return (
        f"No column {reader.optional_id!r}, so rows are numbered and {first} is the first below the header. "
        f"Wherever an item is asked for, its row will do: 1 for {first}.{own}"
    )


def _ids(table: DataTable, reader: RowReader, problems: Problems) -> list[str]:
    """An id for each row: from the id column, from one that nobody named if it will do, or its number."""
    places = table.positions["id"] or table.positions.get("id?", ())
    own = [values[places[0]].strip() for _, values in table.rows] if places else []
    twice = [(value, count) for value, count in Counter(own).items() if count > 1 and value]
    if own and not twice and all(own):
        return own
    if places and reader.id:
        for (number, _), value in zip(table.rows, own, strict=True):
            if not value:
                problems.add(f"id column {reader.id!r} is empty", f"{table.unit} {number}")
        for value, count in twice:
            problems.add("id used more than once", f"{shorten(value)} ({count} times)")
        return own
    if own and any(own):
        message = (
            f"The column {reader.optional_id!r} does not tell rows apart ({len(twice):,} values stand more "
            f"than once, {own.count('')} rows have none); rows are numbered instead."
        )
        problems.say("ids", message, "note")
    elif reader.optional_id:
        problems.say("ids", _numbered(table, reader), "note")
    return [f"{reader.prefix}-{place:05d}" for place in range(len(table.rows))]
