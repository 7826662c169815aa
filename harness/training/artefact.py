"""The record that lies beside a tuned model's folder, and the digests that tie the two together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import StoreError
from harness.core.records import Artefact, Conversation
from harness.core.serial import decode, encode

_CHUNK = 1 << 20


def folder_digest(folder: Path) -> str:
    """Sha256 (hex) over the files of a folder, in the order of their relative paths.

    Each file enters with its path, its size and its bytes.

    Raises:
        StoreError: if the folder is missing or cannot be read.
    """
    if not folder.is_dir():
        raise StoreError("The tuned model's folder is missing.", got=str(folder), run="harness resume")
    total = hashlib.sha256()
    try:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            total.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    total.update(chunk)
    except OSError as error:
        raise StoreError(f"The tuned model cannot be read: {error.strerror}.", got=str(folder)) from error
    return total.hexdigest()


def conversations_digest(conversations: Sequence[Conversation]) -> str:
    """Sha256 (hex) of training rows in order: ids, messages and answers."""
    rows = [[c.item_id, [[m.role, m.content] for m in c.prompt], c.completion] for c in conversations]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def write_record(artefact: Artefact, path: Path) -> None:
    """Write the record whole or not at all.

    Raises:
        StoreError: if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(encode(artefact, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.",
            allowed="a writable folder with free space",
            run="harness resume",
        ) from error


def read_record(path: Path) -> Artefact | None:
    """The stored record, None where there is none or it is of another version."""
    try:
        return decode(Artefact, path.read_bytes())
    except (FileNotFoundError, StoreError):
        return None
