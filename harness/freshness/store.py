"""Drills on disk: of a plan in a folder of its own, and copied into the run whose report is to show it."""

from __future__ import annotations

import json
from pathlib import Path

from harness.bakeoff.run_folder import FRESHNESS, RunFolder
from harness.core.errors import StoreError
from harness.core.files import write_atomically
from harness.core.serial import decode, encode
from harness.freshness.records import FRESHNESS_SCHEMA, Drill


def write_drill(home: Path, drill: Drill) -> None:
    """Store what a drill found in a folder."""
    write_atomically(home / FRESHNESS, encode(drill, indent=1) + "\n")


def read_drill(path: Path) -> Drill:
    """A stored drill: `freshness.json`, or the folder of a drill or of a run that holds it.

    Raises:
        StoreError: if it is not there, damaged, or of another version.
    """
    file = path / FRESHNESS if path.is_dir() else path
    try:
        written = file.read_bytes()
        schema = json.loads(written).get("schema")
    except OSError as error:
        raise StoreError(
            f"{file} cannot be read: {error.strerror}.",
            allowed="the freshness.json of a drill, or its folder",
        ) from error
    except (ValueError, AttributeError) as error:
        raise StoreError(
            f"{file} holds no drill.", allowed="the freshness.json that a drill wrote"
        ) from error
    if schema != FRESHNESS_SCHEMA:
        raise StoreError(
            "This drill was written by another version.",
            got=f"schema {schema} in {file}",
            allowed=f"schema {FRESHNESS_SCHEMA}; the same drill makes it anew and asks nothing again",
        )
    return decode(Drill, written)


def drill_of(folder: RunFolder) -> Drill | None:
    """The drill that was stored with a run; None where none was.

    Raises:
        StoreError: as `read_drill`.
    """
    return read_drill(folder.root) if (folder.root / FRESHNESS).exists() else None
