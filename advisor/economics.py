"""From a use case to the cost of each option: ledgers, a month, the horizon, and against the incumbent.

Pure: prices come in as a sheet. Every figure is an estimate before anything is measured, given for three
scenarios (cheap, likely, dear) whose ranges `assumed.toml` holds. Known limits: hidden reasoning tokens are
not counted, and a fee for hosting a tuned model at a provider is not modelled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.assumed import Assumptions, Inputs
from advisor.case import AnswerKind, UseCase, facts_needed, prompts_own_model
from advisor.money.change_rate import MeasuredUpdate
from advisor.money.ledger import LedgerLine, PriceBasis, line, query_cost, scaled
from advisor.money.machines import Machine, find_machine
from advisor.money.money import Scenario
from advisor.money.price_book import Price
from advisor.money.tco import Tco
from advisor.money.training import training_lines
from advisor.money.usage import CountedBy, Usage
from advisor.money.workload import CostCurve, RunsOn, Workload, cost_curve
from advisor.options import Option

SMALL_MACHINE = "cpu-2"
SMALL_MODEL = 0.6
"""Billions of parameters below which a model runs and is trained on a CPU."""
WHOLE_PROMPT_TOKENS = 200_000
CACHED_FROM = 1024
"""Tokens from which a prefix that stays the same is read from the provider's cache."""
GPU_TRAINING = "3090"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSheet:
    """Prices looked up once: hosted models by scenario, an embedding model, machines by the hour."""

    api: Mapping[Scenario, Price]
    embedding: Price | None
    machines: tuple[Machine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Prices, assumptions, and what was measured of them.

    Attributes:
        drilled: updates that a drill measured; they stand in the place of assumed ones.
    """

    sheet: PriceSheet
    assumptions: Assumptions
    drilled: tuple[MeasuredUpdate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTokens:
    """Tokens of one query: `fixed` stands the same in front of every query."""

    fixed: float
    varying: float
    output: float

    @property
    def whole_input(self) -> float:
        """Both parts of the input."""
        return self.fixed + self.varying


def knowledge_in_prompt(case: UseCase, inputs: Inputs) -> bool:
    """Whether the prompt option carries all the knowledge."""
    return facts_needed(case) is True and inputs.knowledge_tokens <= WHOLE_PROMPT_TOKENS


def prompt_of(case: UseCase, option: Option, inputs: Inputs, assumptions: Assumptions) -> PromptTokens:
    """What one query of an option is made of."""
    part = assumptions.part
    fixed = part("instruction_tokens", inputs.scenario)
    varying = inputs.input_tokens
    if case.task is AnswerKind.CLASSIFICATION:
        fixed += inputs.labels * part("label_definition_tokens", inputs.scenario)
    match option:
        case Option.PROMPT | Option.ROUTE:
            if knowledge_in_prompt(case, inputs):
                fixed += inputs.knowledge_tokens
        case Option.RETRIEVE:
            varying += _shown(case, inputs, assumptions)
        case Option.TUNE_RETRIEVE:
            fixed = 40
            varying += _shown(case, inputs, assumptions)
        case Option.TUNE | Option.NEIGHBOURS | Option.LINEAR | Option.ENCODER:
            fixed = 40
    return PromptTokens(fixed=fixed, varying=varying, output=inputs.output_tokens)


def labels_cached_from(inputs: Inputs, assumptions: Assumptions) -> int:
    """How many labels make a prompt's prefix long enough to be read from the cache."""
    left = CACHED_FROM - assumptions.part("instruction_tokens", inputs.scenario)
    return math.ceil(left / assumptions.part("label_definition_tokens", inputs.scenario))


def _shown(case: UseCase, inputs: Inputs, assumptions: Assumptions) -> float:
    """Tokens of what was retrieved: passages where facts are needed, else similar examples."""
    if facts_needed(case) or (facts_needed(case) is None and case.task is not AnswerKind.CLASSIFICATION):
        return assumptions.part("passage_tokens", inputs.scenario)
    count = assumptions.part("shown_examples", inputs.scenario)
    most = assumptions.part("shown_tokens_at_most", inputs.scenario)
    return min(count * (inputs.input_tokens + inputs.output_tokens + 10), most)


def hosted_query(prompt: PromptTokens, price: Price, inputs: Inputs) -> tuple[LedgerLine, ...]:
    """Tokens of a hosted call; a long fixed prefix is read from the cache when calls come close together."""
    often = inputs.queries_per_month / 730 >= 12
    cacheable = prompt.fixed >= CACHED_FROM and price.usd_per_mtok.cached is not None
    cached = cacheable and (
        inputs.scenario is Scenario.CHEAP or (inputs.scenario is Scenario.LIKELY and often)
    )
    usage = Usage(
        input_tokens=round(prompt.varying if cached else prompt.whole_input),
        cached_tokens=round(prompt.fixed) if cached else 0,
        output_tokens=round(prompt.output),
        counted_by=CountedBy.ESTIMATE,
    )
    return query_cost(usage, price)


def serving_machine(case: UseCase, inputs: Inputs, sheet: PriceSheet) -> Machine:
    """The machine an open model runs on: as said, else two CPU cores, an L4 from 0.6B, an A100 above 9B.

    Raises:
        CostError: if the machine named has no known price.
    """
    size = inputs.open_model_billions
    by_size = SMALL_MACHINE if size < SMALL_MODEL else "L4" if size <= 9 else "A100-80"
    return _machine(named_machine(case) or by_size, inputs, sheet)


def named_machine(case: UseCase) -> str | None:
    """The machine that the use case names; None where it names none."""
    return case.hardware if case.hardware and case.hardware.lower() != "none" else None


def _machine(name: str, inputs: Inputs, sheet: PriceSheet) -> Machine:
    return find_machine(name, sheet.machines, inputs.hour_usd).at(inputs.scenario)


def _rate(case: UseCase, machine: Machine, prompt: PromptTokens, inputs: Inputs, market: Market) -> float:
    """Queries a second that one machine answers, by the published speeds."""
    speeds = market.assumptions.speeds
    speed = speeds.get(machine.name) or speeds[stand_in(machine)]
    factor = {Scenario.CHEAP: market.assumptions.faster, Scenario.LIKELY: 1.0}.get(
        inputs.scenario, market.assumptions.slower
    )
    weight = market.assumptions.part("decode_weight", inputs.scenario)
    tokens = prompt.whole_input + weight * prompt.output
    return speed.serve * factor / (inputs.open_model_billions * max(1.0, tokens))


def stand_in(machine: Machine) -> str:
    """The machine whose speed is taken where that of `machine` is not known."""
    return "L4" if machine.kind == "gpu" else "cpu-4"


def rows_wanted(case: UseCase, inputs: Inputs, assumptions: Assumptions) -> float:
    """Rows below which more are bought before training."""
    if case.task is AnswerKind.CLASSIFICATION:
        return inputs.labels * assumptions.part("rows_wanted_per_label", inputs.scenario)
    return assumptions.part("rows_wanted", inputs.scenario)


def _rows(case: UseCase, inputs: Inputs, assumptions: Assumptions) -> tuple[float, float]:
    """(rows to train on, rows to buy)."""
    wanted = rows_wanted(case, inputs, assumptions)
    return max(wanted, inputs.examples), max(0.0, wanted - inputs.examples)


def _training(case: UseCase, option: Option, inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    """All trainings that building takes, the failed ones included."""
    rows, _ = _rows(case, inputs, market.assumptions)
    prompt = prompt_of(case, option, inputs, market.assumptions)
    part, size = market.assumptions.part, inputs.open_model_billions
    name = GPU_TRAINING if size >= SMALL_MODEL else SMALL_MACHINE
    tokens = rows * (prompt.whole_input + prompt.output) * part("epochs", inputs.scenario)
    return training_lines(
        tokens * size / market.assumptions.speeds[name].train / 3600,
        find_machine(name, market.sheet.machines).at(inputs.scenario),
        runs=round(part("training_runs", inputs.scenario)),
        failed_share=inputs.failed_share or 0.0,
    )


def _bought(rows: float, inputs: Inputs) -> tuple[LedgerLine, ...]:
    if rows <= 0:
        return ()
    source = "price of one more example"
    items = Decimal(round(rows))
    return (line("labelling", items, "items", inputs.example_usd, PriceBasis.ESTIMATE, source),)


def _indexing(name: str, tokens: float, market: Market) -> tuple[LedgerLine, ...]:
    price = market.sheet.embedding
    rate = None if price is None else price.usd_per_mtok.input
    unit = None if rate is None else rate / 1_000_000
    source = "no embedding price" if price is None else price.requested
    return (line(name, Decimal(round(tokens)), "tokens", unit, PriceBasis.ESTIMATE, source),)


def cost_curve_of(
    case: UseCase, option: Option, inputs: Inputs, market: Market, *, accuracy: float | None = None
) -> CostCurve:
    """What an option costs in one scenario, at any volume.

    Raises:
        CostError: if a machine named has no known price.
    """
    return cost_curve(
        replace(_workload(case, option, inputs, market), accuracy=accuracy), _that_matter(case, inputs)
    )


def _that_matter(case: UseCase, inputs: Inputs) -> Inputs:
    """Without changes that the answers cannot suffer."""
    knowledge = inputs.knowledge_changes_per_month if facts_needed(case) is not False else 0.0
    labels = inputs.label_changes_per_month if case.task is AnswerKind.CLASSIFICATION else 0.0
    return replace(inputs, knowledge_changes_per_month=knowledge, label_changes_per_month=labels)


def _workload(case: UseCase, option: Option, inputs: Inputs, market: Market) -> Workload:
    assumptions = market.assumptions
    prompt = prompt_of(case, option, inputs, assumptions)
    own, api = runs_own_model(case, option), market.sheet.api[inputs.scenario]
    calls: tuple[LedgerLine, ...] = ()
    if option is Option.ROUTE:
        handed_on = Decimal(str(round(1 - assumptions.part("route_own_share", inputs.scenario), 6)))
        calls = scaled(hosted_query(prompt, api, inputs), handed_on)
    elif not own and not option.traits.free:
        calls = hosted_query(prompt, api, inputs)
    trains = _trains_on_gpu(option)
    tuned = trains or (option is Option.ROUTE and _routes_from_tuned(case))
    own_prompt = prompt_of(case, Option.TUNE, inputs, assumptions) if option is Option.ROUTE else prompt
    changed = inputs.knowledge_tokens * inputs.knowledge_changed_share
    work = Workload(
        method=option.value,
        model=_model_name(option, own, api, inputs),
        accuracy=None,
        calls=calls,
        machine=inputs.machine,
        one_off=(
            *_evaluation(inputs, market),
            *(
                _indexing("indexing", _indexed_tokens(case, option, inputs), market)
                if option.traits.searches
                else ()
            ),
            *(_bought(_rows(case, inputs, assumptions)[1], inputs) if option.traits.trained else ()),
            *(_training(case, option, inputs, market) if tuned else ()),
        ),
        refit=_training(case, option, inputs, market) if trains else (),
        reindex=() if facts_needed(case) is False else _indexing("indexing again", changed, market),
        drilled=tuple(one for one in market.drilled if one.method == option.value),
    )
    return _placed(work, case, own_prompt, inputs, market)


def _placed(work: Workload, case: UseCase, prompt: PromptTokens, inputs: Inputs, market: Market) -> Workload:
    """On the machines it takes: none for calls alone, its own for a language model, else a shared one."""
    option = Option(work.method)
    if runs_own_model(case, option) or (option is Option.ROUTE and _routes_from_tuned(case)):
        machine = serving_machine(case, inputs, market.sheet)
        rate = _rate(case, machine, prompt, inputs, market)
        return replace(work, runs_on=RunsOn.WHOLE, machine=machine, per_s=rate, busy_s=1 / rate)
    if option.traits.own_model:
        machine = _machine(named_machine(case) or SMALL_MACHINE, inputs, market.sheet)
        busy = market.assumptions.part("linear_seconds", inputs.scenario)
        return replace(work, runs_on=RunsOn.SHARED, machine=machine, busy_s=busy)
    return work


def _trains_on_gpu(option: Option) -> bool:
    """Whether a training costs anything to speak of: an encoder's takes minutes of a small machine."""
    return option.traits.tuned and not option.traits.encodes


def _routes_from_tuned(case: UseCase) -> bool:
    """Whether a route's own part is a tuned model: only labels can be routed from a linear one."""
    return case.task not in (None, AnswerKind.CLASSIFICATION)


def runs_own_model(case: UseCase, option: Option) -> bool:
    """Whether the option runs on the open model; unknown counts as hosted for options that are prompted."""
    if option.traits.own_model:
        return False
    return option.traits.tuned or prompts_own_model(case) is True


def prompt_tokens(
    case: UseCase, option: Option, inputs: Inputs, assumptions: Assumptions
) -> tuple[float, float]:
    """(input, output) tokens of one query."""
    prompt = prompt_of(case, option, inputs, assumptions)
    return prompt.whole_input, prompt.output


def _model_name(option: Option, own: bool, api: Price, inputs: Inputs) -> str:
    if option is Option.LINEAR:
        return "linear head"
    if option.traits.free:
        return option.traits.own_model
    return f"open {inputs.open_model_billions:g}B" if own else api.requested


def _indexed_tokens(case: UseCase, option: Option, inputs: Inputs) -> float:
    """Of labelled rows where these are searched, else of the knowledge."""
    if option is Option.NEIGHBOURS or facts_needed(case) is False:
        return inputs.examples * inputs.input_tokens
    return inputs.knowledge_tokens


def _evaluation(inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    items = Decimal(round(market.assumptions.part("evaluation_items", inputs.scenario)))
    return (
        line(
            "evaluation items", items, "items", inputs.example_usd, PriceBasis.ESTIMATE, "price of one more"
        ),
    )


def option_tco(
    case: UseCase, option: Option, inputs: Inputs, market: Market, *, accuracy: float | None = None
) -> Tco:
    """What an option costs over the horizon in one scenario.

    Wrong answers count where the case prices them and an accuracy is given; else they are left out.

    Raises:
        CostError: if a machine named has no known price.
    """
    curve = cost_curve_of(case, option, inputs, market, accuracy=accuracy)
    return curve.total(counted=accuracy is not None)
