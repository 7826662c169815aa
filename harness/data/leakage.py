"""What stands twice: clusters of near-duplicates, test rows that stand in train, shared 8-grams. Pure."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.records import Item
from harness.data.boilerplate import Phrase, without_boilerplate
from harness.data.minhash import LONGEST, connected, fingerprint, similar_pairs
from harness.data.rows import RowGroups

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Which rows are alike: equal as compared, or near.

    Attributes:
        texts: by row id the place of its text among the distinct ones; rows without text are not there.
        near: by place the others near it, as (place, similarity).
        boilerplate: what was left out when texts were compared.
    """

    texts: Mapping[str, int]
    near: Mapping[int, Sequence[tuple[int, float]]]
    boilerplate: Phrase | None


def likeness(items: Sequence[Item], threshold: float = NEAR_DUPLICATE) -> Likeness:
    """Compare all rows, without what many of them hold word for word."""
    whole: dict[bytes, int] = {}
    places = [whole.setdefault(fingerprint(item.text), len(whole)) for item in items]
    first = [""] * len(whole)
    for item, place in zip(items, places, strict=True):
        first[place] = first[place] or item.text
    stripped, boilerplate = without_boilerplate(first)
    distinct: dict[bytes, int] = {}
    alike = [distinct.setdefault(fingerprint(text), len(distinct)) for text in stripped]
    kept = [""] * len(distinct)
    for place, text in zip(alike, stripped, strict=True):
        kept[place] = kept[place] or text
    near: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for pair in similar_pairs(kept, threshold):
        near[pair.first].append((pair.second, pair.jaccard))
        near[pair.second].append((pair.first, pair.jaccard))
    texts = {item.id: alike[place] for item, place in zip(items, places, strict=True) if first[place].strip()}
    return Likeness(texts=texts, near=dict(near), boilerplate=boilerplate)


def overlaps(
    splits: Mapping[str, Sequence[Item]], like: Likeness | None = None
) -> dict[tuple[str, str], tuple[Overlap, ...]]:
    """The rows of later splits that stand in earlier ones, exactly or nearly.

    Args:
        splits: in the order train, dev, test; any two names will do.
        like: how their rows were compared, where that was done before.

    Returns:
        (earlier split, later split) -> its overlapping rows, each with the nearest earlier row.
    """
    names = tuple(splits)
    rows = [(split, item) for split in names for item in splits[split]]
    like = like or likeness([item for _, item in rows])
    exact: dict[tuple[str, bytes], str] = {}
    first_in: dict[tuple[str, int], str] = {}
    for split, item in rows:
        if item.id in like.texts:
            exact.setdefault((split, fingerprint(item.text)), item.id)
            first_in.setdefault((split, like.texts[item.id]), item.id)
    found: dict[tuple[str, str], list[Overlap]] = defaultdict(list)
    for split, item in rows:
        earlier_ones = names[: names.index(split)] if item.id in like.texts else ()
        text = fingerprint(item.text) if earlier_ones else b""
        for earlier in earlier_ones:
            same = exact.get((earlier, text))
            if same is not None:
                found[earlier, split].append(
                    Overlap(row_id=item.id, earlier_id=same, kind="exact", jaccard=1.0)
                )
                continue
            place = like.texts[item.id]
            others = (
                (first_in.get((earlier, at)), sim) for at, sim in ((place, 1.0), *like.near.get(place, ()))
            )
            alike = [(similarity, own) for own, similarity in others if own is not None]
            if alike:
                similarity, own = max(alike, key=lambda pair: pair[0])
                found[earlier, split].append(
                    Overlap(row_id=item.id, earlier_id=own, kind="near", jaccard=similarity)
                )
    return {pair: tuple(listed) for pair, listed in found.items()}


def exact_overlap_ids(train: Sequence[Item], test: Sequence[Item]) -> frozenset[str]:
    """Ids of the test rows whose text stands in train, case-folded and with normalised blanks."""
    seen = {fingerprint(item.text) for item in train} - {b""}
    return frozenset(item.id for item in test if fingerprint(item.text) in seen)


def cluster_rows(rows: Sequence[RowGroups], like: Likeness | None = None) -> list[Item]:
    """The items with their cluster set: rows tied by a group value or by near-duplicate texts.

    A cluster is named after its group value where it has exactly one, otherwise after its first row
    (`cluster-<id>`). A row tied to no other keeps the cluster it came with.
    """
    like = like or likeness([row.item for row in rows])
    first_with: dict[int, int] = {}
    pairs: list[tuple[int, int]] = []
    for position, row in enumerate(rows):
        text = like.texts.get(row.item.id)
        if text is not None:
            pairs.append((first_with.setdefault(text, position), position))
    pairs += [(first_with[a], first_with[b]) for a, near in like.near.items() for b, _ in near if a < b]
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
    runs: list[NDArray[np.uint64]] = []
    for item in items:
        codes = [
            zlib.crc32(word.encode("utf-8", "surrogatepass"))
            for word in re.findall(r"\w+", item.text[:LONGEST].casefold())
        ]
        line = np.array(codes, dtype=np.uint64)
        hashed = np.zeros(max(0, line.size - words + 1), dtype=np.uint64)
        for offset in range(words if hashed.size else 0):
            hashed = (hashed + line[offset : offset + hashed.size]) * np.uint64(0x9E3779B97F4A7C15)
            hashed ^= hashed >> np.uint64(29)
        runs.append(np.unique(hashed))
    if not runs:
        return frozenset()
    everything = np.concatenate(runs)
    everything.sort()
    twice = np.unique(everything[1:][everything[1:] == everything[:-1]])
    del everything
    return frozenset(
        item.id
        for item, run in zip(items, runs, strict=True)
        if twice.size
        and run.size
        and (twice[np.minimum(np.searchsorted(twice, run), twice.size - 1)] == run).any()
    )
