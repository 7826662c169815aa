"""Models under their names, each answering one request at a time."""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.core.records import Failure, FailureKind, ModelIdentity
from harness.models.base import ChatReply, ChatRequest
from harness.shipping.serve.asking import as_answers, as_trained, label_of, trained_answers
from harness.shipping.serve.metrics import Given
from harness.shipping.serve.wire import Asked, BadRequest
from harness.training.tuned_model import Task


class Answerer(Protocol):
    """What answers for a model; `harness.models.base.ChatModel` is one."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        ...

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer one request."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model that is served.

    Attributes:
        task: None for a model that was not tuned here: then it is asked as the client asks.
        lock: held while it answers; models that share weights share it.
    """

    answerer: Answerer
    task: Task | None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
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
        """The same number for models that share weights: only one of them can answer at a time."""
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

    def answer(self, asked: Asked) -> tuple[ChatReply, tuple[str, ...]]:
        """The answer, in the client's own words, and the choices its log-probabilities are for.

        Raises:
            BadRequest: if it cannot be answered.
        """
        return self.run(self.prepare(asked))

    def prepare(self, asked: Asked) -> Job:
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
        return Job(
            model=asked.model, served=served, request=request, choices=choices, arrived=time.perf_counter()
        )

    def run(self, job: Job) -> tuple[ChatReply, tuple[str, ...]]:
        """Compute the answer.

        Raises:
            BadRequest: if the model cannot give one.
        """
        served, request, choices = job.served, job.request, job.choices
        with served.lock:
            started = time.perf_counter()
            try:
                found = served.answerer.answer_one(request)
            except ValueError as error:
                raise BadRequest(str(error)) from error
        if isinstance(found, Failure):
            if found.kind is FailureKind.TOO_LONG:
                raise BadRequest(found.message)
            raise BadRequest(found.message, status=500, kind="server_error")
        reply = dataclasses.replace(
            found, text=choices[request.choices.index(found.text)], queue_s=started - job.arrived
        )
        return reply, choices

    def given(self, job: Job, reply: ChatReply) -> Given:
        """What to count of an answer: its label under its own name, for clients may not make up names."""
        logprobs, usage = reply.choice_logprobs, reply.usage
        read = None if usage.input_tokens is None else usage.input_tokens + (usage.cached_tokens or 0)
        place = job.choices.index(reply.text)
        answer, task = job.request.choices[place], job.served.task
        return Given(
            model=job.model,
            label=label_of(task, answer) if task else "other",
            confidence=None if logprobs is None else math.exp(logprobs[place]),
            answer_s=reply.model_s,
            wait_s=reply.queue_s,
            input_tokens=read,
        )

    def close(self) -> None:
        """Free every model."""
        for answerer in {id(served.answerer): served.answerer for served in self._models.values()}.values():
            answerer.close()

    def _request(self, asked: Asked, served: Served) -> tuple[ChatRequest, tuple[str, ...]]:
        task = served.task
        choices = asked.choices or (trained_answers(task) if task else None)
        if choices is None:
            raise BadRequest("name the labels to choose from: 'structured_outputs': {'choice': [...]}")
        answers = as_answers(task, choices) if task else choices
        if len(set(answers)) < len(answers):
            raise BadRequest("two of the choices are the same label")
        messages = as_trained(task, asked.messages) if task and not self._as_sent else asked.messages
        number = f"request-{next(self._number)}"
        return ChatRequest(item_id=number, messages=messages, choices=answers), choices
