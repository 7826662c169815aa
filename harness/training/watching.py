"""Watch a training answer dev items: accuracy and a few sample answers at the end of each epoch.

The model is scored as it stands, whole and with its adapters unmerged, by the code that scores it later
(`tree_scoring`), so an answer can differ from the shipped model's by rounding only. Nothing is chosen here,
and the weights are the same bytes whether somebody watches or not (a test compares them).

What was seen at the end of each epoch: kept on disk, and the decision to stop early.

<work>/epochs.json     the notes so far; a training gone on after a kill drops those after its checkpoint
<work>/best-<step>/    the adapter at the best epoch so far; the last two are kept, since a kill may
                       fall between a new best and its checkpoint
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import on_disk
from harness.core.files import write_atomically
from harness.core.records import Conversation, EpochNote
from harness.core.serial import decode, encode
from harness.core.wording import percent
from harness.models.local.rendering import Renderer

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
        with on_disk(
            "The notes of the training cannot be written",
            got=str(self._work),
            allowed="a writable folder with free space",
        ):
            if self._patience is not None and best_note(self.notes) == note:
                self._keep(note.step, save)
            write_atomically(self._work / "epochs.json", encode(tuple(self.notes)))
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


_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DevWatch:
    """What to watch, and where to tell it.

    Attributes:
        choices: the labels in words.
        items: most dev rows that are answered, evenly drawn from them.
        samples: how many of these are shown.
        tell: takes whole lines, several an epoch.
    """

    choices: tuple[str, ...]
    items: int
    samples: int
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One dev row and the label the model gives, in words."""

    row: Conversation
    answer: str
    probability: float

    @property
    def correct(self) -> bool:
        """Whether it is the row's own label."""
        return self.answer == self.row.completion


def drawn(rows: Sequence[Conversation], count: int) -> list[Conversation]:
    """`count` rows evenly spread over all of them, in order."""
    if count >= len(rows):
        return list(rows)
    return [rows[(2 * place + 1) * len(rows) // (2 * count)] for place in range(count)]


def answer_rows(
    model: Any,
    renderer: Renderer,
    rows: Sequence[Conversation],
    choices: Sequence[str],
    codes: Sequence[str] = (),
) -> list[Answered]:
    """The model's answers to rows.

    Args:
        model: the causal language model under the adapters, computing all its layers.
        choices: the labels in words.
        codes: what the model says for each, where it says codes.
    """
    import torch

    said = list(codes or choices)
    ids = [renderer.completion_ids(answer)[: 1 if codes else None] for answer in said]
    found = []
    with _scoring(model, renderer) as score:
        for row in rows:
            logprobs = score(renderer.prompt_ids(row.prompt), ids)
            shares = torch.softmax(torch.tensor(logprobs), dim=0).tolist()
            best = max(range(len(choices)), key=lambda i: (shares[i], -i))
            found.append(Answered(row=row, answer=choices[best], probability=shares[best]))
    return found


def sample_lines(answered: Sequence[Answered], count: int) -> list[str]:
    """A few answers, one a line: what was asked, what was answered, what is right."""
    lines = []
    for one in answered[:count]:
        text = " ".join(one.row.prompt[-1].content.split())
        shown = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."
        verdict = "right" if one.correct else f"wrong, it is '{one.row.completion}'"
        lines.append(f"  '{shown}' -> '{one.answer}' ({percent(one.probability, 0)}): {verdict}")
    return lines


@contextmanager
def _scoring(
    model: Any, renderer: Renderer
) -> Iterator[Callable[[Sequence[int], Sequence[Sequence[int]]], list[float]]]:
    """A function from a prompt's and the answers' tokens to the answers' log-probabilities."""
    from harness.models.local.choice_tree import choice_tree
    from harness.models.local.tree_scoring import PlainScorer, probed_scorer

    ordinary = model.config._attn_implementation
    try:
        scorer = probed_scorer(model, renderer)

        def score(prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> list[float]:
            if scorer is None:
                plain: list[float] = PlainScorer(model).score(prompt, answers).tolist()
                return plain
            row: list[float] = scorer.score([prompt], choice_tree([tuple(a) for a in answers]), None)[
                0
            ].tolist()
            return row

        yield score
    finally:
        model.set_attn_implementation(ordinary)
