"""RAG over the training rows: the most similar tickets with their answers, then the ticket.

What is shown is chosen on dev, one thing after the other: the search, by the vote of what it finds; then, by
asking the model, how many rows, what is said of the answers, and, where their set is closed, whether only
those of the rows found may be given. The nearest example comes last, next to the ticket. A row that says
nearly the same as a nearer one with the same answer is left out. A prompt over the token budget loses its
farthest examples first.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.arms.base import (
    Explained,
    FindingArm,
    Material,
    Say,
    Trials,
    model_config,
)
from harness.arms.neighbour_values import NeighbourValues
from harness.core.records import (
    AnswerForm,
    ArmId,
    Choices,
    Completion,
    Fitted,
    Item,
    Message,
    Neighbour,
    Outcome,
)
from harness.data.source import rows_digest
from harness.knowledge.index import TrainingIndex
from harness.knowledge.lexical import tokenise
from harness.knowledge.reranking import Reranking
from harness.knowledge.retriever import SearchMode, added
from harness.knowledge.vote import TriedVote, Voters, best_of
from harness.models.base import ChatModel
from harness.tasks.base import Task
from harness.tasks.records import Guide

ALIKE = 0.8
"""Rows that share this much of their words (Jaccard) and their target say the same."""
_SPARE = 2
"""Rows looked at for each one shown, so that there are others for those left out."""


class Offered(StrEnum):
    """Which answers the model may choose from."""

    ALL = "all labels"
    FOUND = "labels of the rows found"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveSettings:
    """The candidates for k, the token budget of a prompt, and at most how many dev rows a way is tried on.

    Attributes:
        reranking: orders what was found before k of it are shown; None leaves the search's order.
    """

    k: tuple[int, ...]
    max_tokens: int
    dev_items: int
    reranking: Reranking | None = None

    @property
    def reranked(self) -> dict[str, object]:
        """What decides the order, for an arm's configuration."""
        return {} if self.reranking is None else {"rerank": dict(self.reranking.facts)}

    @property
    def words(self) -> str:
        """What is said of the order behind the search."""
        return "" if self.reranking is None else self.reranking.words


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """One way to ask; `offered` is None where answers are no closed set."""

    k: int
    guide: Guide
    offered: Offered | None = None

    @property
    def name(self) -> str:
        """The way in one word, as trials list it."""
        offered = "" if self.offered is None else f", {self.offered.value}"
        return f"k={self.k}, {self.guide.value}{offered}"


def passes_of(k: Sequence[int], *, documents: bool = False) -> int:
    """How often dev rows are asked about at most to choose: once a k, and over rows in two more ways."""
    return len(k) + 2 * (not documents) if len(k) > 1 else 0


