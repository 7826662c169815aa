"""Arms and options in words for readers who never saw one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from advisor.options import TRAITS, Option
from advisor.sentences import capital
from harness.bakeoff.results import BakeoffResults
from harness.core.records import ArmId
from harness.core.wording import one_line

ROUTE_TO_TODAY = "the route to today's way"
ABOUT_ROUTE_TO_TODAY = "one option answers when it is sure; what is done today takes the rest"
RAG_HERE = "RAG, here: the model is shown similar past items before it answers."
TUNING_HERE = "Fine-tuning: the model was adapted to past items beforehand."


def plain_name(arm: ArmId, among: Sequence[ArmId] = ()) -> str:
    """An arm in everyday words; its model is named where several arms share the option."""
    if arm.to_today:
        return ROUTE_TO_TODAY
    name = arm.option.traits.name
    twins = [other for other in among if other.option is arm.option and other != arm and not other.to_today]
    return f"{name} ({one_line(arm.model)})" if twins else name


def option_name(option: str) -> str:
    """An option in everyday words, by its stored name; an unknown one as it is."""
    return TRAITS[Option(option)].name if option in list(Option) else one_line(option)


def as_title(name: str) -> str:
    """A name where it stands alone: 'Linear classifier'."""
    return capital(name.removeprefix("the "))


def namer(results: BakeoffResults) -> Callable[[ArmId], str]:
    """How the arms of a run are called in running text."""
    among = arm_ids(results)
    return lambda arm: plain_name(arm, among)


def arm_ids(results: BakeoffResults) -> tuple[ArmId, ...]:
    """The run's arms, in its order."""
    return tuple(arm.arm for arm in results.arms)
