"""What an outlook rests on, put together from plan and journal; the reckoning is in `forecast.outlook`.

Hosted models of the run and of its plan are here too: what 1,000 queries cost now, and what is announced of
them, and what one that was not run would have to reach, at list prices on counted tokens. These are the
tokens of the best local retrieve arm by that model's tokenizer: an estimate, and marked so. Hidden reasoning
tokens are not in it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

from advisor.evidence import Tag, load_evidence, published
from advisor.money.inputs import BATCH_P95_MS, CostInputs, People
from advisor.money.ledger import Covers, Money, PriceBasis, per_thousand, query_cost, total_usd
from advisor.money.money import AssumedRange, CostError, ExchangeRate, Range, UnknownPrice
from advisor.money.price_book import Price, PriceBook
from advisor.money.price_sources import LitellmMap, load_litellm_map
from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.arms.retrieve import passes_of, rows_to_choose_on
from harness.bakeoff.answer_sets import AnswerSet, StoredRun
from harness.bakeoff.business import BusinessPlan, PeoplePlan
from harness.bakeoff.cost import cost_lines
from harness.bakeoff.plan import DecisionPlan, ExperimentPlan, LatencyPlan, RetrievePlan
from harness.bakeoff.prices import by_tokens, machine_of, machine_stated, prices_for
from harness.bakeoff.results import ArmResult, BakeoffResults
from harness.core.records import ArmId, Choices, Item, Outcome
from harness.models.api.calls import answer_schema
from harness.money.forecast import outlook
from harness.money.records import (
    ArmGrounds,
    CostForecast,
    FrontierGap,
    Grounds,
    HostedPrice,
    IncumbentCosts,
    Published,
)
from harness.money.unknowns import NOT_STATED
from harness.tasks.base import Task

_TASKS = {"banking77": "Banking77", "clinc150": "CLINC150"}
_BEST_KNOWN = "banking77"
_CHARS_PER_TOKEN = 4.0


def frontier_gaps(
    run: StoredRun, arms: tuple[ArmResult, ...], ship: ArmResult | None, calls: int
) -> tuple[FrontierGap, ...]:
    """One gap for each frontier model of the plan; none without a counted retrieve arm.

    Where nothing may be shipped, the floor of the plan is what it would have to reach; without a floor
    there is nothing to name.

    Args:
        calls: what a run of the model takes, see `calls_to_settle`.
    """
    plan, counted = run.plan, counted_usage(arms, run.task)
    if counted is None or (ship is None and plan.decision.quality_floor is None):
        return ()
    return tuple(_gap(model, plan, ship, run.book, counted, calls) for model in plan.cost.frontier)


def calls_to_settle(items: Mapping[str, Sequence[Item]]) -> int:
    """Calls of `prompt` and `retrieve` on one more model, with the defaults of the command line."""
    retrieve, test, dev = RetrievePlan(), len(items["test"]), len(items["dev"])
    answered = dev + test + min(LatencyPlan().items, test)
    passes = passes_of(retrieve.k)
    return 2 * answered + passes * rows_to_choose_on(passes, retrieve.dev_items, dev, test)


def published_for(name: str) -> tuple[Published, ...]:
    """The published accuracy range of retrieval on this evalset; on Banking77 where none is known.

    Only figures that a reader can look up count.
    """
    task = name if name in _TASKS else _BEST_KNOWN
    known = [figure for figure in load_evidence() if figure.tag is not Tag.UNVERIFIED]
    found = published(task, Option.RETRIEVE.value, evidence=known)
    if not found:
        return ()
    other = "" if task == name else f", which is another task: no figure is known for {name}"
    sources = "; ".join(dict.fromkeys(f"{figure.study} ({figure.source})" for figure in found))
    return (
        Published(
            statement=f"hosted models given similar labelled examples, on {_TASKS[task]}{other}",
            low=found[0].value,
            high=found[-1].value,
            source=sources,
            checked=f"{max(figure.checked for figure in found):%Y-%m-%d}",
        ),
    )


def counted_usage(arms: tuple[ArmResult, ...], task: Task) -> Usage | None:
    """Mean tokens of a retrieve query, as a service without a warm prompt cache would see them.

    A service is sent the JSON schema of the labels and answers in JSON; where the arm ran here, neither was
    counted, so both are added.
    """
    for arm in arms:
        tokens = arm.cost.mean_tokens
        if arm.arm.option is Option.RETRIEVE and tokens.get("input_tokens") is not None:
            whole = (tokens["input_tokens"] or 0.0) + (tokens.get("cached_tokens") or 0.0)
            output = tokens.get("output_tokens")
            here = arm.identity is None or arm.identity.location != "remote"
            schema, answer = _held_to_json(task) if here else (0, 0)
            return Usage(
                input_tokens=round(whole) + schema,
                output_tokens=None if output is None else max(1, round(output), answer),
                counted_by=CountedBy.ESTIMATE,
            )
    return None


def _held_to_json(task: Task) -> tuple[int, int]:
    """Tokens of the schema that holds an answer, and of a mean label in JSON; fields are JSON already."""
    form = Choices(answers=task.choices) if task.choices else task.form()
    schema = answer_schema(form)
    answers = [json.dumps({"label": label}) for label in task.choices]
    mean = sum(map(len, answers)) / len(answers) if answers else 0.0
    there = 0 if schema is None else round(len(json.dumps(schema)) / _CHARS_PER_TOKEN)
    return there, round(mean / _CHARS_PER_TOKEN)


def _gap(
    model: str, plan: ExperimentPlan, ship: ArmResult | None, book: PriceBook, counted: Usage, calls: int
) -> FrontierGap:
    command = shlex.join(["harness", "bakeoff", *_rows(plan), "--model", model])
    try:
        price = book.price(model)
    except UnknownPrice as error:
        unknown = Money(
            usd=None,
            basis=PriceBasis.ESTIMATE,
            covers=Covers.CALLS,
            source=str(error).splitlines()[0],
            reason="no price",
        )
        return FrontierGap(
            model=model,
            usd_per_1k=unknown,
            accuracy_to_win=_to_win(ship, plan.decision),
            accuracy_same_cost_per_correct=None,
            settle_usd=None,
            settle_command=command,
        )
    lines = per_thousand(query_cost(counted, price), 1)
    per_1k = total_usd(lines)
    source = lines[0].source + "; tokens counted with the local model's tokenizer"
    return FrontierGap(
        model=model,
        usd_per_1k=Money(usd=per_1k, basis=PriceBasis.ESTIMATE, covers=Covers.CALLS, source=source),
        accuracy_to_win=_to_win(ship, plan.decision),
        accuracy_same_cost_per_correct=_same_cost(per_1k, ship),
        settle_usd=None if per_1k is None else per_1k * calls / 1000,
        settle_command=command,
    )


def _rows(plan: ExperimentPlan) -> list[str]:
    """The flags that name the same rows, split alike, and the same margin."""
    data = plan.data
    words = [*data.flags, "--seed", str(plan.seed)]
    margin = plan.decision.margin
    words += [] if margin == DecisionPlan().margin else ["--margin", f"{margin:g}"]
    words += [] if data.limit_test is None else ["--limit", str(data.limit_test)]
    return words + ([] if data.limit_train is None else ["--limit-train", str(data.limit_train)])


def _to_win(ship: ArmResult | None, decision: DecisionPlan) -> float | None:
    """Accuracy at which it would beat the shipped arm by more than the margin, or keep the floor."""
    if ship is None:
        return decision.quality_floor
    margin = decision.margin
    value = ship.primary.value
    return None if value is None or value + margin > 1 else value + margin


def _same_cost(per_1k: Decimal | None, ship: ArmResult | None) -> float | None:
    """Accuracy at which 1,000 correct answers cost the same; None where that lies above 1 or is unknown."""
    if ship is None:
        return None
    own = ship.cost.usd_per_1k_correct.usd
    if per_1k is None or not own:
        return None
    needed = float(per_1k / own)
    return needed if needed <= 1 else None


Charged = Mapping[ArmId, Sequence[Outcome]]
"""The outcomes whose seconds or tokens each arm pays for."""


def served(
    results: BakeoffResults, primary: Sequence[AnswerSet], charged: Charged, run: StoredRun
) -> tuple[HostedPrice, ...]:
    """Arms behind an API, with what is announced of their model."""
    by_arm = {arm.arm: arm for arm in results.arms}
    found = []
    for answers in primary:
        arm, identity = by_arm[answers.settled.arm], answers.settled.identity
        if identity is None or not by_tokens(identity, run.book):
            continue
        now = arm.cost.usd_per_1k
        outcomes = charged[arm.arm]
        price = _price(identity.id, run.book)
        later = (
            None
            if price is None or price.next_change is None
            else replace(
                prices_for(identity, run.plan, run.book),
                answers=_price(identity.id, run.book, price.next_change),
            )
        )
        on, source = _retirement(identity.id, price, load_litellm_map())
        found.append(
            HostedPrice(
                model=identity.id,
                arm=arm.arm,
                usd_per_1k=Money(usd=now.usd, basis=now.basis, covers=now.covers, reason=now.reason),
                source=now.source,
                next_on=None if price is None else price.next_change,
                next_usd_per_1k=None if later is None else total_usd(cost_lines(outcomes, identity, later)),
                retires_on=on,
                retires_source=source,
            )
        )
    return tuple(found)


def not_run(results: BakeoffResults, run: StoredRun) -> tuple[HostedPrice, ...]:
    """The plan's hosted models that were not run, on the tokens of the best counted retrieve arm."""
    counted = counted_usage(results.arms, run.task)
    there = {arm.identity.id for arm in results.arms if arm.identity is not None}
    if counted is None:
        return ()
    return tuple(
        _list_price(model, counted, run.book) for model in run.plan.cost.frontier if model not in there
    )


