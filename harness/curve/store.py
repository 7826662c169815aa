"""Learning curves on disk: of a run in its folder, of a plan that was not run under its digest."""

from __future__ import annotations

from pathlib import Path

from harness.bakeoff.run_folder import write_atomically
from harness.core.errors import StoreError
from harness.core.serial import decode, encode
from harness.curve.records import LearningCurves

CURVES = "learning_curves.json"


def read_curves(home: Path) -> LearningCurves | None:
    """The learning curves stored in a folder of curves; None where there are none yet.

    Raises:
        StoreError: if they are damaged.
    """
    try:
        return decode(LearningCurves, (home / CURVES).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{home / CURVES} cannot be read: {error.strerror}.") from error


def write_curves(home: Path, curves: LearningCurves) -> None:
    """Store learning curves."""
    write_atomically(home / CURVES, encode(curves, indent=1) + "\n")
