"""The money of real run folders (scripted models): stored, scored again alike, and asked at other numbers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from advisor.money.price_sources import LitellmMap
from advisor.options import Option
from harness.bakeoff import arm_factory as factory
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.run_folder import MONEY, RunFolder
from harness.core.errors import StoreError, UsageError
from harness.core.serial import encode
from harness.money.forecast import outlook
from harness.money.of_run import _retirement, incumbent_of, inputs_of
from harness.money.records import CostForecast
from harness.money.what_if import what_if
from harness.recommendation.records import RunResults
from harness.recommendation.run import rescore
from harness.recommendation.store import read_results
from harness.report.run_document import run_document
from tests.harness.bakeoff.test_run import Shop, context, plan
from tests.support.bakeoff import start_bakeoff
from tests.support.business import business, grounds, results, today
from tests.support.desk import write_tickets
from tests.support.doubles import ScriptedChat, WordEmbedder

ARMS = [
    {"option": "floor"},
    {"option": "linear"},
    {"option": "retrieve", "model": "gemini/gemini-4-argon"},
    {"option": "tune", "model": "m"},
]
BUSINESS = {
    "horizon_months": 12,
    "day_rate_usd": "600",
    "example_usd": "0.5",
    "knowledge_changes_per_month": 0,
    "people": {
        option: {"build_days": [1, 2, 4], "run_hours_per_month": 2}
        for option in ("linear", "retrieve", "tune", "route")
    },
    "incumbent": {"usd_per_item": "0.8", "accuracy": 0.9},
    "assumed": [
        {"field": "label_changes_per_month", "range": [0, "0.2", 2], "unit": "labels", "source": "guess"},
        {"field": "rows_per_label_change", "range": [10, 20, 40], "unit": "rows", "source": "guess"},
        {"field": "failed_share", "range": [0, "0.25", "0.5"], "unit": "share", "source": "guess"},
        {"field": "index_usd_per_month", "range": 0, "unit": "USD a month", "source": "inside"},
    ],
}
COST = {
    "price_date": "2026-11-23",
    "wrong_answer_usd": "2",
    "frontier": ["openai/gpt-6-luna", "no/such-model"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("money")


@pytest.fixture(scope="module")
def run(place: Path) -> Iterator[tuple[RunFolder, RunResults]]:
    """One run of a local arm, a tuned one and a hosted one whose price is announced to double."""
    made = Shop()
    served = ScriptedChat(name="gemini/gemini-4-argon", location="remote")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "open_chat", lambda *_: served)
        patch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
        patch.setattr(factory, "build_tuner", lambda *_: made.tuner)
        tickets = write_tickets(place / "tickets.csv", each=30)
        yield start_bakeoff(plan(tickets, arms=ARMS, business=BUSINESS, cost=COST), context(place))


def outlook_of(results: RunResults) -> CostForecast:
    assert results.outlook is not None
    return results.outlook


def test_a_run_concludes_with_money_and_diagnosis(run: tuple[RunFolder, RunResults]) -> None:
    folder, results = run
    assert read_results(folder) == results
    found = outlook_of(results)
    assert {arm.arm.option for arm in found.arms} <= set(Option) - {Option.FLOOR}
    assert [d.arm for d in results.diagnosis] == [arm.arm for arm in results.arms]
    for arm, behind in zip(results.arms, results.diagnosis, strict=True):
        right = (arm.quality.primary.value or 0.0) * arm.quality.primary.n
        assert behind.confused <= round(arm.quality.primary.n - right)
        assert behind.latency_n == arm.latency.p50_ms.n
    assert found.business.assumed == ("label_changes_per_month",)
    assert found.business.label_changes_per_month == 0.2


def test_the_month_is_the_measured_ledger_at_the_plans_volume(run: tuple[RunFolder, RunResults]) -> None:
    found = outlook_of(run[1])
    for arm in run[1].arms:
        of_arm = next((one for one in found.arms if one.arm == arm.arm), None)
        if of_arm is None or arm.cost.usd_per_1k.usd is None:
            continue
        calls = next(part for part in of_arm.month if part.group == "calls and machines").amount.usd
        if of_arm.serving is None or of_arm.serving.charged == "busy seconds":
            # 10,000 queries are ten times the measured 1,000
            assert float(calls or 0) == pytest.approx(float(arm.cost.usd_per_1k.usd) * 10, rel=1e-9)


def test_an_announced_price_is_a_limit_with_its_day(run: tuple[RunFolder, RunResults]) -> None:
    found = outlook_of(run[1])
    served = next(price for price in found.grounds.hosted if price.arm is not None)  # type: ignore[union-attr]
    # genai-prices: $2 and $10 a million tokens, $4 and $20 from 2026-12-01
    assert served.next_on == date(2026, 12, 1)
    assert served.usd_per_1k.usd is not None and served.next_usd_per_1k == 2 * served.usd_per_1k.usd
    change = next(limit for limit in found.limits if limit.what == "price change")
    assert change.on == date(2026, 12, 1) == found.valid_until
    assert "gemini/gemini-4-argon" in change.model


def test_a_hosted_model_without_a_price_is_unknown(run: tuple[RunFolder, RunResults]) -> None:
    by_model = {hosted.model: hosted for hosted in outlook_of(run[1]).hosted}
    assert set(by_model) == {"openai/gpt-6-luna", "no/such-model"}
    assert by_model["no/such-model"].month_usd.usd is None and by_model["no/such-model"].month_usd.reason
    luna = by_model["openai/gpt-6-luna"]
    assert luna.usd_per_1k.usd is not None and luna.month_usd.usd == luna.usd_per_1k.usd * 10
    for arm in outlook_of(run[1]).arms:
        curve = next(curve for curve in arm.break_even if curve.rival == "no/such-model")
        assert curve.outcome == "unknown" and curve.points == ()


def test_scoring_again_gives_the_same_bytes(run: tuple[RunFolder, RunResults], place: Path) -> None:
    folder, results = run
    again = rescore(folder, context(place), "")
    assert encode(again.outlook) == encode(results.outlook)
    assert [encode(one) for one in again.diagnosis] == [encode(one) for one in results.diagnosis]
    later = outlook_of(rescore(folder, context(place), "2026-12-24"))
    now = next(price for price in outlook_of(results).grounds.hosted if price.arm)  # type: ignore[union-attr]
    then = next(price for price in later.grounds.hosted if price.arm)  # type: ignore[union-attr]
    assert then.usd_per_1k.usd == now.next_usd_per_1k and then.next_on is None


def test_a_run_that_lacks_its_money_says_what_to_run(
    run: tuple[RunFolder, RunResults], tmp_path: Path
) -> None:
    """Money has a file of its own; results of an earlier version are decided again as a whole."""
    folder = RunFolder(root=Path(shutil.copytree(run[0].root, tmp_path / run[0].run_id)))
    (folder.root / MONEY).unlink()
    with pytest.raises(StoreError, match="lacks a part") as caught:
        read_results(folder)
    assert "score" in str(caught.value.run) and MONEY in str(caught.value.got)


def test_the_report_has_the_money(run: tuple[RunFolder, RunResults]) -> None:
    assert "money" in {section.key for section in run_document(run[1]).sections}


def asked(results: RunResults, **figures: object) -> CostForecast:
    return what_if(results, results.outlook, figures, results.recommendation.ship)


def test_no_change_gives_the_stored_outlook(run: tuple[RunFolder, RunResults]) -> None:
    assert asked(run[1]) == run[1].outlook


def test_sliders_move_what_they_should() -> None:
    stored = _stored()
    base = outlook_of(stored)
    more = asked(stored, queries_per_month=2_000)
    for one, other in zip(base.arms, more.arms, strict=True):
        assert other.month_usd.usd > one.month_usd.usd  # type: ignore[operator]
    busier = asked(stored, utilisation=1.0)
    halves = [
        next(p for p in found.arms[0].month if p.group == "calls and machines") for found in (base, busier)
    ]
    # 0.36 s a query at 50 % and at 100 %: $0.10 and $0.05 a month
    assert [part.amount.usd for part in halves] == [Decimal("0.1"), Decimal("0.05")]
    dearer = asked(stored, machine_hour_usd=Decimal(2))
    # 730 hours at $2
    assert next(p for p in dearer.arms[1].month if p.group == "calls and machines").amount.usd == Decimal(
        1460
    )
    changing = asked(stored, label_changes_per_month=4.0)
    # 4 * 20 rows at $0.50 and four fits of 0.01 h at $0.50
    assert next(p for p in changing.arms[0].month if p.group == "changes").amount.usd == Decimal("40.02")


def test_a_figure_that_is_set_is_no_longer_assumed(run: tuple[RunFolder, RunResults]) -> None:
    found = asked(run[1], label_changes_per_month=1.0).business
    assert found.assumed == () and found.label_changes_per_month == 1.0
    assert all(entry.key != "label_changes_per_month" for entry in found.ranges)


@pytest.mark.parametrize(
    "wrong",
    [
        {"queries_per_month": 0},
        {"utilisation": 1.5},
        {"utilisation": 0.0},
        {"machine_hour_usd": Decimal(-1)},
        {"label_changes_per_month": float("nan")},
        {"horizon_months": 0.0},
    ],
)
def test_figures_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        asked(_stored(), **wrong)


def test_asking_again_is_quick() -> None:
    stored = _stored()
    asked(stored)
    start = time.process_time()
    for volume in (500, 5_000, 50_000):
        asked(stored, queries_per_month=volume)
    assert (time.process_time() - start) / 3 < 0.2


def _stored() -> RunResults:
    """The run by hand, with its outlook."""
    run = results()
    return replace(run, outlook=outlook(run, business(), today(), grounds()))


def test_ranges_of_the_plan_give_their_likely_value(place: Path) -> None:
    written = plan(place / "tickets.csv", business=BUSINESS, cost=COST)
    found, stated = inputs_of(written), incumbent_of(written)
    assert found.day_rate_usd == Decimal(600) and found.wrong_answer_usd == Decimal(2)
    assert stated is not None and stated.usd_per_item == Decimal("0.8")
    assert next(iter(found.people.values())).build_days.high == Decimal(4)
    bare: ExperimentPlan = plan(place / "tickets.csv")
    assert inputs_of(bare).assumed == ("horizon_months",) and inputs_of(bare).day_rate_usd is None
    assert incumbent_of(bare) is None


def test_retirements_come_from_the_second_source() -> None:
    table = LitellmMap({"gpt-x": {"deprecation_date": "2027-03-31"}, "gpt-y": {}}, "1.0")
    assert _retirement("openai/gpt-x", None, table) == (
        date(2027, 3, 31),
        "litellm 1.0, deprecation_date of gpt-x",
    )
    assert _retirement("openai/gpt-y", None, table) == (None, "")
    assert _retirement("openai/none", None, None) == (None, "")
