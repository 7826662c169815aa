"""A request asked as the model was trained, whatever prompt its client wrote. Pure.

A tuned model answers best to the very turns it was trained on. So the client's system turn is replaced by
the trained one and its text is cut as in training; of a model tuned alone only the last turn is kept, of one
tuned with retrieved rows the turns before it too, which are the rows its client retrieved.
"""

from __future__ import annotations

from collections.abc import Sequence

from advisor.options import Option
from harness.core.records import Message
from harness.tasks.classification import PromptLimits, answer_text, clip, tune_messages
from harness.training.tuned_model import Task


def as_trained(task: Task, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The turns the model is to see for a client's turns."""
    limits = PromptLimits(item_chars=task.item_chars, example_chars=task.example_chars)
    system, user = tune_messages(messages[-1].content, limits)
    if task.option is not Option.TUNE_RETRIEVE:
        return (system, user)
    shown = [turn for turn in messages[:-1] if turn.role != "system"]
    return (system, *(_clipped(turn, limits) for turn in shown), user)


def trained_answers(task: Task) -> tuple[str, ...]:
    """The answers the model was trained to give."""
    return tuple(answer_text(label.name) for label in task.labels)


def as_answers(task: Task, choices: Sequence[str]) -> tuple[str, ...]:
    """A client's choices in the words the model was trained on: a label's name becomes its answer."""
    names = {label.name: answer_text(label.name) for label in task.labels}
    return tuple(names.get(choice, choice) for choice in choices)


def label_of(task: Task, answer: str) -> str:
    """The label an answer stands for; `other` for one the model was not tuned on."""
    names = {answer_text(label.name): label.name for label in task.labels}
    return names.get(answer, "other")


def _clipped(turn: Message, limits: PromptLimits) -> Message:
    if turn.role != "user":
        return turn
    return Message(role="user", content=clip(turn.content, limits.example_chars))
