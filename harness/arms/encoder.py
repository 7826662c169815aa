"""An encoder with a linear head, tuned on the training rows: reads a text, gives every label's probability.

On a closed set of labels this is what to beat: published encoders reach 93.7 to 94.8 % on Banking77
(Casanueva 2020, 2003.04807; SPACE-2.0). A short list of recipes is tried on dev; the temperature of the
probabilities is fitted on dev too. The encoder reads the bare text, clipped as language models' prompts are.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from advisor.stats.calibration import fit_temperature
from harness.arms.base import Material, WithoutLanguageModel, shared_time
from harness.arms.recipe_search import EncoderSettings, RecipeSearch
from harness.core.artefacts import EncoderArtefact, EncoderRecipe
from harness.core.errors import DataError
from harness.core.records import ArmId, Completion, Fitted, Item, Outcome, Timing
from harness.models.local.encoder import EncoderClassifier, Logits, log_softmax
from harness.training.encoder.artefact import open_kept
from harness.training.encoder.labels import LabelJob, train_encoder
from harness.training.encoder.letters import SHARES, fit_letters, times
from harness.training.encoder.recipe import recipe_name
from harness.training.encoder.session import ENCODER_TRAINER, TrainedEncoder


class EncoderArm(WithoutLanguageModel):
    """The encoder that is best on dev, with calibrated probabilities."""

    def __init__(self, arm: ArmId, settings: EncoderSettings, labels: Sequence[str]) -> None:
        self.id = arm
        self.settings = settings
        self._labels = tuple(labels)
        self._classifier: EncoderClassifier | None = None
        self._on_dev: tuple[EncoderClassifier, Logits] | None = None  # the last one trained, its scores

    @property
    def config(self) -> Mapping[str, object]:
        """Base encoder, recipes with their seed, labels, how texts are cut, libraries."""
        return {
            "arm": self.id.key,
            "trainer": ENCODER_TRAINER,
            "labels": list(self._labels),
            **({"definitions": dict(self.settings.definitions)} if self.settings.definitions else {}),
            **self.settings.facts(),
        }

    def fit(self, material: Material, stored: Fitted | None) -> Fitted:
        """Train by every recipe, keep the best on dev, and fit its temperature there.

        What was kept before is taken again, so that a run that goes on answers with the same encoder.

        Raises:
            DataError: with fewer than two labels in train.
            MissingExtra, ModelUnavailable, TrainingError, StoreError: see `harness.training.encoder.session`.
        """
        self._classifier = self.settings.kept(stored, open_kept)
        if stored is not None and self._classifier is not None:
            return stored
        start = time.perf_counter()
        if len({item.label for item in material.train}) < 2:
            found = len({item.label for item in material.train})
            raise DataError("An encoder needs at least two labels in train.", got=found)
        search = RecipeSearch(
            settings=self.settings,
            config=self.config,
            train=lambda recipe, work: self._train(recipe, material, work),
            score=lambda classifier: self._accuracy(classifier, material.dev),
        )
        best, recipe, trials = search.best(material)
        classifier, share = self._beside(best.model, recipe, material)
        self._on_dev = None
        self._classifier, temperature = classifier, classifier.temperature
        choices: dict[str, str | int | float] = {
            "recipe": recipe_name(recipe),
            "temperature": round(temperature, 4),
            "precision": recipe.precision,
            "letters": share,
        }
        draft = EncoderArtefact(
            **self.settings.record(best, recipe, material),
            pooling=classifier.pooling,
            labels=self._labels,
            temperature=temperature,
            letters=share,
        )
        choices |= self.settings.keep(classifier, draft)
        search.close()
        seconds = max(time.perf_counter() - start, best.seconds)  # of all starts, where it was stopped
        return Fitted(choices=choices, trials=trials, seconds=seconds)

    def predict(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """One pass over all items."""
        if not items:
            return
        start = time.perf_counter()
        logprobs = self._logprobs(items)
        timing = shared_time(items, time.perf_counter() - start)
        for item, row in zip(items, logprobs, strict=True):
            yield self._prediction(item, row, timing)

    def predict_one(self, item: Item) -> Outcome:
        """One item alone."""
        start = time.perf_counter()
        row = self._logprobs([item])[0]
        return self._prediction(item, row, Timing(model_s=time.perf_counter() - start))

    def close(self) -> None:
        """Free the encoder."""
        self._classifier = None

    def _train(
        self, recipe: EncoderRecipe, material: Material, work: Path | None
    ) -> TrainedEncoder[EncoderClassifier]:
        texts, targets = self._rows(material)
        self._on_dev = None  # the one before it need not lie in memory meanwhile
        job = LabelJob(
            base=self.settings.base,
            texts=texts,
            targets=targets,
            labels=self._labels,
            recipe=recipe,
            work=work,
            device=self.settings.opening.device,
            threads=self.settings.opening.threads,
        )
        return train_encoder(job, material.say)

    def _rows(self, material: Material) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Texts to learn from, and the place of the label of each: the training rows and the definitions."""
        rows = [(self.settings.text(item), item.label) for item in material.train]
        rows += [
            (f"{name.replace('_', ' ')}: {definition}", name)
            for name, definition in self.settings.definitions.items()
            if definition and name in self._labels
        ]
        return tuple(text for text, _ in rows), tuple(self._labels.index(label) for _, label in rows)

    def _beside(
        self, classifier: EncoderClassifier, recipe: EncoderRecipe, material: Material
    ) -> tuple[EncoderClassifier, float]:
        """The encoder with the letters that fit dev best, its temperature, and how much the letters count."""
        if not material.dev:
            return classifier, 0.0
        truth = [self._labels.index(item.label) for item in material.dev]
        scores = self._scores_on(material.dev, classifier)
        if not recipe.letters:
            return dataclasses.replace(
                classifier, temperature=temperature_on(log_softmax(scores), truth)
            ), 0.0
        letters = fit_letters(*self._rows(material), len(self._labels), recipe.seed)
        texts = [self.settings.text(item) for item in material.dev]
        share, temperature = share_on(scores, letters.scores(texts), truth)
        added = times(letters, share) if share else None
        return dataclasses.replace(classifier, temperature=temperature, letters=added), share

    def _accuracy(self, classifier: EncoderClassifier, dev: Sequence[Item]) -> float:
        if not dev:
            return 0.0
        winners = np.argmax(self._scores_on(dev, classifier), axis=1)
        return float(np.mean([self._labels[w] == item.label for w, item in zip(winners, dev, strict=True)]))

    def _scores_on(self, dev: Sequence[Item], classifier: EncoderClassifier) -> Logits:
        """Its scores on dev, once for the one that was trained last."""
        if self._on_dev is None or self._on_dev[0] is not classifier:
            self._on_dev = classifier, classifier.scores([self.settings.text(item) for item in dev])
        return self._on_dev[1]

    def _logprobs(self, items: Sequence[Item]) -> Logits:
        classifier = self._classifier
        assert classifier is not None, "fit comes first"
        order = [classifier.labels.index(label) for label in self._labels]  # another's may stand otherwise
        found: Logits = classifier.logprobs([self.settings.text(item) for item in items])[:, order]
        return found

    def _prediction(self, item: Item, row: Logits, timing: Timing) -> Completion:
        return Completion(
            item_id=item.id,
            text=self._labels[int(np.argmax(row))],
            choice_logprobs=tuple(float(value) for value in row),
            timing=timing,
        )


