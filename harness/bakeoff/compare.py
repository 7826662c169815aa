"""Arms against each other on the same items: the comparisons a verdict rests on.

The pair that the run was planned for has an interval at the plan's level, whatever else is run. All other
comparisons are looked at because the arms are there: together they miss no more often than the plan's alpha,
as each of m gets the level 1 - alpha / m (Bonferroni).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from advisor.stats.intervals import Interval
from advisor.stats.paired import PairedComparison, Relation, compare
from advisor.stats.power import Design, items_to_settle, minimum_detectable_difference
from advisor.stats.special import two_sided_z
from harness.bakeoff.quality import estimate
from harness.bakeoff.results import Comparison, MoreItems
from harness.bakeoff.scored import Scored
from harness.core.records import ArmId

Pair = tuple[ArmId, ArmId]

_LIKELY_LEVEL = 0.80  # of the interval of a difference that a range of further items comes from
_SETTLED = (Relation.BETTER, Relation.WORSE, Relation.EQUIVALENT)


def compare_arms(
    primary: Pair | None,
    others: Sequence[Pair],
    scored: Mapping[ArmId, Scored],
    margin: float,
    design: Design,
) -> tuple[Comparison, ...]:
    """The primary comparison and the others, first minus second.

    Args:
        design: the plan's power, and the level of the primary comparison.

    Raises:
        ValueError: if two arms were not scored on the same items.
    """
    shared = dataclasses.replace(design, level=1 - (1 - design.level) / max(1, len(others)))
    planned = () if primary is None else (_compared(primary, scored, margin, design),)
    return (*planned, *(_compared(pair, scored, margin, shared) for pair in others))


def _compared(pair: Pair, scored: Mapping[ArmId, Scored], margin: float, design: Design) -> Comparison:
    first, second = scored[pair[0]], scored[pair[1]]
    if [i.id for i in first.items] != [i.id for i in second.items]:
        raise ValueError(f"{pair[0]} and {pair[1]} were not scored on the same items")
    return compared(pair, (first.correct, second.correct), first.clusters, margin, design)


def compared(
    pair: Pair,
    correct: tuple[np.ndarray, np.ndarray],
    clusters: Sequence[str | None] | None,
    margin: float,
    design: Design,
) -> Comparison:
    """One comparison from both arms' correctness by item.

    Raises:
        ValueError: if the two have not as many items.
    """
    paired = compare(*correct, clusters=clusters, margin=margin, level=design.level)
    counts = paired.counts
    seen = _clustered(design, paired)
    likely = compare(*correct, clusters=clusters, margin=margin, level=_LIKELY_LEVEL).interval
    return Comparison(
        a=pair[0],
        b=pair[1],
        difference=estimate(
            "accuracy difference", paired.difference, paired.interval, counts.n, paired.interval_method
        ),
        only_a=counts.only_first,
        only_b=counts.only_second,
        p_value=paired.p_value,
        p_method=paired.test,
        relation=paired.relation,
        same_model=pair[0].model == pair[1].model,
        detectable=minimum_detectable_difference(counts.n, counts.discordance, seen)
        if counts.discordance > 0
        else None,
        more_items=_more_items(paired, likely if isinstance(likely, Interval) else None, seen),
    )


def _clustered(design: Design, paired: PairedComparison) -> Design:
    """The design with the variance inflation that clusters show, from the interval's width."""
    counts, interval = paired.counts, paired.interval
    spread = counts.discordance - (paired.difference or 0.0) ** 2
    if paired.units == counts.n or not isinstance(interval, Interval) or spread <= 0:
        return design
    seen = (interval.width / 2 / two_sided_z(interval.level)) ** 2
    return dataclasses.replace(design, design_effect=max(1.0, seen * counts.n / spread))


def _more_items(paired: PairedComparison, likely: Interval | None, design: Design) -> MoreItems:
    """How many evaluation items more would settle the difference, at the rates seen and near them."""
    counts, difference = paired.counts, paired.difference
    if paired.relation in _SETTLED:
        return MoreItems(likely=None, reason="settled")
    if difference is None or likely is None or counts.discordance == 0:
        return MoreItems(likely=None, reason="no item was seen on which only one of the two is right")

    def more(at: float) -> int:
        within = min(max(at, -counts.discordance), counts.discordance)
        return max(0, items_to_settle(within, counts.discordance, paired.margin, design) - counts.n)

    around = [more(at) for at in np.linspace(likely.low, likely.high, 41).tolist()]
    middle = max(1, more(difference))
    return MoreItems(likely=middle, low=min(middle, max(1, min(around))), high=max(middle, *around))
