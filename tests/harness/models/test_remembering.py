"""Vectors that are kept: served again, bit by bit, and forgotten in the order of their last use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.models.base import Vectors
from harness.models.remembering import RememberingEmbedder
from tests.support.doubles import WordEmbedder


class Counting(WordEmbedder):
    """Counts the texts it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        """As the double does."""
        self.asked += len(texts)
        return super().embed(texts)


def test_what_an_index_holds_is_not_embedded_again() -> None:
    inner = Counting()
    kept = RememberingEmbedder(inner)
    stored = np.eye(2, dtype=np.float32)
    kept.keep(["a", "b"], stored)
    assert np.array_equal(kept.embed(["a", "b"]), stored) and inner.asked == 0
    kept.embed(["b", "a"])
    assert inner.asked == 2, "another batch is another one"


def test_single_texts_always_go_to_the_model() -> None:
    inner = Counting()
    kept = RememberingEmbedder(inner)
    kept.embed(["a"])
    kept.embed(["a"])
    assert inner.asked == 2, "what is timed must not come from memory"


def test_the_batch_used_longest_ago_is_forgotten() -> None:
    inner = Counting()
    kept = RememberingEmbedder(inner, size=2)
    for texts in (["a", "b"], ["c", "d"], ["a", "b"], ["e", "f"], ["a", "b"]):
        kept.embed(texts)
    assert inner.asked == 6
    kept.embed(["c", "d"])
    assert inner.asked == 8
