"""Classification: one label of a closed set for a text.

The wording below is frozen: a run's plan stores `PROMPT_VERSION`, and a change of one word is a new
version, since public results moved by 25 points with the prompt alone. An option's content key holds the
version in which its own wording last changed (`wording_version`). A tuned model is trained,
scored, exported and served with the same messages, never with another rendering.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import assert_never

import numpy as np

from advisor.options import Option, TaskKind
from harness.core.errors import DataError
from harness.core.records import Choices, Estimate, Item, Label, Message, Neighbour, Target
from harness.tasks.label_breakdown import LabelBreakdown, by_label, macro_f1
from harness.tasks.labels import answer_text, read_label
from harness.tasks.measures import Measuring
from harness.tasks.records import Combined, Guide, Metric, Nouns, PromptLimits, Score
from harness.tasks.scored import Scored
from harness.tasks.wording import check_sends, clip, example_turns, messages_digest

LEVELS = " > "
"""Between the levels of a label that is made of several columns."""

PROMPT_VERSION = "classification-2"
_FIRST_VERSION = "classification-1"
PROMPT_VERSIONS = (_FIRST_VERSION, PROMPT_VERSION)
_TUNED_TASK = "Classify the message."

ACCURACY = Metric(name="accuracy", noun="right answers", primary=True)
MACRO_F1 = Metric(
    name="macro-F1",
    noun="macro-F1",
    about="quality averaged over the labels, so that rare labels count as much as common ones",
    per_item=False,
)
NOUNS = Nouns(
    answer="label",
    answers="labels",
    invalid="names no label",
    invalid_many="name no label",
    invalid_past="named no label",
)


class ClassificationTask:
    """Labels of one evalset."""

    kind = TaskKind.CLASSIFICATION
    metrics = (ACCURACY, MACRO_F1)

    def __init__(self, labels: Sequence[Label], limits: PromptLimits) -> None:
        self._labels = tuple(labels)
        self._limits = limits
        self.choices = tuple(label.name for label in self._labels)
        self.guides = tuple(Guide) if any(label.definition for label in self._labels) else (Guide.NAMES,)

    def read_target(self, cells: Sequence[str]) -> Target | None:
        """A label from its levels."""
        return levels_of(cells)

    def stratum(self, item: Item) -> str:
        """The label."""
        return item.label

    def settings(self, option: Option) -> Mapping[str, object]:
        """Prompt, limits, labels and the answers that stand for them."""
        tuned = option.traits.tuned
        labels = self._labels
        return {
            "prompt": {"version": wording_version(option), "wording": self._wording(option)},
            "limits": list(dataclasses.astuple(self._limits)) if tuned else dataclasses.asdict(self._limits),
            "labels": [one.name if tuned else [one.name, one.definition] for one in labels],
            "choices": list(answers_of(labels)),
        }

    def messages(
        self, option: Option, item: Item, shown: Sequence[Item] = (), guide: Guide = Guide.DEFINITIONS
    ) -> tuple[Message, ...]:
        """The label guide, or one line for a tuned model; examples as turns; the message.

        A tuned model has the labels in its weights; the short system turn keeps templates from inserting a
        longer one of their own.

        Raises:
            ValueError: for an option that calls no language model.
        """
        check_sends(option)
        match option:
            case Option.PROMPT:
                system = (
                    "Classify the message into exactly one of the labels below. "
                    "Answer with the label's name only.\n\nLabels:\n" + self._definitions
                )
            case Option.RETRIEVE:
                system = self._beside_examples(guide)
            case _:
                system = _TUNED_TASK
        examples = () if option in (Option.PROMPT, Option.TUNE) else shown
        return (
            Message(role="system", content=system),
            *example_turns(examples, self.target_text, self._limits.example_chars),
            Message(role="user", content=clip(item.text, self._limits.item_chars)),
        )

    def form(self, among: Sequence[Item] | None = None) -> Choices:
        """The labels in words, in their order; all of them where no row is given.

        Raises:
            DataError: if a label is blank to a model, or two are the same.
        """
        answers = answers_of(self._labels)
        there = {answer_text(row.label) for row in among or ()}
        return Choices(answers=tuple(answer for answer in answers if answer in there) or answers)

    def target_text(self, target: Target) -> str:
        """The label in words."""
        return answer_text(str(target))

    def parse(self, text: str) -> Target | None:
        """The label that an answer names, None if it names none or several."""
        return read_label(text, self.choices)

    def score(self, item: Item, text: str | None, hits: Sequence[Neighbour] = ()) -> Score:
        """Right or not."""
        answer = None if text is None else read_label(text, self.choices)
        return Score(values={ACCURACY.name: float(answer == item.label)}, answer=answer)

    def others(self, test: Scored, how: Measuring) -> tuple[Estimate, ...]:
        """Macro-F1."""
        return (macro_f1(MACRO_F1.name, test, len(self.choices), how),)

    def breakdown(self, dev: Scored, test: Scored, how: Measuring) -> LabelBreakdown:
        """Label by label, and calibration."""
        return by_label(dev, test, self.choices, how)

    def combine(self, rows: Sequence[Item], weights: Sequence[float], item: Item | None = None) -> Combined:
        """The label with the most weight, the first among equals; shares smoothed by one for each label."""
        counts: Counter[str] = Counter()
        for row, weight in zip(rows, weights, strict=True):
            counts[row.label] += weight  # type: ignore[assignment]
        smoothed = np.array([counts[name] + 1.0 for name in self.choices])
        return Combined(
            text=max(self.choices, key=lambda name: (counts[name], -self.choices.index(name))),
            choice_logprobs=tuple(float(v) for v in np.log(smoothed / smoothed.sum())),
        )

    def _wording(self, option: Option) -> str:
        """Sha256 (hex) of the messages of a made-up item: a changed word of the prompt changes it."""
        long = "word " * (self._limits.item_chars // 4)
        item = Item(id="", text=f"How do I change my address? {long}", target="")
        known = self.choices[0] if self.choices else ""
        shown = [Item(id="", text=f"Where is my parcel? {long}", target=known)]
        guides = tuple(Guide) if option is Option.RETRIEVE else (Guide.DEFINITIONS,)
        return messages_digest(
            message for guide in guides for message in self.messages(option, item, shown, guide)
        )

    @cached_property
    def _definitions(self) -> str:
        """Kept, as every question of an arm has the same ones."""
        return "\n".join(f"- {_guide_line(label)}" for label in self._labels)

    def _beside_examples(self, guide: Guide) -> str:
        """What is said of the labels where similar messages come first."""
        match guide:
            case Guide.DEFINITIONS:
                return (
                    "Classify the message into exactly one of the labels below. Answer with the label's name "
                    "only. Similar earlier messages with their labels come first.\n\nLabels:\n"
                    + self._definitions
                )
            case Guide.NAMES:
                names = "; ".join(answer_text(label.name) for label in self._labels)
                return (
                    "Classify the message into exactly one label. Answer with the label's name only. "
                    "Similar earlier messages with their labels come first.\n\nLabels: " + names
                )
            case _:
                assert_never(guide)


def levels_of(cells: Sequence[str]) -> str | None:
    """A label from its levels; without the first level there is none, an empty later one is left out."""
    parts = [cell.strip() for cell in cells]
    return LEVELS.join([part for part in parts if part]) if parts and parts[0] else None


def answers_of(labels: Sequence[Label]) -> tuple[str, ...]:
    """The answers a model may give, in the labels' order.

    Raises:
        DataError: if a label is blank to a model, or two are the same.
    """
    answers = tuple(answer_text(label.name) for label in labels)
    blank = [label.name for label, answer in zip(labels, answers, strict=True) if not answer]
    if blank:
        raise DataError(
            f"A label is blank to a language model: {', '.join(map(ascii, blank))}; underscores are read as "
            "blanks.",
            allowed="labels with a letter, a digit or a sign; rename it in the data",
        )
    owners: dict[str, str] = {}
    for label, answer in zip(labels, answers, strict=True):
        other = owners.setdefault(answer, label.name)
        if other != label.name:
            raise DataError(
                f"Two labels are one answer to a language model: {other!a} and {label.name!a} are both "
                f"{answer!a}.",
                allowed="labels that differ in more than underscores; rename one in the data",
            )
    return answers


def wording_version(option: Option) -> str:
    """The version in which the wording of an option last changed."""
    return PROMPT_VERSION if option is Option.RETRIEVE else _FIRST_VERSION


def tune_messages(text: str, limits: PromptLimits) -> tuple[Message, ...]:
    """What a tuned model sees of a text alone."""
    return ClassificationTask((), limits).messages(Option.TUNE, Item(id="", text=text, target=""))


def _guide_line(label: Label) -> str:
    name = answer_text(label.name)
    return f"{name}: {label.definition}" if label.definition else name
