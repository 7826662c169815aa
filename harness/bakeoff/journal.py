"""The journal of a run: every outcome, once, in SQLite, as soon as it exists.

Keys are digests of what decides an outcome (arm configuration, item, pass), so that a resumed run
finds what is done whatever the order. A failure stays eligible: it is kept until a retry replaces it.
Invariant: after a kill at any moment the journal holds whole rows only, and no key twice.

Every row carries a digest of itself, so that a row that was damaged or rewritten afterwards is told from the
others. A damaged row is never read as an answer: `damage` names it, `salvage` makes a journal of the rest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from advisor.options import current_name
from harness.bakeoff.journal_damage import ENDS, Damage, DamagedRow, JournalDamaged, unread_log
from harness.bakeoff.journal_sync import LogSync, goes_on, turn_at, unusable
from harness.core.errors import StoreError
from harness.core.machine import MachineUse
from harness.core.records import ArmId, Failure, FittedArm, Item, Outcome
from harness.core.serial import decode, decode_outcome, encode

Pass = Literal["dev", "test", "latency", "throughput", "out_of_scope", "rest", "out_of_fold", "injected"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outcomes (
    key TEXT PRIMARY KEY, arm TEXT NOT NULL, seed INTEGER NOT NULL, pass TEXT NOT NULL,
    item_id TEXT NOT NULL, failed INTEGER NOT NULL, payload TEXT NOT NULL, digest TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outcomes_by_arm ON outcomes (arm, seed, pass);
CREATE TABLE IF NOT EXISTS settled (
    arm TEXT NOT NULL, seed INTEGER NOT NULL, config TEXT NOT NULL, payload TEXT NOT NULL,
    digest TEXT NOT NULL DEFAULT '', PRIMARY KEY (arm, seed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS configs (config TEXT PRIMARY KEY, payload TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS memory (
    arm TEXT NOT NULL, seed INTEGER NOT NULL, peak_mib REAL NOT NULL, PRIMARY KEY (arm, seed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS machine (
    arm TEXT NOT NULL, seed INTEGER NOT NULL, pass TEXT NOT NULL, config TEXT NOT NULL, payload TEXT NOT NULL
);
"""

_OUTCOMES = ("key", "arm", "seed", "pass", "item_id", "failed", "payload")
_SETTLED = ("arm", "seed", "config", "payload")
_OTHERS = {
    "configs": ("config", "payload"),
    "memory": ("arm", "seed", "peak_mib"),
    "machine": ("arm", "seed", "pass", "config", "payload"),
}
_INSERT_OUTCOME = f"INSERT INTO outcomes ({', '.join(_OUTCOMES)}, digest) VALUES (?,?,?,?,?,?,?,?)"
_FULL = {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PERM",
         "SQLITE_READONLY", "SQLITE_AUTH", "SQLITE_NOMEM"}  # fmt: skip
_PREFIXES = 4096  # parts of the key space that a damaged file is read by


