"""Arms against each other on the same items: the family of comparisons a verdict rests on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from advisor.stats.intervals import Bootstrap, Interval
from advisor.stats.paired import PairedComparison, compare, holm
from advisor.stats.power import Design, minimum_detectable_difference, more_items_to_settle
from advisor.stats.special import two_sided_z
from harness.measure.quality import Measuring, estimate
from harness.measure.scored import Scored
from harness.records import ArmId
from harness.results import Comparison


def compare_arms(
    pairs: Sequence[tuple[ArmId, ArmId]],
    scored: Mapping[ArmId, Scored],
    margin: float,
    design: Design,
    how: Measuring,
) -> tuple[Comparison, ...]:
    """Compare each pair, first minus second, and adjust the p-values over all of them (Holm).

    The intervals of the differences are at the design's level, one minus the plan's alpha.
    """
    settings = dataclasses.replace(how.bootstrap, level=design.level)
    found = [(pair, _paired(pair, scored, margin, how, settings)) for pair in pairs]
    raw = [paired.p_value for _, paired in found if paired.p_value is not None]
    adjusted = iter(holm(raw))
    comparisons = []
    for pair, paired in found:
        p_holm = None if paired.p_value is None else next(adjusted)
        alone = dataclasses.replace(_comparison(pair, paired, margin, design), p_holm=p_holm)
        comparisons.append(_in_family(alone, paired, design, len(raw)))
    return tuple(comparisons)


def _in_family(found: Comparison, paired: PairedComparison, design: Design, tests: int) -> Comparison:
    """Where the interval alone excludes 0 and the adjusted test does not: the items for a family of tests.

    Bonferroni's level, which Holm's first step has, so no fewer than Holm would need.
    """
    if found.adjusted is found.relation or not paired.difference:
        return found
    strict = dataclasses.replace(_clustered(design, paired), level=1 - (1 - design.level) / tests)
    counts = paired.counts
    more = more_items_to_settle(counts.n, paired.difference, counts.discordance, strict)
    why = "" if more else "the interval alone excludes 0; adjusted for all comparisons it is not settled"
    return dataclasses.replace(found, more_items=more or None, more_items_reason=why)


def _paired(
    pair: tuple[ArmId, ArmId],
    scored: Mapping[ArmId, Scored],
    margin: float,
    how: Measuring,
    settings: Bootstrap,
) -> PairedComparison:
    first, second = scored[pair[0]], scored[pair[1]]
    if [i.id for i in first.items] != [i.id for i in second.items]:
        raise ValueError(f"{pair[0]} and {pair[1]} were not scored on the same items")
    return compare(
        first.correct,
        second.correct,
        how.rng(),
        clusters=first.clusters,
        margin=margin,
        settings=settings,
    )


def _comparison(
    pair: tuple[ArmId, ArmId], paired: PairedComparison, margin: float, design: Design
) -> Comparison:
    counts = paired.counts
    method, _, p_method = paired.method.partition("; ")
    design = _clustered(design, paired)
    more, why = _more_items(paired, margin, design)
    discordance = counts.discordance
    return Comparison(
        a=pair[0],
        b=pair[1],
        difference=estimate("accuracy difference", paired.difference, paired.interval, counts.n, method),
        only_a=counts.only_first,
        only_b=counts.only_second,
        p_value=paired.p_value,
        p_method=p_method,
        p_holm=None,
        relation=paired.relation,
        same_model=pair[0].model == pair[1].model,
        detectable=minimum_detectable_difference(counts.n, discordance, design) if discordance > 0 else None,
        more_items=more,
        more_items_reason=why,
    )


def _clustered(design: Design, paired: PairedComparison) -> Design:
    """The design with the variance inflation that clusters show: bootstrap over independent variance."""
    counts, interval = paired.counts, paired.interval
    spread = counts.discordance - (paired.difference or 0.0) ** 2
    if paired.units == counts.n or not isinstance(interval, Interval) or spread <= 0:
        return design
    seen = (interval.width / 2 / two_sided_z(interval.level)) ** 2
    return dataclasses.replace(design, design_effect=max(1.0, seen * counts.n / spread))


def _more_items(paired: PairedComparison, margin: float, design: Design) -> tuple[int | None, str]:
    """How many evaluation items more would settle the difference, at the rates seen."""
    interval = paired.interval
    settled = isinstance(interval, Interval) and (
        interval.low > 0 or interval.high < 0 or (interval.low > -margin and interval.high < margin)
    )
    if settled:
        return None, "settled"
    if not paired.difference or paired.counts.discordance == 0:
        return None, "no difference seen, so no number of items can be named"
    more = more_items_to_settle(paired.counts.n, paired.difference, paired.counts.discordance, design)
    if more is None:
        return None, "no number of items would settle it at these rates"
    if more == 0:
        return (
            None,
            "at these rates the items are enough, and the interval is wider than independent items make it",
        )
    return more, ""