def _list_price(model: str, counted: Usage, book: PriceBook) -> HostedPrice:
    price = _price(model, book)
    on, source = _retirement(model, price, load_litellm_map())
    if price is None:
        unknown = Money(
            usd=None, basis=PriceBasis.ESTIMATE, covers=Covers.CALLS, reason=f"no price is known for {model}"
        )
        return HostedPrice(
            model=model, arm=None, usd_per_1k=unknown, source="no price", retires_on=on, retires_source=source
        )
    change = price.next_change
    later = None if change is None else _price(model, book, change)
    lines = per_thousand(query_cost(counted, price), 1)
    usd = total_usd(lines)
    return HostedPrice(
        model=model,
        arm=None,
        usd_per_1k=Money(
            usd=usd,
            basis=PriceBasis.ESTIMATE,
            covers=Covers.CALLS,
            reason="" if usd is not None else "a price or a count is unknown",
        ),
        source=f"{lines[0].source}; tokens counted with the local model's tokenizer",
        next_on=change,
        next_usd_per_1k=None if later is None else total_usd(per_thousand(query_cost(counted, later), 1)),
        retires_on=on,
        retires_source=source,
    )


def _price(model: str, book: PriceBook, day: date | None = None) -> Price | None:
    try:
        return book.price(model, at=None if day is None else datetime.combine(day, time(), tzinfo=UTC))
    except (UnknownPrice, CostError):
        return None


