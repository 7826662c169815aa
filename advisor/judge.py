"""What comes first: the description ranks, and measured accuracy, limits and money are gates before it.

An option stands behind another one that bars it from first place:
- today's way bars what does not pay back against it within the horizon; where nobody says what it costs, what
  costs more an item than people could be paid for it at the most (`assumed.toml`);
- prompting bars what does not pay back against prompting, and any option bars one that is dearer by a tenth
  or more and not likely to be better;
- an option whose measured accuracy keeps the floor bars all others that are not cheaper.
What cannot keep the floor or the latency wanted bars nothing and comes last. Without a stated volume money
has no say. Pure, and fast: it is asked many times when looking for what would change the advice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from advisor.advice import AdvisedAnswer, Choice, Today
from advisor.assumed import Inputs, resolve
from advisor.case import Incumbent, UseCase
from advisor.economics import Market, cost_curve_of
from advisor.money.inputs import times
from advisor.money.money import FigureRange, Scenario
from advisor.money.tco import OptionCosts, Tco, total_cost
from advisor.options import ADVISED, Option
from advisor.predict import (
    expected_p95,
    expected_right,
    incumbent_accuracy,
    incumbent_tco,
    measured_items,
    where_it_runs,
)
from advisor.rubric.factors import FLOOR_IF_NONE
from advisor.rubric.rubric import LIKELY, Bands, Expected, Rubric, chance_better
from advisor.rubric.scoring import OptionScores, pair_answer, score

Outcome = tuple[Choice | None, AdvisedAnswer]
Costs = Mapping[Option, OptionCosts]


class BrokenLimit(StrEnum):
    """What a contender cannot keep."""

    ACCURACY = "accuracy"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An option, or today's way, as the gates see it.

    Attributes:
        right: accuracy, measured or published.
        pair_spread: how far two options on one data set scatter (`Bands`).
        items: on how many items the accuracy was measured; None without a measurement that says so.
        p95_ms: low end of the expected p95.
        usd: likely cost over the horizon with wrong answers at the value of one; None where not known.
        usd_without_wrong: the same without them.
        usd_stated: the same as today's way is compared: wrong answers only where their price is stated and
            both sides' accuracy is known; `usd_per_1k` is that sum by 1,000 queries.
        usd_at_most, item_usd_at_most: of today's way whose cost nobody states: what it may cost at the most
            over the horizon, and by the item.
        wrong_stated: whether what a wrong answer costs is stated.
        broken: limits it cannot keep.
    """

    choice: Choice
    right: Expected
    pair_spread: float
    items: int | None
    p95_ms: float | None
    usd: Decimal | None
    usd_without_wrong: Decimal | None
    usd_stated: Decimal | None
    usd_per_1k: Decimal | None
    usd_at_most: Decimal | None = None
    item_usd_at_most: Decimal | None = None
    wrong_stated: bool = False
    broken: frozenset[BrokenLimit]

    @property
    def low(self) -> float | None:
        """The lower end of its accuracy; None where not known."""
        return self.right.low

    @property
    def high(self) -> float | None:
        """The upper end of its accuracy; None where not known."""
        return self.right.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All contenders in order.

    Attributes:
        order: best first; vetoed options are not in it, nor today's way where it cannot go on.
        contenders: what is in `order`, and today's way even where it is not.
        barred: what kept options that score higher from first place, by the option kept.
        wrong_usd: what a wrong answer is valued at where options are compared.
        wrong_assumed: whether that is the price of one more checked example.
        today_counts_wrong: whether wrong answers are in the sums that today's way is compared by.
    """

    scores: OptionScores
    order: tuple[Choice, ...]
    contenders: Mapping[Choice, Contender]
    barred: Mapping[Option, Choice]
    wrong_usd: Decimal
    wrong_assumed: bool
    today_counts_wrong: bool
    answer: AdvisedAnswer

    @property
    def first(self) -> Choice | None:
        """What comes first; None when nothing is left."""
        return self.order[0] if self.order else None

    @property
    def today_assumed(self) -> bool:
        """Whether what today's way may cost at the most, as is assumed, keeps an option from first place."""
        today = self.contenders.get(Today.KEEP)
        assumed = today is not None and today.usd_at_most is not None
        return assumed and Today.KEEP in self.barred.values()

    @property
    def outcome(self) -> Outcome:
        """First place and the answer to the pair."""
        return self.first, self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges a case by the rubric, with prices and published accuracies at hand."""

    rubric: Rubric
    market: Market
    bands: Bands

    def costs(
        self, case: UseCase, scenario: Scenario = Scenario.LIKELY, price_factor: float = 1.0
    ) -> Costs | None:
        """Each option's ledgers, without wrong answers; None unless the volume is stated."""
        if case.queries_per_month is None:
            return None
        market = self.market if price_factor == 1.0 else _repriced(self.market, price_factor)
        inputs = resolve(case, market.assumptions, scenario)
        volume = inputs.queries_per_month
        return {option: cost_curve_of(case, option, inputs, market).at(volume) for option in ADVISED}

    def standing(
        self, case: UseCase, costs: Costs | None = None, scenario: Scenario = Scenario.LIKELY
    ) -> Standing:
        """Everything in its place; `costs` as `costs` gives them, None to leave money aside."""
        scores = score(case, self.rubric)
        inputs = {s: resolve(case, self.market.assumptions, s) for s in Scenario}
        given = inputs[scenario]
        wrong = _wrong_usd(given)
        found = [self._contender(case, option, (scores, costs, inputs), given) for option in scores.ranked]
        today = _today(case, given, found, counted=costs is not None)
        everyone: dict[Choice, Contender] = {one.choice: one for one in found}
        barred = _barred(found, today, case)
        order = _order(found, today, case)
        if today is not None:
            everyone[Today.KEEP] = today
        return Standing(
            scores=scores,
            order=order,
            contenders=everyone,
            barred=barred,
            wrong_usd=wrong,
            wrong_assumed=given.wrong_answer_usd is None,
            today_counts_wrong=given.wrong_answer_usd is not None and incumbent_accuracy(case) is not None,
            answer=pair_answer(scores, self.rubric, chance(everyone, Option.RETRIEVE, Option.TUNE)),
        )

    def _contender(
        self,
        case: UseCase,
        option: Option,
        known: tuple[OptionScores, Costs | None, dict[Scenario, Inputs]],
        given: Inputs,
    ) -> Contender:
        _, costs, inputs = known
        right = expected_right(case, option, self.bands, self.market.assumptions)
        where = where_it_runs(case, option, given, self.market)
        fastest = expected_p95(case, option, inputs, (where, self.market), self.bands).low
        broken = set()
        if right.high is not None and case.quality_floor is not None and right.high < case.quality_floor:
            broken.add(BrokenLimit.ACCURACY)
        if fastest is not None and case.p95_ms is not None and fastest > case.p95_ms:
            broken.add(BrokenLimit.LATENCY)
        likely = right.central
        stated = given.wrong_answer_usd is not None and incumbent_accuracy(case) is not None
        ledger = None if costs is None else costs[option]
        whole = without = None
        if ledger is not None:
            whole = _total(ledger, likely, _wrong_usd(given), given)
            without = whole if likely is None else _total(ledger, None, _wrong_usd(given), given)
        as_today = whole if stated else without
        return Contender(
            choice=option,
            right=right,
            pair_spread=self.bands.pair_spread,
            items=measured_items(case, option),
            p95_ms=fastest,
            usd=None if whole is None else whole.horizon_usd,
            usd_without_wrong=None if without is None else without.horizon_usd,
            usd_stated=None if as_today is None else as_today.horizon_usd,
            usd_per_1k=None if as_today is None else as_today.usd_per_1k,
            wrong_stated=given.wrong_answer_usd is not None,
            broken=frozenset(broken),
        )


