"""From a use case to a locked plan: every example becomes one, and the prediction is part of its digest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from advisor.options import Option
from harness.bakeoff.plan import ExperimentPlan, dump_plan, parse_plan
from harness.bakeoff.planning import PlanRequest, draft
from harness.core.context import Context, Quiet
from harness.core.errors import UsageError

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.yaml"))


def context(tmp_path: Path) -> Context:
    return Context(
        runs=tmp_path,
        cache=tmp_path,
        environ={},
        clock=lambda: datetime(2026, 11, 23, tzinfo=UTC),
        progress=Quiet(),
    )


def planned(case: Path, tmp_path: Path, model: str = "smollm2-135m") -> ExperimentPlan:
    request = PlanRequest(
        case=case, data={"evalset": "support-tickets"}, models=(model,), seed=3, price_date="2026-11-23"
    )
    return draft(request, context(tmp_path)).plan


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 8


def classifies(case: Path) -> bool:
    return "task: classification" in case.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [c for c in EXAMPLES if not classifies(c)], ids=lambda path: path.stem)
def test_what_asks_for_more_than_labels_gets_advice_and_no_bake_off(case: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="These rows are for classification") as caught:
        planned(case, tmp_path)
    assert "advisor assess" in str(caught.value)


@pytest.mark.parametrize("case", [c for c in EXAMPLES if classifies(c)], ids=lambda path: path.stem)
def test_every_example_becomes_a_plan_that_reads_back(case: Path, tmp_path: Path) -> None:
    plan = planned(case, tmp_path)
    assert plan.advice is not None and plan.advice.case_sha256
    assert parse_plan(dump_plan(plan), "again").digest == plan.digest
    for predicted in plan.advice.predictions:
        if predicted.accuracy_low is not None and predicted.accuracy_high is not None:
            assert predicted.accuracy_low <= predicted.accuracy_high


def test_the_prediction_is_made_for_the_model_that_runs(tmp_path: Path) -> None:
    case = next(path for path in EXAMPLES if path.stem == "ticket-routing")
    own = planned(case, tmp_path).advice
    hosted = planned(case, tmp_path, "openai/gpt-6-luna").advice
    assert own is not None and hosted is not None
    by_option = {p.option: p for p in own.predictions}
    assert by_option[Option.RETRIEVE].model == "open 0.135B"
    assert by_option[Option.RETRIEVE].usd_per_1k_low is None  # priced by the machine there, by seconds here
    assert {p.option: p.model for p in hosted.predictions}[Option.RETRIEVE] == "openai/gpt-6-luna"
    assert own.ranking == hosted.ranking


def test_a_changed_prediction_is_another_plan(tmp_path: Path) -> None:
    case = next(path for path in EXAMPLES if path.stem == "ticket-routing")
    plan = planned(case, tmp_path)
    assert plan.advice is not None
    other = plan.model_copy(update={"advice": plan.advice.model_copy(update={"answer": "tied"})})
    assert other.digest != plan.digest


def test_a_bad_case_is_one_clear_error(tmp_path: Path) -> None:
    bad = tmp_path / "case.yaml"
    bad.write_text("name: x\nqueries_per_month: -5\nfoo: 1\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        planned(bad, tmp_path)
    assert "foo" in str(caught.value) and "queries_per_month" in str(caught.value)


def test_what_the_advice_puts_first_is_in_the_plan_though_no_plan_names_it_by_default(tmp_path: Path) -> None:
    case = tmp_path / "case.yaml"
    measured = "measured:\n  - {option: tune+retrieve, accuracy: 0.99, items: 500}\n"
    case.write_text(f"name: x\ntask: classification\nlabels: 5\n{measured}", encoding="utf-8")
    plan = planned(case, tmp_path)
    assert plan.advice is not None and Option.TUNE_RETRIEVE in plan.advice.ranking[:2]
    assert [arm.option for arm in plan.arms].count(Option.TUNE_RETRIEVE) == 1
    named = PlanRequest(
        case=case, data={"evalset": "support-tickets"}, options=("prompt",), price_date="2026-11-23"
    )
    assert [arm.option for arm in draft(named, context(tmp_path)).plan.arms] == [Option.PROMPT]
