"""The lock of a run: one writer at a time, named; dead ones are noticed, other hosts are not robbed."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.bakeoff import run_lock
from harness.bakeoff.run_lock import FILE, holder_of, process_born, writing
from harness.core.errors import StoreError

_HOLD = """
import sys, time
from pathlib import Path
from harness.bakeoff.run_lock import writing
sys.argv[0] = "/usr/bin/harness"
with writing(Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(root: Path) -> subprocess.Popen[bytes]:
    """Another process that holds the run."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, "resume", str(root)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def record(root: Path, **changes: object) -> None:
    raw = {"host": platform.node(), "pid": os.getpid(), "born": process_born(os.getpid()),
           "since": "2026-11-23T12:00:00Z", "command": "harness run"}  # fmt: skip
    (root / FILE).write_text(json.dumps(raw | changes), encoding="utf-8")


def test_a_second_writer_is_refused_and_told_in_one_line_who_holds_the_run(tmp_path: Path) -> None:
    other = hold(tmp_path)
    try:
        held = holder_of(tmp_path)
        assert held is not None and held.pid == other.pid and held.host == platform.node()
        assert held.born == process_born(other.pid)
        with pytest.raises(StoreError) as error, writing(tmp_path):
            raise AssertionError("entered")
        first = str(error.value).splitlines()[0]
        for word in (tmp_path.name, "`harness resume`", str(other.pid), platform.node(), held.since):
            assert word in first
        assert error.value.exit_code == 1
    finally:
        other.kill()
        other.wait()


def test_a_killed_holder_is_noticed_and_taken_over(tmp_path: Path) -> None:
    other = hold(tmp_path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / FILE).exists() and holder_of(tmp_path) is None
    with writing(tmp_path):
        held = holder_of(tmp_path)
        assert held is not None and held.pid == os.getpid()


def test_the_lock_is_given_back_at_the_end_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError), writing(tmp_path):
        raise ValueError
    assert not (tmp_path / FILE).exists() and holder_of(tmp_path) is None
    with writing(tmp_path):
        pass


def test_a_process_id_that_was_given_out_again_is_not_the_holder(tmp_path: Path) -> None:
    record(tmp_path, born="1")  # a live process of that id, which began at another time
    assert holder_of(tmp_path) is None
    with writing(tmp_path):
        pass


def test_a_lock_of_another_host_is_not_stolen_and_the_way_on_is_said(tmp_path: Path) -> None:
    record(tmp_path, host="a-server-elsewhere", pid=7)
    with pytest.raises(StoreError) as error, writing(tmp_path):
        raise AssertionError("entered")
    assert "process 7 on a-server-elsewhere" in error.value.what
    assert error.value.run is not None and error.value.run.startswith(f"rm {tmp_path / FILE}")
    held = holder_of(tmp_path)
    assert held is not None and held.host == "a-server-elsewhere"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"host": 1, "pid": "x"}', b"[" * 9000])
def test_a_damaged_record_holds_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert holder_of(tmp_path) is None
    with writing(tmp_path):
        pass


def test_where_the_file_system_cannot_lock_a_record_is_never_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "_flock", lambda _: None)
    with writing(tmp_path), pytest.raises(StoreError), writing(tmp_path):
        raise AssertionError("entered")
    record(tmp_path, born="1")
    with pytest.raises(StoreError) as error, writing(tmp_path):
        raise AssertionError("entered")
    assert error.value.run is not None and error.value.run.startswith("rm ")


def test_of_many_that_want_it_at_once_one_gets_it(tmp_path: Path) -> None:
    inside, most, taken = 0, 0, 0
    guard, start = threading.Lock(), threading.Barrier(8)

    def want() -> None:
        nonlocal inside, most, taken
        start.wait()
        for _ in range(30):
            try:
                with writing(tmp_path):
                    with guard:
                        inside, taken = inside + 1, taken + 1
                        most = max(most, inside)
                    with guard:
                        inside -= 1
            except StoreError:
                pass

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and taken >= 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"), writing(tmp_path / "gone"):
        raise AssertionError("entered")
