"""What a run says of its machine: read where it can be, empty where it cannot, never an error."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.core import environment
from harness.core.environment import BusyWatch, Environment, MachineLook, describe_environment
from harness.core.machine import MachineUse
from harness.core.serial import decode, encode

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


def test_a_machine_without_tools_is_described_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", nothing)
    monkeypatch.setattr(environment, "Path", files(None))
    monkeypatch.setattr(environment.os, "sysconf", nothing)
    found = describe_environment(NOW)
    assert (found.commit, found.gpu, found.cpu_flags, found.memory_gib) == ("", "", (), None)


def test_changes_in_the_tree_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"rev-parse": "abc123", "status": " M harness/bakeoff/plan.py"}
    monkeypatch.setattr(
        environment, "_said_by", lambda tool, *words: said.get(words[2]) if tool == "git" else None
    )
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


_HOLDS = """
from harness.core.environment import MemoryWatch
before = bytearray(200 * 2**20)
before[::4096] = b"x" * len(before[::4096])
del before
watch = MemoryWatch()
low = watch.peak_mib()
held = bytearray(100 * 2**20)
held[::4096] = b"x" * len(held[::4096])
print(watch.peak_mib() - low)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells")
def test_the_memory_watch_sees_what_was_held_since_it_began() -> None:
    """In a process of its own: one that has run other tests gives memory back while this is measured."""
    done = subprocess.run([sys.executable, "-c", _HOLDS], capture_output=True, text=True, check=True)
    assert 90 < float(done.stdout) < 150  # what was held before the watch is forgotten


def look(at: float, own: float, busy: float | None, *, waited: float | None = 0.0) -> MachineLook:
    return MachineLook(at_s=at, own_cpu_s=own, busy_cpu_s=busy, waited_s=waited, load=at)


def seen(*looks: MachineLook, beside: bool = True, paused: list[float] | None = None) -> MachineUse:
    waiting, pauses = iter(looks), [] if paused is None else paused
    found = BusyWatch(beside, look=lambda: next(waiting), pause=pauses.append).finish()
    assert next(waiting, None) is None
    return found


def test_what_others_took_is_told_apart_from_what_this_process_took() -> None:
    found = seen(look(0, 5, 100), look(1, 5, 100.1), look(11, 15, 112.1, waited=2.5), look(12, 15, 112.4))
    assert found.wall_s == pytest.approx(10) and found.own_cpus == pytest.approx(1)
    assert found.others_cpus == pytest.approx(2.4 / 12)  # of 12.4 s in all, ten were its own
    assert found.quiet_cpus == pytest.approx(0.4 / 2) and found.waited_s == pytest.approx(2.5)
    assert (found.load_before, found.load_after) == (1, 11)


def test_a_pass_in_this_process_is_watched_alone_and_filled_up_to_a_second_where_it_is_short() -> None:
    pauses: list[float] = []
    long = seen(look(0, 5, 100), look(10, 15, 112), beside=False, paused=pauses)
    assert long.wall_s == 10 and long.others_cpus == pytest.approx(2 / 10) and long.quiet_cpus is None
    assert pauses == []
    short = seen(look(0, 5, 100), look(0.25, 5.2, 100.3), look(1, 5.2, 100.5), beside=False, paused=pauses)
    assert short.wall_s == 0.25 and short.own_cpus == pytest.approx(0.2 / 0.25)
    assert short.others_cpus == pytest.approx(0.3 / 1) and short.quiet_cpus == pytest.approx(0.2 / 0.75)
    assert pauses == [pytest.approx(0.75)]


def test_the_process_goes_on_while_a_short_pass_is_watched_to_its_second_and_what_it_does_is_its_own() -> (
    None
):
    looks, second_over = (
        iter((look(0, 5, 100), look(0.25, 5.2, 100.3), look(1, 6.0, 101.5))),
        threading.Event(),
    )
    watch = BusyWatch(False, look=lambda: next(looks), pause=lambda seconds: second_over.wait(60) and None)
    watch.over()  # comes back before the second is over
    second_over.set()
    found = watch.finish()
    assert found.wall_s == 0.25 and found.own_cpus == pytest.approx(0.2 / 0.25)
    assert found.others_cpus == pytest.approx(0.5 / 1)  # of 1.5 s in all, one was its own


def test_beside_a_server_nothing_goes_on_before_the_moment_after_was_watched() -> None:
    looks, pauses = iter((look(0, 5, 100), look(1, 5, 100), look(3, 5, 102), look(4, 5, 102.2))), []
    watch = BusyWatch(True, look=lambda: next(looks), pause=pauses.append)
    watch.over()
    assert pauses == [environment.QUIET_S] * 2 and next(looks, None) is None
    assert watch.finish().quiet_cpus == pytest.approx(0.2 / 2)


def test_counters_that_tick_behind_ours_give_no_negative_work() -> None:
    found = seen(look(0, 0, 0), look(1, 0, 0), look(2, 1.0, 0.99), look(3, 1.0, 0.99))
    assert found.others_cpus == 0 and found.quiet_cpus == 0


def test_what_the_system_does_not_tell_stays_unknown() -> None:
    found = seen(*(look(at, at, None, waited=None) for at in range(4)))
    assert found.others_cpus is None and found.quiet_cpus is None and found.waited_s is None


@pytest.mark.parametrize("text", [None, "", "nothing known", "cpu0 1 2"])
def test_counters_that_cannot_be_read_are_unknown(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    monkeypatch.setattr(environment, "Path", files(text))
    assert environment.look_at_machine().busy_cpu_s is None


def test_counters_only_grow() -> None:
    first, second = environment.look_at_machine(), environment.look_at_machine()
    assert second.at_s >= first.at_s and second.own_cpu_s >= first.own_cpu_s
    if first.busy_cpu_s is not None:
        assert second.busy_cpu_s is not None and second.busy_cpu_s >= first.busy_cpu_s


def test_threads_are_limited_for_libraries_to_come_and_those_that_are_there() -> None:
    code = (
        "import os, numpy, sklearn\n"
        "from threadpoolctl import threadpool_info\n"
        "from harness.core.environment import limit_threads\n"
        "limit_threads(1, os.environ)\n"
        "import torch\n"
        "print(torch.get_num_threads(), *{pool['num_threads'] for pool in threadpool_info()},"
        " os.environ['RAYON_NUM_THREADS'])"
    )
    ours = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ours, check=True)
    assert done.stdout.split() == ["1", "1", "1"]