def _retirement(model: str, price: Price | None, table: LitellmMap | None) -> tuple[date | None, str]:
    """When a model is switched off, by litellm's map; else that its end is announced, by the price data."""
    if table is not None:
        for name in (model, model.partition("/")[2]):
            text = table.entries.get(name, {}).get("deprecation_date")
            try:
                return date.fromisoformat(str(text)), f"litellm {table.version}, deprecation_date of {name}"
            except ValueError:
                continue
    if price is not None and any("announced the model's end" in note for note in price.notes):
        return None, f"{price.source} {price.source_version}: the provider has announced the model's end"
    return None, ""


YEAR = 12.0  # months, where nobody says over how many it must pay


def grounds_of(
    results: BakeoffResults,
    run: StoredRun,
    primary: Sequence[AnswerSet],
    charged: Charged,
    acceptable: Sequence[ArmId],
    loaded: Mapping[ArmId, float],
) -> Grounds:
    """What the money of a run rests on beside the plan: the machine, each arm's seconds, hosted prices.

    Args:
        loaded: answers a second of the endpoints that were put under load, when they are full.
    """
    return Grounds(
        arms=tuple(
            replace(_arm_grounds(arm, results, charged, run), loaded_qps=loaded.get(arm.arm))
            for arm in results.arms
        ),
        hosted=(*served(results, primary, charged, run), *not_run(results, run)),
        acceptable=tuple(acceptable),
    )


def outlook_of(
    results: BakeoffResults, plan: ExperimentPlan, grounds: Grounds, ship: ArmId | None
) -> CostForecast:
    """The money of a run, at the plan's numbers."""
    return outlook(results, inputs_of(plan), incumbent_of(plan), grounds, ship)


