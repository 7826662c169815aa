"""Models under their names, each answering one request at a time; every answer is counted."""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.artefacts import Task
from harness.models.base import ChatReply, ChatRequest
from harness.records import Failure, FailureKind, ModelIdentity
from harness.serving.asking import as_answers, as_trained, label_of, trained_answers
from harness.serving.metrics import Given, Metrics
from harness.serving.wire import Asked, BadRequest


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
        trained = {name: served.task.train_counts for name, served in models.items() if served.task}
        self.metrics = Metrics(trained)

    @property
    def names(self) -> tuple[str, ...]:
        """The names models are served under."""
        return tuple(self._models)

    def answer(self, asked: Asked) -> tuple[ChatReply, tuple[str, ...]]:
        """The answer, in the client's own words, and the choices its log-probabilities are for.

        Raises:
            BadRequest: if it cannot be answered.
        """
        served = self._models.get(asked.model)
        if served is None:
            known = ", ".join(self._models)
            message = f"the model '{asked.model}' is not served here; there are: {known}"
            raise BadRequest(message, status=404, kind="not_found_error")
        request, choices = self._request(asked, served)
        arrived = time.perf_counter()
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
            found, text=choices[request.choices.index(found.text)], queue_s=started - arrived
        )
        label = label_of(served.task, found.text) if served.task else "other"
        self._count(asked.model, label, reply, choices)
        return reply, choices

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

    def _count(self, model: str, label: str, reply: ChatReply, choices: tuple[str, ...]) -> None:
        """Count an answer under its label's own name: clients may not make up names for the counters."""
        logprobs, usage = reply.choice_logprobs, reply.usage
        read = None if usage.input_tokens is None else usage.input_tokens + (usage.cached_tokens or 0)
        self.metrics.given(
            Given(
                model=model,
                label=label,
                confidence=None if logprobs is None else math.exp(logprobs[choices.index(reply.text)]),
                answer_s=reply.model_s,
                wait_s=reply.queue_s,
                input_tokens=read,
            )
        )
