"""What is assumed where an answer is not known: ranges as data, and one set of inputs for a scenario.

Nothing is assumed silently: `Inputs.assumed` names every range that stood in for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from advisor.case import AnswerKind, UseCase, facts_needed
from advisor.money.inputs import BATCH_P95_MS, CostInputs, People
from advisor.money.machines import HOURS_PER_MONTH, NO_MACHINE
from advisor.money.money import AssumedRange, ExchangeRate, Range, Scenario, parse_rate, to_usd
from advisor.reading import parse_toml, read_record

_PLACES = {scenario: place for place, scenario in enumerate(Scenario)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Billion parameters times tokens a second of one machine, serving and training."""

    machine: str
    serve: float
    train: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """The packaged ranges.

    Attributes:
        adapters: sizes of base models in billions of parameters, and what a million tokens of an adapter of
            one up to that size costs.
        adapters_source: where that stands.
    """

    ranges: Mapping[str, AssumedRange]
    parts: Mapping[str, tuple[float, float, float]]
    people: Mapping[str, People]
    speeds: Mapping[str, Speed]
    faster: float
    slower: float
    models: Mapping[Scenario, str]
    embedding: str
    adapters: tuple[tuple[float, Decimal], ...]
    adapters_source: str

    def part(self, name: str, scenario: Scenario) -> float:
        """A part of a cost that no questionnaire asks."""
        return self.parts[name][_PLACES[scenario]]


def load_assumptions() -> Assumptions:
    """The packaged file."""
    return parse_assumptions(Path(__file__).with_name("assumed.toml").read_text(encoding="utf-8"))


def parse_assumptions(text: str) -> Assumptions:
    """Read the ranges from TOML.

    Raises:
        KeyError: if a table is missing.
        ValueError: if a range is out of order.
    """
    raw = parse_toml(text)
    ranges = {row["key"]: _range(row) for row in raw["range"]}
    ranges |= {
        f"{way}_tokens:{task}": _by_task(f"{way}_tokens:{task}", "tokens", three, raw["tokens"])
        for way in ("input", "output")
        for task, three in raw["tokens"][way].items()
    }
    ranges |= {
        f"today_cost:{task}": _by_task(f"today_cost:{task}", "USD an item", three, raw["today"])
        for task, three in raw["today"]["cost"].items()
    }
    return Assumptions(
        ranges=ranges,
        parts=_three(raw["parts"]),
        people=_people(raw["build_days"], raw["run_hours"]),
        speeds={speed.machine: speed for speed in read_record(tuple[Speed, ...], raw["speed"])},
        faster=raw["serving"]["faster"],
        slower=raw["serving"]["slower"],
        models={
            Scenario.CHEAP: raw["models"]["low"],
            Scenario.LIKELY: raw["models"]["likely"],
            Scenario.DEAR: raw["models"]["high"],
        },
        embedding=raw["models"]["embedding"],
        adapters=tuple(
            (size, Decimal(str(usd)))
            for size, usd in zip(
                raw["adapters"]["up_to_billions"], raw["adapters"]["usd_per_mtok"], strict=True
            )
        ),
        adapters_source=raw["adapters"]["source"],
    )