def inputs_of(plan: ExperimentPlan) -> CostInputs:
    """The plan's figures; a range that stands in for one gives its likely value."""
    part = plan.business or BusinessPlan()
    ranges = tuple(
        AssumedRange(
            key=entry.field,
            unit=entry.unit,
            source=entry.source,
            low=float(entry.range[0]),
            likely=float(entry.range[1]),
            high=float(entry.range[2]),
        )
        for entry in part.assumed
    )
    likely = {entry.key: entry.likely for entry in ranges}
    if part.horizon_months is None and "horizon_months" not in likely:
        year = AssumedRange(
            key="horizon_months", unit="months", source=NOT_STATED, low=YEAR, likely=YEAR, high=YEAR
        )
        ranges = (*ranges, year)

    def money(field: str) -> Decimal | None:
        stated: Decimal | None = getattr(part, field, None)
        found = likely.get(field)
        return stated if stated is not None or found is None else Decimal(str(found))

    def number(field: str) -> float | None:
        stated: float | None = getattr(part, field, None)
        return likely.get(field) if stated is None else stated

    machine = machine_of(plan)
    batch = plan.decision.max_p95_ms is not None and plan.decision.max_p95_ms >= BATCH_P95_MS
    return CostInputs(
        queries_per_month=plan.cost.queries_per_month,
        horizon_months=number("horizon_months") or YEAR,
        day_rate_usd=money("day_rate_usd"),
        example_usd=money("example_usd"),
        wrong_answer_usd=plan.cost.wrong_answer_usd,
        knowledge_changes_per_month=number("knowledge_changes_per_month"),
        label_changes_per_month=number("label_changes_per_month"),
        rows_per_label_change=number("rows_per_label_change"),
        index_usd_per_month=money("index_usd_per_month"),
        failed_share=number("failed_share"),
        machine=machine,
        machine_stated=machine_stated(plan),
        utilisation=plan.cost.utilisation,
        day_shape=part.day_shape,
        may_sleep=batch,
        people={option.value: _people(known) for option, known in part.people.items()},
        exchange=_exchange(part),
        ranges=ranges,
    )


def _people(known: PeoplePlan) -> People:
    days, hours = known.build_days, known.run_hours_per_month
    return People(
        build_days=Range(low=days[0], likely=days[1], high=days[2]),
        run_hours_per_month=Range(low=hours[0], likely=hours[1], high=hours[2]),
        source=known.source,
    )


def _exchange(part: BusinessPlan) -> ExchangeRate | None:
    rate = part.rate
    if rate is None:
        return None
    return ExchangeRate(currency=part.currency, per_usd=rate.per_usd, as_of=rate.as_of, source=rate.source)


def incumbent_of(plan: ExperimentPlan) -> IncumbentCosts | None:
    """What is done today, as the plan states it; its sums are reckoned with the outlook."""
    today = plan.business.incumbent if plan.business else None
    if today is None:
        return None
    return IncumbentCosts(
        kind=today.kind,
        usd_per_item=today.usd_per_item,
        accuracy=today.accuracy,
        p95_ms=today.p95_ms,
        month_usd=Money(usd=None, basis=PriceBasis.MEASURED, reason="not calculated yet"),
    )


def _arm_grounds(arm: ArmResult, results: BakeoffResults, charged: Charged, run: StoredRun) -> ArmGrounds:
    hours = [line.quantity for line in arm.cost.lines if line.unit == "hours"]
    busy = None
    if hours and None not in hours:
        a_thousand = sum((h for h in hours if h is not None), Decimal(0)) * Decimal(
            str(run.plan.cost.utilisation)
        )
        busy = float(a_thousand * 3600 / 1000)
    search = _search_s(charged.get(arm.arm, ()))
    indexed = arm.fitted.indexed
    index = () if indexed is None else prices_for(None, run.plan, run.book).search.lines([indexed])
    return ArmGrounds(
        arm=arm.arm,
        index=index,
        busy_s_per_query=busy,
        search_s_per_query=search,
        refit_s=_refit_s(arm, search, results, len(run.items["train"])),
        batched_qps=arm.latency.throughput_qps.value,
    )


def _search_s(outcomes: Sequence[Outcome]) -> float | None:
    timings = [outcome.timing.retrieval_s for outcome in outcomes if outcome.timing is not None]
    return sum(timings) / len(timings) if timings else None


def _refit_s(arm: ArmResult, search_s: float | None, results: BakeoffResults, rows: int) -> float | None:
    """What fitting again takes; indexing is embedding and searching each row once, a route fits its first."""
    match arm.arm.option:
        case Option.PROMPT | Option.FLOOR:
            return 0.0
        case Option.RETRIEVE:
            return None if search_s is None else search_s * rows
        case Option.ROUTE:
            return next((part.fitted.seconds for part in results.parts(arm.arm)), None)
        case _:
            return arm.fitted.seconds
