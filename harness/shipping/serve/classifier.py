"""What answers without a language model behind the server: the same labels or fields as its arm gave."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.money.usage import CountedBy, Usage
from harness.core.records import Failure, ModelIdentity
from harness.models.base import ChatReply, ChatRequest


class Classifier(Protocol):
    """Texts in, a distribution over labels out."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The closed set, in the order of the distribution."""
        ...

    def logprobs(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-probability of each label, a row a text."""
        ...


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
        ...


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
