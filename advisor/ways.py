"""Which ways of today fit a use case: how the option that comes first is to be built or bought. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from advisor.case import AnswerKind, GeneralModel, UseCase, facts_needed, must_self_host
from advisor.economics import WHOLE_PROMPT_TOKENS
from advisor.options import Option, Way

LIVE = 24 * 30.0
"""Changes a month, one an hour, from which an index is behind: an argument by how often one is built anew."""
WEAK_RECALL = 0.9
"""Recall below which a second look at the hits may find more than any reader makes of them."""
UNEVEN = 100_000
"""Queries a month up to which a machine by the month stands idle most of the time: two a minute."""
FEW = 1_000


def _live(case: UseCase) -> bool:
    changes = case.knowledge_changes_per_month
    return facts_needed(case) is True and changes is not None and changes >= LIVE


def _whole_text(case: UseCase) -> bool:
    size = case.knowledge_tokens
    fits = size is not None and size <= WHOLE_PROMPT_TOKENS
    return facts_needed(case) is True and fits and not _live(case)


def _rerank(case: UseCase) -> bool:
    recall = case.retrieval_recall
    return facts_needed(case) is True and recall is not None and 0 < recall < WEAK_RECALL


def _hosted(case: UseCase) -> bool:
    hosted = case.general_model in (GeneralModel.FRONTIER, GeneralModel.SMALL_HOSTED)
    return not must_self_host(case) and hosted


def _serverless(case: UseCase) -> bool:
    return (
        not must_self_host(case) and case.queries_per_month is not None and case.queries_per_month <= UNEVEN
    )


def _distilled(case: UseCase) -> bool:
    return bool(case.model_writes_rows) and (case.examples is None or case.examples < FEW)


def _people(case: UseCase) -> bool:
    today = case.incumbent
    labels = case.task is AnswerKind.CLASSIFICATION
    return labels and today is not None and today.kind == "people" and today.cost_per_item is not None


FITS: Mapping[Way, Callable[[UseCase], bool]] = {
    Way.TOOLS: _live,
    Way.WHOLE_TEXT: _whole_text,
    Way.RERANK: _rerank,
    Way.DISTILLED: _distilled,
    Way.HOSTED_TUNING: _hosted,
    Way.SERVERLESS_LORA: _serverless,
    Way.MODEL_TO_PEOPLE: _people,
}
"""Ways that need more than their option being first; all others are the plain way of their option."""


def fitting(case: UseCase, option: Option) -> tuple[Way, ...]:
    """The ways of an option that fit, those made for this use case first, the plain one last."""
    ways = [way for way in Way if way.traits.option is option]
    made = [way for way in FITS if way in ways and FITS[way](case)]
    plain = [way for way in ways if way not in FITS]
    if Way.TOOLS in made:
        plain = []  # an index is behind
    return (*made, *plain)