def _wrong_usd(inputs: Inputs) -> Decimal:
    """What a wrong answer is valued at: its price, or that of one more checked example."""
    return next((usd for usd in (inputs.wrong_answer_usd, inputs.example_usd) if usd is not None), Decimal(0))


def _total(costs: OptionCosts, accuracy: float | None, wrong: Decimal, inputs: Inputs) -> Tco:
    setting = inputs.setting(counted=False)
    if accuracy is not None:
        setting = replace(setting, wrong_usd=wrong)
    return total_cost(replace(costs, accuracy=accuracy), setting)


def _today(case: UseCase, inputs: Inputs, options: list[Contender], *, counted: bool) -> Contender | None:
    """Today's way; None where nothing is said of it, nor of the volume. Its limits bind only where an option
    does better.
    """
    if case.incumbent is None and (inputs.today_at_most_usd is None or not counted):
        return None
    given, interval = case.incumbent or Incumbent(), incumbent_accuracy(case)
    broken = set()
    if interval is not None and case.quality_floor is not None and interval.high is not None:
        better = any(o.high is not None and o.high > (interval.likely or 0.0) for o in options)
        if interval.high < case.quality_floor and better:
            broken.add(BrokenLimit.ACCURACY)
    if given.p95_ms is not None and case.p95_ms is not None and given.p95_ms > case.p95_ms and options:
        broken.add(BrokenLimit.LATENCY)
    total = incumbent_tco(case, inputs, counted=True) if counted else None
    usd = None if total is None else total.horizon_usd
    items = Decimal(str(inputs.queries_per_month * inputs.horizon_months))
    at_most = inputs.today_at_most_usd if counted else None
    return Contender(
        choice=Today.KEEP,
        right=_stated(interval),
        pair_spread=0.0,
        items=given.items,
        p95_ms=given.p95_ms,
        usd=usd,
        usd_without_wrong=usd,
        usd_stated=usd,
        usd_per_1k=None if total is None else total.usd_per_1k,
        usd_at_most=times(at_most, items),
        item_usd_at_most=at_most,
        broken=frozenset(broken),
    )


