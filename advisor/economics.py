"""From a use case to the cost of each option: ledgers, a month, the horizon, and against the incumbent.

Pure: prices come in as a sheet. Every figure is an estimate before anything is measured, given for three
scenarios (cheap, likely, dear) whose ranges `assumed.toml` holds. Known limits: hidden reasoning tokens are
not counted, and a fee for hosting a tuned model at a provider is not modelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.assumed import Assumptions, Inputs, Scenario, days
from advisor.case import DayShape, Task, UseCase, facts_needed, prompts_own_model
from advisor.money.ledger import LedgerLine, PriceBasis, line, query_cost, scaled
from advisor.money.machines import Machine, find_machine
from advisor.money.price import Price
from advisor.money.serving import FLAT_DAY, OFFICE_DAY, Fleet, Load, Scaling, month_line, serve, usd_per_1k
from advisor.money.tco import OptionCosts, Setting, Tco, total_cost
from advisor.money.training import Labels, OwnTraining, label_lines, training_lines
from advisor.money.usage import CountedBy, Usage
from advisor.options import Option

LINEAR_MACHINE = "cpu-2"
WHOLE_PROMPT_TOKENS = 200_000
GPU_TRAINING = "3090"
BATCH_P95_MS = 60_000.0
"""Answers that may take a minute may wait for a machine to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSheet:
    """Prices looked up once: hosted models by scenario, an embedding model, machines by the hour."""

    api: Mapping[Scenario, Price]
    embedding: Price | None
    machines: tuple[Machine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Prices and assumptions together."""

    sheet: PriceSheet
    assumptions: Assumptions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompt:
    """Tokens of one query: `fixed` stands the same in front of every query."""

    fixed: float
    varying: float
    output: float

    @property
    def whole_input(self) -> float:
        return self.fixed + self.varying


def knowledge_in_prompt(case: UseCase, inputs: Inputs) -> bool:
    """Whether the prompt option carries all the knowledge."""
    return facts_needed(case) is True and inputs.knowledge_tokens <= WHOLE_PROMPT_TOKENS


def _prompt(case: UseCase, option: Option, inputs: Inputs, assumptions: Assumptions) -> _Prompt:
    part = assumptions.part
    fixed = part("instruction_tokens", inputs.scenario)
    varying = inputs.input_tokens
    if case.task is Task.CLASSIFICATION:
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
        case Option.TUNE | Option.LINEAR:
            fixed = 40
    return _Prompt(fixed=fixed, varying=varying, output=inputs.output_tokens)


def _shown(case: UseCase, inputs: Inputs, assumptions: Assumptions) -> float:
    """Tokens of what was retrieved: passages where facts are needed, else similar examples."""
    if facts_needed(case) or (facts_needed(case) is None and case.task is not Task.CLASSIFICATION):
        return assumptions.part("passage_tokens", inputs.scenario)
    count = assumptions.part("shown_examples", inputs.scenario)
    most = assumptions.part("shown_tokens_at_most", inputs.scenario)
    return min(count * (inputs.input_tokens + inputs.output_tokens + 10), most)


def _hosted_query(prompt: _Prompt, price: Price, inputs: Inputs, sheet: PriceSheet) -> tuple[LedgerLine, ...]:
    """Tokens of a hosted call; a long fixed prefix is read from the cache when calls come close together."""
    often = inputs.queries_per_month / 730 >= 12
    cacheable = prompt.fixed >= 1024 and price.usd_per_mtok.cached is not None
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
    """The machine an open model runs on: as said, else a CPU below 0.6B, an L4 up to 9B, an A100 above.

    Raises:
        CostError: if the machine named has no known price.
    """
    named = case.hardware if case.hardware and case.hardware.lower() != "none" else None
    size = inputs.open_model_billions
    name = named or ("cpu-4" if size < 0.6 else "L4" if size <= 9 else "A100-80")
    return find_machine(name, sheet.machines, inputs.machine_hour_cost)


def _hour(machine: Machine, scenario: Scenario) -> Decimal | None:
    match scenario:
        case Scenario.CHEAP:
            return machine.usd_per_hour if machine.low is None else machine.low
        case Scenario.DEAR:
            return machine.usd_per_hour if machine.high is None else machine.high
        case Scenario.LIKELY:
            return machine.usd_per_hour


def load_of(case: UseCase, inputs: Inputs) -> Load:
    """The month's queries over the day; office hours where not known."""
    match case.day_shape:
        case DayShape.FLAT:
            return Load(queries_per_month=inputs.queries_per_month, day=FLAT_DAY)
        case DayShape.PEAKS:
            return Load(queries_per_month=inputs.queries_per_month, day=OFFICE_DAY, peak_factor=3.0)
        case DayShape.OFFICE | None:
            return Load(queries_per_month=inputs.queries_per_month, day=OFFICE_DAY)


def own_fleet(case: UseCase, prompt_tokens: tuple[float, float], inputs: Inputs, market: Market) -> Fleet:
    """Machines serving the open model at (input, output) tokens a query.

    Raises:
        CostError: if the machine has no known price.
    """
    machine = serving_machine(case, inputs, market.sheet)
    speeds = market.assumptions.speeds
    speed = speeds.get(machine.name) or speeds[stand_in(machine)]
    factor = {Scenario.CHEAP: market.assumptions.faster, Scenario.LIKELY: 1.0}.get(
        inputs.scenario, market.assumptions.slower
    )
    weight = market.assumptions.part("decode_weight", inputs.scenario)
    tokens = prompt_tokens[0] + weight * prompt_tokens[1]
    rate = speed.serve * factor / (inputs.open_model_billions * max(1.0, tokens))
    batch = case.p95_ms is not None and case.p95_ms >= BATCH_P95_MS
    to_zero = batch or inputs.scenario is Scenario.CHEAP
    return Fleet(
        queries_per_s=rate,
        usd_per_hour=_hour(machine, inputs.scenario),
        scaling=Scaling.TO_ZERO if to_zero else Scaling.FIXED,
        min_replicas=0 if to_zero else 1,
    )


def stand_in(machine: Machine) -> str:
    """The machine whose speed is taken where that of `machine` is not known."""
    return "L4" if machine.kind == "gpu" else "cpu-4"


def _own_month(case: UseCase, prompt: _Prompt, inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    fleet = own_fleet(case, (prompt.whole_input, prompt.output), inputs, market)
    machine = serving_machine(case, inputs, market.sheet)
    served = serve(load_of(case, inputs), fleet)
    return (month_line(served, fleet, machine.basis, f"{machine.name}: {machine.source}"),)


def _linear_query(inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    part = market.assumptions.part
    machine = find_machine(LINEAR_MACHINE, market.sheet.machines)
    thousand = usd_per_1k(
        part("linear_seconds", inputs.scenario),
        machine.usd_per_hour,
        part("linear_utilisation", inputs.scenario),
    )
    price = None if thousand is None else thousand / 1000
    return (line("machine time", Decimal(1), "queries", price, machine.basis, machine.source),)


def rows_wanted(case: UseCase, inputs: Inputs, assumptions: Assumptions) -> float:
    """Rows below which more are bought before training."""
    if case.task is Task.CLASSIFICATION:
        return inputs.labels * assumptions.part("rows_wanted_per_label", inputs.scenario)
    return assumptions.part("rows_wanted", inputs.scenario)


def _rows(case: UseCase, inputs: Inputs, assumptions: Assumptions) -> tuple[float, float]:
    """(rows to train on, rows to buy)."""
    wanted = rows_wanted(case, inputs, assumptions)
    return max(wanted, inputs.examples), max(0.0, wanted - inputs.examples)


def _training(rows: float, prompt: _Prompt, inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    part = market.assumptions.part
    size = inputs.open_model_billions
    name = GPU_TRAINING if size >= 0.6 else "cpu-4"
    machine = find_machine(name, market.sheet.machines)
    tokens = rows * (prompt.whole_input + prompt.output) * part("epochs", inputs.scenario)
    hours = tokens * size / market.assumptions.speeds[name].train / 3600
    return training_lines(
        OwnTraining(
            hours=hours,
            machine=replace(machine, usd_per_hour=_hour(machine, inputs.scenario)),
            runs=round(part("training_runs", inputs.scenario)),
            failed_share=part("failed_share", inputs.scenario),
        )
    )


def _bought(rows: float, inputs: Inputs) -> tuple[LedgerLine, ...]:
    if rows <= 0:
        return ()
    bought = Labels(items=round(rows), usd_per_item=inputs.example_cost)
    return label_lines(bought, "price of one more example", PriceBasis.ESTIMATE)


def _indexing(tokens: float, market: Market) -> tuple[LedgerLine, ...]:
    price = market.sheet.embedding
    rate = None if price is None else price.usd_per_mtok.input
    unit = None if rate is None else rate / 1_000_000
    source = "no embedding price" if price is None else price.requested
    return (line("indexing", Decimal(round(tokens)), "tokens", unit, PriceBasis.ESTIMATE, source),)


def _index_month(case: UseCase, inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    if facts_needed(case) is False:
        return ()  # examples for labels fit into the serving process
    price = Decimal(str(market.assumptions.part("index_usd_per_month", inputs.scenario)))
    return (line("index hosting", Decimal(1), "months", price, PriceBasis.ESTIMATE, "assumption"),)


def option_costs(case: UseCase, option: Option, inputs: Inputs, market: Market) -> OptionCosts:
    """The ledgers of one option in one scenario, changes included.

    Raises:
        CostError: if a machine named has no known price.
    """
    assumptions = market.assumptions
    prompt = _prompt(case, option, inputs, assumptions)
    own = runs_own_model(case, option)
    api = market.sheet.api[inputs.scenario]
    rows, bought = _rows(case, inputs, assumptions)
    per_query: tuple[LedgerLine, ...] = ()
    monthly: tuple[LedgerLine, ...] = ()
    once: tuple[LedgerLine, ...] = _evaluation(inputs, market)
    match option:
        case Option.LINEAR:
            per_query = _linear_query(inputs, market)
        case Option.ROUTE:
            if _routes_from_tuned(case):
                tuned = _prompt(case, Option.TUNE, inputs, assumptions)
                monthly = _own_month(case, tuned, inputs, market)
            else:
                per_query = _linear_query(inputs, market)
            handed_on = Decimal(str(round(1 - assumptions.part("route_own_share", inputs.scenario), 6)))
            hosted = _hosted_query(prompt, api, inputs, market.sheet)
            per_query = (*per_query, *scaled(hosted, handed_on))
        case _ if own:
            monthly = _own_month(case, prompt, inputs, market)
        case _:
            per_query = _hosted_query(prompt, api, inputs, market.sheet)
    if option.traits.searches:
        monthly = (*monthly, *_index_month(case, inputs, market))
        once = (*once, *_indexing(_indexed_tokens(case, inputs), market))
    if option.traits.trained:
        once = (*once, *_bought(bought, inputs))
    if option.traits.tuned or (option is Option.ROUTE and _routes_from_tuned(case)):
        once = (*once, *_training(rows, prompt, inputs, market))
    return OptionCosts(
        method=option.value,
        model=_model_name(option, own, api, inputs),
        accuracy=None,
        per_query=per_query,
        monthly=monthly,
        one_off=once,
        per_change=_changes(case, option, inputs, market),
        changes_per_month=Decimal(1),  # `per_change` holds a month's changes of both kinds
        build_days=days(assumptions.build_days, option.value, inputs.scenario),
        run_hours_per_month=days(assumptions.run_hours, option.value, inputs.scenario),
    )


def _routes_from_tuned(case: UseCase) -> bool:
    """Whether a route's own part is a tuned model: only labels can be routed from a linear one."""
    return case.task not in (None, Task.CLASSIFICATION)


def runs_own_model(case: UseCase, option: Option) -> bool:
    """Whether the option runs on the open model; unknown counts as hosted for options that are prompted."""
    if option in (Option.LINEAR, Option.ROUTE):
        return False
    return option.traits.tuned or prompts_own_model(case) is True


def prompt_tokens(
    case: UseCase, option: Option, inputs: Inputs, assumptions: Assumptions
) -> tuple[float, float]:
    """(input, output) tokens of one query."""
    prompt = _prompt(case, option, inputs, assumptions)
    return prompt.whole_input, prompt.output


def _model_name(option: Option, own: bool, api: Price, inputs: Inputs) -> str:
    if option is Option.LINEAR:
        return "linear head or encoder"
    return f"open {inputs.open_model_billions:g}B" if own else api.requested


def _indexed_tokens(case: UseCase, inputs: Inputs) -> float:
    if facts_needed(case) is False:
        return inputs.examples * inputs.input_tokens
    return inputs.knowledge_tokens


def _evaluation(inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    items = Decimal(round(market.assumptions.part("evaluation_items", inputs.scenario)))
    return (
        line(
            "evaluation items", items, "items", inputs.example_cost, PriceBasis.ESTIMATE, "price of one more"
        ),
    )


def _changes(case: UseCase, option: Option, inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    """A month's changes of knowledge and of labels."""
    lines: tuple[LedgerLine, ...] = ()
    if facts_needed(case) is not False:
        month = Decimal(str(inputs.knowledge_changes_per_month))
        changed = inputs.knowledge_tokens * inputs.knowledge_changed_share
        if option.traits.searches:
            lines += scaled(_indexing(changed, market), month)
        elif option is Option.TUNE:
            lines += scaled(_retraining(case, option, inputs, market), month)
    if case.task is Task.CLASSIFICATION and option is not Option.PROMPT:
        month = Decimal(str(inputs.label_changes_per_month))
        rows = market.assumptions.part("rows_per_new_label", inputs.scenario)
        lines += scaled(_bought(rows, inputs), month)
        if option.traits.tuned:
            lines += scaled(_retraining(case, option, inputs, market), month)
    return lines


def _retraining(case: UseCase, option: Option, inputs: Inputs, market: Market) -> tuple[LedgerLine, ...]:
    rows, _ = _rows(case, inputs, market.assumptions)
    prompt = _prompt(case, option, inputs, market.assumptions)
    return _training(rows, prompt, inputs, market)


def setting_of(inputs: Inputs) -> Setting:
    """Volume, horizon and rates; wrong answers cost 0 only where their cost was given as 0 or not at all."""
    return Setting(
        queries_per_month=Decimal(str(inputs.queries_per_month)),
        horizon_months=Decimal(str(inputs.horizon_months)),
        wrong_usd=Decimal(0),
        day_rate_usd=inputs.day_rate,
    )


def option_tco(
    case: UseCase, option: Option, inputs: Inputs, market: Market, *, accuracy: float | None = None
) -> Tco:
    """What an option costs over the horizon in one scenario.

    Wrong answers count where the case prices them and an accuracy is given; else they are left out.

    Raises:
        CostError: if a machine named has no known price.
    """
    costs = replace(option_costs(case, option, inputs, market), accuracy=accuracy)
    setting = setting_of(inputs)
    if inputs.wrong_answer_cost is not None and accuracy is not None:
        setting = replace(setting, wrong_usd=inputs.wrong_answer_cost)
    return total_cost(costs, setting)
