"""From advice to the experiment that tests it. The prediction is locked with the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.advice import Advice, OptionPrediction
from advisor.assumed import load_assumptions
from advisor.case import AnswerKind, GeneralModel, Residency, UseCase, asks_for_labels, must_self_host
from advisor.commands import CommandPrices, advise, open_market
from advisor.economics import named_machine
from advisor.errors import CaseError
from advisor.money.money import CostError
from advisor.options import ADVISED, Option, Way
from advisor.predict import predict
from advisor.rubric.rubric import load_bands
from advisor.ways import fitting
from harness.bakeoff.business_of_case import business_part, hour_usd, wrong_answer_usd
from harness.core.errors import UsageError
from harness.models.resolve import Provider, resolve

_BILLIONS = {"smollm2-135m": 0.135}


def advised(
    raw: Mapping[str, Any], case_file: Path, model: str, prices: CommandPrices
) -> tuple[dict[str, Any], tuple[Way, ...]]:
    """A raw plan with a use case's advice locked into it, and its limits and money where none were named;
    and the ways that fit its options, those of the first one first.

    Vetoed options run too: a veto is about shipping, and a run may object to it.

    Args:
        model: the general model that runs, for which the prediction is made.

    Raises:
        UsageError: if the use case or a price cannot be used.
    """
    try:
        advice = advise(case_file, prices)
        expected = _expected(advice, model, prices)
        wrong_usd = wrong_answer_usd(advice.case)
        business = business_part(advice.case, load_assumptions())
    except (CaseError, CostError) as error:
        raise UsageError(str(error)) from error
    case = advice.case
    kind = AnswerKind(raw["task"])
    if not (asks_for_labels(case) if kind is AnswerKind.CLASSIFICATION else case.task is kind):
        raise UsageError(
            f"These rows are for {kind.value}; this use case asks for something else.",
            got=f"task: {case.task}",
            allowed=f"task: {kind.value}",
            run=f"advisor assess {case_file}   # the advice, without a measurement",
        )
    limits: dict[str, object] = {}
    if case.quality_floor is not None and 0 < case.quality_floor < 1:
        limits["quality_floor"] = case.quality_floor
    if case.p95_ms is not None:
        limits["max_p95_ms"] = case.p95_ms
    named = {name: value for name, value in raw["cost"].items() if value is not None}
    plan = {
        **raw,
        "title": case.name,
        "decision": limits | raw["decision"],
        "cost": {
            "queries_per_month": max(1, round(case.queries_per_month or 10_000)),
            "wrong_answer_usd": wrong_usd,
            "machine": named_machine(case) or "",
            "machine_hour_usd": hour_usd(case),
            **named,
        },
        "advice": _advice(advice, expected),
        "business": business,
        "privacy": raw.get("privacy") or _privacy(case),
    }
    ranked = (option.option for option in advice.options if option.place is not None)
    return plan, tuple(way for option in ranked for way in fitting(case, option))


def _privacy(case: UseCase) -> dict[str, object] | None:
    """Where a use case lets its data go; None where it does not say."""
    if must_self_host(case):
        return {"residency": Residency.SELF_HOST.value}
    return None if case.residency is None else {"residency": case.residency.value}


def _expected(advice: Advice, model: str, prices: CommandPrices) -> list[tuple[Option, OptionPrediction]]:
    """A prediction for every option, on the models that will run rather than on those the case names."""
    case, own = advice.case, advice.case
    if not isinstance(resolve(model), Provider):
        billions = _BILLIONS.get(model, case.open_model_billions)
        own = replace(case, general_model=GeneralModel.OWN, api_model=None, open_model_billions=billions)
    market, bands = open_market(own, prices), load_bands()
    return [(option, predict(own, option, market, bands)) for option in ADVISED]


def _advice(advice: Advice, expected: Sequence[tuple[Option, OptionPrediction]]) -> dict[str, object]:
    ranked = [option for option in advice.options if option.place is not None]
    return {
        "case": advice.case.name,
        "case_sha256": advice.case_sha256,
        "rubric": f"{advice.rubric_version} ({advice.rubric_sha256[:12]})",
        "answer": advice.pair.answer.value,
        "ranking": [option.option.value for option in sorted(ranked, key=lambda o: o.place or 0)],
        "predictions": [_predicted(option, found) for option, found in expected],
    }


def _predicted(option: Option, expected: OptionPrediction) -> dict[str, object]:
    """The ranges of one option. Advice prices an own model by the dedicated machine, a run by its busy
    seconds: those are two different figures, so the price of an own model is left out.
    """
    own = expected.where.startswith("own")
    return {
        "option": option.value,
        "model": expected.model,
        "accuracy_low": expected.accuracy_low,
        "accuracy_high": expected.accuracy_high,
        "usd_per_1k_low": None if own else expected.usd_per_1k.low,
        "usd_per_1k_high": None if own else expected.usd_per_1k.high,
        "p95_ms_low": expected.p95_ms.low,
        "p95_ms_high": expected.p95_ms.high,
    }
