"""What trainings without a label answered to it, on disk beside their run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.bakeoff.run_folder import UNSEEN, RunFolder
from harness.robustness.records import UnseenLabel, UnseenLabels


def write_unseen(folder: RunFolder, found: Mapping[str, Sequence[UnseenLabel]]) -> None:
    """Store what trainings without a label answered to it, by arm."""
    parts = tuple(UnseenLabels(arm=arm, labels=tuple(labels)) for arm, labels in sorted(found.items()))
    folder.write_part(UNSEEN, parts)


def unseen_of(folder: RunFolder) -> dict[str, tuple[UnseenLabel, ...]]:
    """By arm, what trainings without a label answered to it; empty where none was made."""
    return {found.arm: found.labels for found in folder.part(UNSEEN, tuple[UnseenLabels, ...]) or ()}
