"""What a run says of its machine: read where it can be, empty where it cannot, never an error."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness import environment
from harness.environment import Environment, MemoryWatch, describe_environment, utc_now
from harness.serial import decode, encode

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def files(text: str | None) -> type[Path]:
    """A `Path` whose files all hold this text, or cannot be read."""

    class Files(type(Path())):  # type: ignore[misc]
        def read_text(self, *_: Any, **__: Any) -> str:
            if text is None:
                raise FileNotFoundError
            return text

    return Files


def test_it_comes_back_the_same() -> None:
    found = describe_environment(NOW)
    assert found.taken_at == NOW and found.cores >= 1 and "numpy" in found.packages
    assert decode(Environment, encode(found)) == found


def test_the_clock_has_a_zone() -> None:
    assert utc_now().tzinfo is UTC


def test_a_machine_without_tools_is_described_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", nothing)
    monkeypatch.setattr(environment, "Path", files(None))
    monkeypatch.setattr(environment.os, "sysconf", nothing)
    found = describe_environment(NOW)
    assert (found.commit, found.gpu, found.cpu_flags, found.memory_gib) == ("", "", (), None)


def test_changes_in_the_tree_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"rev-parse": "abc123", "status": " M harness/plan.py"}
    monkeypatch.setattr(environment, "_git", lambda _, *words: said[words[0]])
    assert describe_environment(NOW).commit == "abc123+dirty"
    said["status"] = ""
    assert describe_environment(NOW).commit == "abc123"


def test_number_formats_of_the_processor_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "processor\t: 0\nmodel name\t: A Chip\nflags\t\t: fpu avx2 avx512f amx_bf16\n\n"
    monkeypatch.setattr(environment, "Path", files(text))
    found = describe_environment(NOW)
    assert found.cpu == "A Chip" and found.cpu_flags == ("amx_bf16", "avx512f", "avx2")


def test_hanging_tools_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(command: list[str], **_: Any) -> Any:
        raise subprocess.TimeoutExpired(command, 5)

    monkeypatch.setattr(subprocess, "run", slow)
    found = describe_environment(NOW)
    assert found.gpu == "" and found.commit == ""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells")
def test_the_memory_watch_sees_what_was_held_since_it_began() -> None:
    before = bytearray(200 * 2**20)
    before[::4096] = b"x" * len(before[::4096])
    del before
    watch = MemoryWatch()
    low = watch.peak_mib()
    held = bytearray(100 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    high = watch.peak_mib()
    assert low is not None and high is not None
    assert 90 < high - low < 150  # what was held before the watch is forgotten
