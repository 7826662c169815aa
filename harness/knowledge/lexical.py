"""BM25 over the training texts, by bm25s (Lucene's variant), with a tokeniser that knows no language.

Deterministic: the vocabulary is numbered by first appearance and the scores are summed in query
order. Scripts written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) are cut into overlapping
pairs of characters. No stemming and no stop words, so that no language is favoured. Inflected forms meet on
the dense side; in passages of documents also by the beginnings of words, which stand beside the whole ones.
"""

from __future__ import annotations

import json
import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import needs
from harness.knowledge.fuse import Scores

Cut = Callable[[str], list[str]]
TOKENISER = "nfkc-casefold-words-1"
BEGINNINGS = "nfkc-casefold-words-beginnings-1"
"""Names `tokenise` and `words_and_beginnings`; a changed cut is a new name."""
BEGINNING = 5
"""Letters of a beginning: chosen on train and dev questions (docs/lab-log.md)."""
K1, B = 1.5, 0.75
"""bm25s's defaults; Lucene itself ships k1=1.2."""

_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PIECES = re.compile(rf"([{_UNSPACED}]+)|((?:(?![{_UNSPACED}])\w)+)")
_FILES = {"data": "data.npy", "indices": "indices.npy", "indptr": "indptr.npy"}


def tokenise(text: str) -> list[str]:
    """Cut a text into lower-case words; unspaced scripts into overlapping character pairs."""
    words: list[str] = []
    for unspaced, word in _PIECES.findall(unicodedata.normalize("NFKC", text).casefold()):
        if word:
            words.append(word)
        elif len(unspaced) == 1:
            words.append(unspaced)
        else:
            words.extend(unspaced[i : i + 2] for i in range(len(unspaced) - 1))
    return words


def words_and_beginnings(text: str) -> list[str]:
    """The words of `tokenise`, and behind each its first letters under a mark: 'booking' meets 'booked'."""
    return [one for word in tokenise(text) for one in (word, f"~{word[:BEGINNING]}")]


class LexicalIndex:
    """A BM25 index of texts, in their order."""

    def __init__(self, bm25: Any | None, vocabulary: dict[str, int], size: int, cut: Cut) -> None:
        self._bm25 = bm25
        self._vocabulary = vocabulary
        self._size = size
        self._cut = cut

    @classmethod
    def build(cls, texts: Iterable[str], cut: Cut = tokenise) -> LexicalIndex:
        """Index the texts.

        Args:
            cut: makes words of a text, and of a query.

        Raises:
            MissingExtra: bm25s is not installed.
        """
        vocabulary: dict[str, int] = {}
        ids = [
            array("i", (vocabulary.setdefault(word, len(vocabulary)) for word in cut(text))) for text in texts
        ]
        if not vocabulary:
            return cls(None, {}, len(ids), cut)
        bm25 = _new_bm25()
        bm25.index((ids, dict(vocabulary)), create_empty_token=False, show_progress=False)
        return cls(bm25, vocabulary, len(ids), cut)

    def __len__(self) -> int:
        return self._size

    def scores(self, text: str) -> Scores:
        """The BM25 score of every row for a query; `-inf` where no word is shared.

        A word that stands twice in the query counts twice.
        """
        known = [self._vocabulary[word] for word in self._cut(text) if word in self._vocabulary]
        if self._bm25 is None or not known:
            return np.full(self._size, -np.inf, dtype=np.float32)
        scores: Scores = self._bm25.get_scores_from_ids(known)
        return np.where(scores > 0, scores, -np.inf).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the index into a folder as JSON and plain arrays, without pickles."""
        folder.mkdir(parents=True, exist_ok=True)
        words = json.dumps({"size": self._size, "words": list(self._vocabulary)}, ensure_ascii=True)
        (folder / "vocabulary.json").write_text(words, encoding="ascii")
        if self._bm25 is not None:
            for part, name in _FILES.items():
                np.save(folder / name, self._bm25.scores[part], allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, cut: Cut = tokenise) -> LexicalIndex:
        """Read an index that `save` wrote.

        Args:
            cut: what it was built with.

        Raises:
            MissingExtra: bm25s is not installed.
            OSError, ValueError: a file is missing or damaged.
        """
        stored = json.loads((folder / "vocabulary.json").read_text(encoding="ascii"))
        vocabulary = {word: i for i, word in enumerate(stored["words"])}
        if not vocabulary:
            return cls(None, {}, int(stored["size"]), cut)
        bm25 = _new_bm25()
        arrays = {part: np.load(folder / name, allow_pickle=False) for part, name in _FILES.items()}
        bm25.scores = {**arrays, "num_docs": int(stored["size"])}
        # Lucene's variant scores a word that does not occur as 0, so there is no such array.
        bm25.nonoccurrence_array = None
        return cls(bm25, vocabulary, int(stored["size"]), cut)


def _new_bm25() -> Any:
    with needs("retrieve"):
        import bm25s
    return bm25s.BM25(k1=K1, b=B, method="lucene", backend="numpy", csc_backend="numpy")
