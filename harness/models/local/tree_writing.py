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
from harness.models.local.tree_scoring import Parts, Prefix, TreePass, TreeScorer, Writing


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

    def __init__(self, model: Any, scorer: TreeScorer, ends: Collection[int]) -> None:
        """
        Args:
            ends: tokens that end an answer.
        """
        self._model = model
        self._scorer = scorer
        self._ends = frozenset(ends)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def write(
        self, suffixes: Sequence[Sequence[int]], prefix: Prefix | None, answers: Sequence[WrittenAnswer]
    ) -> None:
        """Write all answers to their end.

        Args:
            suffixes: what follows the prefix in each prompt; at least one token each.
            answers: of the prompts, nothing written yet.
        """
        past = len(prefix.ids) if prefix else 0
        columns = _Columns(self._model, [len(one) for one in suffixes], max(one.most for one in answers))
        active = list(answers)
        pending = [list(suffix) for suffix in suffixes]
        while active:
            logits = self._step(pending, columns, prefix, past)
            pending = [
                one.take(one.likeliest(row), self._ends) for one, row in zip(active, logits, strict=True)
            ]
            left = [place for place, one in enumerate(active) if not one.ended]
            if len(left) < len(active):
                active, pending = [active[place] for place in left], [pending[place] for place in left]
                columns.keep(left)

    def _step(
        self, pending: Sequence[Sequence[int]], columns: _Columns, prefix: Prefix | None, past: int
    ) -> torch.Tensor:
        """(b, vocabulary) logits after the last of each row's new tokens."""
        device = self._model.device
        n = max(len(new) for new in pending)
        tokens = torch.tensor([[*new, *[0] * (n - len(new))] for new in pending], device=device)
        lengths = torch.tensor([len(new) for new in pending], device=device)
        positions = past + columns.lengths.unsqueeze(1) + torch.arange(n, device=device)
        writing = columns.next(lengths, n, self._scorer.groups)
        layers = prefix.layers if prefix else None
        hidden = self._scorer.hidden(tokens, positions, TreePass(suffix=0, prefix=layers, writing=writing))
        last = hidden[torch.arange(len(pending), device=device), lengths - 1]
        logits: torch.Tensor = self._model.lm_head(last).float()
        return logits


class _Columns:
    """Keys and values of the answers being written, each row's tokens from its first column on.

    Attributes:
        lengths: (b,) tokens of each row.
    """

    def __init__(self, model: Any, suffixes: Sequence[int], most: int) -> None:
        config, b = model.config, len(suffixes)
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (b, heads, max(suffixes) + most + 1, size)
        self._last = shape[2] - 1  # no row's token stands there, but places without one may
        self._layers: list[Parts] = [
            (model.lm_head.weight.new_zeros(shape), model.lm_head.weight.new_zeros(shape))
            for _ in range(config.num_hidden_layers)
        ]
        self.lengths = torch.zeros(b, dtype=torch.long, device=model.device)

    def next(self, lengths: torch.Tensor, n: int, groups: int) -> Writing:
        """Where n more tokens of each row stand, of which its first `lengths` are some, and what they see."""
        device = lengths.device
        columns = (self.lengths.unsqueeze(1) + torch.arange(n, device=device)).clamp(max=self._last)
        width = int(columns.max()) + 1
        unseen = torch.arange(width, device=device) > columns.unsqueeze(2)
        mask = torch.zeros(unseen.shape, dtype=self._layers[0][0].dtype, device=device)
        mask.masked_fill_(unseen, -torch.inf)
        self.lengths = self.lengths + lengths
        return Writing(layers=self._layers, columns=columns, mask=mask.unsqueeze(1).repeat(1, 1, groups, 1))

    def keep(self, rows: Sequence[int]) -> None:
        """Drop the other rows."""
        kept = torch.tensor(list(rows), dtype=torch.long, device=self.lengths.device)
        self._layers = [(k[kept], v[kept]) for k, v in self._layers]
        self.lengths = self.lengths[kept]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def write_plainly(model: Any, prompt: Sequence[int], answer: WrittenAnswer, ends: Collection[int]) -> None:
    """Write one answer by ordinary passes."""
    cache, new = None, list(prompt)
    while not answer.ended:
        ids = torch.tensor([new], device=model.device)
        output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        new = answer.take(answer.likeliest(output.logits[0, -1].float()), ends)
