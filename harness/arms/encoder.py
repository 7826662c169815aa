"""Encoders tuned on the training rows: one that labels a text, one that reads fields out of it.

The first has a linear head and gives every label's probability. On a closed set of labels it is what to
beat: published encoders reach 93.7 to 94.8 % on Banking77 (Casanueva 2020, 2003.04807; SPACE-2.0). A short
list of recipes is tried on dev; the temperature of the probabilities is fitted on dev too. Both read the
bare text, clipped as language models' prompts are.

The second tags where values stand and picks from closed sets. The probabilities from which on a tag and a
pick count are chosen on dev. What it answers stands in the text or in the schema, so it makes up no value;
how sure it is of an answer as a whole it does not say.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from advisor.stats.calibration import fit_temperature
from harness.arms.base import (
    KEPT,
    Material,
    WithoutLanguageModel,
    config_digest,
    score_on,
    shared_time,
)
from harness.core.artefacts import EncoderArtefact, EncoderRecipe, TaggerArtefact, TunedEncoder
from harness.core.errors import DataError, StoreError
from harness.core.files import make_folder, write_atomically
from harness.core.records import ArmId, Completion, Fitted, Item, Outcome, Timing
from harness.core.serial import encode
from harness.data.source import rows_digest
from harness.models.deciding import folder_facts, versions_of, weights_of
from harness.models.local.encoder import (
    EncoderClassifier,
    EncoderTagger,
    HeadedEncoder,
    Logits,
    TokenShares,
    log_softmax,
)
from harness.models.settings import ModelSettings
from harness.tasks.fields import FieldSchema, fields_in
from harness.tasks.tags import FieldReader, FieldTags, Marked, TagThresholds, share_learnt
from harness.tasks.wording import clip
from harness.training.encoder.artefact import PACKAGES, keep_encoder, open_kept, open_reader, pin_of_encoder
from harness.training.encoder.letters import SHARES, fit_letters, times
from harness.training.encoder.recipe import recipe_name
from harness.training.encoder.session import ENCODER_TRAINER, M, TrainedEncoder
from harness.training.encoder.trainings import FIELD_TRAINER, FieldJob, LabelJob, train_encoder, train_tagger
from harness.training.release import release

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """What is tuned, how, and where it is kept.

    Attributes:
        base: the encoder's folder; model: its name, as the user writes it.
        recipes: to be tried on dev, the first to be kept among equals.
        item_chars: of a text that are read; longer ones lose their middle.
        definitions: of labels, by name: each is a training row more, as a guide's words are worth learning.
        keep_in: the folder in which the encoder is kept once it is trained; None keeps it nowhere.
    """

    base: Path
    model: str
    recipes: tuple[EncoderRecipe, ...]
    item_chars: int
    opening: ModelSettings
    definitions: Mapping[str, str] = field(default_factory=dict)
    keep_in: Path | None = None

    def facts(self) -> dict[str, object]:
        """What decides an encoder of either kind, as plain JSON values: part of journal keys."""
        return {
            "base": self.model,
            "recipes": [dataclasses.asdict(recipe) for recipe in self.recipes],
            "item_chars": self.item_chars,
            "device": self.opening.device,
            **dict(folder_facts(self.base, self.opening.cache)),
            **dict(versions_of(*PACKAGES)),
        }

    def text(self, item: Item) -> str:
        """What is read of an item."""
        return clip(item.text, self.item_chars)

    def record(self, trained: TrainedEncoder[M], recipe: EncoderRecipe, material: Material) -> dict[str, Any]:
        """What a `TunedEncoder` holds of a training, its digest still to be filled in."""
        return {
            "digest": "",
            "base_model": self.model,
            "base_digest": "+".join(weights_of(self.base, self.opening.cache)),
            "pad_token": trained.model.tokenizer.pad_token_id,
            "recipe": dataclasses.replace(recipe, max_tokens=trained.model.max_tokens),
            "packages": dict(versions_of(*PACKAGES)),
            "data_digest": rows_digest(material.train),
            "train_rows": len(material.train),
            "train_tokens": trained.tokens,
            "train_s": trained.seconds,
            "steps": trained.steps,
            "curve": trained.curve,
        }

    def kept(self, stored: Fitted | None, opened: Callable[..., Opened]) -> Opened | None:
        """The encoder that was kept; None where there is none, or it was changed."""
        home = self.keep_in
        if stored is None or home is None or stored.choices.get(KEPT) != pin_of_encoder(home):
            return None
        with suppress(StoreError):
            return opened(home, device=self.opening.device, threads=self.opening.threads)
        return None

    def keep(self, encoder: HeadedEncoder, draft: TunedEncoder) -> dict[str, str]:
        """Keep an encoder, and say under what it is found again; nothing where none is kept."""
        return {} if self.keep_in is None else {KEPT: keep_encoder(encoder, draft, self.keep_in)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSearch(Generic[M]):
    """Trains by every recipe; of equals on dev the first is kept.

    Attributes:
        config: everything that decides what is trained, beside the rows.
        train: by a recipe, with a folder for its checkpoints; score: on dev, higher is better.
    """

    settings: EncoderSettings
    config: Mapping[str, object]
    train: Callable[[EncoderRecipe, Path | None], TrainedEncoder[M]]
    score: Callable[[M], float]

    def best(
        self, material: Material
    ) -> tuple[TrainedEncoder[M], EncoderRecipe, tuple[tuple[str, float], ...]]:
        """The training that is best on dev, its recipe, and what each reached there.

        A stopped search goes on with the recipe it had come to; those before it are trained again only if
        one of them was the best, since the weights of one training are kept at a time.
        """
        work = self._begun(material)
        known = _read_trials(work)
        recipes = self.settings.recipes
        best: tuple[float, EncoderRecipe, TrainedEncoder[M] | None] | None = None
        for number, recipe in enumerate(recipes, 1):
            name = recipe_name(recipe)
            if len(recipes) > 1:
                material.say(f"recipe {number} of {len(recipes)}: {name}")
            trained = None
            if name not in known:
                trained = self.train(recipe, _place(work, recipe))
                known[name] = self.score(trained.model)
                _write_trials(work, known)
            if best is None or known[name] > best[0]:
                best = (known[name], recipe, trained)
            elif trained is not None:
                release()
        assert best is not None
        trained = best[2] or self.train(best[1], _place(work, best[1]))
        return trained, best[1], tuple((recipe_name(one), known[recipe_name(one)]) for one in recipes)

    def close(self) -> None:
        """Remove the checkpoints, once what was trained is kept, and free memory."""
        if (work := self._work) is not None:
            shutil.rmtree(work, ignore_errors=True)
        release()

    @property
    def _work(self) -> Path | None:
        home = self.settings.keep_in
        return None if home is None else home.with_name(f".{home.name}.work")

    def _begun(self, material: Material) -> Path | None:
        """The folder of checkpoints, emptied unless they are of this very training."""
        work = self._work
        if work is None:
            return None
        rows = [rows_digest(material.train), rows_digest(material.dev)]
        training = config_digest({**self.config, "rows": rows})
        mark = work / "training.txt"
        if not mark.is_file() or mark.read_text(encoding="ascii", errors="replace") != training:
            shutil.rmtree(work, ignore_errors=True)
            make_folder(work)
            write_atomically(mark, training)
        return work


def _place(work: Path | None, recipe: EncoderRecipe) -> Path | None:
    """Where the checkpoints of a recipe lie."""
    if work is None:
        return None
    place = work / hashlib.sha256(encode(recipe).encode()).hexdigest()[:16]
    make_folder(place)
    return place


def _read_trials(work: Path | None) -> dict[str, float]:
    """What recipes reached on dev, of a search that was stopped."""
    try:
        return dict(json.loads((work / "trials.json").read_text(encoding="utf-8"))) if work else {}
    except (OSError, ValueError):
        return {}


def _write_trials(work: Path | None, known: Mapping[str, float]) -> None:
    if work is not None:
        write_atomically(work / "trials.json", json.dumps(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeadScores:
    """What a classifier's head gave for the dev texts, and the seconds it took: dev is answered with it."""

    classifier: EncoderClassifier
    texts: tuple[str, ...]
    scores: Logits
    seconds: float


