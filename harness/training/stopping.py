"""What was seen at the end of each epoch: kept on disk, and the decision to stop early.

<work>/epochs.json     the notes so far; a training gone on after a kill drops those after its checkpoint
<work>/best-<step>/    the adapter at the best epoch so far; the last two are kept, since a kill may
                       fall between a new best and its checkpoint
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.core.errors import StoreError
from harness.core.records import EpochNote
from harness.core.serial import decode, encode

_KEPT = 2


def best_note(notes: Sequence[EpochNote]) -> EpochNote | None:
    """The note with the lowest loss on dev, the earliest among equals; None where nothing was watched."""
    watched = [note for note in notes if note.dev_loss is not None]
    return min(watched, key=lambda note: (note.dev_loss, note.step)) if watched else None


def stops(notes: Sequence[EpochNote], patience: int | None) -> bool:
    """Whether `patience` epochs in a row have not lowered the loss on dev."""
    best = best_note(notes)
    if patience is None or best is None:
        return False
    return len([note for note in notes if note.step > best.step]) >= patience


class Epochs:
    """The notes of one training, stored as they come."""

    def __init__(self, work: Path, patience: int | None) -> None:
        self._work = work
        self._patience = patience
        self.notes: list[EpochNote] = []

    def go_on_from(self, step: int) -> None:
        """Take up the notes of a stopped training, as far as its checkpoint.

        Raises:
            StoreError: if the notes are damaged.
        """
        try:
            stored = decode(tuple[EpochNote, ...], (self._work / "epochs.json").read_bytes())
        except FileNotFoundError:
            stored = ()
        self.notes = [note for note in stored if note.step <= step]

    def has(self, step: int) -> bool:
        """Whether this step was looked at."""
        return any(note.step == step for note in self.notes)

    def add(self, note: EpochNote, save: Callable[[Path], None]) -> bool:
        """Keep a note, and the weights if they are the best so far; True when training is to stop.

        Args:
            save: writes the present adapter into a folder.

        Raises:
            StoreError: if it cannot be written.
        """
        self.notes.append(note)
        try:
            if self._patience is not None and best_note(self.notes) == note:
                self._keep(note.step, save)
            temporary = self._work / ".epochs.json.tmp"
            temporary.write_text(encode(tuple(self.notes)), encoding="utf-8")
            temporary.replace(self._work / "epochs.json")
        except OSError as error:
            raise StoreError(
                f"The notes of the training cannot be written: {error.strerror}.",
                got=str(self._work),
                allowed="a writable folder with free space",
            ) from error
        return self.stopped

    @property
    def stopped(self) -> bool:
        """Whether training is to stop after the last note."""
        return stops(self.notes, self._patience)

    @property
    def best(self) -> tuple[int, Path] | None:
        """Step and folder of the weights to keep; None where the last ones are kept."""
        best = best_note(self.notes)
        if self._patience is None or best is None:
            return None
        return best.step, self._folder(best.step)

    def _keep(self, step: int, save: Callable[[Path], None]) -> None:
        temporary = self._work / ".best.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        save(temporary)
        shutil.rmtree(self._folder(step), ignore_errors=True)
        temporary.rename(self._folder(step))
        found = sorted(self._work.glob("best-*"), key=lambda path: int(path.name.split("-")[1]))
        for old in found[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def _folder(self, step: int) -> Path:
        return self._work / f"best-{step}"
