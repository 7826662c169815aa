"""Which machine prices an arm that runs here, and where that is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from advisor.money.price_book import PriceBook
from advisor.money.price_sources import load_genai_prices
from harness.bakeoff.cost import MachineRate
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.prices import machine_of, prices_for, token_price
from harness.core.errors import UsageError
from harness.core.records import ModelIdentity

BOOK = PriceBook(as_of=datetime(2026, 11, 23, tzinfo=UTC), layers=(load_genai_prices(),))
SERVED = ModelIdentity(id="openai/my-vllm", location="loopback")
LOCAL = ModelIdentity(id="smollm2-135m", location="local")


def plan(**cost: object) -> ExperimentPlan:
    raw = {"seed": 7, "data": {"evalset": "banking77"}, "arms": [{"option": "linear"}]}
    return build_plan(raw | {"cost": {"price_date": "2026-11-23"} | cost}, "a test")


def hour(identity: ModelIdentity | None, **cost: object) -> D | None:
    found = prices_for(identity, plan(**cost), BOOK).answers
    assert isinstance(found, MachineRate)
    return found.machine.usd_per_hour


def test_the_default_is_the_two_core_machine_and_says_so() -> None:
    assert machine_of(plan()).name == "cpu-2" and hour(LOCAL) == hour(None) == D("0.08925")
    assert machine_of(plan()).said.startswith("cpu-2: ") and "illustrative" in machine_of(plan()).said


def test_a_named_machine_prices_local_arms_and_the_server_here() -> None:
    for identity in (None, LOCAL, SERVED):
        assert hour(identity, machine="H100") == D("2.69")
        assert hour(identity, machine="H100", machine_hour_usd="2.10") == D("2.10")
        assert hour(identity, machine_hour_usd="0.40") == D("0.40")


def test_a_server_here_without_a_machine_has_no_price_and_says_what_to_give() -> None:
    found = prices_for(SERVED, plan(), BOOK).answers
    assert isinstance(found, MachineRate) and found.machine.usd_per_hour is None
    assert "--machine" in found.machine.said and "--machine-hour-usd" in found.machine.said


def test_a_machine_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"L4.*H100"):
        machine_of(plan(machine="Z9000"))
    assert machine_of(plan(machine="Z9000", machine_hour_usd="9")).usd_per_hour == 9


def test_batches_have_the_provider_s_batch_price_where_one_is_known() -> None:
    def output(model: str, location: str = "remote", *, batch: bool) -> D | None:
        decides = (("processing", "batch"),) if batch else ()
        identity = ModelIdentity(id=model, location=location, decides=decides)  # type: ignore[arg-type]
        price = token_price(identity, BOOK)
        return None if price is None else price.usd_per_mtok.output

    assert output("anthropic/claude-sonnet-4-5", batch=False) == D(15)
    assert output("anthropic/claude-sonnet-4-5", batch=True) == D("7.5")
    assert output("openai/my-vllm", "loopback", batch=True) is None


def test_a_model_asked_by_responses_has_its_own_price() -> None:
    asked = BOOK.price("openai/responses/gpt-5-pro").usd_per_mtok
    assert asked == BOOK.price("openai/gpt-5-pro").usd_per_mtok and asked.output == D(120)
