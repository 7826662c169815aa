"""What pages show of a run folder, complete or not, damaged ones included. Calls no model, writes nothing.

Everything here is read again only when `stamp_of` changes, so that a page can keep what it was given.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.run_folder import DataFacts, Lock, Manifest, RunFolder
from harness.core.errors import HarnessError, StoreError, UserError
from harness.core.records import ArmId
from harness.recommendation.records import RunResults
from harness.recommendation.store import read_results

State = Literal["complete", "unfinished", "no results", "damaged"]
"""'unfinished' has results and no manifest: it was reopened, or it stopped between the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneProgress:
    """How far an arm is on one pass.

    Attributes:
        total: outcomes it needs over all its training seeds; None before the rows were read.
    """

    arm: ArmId
    split: str
    done: int
    failed: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """One run as far as it can be read.

    Attributes:
        fault: what is wrong with a damaged folder, and `remedy` what to run.
    """

    run_id: str
    state: State
    lock: Lock | None = None
    plan: ExperimentPlan | None = None
    facts: DataFacts | None = None
    results: RunResults | None = None
    manifest: Manifest | None = None
    fault: str = ""
    remedy: str = ""


def stamp_of(folder: RunFolder) -> str:
    """A short text that changes when the run does: the manifest's digest, or what stands in for it."""
    try:
        return hashlib.sha256((folder.root / "manifest.json").read_bytes()).hexdigest()
    except OSError:
        return "/".join(_mark(folder.root / name) for name in ("results.json", "data.json", "lock.json"))


def _mark(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "-"
    return f"{found.st_mtime_ns}.{found.st_size}"


def open_page(folder: RunFolder) -> RunPage:
    """Read a run; a folder that cannot be read gives a page that says so."""
    try:
        return _page(folder)
    except UserError as error:
        parts = [error.what, *([f"Got: {error.got}."] if error.got is not None else [])]
        return RunPage(
            run_id=folder.run_id, state="damaged", fault=" ".join(parts), remedy=error.run or "harness runs"
        )
    except (HarnessError, OSError) as error:
        return RunPage(run_id=folder.run_id, state="damaged", fault=str(error), remedy="harness runs")


def _page(folder: RunFolder) -> RunPage:
    there = {path.name for path in folder.root.iterdir()}
    manifest, has_results = folder.manifest(), "results.json" in there
    if manifest is not None and not has_results:
        raise StoreError("results.json is missing, though the run was closed.")
    folder.check()
    results = read_results(folder) if has_results else None
    facts = folder.data_facts() if "data.json" in there else None
    unclosed: State = "unfinished" if results is not None else "no results"
    return RunPage(
        run_id=folder.run_id,
        state="complete" if manifest is not None else unclosed,
        lock=folder.lock(),
        plan=folder.plan(),
        facts=facts,
        results=results,
        manifest=manifest,
    )


def progress_of(folder: RunFolder) -> tuple[LaneProgress, ...]:
    """Counts from the journal against what the plan asks for, in the plan's order.

    Raises:
        UserError: if plan or journal cannot be read.
    """
    plan = folder.plan()
    done: dict[tuple[str, str], tuple[int, int]] = {}
    if (folder.root / "journal.sqlite").exists():
        with folder.journal(read_only=True) as journal:
            done = {(arm, split): (count, failed) for arm, split, count, failed in journal.counts()}
    rows = _rows(folder)
    found = []
    for arm in plan.arms:
        if arm.option.traits.composed:
            continue  # composed of two others, asked nothing itself
        seeds = len(plan.training_seeds) if arm.option.traits.tuned else 1
        for split in ("dev", "test"):
            count, failed = done.get((str(arm.id), split), (0, 0))
            total = None if rows is None else rows[split] * seeds
            found.append(LaneProgress(arm=arm.id, split=split, done=count, failed=failed, total=total))
    return tuple(found)


def _rows(folder: RunFolder) -> Counter[str] | None:
    """Rows by split, counted without reading them; None before they were stored."""
    path = folder.root / "items.jsonl"
    if not path.exists():
        return None
    found: Counter[str] = Counter()
    with path.open("rb") as file:
        for line in file:
            found[line[10:].split(b'"', 1)[0].decode("ascii", "replace")] += 1  # {"split":"test","item":...
    return found
