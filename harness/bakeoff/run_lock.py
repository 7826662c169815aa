"""One process at a time writes a run: the lock in its folder, and who holds it.

The lock is a file `writer.json` with the holder's host, process, start time and command. The file is locked
with the system's advisory lock too, which ends with the process, however it ends: a holder that was killed
is noticed at once and taken over, and a process id that was given out again is never mistaken for it. A
record of another host is not taken over, as nobody here can tell whether that process lives, nor is any
record where the file system cannot lock; the error says which file to remove once the holder is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.core.errors import StoreError, on_disk

if sys.platform != "win32":
    import fcntl

FILE = "writer.json"
_MOST_COMMAND = 120  # characters
_PATIENCE, _PAUSE_S = 20, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that writes a run.

    Attributes:
        born: when the process began, in the system's own count; '' where it does not say.
        since: when it took the lock, ISO 8601, UTC.
    """

    host: str
    pid: int
    born: str
    since: str
    command: str

    @property
    def words(self) -> str:
        """The holder on one line."""
        return f"`{self.command}`, process {self.pid} on {self.host}, since {self.since}"


def process_born(pid: int) -> str:
    """When a process began, in the system's own count; '' where there is none or the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def holder_of(root: Path) -> Holder | None:
    """Who writes the run in this folder now; None where nobody does. Changes nothing.

    Args:
        root: the run folder.
    """
    path = root / FILE
    held = _record(path)
    if held is None or held.host != platform.node():
        return held
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return held if _alive(held) else None
    try:
        free = _flock(descriptor)
    finally:
        os.close(descriptor)  # and with it the lock, if it was free
    return None if free is True or (free is None and not _alive(held)) else held


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Hold the run in this folder for this process, and give it back at the end.

    Args:
        root: the run folder.

    Raises:
        StoreError: if another process holds it, naming that process, or the folder cannot be written.
    """
    path = root / FILE
    with on_disk(
        f"Run {root.name} cannot be written", got=str(root), allowed="a writable folder with free space"
    ):
        descriptor = _take(path, root.name)
    try:
        yield
    finally:
        # The file goes while it is still locked: whoever opened it meanwhile sees that it is gone (`_same`).
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _take(path: Path, run_id: str) -> int:
    """The open and locked file, with this process written into it."""
    patience = _PATIENCE
    while True:
        descriptor, created = _open(path)
        try:
            free, held = _flock(descriptor), _record(path)
            if free is False and patience and (held is None or not _alive(held)):
                # It is just being written, given back, or looked at by `holder_of`.
                patience -= 1
                os.close(descriptor)
                time.sleep(_PAUSE_S)
                continue
            foreign = held is not None and held.host != platform.node()
            if free is False or foreign or (free is None and not created):
                raise _refusal(path, run_id, held, removable=free is not False)
            if _same(descriptor, path):
                _write(descriptor)
                return descriptor
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            raise
        os.close(descriptor)  # the former holder removed it between our opening and locking it


def _open(path: Path) -> tuple[int, bool]:
    """The file, open, and whether it was made just now."""
    how = os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(path, how | os.O_CREAT | os.O_EXCL, 0o644), True
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, how), False


def _refusal(path: Path, run_id: str, held: Holder | None, *, removable: bool) -> StoreError:
    """Why the run cannot be taken; `removable`: nothing but the file says that it is held."""
    what = f"Run {run_id} is being written by {held.words if held else 'a process that has just begun'}."
    if not removable:
        return StoreError(
            what,
            allowed="one process at a time; wait for it or stop it",
            run=f"harness resume {run_id}   # once it has ended",
        )
    where = held.host if held else "any machine"
    return StoreError(
        what,
        allowed="one process at a time",
        run=f"rm {path}   # only if nothing on {where} writes this run any more",
    )


def _flock(descriptor: int) -> bool | None:
    """Lock the file: True if it is ours, False if another has it, None where the system cannot lock it."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _write(descriptor: int) -> None:
    me = Holder(
        host=platform.node(),
        pid=os.getpid(),
        born=process_born(os.getpid()),
        since=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        command=_command(),
    )
    text = json.dumps(asdict(me)).encode() + b"\n"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0) if hasattr(os, "pwrite") else os.write(descriptor, text)
    os.fsync(descriptor)


def _command() -> str:
    """The first words of this process's command: its verb, and no value that could be a secret."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:2]] if sys.argv and sys.argv[0] else ["python"]
    return " ".join(words).replace("__main__.py", "harness")[:_MOST_COMMAND]


def _record(path: Path) -> Holder | None:
    """The holder that the file names; None where it names none, as when it was made this moment."""
    try:
        raw = json.loads(path.read_bytes())
        held = Holder(**raw)
        return held if isinstance(held.pid, int) and isinstance(held.host, str) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _alive(held: Holder) -> bool:
    """Whether the holder runs, as far as this machine can tell."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(held.pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return not held.born or process_born(held.pid) == held.born
