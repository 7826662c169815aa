"""What the arms of encoders share: how one is tuned and kept, and the search for the best recipe on dev."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from harness.arms.base import KEPT, Material, config_digest, items_digest
from harness.core.artefacts import EncoderRecipe, TunedEncoder
from harness.core.errors import StoreError
from harness.core.files import make_folder, write_atomically
from harness.core.records import Fitted, Item
from harness.core.serial import encode
from harness.models.deciding import folder_facts, versions_of, weights_of
from harness.models.local.encoder import HeadedEncoder
from harness.models.settings import ModelSettings
from harness.tasks.wording import clip
from harness.training.encoder.artefact import PACKAGES, keep_encoder, pin_of_encoder
from harness.training.encoder.recipe import recipe_name
from harness.training.encoder.session import M, TrainedEncoder
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
            "data_digest": items_digest(material.train),
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
