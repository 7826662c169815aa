"""Open models one may tune, GPUs and licences: facts with their sources, read from the packaged table.

What no opened source states is None or empty here and "unknown" where it is shown. Only `load_catalogue`
reads, and only `base_models.toml`.

Known limits: the table says nothing of quality; licence terms are a summary in one line, not legal advice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from advisor.base_models.vram import ModelShape, count_parameters
from advisor.errors import CaseError
from advisor.reading import parse_toml, read_record

USABLE = (
    0.93  # of a GPU's memory: driver, error correction and display take the rest; this project's assumption
)
FACTS = ("parameters", "shape", "licence", "context", "languages", "vision", "context_extended")
Row = TypeVar("Row")


class UnknownChoice(CaseError):
    """A GPU, policy, task or method that the catalogue does not hold."""


class Policy(StrEnum):
    """What an organisation accepts, from strict to loose; each admits those before it."""

    PERMISSIVE = "permissive"
    COMMERCIAL = "commercial-ok-with-terms"
    RESEARCH = "research-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLicence:
    """Terms in one line each; '' where no opened source states them."""

    key: str
    title: str
    policy: Policy
    commercial: str = ""
    derivatives: str = ""
    redistribution: str = ""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU: memory in GB as its maker counts (GiB), CUDA compute capability, bfloat16 in hardware."""

    name: str
    memory_gb: float
    compute: float
    bf16: bool
    sources: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @property
    def usable_gb(self) -> float:
        """Memory a program can have."""
        return self.memory_gb * USABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSizes:
    """Sizes (billions of weights) to offer for a task, where to start, and a typical length in tokens."""

    name: str
    low_b: float
    high_b: float
    start_b: float
    tokens: int
    why: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """An open model.

    Attributes:
        parameters_b: billions of weights in the checkpoint, a vision part included.
        images: whether it has a vision part; `vision_b` is how much of the weights that is, None when no
            source says.
        active_b: of these, at work for one token; None for a dense model.
        size_class_b: nominal size, where it differs or published memory minima are looked up under it.
        context: tokens, prompt and answer, that the published configuration takes as it is.
        context_extended: tokens with a changed configuration (YaRN), which never counts for the model.
        languages: ISO 639 codes its source names; empty when it names none.
        language_count: how many it claims; None when it does not say.
        shape: None when it was not opened or the formula cannot describe it.
        fp16_unstable: overflows in float16, so it needs a GPU with bfloat16.
        not_granted_in: regions whose people and companies the licence leaves out.
        sources: source of each of `FACTS`.
    """

    id: str
    family: str
    parameters_b: float
    active_b: float | None = None
    size_class_b: float | None = None
    licence: ModelLicence
    context: int | None = None
    context_extended: int | None = None
    images: bool = False
    vision_b: float | None = None
    languages: tuple[str, ...] = ()
    language_count: int | None = None
    shape: ModelShape | None = None
    fp16_unstable: bool = False
    not_granted_in: tuple[str, ...] = ()
    note: str = ""
    sources: Mapping[str, str]

    @property
    def parameters(self) -> float:
        """Weights: the larger of the stated size and the counted ones (stated sizes are rounded)."""
        counted = 0 if self.whole is None else count_parameters(self.whole)
        return max(self.parameters_b * 1e9, counted)

    @property
    def whole(self) -> ModelShape | None:
        """The shape with its vision part, as far as that is known."""
        if self.shape is None or self.vision_b is None:
            return self.shape
        return replace(self.shape, vision=round(self.vision_b * 1e9))

    @property
    def nominal_b(self) -> float:
        """Size class, billions: what a task's band of sizes is compared with."""
        return self.parameters_b if self.size_class_b is None else self.size_class_b

    @property
    def unknown(self) -> tuple[str, ...]:
        """Facts that no opened source states; a model without images has no vision part to know of."""
        asked = (fact for fact in FACTS if fact not in ("vision", "context_extended"))
        open_facts = (*asked, *(("vision",) if self.images else ()))
        return tuple(fact for fact in open_facts if fact not in self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """Published least memory to tune a model of `size_b` billion weights, GB."""

    size_b: float
    qlora_gb: float
    lora_gb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All of `base_models.toml`; `sources` maps each source key to what was opened on `checked`."""

    checked: date
    sources: Mapping[str, str]
    licences: Annotated[tuple[ModelLicence, ...], Field(alias="licence")]
    gpus: Annotated[tuple[Gpu, ...], Field(alias="gpu")]
    tasks: Annotated[tuple[TaskSizes, ...], Field(alias="task")]
    minima: tuple[Minimum, ...]
    minima_source: str
    models: Annotated[tuple[BaseModel, ...], Field(alias="model")]


def find_gpu(gpus: Sequence[Gpu], name: str) -> Gpu:
    """The GPU called `name`, with or without its maker's prefixes ('RTX 4090', 'nvidia t4').

    Raises:
        UnknownChoice: if there is none; the message lists what there is.
    """
    plain = name.lower()
    for prefix in ("nvidia", "geforce", "tesla", "rtx", " "):
        plain = plain.replace(prefix, "")
    names = {alias.lower(): gpu.name for gpu in gpus for alias in (gpu.name, *gpu.aliases)}
    return find(gpus, names.get(plain, name), lambda gpu: gpu.name, "GPU")


def find_task(tasks: Sequence[TaskSizes], name: str) -> TaskSizes:
    """The task called `name`.

    Raises:
        UnknownChoice: if there is none; the message lists what there is.
    """
    return find(tasks, name, lambda task: task.name, "task")


def find(rows: Sequence[Row], name: str, key: Callable[[Row], str], kind: str) -> Row:
    """The row called `name`, whatever its case.

    Raises:
        UnknownChoice: if there is none; the message lists what there is.
    """
    hit = next((row for row in rows if key(row).lower() == name.lower()), None)
    if hit is None:
        raise UnknownChoice(f"No such {kind}.", got=name, allowed=", ".join(key(row) for row in rows))
    return hit


def read_policy(text: str) -> Policy:
    """A policy by its name or its first word ('commercial', 'research'); 'any' is the loosest.

    Raises:
        UnknownChoice: if it is none of them.
    """
    policies = {p.value.split("-")[0]: p for p in Policy} | {p.value: p for p in Policy}
    policies["any"] = Policy.RESEARCH
    return policies[find(tuple(policies), text, str, "licence policy")]


def parse_catalogue(text: str) -> Catalogue:
    """Read a catalogue from TOML.

    Raises:
        ValueError: on an unknown or missing key, a doubled id, or a source that is not listed.
    """
    content = parse_toml(text)
    licences = {licence.get("key"): licence for licence in content.get("licence", [])}
    minima = content.pop("published_minimum", {})
    models = [
        {**row, "licence": licences.get(row.get("licence"), row.get("licence"))}
        for row in content.get("model", [])
    ]
    catalogue = read_record(
        Catalogue,
        {**content, "model": models, "minima": minima.get("sizes"), "minima_source": minima.get("source")},
    )
    _check_sources(catalogue)
    return catalogue


def load_catalogue() -> Catalogue:
    """The packaged catalogue."""
    return parse_catalogue(Path(__file__).with_name("base_models.toml").read_text(encoding="utf-8"))


def _check_sources(catalogue: Catalogue) -> None:
    ids = [model.id for model in catalogue.models]
    if len(set(ids)) < len(ids):
        raise ValueError(f"doubled models: {sorted({i for i in ids if ids.count(i) > 1})}")
    used = {licence.source for licence in catalogue.licences} | {catalogue.minima_source}
    used |= {key for gpu in catalogue.gpus for key in gpu.sources}
    used |= {key for task in catalogue.tasks for key in task.sources}
    for model in catalogue.models:
        used |= set(model.sources.values())
        _check_facts(model)
    if unlisted := sorted(used - set(catalogue.sources)):
        raise ValueError(f"sources that are not listed: {unlisted}")


def _check_facts(model: BaseModel) -> None:
    """A fact that is stated has a source, and a source has its fact."""
    stated = {
        "parameters": True,
        "licence": True,
        "shape": model.shape is not None,
        "context": model.context is not None,
        "languages": bool(model.languages or model.language_count),
        "vision": model.vision_b is not None,
        "context_extended": model.context_extended is not None,
    }
    odd = [fact for fact in FACTS if (fact in model.sources) != stated[fact]]
    odd += sorted(set(model.sources) - set(FACTS))
    if model.vision_b is not None and not model.images:
        raise ValueError(f"{model.id}: a vision part is stated of a model without images")
    if model.context_extended is not None and model.context_extended <= (model.context or 0):
        raise ValueError(f"{model.id}: the extended context is no longer than the ordinary one")
    if odd:
        raise ValueError(f"{model.id}: facts without a source or sources without a fact: {odd}")
