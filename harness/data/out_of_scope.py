"""Inputs that belong to no label of an evalset: what a classifier should hand back. Impure: reads files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.core.records import Item
from harness.data.load import load_card
from harness.data.problems import Problems
from harness.data.rows import RowReader, read_rows
from harness.data.settings import TableForm
from harness.data.source import DATA_DIR, read_bytes
from harness.data.table import read_table


def out_of_scope_of(name_or_dir: str | Path, environ: Mapping[str, str]) -> tuple[Item, ...]:
    """The inputs that the card of an evalset names as out of scope; none where it names no file.

    Raises:
        DataError: there is no such evalset, or the file is missing or has faults.
    """
    card, folder = load_card(name_or_dir)
    if card.files is not None and card.files.out_of_scope is not None:
        return read_out_of_scope(folder / card.files.out_of_scope, card.columns.text)
    data_dir = environ.get(DATA_DIR, "").strip()
    if card.folder is not None and card.folder.out_of_scope is not None and data_dir:
        path = Path(data_dir) / card.name / card.folder.out_of_scope
        return read_out_of_scope(path, card.columns.text)
    return ()


def read_out_of_scope(path: Path, text: tuple[str, ...], encoding: str = "utf-8") -> tuple[Item, ...]:
    """A user's own file of inputs out of scope: CSV, JSONL or JSON, no label column needed.

    Args:
        text: columns joined in this order with a blank line between.

    Raises:
        DataError: naming every fault of the file at once.
    """
    problems, name = Problems(), path.name
    raw = read_bytes(path, "The file of inputs out of scope")
    form = TableForm(encoding=encoding)
    reader = RowReader(id="", text=text, label=(), prefix="out-of-scope", optional_id="id")
    rows = read_rows(read_table(raw, name, reader.asked, problems, form), reader, problems)
    if not rows and not problems:
        problems.add("no rows below the header")
    problems.check(f"The file {name}")
    return tuple(row.item for row in rows)
