"""Near-duplicates by MinHash and locality-sensitive hashing, confirmed by exact Jaccard similarity.

Pure and deterministic. A text is the set of its character 5-grams, case-folded and with blanks
normalised (sets of 64-bit hashes). Candidates share one of 32 bands of 4 MinHash rows; a pair of true
similarity s is found with probability 1 - (1 - s^4)^32 (Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", 3rd ed., section 3.4): 0.99985 at 0.7, more above. Every candidate is then compared
exactly, so there are no false pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

SHINGLE_CHARS = 5
BANDS, ROWS_PER_BAND = 32, 4
MAX_BUCKET = 16
"""In a larger bucket each text only meets the `MAX_BUCKET` before and after it in a seeded shuffle. This
bounds the work where thousands of texts come from one template; some of their pairs are then left out,
though the texts still hang together."""

_SEED = 20_241_123
_BLOCK_SHINGLES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarPair:
    """Two texts by position, `first < second`, and their Jaccard similarity."""

    first: int
    second: int
    jaccard: float


def normalise(text: str) -> str:
    """Case-folded, with every run of blanks as one space: the form in which texts count as equal."""
    return " ".join(text.casefold().split())


def shingles(text: str, size: int = SHINGLE_CHARS) -> Hashes:
    """The sorted distinct hashes of a text's character n-grams; of the whole text when it is shorter."""
    raw = f" {normalise(text)} ".encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(raw, dtype=np.uint32).astype(np.uint64)
    if points.size <= 2:
        return np.empty(0, dtype=np.uint64)
    size = min(size, points.size)
    windows = points.size - size + 1
    hashes = np.zeros(windows, dtype=np.uint64)
    for offset in range(size):
        hashes = _mix(hashes + points[offset : offset + windows])
    return np.unique(hashes)


def jaccard(a: Hashes, b: Hashes) -> float:
    """Intersection over union of two sets of hashes; 0 when either is empty."""
    if a.size == 0 or b.size == 0:
        return 0.0
    shared = int(np.intersect1d(a, b, assume_unique=True).size)
    return shared / (a.size + b.size - shared)


def similar_pairs(texts: Sequence[str], threshold: float) -> list[SimilarPair]:
    """Pairs of texts with a Jaccard similarity of at least the threshold, in order of position.

    Texts without characters are in no pair. Meant for distinct texts: equal ones are better folded
    first, as `harness.data.leakage` does.

    Raises:
        ValueError: the threshold is not within (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be within (0, 1], got {threshold}")
    sets = [shingles(text) for text in texts]
    filled = [i for i, own in enumerate(sets) if own.size]
    if not filled:
        return []
    candidates = _candidates(_signatures([sets[i] for i in filled]))
    sizes = np.array([sets[i].size for i in filled], dtype=np.float64)
    ratio = np.minimum(sizes[candidates[:, 0]], sizes[candidates[:, 1]])
    ratio /= np.maximum(sizes[candidates[:, 0]], sizes[candidates[:, 1]])
    found = []
    for a, b in candidates[ratio >= threshold].tolist():
        similarity = jaccard(sets[filled[a]], sets[filled[b]])
        if similarity >= threshold:
            found.append(SimilarPair(first=filled[a], second=filled[b], jaccard=similarity))
    return found


def connected(size: int, pairs: Iterator[tuple[int, int]]) -> list[int]:
    """The connected components of a graph: for each position the smallest position it hangs with."""
    parent = list(range(size))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in pairs:
        first, second = sorted((root(a), root(b)))
        parent[second] = first
    return [root(node) for node in range(size)]


def _mix(values: Hashes) -> Hashes:
    """The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014), which scatters all 64 bits."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _signatures(sets: Sequence[Hashes]) -> Hashes:
    """MinHash signatures, (texts, bands * rows); blocks of texts bound the scratch memory."""
    permutations = BANDS * ROWS_PER_BAND
    salts = np.random.default_rng(_SEED).integers(1, 2**63, size=(2, permutations), dtype=np.uint64)
    odd = salts[0] | np.uint64(1)
    signatures = np.full((len(sets), permutations), np.iinfo(np.uint64).max, dtype=np.uint64)
    for start, stop in _blocks(sets):
        joined = np.concatenate(sets[start:stop])
        offsets = np.cumsum([0, *(own.size for own in sets[start : stop - 1])])
        for column in range(permutations):
            hashed = joined * odd[column] + salts[1][column]
            hashed ^= hashed >> np.uint64(32)
            hashed *= np.uint64(0x9E3779B97F4A7C15)
            signatures[start:stop, column] = np.minimum.reduceat(hashed, offsets)
    return signatures


def _blocks(sets: Sequence[Hashes]) -> Iterator[tuple[int, int]]:
    start, filled = 0, 0
    for position, own in enumerate(sets):
        if filled and filled + own.size > _BLOCK_SHINGLES:
            yield start, position
            start, filled = position, 0
        filled += own.size
    yield start, len(sets)


def _candidates(signatures: Hashes) -> NDArray[np.int64]:
    """Distinct pairs that agree in a whole band, as sorted rows (first, second)."""
    size = len(signatures)
    shuffled = np.random.default_rng(_SEED).permutation(size)
    codes = np.empty(0, dtype=np.int64)
    for band in range(BANDS):
        key = np.zeros(size, dtype=np.uint64)
        for column in range(band * ROWS_PER_BAND, (band + 1) * ROWS_PER_BAND):
            key = _mix(key ^ signatures[:, column])
        codes = np.union1d(codes, _pairs_of_equal(key, shuffled))
    return np.stack([codes // size, codes % size], axis=1)


def _pairs_of_equal(key: Hashes, shuffled: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of positions with equal keys, each coded as smaller * n + larger."""
    order = shuffled[np.argsort(key[shuffled], kind="stable")]
    ordered = key[order]
    found = [np.empty(0, dtype=np.int64)]
    for step in range(1, min(MAX_BUCKET, len(key) - 1) + 1):
        equal = np.flatnonzero(ordered[step:] == ordered[:-step])
        if equal.size == 0:
            break
        first, second = order[equal], order[equal + step]
        found.append(np.minimum(first, second) * len(key) + np.maximum(first, second))
    return np.concatenate(found)
