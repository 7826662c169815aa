"""What stands twice: clusters of near-duplicates, test rows that stand in train, shared 8-grams. Pure.

Near-duplicates by MinHash and locality-sensitive hashing, confirmed by exact Jaccard similarity.

Pure and deterministic. A text is the set of its character 5-grams, case-folded and with blanks normalised;
of a very long one its beginning and its end. Candidates share one of 27 bands of 5 MinHash rows; a pair of
true similarity s is found with probability 1 - (1 - s^5)^27 (Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", 3rd ed., section 3.4): 0.99998 at 0.8, more above, and 0.06 at 0.3, where most pairs of a
language lie. A byte of each MinHash is kept to leave out candidates that cannot reach the threshold; what is
left is compared exactly, so there are no false pairs. Work and memory grow with the number of texts: what is
kept of a text is 351 bytes, whatever its length.

What many rows hold word for word: signatures, footers, templates. Pure.

A run of five words that stands in one of twenty texts (and in ten at least) is boilerplate. Without it two
messages are compared by what their writers wrote, and a shared footer does not tie all rows together. A text
of which too little is left is compared whole, so copies of one message stay copies, however many they are.
Words are runs of letters and digits, case-folded; of scripts without blanks each character is one.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.records import Item
from harness.data.rows import RowGroups

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


RUN_WORDS = 5
SHARE, LEAST_ROWS = 0.05, 10
OWN_WORDS, OWN_LETTERS = 3, 10
"""What a text must keep to be compared without its boilerplate; words with digits in them do not count."""

_BLOCK = 512
_SHOWN_CHARS = 80
_WORDS = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]|[^\W\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+"
)
_COUNTERS = 1 << 22

Buckets = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """The run of words that most rows share, and how many rows hold boilerplate at all."""

    text: str
    rows: int


def without_boilerplate(texts: Sequence[str]) -> tuple[list[str], Phrase | None]:
    """The texts as they are to be compared, and what was taken off; None where nothing was."""
    least = max(LEAST_ROWS, int(np.ceil(SHARE * len(texts))))
    if len(texts) < least:
        return list(texts), None
    counts = np.zeros(_COUNTERS, dtype=np.uint32)
    for block in _text_blocks(texts):
        buckets, texts_with = block.distinct()
        counts[buckets] += texts_with
    if counts.max() < least:
        return list(texts), None
    found, rows, phrases = list(texts), 0, Counter[str]()
    frequent = counts >= least
    for block in _text_blocks(texts):
        for place, covered in block.covered(frequent):
            rows += 1
            own, taken = _split(texts[place][:LONGEST], covered)
            phrases.update(taken[:_SHOWN_CHARS] for taken in taken[:3])
            if _is_enough(own):
                found[place] = own + texts[place][LONGEST:]
    if not phrases:
        return found, None
    text = max(phrases, key=lambda phrase: (phrases[phrase], len(phrase), phrase))
    return found, Phrase(text=text, rows=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Some texts as runs of words: for each run its counter, and of which text it is.

    Attributes:
        first: the place of the first text.
        words: how many each text has.
    """

    first: int
    words: NDArray[np.int64]
    buckets: Buckets
    owners: NDArray[np.int64]

    def distinct(self) -> tuple[Buckets, NDArray[np.uint32]]:
        """The counters of all runs, and in how many texts each stands."""
        once_a_text = np.unique(self.owners * _COUNTERS + self.buckets) % _COUNTERS
        buckets, texts = np.unique(once_a_text, return_counts=True)
        return buckets, texts.astype(np.uint32)

    def covered(self, frequent: NDArray[np.bool_]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """The places of texts with boilerplate, and which of their words are."""
        hits = frequent[self.buckets]
        for owner in np.unique(self.owners[hits]).tolist():
            own = hits[self.owners == owner]
            covered = np.zeros(int(self.words[owner]), dtype=bool)
            for back in range(RUN_WORDS):
                covered[back : back + own.size] |= own
            yield self.first + owner, covered


def _text_blocks(texts: Sequence[str]) -> Iterator[_Block]:
    for first in range(0, len(texts), _BLOCK):
        spelled = [
            [
                zlib.crc32(word.encode("utf-8", "surrogatepass"))
                for word in _WORDS.findall(text[:LONGEST].casefold())
            ]
            for text in texts[first : first + _BLOCK]
        ]
        words = np.array([len(one) for one in spelled], dtype=np.int64)
        hashed = _run_hashes([code for one in spelled for code in one], RUN_WORDS)
        runs = hashed.size
        if not runs:
            continue
        owner = np.repeat(np.arange(len(words)), words)
        whole = owner[:runs] == owner[RUN_WORDS - 1 :]
        buckets = (hashed & np.uint64(_COUNTERS - 1)).astype(np.int64)
        yield _Block(first=first, words=words, buckets=buckets[whole], owners=owner[:runs][whole])


def _run_hashes(codes: Sequence[int], words: int) -> Hashes:
    """A hash of each run of so many words, by the words' codes."""
    line = np.array(codes, dtype=np.uint64)
    hashed = np.zeros(max(0, line.size - words + 1), dtype=np.uint64)
    for offset in range(words if hashed.size else 0):
        hashed = (hashed + line[offset : offset + hashed.size]) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    return hashed


def _split(text: str, covered: NDArray[np.bool_]) -> tuple[str, list[str]]:
    """What of a text is its own, and the runs that are boilerplate."""
    own, taken, end = [], list[str](), 0
    spans = [match.span() for match in _WORDS.finditer(text)]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], covered, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2).tolist():
        if stop > len(spans):  # case-folding made other words of the text than it has
            break
        begin, finish = spans[start][0], spans[stop - 1][1]
        own.append(text[end:begin])
        taken.append(" ".join(text[begin:finish].split()))
        end = finish
    return " ".join([*own, text[end:]]), taken


def _is_enough(text: str) -> bool:
    words = [word for word in _WORDS.findall(text) if word.isalpha()]
    return len(words) >= OWN_WORDS and sum(map(len, words)) >= OWN_LETTERS


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
        runs.append(np.unique(_run_hashes(codes, words)))
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
