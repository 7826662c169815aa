"""What a linear head reads beside an encoder's vector: groups of letters, counted in buckets.

An encoder knows the words of the languages it was trained on; names, codes and other languages reach it in
pieces. Groups of two to five letters within a word, and pairs of words, keep them. Each falls into one of
`BUCKETS` buckets by its CRC-32, is counted (1 + log), weighted by how rare the bucket is among the training
rows, and a text's counts are scaled to length 1. So no list of words is kept, and any text can be read.

<folder>/letters.safetensors    weight (BUCKETS x labels, fp16), bias, rarity
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import ModelUnavailable

LETTERS_FILE = "letters.safetensors"
BUCKETS = 1 << 16
READ_CHARS = 20_000
_SHORTEST, _LONGEST = 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """A linear head over counts of letter groups.

    Attributes:
        weight: fp16, a row a bucket and a column a label.
        bias: of each label.
        rarity: the weight of each bucket.
    """

    weight: NDArray[np.float16]
    bias: NDArray[np.float32]
    rarity: NDArray[np.float32]

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """A column a label, to be added to the scores of an encoder's head."""
        counts = weighted(counted(texts), self.rarity)
        found = np.empty((len(texts), len(self.bias)))
        for row in range(len(texts)):
            places = slice(counts.indptr[row], counts.indptr[row + 1])
            weights = self.weight[counts.indices[places]].astype(np.float64)
            found[row] = counts.data[places].astype(np.float64) @ weights + self.bias
        return found


def counted(texts: Sequence[str]) -> Any:
    """How often each bucket stands in each text, as 1 + log: a sparse matrix."""
    from scipy.sparse import csr_matrix

    starts, places, values = [0], [], []
    for text in texts:
        counts = Counter(zlib.crc32(group.encode()) % BUCKETS for group in _groups(text[:READ_CHARS]))
        for place in sorted(counts):
            places.append(place)
            values.append(counts[place])
        starts.append(len(places))
    data = 1.0 + np.log(np.asarray(values, dtype=np.float32))
    return csr_matrix((data, np.asarray(places, dtype=np.int32), starts), shape=(len(texts), BUCKETS))


def weighted(counts: Any, rarity: NDArray[np.float32]) -> Any:
    """Counts times rarity, each text scaled to length 1."""
    found = counts.copy()
    found.data = found.data * rarity[found.indices]
    lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    found.data = found.data / np.repeat(np.maximum(lengths, 1e-9), np.diff(found.indptr)).astype(np.float32)
    return found


def _groups(text: str) -> Iterator[str]:
    words = text.lower().encode("utf-8", "replace").decode("utf-8").split()  # lone surrogates have no bytes
    for word in words:
        framed = f" {word} "
        for length in range(_SHORTEST, min(_LONGEST, len(framed)) + 1):
            for start in range(len(framed) - length + 1):
                yield framed[start : start + length]
    for first, second in pairwise(words):
        yield f"{first}\0{second}"


def save_letters(letters: Letters, folder: Path) -> None:
    """Write them beside the encoder.

    Raises:
        OSError: if they cannot be written.
    """
    from safetensors.numpy import save_file

    tensors = {"weight": letters.weight, "bias": letters.bias, "rarity": letters.rarity}
    save_file(tensors, folder / LETTERS_FILE)


def load_letters(folder: Path, labels: int) -> Letters | None:
    """What `save_letters` wrote; None where an encoder has none.

    Raises:
        ModelUnavailable: if the file holds something else.
    """
    if not (folder / LETTERS_FILE).is_file():
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(folder / LETTERS_FILE)
        letters = Letters(weight=found["weight"], bias=found["bias"], rarity=found["rarity"])
        shapes = (letters.weight.shape, letters.bias.shape, letters.rarity.shape)
        if shapes != ((BUCKETS, labels), (labels,), (BUCKETS,)):
            raise ValueError(f"tensors of the shapes {shapes}, for {labels} labels")
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ModelUnavailable(
            "The encoder's letter weights cannot be read.", got=f"{folder / LETTERS_FILE}: {str(error)[:200]}"
        ) from error
    return letters
