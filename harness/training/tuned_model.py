"""Records of tuned models as they ship: what they were tuned to do, what an export holds, registry versions.

They pass from training to serving, the command line and the pages. `None` means not measured.

The record that lies beside a tuned model's folder, and the digests that tie the two together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from advisor.options import Option
from harness.core.artefacts import EncoderArtefact, LinearArtefact, TaggerArtefact, VoteArtefact
from harness.core.errors import StoreError, on_disk
from harness.core.records import ArmId, Artefact, Conversation, Estimate, HostedModel, Label, Recipe
from harness.core.serial import decode

Format = Literal["adapter", "merged", "gguf", "safetensors", "onnx", "rows"]
ClassifierArtefact = LinearArtefact | EncoderArtefact | TaggerArtefact | VoteArtefact
Artefacts = Artefact | ClassifierArtefact


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """When a model that ships as a route answers, and when it hands over to what is done today.

    Attributes:
        threshold: it answers at or above this confidence, the highest probability of a label.
        temperature: its log-probabilities are divided by this before the confidence is read.
        coverage, precision: on the run's test rows.
    """

    threshold: float
    temperature: float
    coverage: Estimate | None = None
    precision: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedTask:
    """What a model was tuned to do, and how it has to be asked.

    Attributes:
        option: `tune`, `tune+retrieve` whose prompts carry retrieved rows, or a classifier that reads the
            bare text.
        prompt_version, item_chars, example_chars: the rendering it was trained with.
        labels: in the order in which scores are given.
        fields: the JSON Schema of the fields that it reads out of a text; empty for one that gives labels.
        train_counts: training rows of each label, what its answers should look like in the long run.
        codes: label -> what the model says for it, one token; empty where it says the label's words.
        hand_over: of a route to today's way; None for a model that answers everything.
    """

    option: Option
    prompt_version: str
    item_chars: int
    example_chars: int
    labels: tuple[Label, ...]
    train_counts: dict[str, int]
    codes: dict[str, str] = field(default_factory=dict)
    hand_over: HandOver | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedLane:
    """One arm and seed that `harness tune` trained.

    Attributes:
        dev: accuracy on all dev rows, answered one by one as in a bake-off.
        needed_mib: memory that was estimated before the training, peak_mib what the process took.
        artefact: what was trained here; None for a model that a provider tuned, which is `hosted`.
    """

    arm: ArmId
    seed: int
    artefact: Artefact | None
    dev: Estimate
    seconds: float
    needed_mib: float | None
    peak_mib: float | None
    hosted: HostedModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Something that was brought into a finished run; stored there in `imports.json`.

    Attributes:
        kind: predictions that were made elsewhere, or an adapter that was scored here.
        file: its name, without folders; sha256: of the file, or over an adapter's files.
        dev, test: rows of each split that it answers.
    """

    arm: ArmId
    kind: Literal["predictions", "adapter"]
    file: str
    sha256: str
    dev: int
    test: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedJob:
    """A training to be run elsewhere: `job.json` of an exported job, and of the adapter it writes.

    Attributes:
        hub_base: what the job loads, since its machine has no folder of ours.
        base_model, base_digest: what the plan names, on which the adapter is scored afterwards.
    """

    schema: Literal[1] = 1
    arm: ArmId
    seed: int
    plan_digest: str
    evalset: str
    hub_base: str
    base_model: str
    base_digest: str
    data_digest: str
    recipe: Recipe
    train_rows: int
    task: TunedTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a training elsewhere says of itself: `training.json` beside its adapter.

    Attributes:
        curve: (step, loss) as logged.
        packages: name -> version.
        device: the GPU it ran on.
    """

    steps: int
    seconds: float
    tokens: int
    curve: tuple[tuple[int, float], ...]
    packages: dict[str, str]
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a tuned model comes from.

    Attributes:
        dev, test: its primary metric in the run; None where it was not measured there.
        licence: of the base model; '' when not known. Data may bring terms of its own: `data_licence`.
    """

    run_id: str
    plan_digest: str
    arm: ArmId
    seed: int
    evalset: str
    data_licence: str
    provenance: str
    licence: str
    dev: Estimate | None
    test: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """An exported model, as served, against the adapter as the trainer's own scoring opens it.

    Attributes:
        engine: what answered for the export: `transformers`, `llamacpp`, or `llamacpp, token by token`.
        reference, served: accuracy of each on the same dev items.
        difference: served minus reference, paired.
        agreement: share of items with the same label, whether right or wrong.
        failures: items the served model gave no label for.
        passed: by the rule in `rule`; None where nothing could be compared.
    """

    format: Format
    precision: str
    engine: str
    reference: Estimate
    served: Estimate
    difference: Estimate
    agreement: Estimate
    failures: int
    passed: bool | None
    rule: str
    checked_at: datetime
    export_digest: str

    @property
    def what(self) -> str:
        """What was served by what."""
        return f"{self.format} {self.precision}".rstrip() + f" served by {self.engine}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What lies in an exported folder; stored there as `harness.json`.

    Attributes:
        precision: 'fp32', 'bf16', 'f16', 'q8_0', ...
        files: sha256 of every file the export wrote, by its path in the folder.
        served_as: the name under which the launch files serve it.
    """

    schema: Literal[1] = 1
    format: Format
    precision: str
    artefact: Artefacts
    origin: Origin
    task: TunedTask
    served_as: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterVersion:
    """One version of an adapter in a registry; never changed once it is written."""

    schema: Literal[1] = 1
    name: str
    version: int
    created_at: datetime
    artefact: Artefacts
    origin: Origin
    task: TunedTask
    files: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a registry's history, which only ever grows.

    Attributes:
        number: its place in the history, from 1.
        what: a version was added, put on a stage, taken back from one, or checked after an export.
        version: the one that was added, promoted, checked, or stands on the stage after a rollback.
        previous: the version that stood on the stage before.
        added: the version itself, where one was added.
    """

    number: int
    what: Literal["added", "promoted", "rolled back", "checked"]
    name: str
    version: int
    at: datetime
    stage: str = ""
    previous: int | None = None
    added: AdapterVersion | None = None
    parity: Parity | None = None


_CHUNK = 1 << 20


def folder_digest(folder: Path) -> str:
    """Sha256 (hex) over the files of a folder, in the order of their relative paths.

    Each file enters with its path, its size and its bytes.

    Raises:
        StoreError: if the folder is missing or cannot be read.
    """
    if not folder.is_dir():
        raise StoreError("The tuned model's folder is missing.", got=str(folder), run="harness resume")
    total = hashlib.sha256()
    with on_disk("The tuned model cannot be read", got=str(folder)):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            total.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    total.update(chunk)
    return total.hexdigest()


def conversations_digest(conversations: Sequence[Conversation]) -> str:
    """Sha256 (hex) of training rows in order: ids, messages and answers."""
    rows = [[c.item_id, [[m.role, m.content] for m in c.prompt], c.completion] for c in conversations]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def read_record(path: Path) -> Artefact | None:
    """The stored record, None where there is none or it is of another version."""
    try:
        return decode(Artefact, path.read_bytes())
    except (FileNotFoundError, StoreError):
        return None
