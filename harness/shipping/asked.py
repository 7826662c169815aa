"""How a tuned model is asked: the turns it was trained on, and the fields it is held to. Pure."""

from __future__ import annotations

from advisor.options import Option
from harness.core.records import Item, JsonSchema, Message
from harness.tasks.classification import tune_messages
from harness.tasks.extraction import ExtractionTask
from harness.tasks.records import PromptLimits
from harness.training.tuned_model import TunedTask


def limits_of(task: TunedTask) -> PromptLimits:
    """How much text its prompts carry."""
    return PromptLimits(item_chars=task.item_chars, example_chars=task.example_chars)


def tuned_turns(task: TunedTask, text: str) -> tuple[Message, ...]:
    """The system turn and the text, as in training."""
    if not task.fields:
        return tune_messages(text, limits_of(task))
    item = Item(id="", text=text, target={})
    return ExtractionTask(task.fields, limits_of(task)).messages(Option.TUNE, item)


def fields_form(task: TunedTask) -> JsonSchema:
    """What a model that reads fields is held to."""
    return ExtractionTask(task.fields, limits_of(task)).form()
