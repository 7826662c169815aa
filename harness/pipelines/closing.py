"""Conclude a finished run again and close it with what was found. Calls no model."""

from __future__ import annotations

from harness.errors import IncompleteRun
from harness.pipelines.conclude import conclude_and_store
from harness.pipelines.context import Context
from harness.results import RunResults
from harness.store import Manifest, RunFolder


def manifest_of(folder: RunFolder) -> Manifest:
    """The manifest of a finished run.

    Raises:
        IncompleteRun: if the run was not finished.
    """
    manifest = folder.manifest()
    if manifest is None:
        raise IncompleteRun(f"Run {folder.run_id} is not finished.", run=folder.command("resume"))
    return manifest


def conclude_again(folder: RunFolder, looks: int, closed: Manifest, context: Context) -> RunResults:
    """Measure, decide, store, and write the manifest anew; what `closed` says of the machine is kept.

    Args:
        looks: how many looks at the test rows are to be reported.
        closed: the manifest the run had.
    """
    results = conclude_and_store(folder, looks, context)
    folder.write_manifest(finished_at=context.clock(), wall_s=closed.wall_s, environment=closed.environment)
    return results
