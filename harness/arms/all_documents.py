"""A prompt with all documents: a model reads every passage, in the documents' order, then the question.

Nothing is searched. The passages stand before the question and are the same for every one, so that a provider
that keeps prompts bills them as cached tokens. Where they do not fit into what the model reads, the arm is
refused with the count of their tokens, before anything is asked about a test item.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from harness.arms.base import Explained, Material, SharedModelArm, model_config
from harness.core.errors import DataError
from harness.core.records import ArmId, Failure, FailureKind, Fitted, Item, Message, Neighbour
from harness.knowledge.passage_index import PassageIndex
from harness.models.base import ChatModel
from harness.tasks.base import ReadsPassages


class AllDocumentsArm(SharedModelArm):
    """A model that is shown all documents with the question."""

    def __init__(self, arm: ArmId, model: ChatModel, index: PassageIndex, task: ReadsPassages) -> None:
        super().__init__(arm, model, task)
        self._index = index
        self._reads = task
        self._shown = tuple(
            Neighbour(item_id=passage.id, score=0.0, rank=rank)
            for rank, passage in enumerate(index.passages, 1)
        )

    @property
    def config(self) -> Mapping[str, object]:
        """Model, prompt and the passages."""
        passages = self._index.facts["passages"]
        return model_config(self.id, self._model, self._task) | {"all documents": passages}

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """See whether the documents fit, by asking about the first dev question.

        Raises:
            DataError: they do not; with the tokens they take.
        """
        if stored is not None:
            return stored
        start = time.perf_counter()
        asked = (*material.dev, *material.train)[:1]
        tokens = self._model.count_tokens(self._messages(asked[0])) if asked else 0
        outcome = self.predict_one(asked[0]) if asked else None
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.TOO_LONG:
            raise DataError(
                f"All documents and one question take {tokens:,} tokens, more than {self._model.identity.id} "
                "reads: this prompt is for documents that fit, retrieving is for others.",
                got=outcome.message,
            )
        documents = len(self._index.record.documents)
        return Fitted(
            choices={"documents": documents, "passages": len(self._index), "prompt tokens": tokens},
            seconds=time.perf_counter() - start,
            notes=("All documents stand in every prompt; nothing is searched.",),
        )

    def explain(self, item: Item) -> Explained:
        """The messages of one item; every passage is in them."""
        return Explained(messages=self._messages(item), neighbours=self._shown)

    def _messages(self, item: Item) -> tuple[Message, ...]:
        return self._reads.reading(item, self._index.passages)
