"""Bake-offs started from a page: found again, watched, stopped, their end told; mostly on stand-ins."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboards import jobs
from harness.bakeoff.plan import dump_plan
from harness.bakeoff.run_folder import create_run
from tests.support.desk import write_tickets
from tests.support.pages import scripted_plan

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OBEYS = """
import signal, sys, time
def leave(*_):
    print('stopped; nothing is lost', file=sys.stderr, flush=True)
    sys.exit(3)
signal.signal(signal.SIGINT, leave)
print('ready', file=sys.stderr, flush=True)
time.sleep(60)
"""
IGNORES = OBEYS.replace("signal.signal(signal.SIGINT, leave)", "signal.signal(signal.SIGINT, signal.SIG_IGN)")


def within(seconds: float, what: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., jobs.Job]:
    def start(code: str, run_id: str = "") -> jobs.Job:
        monkeypatch.setattr(jobs, "_HARNESS", (sys.executable, "-c", code))
        return jobs.start(jobs.new_folder(tmp_path, NOW), ["run", "plan.yaml"], NOW, run_id)

    return start


def test_there_is_no_job_at_first(tmp_path: Path) -> None:
    assert jobs.latest(tmp_path) is None


def test_the_real_command_is_run(tmp_path: Path) -> None:
    folder = jobs.new_folder(tmp_path, NOW)
    jobs.start(folder, ["--version"], NOW)
    assert within(60, lambda: jobs.latest(tmp_path).code is not None)  # type: ignore[union-attr]
    assert jobs.latest(tmp_path).code == 0  # type: ignore[union-attr]
    assert (folder / "out.txt").read_text().startswith("harness ")


def test_a_job_is_found_again_and_its_end_is_told(started, tmp_path: Path) -> None:
    job = started("import sys; print('over budget', file=sys.stderr); sys.exit(4)")
    assert within(20, lambda: jobs.latest(tmp_path).code is not None)
    found = jobs.latest(tmp_path)
    assert not found.running and found.job == job and found.code == 4 and found.said == ("over budget",)


def test_stopping_is_what_ctrl_c_does(started, tmp_path: Path) -> None:
    job = started(OBEYS)
    assert within(20, lambda: jobs.latest(tmp_path).said == ("ready",)) and jobs.latest(tmp_path).running
    jobs.stop(job)
    assert within(20, lambda: jobs.latest(tmp_path).code == 3)
    found = jobs.latest(tmp_path)
    assert not found.running and found.said[-1] == "stopped; nothing is lost"
    jobs.stop(job)  # once more does no harm


def test_a_job_that_does_not_listen_is_ended(started, tmp_path: Path) -> None:
    job = started(IGNORES)
    assert within(20, lambda: jobs.latest(tmp_path).said == ("ready",))
    jobs.stop(job)
    assert not within(0.3, lambda: not jobs.latest(tmp_path).running)
    jobs.stop(job, hard=True)
    assert within(20, lambda: not jobs.latest(tmp_path).running)


def test_children_of_a_job_are_stopped_with_it(started, tmp_path: Path) -> None:
    marker = tmp_path / "child"
    child = f"import os, time; open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    job = started(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    assert within(20, lambda: marker.exists() and marker.read_text().isdigit())
    jobs.stop(job, hard=True)

    def gone() -> bool:
        state = Path(f"/proc/{marker.read_text()}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"

    assert within(20, gone)


def test_the_newest_job_counts_and_a_damaged_note_is_none(started, tmp_path: Path) -> None:
    started("pass")
    time.sleep(0.01)
    folder = jobs.new_folder(tmp_path, NOW + timedelta(seconds=1))
    (folder / "job.json").write_text("{not json")
    assert jobs.latest(tmp_path) is None


def test_the_run_of_a_job_is_found_by_its_plan(started, tmp_path: Path) -> None:
    job = started("pass")
    plan = scripted_plan(write_tickets(tmp_path / "tickets.csv", each=3), arms=[{"option": "floor"}])
    folder = tmp_path / jobs.HOME / job.name
    (folder / jobs.PLAN).write_text(dump_plan(plan))
    before = create_run(tmp_path, plan, NOW - timedelta(hours=1))
    assert jobs.latest(tmp_path).run_id == "", "one locked before the job began is another one"
    after = create_run(tmp_path, plan, NOW + timedelta(seconds=5))
    assert jobs.latest(tmp_path).run_id == after.run_id != before.run_id


def test_a_number_used_again_is_no_running_job(started, tmp_path: Path) -> None:
    job = started("pass")
    assert within(20, lambda: not jobs.latest(tmp_path).running)
    assert not jobs._alive(jobs.Job(**{**vars_of(job), "pid": os.getpid()})), "this process began earlier"


def vars_of(job: jobs.Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__dataclass_fields__}


def test_a_resumed_run_is_known_from_the_start(started, tmp_path: Path) -> None:
    started("pass", run_id="20261123-120000-abcdef")
    assert jobs.latest(tmp_path).run_id == "20261123-120000-abcdef"
