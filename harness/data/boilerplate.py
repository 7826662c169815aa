"""What many rows hold word for word: signatures, footers, templates. Pure.

A run of five words that stands in one of twenty texts (and in ten at least) is boilerplate. Without it two
messages are compared by what their writers wrote, and a shared footer does not tie all rows together. A text
of which too little is left is compared whole, so copies of one message stay copies, however many they are.
Words are runs of letters and digits, case-folded; of scripts without blanks each character is one.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RUN_WORDS = 5
SHARE, LEAST_ROWS = 0.05, 10
OWN_WORDS, OWN_LETTERS = 3, 10
"""What a text must keep to be compared without its boilerplate; words with digits in them do not count."""

_LONGEST = 8_000  # characters of a text that are looked at
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
    for block in _blocks(texts):
        buckets, texts_with = block.distinct()
        counts[buckets] += texts_with
    if counts.max() < least:
        return list(texts), None
    found, rows, phrases = list(texts), 0, Counter[str]()
    frequent = counts >= least
    for block in _blocks(texts):
        for place, covered in block.covered(frequent):
            rows += 1
            own, taken = _split(texts[place][:_LONGEST], covered)
            phrases.update(taken[:_SHOWN_CHARS] for taken in taken[:3])
            if _is_enough(own):
                found[place] = own + texts[place][_LONGEST:]
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


def _blocks(texts: Sequence[str]) -> Iterator[_Block]:
    for first in range(0, len(texts), _BLOCK):
        spelled = [
            [
                zlib.crc32(word.encode("utf-8", "surrogatepass"))
                for word in _WORDS.findall(text[:_LONGEST].casefold())
            ]
            for text in texts[first : first + _BLOCK]
        ]
        words = np.array([len(one) for one in spelled], dtype=np.int64)
        line = np.array([code for one in spelled for code in one], dtype=np.uint64)
        runs = line.size - RUN_WORDS + 1
        if runs < 1:
            continue
        hashed = np.zeros(runs, dtype=np.uint64)
        for offset in range(RUN_WORDS):
            hashed = (hashed + line[offset : offset + runs]) * np.uint64(0x9E3779B97F4A7C15)
            hashed ^= hashed >> np.uint64(29)
        owner = np.repeat(np.arange(len(words)), words)
        whole = owner[:runs] == owner[RUN_WORDS - 1 :]
        buckets = (hashed & np.uint64(_COUNTERS - 1)).astype(np.int64)
        yield _Block(first=first, words=words, buckets=buckets[whole], owners=owner[:runs][whole])


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