def _three(table: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    return {name: (v[0], v[1], v[2]) for name, v in table.items() if name != "source"}


def _people(days: Mapping[str, Any], hours: Mapping[str, Any]) -> dict[str, People]:
    def three(values: tuple[float, float, float]) -> Range[Decimal]:
        low, likely, high = (Decimal(str(value)) for value in values)
        return Range(low=low, likely=likely, high=high)

    running = _three(hours)
    return {
        option: People(
            build_days=three(built), run_hours_per_month=three(running[option]), source="assumption"
        )
        for option, built in _three(days).items()
    }


def _by_task(key: str, unit: str, three: Sequence[float], table: Mapping[str, Any]) -> AssumedRange:
    ends = dict(zip(("low", "likely", "high"), three, strict=True))
    return _range({"key": key, "unit": unit, **ends, "source": table["source"]})


def _range(row: Mapping[str, Any]) -> AssumedRange:
    return AssumedRange(
        key=row["key"],
        unit=row["unit"],
        low=row["low"],
        likely=row["likely"],
        high=row["high"],
        cheap_is_low=row.get("cheap", "low") == "low",
        source=row["source"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(CostInputs):
    """The figures of a use case at one scenario, and the sizes that a prediction takes besides.

    Attributes:
        hour_usd: of the serving machine, as the use case states it.
        today_at_most_usd: what an item may cost today at the very most; None where its cost is stated, or
            no volume is.
        ranges: of figures that the use case does not state.
    """

    examples: float
    labels: float
    knowledge_tokens: float
    knowledge_changed_share: float
    open_model_billions: float
    input_tokens: float
    output_tokens: float
    hour_usd: Decimal | None
    today_at_most_usd: Decimal | None


_PLAIN = (
    "horizon_months",
    "examples",
    "labels",
    "knowledge_tokens",
    "knowledge_changed_share",
    "knowledge_changes_per_month",
    "label_changes_per_month",
    "open_model_billions",
)


def rates(case: UseCase) -> tuple[ExchangeRate, ...]:
    """The case's exchange rate, if it has one."""
    given, code = case.usd_rate, case.currency
    if code == "USD":
        return ()
    if case.fx:
        return (parse_rate(case.fx),)
    if given is None:
        return ()
    return (ExchangeRate(currency=code, per_usd=given.per_usd, as_of=given.as_of, source=given.source),)


_OF_FACTS = ("knowledge_tokens", "knowledge_changed_share", "knowledge_changes_per_month")
_OF_LABELS = ("labels", "label_changes_per_month")


def assumed_in(case: UseCase, inputs: Inputs) -> dict[str, AssumedRange]:
    """By field, the ranges that stood in for an answer and that something hangs on in this case."""
    used = {entry.key.split(":")[0]: entry for entry in inputs.ranges}
    idle: tuple[str, ...] = _OF_FACTS if facts_needed(case) is False else ()
    if case.task not in (None, AnswerKind.CLASSIFICATION):
        idle += _OF_LABELS
    return {name: entry for name, entry in used.items() if name not in idle}


def today_range(case: UseCase, assumptions: Assumptions) -> AssumedRange:
    """What an item may cost today where nobody says."""
    return assumptions.ranges[f"today_cost:{'unknown' if case.task is None else case.task.value}"]


def resolve(case: UseCase, assumptions: Assumptions, scenario: Scenario) -> Inputs:
    """The case's numbers, with a range's value where one is not known.

    Raises:
        CostError: if the case's currency has no rate.
    """
    used: list[AssumedRange] = []

    def number(key: str, field: str) -> float:
        value = getattr(case, field)
        if value is not None:
            return float(value)
        used.append(assumptions.ranges[key])
        return assumptions.ranges[key].at(scenario)

    def money(field: str) -> Decimal:
        value = getattr(case, field)
        if value is not None:
            return to_usd(value, case.currency, rates(case))
        used.append(assumptions.ranges[field])
        return Decimal(str(assumptions.ranges[field].at(scenario)))

    def optional(value: Decimal | None) -> Decimal | None:
        return None if value is None else to_usd(value, case.currency, rates(case))

    task = "unknown" if case.task is None else case.task.value
    plain: dict[str, Any] = {field: number(field, field) for field in _PLAIN}
    plain |= {f"{way}_tokens": number(f"{way}_tokens:{task}", f"{way}_tokens") for way in ("input", "output")}
    index = 0.0 if facts_needed(case) is False else assumptions.part("index_usd_per_month", scenario)
    today = case.incumbent is not None and case.incumbent.cost_per_item is not None
    at_most = None
    if not today and case.queries_per_month is not None:
        at_most = Decimal(str(today_range(case, assumptions).high))
    return Inputs(
        scenario=scenario,
        queries_per_month=max(1, round(number("queries_per_month", "queries_per_month"))),
        day_rate_usd=money("day_rate"),
        example_usd=money("example_cost"),
        wrong_answer_usd=optional(case.wrong_answer_cost),
        hour_usd=optional(case.machine_hour_cost),
        today_at_most_usd=at_most,
        **plain,
        rows_per_label_change=assumptions.part("rows_per_new_label", scenario),
        index_usd_per_month=Decimal(str(index)),
        failed_share=assumptions.part("failed_share", scenario),
        machine=NO_MACHINE,
        utilisation=assumptions.part("utilisation", scenario),
        day_shape="office" if case.day_shape is None else case.day_shape.value,
        may_sleep=scenario is Scenario.CHEAP or _may_wait(case, scenario),
        people=assumptions.people,
        ranges=tuple(used),
    )


def _may_wait(case: UseCase, scenario: Scenario) -> bool:
    """Whether a query may wait for a machine to start: where so much time is allowed, and, but in the dear
    scenario, where nobody asks for speed and less than one query an hour comes.
    """
    if case.p95_ms is not None:
        return case.p95_ms >= BATCH_P95_MS
    rare = case.queries_per_month is not None and case.queries_per_month < HOURS_PER_MONTH
    return rare and scenario is not Scenario.DEAR
