"""Rows for `tune` that a model writes: questions about passages, and other wordings of every question learnt.

What is tuned without documents can know only what its rows say. A question that is drafted about a passage
may ask what a test question asks, in other words: that is how it learns the facts. None has the words of a
dev or test question. Nobody read them, and the arm says so.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harness.core.records import Item, Passage
from harness.core.references import EvidenceQuote, Reference
from harness.core.wording import counted
from harness.knowledge.drafting import Draft, KeptDrafts, draft, drafting_facts, reword
from harness.models.base import ChatModel
from harness.tasks.answers import words

KEPT = "asked.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftSettings:
    """What is drafted, by whom.

    Attributes:
        model: its name; revision: of its weights, '' of one that is served; open: opens it.
        passages: those that a question is drafted about.
        wordings: other wordings of each question at most.
        never: questions whose words no drafted one may have.
        places: folders where answers are kept: one that they are put into, others whose answers are taken and
            not counted.
    """

    model: str
    revision: str
    open: Callable[[], ChatModel]
    passages: tuple[Passage, ...]
    wordings: int
    never: Collection[str]
    places: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedRows:
    """What was drafted.

    Attributes:
        items: training rows and drafted ones.
        seconds: that the model's answers took, those that were kept of an earlier start among them.
        note: what they are, for the report.
    """

    items: tuple[Item, ...]
    seconds: float
    note: str


class Drafts:
    """Writes rows for `tune`."""

    def __init__(self, settings: DraftSettings) -> None:
        self._settings = settings

    @property
    def facts(self) -> Mapping[str, object]:
        """Everything that decides what is drafted from the training rows."""
        settings = self._settings
        return {
            "model": [settings.model, settings.revision],
            "passages": _digest([one.id for one in settings.passages]),
            "never": _digest(sorted(settings.never)),
            "wordings": settings.wordings,
            **drafting_facts(settings.wordings),
        }

    def beside(self, train: Sequence[Item], say: Callable[[str], None]) -> DraftedRows:
        """Training rows with what is drafted; what was drafted before is not asked for again.

        Raises:
            ModelUnavailable, MissingExtra: the model is not at hand.
            StoreError: an answer cannot be kept.
        """
        settings = self._settings
        asked = len(settings.passages) + (len(train) + len(settings.passages) if settings.wordings else 0)
        say(f"drafting with {settings.model}: up to {asked:,} answers")
        tell = _tenths(asked, say)
        home, *earlier = (place / KEPT for place in settings.places)
        kept = KeptDrafts(home, earlier)
        with closing(settings.open()) as model:
            found = draft(settings.passages, model, kept, tell)
            rows = [*train, *(_item(number, one) for number, one in enumerate(found.drafts, 1))]
            questions = [item.text for item in rows] if settings.wordings else []
            other, seconds = reword(questions, settings.wordings, model, kept, tell)
        more = [*rows[len(train) :]]
        for item in rows:
            more += [
                dataclasses.replace(item, id=f"{item.id} in other words {number}", text=text, row=None)
                for number, text in enumerate(other.get(item.text, ()), 1)
            ]
        own = self._unasked(train, more)
        return DraftedRows(
            items=(*train, *own), seconds=found.seconds + seconds, note=self._note(len(train), own)
        )

    def _unasked(self, train: Sequence[Item], more: Sequence[Item]) -> list[Item]:
        """Drafted rows with new words: none of a dev or test question, none of another row."""
        met = {words(text) for text in self._settings.never} | {words(item.text) for item in train}
        found = []
        for item in more:
            if (asked := words(item.text)) not in met:
                met.add(asked)
                found.append(item)
        return found

    def _note(self, train: int, own: Sequence[Item]) -> str:
        learnt = counted(train + len(own), "row", "rows")
        return (
            f"of {learnt} learnt from, {len(own):,} were drafted by {self._settings.model} and read by nobody"
        )


def _tenths(asked: int, say: Callable[[str], None]) -> Callable[[int], None]:
    """Says after every tenth of the answers how many there are."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        before, done = done, done + more
        if done * 10 // asked > before * 10 // asked:
            say(f"drafted {done:,} of {asked:,} at most")

    return tell


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _item(number: int, one: Draft) -> Item:
    evidence = (EvidenceQuote(document=one.document, quote=one.quote),)
    return Item(
        id=f"drafted {number}",
        text=one.question,
        target=Reference(answers=(one.answer,), evidence=evidence, answerable=True),
    )