def share_on(scores: Logits, margins: Logits, truth: Sequence[int]) -> tuple[float, float]:
    """How much the letters' margins count, and the temperature, that together fit dev best."""
    found = []
    for share in SHARES:
        logprobs = log_softmax(scores + share * margins)
        temperature = temperature_on(logprobs, truth)
        rows, answers = _with_a_mistake(logprobs, truth)
        fit = float(log_softmax(rows / temperature)[np.arange(len(rows)), answers].mean())
        found.append((-fit, share, temperature))
    _, share, temperature = min(found)
    return share, temperature


def temperature_on(logprobs: Logits, truth: Sequence[int]) -> float:
    """The temperature that fits dev best, one more row being taken to be wrong."""
    return fit_temperature(*_with_a_mistake(logprobs, truth)) or 1.0


def _with_a_mistake(logprobs: Logits, truth: Sequence[int]) -> tuple[Logits, NDArray[np.int64]]:
    """One more row, that of middling confidence, is taken to be wrong.

    So a small dev set without a mistake makes nothing certain, as in the rule of succession.
    """
    order = np.argsort(logprobs.max(axis=1), kind="stable")
    middling = logprobs[order[len(order) // 2]]
    second = int(np.argsort(middling)[-2])
    return np.vstack([logprobs, middling]), np.array([*truth, second])
