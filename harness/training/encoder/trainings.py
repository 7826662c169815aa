"""An encoder that learns labels (a head on one vector a text) or fields (a head over tags and picks).

The training of labels begins with the best linear head on the encoder's vectors as they are. A head of
random weights sends large, useless gradients into the encoder before it knows the labels, and spoils what
its vectors already tell apart (Kumar 2022, 2202.10054: linear probing first, then tuning). The head is
fitted with the training's own loss and a pull towards 0, on vectors scaled to a mean length of 1, so that
the pull means the same for every encoder.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.models.local.encoder import (
    BATCH_TOKENS,
    EncoderClassifier,
    EncoderTagger,
    by_length,
    classifier_of,
    parts,
    placed_tokens,
    pool,
    pooling_of,
    tagger_of,
)
from harness.tasks.tags import Marked
from harness.training.encoder.session import EncoderJob, EncoderSession, Say, TrainedEncoder, trained

_PULL = 1.0  # of the squared weights against a row's loss
_MOST_STEPS = 100


def fit_head(head: Any, vectors: Any, targets: Sequence[int], smoothing: float) -> None:
    """Fit a linear head to vectors; the same rows give the same head.

    Args:
        head: a `torch.nn.Linear`, whose weights are replaced.
        vectors: one row a text, fp32.
        smoothing: as in the training's loss.
    """
    import torch

    scale = vectors.norm(dim=1).mean().clamp(min=1e-6)
    scaled, truth = vectors / scale, torch.tensor(targets, device=vectors.device)
    weight = torch.zeros_like(head.weight, requires_grad=True)
    bias = torch.zeros_like(head.bias, requires_grad=True)
    steps = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_MOST_STEPS,
        line_search_fn="strong_wolfe",
        tolerance_change=1e-6,
        tolerance_grad=1e-5,
    )

    def loss() -> Any:
        steps.zero_grad()
        fit = torch.nn.functional.cross_entropy(scaled @ weight.T + bias, truth, label_smoothing=smoothing)
        value = fit + _PULL * weight.square().sum() / (2 * len(truth))
        value.backward()
        return value

    steps.step(loss)
    with torch.no_grad():
        head.weight.copy_(weight / scale)
        head.bias.copy_(bias)


_NEAR = 0.1  # temperature of the contrastive loss


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelJob(EncoderJob):
    """A training on labelled texts.

    Attributes:
        labels: the closed set; targets: the place in it of each text's label.
    """

    targets: tuple[int, ...]
    labels: tuple[str, ...]


def train_encoder(job: LabelJob, say: Say) -> TrainedEncoder[EncoderClassifier]:
    """Train, or go on with a training that was stopped.

    Raises:
        MissingExtra, ModelUnavailable: if a package or the encoder is not there.
        TrainingError: if memory does not suffice or the training diverges.
    """
    return trained(lambda: LabelSession(job), job, say)


class LabelSession(EncoderSession[EncoderClassifier]):
    """Passes over pairs of one label first, where the recipe says so, then over the labels."""

    def __init__(self, job: LabelJob) -> None:
        super().__init__(job, len(job.labels))
        self._taught = job
        self._pooling = pooling_of(job.base)
        self._head_begun = False

    def before_pass(self, number: int) -> None:
        """Begin with the best head there is, once the pairs are done."""
        recipe = self.job.recipe
        if number == recipe.warm_up_pairs and recipe.head_first and not self._head_begun:
            self._begin_head()

    def batches(self, number: int, shuffle: random.Random) -> Iterator[list[int]]:
        """Batches of like length, or of pairs while warming up."""
        if number < self.job.recipe.warm_up_pairs:
            return _pairs(self._taught.targets, self.job.recipe.batch_size, shuffle)
        return super().batches(number, shuffle)

    def loss(self, batch: Sequence[int], number: int) -> Any:
        """How far the batch's labels are from what the head says, or its pairs from each other."""
        import torch

        targets = torch.tensor([self._taught.targets[row] for row in batch], device=self.job.device)
        vectors = self._vectors(batch)
        if number < self.job.recipe.warm_up_pairs:
            return contrast(vectors, targets)
        return torch.nn.functional.cross_entropy(
            self.opened.head(vectors), targets, label_smoothing=self.job.recipe.smoothing
        )

    def finished(self) -> EncoderClassifier:
        """The classifier."""
        return classifier_of(self.ended(), pooling=self._pooling, labels=self._taught.labels)

    def _begin_head(self) -> None:
        """Fit the head to the vectors of all rows as they are now."""
        import torch

        vectors = torch.zeros(len(self.rows), self.opened.head.in_features, device=self.job.device)
        self.encoder.eval()
        with torch.no_grad():
            for batch in by_length(self.rows, BATCH_TOKENS):
                vectors[batch] = self._vectors(batch)
        fit_head(self.opened.head, vectors, self._taught.targets, self.job.recipe.smoothing)
        self._head_begun = True

    def _vectors(self, batch: Sequence[int]) -> Any:
        return pool(*self.states(batch), self._pooling)


def contrast(vectors: Any, targets: Any) -> Any:
    """Rows of one label near each other, others apart (supervised contrast, Khosla 2020, 2004.11362)."""
    import torch

    unit = torch.nn.functional.normalize(vectors, dim=1)
    near = unit @ unit.T / _NEAR
    itself = torch.eye(len(near), dtype=torch.bool, device=near.device)
    logs = torch.log_softmax(near.masked_fill(itself, float("-inf")), dim=1).masked_fill(itself, 0.0)
    same = (targets[:, None] == targets[None, :]) & ~itself
    counts = same.sum(1)
    there = counts > 0
    if not bool(there.any()):
        return vectors.sum() * 0.0
    return -((logs * same).sum(1)[there] / counts[there]).mean()


def _pairs(targets: Sequence[int], size: int, shuffle: random.Random) -> Iterator[list[int]]:
    """Every row once, in batches of pairs of one label; a label's odd row comes with what is left over."""
    by_label: dict[int, list[int]] = {}
    for row, label in enumerate(targets):
        by_label.setdefault(label, []).append(row)
    pairs: list[list[int]] = []
    single: list[int] = []
    for rows in by_label.values():
        shuffle.shuffle(rows)
        pairs += [rows[at : at + 2] for at in range(0, len(rows) - 1, 2)]
        single += rows[-1:] if len(rows) % 2 else []
    shuffle.shuffle(pairs)
    order = [row for pair in pairs for row in pair] + single
    yield from (order[at : at + size] for at in range(0, len(order), size))


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
