"""`advisor cost` a second time: plain arithmetic from the answers, the ranges file and the prices alone.

Nothing of the cost rooms is used but the price book. Likely values only; every line of every option is in it.
"""

from __future__ import annotations

import math
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.case_file import load_case
from advisor.commands import CommandPrices, open_market
from advisor.cost_sheet import CostSheet, cost_sheet
from advisor.money.price_sources import load_price_book

ROOT = Path(__file__).resolve().parents[2]
DAY = "2026-11-23"
ASSUMED = tomllib.loads((ROOT / "advisor/assumed.toml").read_text())
MACHINES = {
    row["name"]: row for row in tomllib.loads((ROOT / "advisor/money/gpu_prices.toml").read_text())["machine"]
}
CASES = ("ticket-routing", "contract-extraction", "changing-policy-answers")
OFFICE = [0.2] * 7 + [0.6, 1.5, 2.2, 2.5, 2.4, 2.0, 2.2, 2.3, 2.2, 1.9, 1.4, 0.9] + [0.4] * 5


def likely(name: str) -> float:
    return float(ASSUMED["parts"][name][1])


class ByHand:
    """One case at its likely values, in dollars."""

    def __init__(self, name: str) -> None:
        self.raw: dict[str, Any] = yaml.safe_load((ROOT / f"examples/{name}.yaml").read_text())
        ranges = {row["key"]: row["likely"] for row in ASSUMED["range"]}
        per_usd = float(self.raw.get("usd_rate", {}).get("per_usd", 1))
        self.task = self.raw["task"]
        self.labels = self.raw.get("task") == "classification"

        def known(field: str) -> float:
            return float(self.raw[field]) if field in self.raw else float(ranges[field])

        def money(field: str) -> float:
            return float(self.raw[field]) / per_usd if field in self.raw else float(ranges[field])

        def tokens(way: str) -> float:
            return float(self.raw.get(f"{way}_tokens", ASSUMED["tokens"][way][self.task][1]))

        self.q, self.months = known("queries_per_month"), known("horizon_months")
        self.day, self.example = money("day_rate"), money("example_cost")
        self.size, self.examples = known("open_model_billions"), known("examples")
        self.n_labels = known("labels")
        self.knowledge = known("knowledge_tokens")
        self.changes, self.share = known("knowledge_changes_per_month"), known("knowledge_changed_share")
        self.label_changes = known("label_changes_per_month")
        self.input, self.output = tokens("input"), tokens("output")
        self.facts = self.raw["needs_facts"]
        book = load_price_book(datetime.fromisoformat(DAY).replace(tzinfo=UTC))
        self.api = book.price(self.raw["api_model"]).usd_per_mtok
        embedding = book.price(ASSUMED["models"]["embedding"]).usd_per_mtok.input
        assert embedding is not None
        self.embedding = float(embedding) / 1e6

    def prompt(self, option: str) -> tuple[float, float]:
        """(tokens that stand in front of every query, tokens of the query)."""
        fixed = likely("instruction_tokens")
        if self.labels:
            fixed += self.n_labels * likely("label_definition_tokens")
        if option in ("prompt", "route") and self.facts and self.knowledge <= 200_000:
            fixed += self.knowledge
        if option.startswith("tune"):
            fixed = 40
        varying = self.input
        if "retrieve" in option:
            similar = likely("shown_examples") * (self.input + self.output + 10)
            varying += (
                likely("passage_tokens") if self.facts else min(similar, likely("shown_tokens_at_most"))
            )
        return fixed, varying

    def call(self, option: str) -> float:
        fixed, varying = self.prompt(option)
        rates = self.api
        assert rates.input is not None and rates.output is not None
        cached = fixed >= 1024 and rates.cached is not None and self.q / 730 >= 12
        front = float(rates.cached if cached and rates.cached is not None else rates.input)
        return (fixed * front + varying * float(rates.input) + self.output * float(rates.output)) / 1e6

    def machines(self, option: str) -> float:
        """A month of machines of one's own, from the queries an hour of an office day."""
        name = self.raw.get("hardware") or (
            "cpu-2" if self.size < 0.6 else "L4" if self.size <= 9 else "A100-80"
        )
        speed = next(row["serve"] for row in ASSUMED["speed"] if row["machine"] == name)
        fixed, varying = self.prompt(option)
        rate = speed / (self.size * (fixed + varying + likely("decode_weight") * self.output))
        assert self.raw.get("day_shape", "office") == "office"
        hourly = [self.q / 730 * 24 * weight / sum(OFFICE) / 3600 for weight in OFFICE]
        needed = [math.ceil(h / (rate * 0.7) - 1e-9) for h in hourly]
        if self.raw.get("p95_ms", 0) >= 60_000:  # may wait for a machine to start: off when nothing came
            on = 0.0
            for h, n in zip(hourly, needed, strict=True):
                off = math.exp(-h / n * (300 + 1 / rate))
                on += n * min(1.0, 1 - off + h / n * off * 60)
        else:
            on = 24 * max(1, max(needed))
        hours = on / 24 * 730
        return hours * float(MACHINES[name]["usd_per_hour"])

    def training(self, option: str) -> float:
        name = "cpu-2" if self.size < 0.6 else "3090"
        speed = next(row["train"] for row in ASSUMED["speed"] if row["machine"] == name)
        fixed, varying = self.prompt(option)
        rows = max(self.wanted(), self.examples)
        hours = rows * (fixed + varying + self.output) * likely("epochs") * self.size / speed / 3600
        hours *= likely("training_runs") / (1 - likely("failed_share"))
        return hours * float(MACHINES[name]["usd_per_hour"])

    def wanted(self) -> float:
        if self.labels:
            return self.n_labels * likely("rows_wanted_per_label")
        return likely("rows_wanted")

    def costs(self, option: str) -> tuple[float, float]:
        """(once, a month)."""
        once = likely("evaluation_items") * self.example + ASSUMED["build_days"][option][1] * self.day
        month = ASSUMED["run_hours"][option][1] / 8 * self.day
        hour = float(MACHINES[self.raw.get("hardware", "cpu-2")]["usd_per_hour"])  # a named one prices all
        busy = likely("linear_seconds") / 3600 * hour
        linear = self.q * busy / likely("utilisation")
        from_tuned = option == "route" and not self.labels
        if option in ("neighbours", "linear", "encoder"):
            month += linear
        elif option == "route":
            month += self.q * (1 - likely("route_own_share")) * self.call("route")
            month += self.machines("tune") if from_tuned else linear
        elif option.startswith("tune"):
            month += self.machines(option)
        else:
            month += self.q * self.call(option)
        if "retrieve" in option or option == "neighbours":
            passages = self.facts and option != "neighbours"
            once += self.embedding * (self.knowledge if passages else self.examples * self.input)
            month += likely("index_usd_per_month") if self.facts else 0
        if option in ("neighbours", "linear", "encoder", "tune", "tune+retrieve", "route"):
            once += max(0.0, self.wanted() - self.examples) * self.example
        if option.startswith("tune"):
            once += self.training(option)
        if from_tuned:
            once += self.training("route")
        return once, month + self.changing(option)

    def changing(self, option: str) -> float:
        month = 0.0
        if self.facts:
            if "retrieve" in option:
                month += self.changes * self.knowledge * self.share * self.embedding
            elif option == "tune":
                month += self.changes * self.training("tune")
        if self.labels and option != "prompt":
            month += self.label_changes * likely("rows_per_new_label") * self.example
            if option.startswith("tune"):
                month += self.label_changes * self.training(option)
        return month


