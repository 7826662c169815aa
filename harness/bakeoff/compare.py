"""Arms against each other on the same items: the comparisons a verdict rests on.

The pair that the run was planned for has an interval at the plan's level, whatever else is run. All other
comparisons are looked at because the arms are there: together they miss no more often than the plan's alpha,
as each of m gets the level 1 - alpha / m (Bonferroni).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advisor.stats.intervals import Floats, Interval
from advisor.stats.paired import PairedComparison, Relation, compare, compare_values
from advisor.stats.power import Design, items_to_settle, minimum_detectable_difference
from advisor.stats.special import two_sided_z
from harness.bakeoff.quality import estimate
from harness.bakeoff.results import Comparison, MoreItems
from harness.bakeoff.scored import Scored
from harness.core.records import ArmId

Pair = tuple[ArmId, ArmId]

_LIKELY_LEVEL = 0.80  # of the interval of a difference that a range of further items comes from
_SETTLED = (Relation.BETTER, Relation.WORSE, Relation.EQUIVALENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemValues:
    """How good an arm's answer to each item is, in the order of the ids.

    Attributes:
        values: 1 or 0 where an answer was seen; in between where it is only expected to be right so often.
    """

    ids: tuple[str, ...]
    values: Floats
    clusters: tuple[str | None, ...] | None = None

    @classmethod
    def of(cls, scored: Scored) -> ItemValues:
        """Of an arm that answered every item."""
        ids = tuple(item.id for item in scored.items)
        return cls(ids=ids, values=scored.correct.astype(np.float64), clusters=scored.clusters)


def compare_arms(
    primary: Pair | None,
    others: Sequence[Pair],
    scored: Mapping[ArmId, ItemValues],
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


def _compared(pair: Pair, scored: Mapping[ArmId, ItemValues], margin: float, design: Design) -> Comparison:
    first, second = scored[pair[0]], scored[pair[1]]
    if first.ids != second.ids:
        raise ValueError(f"{pair[0]} and {pair[1]} were not scored on the same items")
    return compared(pair, (first.values, second.values), first.clusters, margin, design)


def compared(
    pair: Pair,
    values: tuple[Floats, Floats],
    clusters: Sequence[str | None] | None,
    margin: float,
    design: Design,
) -> Comparison:
    """One comparison from both arms' correctness, or expected correctness, by item.

    Raises:
        ValueError: if the two have not as many items.
    """
    paired = _paired(values, clusters, margin, design.level)
    counts = paired.counts
    seen = _clustered(design, paired)
    likely = _paired(values, clusters, margin, _LIKELY_LEVEL).interval
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
        detectable=minimum_detectable_difference(counts.n, paired.discordance, seen)
        if paired.discordance > 0
        else None,
        more_items=_more_items(paired, likely if isinstance(likely, Interval) else None, seen),
    )


def _paired(
    values: tuple[Floats, Floats], clusters: Sequence[str | None] | None, margin: float, level: float
) -> PairedComparison:
    """Answers that were seen by their own statistic, expected ones by means."""
    if all(np.isin(one, (0.0, 1.0)).all() for one in values):
        first, second = (np.asarray(one, dtype=bool) for one in values)
        return compare(first, second, clusters=clusters, margin=margin, level=level)
    return compare_values(*values, clusters=clusters, margin=margin, level=level)


def _clustered(design: Design, paired: PairedComparison) -> Design:
    """The design with the variance inflation that clusters show, from the interval's width."""
    counts, interval = paired.counts, paired.interval
    spread = paired.discordance - (paired.difference or 0.0) ** 2
    if paired.units == counts.n or not isinstance(interval, Interval) or spread <= 0:
        return design
    seen = (interval.width / 2 / two_sided_z(interval.level)) ** 2
    return dataclasses.replace(design, design_effect=max(1.0, seen * counts.n / spread))


def _more_items(paired: PairedComparison, likely: Interval | None, design: Design) -> MoreItems:
    """How many evaluation items more would settle the difference, at the rates seen and near them."""
    counts, difference = paired.counts, paired.difference
    if paired.relation in _SETTLED:
        return MoreItems(likely=None, reason="settled")
    if difference is None or likely is None or paired.discordance == 0:
        return MoreItems(likely=None, reason="no item was seen on which only one of the two is right")

    def more(at: float) -> int:
        within = min(max(at, -paired.discordance), paired.discordance)
        return max(0, items_to_settle(within, paired.discordance, paired.margin, design) - counts.n)

    around = [more(at) for at in np.linspace(likely.low, likely.high, 41).tolist()]
    middle = max(1, more(difference))
    return MoreItems(likely=middle, low=min(middle, max(1, min(around))), high=max(middle, *around))
