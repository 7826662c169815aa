"""How far two annotators agree: raw share and Cohen's kappa, each with an interval.

The standard error of kappa is the large-sample one of Fleiss, Cohen and Everitt (1969); with few doubly
labelled items (under about 50) it is rough, and the report should say how many there were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from advisor.stats.intervals import Interval, Unknown, wilson
from advisor.stats.special import two_sided_z


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of two annotators over `n` items.

    Attributes:
        raw: share of items with the same label; None without items.
        raw_interval: Wilson.
        kappa: chance-corrected agreement; None where it is not defined (a single label used).
        kappa_interval: normal, cut at 1.
    """

    n: int
    raw: float | None
    raw_interval: Interval | Unknown
    kappa: float | None
    kappa_interval: Interval | Unknown


def agreement(first: Sequence[str], second: Sequence[str], level: float = 0.95) -> Agreement:
    """Raw agreement and Cohen's kappa of two annotators on the same items.

    Raises:
        ValueError: if the annotators labelled different numbers of items.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} labels; pairs are needed")
    n = len(first)
    if n == 0:
        nothing = Unknown(reason="no item was labelled twice", needed=1)
        return Agreement(n=0, raw=None, raw_interval=nothing, kappa=None, kappa_interval=nothing)
    names = sorted({*first, *second})
    code = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for a, b in zip(first, second, strict=True):
        table[code[a], code[b]] += 1 / n
    raw = float(np.trace(table))
    kappa, interval = _kappa(table, n, level)
    return Agreement(
        n=n,
        raw=raw,
        raw_interval=wilson(round(raw * n), n, level),
        kappa=kappa,
        kappa_interval=interval,
    )


def _kappa(
    table: np.ndarray[tuple[int, int], np.dtype[np.float64]], n: int, level: float
) -> tuple[float | None, Interval | Unknown]:
    """Kappa and its interval from a table of shares (Fleiss, Cohen and Everitt 1969, eq. 13)."""
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    agree, chance = float(np.trace(table)), float(rows @ columns)
    if 1 - chance < 1e-12:
        return None, Unknown(reason="both annotators used a single label, so kappa is not defined")
    kappa = (agree - chance) / (1 - chance)
    both = rows[None, :] + columns[:, None]  # both[i, j] = columns[i] + rows[j]
    on_diagonal = float(np.sum(np.diag(table) * (1 - np.diag(both) * (1 - kappa)) ** 2))
    off = table * both**2
    off_diagonal = (1 - kappa) ** 2 * float(off.sum() - np.trace(off))
    variance = on_diagonal + off_diagonal - (kappa - chance * (1 - kappa)) ** 2
    error = math.sqrt(max(0.0, variance) / n) / (1 - chance)
    if n < 2 or error == 0:
        return kappa, Unknown(reason="perfect agreement or a single item: no spread to judge from")
    half = two_sided_z(level) * error
    return kappa, Interval(low=max(-1.0, kappa - half), high=min(1.0, kappa + half), level=level)
