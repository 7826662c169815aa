"""What every arm is: settled on train and dev, then answering items.

Contract, tested for every arm in `tests/contracts/`:
- `fit` comes first and is the only method that sees reference labels; it never sees the test split.
- `predict` and `predict_one` give each item exactly one outcome and read its text only.
- `config` names everything that decides the answers; equal configs and data give equal answers on
  local models.

What the arms that call a language model share stands at the end: requests out, outcomes back.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from advisor.money.usage import Usage, add
from advisor.stats.intervals import cluster_codes
from harness.core.records import (
    AnswerForm,
    ArmId,
    Choices,
    Completion,
    Failure,
    Fitted,
    Item,
    Message,
    ModelIdentity,
    Neighbour,
    Outcome,
    Timing,
)
from harness.models.base import ChatModel, ChatReply, ChatRequest
from harness.models.deciding import versions_of
from harness.tasks.base import Task, primary

KEY_VERSION = 2
"""Raised when what decides an answer is counted otherwise, so that no older key is taken for a newer one."""

KEPT = "artefact_sha256"
"""The choice under which a run's journal pins the classifier that it keeps."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What an arm is settled on.

    Attributes:
        say: takes one line of progress.
    """

    task: Task
    train: tuple[Item, ...]
    dev: tuple[Item, ...]
    say: Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What exactly went to the model for one item.

    Attributes:
        form: what its answer is held to; None where that is the arm's usual form.
        searched: what finding the neighbours used of a service; None where none was asked.
    """

    messages: tuple[Message, ...]
    neighbours: tuple[Neighbour, ...] = ()
    form: Choices | None = None
    searched: Usage | None = None


class Arm(Protocol):
    """One option on one model."""

    @property
    def id(self) -> ArmId:
        """The arm's name."""

    @property
    def identity(self) -> ModelIdentity | None:
        """The language model behind it, None where there is none."""

    @property
    def config(self) -> Mapping[str, object]:
        """Everything that decides the arm's answers, known before `fit`, as plain JSON values."""

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Settle everything on train and dev; `stored` is an earlier result of the same to reuse."""

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Answer items for throughput, in any order."""

    def predict_one(self, item: Item) -> Outcome:
        """Answer one item alone, as a user's query would be."""

    def explain(self, item: Item) -> Explained:
        """The messages and neighbours of one item."""

    def refresh(self) -> None:
        """Forget what earlier queries left in memory, so that the next answers do not depend on them."""

    def close(self) -> None:
        """Free what the arm holds."""


