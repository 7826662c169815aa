"""What the arms that call a language model share: requests out, outcomes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.arms.base import Explained, is_answer, with_search
from harness.core.records import (
    AnswerForm,
    ArmId,
    Choices,
    Completion,
    Failure,
    Item,
    ModelIdentity,
    Outcome,
    Timing,
)
from harness.models.base import ChatModel, ChatReply, ChatRequest
from harness.models.deciding import versions_of
from harness.tasks.base import Task

_AT_ONCE = 256
"""Items that are found for together while those before them are answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model may answer.

    Attributes:
        form: what its answers are held to.
        codes: what a tuned model says for each choice of a closed set, one token; () where it says the words.
    """

    form: AnswerForm
    codes: tuple[str, ...] = ()

    def request(self, item: Item, shown: Explained) -> ChatRequest:
        """The question about an item; fewer choices than all may be offered."""
        form = Choices(answers=self.codes, one_token=True) if self.codes else shown.form or self.form
        return ChatRequest(item_id=item.id, messages=shown.messages, form=form)

    def in_words(self, reply: ChatReply | Failure) -> ChatReply | Failure:
        """The reply with the choice's words in place of its code."""
        if isinstance(reply, Failure) or not self.codes or not isinstance(self.form, Choices):
            return reply
        return dataclasses.replace(reply, text=self.form.answers[self.codes.index(reply.text)])


class Tried:
    """What the trial that was chosen on dev answered: each stands once for the arm's own answer."""

    def __init__(self) -> None:
        self._by_item: dict[str, Outcome] = {}

    def keep(self, outcomes: Iterable[Outcome]) -> None:
        """Keep the answers of these, and no others; failures are asked again."""
        self._by_item = {one.item_id: one for one in outcomes if is_answer(one)}

    def take(self, items: Sequence[Item]) -> tuple[list[Outcome], list[Item]]:
        """What is known of these items, for the last time, and the items of which nothing is."""
        rest = [item for item in items if item.id not in self._by_item]
        return [self._by_item.pop(item.id) for item in items if item.id in self._by_item], rest


def model_config(arm: ArmId, model: ChatModel, task: Task) -> dict[str, object]:
    """The part of an arm's configuration that every language-model arm has."""
    return {
        "arm": arm.key,
        "model": model_facts(model.identity),
        **task.settings(arm.option),
        **held_facts(task),
    }


def held_facts(task: Task) -> dict[str, object]:
    """What decides how written answers are held to their form; nothing of those of a closed set."""
    return {} if isinstance(task.form(), Choices) else {"held": dict(versions_of("llguidance"))}


def model_facts(identity: ModelIdentity) -> dict[str, object]:
    """What is known about a model that decides its answers."""
    return {
        "id": identity.id,
        "revision": identity.revision,
        "precision": identity.precision,
        **dict(identity.decides),
    }


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
    batched = model.identity.location == "local" or model.identity.in_batches
    requests = [answers.request(item, shown[item.id]) for item in items]
    for reply in model.answer(requests):
        yield _outcome(answers.in_words(reply), shown[reply.item_id], retrieval_s, batched=batched)


def found_meanwhile(
    model: ChatModel,
    items: Sequence[Item],
    show: Callable[[Sequence[Item]], tuple[dict[str, Explained], float]],
    ask: Callable[[Sequence[Item], Mapping[str, Explained], float], Iterator[Outcome]],
) -> Iterator[Outcome]:
    """Find for items and ask about them.

    Where a served model answers, this process finds for the next items meanwhile; a model in this process
    needs it for itself, and a provider's batch is handed in whole.

    Args:
        show: what is put to the model for each item, and the seconds that finding it took, an item.
    """
    if model.identity.location == "local" or model.identity.in_batches:
        yield from ask(items, *show(items))
        return
    parts = [items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE)]
    with ThreadPoolExecutor(1, thread_name_prefix="retrieval") as aside:
        ahead = [aside.submit(show, part) for part in parts[:1]]
        for number, part in enumerate(parts):
            shown, seconds = ahead.pop().result()
            ahead += [aside.submit(show, following) for following in parts[number + 1 : number + 2]]
            yield from ask(part, shown, seconds)


def ask_one(
    model: ChatModel, item: Item, shown: Explained, answers: Answers, retrieval_s: float = 0.0
) -> Outcome:
    """Ask about one item alone."""
    reply = model.answer_one(answers.request(item, shown))
    return _outcome(answers.in_words(reply), shown, retrieval_s, batched=False)


def _outcome(reply: ChatReply | Failure, shown: Explained, retrieval_s: float, *, batched: bool) -> Outcome:
    match reply:
        case Failure():
            return dataclasses.replace(reply, usage=with_search(reply.usage, shown.searched))
        case ChatReply():
            return Completion(
                item_id=reply.item_id,
                text=reply.text,
                choice_logprobs=reply.choice_logprobs,
                usage=with_search(reply.usage, shown.searched),
                timing=Timing(
                    queue_s=reply.queue_s, retrieval_s=retrieval_s, model_s=reply.model_s, batched=batched
                ),
                neighbours=shown.neighbours,
                attempts=reply.attempts,
                form=reply.form,
                cut=reply.cut,
                served_by=reply.served_by,
                left_out=reply.left_out,
            )
