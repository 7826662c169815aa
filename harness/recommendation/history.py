"""What `harness runs` lists: every run folder, complete or not, damaged ones included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.bakeoff.run_folder import RESULTS, RunFolder, list_runs
from harness.bakeoff.run_lock import holder_of
from harness.core.errors import UserError
from harness.recommendation.records import RunResults
from harness.recommendation.store import read_results


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One run of the list.

    Attributes:
        locked_at: when its plan was locked, None for a damaged folder.
        state: 'complete', 'running' (a process writes it), 'incomplete' or 'damaged'.
        results: None unless it came to a conclusion.
        wall_s: None unless complete.
        resume: the command that goes on with it.
    """

    run_id: str
    state: str
    locked_at: datetime | None = None
    evalset: str = ""
    arms: tuple[str, ...] = ()
    results: RunResults | None = None
    wall_s: float | None = None
    fault: str = ""
    resume: str = ""


def list_history(runs: Path) -> list[Past]:
    """Every run folder under `runs`, oldest first."""
    return [_past(folder) for folder in list_runs(runs)]


def _past(folder: RunFolder) -> Past:
    try:
        plan, manifest = folder.plan(), folder.manifest()
        folder.check(journal=False)  # the list shows no answer, and reading them all would take its time
        results = read_results(folder) if (folder.root / RESULTS).exists() else None
        return Past(
            run_id=folder.run_id,
            locked_at=folder.lock().locked_at,
            state="complete" if manifest else "running" if holder_of(folder.root) else "incomplete",
            evalset=plan.data.evalset or Path(plan.data.file).name,
            arms=tuple(str(arm.id) for arm in plan.arms),
            results=results,
            wall_s=manifest.wall_s if manifest else None,
            resume=folder.command("resume"),
        )
    except UserError as error:
        return Past(run_id=folder.run_id, state="damaged", fault=error.what)
