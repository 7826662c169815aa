"""Which ways of today fit a use case, and what each costs at the stated volume, or why not. Pure.

Wrong answers are left out: what is right is known of options, not of ways. Most ways are priced as the
option that they are ranked as; the others change its calls, its machine or its rows. Which fit says how the
option that comes first is to be built or bought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from advisor.advice import WayCost
from advisor.assumed import Inputs, resolve
from advisor.case import AnswerKind, GeneralModel, UseCase, asks_for_labels, facts_needed, must_self_host
from advisor.economics import (
    WHOLE_PROMPT_TOKENS,
    Market,
    PromptTokens,
    cost_curve_of,
    hosted_query,
    knowledge_in_prompt,
    prompt_of,
    runs_own_model,
)
from advisor.money.ledger import MTOK, LedgerLine, PriceBasis, line, scaled, total_usd
from advisor.money.money import MoneyRange, Range, Scenario, spanning
from advisor.money.tco import Tco
from advisor.money.workload import CostCurve, RunsOn, cost_curve, today_line
from advisor.numbers import figure
from advisor.options import Option, Way
from advisor.predict import incumbent_tco, incumbent_usd_per_1k

EVALUATION = "evaluation items"
TOOLS = "tools"


class _NotPriced(Exception):
    """Why a way has no price for a use case: a clause."""


def way_cost(case: UseCase, way: Way, market: Market) -> WayCost:
    """What a way costs once and by the month, at likely values and at both ends.

    Raises:
        CostError: if a machine named has no known price.
    """
    try:
        totals = {s: _total(case, way, resolve(case, market.assumptions, s), market) for s in Scenario}
    except _NotPriced as why:
        nothing: MoneyRange = Range(low=None, likely=None, high=None)
        return WayCost(way=way, usd_once=nothing, usd_per_month=nothing, not_priced=str(why))
    likely = totals[Scenario.LIKELY]
    return WayCost(
        way=way,
        usd_once=spanning([one.one_off_usd for one in totals.values()], likely.one_off_usd),
        usd_per_month=spanning([one.monthly_usd for one in totals.values()], likely.monthly_usd),
        left_out=LEFT_OUT.get(way, ""),
    )


LEFT_OUT: Mapping[Way, str] = {
    Way.TOOLS: "what the source itself charges",
    Way.HOSTED_TUNING: "the training (no price table here has it) and any fee for hosting",
}
"""What a way's price does not hold, as no table has a price of it."""


def _total(case: UseCase, way: Way, inputs: Inputs, market: Market) -> Tco:
    if way is Way.KEEP:
        found = incumbent_tco(case, inputs, counted=False)
        if found is None:
            raise _NotPriced("what an item costs today is not stated")
        return found
    build = _BUILT.get(way)
    option = way.traits.option
    assert option is not None
    curve = cost_curve_of(case, option, inputs, market)
    if build is not None:
        curve = build(case, curve, inputs, market)
    return curve.total(counted=False)


def _plain_prompt(case: UseCase, curve: CostCurve, inputs: Inputs, market: Market) -> CostCurve:
    """Without the knowledge, which is a way of its own."""
    if not knowledge_in_prompt(case, inputs):
        return curve
    return cost_curve_of(replace(case, needs_facts=False), Option.PROMPT, inputs, market)


def _whole_text(case: UseCase, curve: CostCurve, inputs: Inputs, market: Market) -> CostCurve:
    if facts_needed(case) is not True:
        raise _NotPriced("no answer is said to rest on a text")
    if case.knowledge_tokens is None:
        raise _NotPriced("how much text there is, is not stated")
    if case.knowledge_tokens > WHOLE_PROMPT_TOKENS:
        most = figure(WHOLE_PROMPT_TOKENS)
        raise _NotPriced(f"{figure(case.knowledge_tokens)} tokens do not fit a prompt of {most}")
    return curve


def _reranked(case: UseCase, curve: CostCurve, inputs: Inputs, market: Market) -> CostCurve:
    if must_self_host(case):
        raise _NotPriced("the price known is that of a hosted reranker, and no data may leave")
    usd = _part(market, "rerank_usd", inputs)
    rerank = _listed("reranking", Decimal(1), "queries", usd, "hosted rerankers in litellm's map 1.106.2")
    return cost_curve(replace(curve.work, calls=(*curve.work.calls, rerank)), curve.inputs)


