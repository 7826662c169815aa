"""Files that are written whole or not at all, folders that can be made or say why not, and digests."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.core.errors import StoreError

GOES_ON = "harness resume   # once that is fixed; nothing already computed is lost"


def make_folder(folder: Path, *, run: str = "set TOR_RUNS_DIR or --runs to another folder") -> None:
    """Make a folder and those above it, if they are not there.

    Args:
        run: what to do where it cannot be made.

    Raises:
        StoreError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made: {error.strerror}.",
            allowed="a writable folder with free space",
            run=run,
        ) from error


def write_atomically(
    path: Path, content: str | bytes | Iterable[str], *, run: str | None = GOES_ON, private: bool = False
) -> None:
    """Write a file whole or not at all.

    Args:
        content: text is written as UTF-8, piece by piece where it comes in pieces.
        private: for its owner alone, from the first byte on.
        run: what to do once there is room; by default to go on with the run.

    Raises:
        StoreError: if the disk is full or the folder is read-only.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600 if private else 0o666)
        with temporary.open("wb") as file:
            for part in (content,) if isinstance(content, str | bytes) else content:
                file.write(part.encode() if isinstance(part, str) else part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # the first fault is the one to tell
            temporary.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.",
            allowed="a writable folder with free space",
            run=run,
        ) from error


@contextlib.contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """A folder to write into; in the end it stands in the place of `folder`, an earlier one replaced.

    Raises:
        StoreError: if it cannot be written; the earlier one is still there then.
    """
    try:
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        scratch.chmod(0o755)
        yield scratch
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}.", allowed="a writable folder with free space"
        ) from error


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_or_missing(path: Path) -> str:
    """The same; of a file that cannot be read, one that no file has."""
    try:
        return sha256_of(path)
    except OSError:
        return "missing"