def _stated(interval: FigureRange | None) -> Expected:
    if interval is None:
        return Expected(low=None, likely=None, high=None, source="")
    return Expected(
        low=interval.low, likely=interval.likely, high=interval.high, source="as stated", measured=True
    )


def chance(contenders: Mapping[Choice, Contender], one: Choice, other: Choice) -> float | None:
    """The chance that one gets more right than the other one; None where one is ruled out or not known."""
    mine, theirs = contenders.get(one), contenders.get(other)
    return (
        None if mine is None or theirs is None else chance_better(mine.right, theirs.right, mine.pair_spread)
    )


def likely_better(one: Contender, other: Contender) -> bool | None:
    """Whether one is likely to get more right than the other one; None where that is not known."""
    found = chance_better(one.right, other.right, one.pair_spread)
    return None if found is None else found >= LIKELY


def pays_against_today(option: Contender, today: Contender | None) -> bool | None:
    """Whether an option costs no more over the horizon than today's way; None where that is not known."""
    if today is None or today.usd_stated is None or option.usd_stated is None:
        return None
    return option.usd_stated <= today.usd_stated


def dearer_than_today(option: Contender, today: Contender) -> bool:
    """Whether an option is known to cost more than today's way, or than that may cost at the most."""
    if today.usd_at_most is not None and option.usd_stated is not None:
        return option.usd_stated > today.usd_at_most
    return pays_against_today(option, today) is False


def kept(contender: Contender, case: UseCase) -> bool:
    """Whether a measurement that says on how many items shows that the floor is kept."""
    floor = FLOOR_IF_NONE if case.quality_floor is None else case.quality_floor
    return contender.items is not None and contender.low is not None and contender.low >= floor


def costs_less(one: Contender, other: Contender) -> bool | None:
    """Whether an option costs less than another one; None where that is not known.

    A saving that rests on fewer wrong answers alone is none where those are not likely fewer, nor (but
    against prompting) where nobody says what a wrong answer costs: at a large volume half a point between two
    wide ranges would outweigh everything.
    """
    if one.usd is None or other.usd is None or one.usd_without_wrong is None:
        return None
    if one.usd >= other.usd:
        return False
    counts = one.wrong_stated or other.choice is Option.PROMPT
    fewer = counts and likely_better(one, other) is True
    return fewer or other.usd_without_wrong is None or one.usd_without_wrong < other.usd_without_wrong


MONEY_LEAD = Decimal("0.9")
"""An option leads on money where its likely cost over the horizon is at most this share of the other
one's."""


def _leads(one: Contender, other: Contender) -> bool:
    """Whether an option that costs less does so by a tenth or more."""
    return one.usd is not None and other.usd is not None and one.usd <= MONEY_LEAD * other.usd


def _bars(one: Contender, other: Contender, case: UseCase) -> bool:
    """Whether `one` keeps `other` from coming first."""
    if one.broken and not other.broken:
        return False
    cheaper = costs_less(one, other)
    if kept(one, case) and not kept(other, case) and cheaper is not False:
        return True
    if not cheaper:
        return False
    if one.choice is Option.PROMPT:
        return True
    return _leads(one, other) and likely_better(other, one) is False


def _barred(options: list[Contender], today: Contender | None, case: UseCase) -> dict[Option, Choice]:
    """By option, what keeps it from first place: today's way before all, then the cheapest option."""
    found: dict[Option, Choice] = {}
    standing = [o for o in options if not o.broken] or options
    for option in standing:
        assert isinstance(option.choice, Option)
        if today is not None and not today.broken and dearer_than_today(option, today):
            found[option.choice] = Today.KEEP
    paying = [o for o in standing if o.choice not in found]
    for option in paying:
        over = [o for o in paying if o is not option and _bars(o, option, case)]
        if over:
            assert isinstance(option.choice, Option)
            found[option.choice] = min(over, key=lambda o: (o.usd is None, o.usd)).choice
    return found


def _order(options: list[Contender], today: Contender | None, case: UseCase) -> tuple[Choice, ...]:
    """First place given away again and again; `options` come best score first."""
    left, found = list(options), []
    waiting = today if today is not None and not today.broken else None
    while left:
        standing = [o for o in left if not o.broken]
        barred = _barred(left, waiting, case)
        free = [o for o in standing or left if o.choice not in barred]
        if waiting is not None and (not free or (not standing and waiting.usd_at_most is None)):
            found.append(waiting.choice)
            waiting = None
            continue
        pick = free[0]
        found.append(pick.choice)
        left.remove(pick)
    if waiting is not None and (waiting.usd is not None or not found):
        found.append(waiting.choice)
    return tuple(found)


def _repriced(market: Market, factor: float) -> Market:
    scale = Decimal(str(factor))

    def rates(price: Any) -> Any:
        old = price.usd_per_mtok
        new = {n: None if (v := getattr(old, n)) is None else v * scale for n in old.__slots__}
        return replace(price, usd_per_mtok=replace(old, **new), long_context=())

    return replace(
        market, sheet=replace(market.sheet, api={k: rates(p) for k, p in market.sheet.api.items()})
    )
