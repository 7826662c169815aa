"""Near-duplicates by MinHash and locality-sensitive hashing, confirmed by exact Jaccard similarity.

Pure and deterministic. A text is the set of its character 5-grams, case-folded and with blanks normalised;
of a very long one its beginning and its end. Candidates share one of 27 bands of 5 MinHash rows; a pair of
true similarity s is found with probability 1 - (1 - s^5)^27 (Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", 3rd ed., section 3.4): 0.99998 at 0.8, more above, and 0.06 at 0.3, where most pairs of a
language lie. A byte of each MinHash is kept to leave out candidates that cannot reach the threshold; what is
left is compared exactly, so there are no false pairs. Work and memory grow with the number of texts: what is
kept of a text is 351 bytes, whatever its length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

SHINGLE_CHARS = 5
BANDS, ROWS_PER_BAND = 27, 5
LONGEST = 8_000
"""Characters of a text that count; of a longer one the first two thirds of that and the last third."""
MAX_BUCKET = 8
"""In a larger bucket each text only meets the `MAX_BUCKET` before and after it in a seeded shuffle. This
bounds the work where thousands of texts come from one template; some of their pairs are then left out,
though the texts still hang together."""

_SEED = 20_241_123
_BLOCK_CHARS = 65_536
_UNLIKELY = 0.2  # six standard errors of a similarity of 0.8 that is estimated from 135 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarPair:
    """Two texts by position, `first < second`, and their Jaccard similarity."""

    first: int
    second: int
    jaccard: float


def normalise(text: str) -> str:
    """Case-folded, with every run of blanks as one space: the form in which texts count as equal."""
    return " ".join(text.casefold().split())


def fingerprint(text: str) -> bytes:
    """16 bytes that are the same for texts that count as equal; b'' for one without characters."""
    plain = normalise(text)
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest() if plain else b""


def compared(text: str) -> str:
    """What of a text is compared: it whole, or the beginning and the end of a very long one, normalised."""
    if len(text) > LONGEST:
        text = text[: 2 * LONGEST // 3] + " " + text[-LONGEST // 3 :]
    return normalise(text)


def shingles(text: str, size: int = SHINGLE_CHARS) -> Hashes:
    """The sorted distinct hashes of a text's character n-grams; of the whole text when it is shorter."""
    raw = f" {compared(text)} ".encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(raw, dtype=np.uint32).astype(np.uint64)
    if points.size <= 2:
        return np.empty(0, dtype=np.uint64)
    return np.unique(_windows(points, min(size, points.size)))


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
    filled = np.array([i for i, text in enumerate(texts) if text and not text.isspace()], dtype=np.int64)
    if filled.size == 0:
        return []

    @lru_cache(maxsize=4096)
    def grams(position: int) -> Hashes:
        return shingles(texts[position])

    found = []
    for a, b in filled[_candidates(*_sketches(texts, filled), threshold)].tolist():
        similarity = jaccard(grams(a), grams(b))
        if similarity >= threshold:
            found.append(SimilarPair(first=a, second=b, jaccard=similarity))
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


def _windows(points: Hashes, size: int) -> Hashes:
    """A hash of each run of `size` code points."""
    windows = points.size - size + 1
    hashes = np.zeros(windows, dtype=np.uint64)
    for offset in range(size):
        hashes = _mix(hashes + points[offset : offset + windows])
    return hashes


def _sketches(texts: Sequence[str], filled: NDArray[np.int64]) -> tuple[Hashes, NDArray[np.uint8]]:
    """Of each filled text a key a band, (bands, n), and a byte a MinHash, (n, bands * rows)."""
    width = BANDS * ROWS_PER_BAND
    odd = np.random.default_rng(_SEED).integers(1, 2**32, size=(2, width), dtype=np.uint32) | np.uint32(1)
    keys = np.zeros((BANDS, len(filled)), dtype=np.uint64)
    low = np.empty((len(filled), width), dtype=np.uint8)
    for start, grams, offsets in _blocks(texts, filled):
        stop = start + len(offsets)
        hashed = np.empty_like(grams)
        for column in range(width):
            np.multiply(grams, odd[0, column], out=hashed)
            hashed ^= hashed >> np.uint32(15)
            hashed *= odd[1, column]
            least = np.minimum.reduceat(hashed, offsets)
            low[start:stop, column] = _mix(least.astype(np.uint64)).astype(np.uint8)
            band = keys[column // ROWS_PER_BAND, start:stop]
            band[:] = _mix(band ^ least)
    return keys, low


def _blocks(
    texts: Sequence[str], filled: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.uint32], NDArray[np.int64]]]:
    """Texts by blocks: the first one's place among the filled, the grams of all, where each text's begin."""
    start, held, chars = 0, list[str](), 0
    for place, position in enumerate(filled.tolist()):
        held.append(f" {compared(texts[position])} ".ljust(SHINGLE_CHARS, "\0"))
        chars += len(held[-1])
        if chars >= _BLOCK_CHARS or place + 1 == len(filled):
            raw = np.frombuffer("".join(held).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
            ends = np.cumsum([len(text) for text in held])
            grams = _windows(raw.astype(np.uint64), SHINGLE_CHARS)
            inside = np.ones(grams.size, dtype=bool)  # no gram reaches from one text into the next
            for back in range(1, SHINGLE_CHARS):
                inside[ends[:-1] - back] = False
            counts = np.diff(ends, prepend=0) - (SHINGLE_CHARS - 1)
            yield start, (grams >> np.uint64(32)).astype(np.uint32)[inside], np.cumsum(counts) - counts
            start, held, chars = place + 1, [], 0


def _candidates(keys: Hashes, low: NDArray[np.uint8], threshold: float) -> NDArray[np.int64]:
    """Distinct pairs that agree in a whole band and may be similar enough, as sorted rows (first, second)."""
    size = len(low)
    shuffled = np.random.default_rng(_SEED).permutation(size)
    least = (threshold - _UNLIKELY) * low.shape[1]
    codes = np.empty(0, dtype=np.int64)
    for key in keys:
        fresh = [
            pairs[(low[pairs // size] == low[pairs % size]).sum(axis=1) >= least]
            for pairs in _pairs_of_equal(key, shuffled)
        ]
        codes = np.union1d(codes, np.concatenate([codes[:0], *fresh]))
    return np.stack([codes // size, codes % size], axis=1)


def _pairs_of_equal(key: Hashes, shuffled: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Pairs of positions with equal keys, each coded as smaller * n + larger, in pieces."""
    order = shuffled[np.argsort(key[shuffled], kind="stable")]
    ordered = key[order]
    for step in range(1, min(MAX_BUCKET, len(key) - 1) + 1):
        equal = np.flatnonzero(ordered[step:] == ordered[:-step])
        if equal.size == 0:
            break
        for piece in np.array_split(equal, equal.size // _BLOCK_CHARS + 1):
            first, second = order[piece], order[piece + step]
            yield np.minimum(first, second) * len(key) + np.maximum(first, second)
