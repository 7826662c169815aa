"""Compute the frozen lower layers of a model once a row, before training, and keep what they give.

While adapters sit on the upper layers only, the lower ones see the same rows in every epoch and give
the same hidden states. They are computed once, in a fixed order (by length, then as given), so that a
training gone on after a kill works with bit-identical states. The mathematics is unchanged: rows are
right-padded and attention is causal, so a row's states depend neither on padding nor on its batch
(beyond rounding). What all rows begin with is computed and kept once (`shared_prefix`).

Applies to decoders whose layers lie in `layers`, are called in order and take and give hidden states,
as in the Llama family; `FrozenLayers.fits` tries it on one row rather than guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.training.fast import shared_prefix

MAX_BYTES = 3 * 2**30
_BATCH_TOKENS = 2048
_TOLERANCE = 1e-3


class FrozenLayers:
    """The `depth` lowest layers of a decoder, and what they gave for each row."""

    def __init__(self, decoder: Any, depth: int, prefix: Sequence[int] = ()) -> None:
        """
        Args:
            decoder: the bare decoder, whose forward takes `input_ids` or `inputs_embeds`.
            depth: how many layers are frozen; 0 keeps nothing.
            prefix: what all rows begin with, if it is to be computed once.
        """
        self.decoder = decoder
        self.depth = depth
        self.prefix = tuple(prefix)
        self._kept: dict[tuple[int, ...], Any] = {}
        self._prefix_states: Any = None

    def __len__(self) -> int:
        return len(self._kept)

    def fits(self, row: Sequence[int], rows: Sequence[Sequence[int]], max_bytes: int = MAX_BYTES) -> bool:
        """Whether skipping the trunk gives what the whole decoder gives, and all rows fit in memory."""
        import torch

        width = self.decoder.config.hidden_size
        size = sum(len(one) for one in rows) * width * self.decoder.embed_tokens.weight.element_size()
        if self.depth <= 0 or size > max_bytes:
            return False
        dropout = float(getattr(self.decoder.config, "attention_dropout", 0.0) or 0.0)
        if dropout or not hasattr(self.decoder, "layers") or len(self.decoder.layers) <= self.depth:
            return False
        with torch.no_grad():
            whole = _whole(self.decoder, torch.tensor([list(row)], device=self._device()))
            self.keep([row])
            with self.skipped():
                upper = self.upper(self.states([row], len(row)))
        return bool((whole - upper).abs().max() <= _TOLERANCE * whole.abs().max())

    def keep(self, rows: Sequence[Sequence[int]]) -> None:
        """Compute and keep the states of rows of token ids."""
        wanted, p = {tuple(row) for row in rows} - self._kept.keys(), len(self.prefix)
        ordered = sorted(wanted, key=lambda row: (-len(row), row))
        while ordered:
            count = max(1, _BATCH_TOKENS // (len(ordered[0]) - p))
            part, ordered = ordered[:count], ordered[count:]
            states = self._compute(part)
            for row, state in zip(part, states, strict=True):
                self._kept[row] = state[: len(row) - p].clone()

    def states(self, rows: Sequence[Sequence[int]], length: int) -> Any:
        """Kept states behind the prefix, (rows, length - p, width), zero where a row is shorter."""
        import torch

        first, p = self._kept[tuple(rows[0])], len(self.prefix)
        size = (len(rows), length - p, first.shape[-1])
        result = torch.zeros(size, dtype=first.dtype, device=first.device)
        for place, row in enumerate(rows):
            result[place, : len(row) - p] = self._kept[tuple(row)]
        return result

    def upper(self, states: Any) -> Any:
        """The decoder's last hidden state from kept states; only inside `skipped`.

        With a prefix it is one line, (1, p + rows * length, width), see `shared_prefix.forward`.
        """
        if self.prefix:
            return shared_prefix.forward(self.decoder, self._prefix_states, states)
        return self.decoder(inputs_embeds=states, use_cache=False).last_hidden_state

    @contextmanager
    def skipped(self) -> Iterator[None]:
        """Within the block the decoder's lower layers hand on what they are given."""
        lower = [self.decoder.layers[i] for i in range(self.depth)]
        for layer in lower:
            layer.forward = _pass_on
        try:
            yield
        finally:
            for layer in lower:
                del layer.forward  # uncovers the class's own

    def _compute(self, rows: Sequence[Sequence[int]]) -> Any:
        """States after the trunk, (rows, tokens, width); the layers above it are not run."""
        import torch

        p = len(self.prefix)
        length = -(-max(len(row) for row in rows) // 16) * 16
        ids = torch.tensor([[*row, *([0] * (length - len(row)))] for row in rows], device=self._device())
        above = self.decoder.layers[self.depth]
        hook = above.register_forward_pre_hook(_stop, with_kwargs=True)
        try:
            with torch.no_grad():
                if p:
                    shared_prefix.forward(self.decoder, ids[0, :p], ids[:, p:])
                else:
                    _whole(self.decoder, ids)
        except _Reached as reached:
            if not p:
                return reached.states
            self._prefix_states = reached.states[0, :p].clone()
            return reached.states[0, p:].unflatten(0, (len(rows), length - p))
        finally:
            hook.remove()
        raise AssertionError("the decoder did not call its layers")

    def _device(self) -> Any:
        return self.decoder.embed_tokens.weight.device


class _Reached(Exception):
    """Carries the states out of a forward pass that need not go on."""

    def __init__(self, states: Any) -> None:
        super().__init__()
        self.states = states


def _stop(module: Any, args: Any, kwargs: Any) -> None:
    raise _Reached(args[0] if args else kwargs["hidden_states"])


def _whole(decoder: Any, ids: Any) -> Any:
    return decoder(input_ids=ids, use_cache=False).last_hidden_state


def _pass_on(hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
    return hidden_states