def rows_to_choose_on(passes: int, wanted: int, dev: int, test: int) -> int:
    """Dev rows that each way of asking is tried on: no more than test items are asked.

    Choosing so takes at most two thirds of the arm's questions, as what the chosen trial answered stands.

    Args:
        passes: see `passes_of`; wanted: by the plan; dev, test: rows that the arm answers.
    """
    return min(wanted, dev, test, 2 * (dev + test) // (passes - 1)) if passes > 1 else 0


def spread(items: Sequence[Item], count: int) -> tuple[Item, ...]:
    """So many of the items, evenly from first to last: a file may be sorted by its answers."""
    kept = min(count, len(items))
    return tuple(items[place * len(items) // kept] for place in range(kept))


def guide_of(fitted: Fitted) -> Guide:
    """What a settled arm says of the labels beside examples; only their names before this was chosen."""
    shown = fitted.choices.get("labels shown", fitted.choices.get("guide", Guide.NAMES.value))
    return Guide(str(shown))


class RetrieveArm(FindingArm[Showing]):
    """kNN few-shot prompting over an index of the training rows."""

    def __init__(
        self,
        arm: ArmId,
        model: ChatModel,
        index: TrainingIndex,
        task: Task,
        settings: RetrieveSettings,
    ) -> None:
        super().__init__(arm, model, task)
        self._index = index
        self._settings = settings
        self._choices = _choices(self._answers.form)
        self._guides = self._fitting_guides()
        self._train: dict[str, Item] = {}
        self._words: dict[str, frozenset[str]] = {}
        self._search = index.retriever.default_mode
        self._all = Offered.ALL if self._choices else None
        self._showing = Showing(k=settings.k[0], guide=self._guides[0], offered=self._all)
        self._missed = 0.0

    @property
    def config(self) -> Mapping[str, object]:
        """Model, prompt, index and what is tried."""
        base = model_config(self.id, self._model, self._task)
        settings = self._settings
        return base | {
            "index": self._index.facts,
            "k": list(settings.k),
            "max_tokens": settings.max_tokens,
            "dev_items": settings.dev_items,
            "searches": [mode.value for mode in self._index.retriever.modes],
            "guides": [guide.value for guide in self._guides],
            "offered": [offered.value for offered in self._ways_offered],
            "alike": ALIKE,
            **({"tried": "spread over dev"} if len(settings.k) > 1 else {}),
            **settings.reranked,
        }

    @property
    def _ways_offered(self) -> tuple[Offered, ...]:
        return tuple(Offered) if self._choices else ()

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Choose on dev what is shown: the best accuracy, what was tried first among equals."""
        self._train = {item.id: item for item in material.train}
        if stored is not None:
            return self._take(stored)
        start = time.perf_counter()
        found = self._choose_search(material)
        choice = passes_of(self._settings.k) > 0
        tried = spread(material.dev, self._settings.dev_items) if choice else ()
        trials = self._choose(tried, material.say)
        return Fitted(
            choices={
                "k": self._showing.k,
                "search": self._search.value,
                **self._told(),
                "retrieval": self._index.describe(self._search) + self._settings.words,
                "train_digest": rows_digest(material.train)[:16],
            },
            trials=(*found, *trials),
            seconds=time.perf_counter() - start,
            indexed=self._index.indexed,
            notes=(
                f"The search was chosen by the vote of what it finds for {len(material.dev)} dev items.",
                f"What is shown was chosen on {len(tried)} of {len(material.dev)} dev items."
                if choice
                else "k is the plan's only candidate.",
            ),
        )

    def _told(self) -> dict[str, str | int | float]:
        """What is said of the answers and, of a closed set, which of them may be given."""
        showing = self._showing
        if showing.offered is None:
            return {"guide": showing.guide.value}
        return {
            "labels shown": showing.guide.value,
            "answers offered": showing.offered.value,
            "missed": self._missed,
        }

    def _choose_search(self, material: Material) -> tuple[tuple[str, float], ...]:
        """Take the search whose rows give the best answers by themselves; what each one reached."""
        if not self._choices:
            way, tried = NeighbourValues(self._index, self._task, material.train).choose(material.dev)
            self._search = way.mode
            return tried
        votes = Voters(self._task.choices, material.train).try_votes(self._index, material.dev)
        if votes:
            self._search = best_of(votes).vote.mode
        return tuple(_best_votes(votes))

    def _take(self, stored: Fitted) -> Fitted:
        choices = stored.choices
        self._search = SearchMode(str(choices["search"]))
        self._showing = Showing(
            k=int(choices["k"]),
            guide=guide_of(stored),
            offered=Offered(str(choices["answers offered"])) if self._choices else None,
        )
        self._missed = float(choices.get("missed", 0.0))
        return stored

    def _choose(self, dev: Sequence[Item], say: Say) -> tuple[tuple[str, float], ...]:
        """Try on dev and take the best way; every way that was tried, with its score."""
        self._showing = Showing(k=min(self._settings.k), guide=self._guides[0], offered=self._all)
        if not dev:
            return ()
        trials: Trials[Showing] = Trials(dev=tuple(dev), say=say, name=lambda way: way.name)
        for k in sorted(self._settings.k):
            self._try(Showing(k=k, guide=self._guides[0], offered=self._all), trials)
        for guide in self._guides[1:]:
            self._try(dataclasses.replace(trials.best, guide=guide), trials)
        for offered in self._ways_offered[1:]:
            self._try(dataclasses.replace(trials.best, offered=offered), trials)
        self._take_best(trials)
        return tuple((way.name, score) for way, score in trials.scores.items())

    def _use(self, way: Showing, dev: Sequence[Item]) -> None:
        self._showing = way
        self._missed = self._share_missed(dev)

    def _share_missed(self, dev: Sequence[Item]) -> float:
        """Of dev items, the share whose label is not offered, smoothed by one miss in two items more."""
        if self._showing.offered is not Offered.FOUND:
            return 0.0
        found = self._found(dev)
        missed = sum(
            self._task.target_text(item.target) not in self._offered(near).answers
            for item, near in zip(dev, found, strict=True)
        )
        return round((missed + 1) / (len(dev) + 2), 4)

    def _found(self, items: Sequence[Item]) -> list[list[Neighbour]]:
        """The rows to show for each item, nearest first."""
        texts, k = [item.text for item in items], self._showing.k
        again = self._settings.reranking
        depth = _SPARE * k if again is None else max(_SPARE * k, again.most)
        found = self._index.retriever.search(texts, depth, mode=self._search)
        if again is not None:
            found = again.ordered(texts, found, lambda name: self._train[name].text)
        return [self._distinct(near, k) for near in found]

    def _distinct(self, nearest_first: Sequence[Neighbour], k: int) -> list[Neighbour]:
        """The k nearest of which none says the same as a nearer one."""
        kept: list[Neighbour] = []
        for near in nearest_first:
            if len(kept) == k:
                break
            if not any(self._alike(near.item_id, other.item_id) for other in kept):
                kept.append(near)
        return kept

    def _alike(self, one: str, other: str) -> bool:
        if self._train[one].target != self._train[other].target:
            return False
        a, b = self._words_of(one), self._words_of(other)
        return len(a & b) >= ALIKE * len(a | b)

    def _words_of(self, item_id: str) -> frozenset[str]:
        if item_id not in self._words:
            self._words[item_id] = frozenset(tokenise(self._train[item_id].text))
        return self._words[item_id]

    def _shown(self, item: Item, nearest_first: Sequence[Neighbour]) -> Explained:
        """As many of the rows as the budget holds, the nearest first."""
        fits, too_many = 0, len(nearest_first) + 1
        messages = self._messages(item, nearest_first)
        if self._fits(messages):
            fits = len(nearest_first)
        else:
            while too_many - fits > 1:
                middle = (fits + too_many) // 2
                if middle <= len(nearest_first) and self._fits(self._messages(item, nearest_first[:middle])):
                    fits = middle
                else:
                    too_many = middle
            messages = self._messages(item, nearest_first[:fits])
        offered = self._offered(nearest_first) if self._showing.offered is Offered.FOUND else None
        again = self._settings.reranking
        return Explained(
            messages=messages,
            neighbours=tuple(nearest_first[:fits]),
            form=offered,
            searched=added(
                self._index.retriever.usage_of(item.text, self._search),
                None if again is None else again.usage_of(item.text),
            ),
        )

    def _fits(self, messages: tuple[Message, ...]) -> bool:
        return self._model.count_tokens(messages) <= self._settings.max_tokens

    def _messages(self, item: Item, nearest_first: Sequence[Neighbour]) -> tuple[Message, ...]:
        rows = [self._train[neighbour.item_id] for neighbour in reversed(nearest_first)]
        return self._task.messages(self.id.option, item, rows, self._showing.guide)

    def _offered(self, found: Sequence[Neighbour]) -> Choices:
        """The answers of the rows found; all where nothing was found."""
        form = self._task.form([self._train[near.item_id] for near in found])
        assert isinstance(form, Choices), "only a closed set is narrowed"
        return form

    def _whole(self, outcome: Outcome, shown: Explained) -> Outcome:
        """A distribution over the choices offered as one over all: the others share what dev missed."""
        offered = () if shown.form is None else shown.form.answers
        if (
            not isinstance(outcome, Completion)
            or outcome.choice_logprobs is None
            or len(offered) in (0, len(self._choices))
        ):
            return outcome
        others = len(self._choices) - len(offered)
        missed = min(self._missed, 0.5 * others / len(self._choices))  # the answer stays the likeliest
        of = dict(zip(offered, outcome.choice_logprobs, strict=True))
        rest = math.log(missed / others)
        whole = tuple(of[choice] + math.log1p(-missed) if choice in of else rest for choice in self._choices)
        return dataclasses.replace(outcome, choice_logprobs=whole)

    def _fitting_guides(self) -> tuple[Guide, ...]:
        """The guide to begin with, then the other: definitions are first where they leave half the budget."""
        if Guide.DEFINITIONS not in self._task.guides or len(self._task.guides) == 1:
            return self._task.guides
        nothing = Item(id="", text="", target="")
        tokens = self._model.count_tokens(self._task.messages(self.id.option, nothing))
        if tokens > self._settings.max_tokens:
            return (Guide.NAMES,)
        first = tokens <= self._settings.max_tokens / 2
        return (Guide.DEFINITIONS, Guide.NAMES) if first else (Guide.NAMES, Guide.DEFINITIONS)


def _choices(form: AnswerForm) -> tuple[str, ...]:
    """The answers of a closed set; none where it is open."""
    return form.answers if isinstance(form, Choices) else ()


def _best_votes(votes: Sequence[TriedVote]) -> Iterator[tuple[str, float]]:
    """The best vote of each search."""
    for mode in SearchMode:
        mine = [one for one in votes if one.vote.mode is mode]
        if mine:
            best = best_of(mine)
            yield f"the vote of {best.vote.name}", best.accuracy
