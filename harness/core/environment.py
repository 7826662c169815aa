"""What the run ran on: commit, packages, hardware and clock. The one room that asks the machine."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from harness.core.machine import MachineUse

QUIET_S = 0.5  # watched before and after a timed pass in which a server here answers
SEEN_S = 1.0  # the shortest time that is watched: /proc/stat counts in hundredths of a second
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",  # tokenizers
)
CPUINFO = "/proc/cpuinfo"
_PACKAGES = (
    "tune-or-retrieve",
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "scikit-learn",
    "bm25s",
    "litellm",
    "genai-prices",
    "numpy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where and with what a run was made.

    Attributes:
        commit: of the source tree, with '+dirty' if it had changes; '' outside a checkout.
        cpu_flags: the number formats the processor has units for, such as 'avx512_bf16'.
        load: 1-minute load average when it was taken.
    """

    taken_at: datetime
    commit: str
    python: str
    packages: dict[str, str]
    system: str
    cpu: str
    cores: int
    memory_gib: float | None
    cpu_flags: tuple[str, ...]
    gpu: str
    load: float | None


def describe_environment(now: datetime) -> Environment:
    """Take stock of this machine; anything that cannot be read is left empty."""
    cpu, flags = _cpu()
    return Environment(
        taken_at=now,
        commit=_commit(),
        python=platform.python_version(),
        packages=_packages(),
        system=f"{platform.system()} {platform.machine()}",
        cpu=cpu,
        cores=cpu_count(),
        memory_gib=_memory_gib(),
        cpu_flags=flags,
        gpu="; ".join(_of_gpus("name,memory.total")),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


class MemoryWatch:
    """The most memory this process held since the watch began, where the system tells (Linux)."""

    def __init__(self) -> None:
        """Begin: forget the peak so far. Where that is not allowed nothing will be reported."""
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets VmHWM, see proc(5)
            self._watching = True
        except OSError:
            self._watching = False

    def peak_mib(self) -> float | None:
        """Peak resident memory in MiB since the beginning; None where it is not known."""
        if not self._watching:
            return None
        try:
            status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(found[0]) / 1024 if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLook:
    """The machine's counters at one moment; None where the system does not tell.

    Attributes:
        at_s: of a clock that only grows.
        own_cpu_s: CPU seconds of this process and its ended children so far.
        busy_cpu_s: CPU seconds so far of everything on the CPUs that this process may use, and what the
            hypervisor gave to others meanwhile.
        waited_s: seconds that the living threads of this process stood ready without a CPU so far.
        load: 1-minute load average.
    """

    at_s: float
    own_cpu_s: float
    busy_cpu_s: float | None = None
    waited_s: float | None = None
    load: float | None = None


def look_at_machine() -> MachineLook:
    """The counters now."""
    spent = os.times()
    return MachineLook(
        at_s=time.monotonic(),
        own_cpu_s=spent.user + spent.system + spent.children_user + spent.children_system,
        busy_cpu_s=_busy_cpu_s(),
        waited_s=_waited_s(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


class BusyWatch:
    """Watches how busy the machine is while something is timed.

    Args:
        beside: whether a server on this machine answers: then a moment before and after is watched too.
        look: reads the counters.
        pause: lets seconds pass; nothing of the run may be at work in them.
    """

    def __init__(
        self,
        beside: bool,
        look: Callable[[], MachineLook] = look_at_machine,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._beside, self._look, self._pause = beside, look, pause
        self._end: MachineLook | None = None
        self._last: MachineLook | None = None
        self._later: threading.Thread | None = None
        self._first = self._start = look()
        if beside:
            pause(QUIET_S)
            self._start = look()

    def over(self) -> None:
        """The pass is over; what this process does next is told apart from others' work.

        A short pass is watched on to the end of its second while the process goes on. Beside a server nothing
        goes on: the moment after is watched first.
        """
        self._end = self._look()
        after_s = QUIET_S if self._beside else SEEN_S - (self._end.at_s - self._start.at_s)
        if after_s <= 0:
            return
        self._later = threading.Thread(target=self._look_later, args=(after_s,), daemon=True)
        self._later.start()
        if self._beside:
            self._later.join()

    def _look_later(self, after_s: float) -> None:
        self._pause(after_s)
        self._last = self._look()

    def finish(self) -> MachineUse:
        """How busy the machine was; waits until it was watched for long enough. Ends a pass that goes on."""
        if self._end is None:
            self.over()
        if self._later is not None:
            self._later.join()
        assert self._end is not None
        end, last = self._end, self._last or self._end
        quiet = [_others(self._first, self._start), _others(end, last)]
        quiet_s = self._start.at_s - self._first.at_s + last.at_s - end.at_s
        wall_s = max(end.at_s - self._start.at_s, 1e-9)
        waited = None
        if self._start.waited_s is not None and end.waited_s is not None:
            waited = max(0.0, end.waited_s - self._start.waited_s)
        return MachineUse(
            wall_s=wall_s,
            cpus=cpu_count(),
            own_cpus=(end.own_cpu_s - self._start.own_cpu_s) / wall_s,
            others_cpus=_mean([_others(self._first, last)], last.at_s - self._first.at_s),
            quiet_cpus=_mean(quiet, quiet_s),
            waited_s=waited,
            load_before=self._start.load,
            load_after=end.load,
        )


def cpu_count() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _others(start: MachineLook, end: MachineLook) -> float | None:
    """CPU seconds of everything but this process between two looks; a tick too few is none."""
    if start.busy_cpu_s is None or end.busy_cpu_s is None:
        return None
    return max(0.0, end.busy_cpu_s - start.busy_cpu_s - (end.own_cpu_s - start.own_cpu_s))


def _mean(cpu_s: list[float | None], wall_s: float) -> float | None:
    known = [seconds for seconds in cpu_s if seconds is not None]
    return sum(known) / wall_s if len(known) == len(cpu_s) and wall_s > 0 else None


def _busy_cpu_s() -> float | None:
    """User, nice, system, interrupt and stolen time of the CPUs we may use, from /proc/stat (proc(5))."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii", errors="replace").splitlines()
        mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        found = [[int(part) for part in line.split()[1:9]] for line in lines if line.split()[:1][0] in mine]
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    ticks = sum(sum(spent) - spent[3] - spent[4] for spent in found if len(spent) == 8)  # idle, iowait
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else None


def _waited_s() -> float | None:
    """Run-queue delay of this process's threads, from schedstat (Linux with scheduler statistics)."""
    try:
        found = [path.read_text(encoding="ascii") for path in Path("/proc/self/task").glob("*/schedstat")]
        return sum(int(text.split()[1]) for text in found) / 1e9 if found else None
    except (OSError, ValueError, IndexError):  # a thread may end while it is read
        return None


def limit_threads(threads: int, environ: MutableMapping[str, str]) -> None:
    """Hold every library that computes on the CPU to so many threads: those loaded already and those to come.

    Args:
        environ: the variables of this process, from which libraries and child processes take theirs.
    """
    environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    if "numpy" in sys.modules:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:  # comes with scikit-learn
            return
        threadpool_limits(limits=threads)


def free_gib(device: str) -> float | None:
    """Memory that is free now: of the GPU, or of this machine within its container; None where not known."""
    if device != "cpu":
        try:
            return max(float(mib) for mib in _of_gpus("memory.free", "nounits")) / 1024
        except ValueError:  # no GPU, or none that tells
            return None
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:")]
    limits = [*found[:1], *_container_gib()]
    return min(limits) if limits else None


def _container_gib() -> list[float]:
    """What a cgroup (version 2) leaves this process, where it sets a limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = int((folder / "memory.max").read_text(encoding="ascii"))
        used = int((folder / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no cgroup, or 'max'
        return []
    return [max(0.0, (limit - used) / 2**30)]


@functools.cache
def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    here = Path(__file__).resolve().parent.parent
    git = ("git", "-C", str(here))
    head, changed = _said_by(*git, "rev-parse", "HEAD"), _said_by(*git, "status", "--porcelain", "-uno")
    return "" if head is None or changed is None else head + ("+dirty" if changed else "")


def _of_gpus(asked: str, *form: str) -> list[str]:
    """What the driver says of each GPU; nothing where there is none."""
    listed = _said_by("nvidia-smi", f"--query-gpu={asked}", ",".join(("--format=csv", "noheader", *form)))
    return [line for line in (listed or "").splitlines() if line.strip()]


def _said_by(*command: str) -> str | None:
    """What a program prints; None where it is not there, fails or takes long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def cpu_flags(cpuinfo: str | Path = CPUINFO) -> frozenset[str]:
    """The feature flags of the first processor; empty where the system does not tell."""
    fields = _processor(cpuinfo)
    return frozenset((fields.get("flags") or fields.get("Features") or "").split())


def _processor(cpuinfo: str | Path) -> dict[str, str]:
    """What the system says of the first processor; empty where it says nothing."""
    try:
        lines = Path(cpuinfo).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in reversed(lines) if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cpu() -> tuple[str, tuple[str, ...]]:
    wanted = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "bf16", "asimd")
    fields, flags = _processor(CPUINFO), cpu_flags()
    named = fields.get("model name", platform.machine()) if fields else platform.processor()
    return named, tuple(flag for flag in wanted if flag in flags)


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return round(pages * size / 2**30, 1)
