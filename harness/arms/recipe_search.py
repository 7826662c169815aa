"""What the arms of encoders share: how one is tuned, and the search for the recipe that is best on dev."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from harness.arms.base import Material, config_digest, items_digest
from harness.core.artefacts import EncoderRecipe
from harness.core.files import make_folder, write_atomically
from harness.core.serial import encode
from harness.models.settings import ModelSettings
from harness.training.encoder.recipe import recipe_name
from harness.training.encoder.session import M, TrainedEncoder
from harness.training.release import release


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
        rows = [items_digest(material.train), items_digest(material.dev)]
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