def sheet(name: str) -> CostSheet:
    case = load_case(ROOT / f"examples/{name}.yaml")
    return cost_sheet(case, open_market(case, CommandPrices(price_at=DAY)))


@pytest.mark.parametrize("name", CASES)
def test_every_option_costs_what_the_arithmetic_says(name: str) -> None:
    mine = ByHand(name)
    for option in sheet(name).options:
        once, month = mine.costs(option.option.value)
        said = (option.usd_one_off.likely, option.usd_per_month.likely, option.usd_horizon.likely)
        assert None not in said
        wanted = (once, month, once + mine.months * month)
        assert [float(v) for v in said if v is not None] == pytest.approx(list(wanted), rel=2e-4), (
            option.option
        )
        thousand = option.usd_per_1k.likely
        assert thousand is not None
        assert float(thousand) == pytest.approx(wanted[2] / (mine.q * mine.months) * 1000, rel=2e-4)


def test_the_first_example_to_the_cent() -> None:
    """By hand. 590 tokens in, 6 out, 10,000 times: $0.59 + $0.03; two hours at $600 a day: $150."""
    prompt = next(o for o in sheet("ticket-routing").options if o.option.value == "prompt")
    assert prompt.usd_per_month.likely == Decimal("150.62")
    assert prompt.usd_one_off.likely == 600 * Decimal("0.40") + 3 * 600
    assert prompt.usd_horizon.likely == 2040 + 12 * Decimal("150.62")
