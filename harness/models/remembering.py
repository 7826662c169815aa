"""An embedding model that keeps its last batches, so that two arms do not embed train twice.

Single texts always go to the model: the latency pass must not be served from memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from harness.models.base import EmbeddingModel, Vectors
from harness.records import ModelIdentity


class RememberingEmbedder:
    """Wraps an embedding model; keeps the vectors of the last `size` batches of two texts or more."""

    def __init__(self, inner: EmbeddingModel, size: int = 4) -> None:
        self._inner = inner
        self._size = size
        self._kept: OrderedDict[tuple[str, ...], Vectors] = OrderedDict()

    @property
    def identity(self) -> ModelIdentity:
        """The wrapped model's."""
        return self._inner.identity

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The wrapped model's vectors."""
        key = tuple(texts)
        if len(key) < 2:
            return self._inner.embed(key)
        if key not in self._kept:
            self._kept[key] = self._inner.embed(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def count_tokens(self, text: str) -> int:
        """The wrapped model's count."""
        return self._inner.count_tokens(text)
