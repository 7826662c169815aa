"""What is assumed where an answer is not known: ranges as data, and one set of inputs for a scenario.

Nothing is assumed silently: `Inputs.assumed` names every range that stood in for an answer.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from advisor.case import Task, UseCase, facts_needed
from advisor.money.money import ExchangeRate, to_usd


class Scenario(StrEnum):
    """Which end of every range: the cheap one, the likely one or the dear one."""

    CHEAP = "cheap"
    LIKELY = "likely"
    DEAR = "dear"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRange:
    """What an unknown answer may be; `cheap_is_low` says which end makes queries cheaper."""

    key: str
    unit: str
    low: float
    likely: float
    high: float
    cheap_is_low: bool
    source: str

    def at(self, scenario: Scenario) -> float:
        """The value in a scenario."""
        match scenario:
            case Scenario.LIKELY:
                return self.likely
            case Scenario.CHEAP:
                return self.low if self.cheap_is_low else self.high
            case Scenario.DEAR:
                return self.high if self.cheap_is_low else self.low


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Billion parameters times tokens a second of one machine, serving and training."""

    machine: str
    serve: float
    train: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """The packaged ranges."""

    ranges: Mapping[str, AssumedRange]
    parts: Mapping[str, tuple[float, float, float]]
    build_days: Mapping[str, tuple[float, float, float]]
    run_hours: Mapping[str, tuple[float, float, float]]
    speeds: Mapping[str, Speed]
    faster: float
    slower: float
    models: Mapping[Scenario, str]
    embedding: str

    def part(self, name: str, scenario: Scenario) -> float:
        """A part of a cost that no questionnaire asks."""
        return _pick(self.parts[name], scenario)


def _pick(three: tuple[float, float, float], scenario: Scenario) -> float:
    return three[tuple(Scenario).index(scenario)]


def days(table: Mapping[str, tuple[float, float, float]], option: str, scenario: Scenario) -> Decimal:
    """Engineering time of an option in a scenario."""
    return Decimal(str(_pick(table[option], scenario)))


def load_assumptions() -> Assumptions:
    """The packaged file."""
    return parse_assumptions(Path(__file__).with_name("assumed.toml").read_text(encoding="utf-8"))


def parse_assumptions(text: str) -> Assumptions:
    """Read the ranges from TOML.

    Raises:
        KeyError: if a table is missing.
        ValueError: if a range is out of order.
    """
    raw = tomllib.loads(text)
    ranges = {row["key"]: _range(row) for row in raw["range"]}
    for field in ("input", "output"):
        for task, three in raw["tokens"][field].items():
            key = f"{field}_tokens:{task}"
            ranges[key] = _token_range(key, three, raw["tokens"]["source"])
    return Assumptions(
        ranges=ranges,
        parts=_three(raw["parts"]),
        build_days=_three(raw["build_days"]),
        run_hours=_three(raw["run_hours"]),
        speeds={row["machine"]: Speed(**row) for row in raw["speed"]},
        faster=raw["serving"]["faster"],
        slower=raw["serving"]["slower"],
        models={
            Scenario.CHEAP: raw["models"]["low"],
            Scenario.LIKELY: raw["models"]["likely"],
            Scenario.DEAR: raw["models"]["high"],
        },
        embedding=raw["models"]["embedding"],
    )


def _three(table: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    return {name: (v[0], v[1], v[2]) for name, v in table.items() if name != "source"}


def _range(row: Mapping[str, Any]) -> AssumedRange:
    found = AssumedRange(
        key=row["key"],
        unit=row["unit"],
        low=row["low"],
        likely=row["likely"],
        high=row["high"],
        cheap_is_low=row.get("cheap", "low") == "low",
        source=row["source"],
    )
    if not found.low <= found.likely <= found.high:
        raise ValueError(f"assumed {found.key}: need low <= likely <= high")
    return found


def _token_range(key: str, three: list[float], source: str) -> AssumedRange:
    return _range(
        {
            "key": key,
            "unit": "tokens",
            "low": three[0],
            "likely": three[1],
            "high": three[2],
            "source": source,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Every number the economics need, in US dollars, for one scenario.

    Attributes:
        assumed: fields of the case that were not known and were taken from a range.
    """

    scenario: Scenario
    queries_per_month: float
    horizon_months: float
    day_rate: Decimal
    example_cost: Decimal
    examples: float
    labels: float
    knowledge_tokens: float
    knowledge_changed_share: float
    knowledge_changes_per_month: float
    label_changes_per_month: float
    open_model_billions: float
    input_tokens: float
    output_tokens: float
    wrong_answer_cost: Decimal | None
    machine_hour_cost: Decimal | None
    assumed: tuple[AssumedRange, ...]


_MONEY = ("day_rate", "example_cost")
_PLAIN = (
    "queries_per_month",
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
    if case.usd_rate is None or case.currency == "USD":
        return ()
    given = case.usd_rate
    return (ExchangeRate(currency="EUR", per_usd=given.per_usd, as_of=given.as_of, source=given.source),)


_OF_FACTS = ("knowledge_tokens", "knowledge_changed_share", "knowledge_changes_per_month")
_OF_LABELS = ("labels", "label_changes_per_month")


def assumed_in(case: UseCase, inputs: Inputs) -> dict[str, AssumedRange]:
    """By field, the ranges that stood in for an answer and that something hangs on in this case."""
    used = {entry.key.split(":")[0]: entry for entry in inputs.assumed}
    idle: tuple[str, ...] = _OF_FACTS if facts_needed(case) is False else ()
    if case.task not in (None, Task.CLASSIFICATION):
        idle += _OF_LABELS
    return {name: entry for name, entry in used.items() if name not in idle}


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
    plain |= {field: money(field) for field in _MONEY}
    plain |= {f"{way}_tokens": number(f"{way}_tokens:{task}", f"{way}_tokens") for way in ("input", "output")}
    return Inputs(
        scenario=scenario,
        **plain,
        wrong_answer_cost=optional(case.wrong_answer_cost),
        machine_hour_cost=optional(case.machine_hour_cost),
        assumed=tuple(used),
    )
