"""From a use case to the business part of its plan: what is stated in dollars, and ranges for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from advisor.assumed import Assumptions, rates
from advisor.case import AnswerKind, UseCase, facts_needed
from advisor.money.money import Range, to_usd

_WHERE = "advisor/assumed.toml"
_STATED = ("queries_per_month", "horizon_months")
_MONEY = {"day_rate": "day_rate_usd", "example_cost": "example_usd"}


def business_part(case: UseCase, assumptions: Assumptions) -> dict[str, object]:
    """The `business` part of the plan that tests the advice on a use case.

    Raises:
        CostError: if the case's currency has no rate.
    """
    part: dict[str, object] = {"day_shape": "office" if case.day_shape is None else case.day_shape.value}
    assumed: list[dict[str, object]] = []
    for field in _STATED:
        value = getattr(case, field)
        if value is None:
            assumed.append(_range(field, field, assumptions))
        elif field != "queries_per_month":  # which has its home in the plan's cost part
            part[field] = value
    for field, name in _MONEY.items():
        value = getattr(case, field)
        if value is None:
            assumed.append(_range(field, name, assumptions))
        else:
            part[name] = to_usd(value, case.currency, rates(case))
    for field, matters in _changes(case).items():
        value = getattr(case, field)
        if not matters:
            part[field] = 0.0
        elif value is None:
            assumed.append(_range(field, field, assumptions))
        else:
            part[field] = value
    assumed += _never_asked(case, assumptions)
    return part | {
        "people": _people(assumptions),
        "incumbent": _incumbent(case),
        "currency": case.currency,
        "rate": _rate(case),
        "assumed": assumed,
    }


def wrong_answer_usd(case: UseCase) -> Decimal | None:
    """The price of a wrong answer in dollars, None where the case states none.

    Raises:
        CostError: if the case's currency has no rate.
    """
    stated = case.wrong_answer_cost
    return None if stated is None else to_usd(stated, case.currency, rates(case))


def hour_usd(case: UseCase) -> Decimal | None:
    """The price of an hour of the serving machine in dollars, None where the case states none.

    Raises:
        CostError: if the case's currency has no rate.
    """
    stated = case.machine_hour_cost
    return None if stated is None else to_usd(stated, case.currency, rates(case))


def _changes(case: UseCase) -> Mapping[str, bool]:
    """Which kinds of change the answers can suffer at all."""
    return {
        "knowledge_changes_per_month": facts_needed(case) is not False,
        "label_changes_per_month": case.task in (None, AnswerKind.CLASSIFICATION),
    }


def _range(key: str, name: str, assumptions: Assumptions) -> dict[str, object]:
    found = assumptions.ranges[key]
    return {
        "field": name,
        "range": [found.low, found.likely, found.high],
        "unit": found.unit,
        "source": f"{_WHERE}: {found.source}",
    }


def _never_asked(case: UseCase, assumptions: Assumptions) -> list[dict[str, object]]:
    """Parts of a cost that no questionnaire asks for."""
    parts = assumptions.parts
    index = (0.0, 0.0, 0.0) if facts_needed(case) is False else parts["index_usd_per_month"]
    rows = {
        "rows_per_label_change": (parts["rows_per_new_label"], "rows"),
        "index_usd_per_month": (index, "USD a month"),
        "failed_share": (parts["failed_share"], "share of trainings"),
    }
    inside = "examples of labels fit into the serving process"
    return [
        {
            "field": name,
            "range": list(three),
            "unit": unit,
            "source": inside if three == (0.0, 0.0, 0.0) else f"{_WHERE}: assumption",
        }
        for name, (three, unit) in rows.items()
    ]


def _people(assumptions: Assumptions) -> dict[str, object]:
    return {
        option: {
            "build_days": _three(known.build_days),
            "run_hours_per_month": _three(known.run_hours_per_month),
            "source": f"{_WHERE}: {known.source}",
        }
        for option, known in assumptions.people.items()
    }


def _three(found: Range[Decimal]) -> list[Decimal]:
    return [found.low, found.likely, found.high]


def _incumbent(case: UseCase) -> dict[str, object] | None:
    today = case.incumbent
    if today is None:
        return None
    price = today.cost_per_item
    return {
        "kind": today.kind,
        "usd_per_item": None if price is None else to_usd(price, case.currency, rates(case)),
        "accuracy": today.accuracy,
        "p95_ms": today.p95_ms,
    }


def _rate(case: UseCase) -> dict[str, object] | None:
    given = next(iter(rates(case)), None)
    if given is None:
        return None
    return {"per_usd": given.per_usd, "as_of": given.as_of, "source": given.source}
