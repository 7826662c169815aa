"""Open a finished run for more, and close it again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol, TypeVar

from harness.bakeoff.run_folder import FROM_JOURNAL, Manifest, RunFolder
from harness.core.context import Context
from harness.core.errors import IncompleteRun, UserError

T_co = TypeVar("T_co", covariant=True)


class Conclude(Protocol[T_co]):
    """Concludes a run that more was written into, and closes it again (`harness.recommendation.conclude`)."""

    def __call__(self, folder: RunFolder, looks: int, closed: Manifest | None, context: Context) -> T_co:
        """What the run concludes now; `looks` are reported, and `closed` is the manifest it had."""


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
