"""Grouping prompts for batched passes. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def common_prefix(sequences: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all sequences begin with in common, leaving each at least one of its own."""
    if not sequences:
        return 0
    low, high = min(sequences), max(sequences)  # in lexicographic order these two differ first
    limit = min(len(sequence) for sequence in sequences) - 1
    count = 0
    while count < limit and low[count] == high[count]:
        count += 1
    return count


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices grouped by falling length; each group's count times its longest length is within `budget`.

    A single item over the budget is a group of its own. Ties keep the given order.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    groups: list[list[int]] = []
    for index in order:
        if groups and (len(groups[-1]) + 1) * lengths[groups[-1][0]] <= budget:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
