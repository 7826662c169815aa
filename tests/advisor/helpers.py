"""What the tests of the advice share: the packaged basis at a fixed day, and random use cases."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from advisor.assumed import load_assumptions
from advisor.case import AnswerKind, GeneralModel, Problem, Residency, UseCase, contradictions
from advisor.commands import price_sheet
from advisor.economics import Market
from advisor.money.price_sources import load_price_book
from advisor.recommend import Basis
from advisor.rubric.rubric import load_bands, load_rubric

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
DAY = datetime(2026, 11, 23, tzinfo=UTC)


@cache
def basis(api_model: str | None = None) -> Basis:
    assumptions = load_assumptions()
    case = UseCase(name="prices", api_model=api_model)
    sheet = price_sheet(case, assumptions, load_price_book(DAY))
    return Basis(
        rubric=load_rubric(), market=Market(sheet=sheet, assumptions=assumptions), bands=load_bands()
    )


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


SHARES = st.floats(0, 1)
FIELDS = {
    "task": maybe(st.sampled_from(list(AnswerKind))),
    "problems": maybe(st.lists(st.sampled_from(list(Problem)), unique=True, max_size=4).map(tuple)),
    "out_of_scope_matters": maybe(st.booleans()),
    "needs_facts": maybe(st.booleans()),
    "knowledge_changes_per_month": maybe(st.floats(0, 1000)),
    "knowledge_changed_share": maybe(SHARES),
    "knowledge_tokens": maybe(st.integers(1, 10**8)),
    "citations_required": maybe(st.booleans()),
    "retrieval_recall": maybe(SHARES),
    "labels": maybe(st.integers(2, 500)),
    "label_changes_per_month": maybe(st.floats(0, 20)),
    "label_noise": maybe(SHARES),
    "examples": maybe(st.integers(0, 10**5)),
    "prompting_accuracy": maybe(SHARES),
    "queries_per_month": maybe(st.floats(1, 1e8)),
    "input_tokens": maybe(st.integers(1, 20_000)),
    "output_tokens": maybe(st.integers(1, 4_000)),
    "p95_ms": maybe(st.floats(1, 1e6)),
    "quality_floor": maybe(SHARES),
    "residency": maybe(st.sampled_from(list(Residency))),
    "pii": maybe(st.booleans()),
    "offline": maybe(st.booleans()),
    "general_model": maybe(st.sampled_from(list(GeneralModel))),
    "open_model_billions": maybe(st.floats(0.05, 70)),
    "horizon_months": maybe(st.floats(0.5, 120)),
}


def _coherent(case: UseCase) -> bool:
    return not contradictions(case)


USE_CASES = st.builds(UseCase, name=st.just("any"), **FIELDS).filter(_coherent)
