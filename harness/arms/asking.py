"""What the arms that call a language model share: requests out, outcomes back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from advisor.options import Option
from harness.arms.base import Explained
from harness.core.errors import DataError
from harness.core.records import ArmId, Failure, Item, Label, ModelIdentity, Outcome, Prediction, Timing
from harness.models.base import ChatModel, ChatReply, ChatRequest
from harness.tasks.classification import (
    Example,
    Guide,
    PromptLimits,
    answer_text,
    render,
    wording_version,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model may answer.

    Attributes:
        words: the labels in words, in the labels' order.
        codes: what a tuned model says for each of them, one token; () where it says the words.
    """

    words: tuple[str, ...]
    codes: tuple[str, ...] = ()

    def request(self, item: Item, shown: Explained) -> ChatRequest:
        """The question about an item; fewer words than all may be offered."""
        return ChatRequest(
            item_id=item.id,
            messages=shown.messages,
            choices=self.codes or shown.choices or self.words,
            one_token=bool(self.codes),
        )

    def in_words(self, reply: ChatReply | Failure) -> ChatReply | Failure:
        """The reply with the label's words in place of its code."""
        if isinstance(reply, Failure) or not self.codes:
            return reply
        return dataclasses.replace(reply, text=self.words[self.codes.index(reply.text)])


def choices_of(labels: Sequence[Label]) -> tuple[str, ...]:
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


def model_config(
    arm: ArmId, model: ChatModel, labels: Sequence[Label], limits: PromptLimits
) -> dict[str, object]:
    """The part of an arm's configuration that every language-model arm has."""
    identity = model.identity
    return {
        "arm": arm.key,
        "model": model_facts(identity),
        "prompt": {"version": wording_version(arm.option), "wording": wording_of(arm.option, labels, limits)},
        "limits": dataclasses.asdict(limits),
        "labels": [[label.name, label.definition] for label in labels],
        "choices": list(choices_of(labels)),
    }


def model_facts(identity: ModelIdentity) -> dict[str, object]:
    """What is known about a model that decides its answers."""
    return {
        "id": identity.id,
        "revision": identity.revision,
        "precision": identity.precision,
        **dict(identity.decides),
    }


def wording_of(option: Option, labels: Sequence[Label], limits: PromptLimits) -> str:
    """Sha256 (hex) of the messages of a made-up item: a changed word of the prompt changes it."""
    long = "word " * (limits.item_chars // 4)
    item = Item(id="", text=f"How do I change my address? {long}", label="")
    examples = [Example(text=f"Where is my parcel? {long}", label=labels[0].name if labels else "")]
    guides = tuple(Guide) if option is Option.RETRIEVE else (Guide.DEFINITIONS,)
    written = [
        [message.role, message.content]
        for guide in guides
        for message in render(option, item, labels=labels, examples=examples, limits=limits, guide=guide)
    ]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def ask_all(
    model: ChatModel,
    items: Sequence[Item],
    shown: Mapping[str, Explained],
    answers: Answers,
    retrieval_s: float = 0.0,
) -> Iterator[Outcome]:
    """Ask about every item.

    Args:
        shown: item id -> the messages to send.
        retrieval_s: seconds of retrieval for each item.
    """
    batched = model.identity.location == "local"
    requests = [answers.request(item, shown[item.id]) for item in items]
    for reply in model.answer(requests):
        yield _outcome(answers.in_words(reply), shown[reply.item_id], retrieval_s, batched=batched)


def ask_one(
    model: ChatModel, item: Item, shown: Explained, answers: Answers, retrieval_s: float = 0.0
) -> Outcome:
    """Ask about one item alone."""
    reply = model.answer_one(answers.request(item, shown))
    return _outcome(answers.in_words(reply), shown, retrieval_s, batched=False)


def _outcome(reply: ChatReply | Failure, shown: Explained, retrieval_s: float, *, batched: bool) -> Outcome:
    match reply:
        case Failure():
            return reply
        case ChatReply():
            return Prediction(
                item_id=reply.item_id,
                text=reply.text,
                label_logprobs=reply.choice_logprobs,
                usage=reply.usage,
                timing=Timing(
                    queue_s=reply.queue_s, retrieval_s=retrieval_s, model_s=reply.model_s, batched=batched
                ),
                neighbours=shown.neighbours,
                attempts=reply.attempts,
                form=reply.form,
            )
