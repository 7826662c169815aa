"""What is predicted of one option: accuracy, money, speed, and when it pays back against today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from advisor.advice import DrilledChanges, OptionPrediction, Payback, PaysBack
from advisor.assumed import Assumptions, Inputs, rates, resolve
from advisor.case import AnswerKind, UseCase, facts_needed, measured_of
from advisor.economics import (
    WHOLE_PROMPT_TOKENS,
    Market,
    cost_curve_of,
    labels_cached_from,
    option_tco,
    prompt_tokens,
    rows_wanted,
    runs_own_model,
    serving_machine,
    stand_in,
)
from advisor.money.change_rate import DRILLED_LINE
from advisor.money.ledger import total_usd
from advisor.money.money import CostError, FigureRange, MoneyRange, Range, Scenario, spanning, to_usd
from advisor.money.tco import Against, Tco, against, total_cost
from advisor.money.workload import today_curve
from advisor.options import Option
from advisor.rubric.rubric import Bands, Expected, expected_accuracy
from advisor.stats.special import two_sided_z, wilson_ends

CHECKED_ON_UNKNOWN = 50
"""Items a stated accuracy is taken to rest on when nobody says."""


def predict(case: UseCase, option: Option, market: Market, bands: Bands) -> OptionPrediction:
    """Everything predicted of an option.

    Raises:
        CostError: if a machine named has no known price.
    """
    right = expected_right(case, option, bands, market.assumptions)
    accuracy = {Scenario.CHEAP: right.high, Scenario.LIKELY: right.central, Scenario.DEAR: right.low}
    inputs = {s: resolve(case, market.assumptions, s) for s in Scenario}
    tco = {s: option_tco(case, option, inputs[s], market, accuracy=accuracy[s]) for s in Scenario}
    where = where_it_runs(case, option, inputs[Scenario.LIKELY], market)
    priced = {
        s: [
            tco[s],
            *(
                option_tco(other, option, resolve(other, market.assumptions, s), market, accuracy=accuracy[s])
                for other in variants(case, market)
            ),
        ]
        for s in Scenario
    }
    return OptionPrediction(
        option=option,
        model=tco[Scenario.LIKELY].option.model,
        where=where,
        accuracy_low=right.low,
        accuracy_likely=right.likely,
        accuracy_high=right.high,
        accuracy_source=right.source,
        usd_per_1k=_money(priced, running_per_1k),
        usd_per_1k_total=_money(priced, lambda t: t.usd_per_1k),
        usd_one_off=_money(priced, lambda t: t.one_off_usd),
        usd_per_month=_money(priced, lambda t: t.monthly_usd),
        p95_ms=expected_p95(case, option, inputs, (where, market), bands),
        payback=_payback(case, tco, inputs),
        wrong_answers_counted=case.wrong_answer_cost is not None and right.low is not None,
    )


def measured_items(case: UseCase, option: Option) -> int | None:
    """On how many items an option's accuracy was measured; None without a measurement that says so."""
    found = measured_of(case, option)
    return None if found is None else found[1]


def expected_right(case: UseCase, option: Option, bands: Bands, assumptions: Assumptions) -> Expected:
    """The share of right answers with what it rests on; a measurement replaces the published span.

    Where the size of the open model is not said, the span is that of the sizes that costs are assumed for.
    """
    stated = measured_of(case, option)
    if stated is not None:
        accuracy, items, source = stated
        low, high = _wilson(accuracy, items)
        said = f"{items} items" if items else f"an unknown number of items, taken as {CHECKED_ON_UNKNOWN}"
        return Expected(
            low=low,
            likely=accuracy,
            high=high,
            source=f"measured {source or 'by the user'} on {said} (Wilson, 95 %)",
            measured=True,
        )
    cases = [case]
    if case.open_model_billions is None:
        assumed = assumptions.ranges["open_model_billions"]
        sizes = (assumed.low, assumed.likely, assumed.high)
        cases = [replace(case, open_model_billions=size) for size in sizes]
    spans = [
        expected_accuracy(sized, read_as, bands) for sized in cases for read_as in _read_as(case, option)
    ]
    lows = [span.low for span in spans if span.low is not None]
    likely = [span.likely for span in spans if span.likely is not None]
    highs = [span.high for span in spans if span.high is not None]
    sources = "; ".join(dict.fromkeys(part for span in spans for part in span.source.split("; ")))
    if not likely:
        return Expected(low=None, likely=None, high=None, source=sources)
    return Expected(low=min(lows), likely=sum(likely) / len(likely), high=max(highs), source=sources)


def _read_as(case: UseCase, option: Option) -> tuple[Option, ...]:
    """Whose published figures an option has: a prompt that carries all the knowledge has those of retrieving,
    and both where the size of the knowledge is not known.
    """
    if option is not Option.PROMPT or facts_needed(case) is not True:
        return (option,)
    if case.knowledge_tokens is None:
        return (option, Option.RETRIEVE)
    return (Option.RETRIEVE if case.knowledge_tokens <= WHOLE_PROMPT_TOKENS else option,)


