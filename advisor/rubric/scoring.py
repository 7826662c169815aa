"""Scores: factors measured once, contributions that add up exactly, and the answer to the pair.

The fast core of the advice, called many times when looking for what would change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from advisor.advice import AdvisedAnswer, Contribution, Veto
from advisor.case import UseCase
from advisor.options import ADVISED, Option
from advisor.rubric.factors import Measured, measure
from advisor.rubric.rubric import LIKELY, ConfidenceBand, Rubric, points
from advisor.rubric.vetoes import vetoes


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionScores:
    """All options scored.

    Attributes:
        ranked: options without a veto, best first; equal scores keep the simpler option first.
        totals: every option's score, the vetoed ones' too.
        unknown: names of factors whose answers are not known.
        unknown_share: their weight as a share of all weight.
    """

    measured: tuple[Measured, ...]
    totals: Mapping[Option, Decimal]
    vetoes: Mapping[Option, tuple[Veto, ...]]
    ranked: tuple[Option, ...]
    unknown: tuple[str, ...]
    unknown_share: float


def score(case: UseCase, rubric: Rubric) -> OptionScores:
    """Score every option by what the description says; money has its say later, as a gate."""
    fallen = vetoes(case, rubric.veto)
    measured = tuple(measure(case, factor) for factor in rubric.factors)
    totals = {
        option: sum((points(m.factor, option, m.strength or 0.0) for m in measured), Decimal(0))
        for option in ADVISED
    }
    ranked = sorted(
        (option for option in ADVISED if not fallen[option]),
        key=lambda option: (-totals[option], option.simplicity),
    )
    unknown = [m.factor for m in measured if m.strength is None]
    weight = sum(factor.weight for factor in rubric.factors if not factor.unless_said)
    return OptionScores(
        measured=measured,
        totals=totals,
        vetoes=fallen,
        ranked=tuple(ranked),
        unknown=tuple(factor.name for factor in unknown),
        unknown_share=sum(factor.weight for factor in unknown) / weight,
    )


def contributions(scores: OptionScores, option: Option) -> tuple[Contribution, ...]:
    """What adds to an option's score, largest first; factors that add nothing are left out."""
    values = ((m, points(m.factor, option, m.strength or 0.0)) for m in scores.measured)
    found = [_contribution(m, value) for m, value in values if value]
    return tuple(sorted(found, key=lambda c: (-abs(c.points), c.factor)))


def leads(scores: OptionScores, option: Option, other: Option | None) -> tuple[Contribution, ...]:
    """What an option has over another one, largest first; `points` is the lead of that factor."""
    theirs = {} if other is None else {c.factor: c.points for c in contributions(scores, other)}
    found = []
    for m in scores.measured:
        mine = points(m.factor, option, m.strength or 0.0)
        lead = mine - theirs.get(m.factor.name, Decimal(0))
        if lead > 0:
            found.append(_contribution(m, lead))
    return tuple(sorted(found, key=lambda c: (-c.points, c.factor)))


def _contribution(m: Measured, value: Decimal) -> Contribution:
    return Contribution(
        factor=m.factor.name,
        weight=m.factor.weight,
        strength=round(m.strength or 0.0, 3),
        points=value,
        reason=m.factor.reason,
        source=m.factor.source,
    )


def between(
    scores: OptionScores, rubric: Rubric, one: Option, other: Option, chance: float | None = None
) -> AdvisedAnswer | Option:
    """The better of two options, or 'tied', 'measure', 'neither'.

    A veto decides, and then a lead of `close` points. Below that the expected accuracies speak: where neither
    is likely better the two are tied, where the one that leads is likely better it is named, and where the
    two speak against each other nothing but a measurement tells; nor where too much is not known.

    Args:
        chance: that `one` gets more answers right; None where that is not known.
    """
    down, other_down = bool(scores.vetoes[one]), bool(scores.vetoes[other])
    if down and other_down:
        return AdvisedAnswer.NEITHER
    if down or other_down:
        return other if down else one
    gap = scores.totals[one] - scores.totals[other]
    rules = rubric.decision
    if abs(gap) >= Decimal(str(rules.close)):
        return one if gap > 0 else other
    if chance is None or scores.unknown_share > rules.unknown_share:
        return AdvisedAnswer.MEASURE
    if 1 - LIKELY < chance < LIKELY:
        return AdvisedAnswer.TIED
    better = one if chance >= LIKELY else other
    leader = one if gap > 0 else other
    return better if better is leader or not gap else AdvisedAnswer.MEASURE


def pair_answer(scores: OptionScores, rubric: Rubric, chance: float | None = None) -> AdvisedAnswer:
    """Retrieve or tune; `chance` is that of retrieving to get more right."""
    found = between(scores, rubric, Option.RETRIEVE, Option.TUNE, chance)
    return found if isinstance(found, AdvisedAnswer) else AdvisedAnswer(found.value)


def combines(scores: OptionScores, rubric: Rubric) -> bool:
    """Whether tuning on top of retrieving leads both by enough to be named."""
    both = Option.TUNE_RETRIEVE
    if scores.vetoes[both]:
        return False
    single = [scores.totals[o] for o in (Option.RETRIEVE, Option.TUNE) if not scores.vetoes[o]]
    return bool(single) and scores.totals[both] - max(single) >= Decimal(str(rubric.decision.combine))


def band_of(gap: Decimal, rubric: Rubric) -> ConfidenceBand:
    """How sure a score gap is."""
    return [band for band in rubric.confidence if gap >= Decimal(str(band.gap))][-1]
