"""Arms and options in words for readers who never saw one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.options import TRAITS, Option
from advisor.sentences import capital
from harness.core.records import ABSTAINING, BEST_SENTENCE, ArmId
from harness.core.wording import one_line

ROUTE_TO_TODAY = "the route to today's way"
ABOUT_ROUTE_TO_TODAY = "one option answers when it is sure; what is done today takes the rest"
RAG_HERE = "RAG, here: the model is shown similar past items before it answers."
RAG_OVER_DOCUMENTS = "RAG, here: the model is shown passages of the documents before it answers."
TUNING_HERE = "Fine-tuning: the model was adapted to past items beforehand."

_OVER_DOCUMENTS = {
    (Option.FLOOR, ABSTAINING): ("never answering", "hands every question back; what others have to beat"),
    (Option.NEIGHBOURS, BEST_SENTENCE): (
        "the best sentence of the documents",
        "the sentence with most of the question's rare words is read out of the passages found; no model",
    ),
}
"""Names of arms without a model that do another thing over documents, with a line on what that is."""


def plain_name(arm: ArmId, among: Sequence[ArmId] = ()) -> str:
    """An arm in everyday words; its model is named where several arms share the option."""
    if arm.to_today:
        return ROUTE_TO_TODAY
    traits = arm.option.traits
    name, _ = _OVER_DOCUMENTS.get((arm.option, arm.model), (traits.name, traits.about))
    twins = [other for other in among if other.option is arm.option and other != arm and not other.to_today]
    return f"{name} ({one_line(arm.model)})" if twins else name


def about(arm: ArmId) -> str:
    """A line on what an arm does, for somebody who never saw one."""
    traits = arm.option.traits
    return _OVER_DOCUMENTS.get((arm.option, arm.model), (traits.name, traits.about))[1]


def option_name(option: str) -> str:
    """An option in everyday words, by its stored name; an unknown one as it is."""
    return TRAITS[Option(option)].name if option in list(Option) else one_line(option)


def as_title(name: str) -> str:
    """A name where it stands alone: 'Linear classifier'."""
    return capital(name.removeprefix("the "))