class EncoderArm(WithoutLanguageModel):
    """The encoder that is best on dev, with calibrated probabilities."""

    def __init__(self, arm: ArmId, settings: EncoderSettings, labels: Sequence[str]) -> None:
        self.id = arm
        self.settings = settings
        self._labels = tuple(labels)
        self._classifier: EncoderClassifier | None = None
        self._on_dev: _HeadScores | None = None  # of the last one trained

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
        self._classifier, self._on_dev = self.settings.kept(stored, open_kept), None
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

    def close(self) -> None:
        """Free the encoder."""
        self._classifier = self._on_dev = None

    def _pass(self, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        start, texts = time.perf_counter(), self._texts(items)
        known = self._on_dev if batched and self._on_dev and self._on_dev.texts == texts else None
        logprobs = self._logprobs(texts, None if known is None else known.scores)
        seconds = time.perf_counter() - start + (0.0 if known is None else known.seconds)
        timing = shared_time(items, seconds, batched=batched)
        for item, row in zip(items, logprobs, strict=True):
            yield Completion(
                item_id=item.id,
                text=self._labels[int(np.argmax(row))],
                choice_logprobs=tuple(float(value) for value in row),
                timing=timing,
            )

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
        share, temperature = share_on(scores, letters.scores(self._texts(material.dev)), truth)
        added = times(letters, share) if share else None
        return dataclasses.replace(classifier, temperature=temperature, letters=added), share

    def _accuracy(self, classifier: EncoderClassifier, dev: Sequence[Item]) -> float:
        if not dev:
            return 0.0
        winners = np.argmax(self._scores_on(dev, classifier), axis=1)
        return float(np.mean([self._labels[w] == item.label for w, item in zip(winners, dev, strict=True)]))

    def _scores_on(self, dev: Sequence[Item], classifier: EncoderClassifier) -> Logits:
        """Its scores on dev, once for the one that was trained last."""
        if self._on_dev is None or self._on_dev.classifier is not classifier:
            start, texts = time.perf_counter(), self._texts(dev)
            scores = classifier.scores(texts)
            seconds = time.perf_counter() - start
            self._on_dev = _HeadScores(classifier=classifier, texts=texts, scores=scores, seconds=seconds)
        return self._on_dev.scores

    def _texts(self, items: Sequence[Item]) -> tuple[str, ...]:
        return tuple(self.settings.text(item) for item in items)

    def _logprobs(self, texts: Sequence[str], of_head: Logits | None = None) -> Logits:
        classifier = self._classifier
        assert classifier is not None, "fit comes first"
        order = [classifier.labels.index(label) for label in self._labels]  # another's may stand otherwise
        found: Logits = classifier.logprobs(texts, of_head)[:, order]
        return found


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

    def close(self) -> None:
        """Free the encoder."""
        self._reader = None

    def _pass(self, items: Sequence[Item], *, batched: bool) -> Iterator[Outcome]:
        start = time.perf_counter()
        answers = self._opened().answers([self.settings.text(item) for item in items])
        timing = shared_time(items, time.perf_counter() - start, batched=batched)
        for item, text in zip(items, answers, strict=True):
            yield Completion(item_id=item.id, text=text, timing=timing)

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
