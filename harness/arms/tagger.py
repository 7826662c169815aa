"""An encoder that reads fields, tuned on the training rows: tags where values stand, picks of closed sets.

The recipe, and the probabilities from which on a tag and a pick count, are chosen on dev. It reads the bare
text, clipped as language models' prompts are. What it answers stands in the text or in the schema, so it
makes up no value; how sure it is of an answer as a whole it does not say.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.arms.base import Material, WithoutLanguageModel, score_on, shared_time
from harness.arms.recipe_search import EncoderSettings, RecipeSearch
from harness.core.artefacts import EncoderRecipe, TaggerArtefact
from harness.core.errors import DataError
from harness.core.records import ArmId, Completion, Fitted, Item, Outcome, Timing
from harness.models.local.tagger import EncoderTagger, TokenShares
from harness.tasks.fields import FieldSchema, fields_in
from harness.tasks.tags import FieldReader, FieldTags, Marked, TagThresholds, share_learnt
from harness.training.encoder.artefact import open_reader
from harness.training.encoder.fields import FIELD_TRAINER, FieldJob, train_tagger
from harness.training.encoder.recipe import recipe_name
from harness.training.encoder.session import TrainedEncoder

LEAST = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Candidates for the probability from which on a tag, or a pick, is taken."""


class TaggerArm(WithoutLanguageModel):
    """The tagger that is best on dev."""

    def __init__(self, arm: ArmId, settings: EncoderSettings, schema: FieldSchema) -> None:
        self.id = arm
        self.settings = settings
        self._tags = FieldTags.of(schema)
        self._reader: FieldReader | None = None

    @property
    def config(self) -> Mapping[str, object]:
        """Base encoder, recipes with their seed, schema, how texts are cut, libraries."""
        return {
            "arm": self.id.key,
            "trainer": FIELD_TRAINER,
            "schema": self._tags.schema.json_schema(),
            "least": list(LEAST),
            **self.settings.facts(),
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Train by every recipe, keep the best on dev, and choose there from which probability on it answers.

        What was kept before is taken again, so that a run that goes on answers with the same encoder.

        Raises:
            DataError: if no value of the training rows stands in its text or is one of a closed set.
            MissingExtra, ModelUnavailable, TrainingError, StoreError: see `harness.training.encoder.session`.
        """
        self._reader = self.settings.kept(stored, open_reader)
        if stored is not None and self._reader is not None:
            return stored
        start = time.perf_counter()
        marks = tuple(
            self._tags.marked(self.settings.text(item), fields_in(item.target)) for item in material.train
        )
        learnt, stated = share_learnt(marks)
        if not learnt:
            raise DataError(
                "An encoder has nothing to learn: no value stands in its text or is a choice.",
                got=f"{stated} values in {len(material.train)} training rows",
                allowed="the options prompt, retrieve and tune, which write values",
            )
        search = RecipeSearch(
            settings=self.settings,
            config=self.config,
            train=lambda recipe, work: self._train(recipe, (material, marks), work),
            score=lambda tagger: self._chosen(tagger, material)[1],
        )
        best, recipe, trials = search.best(material)
        least, _ = self._chosen(best.model, material)
        self._reader = FieldReader(tagger=best.model, tags=self._tags, least=least)
        choices: dict[str, str | int | float] = {
            "recipe": recipe_name(recipe),
            "tag from": least.tag,
            "pick from": least.pick,
            "precision": recipe.precision,
        }
        draft = TaggerArtefact(
            **self.settings.record(best, recipe, material),
            fields=self._tags.schema.json_schema(),
            tag_from=least.tag,
            pick_from=least.pick,
        )
        choices |= self.settings.keep(best.model, draft)
        search.close()
        return Fitted(
            choices=choices,
            trials=trials,
            seconds=time.perf_counter() - start,
            notes=(
                f"Of {stated:,} values that the training rows state, {learnt:,} stand in their texts or are "
                "choices; an encoder can learn only these.",
            ),
        )

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """One pass over all items."""
        if not items:
            return
        start = time.perf_counter()
        answers = self._opened().answers([self.settings.text(item) for item in items])
        timing = shared_time(items, time.perf_counter() - start)
        for item, text in zip(items, answers, strict=True):
            yield Completion(item_id=item.id, text=text, timing=timing)

    def predict_one(self, item: Item) -> Outcome:
        """One item alone."""
        start = time.perf_counter()
        (text,) = self._opened().answers([self.settings.text(item)])
        return Completion(item_id=item.id, text=text, timing=Timing(model_s=time.perf_counter() - start))

    def close(self) -> None:
        """Free the encoder."""
        self._reader = None

    def _opened(self) -> FieldReader:
        assert self._reader is not None, "fit comes first"
        return self._reader

    def _train(
        self, recipe: EncoderRecipe, taught: tuple[Material, tuple[Marked, ...]], work: Path | None
    ) -> TrainedEncoder[EncoderTagger]:
        material, marks = taught
        job = FieldJob(
            base=self.settings.base,
            texts=tuple(self.settings.text(item) for item in material.train),
            marks=marks,
            sizes=self._tags.sizes,
            recipe=recipe,
            work=work,
            device=self.settings.opening.device,
            threads=self.settings.opening.threads,
        )
        return train_tagger(job, material.say)

    def _chosen(self, tagger: EncoderTagger, material: Material) -> tuple[TagThresholds, float]:
        """The thresholds that are best on dev, the tags' first and then the picks', and what they reach."""
        if not material.dev:
            return TagThresholds(), 0.0
        shares = tagger.shares([self.settings.text(item) for item in material.dev])

        def reached(least: TagThresholds) -> float:
            return self._score(material, shares, least)

        first = max((TagThresholds(tag=tag) for tag in LEAST), key=reached)
        least = max((TagThresholds(tag=first.tag, pick=pick) for pick in LEAST), key=reached)
        return least, reached(least)

    def _score(self, material: Material, shares: Sequence[TokenShares], least: TagThresholds) -> float:
        outcomes = []
        for item, one in zip(material.dev, shares, strict=True):
            text = self._tags.schema.written(self._tags.read(self.settings.text(item), one, least))
            outcomes.append(Completion(item_id=item.id, text=text, timing=Timing(model_s=0.0)))
        return score_on(outcomes, material.dev, material.task)
