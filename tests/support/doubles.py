"""Models and a tuner with scripted behaviour: answers follow from the text and a seed, never from a clock.

They compute something simple and real (which label's words stand nearest in the text) and fail where the
script says so. They prove what arms do with answers; they never stand for how good an answer is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from advisor.money.usage import CountedBy, Usage
from harness.core.records import (
    Artefact,
    Conversation,
    Failure,
    FailureKind,
    Message,
    ModelIdentity,
    Recipe,
    Timing,
)
from harness.models.base import ChatReply, ChatRequest, Vectors

DIMENSIONS = 32


def _unit(text: str) -> np.ndarray:
    """A unit vector from the words of a text: hashed counts, plus a constant so that none is zero."""
    vector = np.zeros(DIMENSIONS, dtype=np.float64)
    vector[0] = 0.01
    for word in text.casefold().split():
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % DIMENSIONS] += 1.0
    return vector / np.linalg.norm(vector)


@dataclass
class WordEmbedder:
    """An embedding model: hashed word counts."""

    embedded: list[str] = field(default_factory=list)
    languages: tuple[str, ...] = ()

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(id="hashed-words", revision="1", precision="fp32", location="local")

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        self.embedded += texts
        return np.array([_unit(text) for text in texts], dtype=np.float32).reshape(len(texts), DIMENSIONS)

    def usage_of(self, text: str, *, query: bool = True) -> Usage | None:
        return None

    def close(self) -> None:
        pass


@dataclass
class ScriptedChat:
    """A chat model that scores each choice by the words it shares with the conversation.

    Attributes:
        fails: item id -> the failures its next calls end in, in this order.
        model_s: seconds it claims for an item, by item id, 0.01 for others.
        says: what it makes of its best choice; a served model wraps it in JSON.
        kept: what earlier requests left in memory; it breaks ties, so a forgotten `refresh` shows.
    """

    location: str = "local"
    name: str = "scripted"
    fails: dict[str, list[FailureKind]] = field(default_factory=dict)
    model_s: Mapping[str, float] = field(default_factory=dict)
    says: Callable[[str], str] = str
    backwards: bool = False
    asked: list[ChatRequest] = field(default_factory=list)
    closed: int = 0
    kept: list[str] = field(default_factory=list)
    forgot: int = 0

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(id=self.name, revision="1", precision="fp32", location=self.location)  # type: ignore[arg-type]

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply | Failure]:
        replies = [self._answer(request) for request in requests]
        yield from reversed(replies) if self.backwards else replies

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        return self._answer(request)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) + 4 for message in messages)

    def forget(self) -> None:
        self.kept.clear()
        self.forgot += 1

    def close(self) -> None:
        self.closed += 1

    def _answer(self, request: ChatRequest) -> ChatReply | Failure:
        assert not self.closed, "a closed model was asked"
        self.asked.append(request)
        self.kept.append(request.item_id)
        seconds = self.model_s.get(request.item_id, 0.01)
        if self.fails.get(request.item_id):
            kind = self.fails[request.item_id].pop(0)
            return Failure(
                item_id=request.item_id,
                kind=kind,
                message=f"scripted {kind.value}",
                attempts=3,
                timing=Timing(model_s=seconds),
            )
        scores = self.scores(request)
        total = math.log(sum(math.exp(score) for score in scores))
        best = max(range(len(scores)), key=lambda i: (scores[i], -i))
        tokens = self.count_tokens(request.messages)
        return ChatReply(
            item_id=request.item_id,
            text=self.says(request.choices[best]),
            choice_logprobs=tuple(score - total for score in scores) if self.location == "local" else None,
            usage=Usage(input_tokens=tokens, output_tokens=2, counted_by=CountedBy.PROVIDER),
            queue_s=0.0,
            model_s=seconds,
        )

    def scores(self, request: ChatRequest) -> list[float]:
        """Shared words of the last message, examples' answers counted by how like they are."""
        asked = _unit(request.messages[-1].content)
        found = [float(asked @ _unit(choice)) for choice in request.choices]
        for shown, answer in zip(request.messages, request.messages[1:], strict=False):
            if shown.role == "user" and answer.role == "assistant" and answer.content in request.choices:
                found[request.choices.index(answer.content)] += float(asked @ _unit(shown.content))
        return found


@dataclass
class TunedChat(ScriptedChat):
    """What `ScriptedTuner` opens: the nearest training conversation's answer wins."""

    learnt: tuple[Conversation, ...] = ()

    def scores(self, request: ChatRequest) -> list[float]:
        asked = _unit(request.messages[-1].content)
        return [
            max(
                [float(asked @ _unit(c.prompt[-1].content)) for c in self.learnt if c.completion == choice]
                or [0]
            )
            for choice in request.choices
        ]


@dataclass
class ScriptedTuner:
    """A tuner: remembers its training rows, and opens what it made."""

    seed: int = 17
    fails: dict[str, list[FailureKind]] = field(default_factory=dict)
    seen: list[tuple[tuple[Conversation, ...], tuple[Conversation, ...]]] = field(default_factory=list)
    opened: list[TunedChat] = field(default_factory=list)
    stored: tuple[Conversation, ...] = ()
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(id="scripted", revision="1", precision="fp32", location="local")

    @property
    def config(self) -> Mapping[str, object]:
        return {"base": "scripted", "seed": self.seed}

    def tune(
        self, train: Sequence[Conversation], dev: Sequence[Conversation], say: Callable[[str], None]
    ) -> Artefact:
        self.seen.append((tuple(train), tuple(dev)))
        self.stored = tuple(train)
        say("step 1")
        digest = hashlib.sha256(repr((train, self.seed)).encode()).hexdigest()
        return Artefact(
            path="artefacts/x",
            kind="adapter",
            base_model="scripted",
            base_digest="1",
            data_digest=digest,
            digest=digest,
            recipe=recipe(self.seed),
            train_rows=len(train),
            train_tokens=10 * len(train),
            train_s=0.1,
            steps=1,
            curve=((1, 0.5),),
            codes=self.codes,
        )

    def open(self, artefact: Artefact) -> TunedChat:
        said = {label.replace("_", " "): code for label, code in artefact.codes.items()}
        learnt = tuple(
            dataclasses.replace(row, completion=said.get(row.completion, row.completion))
            for row in self.stored
        )
        self.opened.append(TunedChat(name="scripted+lora", fails=self.fails, learnt=learnt))
        return self.opened[-1]


def recipe(seed: int) -> Recipe:
    """A recipe with plain values."""
    return Recipe(
        method="lora-fp32",
        rank=8,
        alpha=16,
        dropout=0.0,
        target_modules=("q_proj",),
        learning_rate=1e-3,
        warmup_ratio=0.1,
        epochs=1.0,
        batch_size=4,
        max_tokens=64,
        seed=seed,
    )
