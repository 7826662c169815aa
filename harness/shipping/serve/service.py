"""Models under their names, each answering one request at a time.

A request asked as the model was trained, whatever prompt its client wrote. Pure.

A tuned model answers best to the very turns it was trained on. So the client's system turn is replaced by
the trained one and its text is cut as in training; of a model tuned alone only the last turn is kept, of one
tuned with retrieved rows the turns before it too, which are the rows its client retrieved.

What answers without a language model gives the same labels or fields as its arm gave.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from advisor.stats.calibration import scale
from harness.core.records import Choices, Failure, FailureKind, Message, ModelIdentity
from harness.models.base import ChatReply, ChatRequest
from harness.shipping.asked import fields_form, limits_of, tuned_turns
from harness.shipping.serve.metrics import GivenAnswer
from harness.shipping.serve.wire import BadRequest, CompletionRequest
from harness.tasks.labels import answer_text
from harness.tasks.records import PromptLimits
from harness.tasks.wording import clip
from harness.training.tuned_model import TunedTask

FIELDS = "fields"
"""What is counted for an answer that gives fields."""

HANDED_OVER = "handed over"
"""What is counted for an answer that is left to today's way."""


def as_trained(task: TunedTask, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The turns the model is to see for a client's turns; a classifier sees the last one without a prompt."""
    if not task.option.traits.needs_model:
        text = messages[-1].content
        cut = clip(text, task.item_chars) if task.option.traits.encodes else text
        return (Message(role="user", content=cut),)
    system, user = tuned_turns(task, messages[-1].content)
    if task.option is not Option.TUNE_RETRIEVE:
        return (system, user)
    shown = [turn for turn in messages[:-1] if turn.role != "system"]
    return (system, *(_clipped(turn, limits_of(task)) for turn in shown), user)


def trained_labels(task: TunedTask) -> tuple[str, ...]:
    """The labels the model was trained on, as clients that name none read them: a tuned model's in words."""
    named = not task.option.traits.needs_model
    return tuple(label.name if named else answer_text(label.name) for label in task.labels)


def as_answers(task: TunedTask, choices: Sequence[str]) -> tuple[str, ...]:
    """A client's choices as the model was trained to say them: a label's name becomes its answer.

    A model that says codes takes them too, so that one request serves every engine.

    Raises:
        BadRequest: if a model that says codes has none for a choice.
    """
    names = {label.name: _answer(task, label.name) for label in task.labels}
    if not task.codes:
        return tuple(names.get(choice, choice) for choice in choices)
    by_words = {answer_text(label): code for label, code in task.codes.items()}
    names = {code: code for code in task.codes.values()} | by_words | names
    unknown = next((choice for choice in choices if choice not in names), None)
    if unknown is not None:
        known = ", ".join(label.name for label in task.labels)
        raise BadRequest(f"'{unknown[:100]}' is none of the labels this model was tuned on: {known[:1000]}")
    return tuple(names[choice] for choice in choices)


def label_of(task: TunedTask, answer: str) -> str:
    """The label an answer stands for; `other` for one the model was not tuned on."""
    names = {_answer(task, label.name): label.name for label in task.labels}
    return names.get(answer, "other")


def _answer(task: TunedTask, label: str) -> str:
    """What a model says for a label: a classifier its name, a tuned language model its code or words."""
    if not task.option.traits.needs_model:
        return label
    return task.codes.get(label) or answer_text(label)


def _clipped(turn: Message, limits: PromptLimits) -> Message:
    if turn.role != "user":
        return turn
    return Message(role="user", content=clip(turn.content, limits.example_chars))


class Answerer(Protocol):
    """What answers for a model; `harness.models.base.ChatModel` is one."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer one request."""

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model that is served.

    Attributes:
        task: None for a model that was not tuned here: then it is asked as the client asks.
        at_once: requests it takes at a time; an engine with a queue of its own takes many.
        lock: held while it answers one, where it takes one at a time; models that share weights share it.
    """

    answerer: Answerer
    task: TunedTask | None
    at_once: int = 1
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """A request that can be computed.

    Attributes:
        choices: the labels in the client's words, in the order of the request's choices.
        arrived: by `time.perf_counter`.
    """

    model: str
    served: Served
    request: ChatRequest
    choices: tuple[str, ...]
    arrived: float

    @property
    def weights(self) -> int:
        """The same number for models that share weights: they wait in one line."""
        return id(self.served.lock)


class Service:
    """Answers requests for models by their names."""

    def __init__(self, models: Mapping[str, Served], *, as_sent: bool = False) -> None:
        """
        Args:
            as_sent: ask tuned models as the client asks, too.
        """
        self._models = dict(models)
        self._as_sent = as_sent
        self._number = itertools.count(1)

    @property
    def names(self) -> tuple[str, ...]:
        """The names models are served under."""
        return tuple(self._models)

    @property
    def train_counts(self) -> dict[str, Mapping[str, int]]:
        """Of each model tuned here, the rows of each label it was trained on."""
        return {name: served.task.train_counts for name, served in self._models.items() if served.task}

    def answer(self, asked: CompletionRequest) -> tuple[ChatReply, tuple[str, ...]]:
        """The answer, in the client's own words, and the choices its log-probabilities are for.

        Raises:
            BadRequest: if it cannot be answered.
        """
        return self.run(self.prepare(asked))

    def prepare(self, asked: CompletionRequest) -> PreparedRequest:
        """What there is to compute for a request.

        Raises:
            BadRequest: if it names no model or no labels that can be answered.
        """
        served = self._models.get(asked.model)
        if served is None:
            known = ", ".join(self._models)
            message = f"the model '{asked.model[:100]}' is not served here; there are: {known}"
            raise BadRequest(message, status=404, kind="not_found_error")
        request, choices = self._request(asked, served)
        return PreparedRequest(
            model=asked.model, served=served, request=request, choices=choices, arrived=time.perf_counter()
        )

    def run(self, job: PreparedRequest) -> tuple[ChatReply, tuple[str, ...]]:
        """Compute the answer.

        Raises:
            BadRequest: if the model cannot give one.
        """
        served, request, choices = job.served, job.request, job.choices
        with served.lock if served.at_once == 1 else contextlib.nullcontext():
            started = time.perf_counter()
            try:
                found = served.answerer.answer_one(request)
            except ValueError as error:
                raise BadRequest(str(error)) from error
        if isinstance(found, Failure):
            if found.kind is FailureKind.TOO_LONG:
                raise BadRequest(found.message)
            raise BadRequest(found.message, status=500, kind="server_error")
        text = choices[request.choices.index(found.text)] if choices else found.text
        return dataclasses.replace(found, text=text, queue_s=started - job.arrived), choices

    def hands_over(self, model: str, reply: ChatReply) -> bool | None:
        """Whether a model that ships as a route leaves this one to today's way; None for any other model."""
        task = self._models[model].task
        if task is None or task.hand_over is None:
            return None
        logprobs = np.array([reply.choice_logprobs or [-math.inf]])
        sure = float(np.exp(scale(logprobs, task.hand_over.temperature)).max())
        return not sure >= task.hand_over.threshold  # not a number is not sure

    def given(self, job: PreparedRequest, reply: ChatReply) -> GivenAnswer:
        """What to count of an answer: its label under its own name, for clients may not make up names."""
        logprobs, usage = reply.choice_logprobs, reply.usage
        read = None if usage.input_tokens is None else usage.input_tokens + (usage.cached_tokens or 0)
        label, sure = FIELDS, None
        if job.choices:
            place = job.choices.index(reply.text)
            answer, task = job.request.choices[place], job.served.task
            label = label_of(task, answer) if task else "other"
            sure = None if logprobs is None else math.exp(logprobs[place])
        return GivenAnswer(
            model=job.model,
            label=HANDED_OVER if self.hands_over(job.model, reply) else label,
            confidence=sure,
            answer_s=reply.model_s,
            wait_s=reply.queue_s,
            input_tokens=read,
        )

    def close(self) -> None:
        """Free every model."""
        for answerer in {id(served.answerer): served.answerer for served in self._models.values()}.values():
            answerer.close()

    def _request(self, asked: CompletionRequest, served: Served) -> tuple[ChatRequest, tuple[str, ...]]:
        task = served.task
        if task is not None and task.fields:
            return self._field_request(asked, task), ()
        if asked.properties:
            raise BadRequest(
                "'json_schema' is supported for one property (or the value itself) with an 'enum' only"
            )
        choices = asked.choices or (trained_labels(task) if task else None)
        if choices is None:
            raise BadRequest("name the labels to choose from: 'structured_outputs': {'choice': [...]}")
        answers = as_answers(task, choices) if task else choices
        if len(set(answers)) < len(answers):
            raise BadRequest("two of the choices are the same label")
        if task is not None and task.hand_over is not None and len(answers) < len(task.labels):
            raise BadRequest(
                "a model that hands over chooses among all its labels: name all of them, or none"
            )
        messages = as_trained(task, asked.messages) if task and not self._as_sent else asked.messages
        number = f"request-{next(self._number)}"
        one_token = task is not None and bool(task.codes)
        asking = ChatRequest(
            item_id=number, messages=messages, form=Choices(answers=answers, one_token=one_token)
        )
        return asking, choices

    def _field_request(self, asked: CompletionRequest, task: TunedTask) -> ChatRequest:
        """A request to a model that reads fields: the schema is the one it was trained on."""
        if asked.choices is not None:
            raise BadRequest("this model reads fields and chooses among no labels: name none")
        named = asked.properties or [name for name in (asked.wrapped_in,) if name not in ("", '"', "label")]
        unknown = [name for name in named if name not in task.fields["properties"]]
        if unknown:
            known = ", ".join(task.fields["properties"])
            raise BadRequest(f"'{unknown[0][:100]}' is none of the fields this model reads: {known[:1000]}")
        return ChatRequest(
            item_id=f"request-{next(self._number)}",
            messages=asked.messages if self._as_sent else as_trained(task, asked.messages),
            form=fields_form(task),
        )


class Classifier(Protocol):
    """Texts in, a distribution over labels out."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The closed set, in the order of the distribution."""

    def logprobs(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-probability of each label, a row a text."""


class ClassifierAnswerer:
    """Answers for a classifier; a request's last turn is the text."""

    def __init__(self, name: str, classifier: Classifier) -> None:
        self.identity = ModelIdentity(id=name, location="local")
        self._classifier = classifier
        self._place = {label: place for place, label in enumerate(classifier.labels)}

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """The likeliest of the choices, and their log-probabilities, normalised over them.

        Raises:
            ValueError: if a choice is none of the labels it was fitted on.
        """
        choices = request.choices or ()
        unknown = [choice for choice in choices if choice not in self._place]
        if unknown:
            raise ValueError(f"'{unknown[0][:100]}' is none of the labels this classifier knows")
        start = time.perf_counter()
        row = self._classifier.logprobs([request.messages[-1].content])[0]
        among = row[[self._place[choice] for choice in choices]]
        if len(choices) < len(self._place):
            among = among - np.logaddexp.reduce(among)
        return ChatReply(
            item_id=request.item_id,
            text=choices[int(np.argmax(among))],
            choice_logprobs=tuple(float(value) for value in among),
            usage=Usage(input_tokens=None, output_tokens=None, counted_by=CountedBy.TOKENIZER),
            queue_s=0.0,
            model_s=time.perf_counter() - start,
        )

    def close(self) -> None:
        """Nothing to free."""


class Reader(Protocol):
    """Texts in, their fields out, a line of JSON a text."""

    def answers(self, texts: Sequence[str]) -> list[str]:
        """The fields that each text states."""


class FieldAnswerer:
    """Answers for an encoder that reads fields; a request's last turn is the text."""

    def __init__(self, name: str, reader: Reader) -> None:
        self.identity = ModelIdentity(id=name, location="local")
        self._reader = reader

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """The fields, whatever the request is held to: the schema is the encoder's own."""
        start = time.perf_counter()
        (text,) = self._reader.answers([request.messages[-1].content])
        return ChatReply(
            item_id=request.item_id,
            text=text,
            choice_logprobs=None,
            usage=Usage(input_tokens=None, output_tokens=None, counted_by=CountedBy.TOKENIZER),
            queue_s=0.0,
            model_s=time.perf_counter() - start,
        )

    def close(self) -> None:
        """Nothing to free."""
