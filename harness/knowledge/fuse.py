"""From scores to rankings, and from rankings to one: top-n with stable ties and reciprocal rank fusion.

Pure. Ties always go to the row that stands earlier in the index, so that two runs agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Ranking = NDArray[np.int64]

RRF_K = 60
"""The constant of Cormack, Clarke and Buettcher (SIGIR 2009), who found 60 good across collections."""


def top(scores: Scores, n: int) -> Ranking:
    """Positions of the n highest finite scores, best first; equal scores keep the row order.

    Rows scored `-inf` are never returned, so fewer than n may come back.
    """
    if n <= 0 or scores.size == 0:
        return np.empty(0, dtype=np.int64)
    if n < scores.size:
        threshold = np.partition(scores, scores.size - n)[scores.size - n]
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(scores.size)
    candidates = candidates[scores[candidates] > -np.inf]
    order = np.argsort(-scores[candidates], kind="stable")[:n]
    return candidates[order].astype(np.int64)


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[int] | Ranking], k: int = RRF_K
) -> list[tuple[int, float]]:
    """Fuse rankings: a row's score is the sum of 1 / (k + rank) over the rankings that hold it.

    Source: Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods", SIGIR 2009. Ranks start at 1.

    Returns:
        (position, score), best first. Equal scores: better best rank first, then the earlier row.
    """
    score: dict[int, float] = {}
    best: dict[int, int] = {}
    for ranking in rankings:
        for rank, position in enumerate(ranking, start=1):
            at = int(position)
            score[at] = score.get(at, 0.0) + 1.0 / (k + rank)
            best[at] = min(rank, best.get(at, rank))
    return sorted(score.items(), key=lambda pair: (-pair[1], best[pair[0]], pair[0]))
