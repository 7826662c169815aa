"""Exact search over unit vectors in float32: a matrix product in blocks, no approximation.

Scores are rounded to five decimals before they are ranked: a batched product and a single one differ
in the last bits, and a query must find the same rows either way.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.knowledge.fuse import Scores
from harness.models.base import Vectors

_BLOCK_BYTES = 64 * 2**20


class DenseIndex:
    """The vectors of the training rows, one a row, L2-normalised."""

    def __init__(self, vectors: Vectors) -> None:
        """Take an (n, d) array.

        Raises:
            ValueError: not two-dimensional, or not finite.
        """
        if vectors.ndim != 2:
            raise ValueError(f"vectors must be (n, d), got shape {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise ValueError("vectors hold a value that is not finite")
        self.vectors: Vectors = np.ascontiguousarray(vectors, dtype=np.float32)

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    @property
    def dimensions(self) -> int:
        """d, the length of a vector."""
        return int(self.vectors.shape[1])

    def scores(self, queries: Vectors) -> Iterator[Scores]:
        """The cosine of every row with each query in turn; at most 64 MiB of scores at a time."""
        block = max(1, _BLOCK_BYTES // (4 * max(1, len(self))))
        for start in range(0, len(queries), block):
            products = queries[start : start + block].astype(np.float32) @ self.vectors.T
            yield from np.round(products, 5)
