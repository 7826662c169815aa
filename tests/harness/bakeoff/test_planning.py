"""From a command line to a plan: with a use case its advice is locked, and what it says still holds."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option, TaskKind, Way
from harness.bakeoff import planning
from harness.bakeoff.plan import ExperimentPlan, dump_plan, parse_plan
from harness.bakeoff.planning import PlanRequest, StatedMoney, draft
from harness.bakeoff.sizing import Timed
from harness.core.errors import UsageError
from harness.core.records import ArmId
from tests.harness.bakeoff.test_advising import context

CASE = Path(__file__).resolve().parents[3] / "examples" / "ticket-routing.yaml"


TICKETS = {"evalset": "support-tickets"}


def drafted(request: PlanRequest, tmp_path: Path) -> tuple[ExperimentPlan, tuple[str, ...]]:
    found = draft(request, context(tmp_path))
    return found.plan, found.remarks


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes a second a query: nothing is opened to time it."""
    found = Timed(
        query_s={ArmId(option=Option.RETRIEVE, model="smollm2-135m"): 1.0},
        training=None,
        precision="fp32",
        train=700,
        dev=140,
        test=579,
        linear_s=50.0,
    )
    monkeypatch.setattr(planning, "time_machine", lambda *_: found)


def test_without_a_case_nothing_is_advised(tmp_path: Path) -> None:
    plan, said = drafted(PlanRequest(data=TICKETS), tmp_path)
    assert plan.advice is None and plan.business is None and said == ()
    assert plan.decision.margin == 0.02


def test_a_case_locks_its_advice_limits_and_money(tmp_path: Path) -> None:
    plan, said = drafted(PlanRequest(case=CASE, data=TICKETS), tmp_path)
    assert plan.advice is not None and plan.advice.case == "Ticket routing" == plan.title
    assert plan.business is not None and plan.cost.wrong_answer_usd is not None
    assert (plan.decision.quality_floor, plan.decision.max_p95_ms) == (0.85, 2000)
    assert said[0] == (
        "The advice, locked before the run: try the fine-tuned encoder first. "
        "Of RAG and fine-tuning it expects fine-tuning to win."
    )
    assert {arm.option for arm in plan.arms} == set(Option) - {Option.TUNE_RETRIEVE, Option.EXTERNAL}
    assert {p.model for p in plan.advice.predictions} >= {"open 0.135B"}, "for the model that runs"


POLICY = "name: Policy\ntask: question-answering\nneeds_facts: yes\nknowledge_tokens: 15000\n"


@pytest.mark.parametrize("way", [way for way in Way if way is not Way.KEEP])
def test_a_plan_runs_every_way_that_is_advised_or_says_why_not(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes first, an arm of the plan is that way, or its stand-in with the reason."""
    option, real = way.traits.option, planning.advised
    assert option is not None
    labels = TaskKind.CLASSIFICATION in option.traits.tasks and way is not Way.WHOLE_TEXT
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")

    def first(*given: Any) -> tuple[dict[str, Any], tuple[Way, ...]]:
        raw, _ = real(*given)
        raw["advice"] = {**raw["advice"], "ranking": [option.value]}
        return raw, (way,)

    monkeypatch.setattr(planning, "advised", first)
    plan, said = drafted(
        PlanRequest(
            case=CASE if labels else tmp_path / "policy.yaml",
            data=TICKETS if labels else {"evalset": "policy-qa"},
            models=("openai/gpt-6-luna",),
        ),
        tmp_path,
    )
    known = [arm for arm in plan.arms if str(arm.id).startswith(way.traits.measured_as)]
    assert known and (way is not Way.WHOLE_TEXT or known[0].all_documents)
    told = [line for line in said if line.startswith(f"Not in this plan: {way.value}; ")]
    assert bool(told) == bool(way.traits.not_run), said


def test_the_whole_text_is_left_out_where_no_served_model_reads_it(tmp_path: Path) -> None:
    case = tmp_path / "policy.yaml"
    case.write_text(POLICY, encoding="utf-8")
    plan, said = drafted(PlanRequest(case=case, data={"evalset": "policy-qa"}), tmp_path)
    assert not any(arm.all_documents for arm in plan.arms)
    assert any("name one with --model" in line for line in said)


def test_sizing_keeps_the_advice(timed: None, tmp_path: Path) -> None:
    """480 s - 60 s of the rest - 60 s of trying three more ways to ask - 60 dev items: 300 test items."""
    request = PlanRequest(case=CASE, data=TICKETS, minutes=8)
    plan, said = drafted(request, tmp_path)
    whole, _ = drafted(PlanRequest(case=CASE, data=TICKETS), tmp_path)
    assert (plan.data.limit_test, plan.data.limit_dev) == (300, 60)
    assert plan.advice == whole.advice and plan.business == whole.business and len(said) == 2
    assert parse_plan(dump_plan(plan), "again").digest == plan.digest


def test_arms_that_do_not_fit_are_not_in_the_plan(timed: None, tmp_path: Path) -> None:
    request = PlanRequest(data=TICKETS, options=("floor", "linear", "retrieve"), minutes=2)
    plan, said = drafted(request, tmp_path)
    assert [arm.option for arm in plan.arms] == [Option.FLOOR, Option.LINEAR]
    assert "retrieve@smollm2-135m is left out" in said[-1]
    kept = draft(request, context(tmp_path), lambda every_arm, fewer: True)
    assert len(kept.plan.arms) == 3 and set(kept.expected_s) == {str(arm.id) for arm in kept.plan.arms}
    assert sum(kept.expected_s.values()) > 120


def test_flags_lie_over_the_case(tmp_path: Path) -> None:
    request = PlanRequest(
        case=CASE,
        data=TICKETS | {"limit_test": 50},
        options=("floor", "linear", "retrieve"),
        models=("openai/gpt-6-luna",),
        margin=0.05,
        money=StatedMoney(machine_hour_usd=Decimal("0.30")),
        train_seeds=("3", "4"),
        price_date="2026-11-20",
    )
    plan, _ = drafted(request, tmp_path)
    assert [str(arm.id) for arm in plan.arms] == [
        "floor@majority",
        "linear@linear",
        "retrieve@openai/gpt-6-luna",
    ]
    assert plan.decision.margin == 0.05 and plan.decision.quality_floor == 0.85
    assert plan.cost.machine_hour_usd is not None and plan.cost.queries_per_month == 10_000
    assert plan.tune.seeds == (3, 4) and plan.data.limit_test == 50
    assert f"{plan.cost.price_date}" == "2026-11-20"
    assert plan.advice is not None
    assert {p.model for p in plan.advice.predictions if p.option is Option.RETRIEVE} == {"openai/gpt-6-luna"}


def test_a_bad_case_or_arm_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text("name: x\nlabels: 1\n")
    with pytest.raises(UsageError, match="labels"):
        drafted(PlanRequest(case=tmp_path / "case.yaml", data=TICKETS), tmp_path)
    with pytest.raises(UsageError, match="no such use case"):
        drafted(PlanRequest(case=tmp_path / "none.yaml", data=TICKETS), tmp_path)
    with pytest.raises(UsageError, match="no such arm"):
        drafted(PlanRequest(case=CASE, data={"evalset": "x"}, options=("magic",)), tmp_path)
