"""Which first tokens of the answers must be looked below, so that the rest can be left out. Pure.

The end of a prompt gives the probability of every first token. No answer is more probable than its first
token, and all answers under one first token are together no more probable than it: P(first token) bounds
the mass of its branch. `to_open` says which branches to compute, most probable first, until what is left
out is together at most `EPS` of what was found and none of it could be the best.

With found mass Z, left-out mass U <= B and B <= EPS * Z, a found answer has probability P / (Z + U) and is
reported as P / (Z + B): too low by at most EPS of itself. A left-out answer has at most EPS. So every
reported probability is within EPS of the exact one, and the best answer is the exact best one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

EPS = 1e-3  # most probability that may be left out, as a share of what was found
# Before anything is found, the answers are taken to hold this share of their first tokens' mass, as they do
# in a tuned model; a smaller one opens more branches at once, a larger one needs a second round more often.
_GUESS = math.log(0.9)
_LEAD = math.log(2.0)  # the best must be twice any bound: far more than rounding


def log_sum(values: Sequence[float]) -> float:
    """log of the sum of exp(values); -inf of nothing."""
    top = max(values, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def to_open(
    bounds: Sequence[float], opened: Collection[int], found: Sequence[float], eps: float = EPS
) -> list[int]:
    """The branches to compute next, most probable first; empty when the bound holds.

    Everything is in log-probabilities, not normalised over the answers. Two rounds are always enough:
    what was found only grows.

    Args:
        bounds: of each branch, that of its first token.
        opened: branches computed already.
        found: of each answer below `opened`; empty before the first round.
        eps: 0 opens every branch that is possible at all.
    """
    total = log_sum(found) if opened else log_sum(bounds) + _GUESS
    most = total + (math.log(eps) if eps > 0 else -math.inf)
    lead = max(found, default=-math.inf) - _LEAD if opened else math.inf
    rest = sorted((i for i in range(len(bounds)) if i not in opened), key=lambda i: (bounds[i], -i))
    left, count = -math.inf, 0
    for branch in rest:
        left = log_sum((left, bounds[branch]))
        if left > most or bounds[branch] > lead:
            break
        count += 1
    return rest[count:][::-1]
