"""Every call to a served model as it was made: what it could cost at most, and what it did report.

Kept in the journal of a run beside its answers, through a connection of its own, since calls end on another
thread than the one that stores answers. A call is written down before it is sent: whatever a stopped or
killed run has spent is known when it goes on, calls in flight at their worst case. Calls that leave no
answer behind (trials, warm-up, attempts that failed) are here as well. Tokens are kept rather than dollars,
so that a price stated later counts for all.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from advisor.money.usage import Usage
from harness.bakeoff.journal_sync import turn_at
from harness.core.errors import StoreError
from harness.core.serial import decode, encode

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY, model TEXT NOT NULL, most_in INTEGER, most_out INTEGER, usage TEXT
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that was sent.

    Attributes:
        most_in, most_out: its tokens at most; None for a call of a run that did not record them.
        usage: what was reported; None when nothing was, or the run ended before.
    """

    model: str
    most_in: int | None
    most_out: int | None
    usage: Usage | None


class CallLog:
    """The calls of one run. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open the table in a journal, or make it; a journal without one is read for what its answers cost.

        Raises:
            StoreError: the file cannot be used.
        """
        self._path = path
        self._turn = turn_at(path)
        self._reported: deque[tuple[str, int]] = deque()
        try:
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(
                "PRAGMA synchronous=NORMAL"
            )  # outlives a kill; a power cut may cost the last calls
            if not self._has("calls"):
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    self._db.execute(_SCHEMA)
                    self._take_over()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def sent(self, model: str, most_in: int, most_out: int) -> int:
        """A call is about to be sent; returns its number."""
        with self._writing() as db:
            sql = "INSERT INTO calls (model, most_in, most_out) VALUES (?,?,?)"
            return int(db.execute(sql, (model, most_in, most_out)).lastrowid or 0)

    def answered(self, number: int, usage: Usage) -> None:
        """A call reported what it used: written with the next one; until then it counts at its worst case."""
        self._reported.append((encode(usage), number))

    def not_billed(self, number: int) -> None:
        """A call was certainly not billed."""
        with self._writing() as db:
            db.execute("DELETE FROM calls WHERE number=?", (number,))

    def calls(self) -> Iterator[Call]:
        """All calls, in the order in which they were sent."""
        with self._writing() as db:
            rows = db.execute("SELECT model, most_in, most_out, usage FROM calls").fetchall()
        for model, most_in, most_out, usage in rows:
            used = None if usage is None else decode(Usage, usage)
            yield Call(model=model, most_in=most_in, most_out=most_out, usage=used)

    def close(self) -> None:
        """Write what was reported last and close the connection."""
        try:
            if self._reported:
                with self._writing():
                    pass
        finally:
            self._db.close()

    def _take_over(self) -> None:
        """Count the answers of a run that was begun before calls were recorded."""
        if self._has("outcomes"):
            self._db.execute(
                "INSERT INTO calls (model, usage) "
                "SELECT substr(arm, instr(arm, '@') + 1), json_extract(payload, '$.usage') AS used "
                "FROM outcomes WHERE used NOT NULL"
            )

    def _has(self, table: str) -> bool:
        sql = "SELECT 1 FROM sqlite_master WHERE type='table' AND name=?"
        return self._db.execute(sql, (table,)).fetchone() is not None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which begins with what calls reported since the last one."""
        try:
            with self._turn, self._db:
                self._db.execute("BEGIN IMMEDIATE")
                reported = [self._reported.popleft() for _ in range(len(self._reported))]
                self._db.executemany("UPDATE calls SET usage=? WHERE number=?", reported)
                yield self._db
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"The journal {self._path} cannot be used: {error}.",
            allowed="a writable folder with free space, and the file as it was written",
            run="free space or fix the folder's rights, then: harness resume",
        )