def _wilson(share: float, items: int | None) -> tuple[float, float]:
    """An interval (95 %) for a measured share; a wide one where nobody says on how many items."""
    n = items or CHECKED_ON_UNKNOWN
    return wilson_ends(share * n, n, two_sided_z(0.95))


def incumbent_accuracy(case: UseCase) -> FigureRange | None:
    """Today's accuracy as stated, with its interval; None where not known."""
    given = case.incumbent
    if given is None or given.accuracy is None:
        return None
    low, high = _wilson(given.accuracy, given.items)
    return Range(low=min(low, given.accuracy), likely=given.accuracy, high=max(high, given.accuracy))


def variants(case: UseCase, market: Market) -> tuple[UseCase, ...]:
    """Cases with other values of unknown answers that make an option neither steadily cheaper nor dearer.

    More examples save labelling and cost training; knowledge beyond what a prompt holds makes the prompt
    cheaper, and so do labels enough for the prompt to be cached. So the ends of a range are not the ends of
    the cost, and the turning points are priced too.
    """
    found = [case]
    if case.examples is None:
        inputs = {s: resolve(case, market.assumptions, s) for s in Scenario}
        turns = {round(rows_wanted(case, i, market.assumptions)) for i in inputs.values()}
        assumed = market.assumptions.ranges["examples"]
        found = [replace(c, examples=n) for c in found for n in {*turns, int(assumed.low), int(assumed.high)}]
    if case.labels is None and case.task is AnswerKind.CLASSIFICATION:
        inputs = {s: resolve(case, market.assumptions, s) for s in Scenario}
        turns = {labels_cached_from(i, market.assumptions) for i in inputs.values()}
        assumed = market.assumptions.ranges["labels"]
        inside = [n for n in sorted(turns) if assumed.low <= n <= assumed.high]
        found = [replace(c, labels=n) for c in found for n in (int(assumed.low), *inside, int(assumed.high))]
    if case.knowledge_tokens is None and facts_needed(case):
        assumed = market.assumptions.ranges["knowledge_tokens"]
        sizes = (int(assumed.low), WHOLE_PROMPT_TOKENS, WHOLE_PROMPT_TOKENS + 1, int(assumed.high))
        found = [replace(c, knowledge_tokens=size) for c in found for size in sizes]
    return tuple(found) if found != [case] else ()


def _money(priced: dict[Scenario, list[Tco]], of: Callable[[Tco], Decimal | None]) -> MoneyRange:
    """The span over scenarios and variants; the likely value is that of the case as it is."""
    values = [of(tco) for totals in priced.values() for tco in totals]
    return spanning(values, of(priced[Scenario.LIKELY][0]))


def running_per_1k(tco: Tco) -> Decimal | None:
    """Calls and machines for 1,000 queries: no people, no changes, nothing paid once."""
    queries = tco.setting.queries_per_month
    calls, machines = total_usd(tco.option.per_query), total_usd(tco.option.monthly)
    if calls is None or machines is None or not queries:
        return None
    return calls * 1000 + machines / queries * 1000


def usd_per_query(case: UseCase, option: Option, inputs: Inputs, market: Market) -> Decimal | None:
    """What one evaluation call costs at most: an own machine is busy a minute at the very most."""
    calls = total_usd(cost_curve_of(case, option, inputs, market).costs.per_query)
    if not runs_own_model(case, option):
        return calls
    hour = serving_machine(case, inputs, market.sheet).usd_per_hour
    return None if hour is None or calls is None else calls + hour / 360  # ten seconds


def where_it_runs(case: UseCase, option: Option, inputs: Inputs, market: Market) -> str:
    """'hosted', 'own-gpu', 'own-cpu' or 'linear'."""
    if option.traits.free:
        return "linear"
    if not runs_own_model(case, option):
        return "hosted"
    return "own-gpu" if serving_machine(case, inputs, market.sheet).kind == "gpu" else "own-cpu"


def expected_p95(
    case: UseCase,
    option: Option,
    inputs: dict[Scenario, Inputs],
    place: tuple[str, Market],
    bands: Bands,
) -> FigureRange:
    """Low and high of the slowest twentieth, from base and tokens."""
    where, market = place
    row = bands.latency[where]
    ends = []
    for index, scenario in ((0, Scenario.CHEAP), (1, Scenario.DEAR)):
        given = inputs[scenario]
        shown, written = prompt_tokens(case, option, given, market.assumptions)
        size = given.open_model_billions if where.startswith("own") else 1.0
        ms = row.base_ms[index] + size * (shown * row.input_ms[index] + written * row.output_ms[index])
        if option.traits.searches:
            ms += bands.latency["search"].base_ms[index]
        ends.append(ms)
    if option is Option.ROUTE:
        ends[0] = bands.latency["linear"].base_ms[0]
    # what is cheap can be slow: little knowledge stands whole in every prompt
    return Range(low=round(min(ends), 1), likely=None, high=round(max(ends), 1))


