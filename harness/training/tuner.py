"""The tuner of this machine: trains with TRL and PEFT, and opens the artefact that ships.

`tune` returns a finished artefact again instead of training twice, and goes on with a training that was
stopped. `open` checks the artefact's digest first, so that what is scored is what was trained.

    <run>/artefacts/<name>/        the adapter: safetensors and its configuration
    <run>/artefacts/<name>.json    its `Artefact` record
    <run>/artefacts/.<name>.work/  checkpoints, while training

What does not depend on the run's own rows is kept for other runs too (`TunerSettings.keep_in`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.environment import free_gib
from harness.core.errors import StoreError, TrainingError, command, on_disk
from harness.core.files import make_folder, write_atomically
from harness.core.names import inside
from harness.core.records import Artefact, Conversation, HostedModel, Label, ModelIdentity, Recipe
from harness.core.serial import encode
from harness.models.base import ChatModel
from harness.models.deciding import folder_facts, versions_of
from harness.models.local.precision import choose_precision
from harness.models.settings import ModelSettings
from harness.tasks.labels import answer_text
from harness.training.memory import Needed, mean_tokens, memory_needed, read_shape, require_room, ways_out
from harness.training.release import release
from harness.training.tuned_model import (
    conversations_digest,
    folder_digest,
    read_record,
)
from harness.training.watching import DevWatch

TRAINER_VERSION = "answers-only-3"  # raised when a change makes the same recipe train something else

_LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "trl", "bitsandbytes", "unsloth")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunerSettings:
    """What is tuned, how, and where to.

    Attributes:
        base: folder of the base model.
        model: the base model's name, as the user writes it.
        base_digest: sha256 of the base model's weights.
        artefacts: the run's folder of tuned models; `Artefact.path` is relative to its parent.
        name: the artefact's folder in it; one for each arm and seed.
        opening: how the base is opened for answering, precision, device and threads included; training
            takes device and threads from it too.
        watch: dev items to answer after each epoch; decides nothing.
        labels: what it learns to tell apart; in a record of the artefact codes stand by their names.
        force: train even if the estimate says that memory is too small.
        keep_in: where what was trained is looked for first and kept afterwards; None: in the run alone.
    """

    base: Path
    model: str
    base_digest: str
    artefacts: Path
    name: str
    recipe: Recipe
    opening: ModelSettings
    watch: DevWatch | None = None
    labels: tuple[Label, ...] = ()
    force: bool = False
    keep_in: Path | None = None


class LocalTuner:
    """Trains and opens adapters on this machine; the `Tuner` of the tuned arms."""

    def __init__(self, settings: TunerSettings) -> None:
        self.settings = settings

    @property
    def identity(self) -> ModelIdentity:
        """The base model."""
        return ModelIdentity(
            id=self.settings.model,
            revision=self.settings.base_digest,
            precision={"lora-fp32": "fp32", "lora-bf16": "bf16", "qlora-4bit": "nf4"}[
                self.settings.recipe.method
            ],
            location="local",
        )

    @property
    def config(self) -> Mapping[str, object]:
        """Everything that decides the training run, seed included, as plain JSON values."""
        recipe, opening = dataclasses.asdict(self.settings.recipe), self.settings.opening
        if recipe["answer"] == "words":
            del recipe["answer"]  # keys of answers in words are as they were before there were codes
        return {
            "trainer": TRAINER_VERSION,
            "base": self.settings.model,
            "base_digest": self.settings.base_digest,
            "recipe": {**recipe, "target_modules": list(recipe["target_modules"])},
            "precision": choose_precision(opening.device, opening.precision),
            "device": opening.device,
            "max_context": opening.max_context,
            **dict(folder_facts(self.settings.base, opening.cache)),
            **dict(versions_of(*_LIBRARIES)),
        }

    def tune(self, train: Sequence[Conversation], dev: Sequence[Conversation], say: Say) -> Artefact:
        """Train, or go on with a stopped training, or return what was trained before.

        Dev rows are only watched, unless the recipe has `patience`: then they say when to stop.

        Raises:
            MissingExtra, ModelUnavailable, TrainingError, StoreError: see `trl_trainer.train`; TrainingError
                too if memory is too small.
        """
        if not train:
            raise TrainingError("There are no training rows.", got="0 rows")
        data = conversations_digest(train)
        self._copy(self._kept(data), self.settings.artefacts)
        finished = self._finished(data)
        if finished is not None:
            say(f"{self.settings.name} is trained already")
            return finished
        self._require_room((*train, *dev))
        from harness.training.trl_trainer import TrainingJob
        from harness.training.trl_trainer import train as run

        job = TrainingJob(
            base=self.settings.base,
            work=self._prepared(data),
            out=self._folder,
            recipe=self.settings.recipe,
            train=train,
            dev=dev,
            threads=self.settings.opening.threads,
            device=self.settings.opening.device,
            watch=self.settings.watch,
            labels=tuple(answer_text(label.name) for label in self.settings.labels),
        )
        trained = run(job, say)
        release()
        artefact = Artefact(
            path=f"{self.settings.artefacts.name}/{self.settings.name}",
            kind="adapter",
            base_model=self.settings.model,
            base_digest=self.settings.base_digest,
            data_digest=data,
            digest=folder_digest(self._folder),
            recipe=self.settings.recipe,
            train_rows=len(train),
            train_tokens=trained.tokens,
            train_s=trained.seconds,
            steps=trained.steps,
            curve=trained.curve,
            epochs=trained.epochs,
            kept_step=trained.kept_step,
            codes=dict(zip((label.name for label in self.settings.labels), trained.codes, strict=False)),
        )
        write_atomically(self._record, encode(artefact, indent=1) + "\n")
        shutil.rmtree(self._work, ignore_errors=True)
        self._copy(self.settings.artefacts, self._kept(data))
        return artefact

    def open(self, artefact: Artefact | HostedModel) -> ChatModel:
        """Open the artefact for answering, its adapter merged into the base.

        Raises:
            StoreError: if the folder is missing or is not what was trained.
            ModelUnavailable, MissingExtra: if the model cannot be loaded.
        """
        assert isinstance(artefact, Artefact)
        folder = inside(self.settings.artefacts.parent, artefact.path)
        found = folder_digest(folder)
        if found != artefact.digest:
            raise StoreError(
                "The tuned model was changed after it was trained.",
                got=found[:12],
                allowed=artefact.digest[:12],
                run=f"{command('run', folder.parents[1] / 'plan.yaml')}   # trains it again in a new run",
            )
        from harness.models.local.transformers_chat import TransformersChat

        opening = dataclasses.replace(self.settings.opening, adapter=folder)
        return TransformersChat(self.settings.model, self.settings.base, opening)

    def memory(self, rows: Sequence[Conversation]) -> Needed:
        """What a training on these rows, the watched ones among them, takes."""
        settings = self.settings
        shape, device = read_shape(settings.base), settings.opening.device
        return memory_needed(shape, settings.recipe, len(rows), mean_tokens(rows), device)

    def _require_room(self, rows: Sequence[Conversation]) -> None:
        """Refuse a training that cannot fit into the memory that is free, before anything is loaded."""
        settings, device = self.settings, self.settings.opening.device
        free = free_gib(device)
        if settings.force or free is None:
            return
        shape, tokens = read_shape(settings.base), mean_tokens(rows)
        ways = ways_out(shape, settings.recipe, len(rows), tokens, (device, free))
        require_room(self.memory(rows), free, ways)

    @property
    def _folder(self) -> Path:
        return self.settings.artefacts / self.settings.name

    @property
    def _record(self) -> Path:
        return self.settings.artefacts / f"{self.settings.name}.json"

    @property
    def _work(self) -> Path:
        return self.settings.artefacts / f".{self.settings.name}.work"

    def _finished(self, data: str) -> Artefact | None:
        """The stored artefact, if it is of this recipe, base and data and its folder is whole."""
        stored = read_record(self._record)
        if stored is None or not self._folder.is_dir():
            return None
        asked = (self.settings.recipe, self.settings.base_digest, data)
        if (stored.recipe, stored.base_digest, stored.data_digest) != asked:
            return None
        return stored if folder_digest(self._folder) == stored.digest else None

    def _training(self, data: str) -> str:
        """The digest of this very training."""
        parts = (TRAINER_VERSION, self.settings.base_digest, data, encode(self.settings.recipe))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _kept(self, data: str) -> Path | None:
        keep_in = self.settings.keep_in
        return None if keep_in is None else keep_in / self._training(data)[:32]

    def _copy(self, source: Path | None, target: Path | None) -> None:
        """Copy the finished artefact; its record, which says that it is whole, comes last."""
        name = self.settings.name
        if source is None or target is None or not (source / f"{name}.json").is_file():
            return
        make_folder(target)
        shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        shutil.copyfile(source / f"{name}.json", target / f"{name}.json")

    def _prepared(self, data: str) -> Path:
        """The work folder, emptied unless its checkpoints are of this very training."""
        training = self._training(data)
        mark = self._work / "training.txt"
        with on_disk(
            "The folder for checkpoints cannot be made",
            got=str(self._work),
            allowed="a writable folder with free space",
        ):
            if not mark.is_file() or mark.read_text(encoding="ascii") != training:
                shutil.rmtree(self._work, ignore_errors=True)
                self._work.mkdir(parents=True)
                mark.write_text(training, encoding="ascii")
        return self._work
