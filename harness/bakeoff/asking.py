"""What the arms of a plan will put to a model, built by the code that asks in the run; for forecasts.

Nothing is chosen on dev yet: as many rows or passages are shown as the largest candidate for k says, passages
are found by words, and rows stand for those that would be found.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import cast

from advisor.options import Option
from harness.arms.base import Explained
from harness.arms.reading import shown_within
from harness.arms.searching import Searching
from harness.arms.tuned_reading import Passages
from harness.bakeoff.evalset import open_passages
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.core.context import Context
from harness.core.records import Evalset, Item, Message
from harness.knowledge.passage_index import PassageIndex
from harness.tasks.base import ReadsPassages
from harness.tasks.kinds import task_of


class Asking:
    """Builds the questions of a plan's arms; the documents are opened at first use."""

    def __init__(self, plan: ExperimentPlan, evalset: Evalset, context: Context) -> None:
        self.task = task_of(evalset.space, plan.prompt.limits)
        self._plan = plan
        self._evalset = evalset
        self._context = context

    @functools.cached_property
    def passages(self) -> PassageIndex:
        """The documents' passages, as they are searched without an embedding model."""
        return open_passages(self._evalset.documents, None, self._context)

    def shown(
        self, arm: ArmPlan, items: Sequence[Item], count: Callable[[Sequence[Message]], float]
    ) -> list[Explained]:
        """What goes to the model for each item.

        Args:
            count: tokens of messages, for the budget of a prompt.
        """
        option, plan, k = arm.option, self._plan, max(self._plan.retrieve.k)
        reads = cast(ReadsPassages, self.task)
        if arm.all_documents:
            return [Explained(messages=reads.reading(item, self.passages.passages)) for item in items]
        if self._evalset.documents and option is Option.RETRIEVE:
            searching, budget = Searching(self.passages), (count, plan.retrieve.max_tokens)
            found = zip(items, searching.found(items, k), strict=True)
            return [shown_within(reads, searching, item, hits, budget) for item, hits in found]
        if self._evalset.documents and option is Option.TUNE_RETRIEVE:
            return Passages(self.passages, plan.shown_in_training, plan.seed).asked(self.task, items)
        number = {Option.RETRIEVE: k, Option.TUNE_RETRIEVE: plan.shown_in_training}.get(option, 0)
        rows = evenly(self._evalset.train, number)
        messages = [self.task.messages(option, item, rows) for item in items]
        while rows and option is Option.RETRIEVE and max(map(count, messages)) > plan.retrieve.max_tokens:
            rows = rows[:-1]
            messages = [self.task.messages(option, item, rows) for item in items]
        return [Explained(messages=one) for one in messages]


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Rows drawn evenly by length, so that their mean is about that of all."""
    ordered = sorted(items, key=lambda item: len(item.text))
    count = min(count, len(ordered))
    return [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]
