"""The journal keeps whole rows only, each once, through kills, full disks and second writers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.options import Option
from harness.bakeoff.answer_sets import read_lane
from harness.bakeoff.journal import Journal, Lane, examine, salvage
from harness.core.errors import StoreError
from harness.core.machine import MachineUse
from harness.core.records import (
    ArmId,
    Completion,
    Failure,
    FailureKind,
    Fitted,
    FittedArm,
    Item,
    Label,
    Outcome,
    Timing,
)
from harness.tasks.classification import ClassificationTask
from harness.tasks.records import PromptLimits
from tests.support.people import as_nobody, let_in

ARM = ArmId(option=Option.PROMPT, model="scripted")
LANE = Lane(arm=ARM, seed=17, split="test", config="c1")
ITEMS = tuple(Item(id=f"i{n}", text=f"text {n}", target="a") for n in range(5))


def said(item: Item, text: str = "a") -> Completion:
    return Completion(item_id=item.id, text=text, timing=Timing(model_s=0.5))


def failed(item: Item, kind: FailureKind = FailureKind.TIMEOUT) -> Failure:
    return Failure(item_id=item.id, kind=kind, message="late")


def put(journal: Journal, *outcomes: tuple[Item, Outcome], lane: Lane = LANE) -> None:
    journal.put(lane, outcomes)


def test_what_is_put_comes_back_after_reopening(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])), (ITEMS[1], failed(ITEMS[1])))
    with Journal(tmp_path / "j.sqlite", read_only=True) as journal:
        assert journal.outcomes(LANE, ITEMS) == {"i0": said(ITEMS[0]), "i1": failed(ITEMS[1])}
        assert list(journal.counts()) == [(str(ARM), "test", 2, 1)]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (failed(ITEMS[0]), said(ITEMS[0]), said(ITEMS[0])),
        (said(ITEMS[0]), failed(ITEMS[0]), said(ITEMS[0])),
        (said(ITEMS[0]), said(ITEMS[0], "b"), said(ITEMS[0])),
        (failed(ITEMS[0]), failed(ITEMS[0], FailureKind.SERVER), failed(ITEMS[0], FailureKind.SERVER)),
    ],
    ids=["failure, answer", "answer, failure", "answer, another answer", "failure, another failure"],
)
def test_only_a_failure_is_replaced(tmp_path: Path, first: Outcome, second: Outcome, kept: Outcome) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], first))
        put(journal, (ITEMS[0], second))
        assert journal.outcomes(LANE, ITEMS) == {"i0": kept}
        assert [count for _, _, count, _ in journal.counts()] == [1]


def test_a_failure_is_done_unless_it_is_to_be_tried_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])), (ITEMS[1], failed(ITEMS[1])))
        assert journal.done(LANE, ITEMS, retry_failures=False) == {"i0", "i1"}
        assert journal.done(LANE, ITEMS, retry_failures=True) == {"i0"}


@pytest.mark.parametrize(
    "other",
    [
        Lane(arm=ARM, seed=18, split="test", config="c1"),
        Lane(arm=ARM, seed=17, split="dev", config="c1"),
        Lane(arm=ARM, seed=17, split="test", config="c2"),
        Lane(arm=ArmId(option=Option.RETRIEVE, model="scripted"), seed=17, split="test", config="c1"),
    ],
    ids=["seed", "split", "config", "arm"],
)
def test_another_lane_has_outcomes_of_its_own(tmp_path: Path, other: Lane) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))
        assert journal.outcomes(other, ITEMS) == {}
        assert journal.done(other, ITEMS, retry_failures=False) == set()


def test_a_changed_text_is_another_item(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))
        changed = Item(id="i0", text="rewritten", target="a")
        assert journal.done(LANE, [changed], retry_failures=False) == set()


def test_a_transaction_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    def until_it_breaks():
        yield ITEMS[0], said(ITEMS[0])
        raise RuntimeError("the model is gone")

    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[4], said(ITEMS[4])))
        with pytest.raises(RuntimeError):
            journal.put(LANE, until_it_breaks())
        assert set(journal.outcomes(LANE, ITEMS)) == {"i4"}


WRITER = """
import sys
from pathlib import Path
from harness.bakeoff.answer_sets import read_lane
from harness.bakeoff.journal import Journal, Lane
from harness.core.records import *
lane = Lane(arm=ArmId(option=Option.PROMPT, model="scripted"), seed=17, split="test", config="c1")
start, stop, pad = (int(word) for word in sys.argv[2:5])
with Journal(Path(sys.argv[1])) as journal:
    print("open", flush=True)
    for n in range(start, stop):
        pairs = []
        for half in ("a", "b"):
            item = Item(id=f"{n}{half}", text="x" * pad, target="a")
            pairs.append((item, Completion(item_id=item.id, text="y" * pad, timing=Timing(model_s=0.1))))
        journal.put(lane, pairs)
