"""Answers written token by token: the likeliest token at each step, several answers at a time.

`TreeWriter` keeps keys and values of every answer in place, holds a prompt prefix that requests share once,
and reads the tokens that a schema forces in the pass of the token before them. `write_plainly` does the same
with ordinary passes of transformers, one answer at a time, for models that the passes of `tree_scoring`
cannot serve; tests hold both to `generate`.

Nothing is sampled, so no seed is needed. Other batch-mates change logits by rounding, which can turn a step
where two tokens are about equally likely.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from harness.models.local.held_tokens import HeldAnswer
from harness.models.local.tree_scoring import PackedLine, Parts, Prefix, TreePass, TreeScorer, Writing


@dataclass(slots=True, kw_only=True)
class WrittenAnswer:
    """An answer as far as it is written.

    Attributes:
        held: what may come next; None where anything may.
        most: tokens it may have.
        tokens: written so far, the end of turn included.
        passes: tokens that a pass of the model was spent on choosing.
        cut: it was ended by `most`.
    """

    held: HeldAnswer | None
    most: int
    tokens: list[int] = field(default_factory=list)
    passes: int = 0
    cut: bool = False
    ended: bool = False

    def take(self, token: int, ends: Collection[int]) -> list[int]:
        """Write a token and those that must follow it; returns what was written."""
        self.passes += 1
        forced = () if self.held is None or token in ends else self.held.take(token)
        room = self.most - len(self.tokens)
        new = [token, *forced][:room]
        self.tokens += new
        whole = len(new) == 1 + len(forced) and (token in ends or (self.held is not None and self.held.ended))
        self.ended = whole or len(self.tokens) >= self.most
        self.cut = self.ended and not whole
        return new

    def likeliest(self, logits: torch.Tensor) -> int:
        """The likeliest of the tokens that may come next."""
        if self.held is not None:
            allowed = torch.from_numpy(self.held.allowed()).to(logits.device)
            logits = logits.masked_fill(~allowed, -torch.inf)
        return int(logits.argmax())


class TreeWriter:
    """Writes answers with a causal language model of transformers (typed loosely, as the classes vary)."""

    def __init__(self, model: Any, scorer: TreeScorer, ends: Collection[int], budget: int) -> None:
        """
        Args:
            ends: tokens that end an answer.
            budget: most tokens of one pass, where a prompt alone is not longer.
        """
        self._model = model
        self._scorer = scorer
        self._ends = frozenset(ends)
        self._budget = budget

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def write(
        self, suffixes: Sequence[Sequence[int]], prefix: Prefix | None, answers: Sequence[WrittenAnswer]
    ) -> None:
        """Write all answers to their end.

        Args:
            suffixes: what follows the prefix in each prompt; at least one token each.
            answers: of the prompts, nothing written yet.
        """
        columns = _Columns(self._model, [len(one) for one in suffixes], max(one.most for one in answers))
        rows = list(answers)
        pending = [
            list(suffix) for suffix in suffixes
        ]  # to be read next in each row; nothing of one that ended
        while any(pending):
            for part in _parts([len(new) for new in pending], self._budget):
                logits = iter(self._step(pending[part], columns, part, prefix))
                for row in range(part.start, part.stop):
                    if pending[row]:
                        new = rows[row].take(rows[row].likeliest(next(logits)), self._ends)
                        pending[row] = [] if rows[row].ended else new
            left = [row for row, new in enumerate(pending) if new]
            if 2 * len(left) <= len(
                rows
            ):  # what ended costs little until then, and dropping it a copy of all
                rows, pending = [rows[row] for row in left], [pending[row] for row in left]
                columns.keep(left)

    def _step(
        self, pending: Sequence[Sequence[int]], columns: _Columns, part: slice, prefix: Prefix | None
    ) -> torch.Tensor:
        """(rows with new tokens, vocabulary) logits after the last of each row's new tokens."""
        device = self._model.device
        counts = torch.tensor([len(new) for new in pending], device=device)
        line = PackedLine.of(counts, self._scorer.multiple)
        flat = [token for new in pending for token in new]
        tokens = torch.tensor(flat + flat[:1] * (len(line.at) - len(flat)), device=device)
        writing = columns.next(part, counts, line, self._scorer.groups)
        positions = writing.columns + (len(prefix.ids) if prefix else 0)
        tree = TreePass(suffix=0, prefix=prefix.layers if prefix else None, writing=writing)
        hidden = self._scorer.hidden(tokens.unsqueeze(0), positions.unsqueeze(0), tree)
        logits: torch.Tensor = self._model.lm_head(hidden[0, counts.cumsum(0)[counts > 0] - 1]).float()
        return logits


def _parts(counts: Sequence[int], budget: int) -> list[slice]:
    """Neighbouring rows that are read together: their tokens are within the budget, or it is one row."""
    parts: list[slice] = []
    tokens = 0
    for row, count in enumerate(counts):
        joins = bool(parts) and (tokens == 0 or tokens + count <= budget)
        tokens = tokens + count if joins else count
        parts[-1:] = [slice(parts[-1].start, row + 1)] if joins else [*parts[-1:], slice(row, row + 1)]
    return parts


class _Columns:
    """Keys and values of the answers being written, each row's tokens from its first column on."""

    def __init__(self, model: Any, suffixes: Sequence[int], most: int) -> None:
        config, b = model.config, len(suffixes)
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (b, heads, max(suffixes) + most, size)
        self._layers: list[Parts] = [
            (model.lm_head.weight.new_zeros(shape), model.lm_head.weight.new_zeros(shape))
            for _ in range(config.num_hidden_layers)
        ]
        self._lengths = torch.zeros(b, dtype=torch.long, device=model.device)

    def next(self, part: slice, counts: torch.Tensor, line: PackedLine, groups: int) -> Writing:
        """Where so many more tokens of each row of a part stand, and what they see."""
        lengths = self._lengths[part]
        offsets = torch.arange(line.places, device=lengths.device)
        columns = lengths.unsqueeze(1) + offsets
        self._lengths[part] = lengths + counts
        width = int(self._lengths[part].max())
        unseen = torch.arange(width, device=lengths.device) > columns.unsqueeze(2)
        mask = torch.zeros(unseen.shape, dtype=self._layers[0][0].dtype, device=lengths.device)
        mask.masked_fill_(unseen, -torch.inf)
        return Writing(
            layers=[(k[part], v[part]) for k, v in self._layers],
            columns=columns.flatten()[line.at],
            mask=mask.unsqueeze(1).repeat(1, 1, groups, 1),
            line=line,
        )

    def keep(self, rows: Sequence[int]) -> None:
        """Drop the other rows."""
        kept = torch.tensor(list(rows), dtype=torch.long, device=self._lengths.device)
        self._layers = [(k[kept], v[kept]) for k, v in self._layers]
        self._lengths = self._lengths[kept]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def write_plainly(model: Any, prompt: Sequence[int], answer: WrittenAnswer, ends: Collection[int]) -> None:
    """Write one answer by ordinary passes."""
    cache, new = None, list(prompt)
    while not answer.ended:
        ids = torch.tensor([new], device=model.device)
        output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        new = answer.take(answer.likeliest(output.logits[0, -1].float()), ends)
