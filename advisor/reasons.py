"""The three reasons behind the recommendation, with their figures. Pure, and no words are made here."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from advisor.advice import AdviceReason, Choice, Do, Today, Why
from advisor.case import UseCase
from advisor.judge import BrokenLimit, Contender, Standing, dearer_than_today, pays_against_today
from advisor.money.money import FigureRange, Range
from advisor.options import Option
from advisor.rubric.scoring import leads

REASONS = 3
_EFFORT = "effort"
"""True of every simpler option: said where nothing else speaks for one."""


def three_reasons(
    case: UseCase, standing: Standing, what: Do, options: tuple[Option, ...], months: float
) -> tuple[AdviceReason, ...]:
    """The three strongest reasons, each said once.

    Args:
        options: what is to be tried or measured.
        months: the horizon that costs are for.
    """
    source = _Reasons(case, standing, months)
    match what:
        case Do.TRY:
            found = source.to_try(options[0])
        case Do.MEASURE:
            found = source.to_measure(options[0], options[1])
        case Do.KEEP:
            found = source.to_keep()
        case Do.CHANGE_THE_CASE:
            found = source.of_every_option()
    return tuple(dict.fromkeys(found))[:REASONS]


class _Reasons:
    def __init__(self, case: UseCase, standing: Standing, months: float) -> None:
        self.case = case
        self.standing = standing
        self.months = months

    def to_try(self, first: Option) -> Iterator[AdviceReason]:
        mine = self.standing.contenders[first]
        if mine.items is not None:
            yield self._floor(mine, Why.MEASURED)
        yield from self._scored_higher(first)
        yield from self._cheaper_forbidden(mine)
        strongest = self._factors(first)
        yield from strongest[:1]
        yield from self._against_today(mine)
        if self.case.quality_floor is not None and mine.low is not None and mine.items is None:
            yield self._floor(mine)
        yield from strongest[1:]
        yield from self._expected(mine)

    def to_measure(self, one: Option, other: Option) -> Iterator[AdviceReason]:
        totals = self.standing.scores.totals
        gap = totals[one] - totals[other]
        yield AdviceReason(kind=Why.CLOSE_CALL, choice=one, against=other, points=gap)
        yield from self._factors(one, other)[:1]
        yield from self._factors(other, one)[:1]
        for option in (one, other):
            yield from self._expected(self.standing.contenders[option])

    def to_keep(self) -> Iterator[AdviceReason]:
        today = self.standing.contenders[Today.KEEP]
        known = [c for c in self._options() if c.usd_stated is not None]
        if today.usd_stated is not None and known:
            cheapest = min(known, key=lambda c: c.usd_stated or Decimal(0))
            if pays_against_today(cheapest, today) is False:
                yield self._money(Why.NOTHING_PAYS_BACK, today, cheapest)
        elif known:
            yield from self._against_today(min(known, key=lambda c: c.usd_stated or Decimal(0)))
        if today.low is not None:
            yield self._floor(today) if self.case.quality_floor is not None else self._accuracy(today)
        yield from self.of_every_option()

    def of_every_option(self) -> Iterator[AdviceReason]:
        """What speaks against each option: ruled out, a limit it cannot keep, or its cost against today's."""
        for option in sorted(self.standing.scores.totals, key=lambda o: -self.standing.scores.totals[o]):
            found = self._against(option)
            if found is not None:
                yield found
            else:
                yield self._accuracy(self.standing.contenders[option])

    def _options(self) -> list[Contender]:
        return [c for c in self.standing.contenders.values() if c.choice is not Today.KEEP]

    def _against(self, choice: Choice) -> AdviceReason | None:
        """Why something cannot come first: a veto, a limit, or what bars it."""
        vetoes = () if choice is Today.KEEP else self.standing.scores.vetoes[Option(choice)]
        if vetoes:
            return AdviceReason(kind=Why.RULED_OUT, against=choice, veto=vetoes[0])
        one = self.standing.contenders[choice]
        if BrokenLimit.ACCURACY in one.broken:
            return AdviceReason(
                kind=Why.BELOW_FLOOR,
                against=choice,
                accuracy=_span(one),
                items=one.items,
                floor=self.case.quality_floor,
            )
        if BrokenLimit.LATENCY in one.broken:
            ms = Range(low=one.p95_ms, likely=None, high=None)
            return AdviceReason(kind=Why.TOO_SLOW, against=choice, ms=ms, wanted_ms=self.case.p95_ms)
        over = None if choice is Today.KEEP else self.standing.barred.get(Option(choice))
        return None if over is None else self._over(over, one)

    def _over(self, over: Choice, one: Contender) -> AdviceReason | None:
        """What `over` has over `one`: it costs less, or was measured."""
        bar = self.standing.contenders[over]
        if bar.usd_at_most is not None:
            return self._costs(one)
        sums = (bar.usd_stated, one.usd_stated) if over is Today.KEEP else (bar.usd, one.usd)
        if sums[0] is not None and sums[1] is not None and sums[0] < sums[1]:
            return self._money(Why.CHEAPER, bar, one)
        return self._floor(bar, Why.MEASURED) if bar.items is not None else None

    def _scored_higher(self, first: Option) -> Iterator[AdviceReason]:
        """Why the option that the description likes best does not come first."""
        best = self.standing.scores.ranked[0]
        found = None if best is first else self._against(best)
        if found is not None:
            yield found

    def _cheaper_forbidden(self, mine: Contender) -> Iterator[AdviceReason]:
        """What forbids today's way and prompting, where they may cost less."""
        for choice in (Today.KEEP, Option.PROMPT):
            if choice is mine.choice:
                continue
            one = self.standing.contenders.get(choice)
            if one is None and choice is Today.KEEP:
                continue
            dearer = one is not None and one.usd is not None and mine.usd is not None and one.usd >= mine.usd
            if not dearer and (one is None or one.broken):
                found = self._against(choice)
                if found is not None:
                    yield found

    def _against_today(self, mine: Contender) -> Iterator[AdviceReason]:
        """That it pays back, or what an item must cost today for that."""
        today = self.standing.contenders.get(Today.KEEP)
        if (today is None or today.usd_stated is None) and mine.usd_per_1k is not None:
            item = mine.usd_per_1k / 1000
            decides = today is not None and dearer_than_today(mine, today)
            most = today.item_usd_at_most if today is not None and decides else None
            yield AdviceReason(
                kind=Why.BREAK_EVEN, choice=mine.choice, usd=item, against_usd=most, months=self.months
            )
        if pays_against_today(mine, today) and today is not None:
            yield self._money(Why.PAYS_BACK, mine, today)

    def _factors(self, option: Option, other: Option | None = None) -> list[AdviceReason]:
        """What speaks most for an option, against the best other one."""
        scores = self.standing.scores
        against = other or next((o for o in scores.ranked if o is not option), None)
        return [
            AdviceReason(kind=Why.FACTOR, choice=option, against=against, contribution=found)
            for found in sorted(leads(scores, option, against), key=lambda one: one.factor == _EFFORT)
        ]

    def _expected(self, one: Contender) -> Iterator[AdviceReason]:
        yield self._accuracy(one)
        yield self._costs(one)
        yield AdviceReason(
            kind=Why.SPEED, choice=one.choice, ms=Range(low=one.p95_ms, likely=None, high=None)
        )

    def _costs(self, one: Contender) -> AdviceReason:
        return AdviceReason(kind=Why.COST, choice=one.choice, usd=one.usd, months=self.months)

    def _accuracy(self, one: Contender) -> AdviceReason:
        return AdviceReason(kind=Why.ACCURACY, choice=one.choice, accuracy=_span(one), items=one.items)

    def _floor(self, one: Contender, kind: Why | None = None) -> AdviceReason:
        floor = self.case.quality_floor
        if kind is None and BrokenLimit.ACCURACY in one.broken:
            return AdviceReason(
                kind=Why.BELOW_FLOOR, against=one.choice, accuracy=_span(one), items=one.items, floor=floor
            )
        if kind is None:
            kept = one.low is not None and floor is not None and one.low >= floor
            kind = Why.KEEPS_FLOOR if kept else Why.OPEN_FLOOR
        return AdviceReason(kind=kind, choice=one.choice, accuracy=_span(one), items=one.items, floor=floor)

    def _money(self, kind: Why, one: Contender, other: Contender) -> AdviceReason:
        stated = Today.KEEP in (one.choice, other.choice)
        sums = (one.usd_stated, other.usd_stated) if stated else (one.usd, other.usd)
        counted = self.standing.today_counts_wrong if stated else True
        return AdviceReason(
            kind=kind,
            choice=one.choice,
            usd=sums[0],
            against=other.choice,
            against_usd=sums[1],
            months=self.months,
            wrong_usd=self.standing.wrong_usd if counted else None,
            wrong_assumed=counted and self.standing.wrong_assumed,
        )


def _span(one: Contender) -> FigureRange:
    return Range(low=one.low, likely=one.right.likely, high=one.high)