"""


def write(path: Path, start: int, stop: int, pad: int = 10, before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", before + WRITER, str(path), str(start), str(stop), str(pad)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )


def halves(path: Path) -> tuple[set[str], set[str]]:
    """Numbers of the items whose first and second half are stored."""
    found = sqlite3.connect(path).execute("SELECT item_id FROM outcomes").fetchall()
    ids = {item_id for (item_id,) in found}
    return {i[:-1] for i in ids if i.endswith("a")}, {i[:-1] for i in ids if i.endswith("b")}


def test_a_kill_in_the_middle_leaves_whole_transactions(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    writer = write(path, 0, 1_000_000, pad=2000)
    assert writer.stdout is not None and writer.stdout.readline() == "open\n"
    deadline = time.monotonic() + 20
    while (path.with_name("j.sqlite-wal").stat().st_size < 300_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    first, second = halves(path)
    assert first == second and len(first) > 5
    assert first == {str(n) for n in range(len(first))}, "in the order in which they were put"
    with Journal(path) as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))
        assert journal.outcomes(LANE, ITEMS[:1]) == {"i0": said(ITEMS[0])}


@pytest.mark.parametrize("place", [None, 20, 0.3, 0.6])
def test_answers_that_are_lost_with_the_log_of_a_killed_run_are_noticed(
    tmp_path: Path, place: float | None
) -> None:
    """SQLite leaves out everything after a damaged frame of its log, without a word."""
    path, log = tmp_path / "j.sqlite", tmp_path / "j.sqlite-wal"
    writer = write(path, 0, 1_000_000, pad=2000)
    assert writer.stdout is not None and writer.stdout.readline() == "open\n"
    while log.stat().st_size < 300_000:
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    content = bytearray(log.read_bytes())
    if place is not None:
        content[int(place if place >= 1 else len(content) * place)] ^= 4
        log.write_bytes(content)
    damage = examine(path)
    assert bool(damage) is (place is not None)
    if damage:
        assert "newest answers" in damage.words and "can be read" in damage.words
        kept = salvage(path)
        with Journal(path, read_only=True) as journal:
            assert not journal.damage() and sum(count for _, _, count, _ in journal.counts()) == kept
        assert (tmp_path / "j.damaged-1.sqlite-wal").exists()


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    Journal(path).close()
    writers = [write(path, 0, 60), write(path, 40, 100)]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    first, second = halves(path)
    assert first == second == {str(n) for n in range(100)}


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: writes fail in the same place."""
    path = tmp_path / "j.sqlite"
    limit = textwrap.dedent("""
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    """)
    writer = write(path, 0, 1000, pad=2000, before=limit)
    _, errors = writer.communicate(timeout=60)
    assert writer.returncode == 1 and "StoreError" in errors and "free space" in errors
    assert f"then: harness resume {tmp_path.name} --runs {tmp_path.parent}" in errors
    first, second = halves(path)
    assert first == second and first
    with Journal(path) as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))


