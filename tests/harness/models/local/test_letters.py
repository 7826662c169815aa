"""Letter groups beside an encoder: any text is counted, the same everywhere, and what is kept is checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import ModelUnavailable
from harness.models.local.encoder import (
    BUCKETS,
    LETTERS_FILE,
    counted,
    load_letters,
    save_letters,
    weighted,
)
from harness.training.encoder.letters import fit_letters, times

TEXTS = (
    "refund the double charge",
    "double refund",
    "cannot sign in",
    "sign in loops",
    "请求 счёт",
    "税 请求",
)
TARGETS = (0, 0, 1, 1, 2, 2)


def test_words_are_counted_by_their_groups_of_letters() -> None:
    one = counted(["Ab"])
    assert one.nnz == len({" a", "ab", "b ", " ab", "ab ", " ab "}) and set(one.data) == {1.0}
    assert (counted(["ab"]) != one).nnz == 0, "case does not count"
    assert counted(["ab ab"]).data.max() == pytest.approx(1 + np.log(2))
    assert counted(["a b"]).nnz > counted(["a"]).nnz + counted(["b"]).nnz, "a pair of words counts as well"


@pytest.mark.parametrize("text", ["", " \n", "\ud800 lone", "税" * 30_000, "a" * 100_000])
def test_any_text_is_read(text: str) -> None:
    scores = fit_letters(TEXTS, TARGETS, 3, 17).scores([text])
    assert scores.shape == (1, 3) and np.isfinite(scores).all()


def test_a_texts_counts_have_length_one() -> None:
    found = weighted(counted(["", *TEXTS]), np.ones(BUCKETS, dtype=np.float32))
    lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    assert lengths == pytest.approx([0.0, *[1.0] * len(TEXTS)], abs=1e-5)


def test_labels_in_any_script_are_told_apart_and_one_without_rows_is_never_first() -> None:
    letters = fit_letters(TEXTS, TARGETS, 4, 17)
    assert list(letters.scores(TEXTS).argmax(axis=1)) == list(TARGETS)
    assert times(letters, 2.0).scores(TEXTS) == pytest.approx(2 * letters.scores(TEXTS), rel=1e-2, abs=1e-3)
    alone = np.vstack([letters.scores([text]) for text in TEXTS])
    assert (letters.scores(TEXTS) == alone).all(), "batch-mates change nothing"


def test_two_labels_have_a_margin_each() -> None:
    scores = fit_letters(TEXTS[:4], TARGETS[:4], 2, 17).scores(TEXTS[:4])
    assert list(scores.argmax(axis=1)) == [0, 0, 1, 1] and scores[:, 0] == pytest.approx(-scores[:, 1])


def test_what_is_kept_scores_the_same_and_is_checked(tmp_path: Path) -> None:
    assert load_letters(tmp_path, 3) is None
    letters = fit_letters(TEXTS, TARGETS, 3, 17)
    save_letters(letters, tmp_path)
    kept = load_letters(tmp_path, 3)
    assert kept is not None and (kept.scores(TEXTS) == letters.scores(TEXTS)).all()
    with pytest.raises(ModelUnavailable, match="letter weights"):
        load_letters(tmp_path, 4)
    (tmp_path / LETTERS_FILE).write_bytes(b"nothing")
    with pytest.raises(ModelUnavailable, match="letter weights"):
        load_letters(tmp_path, 3)
