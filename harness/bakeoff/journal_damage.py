"""What can be wrong with a journal: records of it, and the one damage that SQLite keeps to itself."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import StoreError

ENDS = ("-wal", "-shm")
"""What the names of SQLite's files beside the journal end with: its log, and the index of that."""

_LOG_HEADER, _FRAME_HEADER = 32, 24  # bytes, of SQLite's write-ahead log


class JournalDamaged(StoreError):
    """The journal, or a row of it, is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedRow:
    """A row that is not what was written.

    Attributes:
        number: its place in the table, from 1, in the order of its key.
    """

    table: Literal["outcomes", "settled"]
    number: int
    arm: str
    split: str
    item_id: str

    @property
    def words(self) -> str:
        """The row in a few words, whatever is in it."""
        what = f"{self.arm} {self.split} {self.item_id}" if self.table == "outcomes" else self.arm
        return f"{self.table} row {self.number} ({ascii(what.strip())[1:60].rstrip(chr(39))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What is wrong with a journal.

    Attributes:
        rows: rows that can be read and are not what was written.
        file: what SQLite says of the file itself; '' where its structure is whole.
        whole: outcomes that can be read and are what was written.
    """

    rows: tuple[DamagedRow, ...] = ()
    file: str = ""
    whole: int = 0

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.rows or self.file)

    @property
    def words(self) -> str:
        """Count and places, on one line."""
        parts = [f"the file is broken ({self.file})"] if self.file else []
        if self.rows:
            shown = ", ".join(row.words for row in self.rows[:5])
            more = f" and {len(self.rows) - 5} more" if len(self.rows) > 5 else ""
            parts.append(f"{len(self.rows)} damaged row{'s' * (len(self.rows) > 1)}: {shown}{more}")
        return "; ".join([*parts, f"{self.whole} answers can be read"])


def unread_log(path: Path) -> list[str]:
    """What SQLite leaves out of the log beside the journal because it is damaged: it does so in silence.

    Every frame of the log that ends a transaction has to lie within what SQLite took from it (`mxFrame` of
    the log's index); frames of an earlier round carry other salts. https://sqlite.org/walformat.html
    """
    try:
        log, index = (path.with_name(path.name + end).read_bytes() for end in ENDS)
    except OSError:
        return []
    if len(log) < _LOG_HEADER + _FRAME_HEADER or len(index) < 20:
        return []
    page, taken = int.from_bytes(log[8:12], "big"), int.from_bytes(index[16:20], sys.byteorder)
    frames = [
        log[at : at + _FRAME_HEADER] for at in range(_LOG_HEADER, len(log), _FRAME_HEADER + max(page, 512))
    ]
    ends = [
        number
        for number, frame in enumerate(frames, 1)
        if frame[8:16] == log[16:24] and frame[4:8] != b"\0\0\0\0"
    ]
    whole = (len(log) - _LOG_HEADER) // (_FRAME_HEADER + max(page, 512))
    lost = [number for number in ends if taken < number <= whole]
    if lost or (whole and frames[0][8:16] != log[16:24]):
        return [f"the newest answers, in {path.name}{ENDS[0]}, cannot be read"]
    return []
