"""The record of calls: what a run has spent, whatever ended it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.bakeoff.budget import Call, CallLog
from harness.bakeoff.journal import Journal, Lane
from harness.core.errors import StoreError
from harness.core.records import ArmId, Completion, Item, Timing

USED = Usage(input_tokens=100, output_tokens=7, counted_by=CountedBy.PROVIDER)


def test_calls_outlive_whoever_made_them(tmp_path: Path):
    log = CallLog(tmp_path / "journal.sqlite")
    answered, refused, lost = (log.sent("openai/m", 500, 90) for _ in range(3))
    log.answered(answered, USED)
    log.not_billed(refused)
    assert lost
    again = CallLog(tmp_path / "journal.sqlite")  # the first was never closed, as after a kill
    assert list(again.calls()) == [
        Call(model="openai/m", most_in=500, most_out=90, usage=USED),
        Call(model="openai/m", most_in=500, most_out=90, usage=None),
    ]


def test_what_a_call_used_is_written_with_the_next_one_or_at_the_end(tmp_path: Path):
    """Until then it counts at its worst case: as if the run had been killed before it was answered."""
    path = tmp_path / "journal.sqlite"

    def known() -> list[bool]:
        other = CallLog(path)
        found = [call.usage is not None for call in other.calls()]
        other.close()
        return found

    log = CallLog(path)
    log.answered(log.sent("openai/m", 500, 90), USED)
    assert known() == [False]
    log.answered(log.sent("openai/m", 500, 90), USED)
    assert known() == [True, False]
    log.close()
    assert known() == [True, True]


def test_answers_of_a_journal_without_a_record_are_taken_over_once(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    arm = ArmId(option=Option.PROMPT, model="openai/a@b")
    with Journal(path) as journal:
        lane = Lane(arm=arm, seed=1, split="dev", config="c")
        for name, usage in (("one", USED), ("two", None)):
            outcome = Completion(item_id=name, text="x", usage=usage, timing=Timing(model_s=0.1))
            journal.put(lane, [(Item(id=name, text=name, target="x"), outcome)])
    for _ in range(2):
        log = CallLog(path)
        assert list(log.calls()) == [Call(model="openai/a@b", most_in=None, most_out=None, usage=USED)]
        log.close()


def test_it_stands_beside_an_open_journal_and_threads_share_it(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with Journal(path):
        log = CallLog(path)

        def work() -> None:
            for _ in range(50):
                log.answered(log.sent("openai/m", 1, 1), USED)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([call for call in log.calls() if call.usage == USED]) == 200


def test_a_file_that_is_no_journal_is_an_error_to_read(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"no database " * 100)
    with pytest.raises(StoreError):
        CallLog(path)


def test_a_disk_that_fills_up_is_an_error_to_read(tmp_path: Path):
    log = CallLog(tmp_path / "journal.sqlite")
    with sqlite3.connect(tmp_path / "journal.sqlite") as other:
        other.execute("DROP TABLE calls")
    with pytest.raises(StoreError, match="cannot be used"):
        log.sent("openai/m", 1, 1)
