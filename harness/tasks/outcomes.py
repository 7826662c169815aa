"""Outcomes of any number of items in little memory: what is alike is held once, seconds stand in a column."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from advisor.money.usage import Usage
from advisor.stats.intervals import Ints
from harness.core.records import Completion, Outcome

_SECONDS = 3  # of an outcome: in the queue, finding, in the model


class Outcomes(Sequence[Outcome]):
    """Outcomes in the order in which they were appended; each is put together again when it is read.

    Distributions over the choices are not held.

    Attributes:
        alike: the outcomes without item, tokens and seconds; equal ones are one object.
    """

    def __init__(self) -> None:
        """None yet."""
        self.alike: list[Outcome] = []
        self._ids: list[str] = []
        self._usages: list[Usage | None] = []
        self._seconds = array("d")
        self._known: dict[Any, Any] = {}

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Outcomes:
        """These outcomes."""
        found = cls()
        for outcome in outcomes:
            found.append(outcome, outcome.item_id)
        return found

    def append(self, outcome: Outcome, item_id: str) -> None:
        """One more.

        Args:
            item_id: the same as the outcome's, as the item itself holds it, so that it is held once.
        """
        timing, usage = outcome.timing, outcome.usage
        plain: Any = replace(outcome, item_id="", usage=None)
        if isinstance(outcome, Completion):
            plain = replace(plain, choice_logprobs=None)
        if timing is not None:
            plain = replace(plain, timing=replace(timing, queue_s=0.0, retrieval_s=0.0, model_s=0.0))
            self._seconds.extend((timing.queue_s, timing.retrieval_s, timing.model_s))
        else:
            self._seconds.extend((0.0,) * _SECONDS)
        self._ids.append(item_id)
        self.alike.append(self._known.setdefault(plain, plain))
        self._usages.append(self._known.setdefault(usage, usage))

    def take(self, places: Ints) -> Outcomes:
        """Those at these places, in this order."""
        found = Outcomes()
        for place in places.tolist():
            found.alike.append(self.alike[place])
            found._ids.append(self._ids[place])
            found._usages.append(self._usages[place])
        found._seconds.frombytes(np.asarray(self._seconds).reshape(-1, _SECONDS)[places].tobytes())
        return found

    def __add__(self, more: Outcomes) -> Outcomes:
        found = self.take(np.arange(len(self)))
        found.alike += more.alike
        found._ids += more._ids
        found._usages += more._usages
        found._seconds += more._seconds
        return found

    def __len__(self) -> int:
        return len(self.alike)

    @overload
    def __getitem__(self, place: int) -> Outcome: ...
    @overload
    def __getitem__(self, place: slice) -> Outcomes: ...
    def __getitem__(self, place: int | slice) -> Outcome | Outcomes:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        place = range(len(self))[place]
        parts: dict[str, Any] = {"item_id": self._ids[place], "usage": self._usages[place]}
        alike, (queue_s, retrieval_s, model_s) = self.alike[place], self._seconds[3 * place : 3 * place + 3]
        if alike.timing is not None:
            parts["timing"] = replace(alike.timing, queue_s=queue_s, retrieval_s=retrieval_s, model_s=model_s)
        return replace(alike, **parts)
