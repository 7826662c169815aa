"""Open a finished run for more, conclude it again and close it with what was found. Calls no model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from harness.bakeoff.results import RunResults
from harness.bakeoff.run_folder import FROM_JOURNAL, Manifest, RunFolder
from harness.core.context import Context
from harness.core.errors import IncompleteRun, UserError
from harness.recommendation.conclude import conclude_and_store


def manifest_of(folder: RunFolder) -> Manifest:
    """The manifest of a finished run.

    Raises:
        IncompleteRun: if the run was not finished.
    """
    manifest = folder.manifest()
    if manifest is None:
        raise IncompleteRun(f"Run {folder.run_id} is not finished.", run=folder.command("resume"))
    return manifest


@contextlib.contextmanager
def reopened(folder: RunFolder) -> Iterator[Manifest | None]:
    """A run that more is written into: checked, then without its manifest until it is closed again.

    Where that comes to nothing, the run is closed as it was. The manifest that is given is None for a run
    that was not closed.

    Raises:
        StoreError: if anything was changed after the run was closed.
    """
    folder.check()
    closed = folder.manifest()
    folder.reopen()
    try:
        yield closed
    except BaseException:
        with contextlib.suppress(UserError, OSError):
            if closed is not None and folder.as_it_was(closed, FROM_JOURNAL):
                close_as_before(folder, closed)
        raise


def close_as_before(folder: RunFolder, closed: Manifest) -> None:
    """Write the manifest anew, with the time and the machine that it named."""
    folder.write_manifest(
        finished_at=closed.finished_at, wall_s=closed.wall_s, environment=closed.environment
    )


def conclude_again(folder: RunFolder, looks: int, closed: Manifest, context: Context) -> RunResults:
    """Measure, decide, store, and write the manifest anew; what `closed` says of the machine is kept.

    Args:
        looks: how many looks at the test rows are to be reported.
        closed: the manifest the run had.
    """
    results = conclude_and_store(folder, looks, context)
    folder.write_manifest(finished_at=context.clock(), wall_s=closed.wall_s, environment=closed.environment)
    return results