def test_a_read_only_folder_can_still_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    with Journal(folder / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))
    let_in(tmp_path)
    (folder / "j.sqlite").chmod(0o444)
    folder.chmod(0o555)

    def look() -> None:
        with Journal(folder / "j.sqlite", read_only=True) as journal:
            assert journal.outcomes(LANE, ITEMS) == {"i0": said(ITEMS[0])}
        with pytest.raises(StoreError, match="writable"):
            Journal(folder / "j.sqlite").put(LANE, [(ITEMS[1], said(ITEMS[1]))])
        with pytest.raises(StoreError, match="writable"):
            Journal(folder / "new.sqlite")

    as_nobody(look)
    folder.chmod(0o755)


def test_a_missing_and_a_damaged_journal_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "run-1" / "journal.sqlite"
    path.parent.mkdir()
    with pytest.raises(StoreError, match="is missing") as caught:
        Journal(path, read_only=True)
    assert f"harness resume run-1 --runs {tmp_path} " in str(caught.value) and not path.exists()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="is damaged") as caught:
        Journal(path, read_only=True)
    assert "free space" not in str(caught.value)


@pytest.mark.parametrize("name", ["50%.sqlite", "a?b#c.sqlite", "with space.sqlite"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    with Journal(tmp_path / name) as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))
    with Journal(tmp_path / name, read_only=True) as journal:
        assert set(journal.outcomes(LANE, ITEMS)) == {"i0"}


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 9, b""])
def test_a_file_that_is_no_journal_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError), Journal(path, read_only=True) as journal:
        journal.settled()


def test_no_journal_is_an_error_for_who_only_reads(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Journal(tmp_path / "none.sqlite", read_only=True)


def test_a_damaged_row_is_an_error_and_not_an_answer(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))
    with sqlite3.connect(tmp_path / "j.sqlite") as db:
        db.execute("UPDATE outcomes SET payload = substr(payload, 1, 20)")
    with Journal(tmp_path / "j.sqlite") as journal, pytest.raises(StoreError, match="damaged"):
        journal.outcomes(LANE, ITEMS)


def test_a_damaged_row_of_another_configuration_is_told_by_who_reads_the_lane(tmp_path: Path) -> None:
    """Such a row answers nothing any more; a journal that holds one is damaged all the same."""
    other = replace(LANE, config="c2")
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))
        put(journal, (ITEMS[0], said(ITEMS[0])), lane=other)
        assert set(journal.outcomes(LANE, ITEMS)) == {"i0"}
    with sqlite3.connect(tmp_path / "j.sqlite") as db:
        changed = db.execute(
            "UPDATE outcomes SET payload = substr(payload, 1, 20) WHERE key = ?", (other.key(ITEMS[0]),)
        )
        assert changed.rowcount == 1
    with Journal(tmp_path / "j.sqlite") as journal, pytest.raises(StoreError, match="damaged"):
        read_lane(
            journal, ClassificationTask([Label(name="a"), Label(name="b")], PromptLimits()), LANE, ITEMS
        )


def test_what_an_arm_settled_on_is_found_under_its_configuration_only(tmp_path: Path) -> None:
    one = FittedArm(
        arm=ARM, seed=17, config="c1", identity=None, fitted=Fitted(choices={"k": 2, "x": "y"}, seconds=1.0)
    )
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.settle(one)
        assert journal.settled_as(ARM, 17, "c1") == one
        assert journal.settled_as(ARM, 17, "c2") is None and journal.settled_as(ARM, 18, "c1") is None
        again = FittedArm(arm=ARM, seed=17, config="c2", identity=None, fitted=one.fitted)
        journal.settle(again)
        assert journal.settled() == (again,)


