"""Records of tuned models as they ship: what they were tuned to do, what an export holds, registry versions.

They pass from training to serving, the command line and the pages. `None` means not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from harness.records import ArmId, Artefact, Estimate, Label, Option

Format = Literal["adapter", "merged", "gguf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a model was tuned to do, and how it has to be asked.

    Attributes:
        option: `tune`, or `tune+retrieve` whose prompts carry retrieved rows.
        prompt_version, item_chars, example_chars: the rendering it was trained with.
        labels: in the order in which scores are given.
        train_counts: training rows of each label, what its answers should look like in the long run.
    """

    option: Option
    prompt_version: str
    item_chars: int
    example_chars: int
    labels: tuple[Label, ...]
    train_counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedLane:
    """One arm and seed that `harness tune` trained.

    Attributes:
        dev: accuracy on all dev rows, answered one by one as in a bake-off.
        needed_mib: memory that was estimated before the training, peak_mib what the process took.
    """

    arm: ArmId
    seed: int
    artefact: Artefact
    dev: Estimate
    seconds: float
    needed_mib: float | None
    peak_mib: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a tuned model comes from.

    Attributes:
        dev, test: its accuracy in the run; None where it was not measured there.
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
        engine: what answered for the export: `transformers` or `llamacpp`.
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
    artefact: Artefact
    origin: Origin
    task: Task
    served_as: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterVersion:
    """One version of an adapter in a registry; never changed once it is written."""

    schema: Literal[1] = 1
    name: str
    version: int
    created_at: datetime
    artefact: Artefact
    origin: Origin
    task: Task
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
