"""Bake-offs started from a page: a process of its own each, found again by whoever looks at the run folder.

    runs/.pages/<job>/    job.json, the uploaded table, plan.yaml, what the command said, ended.json

A job goes on when its page is closed or the pages are stopped. Stopping it sends what Ctrl-C sends, to its
whole process group; the run's journal keeps every outcome, and `harness resume` goes on from there.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from advisor.reading import read_json
from harness.bakeoff.plan import parse_plan
from harness.bakeoff.run_folder import list_runs
from harness.core.errors import StoreError, UserError
from harness.core.files import write_atomically

HOME = ".pages"
WAITS = "waits for "
PLAN = "plan.yaml"
SAID_LINES = 12
_HARNESS = (sys.executable, "-P", "-c", "from harness.cli import main; main()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command that was started.

    Attributes:
        words: of the command, after `harness`.
        born: what the system says of when the process began, so that a number used again is noticed.
        run_id: of a run that goes on; '' for a new one, which is found by its plan.
    """

    name: str
    words: tuple[str, ...]
    pid: int
    born: str
    started_at: str
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How a job is doing.

    Attributes:
        code: what it ended with; None while it runs, and where nobody was there to see it end.
        said: the last lines it wrote.
    """

    job: Job
    running: bool
    code: int | None
    run_id: str
    said: tuple[str, ...]


def new_folder(runs: Path, now: datetime) -> Path:
    """A folder for a job's files.

    Raises:
        StoreError: if it cannot be made.
    """
    folder = runs / HOME / f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made: {error.strerror}.", allowed="a writable folder"
        ) from error
    return folder


def start(folder: Path, words: Sequence[str], now: datetime, run_id: str = "") -> Job:
    """Start `harness` with these words; what it says goes into the folder.

    Raises:
        StoreError: if it cannot be started.
    """
    try:
        with (folder / "out.txt").open("wb") as out, (folder / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                [*_HARNESS, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=said,
                start_new_session=True,
            )
    except OSError as error:
        raise StoreError(f"The bake-off cannot be started: {error.strerror}.") from error
    job = Job(
        name=folder.name,
        words=tuple(words),
        pid=process.pid,
        born=_born(process.pid),
        started_at=now.isoformat(),
        run_id=run_id,
    )
    write_atomically(folder / "job.json", json.dumps(asdict(job), indent=1) + "\n")
    threading.Thread(target=_wait, args=(process, folder), name=f"{WAITS}{job.name}", daemon=True).start()
    return job


def _wait(process: subprocess.Popen[bytes], folder: Path) -> None:
    code = process.wait()
    with contextlib.suppress(UserError):  # without the file the run folder still says how it stands
        write_atomically(folder / "ended.json", json.dumps({"code": code}) + "\n")


def latest(runs: Path) -> JobState | None:
    """The newest job of this folder of runs, running or not; None when there was none."""
    home = runs / HOME
    folders = sorted((path for path in home.iterdir() if (path / "job.json").exists()), reverse=True) \
        if home.is_dir() else []  # fmt: skip
    return _state(runs, folders[0]) if folders else None


def _state(runs: Path, folder: Path) -> JobState | None:
    try:
        raw = read_json(folder / "job.json")
        job = Job(**(raw | {"words": tuple(raw["words"])}))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    code = _code(folder)
    running = code is None and _alive(job)
    return JobState(
        job=job,
        running=running,
        code=code,
        run_id=job.run_id or _run_of(runs, folder, job),
        said=tuple(_text(folder / "said.txt").splitlines()[-SAID_LINES:]),
    )


def stop(job: Job, *, hard: bool = False) -> None:
    """Ask a job to stop as Ctrl-C does; `hard` ends it at once. Outcomes in the journal stay."""
    if not _alive(job):
        return
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(job.pid, signal.SIGKILL if hard else signal.SIGINT)
        else:
            os.kill(job.pid, signal.SIGTERM)


def _code(folder: Path) -> int | None:
    try:
        return int(read_json(folder / "ended.json")["code"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run_of(runs: Path, folder: Path, job: Job) -> str:
    """The run that was locked with this job's plan after the job began."""
    text = _text(folder / PLAN)
    if not text:
        return ""
    try:
        digest = parse_plan(text, PLAN).digest
        for run in reversed(list_runs(runs)):
            lock = run.lock()
            if lock.plan_digest == digest and lock.locked_at >= datetime.fromisoformat(job.started_at):
                return run.run_id
    except UserError:
        return ""
    return ""


def _alive(job: Job) -> bool:
    try:
        os.kill(job.pid, 0)
    except (OSError, OverflowError):
        return False
    return _born(job.pid) == job.born


def _born(pid: int) -> str:
    """When a process began, in the system's own count; '' where it does not say."""
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
