"""An encoder that learns the fields that texts state: a head over tags of tokens and picks of whole texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.models.local.encoder import EncoderTagger, parts, placed_tokens, tagger_of
from harness.tasks.tags import Marked
from harness.training.encoder.session import EncoderJob, EncoderSession, Say, TrainedEncoder, trained

FIELD_TRAINER = "tagger-1"  # raised when a change makes the same recipe train something else
_ASIDE = -100  # what cross_entropy leaves out: tokens that stand nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldJob(EncoderJob):
    """A training on texts with their fields.

    Attributes:
        marks: what each text teaches.
        sizes: of the tags and of every pick, how many scores the head gives, that of nothing included.
    """

    marks: tuple[Marked, ...]
    sizes: tuple[int, ...]


def train_tagger(job: FieldJob, say: Say) -> TrainedEncoder[EncoderTagger]:
    """Train, or go on with a training that was stopped.

    Raises:
        MissingExtra, ModelUnavailable: if a package or the encoder is not there.
        TrainingError: if memory does not suffice or the training diverges.
    """
    return trained(lambda: FieldSession(job), job, say)


class FieldSession(EncoderSession[EncoderTagger]):
    """Every token is to bear its tag, every text its picks."""

    def __init__(self, job: FieldJob) -> None:
        super().__init__(job, sum(job.sizes))
        self._taught = job
        _, where = placed_tokens(self.opened, job.texts)
        self._tags = [_tags_of(tokens, marks) for tokens, marks in zip(where, job.marks, strict=True)]

    def loss(self, batch: Sequence[int], number: int) -> Any:
        """Of the tags over all tokens, and of each pick over all texts, one added to the other."""
        import torch

        smoothing, taught = self.job.recipe.smoothing, self._taught
        states, mask = self.states(batch)
        tags, *picks = parts(self.opened.head(states), mask, taught.sizes)
        longest = mask.shape[1]
        wanted = torch.tensor(
            [[*self._tags[row], *[_ASIDE] * (longest - len(self._tags[row]))] for row in batch],
            device=self.job.device,
        )
        loss = torch.nn.functional.cross_entropy(
            tags.flatten(0, 1), wanted.flatten(), ignore_index=_ASIDE, label_smoothing=smoothing
        )
        for place, pick in enumerate(picks):
            chosen = torch.tensor([taught.marks[row].picks[place] for row in batch], device=self.job.device)
            loss = loss + torch.nn.functional.cross_entropy(pick, chosen, label_smoothing=smoothing)
        return loss

    def finished(self) -> EncoderTagger:
        """The tagger."""
        return tagger_of(self.ended(), self._taught.sizes)


def _tags_of(tokens: Sequence[tuple[int, int]], marks: Marked) -> list[int]:
    """The tag of each token: 0 for none, else the place of its field from 1."""
    found = []
    for start, end in tokens:
        inside = (1 + place for span, place in marks.tags if start < span[1] and end > span[0])
        found.append(next(inside, 0) if end > start else _ASIDE)
    return found
