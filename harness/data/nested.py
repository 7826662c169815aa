"""Nested training subsets: each smaller one is part of each larger one, strata (labels) in proportion. Pure.

All subsets of one seed are beginnings of one order. Each label's first row comes before any second one,
so every label is kept while the size allows; after that the row that its label is most behind with comes
next (Webster's divisors), which unlike largest remainders never takes a row back when the size grows.
Rows of one cluster are not kept together: a subset stands for having labelled less, not fewer customers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from harness.core.records import Item
from harness.data.split import Stratum


def nested_order(items: Sequence[Item], seed: int, stratum: Stratum) -> tuple[Item, ...]:
    """The rows in the order in which a growing subset takes them."""
    rng = np.random.default_rng(seed)
    by_label: dict[str, list[int]] = defaultdict(list)
    for row in rng.permutation(len(items)).tolist():
        by_label[stratum(items[row])].append(row)
    place: dict[int, tuple[bool, float, str]] = {}
    for label, rows in by_label.items():
        for rank, row in enumerate(rows):
            place[row] = (rank > 0, (rank + 0.5) / len(rows), label)
    return tuple(items[row] for row in sorted(place, key=place.__getitem__))


def first_rows(ordered: Sequence[Item], size: int) -> tuple[Item, ...]:
    """The subset of `size` rows, sorted by id so that it does not depend on how it was drawn.

    Raises:
        ValueError: unless 1 <= size <= number of rows.
    """
    if not 1 <= size <= len(ordered):
        raise ValueError(f"size must lie within 1..{len(ordered)}, got {size}")
    return tuple(sorted(ordered[:size], key=lambda item: item.id))


def geometric_sizes(rows: int, labels: int, count: int) -> tuple[int, ...]:
    """`count` sizes up to all rows, each about twice the one before, none under twice the labels.

    Fewer where the rows do not allow so many different ones.
    """
    least = min(rows, max(2 * labels, 8))
    halved = {max(least, round(rows / 2**step)) for step in range(count)}
    if len(halved) == count:
        return tuple(sorted(halved))
    spread = {round(size) for size in np.geomspace(least, rows, count).tolist()}
    return tuple(sorted(spread))
