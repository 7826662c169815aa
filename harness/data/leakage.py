"""What stands twice: clusters of near-duplicates, test rows that stand in train, shared 8-grams. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.data.minhash import connected, normalise, similar_pairs
from harness.data.rows import RowGroups
from harness.records import Item

NEAR_DUPLICATE = 0.8
"""Jaccard similarity of character 5-grams from which two texts count as near-duplicates: of the
115 such pairs in Banking77's train, 113 carry the same label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A row and the row of an earlier split (train before dev before test) that is most like it.

    Attributes:
        kind: 'exact' when equal after case-folding and normalising blanks.
    """

    row_id: str
    earlier_id: str
    kind: Literal["exact", "near"]
    jaccard: float


def overlaps(
    splits: Mapping[str, Sequence[Item]], threshold: float = NEAR_DUPLICATE
) -> dict[tuple[str, str], tuple[Overlap, ...]]:
    """The rows of later splits that stand in earlier ones, exactly or nearly.

    Args:
        splits: in the order train, dev, test; any two names will do.

    Returns:
        (earlier split, later split) -> its overlapping rows, each with the nearest earlier row.
    """
    names = tuple(splits)
    rows = [(split, item) for split in names for item in splits[split]]
    texts, near = _near_texts([item for _, item in rows], threshold)
    first_in: dict[tuple[str, str], str] = {}
    for split, item in rows:
        first_in.setdefault((split, normalise(item.text)), item.id)
    found: dict[tuple[str, str], list[Overlap]] = defaultdict(list)
    for split, item in rows:
        text = normalise(item.text)
        for earlier in names[: names.index(split)] if text else ():
            same = first_in.get((earlier, text))
            if same is not None:
                found[earlier, split].append(
                    Overlap(row_id=item.id, earlier_id=same, kind="exact", jaccard=1.0)
                )
                continue
            others = ((first_in.get((earlier, texts[at])), similarity) for at, similarity in near[text])
            alike = [(similarity, own) for own, similarity in others if own is not None]
            if alike:
                similarity, own = max(alike, key=lambda pair: pair[0])
                found[earlier, split].append(
                    Overlap(row_id=item.id, earlier_id=own, kind="near", jaccard=similarity)
                )
    return {pair: tuple(listed) for pair, listed in found.items()}


def _near_texts(
    items: Sequence[Item], threshold: float
) -> tuple[list[str], dict[str, list[tuple[int, float]]]]:
    """The distinct texts, and for each the others near it as (position, similarity)."""
    texts = list(dict.fromkeys(normalise(item.text) for item in items))
    near: dict[str, list[tuple[int, float]]] = {text: [] for text in texts}
    for pair in similar_pairs(texts, threshold):
        near[texts[pair.first]].append((pair.second, pair.jaccard))
        near[texts[pair.second]].append((pair.first, pair.jaccard))
    return texts, near


def exact_overlap_ids(train: Sequence[Item], test: Sequence[Item]) -> frozenset[str]:
    """Ids of the test rows whose text stands in train, case-folded and with normalised blanks."""
    seen = {normalise(item.text) for item in train} - {""}
    return frozenset(item.id for item in test if normalise(item.text) in seen)


def cluster_rows(rows: Sequence[RowGroups], threshold: float = NEAR_DUPLICATE) -> list[Item]:
    """The items with their cluster set: rows tied by a group value or by near-duplicate texts.

    A cluster is named after its group value where it has exactly one, otherwise after its first row
    (`cluster-<id>`). A row tied to no other keeps the cluster it came with.
    """
    texts, near = _near_texts([row.item for row in rows], threshold)
    first_with: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for position, row in enumerate(rows):
        text = normalise(row.item.text)
        if text:
            pairs.append((first_with.setdefault(text, position), position))
    pairs += [(first_with[a], first_with[texts[b]]) for a in near for b, _ in near[a]]
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
