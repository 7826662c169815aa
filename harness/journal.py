"""The journal of a run: every outcome, once, in SQLite, as soon as it exists.

Keys are digests of what decides an outcome (arm configuration, item, pass), so that a resumed run
finds what is done whatever the order. A failure stays eligible: it is kept until a retry replaces it.
Invariant: after a kill at any moment the journal holds whole rows only, and no key twice.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from harness.errors import StoreError
from harness.machine import MachineUse
from harness.records import ArmId, Failure, Item, Outcome, Settled
from harness.serial import decode, decode_outcome, encode

Pass = Literal["dev", "test", "latency", "throughput", "out_of_scope"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outcomes (
    key TEXT PRIMARY KEY, arm TEXT NOT NULL, seed INTEGER NOT NULL, pass TEXT NOT NULL,
    item_id TEXT NOT NULL, failed INTEGER NOT NULL, payload TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outcomes_by_arm ON outcomes (arm, seed, pass);
CREATE TABLE IF NOT EXISTS settled (
    arm TEXT NOT NULL, seed INTEGER NOT NULL, config TEXT NOT NULL, payload TEXT NOT NULL,
    PRIMARY KEY (arm, seed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS memory (
    arm TEXT NOT NULL, seed INTEGER NOT NULL, peak_mib REAL NOT NULL, PRIMARY KEY (arm, seed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS machine (
    arm TEXT NOT NULL, seed INTEGER NOT NULL, pass TEXT NOT NULL, config TEXT NOT NULL, payload TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One arm, training seed and pass: the outcomes that belong together.

    Attributes:
        config: digest of everything about the arm that decides its answers.
    """

    arm: ArmId
    seed: int
    split: Pass
    config: str

    def key(self, item: Item) -> str:
        """The journal key of one item in this lane."""
        return self.key_of(item.id, item.text)

    def key_of(self, item_id: str, text: str) -> str:
        """The same, of an item of which no more than this was read."""
        parts = [str(self.arm), str(self.seed), self.split, self.config, item_id, text]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Journal:
    """The open journal; use it as a context manager."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create the journal.

        Raises:
            StoreError: if the file cannot be opened, written, or is no journal.
        """
        self._path = path
        try:
            if read_only:
                self._db = _read_only(path)
            else:
                self._db = sqlite3.connect(path, timeout=5)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")  # a paid answer must survive a power cut
                self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise _store_error(path, error) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def put(self, lane: Lane, outcomes: Iterable[tuple[Item, Outcome]]) -> None:
        """Store outcomes in one transaction; a failure never replaces an answer.

        Raises:
            StoreError: if the disk is full or the folder is read-only; nothing stored is lost.
        """
        rows = [_outcome_row(lane, item, outcome) for item, outcome in outcomes]
        sql = (
            "INSERT INTO outcomes VALUES (?,?,?,?,?,?,?) ON CONFLICT (key) DO UPDATE SET "
            "failed=excluded.failed, payload=excluded.payload WHERE outcomes.failed"
        )
        try:
            with self._db:
                self._db.executemany(sql, rows)
        except sqlite3.Error as error:
            raise _store_error(self._path, error) from error

    def done(self, lane: Lane, items: Iterable[Item], *, retry_failures: bool) -> set[str]:
        """Ids of the items that need no call any more."""
        rows = self._rows(
            "SELECT key, failed FROM outcomes WHERE arm=? AND seed=? AND pass=?", _lane_key(lane)
        )
        have = {key: bool(failed) for key, failed in rows}
        done = set()
        for item in items:
            failed = have.get(lane.key(item))
            if failed is False or (failed and not retry_failures):
                done.add(item.id)
        return done

    def outcomes(self, lane: Lane, items: Iterable[Item]) -> dict[str, Outcome]:
        """The stored outcomes of these items by id; items without one are absent."""
        sql = "SELECT key, payload FROM outcomes WHERE arm=? AND seed=? AND pass=?"
        rows = dict(self._rows(sql, _lane_key(lane)))
        keyed = ((item.id, rows.get(lane.key(item))) for item in items)
        return {item_id: decode_outcome(payload) for item_id, payload in keyed if payload is not None}

    def outcomes_of(self, lane: Lane, items: Iterable[Item]) -> dict[str, Outcome]:
        """`outcomes` for a few items of a large lane: looked up one by one."""
        found = {}
        for item in items:
            for (payload,) in self._rows("SELECT payload FROM outcomes WHERE key=?", (lane.key(item),)):
                found[item.id] = decode_outcome(payload)
        return found

    def answers(self, lane: Lane) -> Iterator[tuple[str, bool, str | None]]:
        """(key, failed, raw answer) of a whole lane, one at a time and without the rest of the payload."""
        sql = (
            "SELECT key, failed, json_extract(payload, '$.text') FROM outcomes "
            "WHERE arm=? AND seed=? AND pass=?"
        )
        try:
            for key, failed, text in self._db.execute(sql, _lane_key(lane)):
                yield key, bool(failed), text
        except sqlite3.Error as error:
            raise _store_error(self._path, error) from error

    def settle(self, settled: Settled) -> None:
        """Store what an arm settled on; replaces an earlier record of the same arm and seed."""
        row = (str(settled.arm), settled.seed, settled.config, encode(settled))
        try:
            with self._db:
                self._db.execute("INSERT OR REPLACE INTO settled VALUES (?,?,?,?)", row)
        except sqlite3.Error as error:
            raise _store_error(self._path, error) from error

    def settled(self) -> tuple[Settled, ...]:
        """Every arm that settled, in the order of its name and seed."""
        rows = self._rows("SELECT payload FROM settled ORDER BY arm, seed")
        return tuple(decode(Settled, payload) for (payload,) in rows)

    def settled_as(self, arm: ArmId, seed: int, config: str) -> Settled | None:
        """What the arm settled on under exactly this configuration, None if nothing yet."""
        sql = "SELECT payload FROM settled WHERE arm=? AND seed=? AND config=?"
        rows = self._rows(sql, (str(arm), seed, config))
        return decode(Settled, rows[0][0]) if rows else None

    def note_memory(self, arm: ArmId, seed: int, peak_mib: float) -> None:
        """Keep the most memory the process held while this arm ran; a resumed arm keeps the larger figure."""
        sql = (
            "INSERT INTO memory VALUES (?,?,?) ON CONFLICT (arm, seed) DO UPDATE SET "
            "peak_mib=max(peak_mib, excluded.peak_mib)"
        )
        try:
            with self._db:
                self._db.execute(sql, (str(arm), seed, peak_mib))
        except sqlite3.Error as error:
            raise _store_error(self._path, error) from error

    def memory(self) -> dict[tuple[str, int], float]:
        """Peak MiB by arm and training seed; empty for journals that were written without."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name='memory'"):
            return {}
        return {(arm, seed): peak for arm, seed, peak in self._rows("SELECT * FROM memory")}

    def note_machine(self, lane: Lane, use: MachineUse) -> None:
        """Keep how busy the machine was during a pass, or during a part of it where it was interrupted."""
        try:
            with self._db:
                self._db.execute("INSERT INTO machine VALUES (?,?,?,?,?)", _machine_row(lane, use))
        except sqlite3.Error as error:
            raise _store_error(self._path, error) from error

    def machine(self, lane: Lane) -> tuple[MachineUse, ...]:
        """How busy the machine was during a pass; empty where nobody watched."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name='machine'"):
            return ()
        sql = "SELECT payload FROM machine WHERE arm=? AND seed=? AND pass=? AND config=? ORDER BY rowid"
        rows = self._rows(sql, (*_lane_key(lane), lane.config))
        return tuple(decode(MachineUse, payload) for (payload,) in rows)

    def replace(self, lane: Lane, outcomes: Sequence[tuple[Item, Outcome]], use: MachineUse | None) -> None:
        """Put a new timing in the place of an older one, whole or not at all.

        The older outcomes stay in the file under the pass 'replaced': what they cost was paid.

        Args:
            use: how busy the machine was during it.

        Raises:
            StoreError: if the disk is full or the folder is read-only; the older one stays then.
        """
        key = _lane_key(lane)
        earlier = self._rows("SELECT COUNT(*) FROM outcomes WHERE pass='replaced'")[0][0]
        aside = "UPDATE outcomes SET pass='replaced', key=key || '/' || ? WHERE arm=? AND seed=? AND pass=?"
        try:
            with self._db:
                self._db.execute(aside, (earlier, *key))
                self._db.execute("DELETE FROM machine WHERE arm=? AND seed=? AND pass=?", key)
                self._db.executemany(
                    "INSERT INTO outcomes VALUES (?,?,?,?,?,?,?)",
                    [_outcome_row(lane, item, outcome) for item, outcome in outcomes],
                )
                if use is not None:
                    self._db.execute("INSERT INTO machine VALUES (?,?,?,?,?)", _machine_row(lane, use))
        except sqlite3.Error as error:
            raise _store_error(self._path, error) from error

    def counts(self) -> Iterator[tuple[str, str, int, int]]:
        """(arm, pass, outcomes, failures) for every lane, in a stable order."""
        yield from self._rows(
            "SELECT arm, pass, COUNT(*), SUM(failed) FROM outcomes GROUP BY arm, pass ORDER BY arm, pass"
        )

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """All rows of a query; a damaged file is an error a user can read."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise _store_error(self._path, error) from error


def _read_only(path: Path) -> sqlite3.Connection:
    """Open for reading; in a read-only folder SQLite has to be told that nobody writes there."""
    if not path.exists():
        raise StoreError(
            f"The journal {path} is missing, and every answer with it.",
            allowed="the file as it was written; bring it back from a copy",
            run=f"harness resume {path.absolute().parent.name}   # without a copy: asks everything again",
        )
    address = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(address, uri=True, timeout=5)
    try:
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.OperationalError:
        db.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        db = sqlite3.connect(f"{address}&immutable=1", uri=True, timeout=5)
    return db


def _lane_key(lane: Lane) -> tuple[str, int, str]:
    return (str(lane.arm), lane.seed, lane.split)


def _outcome_row(lane: Lane, item: Item, outcome: Outcome) -> tuple[object, ...]:
    failed = isinstance(outcome, Failure)
    return (lane.key(item), *_lane_key(lane), item.id, failed, encode(outcome))


def _machine_row(lane: Lane, use: MachineUse) -> tuple[object, ...]:
    return (*_lane_key(lane), lane.config, encode(use))


def _store_error(path: Path, error: sqlite3.Error) -> StoreError:
    if not isinstance(error, sqlite3.OperationalError):
        return StoreError(
            f"The journal {path} is damaged: {error}.",
            allowed="the file as it was written; bring it back from a copy",
        )
    return StoreError(
        f"The journal {path} cannot be used: {error}.",
        allowed="a writable folder with free space",
        run="free space or fix the folder's rights, then: harness resume",
    )
