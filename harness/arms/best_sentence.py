"""The best sentence of the passages found: `neighbours` of a task over documents, without a model.

A sentence counts by the weight of the question's words that stand in it, over that of all of them. A word
weighs as much as it is rare among the passages (log(1 + passages / passages with it)), and words are compared
by their first letters. Which search finds the passages, how many are looked at, and under which share a
question is handed back as not in the documents, are chosen on dev.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.arms.base import Explained, Material, WithoutLanguageModel, score_on
from harness.arms.searching import Searching
from harness.core.records import ArmId, Completion, Fitted, Item, Neighbour, Outcome, Passage, Timing
from harness.data.source import rows_digest
from harness.knowledge.lexical import tokenise
from harness.knowledge.passage_index import PassageIndex
from harness.knowledge.sentences import sentences
from harness.tasks.base import ReadsPassages

PASSAGES = (1, 3, 5)
"""Candidates for how many passages are looked at."""
SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Candidates for the share under which a question is handed back."""
STEM = 5
"""Letters by which words are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picking:
    """One way to pick."""

    k: int
    share: float

    @property
    def name(self) -> str:
        """The way in one word, as trials list it."""
        return f"k={self.k}, share={self.share:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The best sentence of some passages.

    Attributes:
        place: which passage it stands in, the nearest is 1.
        share: of the question's words, by weight.
    """

    sentence: str
    place: int
    share: float


class SentencePicker:
    """Sentences of passages, and how rare words are in them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        counts = Counter(stem for passage in passages for stem in _stems(passage.whole))
        self._weights = {stem: math.log1p(len(passages) / count) for stem, count in counts.items()}
        self._rarest = math.log1p(len(passages))
        self._sentences: dict[str, list[tuple[str, frozenset[str]]]] = {}

    def best(self, question: str, passages: Sequence[Passage]) -> Picked | None:
        """The best sentence, of equals that of the nearer passage; None where there is no sentence."""
        asked = {stem: self._weights.get(stem, self._rarest) for stem in _stems(question)}
        whole = sum(asked.values()) or 1.0
        best: Picked | None = None
        for place, passage in enumerate(passages, 1):
            for sentence, stems in self._of(passage):
                share = sum(asked[stem] for stem in asked.keys() & stems) / whole
                if best is None or share > best.share:
                    best = Picked(sentence=sentence, place=place, share=share)
        return best

    def _of(self, passage: Passage) -> list[tuple[str, frozenset[str]]]:
        if passage.id not in self._sentences:
            self._sentences[passage.id] = [(one, _stems(one)) for one in sentences(passage.text)]
        return self._sentences[passage.id]


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:STEM] for word in tokenise(text))


class BestSentenceArm(WithoutLanguageModel):
    """Answers with a sentence of the passages, or hands the question back."""

    def __init__(self, arm: ArmId, index: PassageIndex, task: ReadsPassages) -> None:
        self.id = arm
        self._searching = Searching(index)
        self._task = task
        self._picker = SentencePicker(index.passages)
        self._way = Picking(k=PASSAGES[0], share=SHARES[0])

    @property
    def config(self) -> Mapping[str, object]:
        """The index, and the ways that are tried."""
        return {
            "arm": self.id.key,
            "index": self._searching.index.facts,
            "passages": list(PASSAGES),
            "shares": list(SHARES),
            "stem": STEM,
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Choose the search, the number of passages and the share on dev."""
        if stored is not None:
            self._searching.take(str(stored.choices["search"]))
            self._way = Picking(k=int(stored.choices["k"]), share=float(stored.choices["share"]))
            return stored
        start = time.perf_counter()
        searches = self._searching.choose(material.dev)
        tried = self._try(material.dev)
        if tried:
            self._way = max(tried, key=lambda way: tried[way])
        return Fitted(
            choices={
                "search": str(self._searching.search),
                "k": self._way.k,
                "share": self._way.share,
                "retrieval": self._searching.index.describe(self._searching.search),
                "train_digest": rows_digest(material.train)[:16],
            },
            trials=(*searches, *((way.name, score) for way, score in tried.items())),
            seconds=time.perf_counter() - start,
            indexed=self._searching.index.indexed,
            notes=(f"Search, passages and share were chosen on {len(material.dev)} dev items.",),
        )

    def explain(self, item: Item) -> Explained:
        """The passages that are looked at; no messages are sent."""
        return Explained(messages=(), neighbours=self._searching.found([item], self._way.k)[0])

    def _try(self, dev: Sequence[Item]) -> dict[Picking, float]:
        """What every way reaches on dev."""
        most = self._searching.found(dev, max(PASSAGES))
        tried: dict[Picking, float] = {}
        for k in PASSAGES if dev else ():
            hits = [found[:k] for found in most]
            picked = [self._pick(item, found) for item, found in zip(dev, hits, strict=True)]
            for share in SHARES:
                outcomes = [
                    Completion(item_id=item.id, text=self._text(one, share), timing=Timing(model_s=0.0))
                    for item, one in zip(dev, picked, strict=True)
                ]
                tried[Picking(k=k, share=share)] = score_on(outcomes, dev, self._task)
        return tried

    def _pick(self, item: Item, hits: Sequence[Neighbour]) -> Picked | None:
        return self._picker.best(item.text, self._searching.passages(hits))

    def _text(self, picked: Picked | None, share: float) -> str:
        if picked is None or picked.share < share:
            return self._task.extracted(None)
        return self._task.extracted(picked.sentence, picked.place)

    def _pass(self, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        start = time.perf_counter()
        found = self._searching.found(items, self._way.k)
        searched = (time.perf_counter() - start) / len(items)
        for item, hits in zip(items, found, strict=True):
            begun = time.perf_counter()
            picked = self._pick(item, hits)
            text = self._text(picked, self._way.share)
            spent = time.perf_counter() - begun
            timing = Timing(retrieval_s=searched, model_s=spent, batched=batched)
            sure = None if picked is None else picked.share
            used = self._searching.usage_of(item)
            yield Completion(
                item_id=item.id, text=text, usage=used, timing=timing, neighbours=hits, confidence=sure
            )