def drilled_changes(case: UseCase, option: Option, market: Market) -> DrilledChanges | None:
    """What a month's changes of an option cost by a drill; None where it was not drilled."""
    inputs = resolve(case, market.assumptions, Scenario.LIKELY)
    curve = cost_curve_of(case, option, inputs, market)
    paid = [entry for entry in curve.costs.per_change if entry.name == DRILLED_LINE]
    usd = total_usd(paid)
    if not paid or usd is None:
        return None
    stale = curve.costs.stale * Decimal(inputs.queries_per_month)
    return DrilledChanges(usd=usd, stale=stale, source=paid[0].source)


def incumbent_usd_per_1k(case: UseCase) -> Decimal | None:
    """What 1,000 items cost today; None when not known."""
    if case.incumbent is None or case.incumbent.cost_per_item is None:
        return None
    return to_usd(case.incumbent.cost_per_item, case.currency, rates(case)) * 1000


def incumbent_total_per_1k(case: UseCase) -> Decimal | None:
    """What 1,000 items cost today with the wrong answers among them; None where a part is not known."""
    today, given = incumbent_usd_per_1k(case), case.incumbent
    if today is None or given is None or given.accuracy is None or case.wrong_answer_cost is None:
        return None
    wrong = to_usd(case.wrong_answer_cost, case.currency, rates(case))
    return today + 1000 * (1 - Decimal(str(given.accuracy))) * wrong


def stand_ins(case: UseCase, market: Market) -> tuple[str, ...]:
    """A note on the machine named: whose speed stands in for its own where that is not known.

    Raises:
        CostError: if the machine has no known price.
    """
    inputs = resolve(case, market.assumptions, Scenario.LIKELY)
    machine = serving_machine(case, inputs, market.sheet)
    if machine.name in market.assumptions.speeds:
        return ()
    return (f"no speed is known for {machine.name}; that of {stand_in(machine)} stands in",)


def incumbent_tco(case: UseCase, inputs: Inputs, counted: bool) -> Tco | None:
    """Today's way over the horizon, its wrong answers `counted` where their price is known."""
    thousand = incumbent_usd_per_1k(case)
    if thousand is None or case.incumbent is None:
        return None
    today = case.incumbent
    curve = today_curve(today.kind, thousand / 1000, today.accuracy, inputs)
    return curve.total(counted=counted and today.accuracy is not None)


def both_count_wrong(case: UseCase, total: Tco) -> bool:
    """Whether wrong answers have a price and can be counted on both sides of a comparison with today."""
    known = total.option.accuracy is not None and incumbent_accuracy(case) is not None
    return known and case.wrong_answer_cost is not None


def against_today(case: UseCase, total: Tco, inputs: Inputs) -> Against:
    """An option against today's way, wrong answers counted on both sides or on none.

    Raises:
        CostError: if what is paid today is not known.
    """
    counted = both_count_wrong(case, total)
    today = incumbent_tco(case, inputs, counted)
    if today is None:
        raise CostError("What is paid today is not stated.", allowed="incumbent.cost_per_item")
    if not counted:
        total = total_cost(total.option, replace(total.setting, wrong_usd=Decimal(0)))
    return against(total, today)


def _payback(case: UseCase, tco: dict[Scenario, Tco], inputs: dict[Scenario, Inputs]) -> Payback:
    """Months to earn the building back; wrong answers count only where both sides have an accuracy."""
    if incumbent_usd_per_1k(case) is None:
        nothing: MoneyRange = Range(low=None, likely=None, high=None)
        return Payback(
            months=Range(low=None, likely=None, high=None),
            verdict=PaysBack.UNKNOWN,
            monthly_saving=nothing,
            wrong_answers_counted=False,
        )
    found = {scenario: against_today(case, total, inputs[scenario]) for scenario, total in tco.items()}
    pays = {s: a.pays_back for s, a in found.items()}
    verdict = PaysBack.UNKNOWN if None in pays.values() else PaysBack.DEPENDS
    if set(pays.values()) == {True}:
        verdict = PaysBack.YES
    elif set(pays.values()) == {False}:
        verdict = PaysBack.NO
    return Payback(
        months=_months([found[scenario].payback_months for scenario in Scenario]),
        verdict=verdict,
        monthly_saving=spanning(
            [a.monthly_saving_usd for a in found.values()], found[Scenario.LIKELY].monthly_saving_usd
        ),
        wrong_answers_counted=both_count_wrong(case, tco[Scenario.LIKELY]),
    )


def _months(by_scenario: list[Decimal | None]) -> FigureRange:
    """Months at cheap, likely and dear costs; the known ones in order, whichever end moved more."""
    known = iter(sorted(float(months) for months in by_scenario if months is not None))
    low, likely, high = (None if months is None else next(known) for months in by_scenario)
    return Range(low=low, likely=likely, high=high)
