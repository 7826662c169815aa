"""Top-n against a full sort, and reciprocal rank fusion by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.knowledge.fuse import reciprocal_rank_fusion, top


def test_fusion_by_hand() -> None:
    # Row 1: 1/61 + 1/62. Row 2: 1/62 + 1/61. Row 3: 1/63. Row 4: 1/63.
    fused = reciprocal_rank_fusion([[1, 2, 3], [2, 1, 4]])
    assert [row for row, _ in fused] == [1, 2, 3, 4]
    assert [score for _, score in fused] == pytest.approx([1 / 61 + 1 / 62] * 2 + [1 / 63] * 2)


def test_two_good_ranks_beat_one_first_rank() -> None:
    # Row 9 is third twice (2/63 = 0.0317), row 7 first once (1/61 = 0.0164).
    fused = dict(reciprocal_rank_fusion([[7, 1, 9], [2, 3, 9]]))
    assert fused[9] > fused[7]


def test_k_is_a_parameter() -> None:
    assert reciprocal_rank_fusion([[5]], k=0) == [(5, 1.0)]


def test_among_equal_scores_the_better_best_rank_then_the_earlier_row() -> None:
    # With k = 0: row 8 scores 1/2 by rank 2; row 9 scores 1/4 + 1/4 by rank 4 twice.
    fused = reciprocal_rank_fusion([[1, 8, 2, 9], [3, 4, 5, 9]], k=0)
    equal = [row for row, score in fused if score == 0.5]
    assert equal == [4, 8, 9]


def test_nothing_to_fuse() -> None:
    assert reciprocal_rank_fusion([]) == []
    assert reciprocal_rank_fusion([[], []]) == []


@given(st.lists(st.integers(-4, 4).map(float) | st.just(float("-inf")), max_size=40), st.integers(0, 45))
def test_top_is_a_stable_full_sort_without_the_hidden(values: list[float], n: int) -> None:
    expected = sorted(
        (row for row, v in enumerate(values) if v > float("-inf")), key=lambda row: -values[row]
    )
    assert top(np.array(values, dtype=np.float32), n).tolist() == expected[:n]
