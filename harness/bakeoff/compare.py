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

from advisor.stats.intervals import MIN_UNITS, Floats, Interval, is_binary
from advisor.stats.paired import PairedComparison, Relation, compare, compare_values
from advisor.stats.power import Design, detectable_mean, items_to_settle, minimum_detectable_difference
from advisor.stats.special import two_sided_z
from harness.bakeoff.results import Comparison, MoreItems
from harness.core.records import ArmId
from harness.tasks.measures import estimate
from harness.tasks.scored import Scored

Pair = tuple[ArmId, ArmId]

_LIKELY_LEVEL = 0.80  # of the interval of a difference that a range of further items comes from
_SETTLED = (Relation.BETTER, Relation.WORSE, Relation.EQUIVALENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemValues:
    """How good an arm's answer to each item is, in the order of the ids.

    Attributes:
        values: of the primary metric, within [0, 1]; where an answer is only expected, how often it is right.
    """

    ids: tuple[str, ...]
    values: Floats
    clusters: tuple[str | None, ...] | None = None

    @classmethod
    def of(cls, scored: Scored) -> ItemValues:
        """Of an arm that answered every item."""
        ids = tuple(item.id for item in scored.items)
        return cls(ids=ids, values=scored.values, clusters=scored.clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What arms are compared by, and how closely.

    Attributes:
        metric: the name of the primary one.
        margin: the difference in it that matters.
        design: the plan's power, and the level of the intervals.
    """

    metric: str
    margin: float
    design: Design

    def at_level(self, level: float) -> Aim:
        """The same at another level."""
        return dataclasses.replace(self, design=dataclasses.replace(self.design, level=level))


def compare_arms(
    primary: Pair | None,
    others: Sequence[Pair],
    scored: Mapping[ArmId, ItemValues],
    aim: Aim,
) -> tuple[Comparison, ...]:
    """The primary comparison and the others, first minus second.

    Args:
        aim: its design has the level of the primary comparison.

    Raises:
        ValueError: if two arms were not scored on the same items.
    """
    shared = aim.at_level(1 - (1 - aim.design.level) / max(1, len(others)))
    planned = () if primary is None else (_compared(primary, scored, aim),)
    return (*planned, *(_compared(pair, scored, shared) for pair in others))


def _compared(pair: Pair, scored: Mapping[ArmId, ItemValues], aim: Aim) -> Comparison:
    first, second = scored[pair[0]], scored[pair[1]]
    if first.ids != second.ids:
        raise ValueError(f"{pair[0]} and {pair[1]} were not scored on the same items")
    return compared(pair, (first.values, second.values), first.clusters, aim)


def compared(
    pair: Pair,
    values: tuple[Floats, Floats],
    clusters: Sequence[str | None] | None,
    aim: Aim,
) -> Comparison:
    """One comparison from both arms' values of the primary metric by item.

    Raises:
        ValueError: if the two have not as many items.
    """
    paired = _paired(values, clusters, aim.margin, aim.design.level)
    counts = paired.counts
    seen = _clustered(aim.design, paired)
    likely = _paired(values, clusters, aim.margin, _LIKELY_LEVEL).interval
    return Comparison(
        a=pair[0],
        b=pair[1],
        difference=estimate(
            f"{aim.metric} difference", paired.difference, paired.interval, counts.n, paired.interval_method
        ),
        only_a=counts.only_first,
        only_b=counts.only_second,
        p_value=paired.p_value,
        p_method=paired.test,
        relation=paired.relation,
        same_model=pair[0].model == pair[1].model,
        detectable=_detectable(values, paired, seen),
        more_items=_more_items(paired, likely if isinstance(likely, Interval) else None, seen),
    )


def _detectable(values: tuple[Floats, Floats], paired: PairedComparison, seen: Design) -> float | None:
    """The smallest difference this many items would show at the spread seen."""
    n = paired.counts.n
    found = minimum_detectable_difference(n, paired.discordance, seen) if paired.discordance > 0 else None
    if found is None and not all(is_binary(one) for one in values):
        return detectable_mean(n, float(np.var(values[0] - values[1])), seen)
    return found


def _paired(
    values: tuple[Floats, Floats], clusters: Sequence[str | None] | None, margin: float, level: float
) -> PairedComparison:
    """Answers that are right or wrong by their own statistic, values in between by means."""
    if all(is_binary(one) for one in values):
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
    if paired.units < MIN_UNITS:
        return MoreItems(likely=None, reason=f"fewer than {MIN_UNITS} were seen, too few to say from")
    if difference is None or likely is None or paired.discordance == 0:
        return MoreItems(likely=None, reason="no item was seen on which only one of the two is right")

    def more(at: float) -> int:
        within = min(max(at, -paired.discordance), paired.discordance)
        return max(0, items_to_settle(within, paired.discordance, paired.margin, design) - counts.n)

    around = [more(at) for at in np.linspace(likely.low, likely.high, 41).tolist()]
    middle = max(1, more(difference))
    return MoreItems(likely=middle, low=min(middle, max(1, min(around))), high=max(middle, *around))