class WithoutLanguageModel(ABC):
    """An arm that sends no messages, keeps nothing from query to query, and mostly holds nothing to free."""

    identity = None

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """One pass over all items."""
        if items:
            yield from self._pass(items, batched=True)

    def predict_one(self, item: Item) -> Outcome:
        """One item alone."""
        return next(self._pass([item], batched=False))

    @abstractmethod
    def _pass(self, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        """The answers of items that are worked out together, each with its share of the time."""

    def explain(self, item: Item) -> Explained:
        """No messages are sent."""
        return Explained(messages=())

    def refresh(self) -> None:  # noqa: B027 - nothing is kept
        """Nothing is kept."""

    def close(self) -> None:  # noqa: B027 - nothing of its own is open
        """Nothing of its own is open."""


FOLDS = 5
"""Parts of the training rows for confidences out of fold: each is answered by a fitting on the others."""


@runtime_checkable
class AnswersOutOfFold(Protocol):
    """An arm that can answer its own training rows as if it had not seen them, in little time."""

    def out_of_fold(self, material: Material) -> Iterator[Outcome]:
        """Answer the training rows, each by what was fitted without it, as `fit` settled it."""


def folds(items: Sequence[Item], seed: int) -> Iterator[tuple[list[Item], list[Item]]]:
    """The rows to fit on and those to answer, for every fold; rows of one cluster stay in one fold."""
    codes = cluster_codes([item.cluster for item in items], len(items))
    units = int(codes.max()) + 1 if len(items) else 0
    fold = np.random.default_rng(seed).permutation(units)[codes] % FOLDS if units else codes
    for number in range(FOLDS):
        held = [item for item, at in zip(items, fold, strict=True) if at == number]
        others = [item for item, at in zip(items, fold, strict=True) if at != number]
        if held and others:
            yield others, held


def config_digest(config: Mapping[str, object]) -> str:
    """Sha256 (hex) of a configuration."""
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def canonical(config: Mapping[str, object]) -> str:
    """A configuration as JSON; the same one always gives the same text."""
    return json.dumps(config, sort_keys=True, default=str)


def score_on(outcomes: Sequence[Outcome], items: Sequence[Item], task: Task) -> float:
    """Mean of the primary metric, read as answers are scored; to choose on dev, never on test."""
    metric, given = primary(task).name, {o.item_id: o for o in outcomes if isinstance(o, Completion)}
    scores = [
        task.score(item, one.text, one.neighbours) if (one := given.get(item.id)) else task.score(item, None)
        for item in items
    ]
    return sum(score.values[metric] or 0.0 for score in scores) / len(items)


def shared_time(items: Sequence[Item], seconds: float, *, batched: bool) -> Timing:
    """The timing of each item of one pass."""
    return Timing(model_s=seconds / len(items), batched=batched)


def with_search(used: Usage | None, searched: Usage | None) -> Usage | None:
    """What an answer used, what finding for it did included."""
    parts = [part for part in (used, searched) if part is not None]
    return add(parts) if searched is not None else used


def is_answer(outcome: Outcome) -> bool:
    """True for a prediction, False for a failure."""
    return not isinstance(outcome, Failure)


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


class SharedModelArm(ABC):
    """An arm that asks a language model, which is shared and closed by whoever opened it."""

    def __init__(self, arm: ArmId, model: ChatModel, task: Task) -> None:
        """Nothing is asked yet."""
        self.id = arm
        self._model = model
        self._task = task
        self._answers = Answers(form=task.form())

    @property
    def identity(self) -> ModelIdentity:
        """The model that is asked."""
        return self._model.identity

    @abstractmethod
    def explain(self, item: Item) -> Explained:
        """The messages of one item, and what was found for it."""

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Answer items for throughput."""
        yield from ask_all(self._model, items, {item.id: self.explain(item) for item in items}, self._answers)

    def predict_one(self, item: Item) -> Outcome:
        """Answer one item alone."""
        return ask_one(self._model, item, self.explain(item), self._answers)

    def refresh(self) -> None:
        """Forget the kept prompt prefix."""
        self._model.forget()

    def close(self) -> None:  # noqa: B027 - the model is shared
        """Nothing of its own is open."""


Way = TypeVar("Way")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials(Generic[Way]):
    """What was tried on dev, in order: what the model was asked, what it said, how good that was.

    Attributes:
        name: of a way, as trials list it.
    """

    dev: tuple[Item, ...]
    say: Say
    name: Callable[[Way], str]
    shown: dict[Way, dict[str, Explained]] = field(default_factory=dict)
    given: dict[Way, list[Outcome]] = field(default_factory=dict)
    scores: dict[Way, float] = field(default_factory=dict)

    @property
    def best(self) -> Way:
        """The best by the primary metric, the first among equals."""
        return max(self.scores, key=lambda way: self.scores[way])


class FindingArm(SharedModelArm, Generic[Way]):
    """An arm whose model is shown what is found for each item, in a way that is chosen on dev.

    What the way that was chosen answered on dev stands, once, for the arm's own answers.
    """

    def __init__(self, arm: ArmId, model: ChatModel, task: Task) -> None:
        """Nothing is asked yet."""
        super().__init__(arm, model, task)
        self._tried: dict[str, Outcome] = {}

    @abstractmethod
    def _found(self, items: Sequence[Item]) -> Sequence[Sequence[Neighbour]]:
        """What is found for each item, nearest first."""

    @abstractmethod
    def _shown(self, item: Item, nearest_first: Sequence[Neighbour]) -> Explained:
        """What is put to the model of that."""

    @abstractmethod
    def _use(self, way: Way, dev: Sequence[Item]) -> None:
        """Find and show in this way from now on."""

    def _whole(self, outcome: Outcome, shown: Explained) -> Outcome:
        """The outcome as one among all that may be answered, where less than that was offered."""
        return outcome

    def explain(self, item: Item) -> Explained:
        """The messages of one item, and what was found for it."""
        return self._shown(item, self._found([item])[0])

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Find for items and answer.

        Where a served model answers, this process finds for the next items meanwhile; a model in this process
        needs it for itself, and a provider's batch is handed in whole.
        """
        rest = [item for item in items if item.id not in self._tried]
        yield from [self._tried.pop(item.id) for item in items if item.id in self._tried]
        if self._model.identity.location == "local" or self._model.identity.in_batches:
            yield from self._ask(rest, *self._show(rest))
            return
        parts = [rest[first : first + _AT_ONCE] for first in range(0, len(rest), _AT_ONCE)]
        with ThreadPoolExecutor(1, thread_name_prefix="retrieval") as aside:
            ahead = [aside.submit(self._show, part) for part in parts[:1]]
            for number, part in enumerate(parts):
                shown, seconds = ahead.pop().result()
                ahead += [aside.submit(self._show, following) for following in parts[number + 1 : number + 2]]
                yield from self._ask(part, shown, seconds)

    def predict_one(self, item: Item) -> Outcome:
        """Find for one item and answer it."""
        start = time.perf_counter()
        shown = self.explain(item)
        outcome = ask_one(self._model, item, shown, self._answers, retrieval_s=time.perf_counter() - start)
        return self._whole(outcome, shown)

    def _show(self, items: Sequence[Item]) -> tuple[dict[str, Explained], float]:
        """What is put to the model for each item, and the seconds that finding it took, an item."""
        start = time.perf_counter()
        found = self._found(items)
        shown = {item.id: self._shown(item, near) for item, near in zip(items, found, strict=True)}
        return shown, (time.perf_counter() - start) / max(1, len(items))

    def _ask(
        self, items: Sequence[Item], shown: Mapping[str, Explained], seconds: float
    ) -> Iterator[Outcome]:
        for outcome in ask_all(self._model, items, shown, self._answers, retrieval_s=seconds):
            yield self._whole(outcome, shown[outcome.item_id])

    def _try(self, way: Way, trials: Trials[Way]) -> None:
        """Answer one way, from a fresh prompt prefix as every pass does; equal questions are asked once."""
        self._use(way, trials.dev)
        shown, seconds = self._show(trials.dev)
        alike = next((other for other, asked in trials.shown.items() if asked == shown), None)
        if alike is None:
            trials.say(f"trying {trials.name(way)} on {len(trials.dev)} dev items")
            self._model.forget()
            trials.given[way] = list(self._ask(trials.dev, shown, seconds))
        else:
            trials.given[way] = trials.given[alike]
        trials.shown[way] = shown
        trials.scores[way] = score_on(trials.given[way], trials.dev, self._task)

    def _take_best(self, trials: Trials[Way]) -> None:
        """Go on in the best way, with what it answered; failures are asked again."""
        self._use(trials.best, trials.dev)
        self._tried = {one.item_id: one for one in trials.given[trials.best] if is_answer(one)}
