"""The two protocols behind which every model stands: chat (with label scoring) and embedding.

A chat request carries the form of its answer. Of a closed set a local model scores every answer exactly and
returns the distribution; a served model is held to it by structured output and returns text only. An answer
held to a JSON schema, or to nothing but a length, is written token by token. Arms cannot tell the
difference, and never apply a chat template themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from advisor.money.usage import Usage
from harness.core.records import AnswerForm, Choices, Failure, HeldBy, Message, ModelIdentity

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One question to a chat model.

    Attributes:
        item_id: which item it is about; comes back with the reply.
        form: what the answer is held to.
    """

    item_id: str
    messages: tuple[Message, ...]
    form: AnswerForm

    @property
    def choices(self) -> tuple[str, ...]:
        """The answers of a closed set, in the order in which their log-probabilities are returned."""
        return self.form.answers if isinstance(self.form, Choices) else ()

    @property
    def one_token(self) -> bool:
        """Whether every choice is one token, and what would follow it is not asked for."""
        return isinstance(self.form, Choices) and self.form.one_token


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """A chat model's answer.

    Attributes:
        text: the raw answer; for a model that scores, the most likely choice.
        choice_logprobs: one log-probability a choice, normalised over the choices, or None.
        queue_s: waiting for a slot and between attempts; model_s: the answered call alone, or the
            item's share of a batch by processed tokens.
        form: how a served model was held to the answer form: by a 'schema', or 'plain' by the prompt alone.
        cut: the answer was ended by the most tokens it may have.
        served_by: what a provider says answered: its snapshot, fingerprint or the provider behind it.
        left_out: what was to be sent with the question (temperature, seed, effort) and was not, as the model
            does not take it.
    """

    item_id: str
    text: str
    choice_logprobs: tuple[float, ...] | None
    usage: Usage
    queue_s: float
    model_s: float
    attempts: int = 1
    form: HeldBy = ""
    cut: bool = False
    served_by: str = ""
    left_out: tuple[str, ...] = ()


class ChatModel(Protocol):
    """A model that answers chat requests."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply | Failure]:
        """Answer all requests for throughput (batched or concurrent), each exactly once, in any order.

        Same requests in the same order give the same replies on a local model.
        """

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer one request alone, as a user's query would be; for latency."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the messages as sent, chat template included."""

    def forget(self) -> None:
        """Drop whatever earlier requests left in memory (a kept prompt prefix), so that the next replies
        do not depend on them. Nothing to do for a served model.
        """

    def close(self) -> None:
        """Free memory and connections; the model cannot be used afterwards."""


@runtime_checkable
class Telling(Protocol):
    """A model that may have to wait, and says why.

    Attributes:
        say: takes a line; called on a thread of the model's.
    """

    say: Callable[[str], None]


class RankingModel(Protocol):
    """A model that says how well texts answer a query."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""

    def rank(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[float, ...]]:
        """The score of each text of each query, in the texts' order; the higher the better."""

    def usage_of(self, query: str) -> Usage | None:
        """What ranking for a query used of a service, the last time; None where none was asked."""


class EmbeddingModel(Protocol):
    """A model that turns texts into unit vectors."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it reads, as ISO 639-1 codes; () where it does not say."""

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        """Embed texts into an (n, d) float32 array of L2-normalised rows.

        Args:
            queries: they are questions and not what is to be found; some models make a difference.
        """

    def usage_of(self, text: str, *, query: bool = True) -> Usage | None:
        """What embedding this text used of a service; None where none was asked: it ran in this process."""

    def close(self) -> None:
        """Close what is open beyond this process's memory; nothing can be embedded afterwards."""