def test_the_larger_memory_of_an_arm_is_kept(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        for peak in (812.5, 300.0):  # a resumed arm may need less than it did
            journal.note_memory(ARM, 17, peak)
        assert journal.memory() == {(str(ARM), 17): 812.5}


def test_a_journal_without_memory_is_read(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite"):
        pass
    db = sqlite3.connect(tmp_path / "j.sqlite")
    db.execute("DROP TABLE memory")
    db.commit()
    db.close()
    with Journal(tmp_path / "j.sqlite", read_only=True) as journal:
        assert journal.memory() == {}


USE = MachineUse(wall_s=3.0, cpus=2, own_cpus=1.0, others_cpus=0.5)


def test_how_busy_the_machine_was_is_kept_for_each_part_of_a_pass(tmp_path: Path) -> None:
    other = Lane(arm=ARM, seed=17, split="test", config="c2")
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.note_machine(LANE, lambda: USE)
        journal.note_machine(LANE, lambda: USE)
    with Journal(tmp_path / "j.sqlite", read_only=True) as journal:
        assert journal.machine(LANE) == (USE, USE)
        assert journal.machine(other) == ()


def test_how_busy_the_machine_was_is_asked_for_as_late_as_it_may_be(tmp_path: Path) -> None:
    asked: list[str] = []
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.note_machine(LANE, lambda: asked.append("first") or USE)
        assert asked == []
        assert journal.machine(LANE) == (USE,) and asked == ["first"]
        journal.note_machine(LANE, lambda: asked.append("second") or USE)
    assert asked == ["first", "second"]
    with Journal(tmp_path / "j.sqlite", read_only=True) as journal:
        assert journal.machine(LANE) == (USE, USE)


def test_a_journal_of_an_older_version_tells_nothing_of_the_machine(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite"):
        pass
    with sqlite3.connect(tmp_path / "j.sqlite") as db:
        db.execute("DROP TABLE machine")
    with Journal(tmp_path / "j.sqlite", read_only=True) as journal:
        assert journal.machine(LANE) == ()


def test_a_new_timing_takes_the_place_of_the_older_one_and_of_nothing_else(tmp_path: Path) -> None:
    warm = Lane(arm=ARM, seed=17, split="latency", config="c1")
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])))
        put(journal, *((item, said(item)) for item in ITEMS), lane=warm)
        journal.note_machine(warm, lambda: USE)
        journal.replace(warm, [(ITEMS[1], said(ITEMS[1], "b"))], None)
        assert journal.outcomes(warm, ITEMS) == {"i1": said(ITEMS[1], "b")}
        assert journal.machine(warm) == ()
        assert journal.outcomes(LANE, ITEMS) == {"i0": said(ITEMS[0])}
        assert not journal.damage(), "what was put aside is whole as well"


def test_a_timing_that_cannot_be_stored_leaves_the_older_one(tmp_path: Path) -> None:
    warm = Lane(arm=ARM, seed=17, split="latency", config="c1")
    with Journal(tmp_path / "j.sqlite") as journal:
        put(journal, (ITEMS[0], said(ITEMS[0])), lane=warm)
        twice = [(ITEMS[1], said(ITEMS[1])), (ITEMS[1], said(ITEMS[1]))]
        with pytest.raises(StoreError):
            journal.replace(warm, twice, USE)
        assert set(journal.outcomes(warm, ITEMS)) == {"i0"}


def test_rows_are_forced_to_the_disk_in_groups_and_whenever_the_journal_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[int] = []
    monkeypatch.setattr("harness.bakeoff.journal.os.fsync", forced.append)
    monkeypatch.setattr("harness.bakeoff.journal.LogSync.GROUP_S", 3600.0)
    with Journal(tmp_path / "journal.sqlite") as journal:
        for n in range(20):
            put(
                journal,
                (Item(id=str(n), text=f"t{n}", target="a"), said(Item(id=str(n), text="", target="a"))),
            )
        assert forced == []
    assert len(forced) == 1
    with Journal(tmp_path / "journal.sqlite"):
        pass
    assert len(forced) == 1


def test_a_row_that_cannot_be_forced_to_the_disk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("harness.bakeoff.journal.os.fsync", full)
    monkeypatch.setattr("harness.bakeoff.journal.LogSync.GROUP_S", 0.0)
    one = Item(id="1", text="t", target="a")
    with Journal(tmp_path / "journal.sqlite") as journal, pytest.raises(StoreError, match="Input/output"):
        for _ in range(200):
            put(journal, (one, said(one)))
            time.sleep(0.01)
