"""Forces what a journal was given to the disk, in groups, and lets its writers take turns."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from harness.core.errors import StoreError, command_on

_TURNS: dict[str, threading.Lock] = {}


def turn_at(path: Path) -> threading.Lock:
    """Held by whoever writes to a journal in this process: the next one goes on at once.

    SQLite by itself lets a connection that meets another's write sleep for a millisecond and more.
    """
    return _TURNS.setdefault(os.path.realpath(path), threading.Lock())


def goes_on(path: Path) -> str:
    """The command that goes on with the run of the journal at this path; a curve's lies within a run."""
    run = next(
        (one for one in path.absolute().parents if (one / "lock.json").exists()), path.absolute().parent
    )
    return command_on(run, "resume")


def unusable(path: Path, why: object) -> StoreError:
    """That a journal cannot be used, and what to do."""
    return StoreError(
        f"The journal {path} cannot be used: {why}.",
        allowed="a writable folder with free space, and the file as it was written",
        run=f"free space or fix the folder's rights, then: {goes_on(path)}",
    )


class LogSync:
    """Forces a journal's log to the disk, once for all rows of a short while.

    A row that is committed outlives the process at once; a power cut costs no more than the last `GROUP_S`.
    """

    GROUP_S = 0.1

    def __init__(self, path: Path) -> None:
        """Watch the log beside the journal at `path`."""
        self._path, self._log = path, path.with_name(f"{path.name}-wal")
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._failed: OSError | None = None

    def written(self) -> None:
        """A row was committed: force it to the disk before long.

        Raises:
            StoreError: an earlier row could not be forced to the disk.
        """
        if self._failed is not None:
            raise unusable(self._path, self._failed.strerror) from self._failed
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(self.GROUP_S, self._force)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Force what is left; nothing where nothing was written."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self._force()

    def _force(self) -> None:
        with self._lock:
            self._timer = None
        try:
            descriptor = os.open(self._log, os.O_RDONLY)
        except FileNotFoundError:
            return  # SQLite moved it into the journal, forced to the disk
        except OSError as error:
            self._failed = error
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            self._failed = error
        finally:
            os.close(descriptor)