_FAULTS = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises; the second where its own message quotes damaged bytes."""


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
        parts = [self.arm.key, str(self.seed), self.split, self.config, item_id, text]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Journal:
    """The open journal; use it as a context manager."""

    def __init__(
        self, path: Path, *, read_only: bool = False, restore: Callable[[str], str] | None = None
    ) -> None:
        """Open or create the journal.

        Args:
            restore: puts values in the place of placeholders in an answer that is read; what is stored is
                the answer as it came.

        Raises:
            StoreError: if the file cannot be opened, written, or is no journal.
        """
        self._path = path
        self._restore = restore
        self._sync = LogSync(path)
        self._turn = turn_at(path)
        self._uses: list[tuple[Lane, Callable[[], MachineUse]]] = []
        try:
            if read_only:
                self._db = _read_only(path)
            else:
                self._db = sqlite3.connect(path, timeout=5)
                self._db.text_factory = _text
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")  # forced to the disk in groups, see `LogSync`
                self._db.executescript(_SCHEMA)
                self._add_digests()
            self._db.text_factory = _text
            self._digested = self._has_digests("outcomes")
        except _FAULTS as error:
            raise _store_error(path, error) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is still to be noted, force what was written to the disk and close the file."""
        try:
            self.write_notes()
        finally:
            self._sync.close()
            self._db.close()

    def put(self, lane: Lane, outcomes: Iterable[tuple[Item, Outcome]]) -> None:
        """Store outcomes in one transaction; a failure never replaces an answer.

        Raises:
            StoreError: if the disk is full or the folder is read-only; nothing stored is lost.
        """
        rows = [_outcome_row(lane, item, outcome) for item, outcome in outcomes]
        sql = (
            f"{_INSERT_OUTCOME} ON CONFLICT (key) DO UPDATE SET "
            "failed=excluded.failed, payload=excluded.payload, digest=excluded.digest WHERE outcomes.failed"
        )
        with self._turn, self._writing():
            self._db.executemany(sql, rows)
        self._sync.written()

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
        """The stored outcomes of these items by id, in their order; items without one are absent."""
        rows = tuple(items)
        found = dict(self.each(lane, rows))
        return {item.id: found[place] for place, item in enumerate(rows) if place in found}

    def each(self, lane: Lane, items: Sequence[Item]) -> Iterator[tuple[int, Outcome]]:
        """The stored outcomes of these items one at a time: an item's place and its outcome, in no order.

        Raises:
            StoreError: if a row of the lane is damaged, or the file.
        """
        places = {item.id: place for place, item in enumerate(items)}
        for row in self._outcome_rows("arm=? AND seed=? AND pass=?", _lane_key(lane)):
            place = places.get(row[4])
            if place is None or row[0] != lane.key(items[place]):
                self._check(row)  # of another configuration, or of no item any more
            else:
                yield place, self._outcome(row)

    def others(self, lane: Lane, items: Sequence[Item]) -> dict[str, Outcome]:
        """Answers to these items by the same arm, seed and pass under other keys, where there is none now."""
        mine = {lane.key(item): item.id for item in items}
        rows = list(self._outcome_rows("arm=? AND seed=? AND pass=? AND NOT failed", _lane_key(lane)))
        done = {mine[row[0]] for row in rows if row[0] in mine}
        wanted = set(mine.values()) - done
        return {row[4]: self._outcome(row) for row in rows if row[0] not in mine and row[4] in wanted}

    def outcomes_of(self, lane: Lane, items: Iterable[Item]) -> dict[str, Outcome]:
        """`outcomes` for a few items of a large lane: looked up one by one."""
        found = {}
        for item in items:
            for row in self._outcome_rows("key=?", (lane.key(item),)):
                found[item.id] = self._outcome(row)
        return found

    def answers(self, lane: Lane) -> Iterator[tuple[str, bool, str | None]]:
        """(key, failed, raw answer) of a whole lane, one at a time and without the rest of the payload."""
        sql = (
            "SELECT key, failed, json_extract(payload, '$.text') FROM outcomes "
            "WHERE arm=? AND seed=? AND pass=?"
        )
        try:
            for key, failed, text in self._db.execute(sql, _lane_key(lane)):
                yield (
                    key,
                    bool(failed),
                    text if text is None or self._restore is None else self._restore(text),
                )
        except _FAULTS as error:
            raise _store_error(self._path, error) from error

    def settle(self, settled: FittedArm) -> None:
        """Store what an arm settled on; replaces an earlier record of the same arm and seed."""
        row = _digested((settled.arm.key, settled.seed, settled.config, encode(settled)))
        sql = "INSERT OR REPLACE INTO settled (arm, seed, config, payload, digest) VALUES (?,?,?,?,?)"
        with self._writing():
            self._db.execute(sql, row)
        self._sync.written()

    def settled(self) -> tuple[FittedArm, ...]:
        """Every arm that settled, in the order of its name and seed."""
        return tuple(self._settled_record(row) for row in self._settled_rows("1 ORDER BY arm, seed"))

    def settled_as(self, arm: ArmId, seed: int, config: str) -> FittedArm | None:
        """What the arm settled on under exactly this configuration, None if nothing yet."""
        rows = self._settled_rows("arm=? AND seed=? AND config=?", (arm.key, seed, config))
        return self._settled_record(rows[0]) if rows else None

    def note_config(self, config: str, payload: str) -> None:
        """Keep the configuration behind a digest, as JSON, so that a later change can be named."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO configs VALUES (?,?)", (config, payload))

    def config_of(self, arm: ArmId, seed: int) -> str | None:
        """The configuration, as JSON, that an arm settled under; None where it was not kept."""
        if not self._has("configs"):
            return None
        sql = "SELECT payload FROM configs WHERE config = (SELECT config FROM settled WHERE arm=? AND seed=?)"
        rows = self._rows(sql, (arm.key, seed))
        return rows[0][0] if rows else None

    def note_memory(self, arm: ArmId, seed: int, peak_mib: float) -> None:
        """Keep the most memory the process held while this arm ran; a resumed arm keeps the larger figure."""
        sql = (
            "INSERT INTO memory VALUES (?,?,?) ON CONFLICT (arm, seed) DO UPDATE SET "
            "peak_mib=max(peak_mib, excluded.peak_mib)"
        )
        with self._writing():
            self._db.execute(sql, (arm.key, seed, peak_mib))

    def memory(self) -> dict[tuple[str, int], float]:
        """Peak MiB by arm and training seed; empty for journals that were written without."""
        rows = self._rows("SELECT arm, seed, peak_mib FROM memory") if self._has("memory") else []
        return {(current_name(arm), seed): peak for arm, seed, peak in rows if isinstance(peak, float)}

    def note_machine(self, lane: Lane, use: Callable[[], MachineUse]) -> None:
        """Keep how busy the machine was during a pass, or during a part of it where it was interrupted.

        It is asked for, which may wait, by `write_notes`, where notes are read, and on closing the journal.
        """
        self._uses.append((lane, use))

    def write_notes(self) -> None:
        """Write how busy the machine was during passes that are over."""
        rows, self._uses = [_machine_row(lane, use()) for lane, use in self._uses], []
        if not rows:
            return
        with self._writing():
            self._db.executemany("INSERT INTO machine VALUES (?,?,?,?,?)", rows)

    def machine(self, lane: Lane) -> tuple[MachineUse, ...]:
        """How busy the machine was during a pass; empty where nobody watched."""
        if not self._has("machine"):
            return ()
        self.write_notes()
        sql = "SELECT payload FROM machine WHERE arm=? AND seed=? AND pass=? AND config=? ORDER BY rowid"
        rows = self._rows(sql, (*_lane_key(lane), lane.config))
        found = []
        for (payload,) in rows:
            with contextlib.suppress(StoreError):  # a side note that was damaged costs no answer
                found.append(decode(MachineUse, payload))
        return tuple(found)

    def replace(self, lane: Lane, outcomes: Sequence[tuple[Item, Outcome]], use: MachineUse | None) -> None:
        """Put a new timing in the place of an older one, whole or not at all.

        The older outcomes stay in the file under the pass 'replaced': what they cost was paid.

        Args:
            use: how busy the machine was during it.

        Raises:
            StoreError: if the disk is full or the folder is read-only; the older one stays then.
        """
        self.write_notes()
        key = _lane_key(lane)
        earlier = self._rows("SELECT COUNT(*) FROM outcomes WHERE pass='replaced'")[0][0]
        aside = [
            _digested((f"{row[0]}/{earlier}", *row[1:3], "replaced", *row[4:7]))
            for row in self._outcome_rows("arm=? AND seed=? AND pass=?", key)
        ]
        with self._writing():
            self._db.execute("DELETE FROM outcomes WHERE arm=? AND seed=? AND pass=?", key)
            self._db.executemany(_INSERT_OUTCOME, aside)
            self._db.execute("DELETE FROM machine WHERE arm=? AND seed=? AND pass=?", key)
            self._db.executemany(
                _INSERT_OUTCOME,
                [_outcome_row(lane, item, outcome) for item, outcome in outcomes],
            )
            if use is not None:
                self._db.execute("INSERT INTO machine VALUES (?,?,?,?,?)", _machine_row(lane, use))
        self._sync.written()

    def counts(self) -> Iterator[tuple[str, str, int, int]]:
        """(arm, pass, outcomes, failures) for every lane, in a stable order."""
        sql = "SELECT arm, pass, COUNT(*), SUM(failed) FROM outcomes GROUP BY arm, pass ORDER BY arm, pass"
        yield from ((current_name(arm), *rest) for arm, *rest in self._rows(sql))

    def damage(self) -> Damage:
        """Every row that is not what was written, and what is wrong with the file; whole rows are counted.

        Rows of journals that were written without digests are tried to be read instead.
        """
        try:
            broken = [str(row[0]) for row in self._db.execute("PRAGMA quick_check(1)") if row[0] != "ok"]
            broken += unread_log(self._path)
            rows, whole = self._damaged_rows()
        except _FAULTS as error:
            said = "; ".join([_one_line(error), *unread_log(self._path)])
            with contextlib.suppress(*_FAULTS):
                return Damage(file=said, whole=sum(1 for _ in self._whole_outcomes()))
            return Damage(file=said)
        return Damage(rows=tuple(rows), file=broken[0].splitlines()[-1][:200] if broken else "", whole=whole)

    def content_digest(self) -> str:
        """Sha256 (hex) over all that the journal holds, however SQLite lays it out.

        Rows enter by the digest they carry; whether a row is what that digest says is `damage`.

        Raises:
            StoreError: if the journal was written without digests.
        """
        if not self._digested:
            raise self._damaged("every row")
        total = hashlib.sha256()
        parts = {"outcomes": (*_OUTCOMES[:1], "digest"), "settled": (*_SETTLED[:3], "digest"), **_OTHERS}
        for table, columns in parts.items():
            if self._has(table):
                names = ", ".join(columns)
                for row in self._stream(f"SELECT {names} FROM {table} ORDER BY {names}"):
                    total.update(_row_text(table, row))
        return total.hexdigest()

    def copy_whole_rows(self, into: Journal) -> int:
        """Put every row that is what was written into an empty journal; returns how many outcomes."""
        count = 0
        with into._db:
            for row in self._whole_outcomes():
                into._db.execute(_INSERT_OUTCOME.replace("INSERT", "INSERT OR IGNORE", 1), _digested(row[:7]))
                count += 1
            with contextlib.suppress(StoreError):
                for row in self._settled_rows("1"):
                    if self._is_settled(row):
                        into._db.execute(
                            "INSERT OR IGNORE INTO settled VALUES (?,?,?,?,?)", _digested(row[:4])
                        )
            for table in {*_OTHERS, *self._foreign(into)}:
                with contextlib.suppress(StoreError):
                    for row in self._rows(f"SELECT * FROM {table}"):
                        marks = ",".join("?" * len(row))
                        into._db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
        return count

    def _foreign(self, into: Journal) -> list[str]:
        """Tables that others keep in the same file (the record of calls), made in another journal too."""
        known, found = {"outcomes", "settled", *_OTHERS}, []
        with contextlib.suppress(StoreError):
            for name, sql in self._rows("SELECT name, sql FROM sqlite_master WHERE type='table'"):
                if name not in known and name.isidentifier():
                    into._db.execute(sql)
                    found.append(name)
        return found

    def _whole_outcomes(self) -> Iterator[tuple[Any, ...]]:
        """Every outcome that can be read and is what was written, from a file that may be broken anywhere."""
        seen: set[str] = set()
        for number in range(_PREFIXES):
            low = f"{number:03x}"
            with contextlib.suppress(StoreError):
                for row in self._outcome_rows("key >= ? AND key < ?", (low, f"{low}g")):
                    if row[0] not in seen and self._is_whole(row):
                        seen.add(row[0])
                        yield row

    def _damaged_rows(self) -> tuple[list[DamagedRow], int]:
        found, whole = [], 0
        columns = ", ".join((*_OUTCOMES, "digest" if self._digested else "''"))
        for number, row in enumerate(self._db.execute(f"SELECT {columns} FROM outcomes ORDER BY key"), 1):
            if self._is_whole(row):
                whole += 1
            else:
                found.append(
                    DamagedRow(
                        table="outcomes",
                        number=number,
                        arm=current_name(str(row[1])),
                        split=str(row[3]),
                        item_id=str(row[4]),
                    )
                )
        for number, row in enumerate(self._settled_rows("1 ORDER BY arm, seed"), 1):
            if not self._is_settled(row):
                found.append(
                    DamagedRow(
                        table="settled", number=number, arm=current_name(str(row[0])), split="", item_id=""
                    )
                )
        return found, whole

    def _is_whole(self, row: tuple[Any, ...]) -> bool:
        if row[7]:
            return bool(_digested(row[:7])[7] == row[7])
        with contextlib.suppress(StoreError):
            decode_outcome(row[6])
            return True
        return False

    def _is_settled(self, row: tuple[Any, ...]) -> bool:
        if row[4]:
            return bool(_digested(row[:4])[4] == row[4])
        with contextlib.suppress(StoreError):
            decode(FittedArm, row[3])
            return True
        return False

    def _check(self, row: tuple[Any, ...]) -> None:
        if not self._is_whole(row):
            raise self._damaged(f"the answer of {current_name(row[1])} to {row[4]!a}")

    def _outcome(self, row: tuple[Any, ...]) -> Outcome:
        self._check(row)
        outcome = decode_outcome(row[6])
        if self._restore is None or isinstance(outcome, Failure):
            return outcome
        return dataclasses.replace(outcome, text=self._restore(outcome.text))

    def _settled_record(self, row: tuple[Any, ...]) -> FittedArm:
        if not self._is_settled(row):
            raise self._damaged(f"what {row[0]!a} settled on")
        return decode(FittedArm, row[3])

    def _damaged(self, what: str) -> StoreError:
        return JournalDamaged(
            f"The journal {self._path} is damaged: {what} is not what was written.",
            allowed="the file as it was written; bring it back from a copy",
            run=f"{goes_on(self._path)}   # names the damage, and what it would ask again",
        )

    def _outcome_rows(self, where: str, values: tuple[object, ...]) -> Iterator[Any]:
        columns = ", ".join((*_OUTCOMES, "digest" if self._digested else "''"))
        return self._stream(f"SELECT {columns} FROM outcomes WHERE {where}", values)

    def _settled_rows(self, where: str, values: tuple[object, ...] = ()) -> list[Any]:
        columns = ", ".join((*_SETTLED, "digest" if self._digested else "''"))
        return self._rows(f"SELECT {columns} FROM settled WHERE {where}", values)

    def _has(self, table: str) -> bool:
        return bool(self._rows("SELECT 1 FROM sqlite_master WHERE name=?", (table,)))

    def _has_digests(self, table: str) -> bool:
        return any(row[1] == "digest" for row in self._db.execute(f"PRAGMA table_info({table})"))

    def _add_digests(self) -> None:
        """Give the rows of an older journal their digests; nobody can say more of them than what they are."""
        with self._db:
            for table, names in (("outcomes", _OUTCOMES), ("settled", _SETTLED)):
                if not self._has_digests(table):
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
                    rows = self._db.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
                    keys = " AND ".join(f"{name}=?" for name in (names[:1] if "key" in names else names[:2]))
                    self._db.executemany(
                        f"UPDATE {table} SET digest=? WHERE {keys}",
                        [(_digested(row)[-1], *row[: 1 if "key" in names else 2]) for row in rows],
                    )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction; what stands in its way is an error a user can read."""
        try:
            with self._db:
                yield
        except _FAULTS as error:
            raise _store_error(self._path, error) from error

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """All rows of a query."""
        return list(self._stream(sql, values))

    def _stream(self, sql: str, values: tuple[object, ...] = ()) -> Iterator[Any]:
        """The rows of a query one at a time; a damaged file is an error a user can read."""
        try:
            yield from self._db.execute(sql, values)
        except _FAULTS as error:
            raise _store_error(self._path, error) from error