def _with_tools(case: UseCase, curve: CostCurve, inputs: Inputs, market: Market) -> CostCurve:
    """One call of the model that asks for each call of the source, and one that answers from all of them.

    To bind a source in is taken to be as much work as an index.
    """
    if facts_needed(case) is False:
        raise _NotPriced("answers need no facts from outside")
    part, at = market.assumptions.part, inputs.scenario
    asked = part("tool_calls", at)
    result = part("tool_result_tokens", at)
    shown = prompt_of(replace(case, needs_facts=False), Option.PROMPT, inputs, market.assumptions)
    fixed = shown.fixed + part("tool_definition_tokens", at)
    call_tokens = market.assumptions.ranges["output_tokens:tool-calls"].at(at)
    asking = PromptTokens(fixed=fixed, varying=shown.varying, output=call_tokens)
    answering = replace(asking, varying=shown.varying + asked * (result + call_tokens), output=shown.output)
    plain = cost_curve_of(replace(case, needs_facts=False), Option.PROMPT, inputs, market)
    people = {**inputs.people, TOOLS: inputs.people[Option.RETRIEVE.value]}
    work, bound = replace(plain.work, method=TOOLS), replace(plain.inputs, people=people)
    if runs_own_model(case, Option.PROMPT):
        alone = shown.whole_input + part("decode_weight", at) * shown.output
        whole = sum(
            times * (one.whole_input + part("decode_weight", at) * one.output)
            for times, one in ((asked, asking), (1, answering))
        )
        assert work.per_s is not None
        rate = work.per_s * alone / whole
        return cost_curve(replace(work, per_s=rate, busy_s=1 / rate), bound)
    api = market.sheet.api[at]
    calls = (
        *scaled(hosted_query(asking, api, inputs), Decimal(str(asked))),
        *hosted_query(answering, api, inputs),
    )
    return cost_curve(replace(work, calls=calls), bound)


def _hosted_tuned(case: UseCase, curve: CostCurve, inputs: Inputs, market: Market) -> CostCurve:
    if must_self_host(case):
        raise _NotPriced("examples may not leave")
    rates = tuple(_part(market, f"tuned_{way}_usd", inputs) for way in ("input", "output"))
    calls = _tokens(case, inputs, market, rates, "models tuned at OpenAI in litellm's map 1.106.2")
    work = replace(
        curve.work,
        calls=calls,
        runs_on=RunsOn.NONE,
        one_off=tuple(one for one in curve.work.one_off if one not in curve.work.refit),
        refit=(),
    )
    return cost_curve(work, curve.inputs)


def _by_the_token(case: UseCase, curve: CostCurve, inputs: Inputs, market: Market) -> CostCurve:
    if must_self_host(case):
        raise _NotPriced("no data may leave")
    size, known = inputs.open_model_billions, market.assumptions.adapters
    usd = next((usd for most, usd in known if size <= most), None)
    if usd is None:
        raise _NotPriced(f"no price is known of an adapter on more than {known[-1][0]:g}B")
    calls = _tokens(case, inputs, market, (usd, usd), market.assumptions.adapters_source)
    return cost_curve(replace(curve.work, calls=calls, runs_on=RunsOn.NONE), curve.inputs)


def _distilled(case: UseCase, curve: CostCurve, inputs: Inputs, market: Market) -> CostCurve:
    """Rows that a strong model writes and somebody checks, in the place of those that would be bought."""
    if case.model_writes_rows is False:
        raise _NotPriced("rows that a model writes are not accepted")
    if must_self_host(case):
        raise _NotPriced("the strong model is a hosted one, and no data may leave")
    part, at = market.assumptions.part, inputs.scenario
    row = inputs.input_tokens + inputs.output_tokens
    shown = part("instruction_tokens", at) + part("written_rows_shown", at) * row
    written = total_usd(
        hosted_query(
            PromptTokens(fixed=0, varying=shown, output=row), market.sheet.api[Scenario.DEAR], inputs
        )
    )
    if written is None:
        raise _NotPriced("the price of the strong model is not known")
    checked = Decimal(str(market.assumptions.ranges["example_cost"].low))
    each = min(inputs.example_usd or checked, written + checked)
    cheaper = cost_curve_of(case, Option.TUNE, replace(inputs, example_usd=each), market)
    rows = tuple(one for one in cheaper.work.one_off if one.name != EVALUATION)
    work = replace(
        cheaper.work, one_off=(*(one for one in curve.work.one_off if one.name == EVALUATION), *rows)
    )
    return cost_curve(work, cheaper.inputs)


