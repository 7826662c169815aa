"""Files that are written whole or not at all, folders that can be made or say why not, and digests."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from harness.core.errors import StoreError


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they are not there.

    Raises:
        StoreError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be made: {error.strerror}.",
            allowed="a writable folder with free space",
            run="set TOR_RUNS_DIR or --runs to another folder",
        ) from error


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        StoreError: if the disk is full or the folder is read-only.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.",
            allowed="a writable folder with free space",
            run="harness resume   # once that is mended; nothing already computed is lost",
        ) from error


def sha256_of(path: Path) -> str:
    """The sha256 of a file; of one that cannot be read, one that no file has."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"