def _read_only(path: Path) -> sqlite3.Connection:
    """Open for reading; in a read-only folder SQLite has to be told that nobody writes there."""
    if not path.exists():
        raise StoreError(
            f"The journal {path} is missing, and every answer with it.",
            allowed="the file as it was written; bring it back from a copy",
            run=f"{goes_on(path)}   # without a copy: asks all again",
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
    return (lane.arm.key, lane.seed, lane.split)


def _outcome_row(lane: Lane, item: Item, outcome: Outcome) -> tuple[object, ...]:
    failed = int(isinstance(outcome, Failure))
    return _digested((lane.key(item), *_lane_key(lane), item.id, failed, encode(outcome)))


def _machine_row(lane: Lane, use: MachineUse) -> tuple[object, ...]:
    return (*_lane_key(lane), lane.config, encode(use))


def _digested(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with its digest."""
    return (*row, hashlib.sha256(_row_text("", row)).hexdigest()[:32])


def _row_text(table: str, row: Sequence[Any]) -> bytes:
    plain = [value.hex() if isinstance(value, bytes) else value for value in row]
    return json.dumps([table, *plain]).encode()


def _text(raw: bytes) -> str:
    """Text as it is stored; bytes that are no text stay, so that their row is damaged and no other."""
    return raw.decode("utf-8", "surrogateescape")


def examine(path: Path) -> Damage:
    """What is wrong with the journal in a file.

    Raises:
        StoreError: if it is missing or cannot be opened at all.
    """
    try:
        with Journal(path, read_only=True) as journal:
            return journal.damage()
    except JournalDamaged as error:
        return Damage(file=error.what.rpartition("damaged: ")[2].rstrip("."))


def salvage(path: Path) -> int:
    """Make a journal of the rows that are what was written, and keep the damaged file beside it.

    Returns:
        how many outcomes there are.

    Raises:
        StoreError: if the folder cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.salvage")
    for old in (fresh, *(fresh.with_name(fresh.name + end) for end in ENDS)):
        old.unlink(missing_ok=True)
    with Journal(fresh) as whole:
        count = 0
        with contextlib.suppress(StoreError), Journal(path, read_only=True) as damaged:
            count = damaged.copy_whole_rows(whole)
        whole._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    number = 1
    while (kept := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    try:
        for end in ("", *ENDS):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(kept.with_name(kept.name + end))
        fresh.rename(path)
        for end in ENDS:
            fresh.with_name(fresh.name + end).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.", allowed="a writable folder with free space"
        ) from error
    return count


def _one_line(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the names of its tables are no text"
    return " ".join(str(error).split())[:200]


def _store_error(path: Path, error: Exception) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if not any(name == known or name.startswith(f"{known}_") for known in _FULL):
        return JournalDamaged(
            f"The journal {path} is damaged: {_one_line(error)}.",
            allowed="the file as it was written; bring it back from a copy",
            run=f"{goes_on(path)}   # says what can be read, and what it would ask again",
        )
    return unusable(path, error)
