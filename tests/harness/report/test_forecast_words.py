"""A forecast's records in words, with the everyday names of the run's options."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from advisor.money.crossing import Crossing
from advisor.money.tco import PaidBack
from advisor.options import Option
from harness.money.records import Limit, PlanKey, PriceEffect, Unstated
from harness.report.context import ReportContext
from harness.report.topics.forecast import limit_sentence, payback_sentence, unstated_sentence
from tests.support.business import LINEAR, SERVED, results
from tests.support.money import linear, outlook, retrieve


def said(**fields: object) -> str:
    limit = Limit(**{"source": "s", "arm": LINEAR, "other": SERVED, **fields})  # type: ignore[arg-type]
    return limit_sentence(ReportContext(results=results()), limit)


def test_volumes_name_the_options_and_the_side_on_which_the_other_is_cheaper() -> None:
    above = said(what="volume", at=2910.0)
    assert above == (
        "From 2,910 queries a month on RAG is the cheaper acceptable option, not the linear classifier."
    )
    assert said(what="volume", at=40.0, side="below").startswith("At 40 queries a month or fewer RAG")
    here = said(what="volume", at=1000.0, side="here", months_usd=(Decimal("1160.1"), Decimal("950.1")))
    assert "Already at 1,000" in here and "$950 a month against $1,160" in here


def test_a_rate_says_of_what() -> None:
    assert "From 15.5 label changes a month on" in said(
        what="change rate", at=15.499, changes="label_changes_per_month"
    )
    assert "changes of knowledge" in said(what="change rate", at=1.0, changes="knowledge_changes_per_month")


def test_a_price_change_says_what_it_changes() -> None:
    prices = {"what": "price change", "model": "p/other", "now_usd": Decimal(20), "then_usd": Decimal(40)}
    crossings = (Crossing(outcome="at", volume=16_081), Crossing(outcome="at", volume=8_021))
    moved = said(**prices, effect=PriceEffect(crossings=crossings))
    assert moved == (
        "p/other then costs $40.00 per 1,000 queries instead of $20.00; the linear classifier against it: "
        "cheaper from 8,021 queries a month on instead of cheaper from 16,081 queries a month on."
    )
    assert "stays as it is" in said(**prices, effect=PriceEffect(crossings=(crossings[0], crossings[0])))
    becomes = said(**prices, effect=PriceEffect(cheapest=(SERVED, LINEAR)))
    assert becomes.endswith("; the linear classifier becomes the cheapest acceptable option.")
    assert said(**prices, effect=PriceEffect(acceptable=False)).endswith("; it is no acceptable option.")
    assert said(**prices).endswith("instead of $20.00.")


def test_a_retirement_says_whether_the_model_is_in_use() -> None:
    gone = {"what": "model retirement", "model": "p/served"}
    assert said(**gone, on=date(2027, 3, 31), was_run=True).endswith("; it then has to be replaced.")
    assert "on a day that is not known; it then is no choice any more." in said(**gone)


def test_payback_says_when_and_against_which_horizon() -> None:
    whole = outlook()
    within = payback_sentence(linear(), whole)
    assert within == "It pays back in 0.4 months, within the horizon of 12 months."
    late = replace(linear(), paid_back=PaidBack.LATE, payback_months=14.25)
    assert "14.2 months, longer than the horizon of 12 months" in payback_sentence(late, whole)
    assert "costs no less by the month" in payback_sentence(retrieve(), whole)
    assert payback_sentence(linear(), outlook(incumbent=None)).startswith("Not known: what is done today")


@pytest.mark.parametrize("key", list(PlanKey))
def test_what_the_plan_lacks_names_its_key(key: PlanKey) -> None:
    sentence = unstated_sentence(Unstated(key=key, options=(Option.TUNE,)), outlook())
    assert key.value in sentence and sentence.endswith(".")
    assert "`harness plan`" in sentence or key is not PlanKey.BUSINESS
