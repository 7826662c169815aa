"""What stands twice: clusters of near-duplicates, test rows that stand in train, shared 8-grams. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.data.minhash import connected, normalise, similar_pairs
from harness.data.rows import RowGroups
from harness.records import Item

NEAR_DUPLICATE = 0.8
"""Jaccard similarity of character 5-grams from which two texts count as near-duplicates: on Banking77
the pairs just above it are rewordings of one or two words with the same meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A test row and the training row most like it.

    Attributes:
        kind: 'exact' when equal after case-folding and normalising blanks.
    """

    test_id: str
    train_id: str
    kind: Literal["exact", "near"]
    jaccard: float


def overlaps(
    train: Sequence[Item], test: Sequence[Item], threshold: float = NEAR_DUPLICATE
) -> tuple[Overlap, ...]:
    """The test rows that stand in train, exactly or nearly, each with its nearest training row."""
    rows = [*train, *test]
    best: dict[int, tuple[bool, float, int]] = {}
    for pair in similar_pairs([item.text for item in rows], threshold):
        if pair.first < len(train) <= pair.second:
            exact = normalise(rows[pair.first].text) == normalise(rows[pair.second].text)
            key = (exact, pair.jaccard, -pair.first)
            best[pair.second] = max(key, best.get(pair.second, key))
    return tuple(
        Overlap(
            test_id=rows[test_row].id,
            train_id=rows[-first].id,
            kind="exact" if exact else "near",
            jaccard=similarity,
        )
        for test_row, (exact, similarity, first) in sorted(best.items())
    )


def exact_overlap_ids(train: Sequence[Item], test: Sequence[Item]) -> frozenset[str]:
    """Ids of the test rows whose text stands in train, case-folded and with normalised blanks."""
    seen = {normalise(item.text) for item in train}
    return frozenset(item.id for item in test if normalise(item.text) in seen)


def cluster_rows(rows: Sequence[RowGroups], threshold: float = NEAR_DUPLICATE) -> list[Item]:
    """The items with their cluster set: rows tied by a group value or by near-duplicate texts.

    A cluster is named after its group value where it has exactly one, otherwise after its first row
    (`cluster-<id>`). A row tied to no other keeps the cluster it came with.
    """
    texts = [row.item.text for row in rows]
    pairs = [(pair.first, pair.second) for pair in similar_pairs(texts, threshold)]
    by_value: dict[tuple[int, str], int] = {}
    for position, row in enumerate(rows):
        for column, value in enumerate(row.groups):
            if value:
                pairs.append((by_value.setdefault((column, value), position), position))
    members: dict[int, list[int]] = defaultdict(list)
    for position, first in enumerate(connected(len(rows), iter(pairs))):
        members[first].append(position)
    items = [row.item for row in rows]
    for first, positions in members.items():
        if len(positions) > 1:
            own = {items[position].cluster for position in positions}
            only = own.pop() if len(own) == 1 else None
            name = only or f"cluster-{items[first].id}"
            for position in positions:
                items[position] = replace(items[position], cluster=name)
    return items


def shared_ngram_ids(items: Sequence[Item], words: int = 8) -> frozenset[str]:
    """Ids of the rows that share a run of `words` words with another row, case-folded.

    Words are runs of letters, digits and underscores. Their share of all rows tells text written row
    by row from text made of templates.
    """
    holder: dict[tuple[str, ...], str] = {}
    shared: set[str] = set()
    for item in items:
        found = re.findall(r"\w+", item.text.casefold())
        for gram in {tuple(found[i : i + words]) for i in range(len(found) - words + 1)}:
            other = holder.setdefault(gram, item.id)
            if other != item.id:
                shared.update((other, item.id))
    return frozenset(shared)