def _shared_with_people(case: UseCase, curve: CostCurve, inputs: Inputs, market: Market) -> CostCurve:
    today = incumbent_usd_per_1k(case)
    if not asks_for_labels(case):
        raise _NotPriced("only labels can be shared so")
    if today is None:
        raise _NotPriced("what an item costs today is not stated")
    left = 1 - Decimal(str(market.assumptions.part("route_own_share", inputs.scenario)))
    rest = today_line("left to today's way", left, today / 1000)
    return cost_curve(replace(curve.work, calls=(*curve.work.calls, rest)), curve.inputs)


_Build = Callable[[UseCase, CostCurve, Inputs, Market], CostCurve]
_BUILT: Mapping[Way, _Build] = {
    Way.PROMPT: _plain_prompt,
    Way.WHOLE_TEXT: _whole_text,
    Way.RERANK: _reranked,
    Way.TOOLS: _with_tools,
    Way.HOSTED_TUNING: _hosted_tuned,
    Way.SERVERLESS_LORA: _by_the_token,
    Way.DISTILLED: _distilled,
    Way.MODEL_TO_PEOPLE: _shared_with_people,
}
"""How a way differs from the option it is ranked as; all others are that option's plain way."""


def _part(market: Market, name: str, inputs: Inputs) -> Decimal:
    return Decimal(str(market.assumptions.part(name, inputs.scenario)))


def _tokens(
    case: UseCase, inputs: Inputs, market: Market, usd_per_mtok: tuple[Decimal, ...], source: str
) -> tuple[LedgerLine, ...]:
    """A query of a tuned model, by the token."""
    prompt = prompt_of(case, Option.TUNE, inputs, market.assumptions)
    counted = ((prompt.whole_input, "input tokens"), (prompt.output, "output tokens"))
    return tuple(
        _listed(name, Decimal(round(tokens)), "tokens", usd / MTOK, source)
        for (tokens, name), usd in zip(counted, usd_per_mtok, strict=True)
    )


def _listed(name: str, quantity: Decimal, unit: str, usd: Decimal, source: str) -> LedgerLine:
    return line(name, quantity, unit, usd, PriceBasis.ESTIMATE, source)


LIVE = 24 * 30.0
"""Changes a month, one an hour, from which an index is behind: an argument by how often one is built anew."""
WEAK_RECALL = 0.9
"""Recall below which a second look at the hits may find more than any reader makes of them."""
UNEVEN = 100_000
"""Queries a month up to which a machine by the month stands idle most of the time: two a minute."""
FEW = 1_000


def _live(case: UseCase) -> bool:
    changes = case.knowledge_changes_per_month
    return facts_needed(case) is True and changes is not None and changes >= LIVE


def _fits_a_prompt(case: UseCase) -> bool:
    size = case.knowledge_tokens
    fits = size is not None and size <= WHOLE_PROMPT_TOKENS
    return facts_needed(case) is True and fits and not _live(case)


def _rerank(case: UseCase) -> bool:
    recall = case.retrieval_recall
    return facts_needed(case) is True and recall is not None and 0 < recall < WEAK_RECALL


def _hosted(case: UseCase) -> bool:
    hosted = case.general_model in (GeneralModel.FRONTIER, GeneralModel.SMALL_HOSTED)
    return not must_self_host(case) and hosted


def _serverless(case: UseCase) -> bool:
    return (
        not must_self_host(case) and case.queries_per_month is not None and case.queries_per_month <= UNEVEN
    )


def _rows_are_written(case: UseCase) -> bool:
    return bool(case.model_writes_rows) and (case.examples is None or case.examples < FEW)


def _people(case: UseCase) -> bool:
    today = case.incumbent
    labels = case.task is AnswerKind.CLASSIFICATION
    return labels and today is not None and today.kind == "people" and today.cost_per_item is not None


FITS: Mapping[Way, Callable[[UseCase], bool]] = {
    Way.TOOLS: _live,
    Way.WHOLE_TEXT: _fits_a_prompt,
    Way.RERANK: _rerank,
    Way.DISTILLED: _rows_are_written,
    Way.HOSTED_TUNING: _hosted,
    Way.SERVERLESS_LORA: _serverless,
    Way.MODEL_TO_PEOPLE: _people,
}
"""Ways that need more than their option being first; all others are the plain way of their option."""


def fitting(case: UseCase, option: Option) -> tuple[Way, ...]:
    """The ways of an option that fit, those made for this use case first, the plain one last."""
    ways = [way for way in Way if way.traits.option is option]
    made = [way for way in FITS if way in ways and FITS[way](case)]
    plain = [way for way in ways if way not in FITS]
    if Way.TOOLS in made:
        plain = []  # an index is behind
    return (*made, *plain)
