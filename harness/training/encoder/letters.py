"""Fits the letter groups beside an encoder, and chooses on dev how much they count."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.core.errors import needs
from harness.models.local.encoder import BUCKETS, Letters, counted, weighted

SHARES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
"""What the letters' margins may be multiplied by; the first is the encoder alone."""
_C = 1.0
_UNSEEN = -1.0  # the margin of a label without training rows: as far off as any other label's rows


def fit_letters(texts: Sequence[str], targets: Sequence[int], labels: int, seed: int) -> Letters:
    """A linear support vector machine a label, on the same rows as the encoder.

    Args:
        targets: the place of each text's label among so many labels.

    Raises:
        MissingExtra: without scikit-learn.
    """
    with needs("linear"):
        from sklearn.svm import LinearSVC
    counts = counted(texts)
    standing = np.bincount(counts.indices, minlength=BUCKETS)
    rarity = (np.log((1 + len(texts)) / (1 + standing)) + 1).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped before its last digit
        machine = LinearSVC(C=_C, random_state=seed).fit(weighted(counts, rarity), list(targets))
    found, offsets = machine.coef_.T, machine.intercept_
    if found.shape[1] == 1:  # of two labels the second's margin alone is kept
        found, offsets = np.hstack([-found, found]), np.concatenate([-offsets, offsets])
    weight = np.zeros((BUCKETS, labels), dtype=np.float16)
    bias = np.full(labels, _UNSEEN, dtype=np.float32)
    weight[:, machine.classes_] = found
    bias[machine.classes_] = offsets
    return Letters(weight=weight, bias=bias, rarity=rarity)


def times(letters: Letters, share: float) -> Letters:
    """Letters whose scores count so much."""
    by = np.float16(share)
    return replace(letters, weight=letters.weight * by, bias=letters.bias * np.float32(share))
