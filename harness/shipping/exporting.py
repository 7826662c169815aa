"""`harness export`: what ships as a folder that others serve, and whether it still answers the same."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from harness.core.artefacts import EncoderArtefact, LinearArtefact, TaggerArtefact, VoteArtefact
from harness.core.context import Context
from harness.core.errors import StoreError, UsageError, on_disk
from harness.core.files import sha256_of
from harness.core.names import check_name
from harness.core.records import Artefact
from harness.core.serial import decode, encode
from harness.models.local.rendering import Renderer
from harness.shipping.export.gguf import K_QUANTS, KINDS, Titles, quantise, quantiser, write_gguf
from harness.shipping.export.launch_files import (
    Launch,
    adapter_files,
    gguf_files,
    merged_files,
    take_apart,
)
from harness.shipping.export.merge import copy_tokenizer, load_tokenizer, merge_into
from harness.shipping.export.onnx_file import write_onnx
from harness.shipping.registry.card import card_of
from harness.shipping.shipped import Shipped, ShippedClassifier, Tuned
from harness.training.encoder.artefact import open_kept
from harness.training.tuned_model import Export, Format

RECORD = "harness.json"
CHECKS = "parity.json"
_PRECISIONS: dict[Format, tuple[str, ...]] = {
    "adapter": ("",),
    "merged": ("bf16", "fp32"),
    "safetensors": ("",),
    "onnx": ("",),
    "rows": ("",),
    "gguf": ("q8_0", "f16", "f32", *[kind for kind in KINDS if kind not in ("f32", "f16", "q8_0")]),
}
_FORMATS: dict[type, tuple[Format, ...]] = {  # the first is what is written unless told otherwise
    Artefact: ("merged", "adapter", "gguf"),
    LinearArtefact: ("safetensors",),
    EncoderArtefact: ("safetensors", "onnx"),
    TaggerArtefact: ("safetensors",),
    VoteArtefact: ("rows",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is to be written.

    Attributes:
        format: None for what fits: merged weights of a tuned model, safetensors of a linear classifier or an
            encoder.
        precision: of merged weights or of the GGUF file; '' for the format's own choice.
        out: the folder; it must not exist or be empty unless `force`.
        name: under which it is served; '' for one made from arm and model.
    """

    format: Format | None
    out: Path
    precision: str = ""
    name: str = ""
    force: bool = False


def export_shipped(found: Shipped, wish: ExportRequest, context: Context) -> Export:
    """Write the export, whole or not at all.

    Raises:
        UsageError: if the folder is not empty, or the format or precision does not fit.
        MissingExtra: if a program or package for the format is missing.
        ModelUnavailable: if the model cannot be written in this format.
    """
    form, precision = _form(found, wish)
    if wish.name:
        check_name(wish.name, "a served model")
    name = wish.name or found.served_as
    if wish.out.exists() and any(wish.out.iterdir()) and not wish.force:
        raise UsageError(f"{wish.out} is not empty.", run="another -o DIR, or --force to replace it")
    with _scratch(wish.out) as folder:
        context.progress.stage(f"writing {form} {precision}".rstrip(), None)
        if isinstance(found, ShippedClassifier):
            _write_classifier(found, folder, form)
            texts: dict[str, str] = {}
        else:
            texts = _write_tuned(found, folder, form, precision, name)
            if found.task.hand_over is not None:  # their programs know no threshold
                texts = {}
        if form == "adapter" and isinstance(found, Tuned):
            precision = found.artefact.recipe.method.partition("-")[2]
        texts["README.md"] = card_of(name, found.artefact, found.origin, found.task)
        _write_texts(folder, texts)
        export = Export(
            format=form,
            precision=precision,
            artefact=found.artefact,
            origin=found.origin,
            task=found.task,
            served_as=name,
            files={
                path.relative_to(folder).as_posix(): sha256_of(path)
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            },
        )
        (folder / RECORD).write_text(encode(export, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(wish.out, ignore_errors=True)
        wish.out.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(wish.out)
        return export


def _write_classifier(found: ShippedClassifier, folder: Path, form: Format) -> None:
    """The files as they were kept, or an encoder as ONNX."""
    if form == "onnx":
        write_onnx(open_kept(found.folder), found.folder, folder)
    else:
        shutil.copytree(found.folder, folder, dirs_exist_ok=True)


def _write_tuned(tuned: Tuned, folder: Path, form: Format, precision: str, name: str) -> dict[str, str]:
    """Write a tuned model's weights; returns the texts that go beside them."""
    tokenizer = load_tokenizer(tuned.base)
    said = Renderer(tokenizer)
    launch = Launch(
        name=name,
        artefact=tuned.artefact,
        task=tuned.task,
        turns=take_apart(tokenizer),
        code_tokens=tuple(said.completion_ids(code)[0] for code in tuned.task.codes.values()),
    )
    match form:
        case "adapter":
            shutil.copytree(tuned.adapter, folder, dirs_exist_ok=True)
            copy_tokenizer(tuned.base, folder)
            return adapter_files(launch)
        case "merged":
            merge_into(tuned.base, tuned.adapter, folder, precision)  # type: ignore[arg-type]
            return merged_files(launch)
        case "gguf":
            file = f"{name}-{precision}.gguf"
            _gguf(tuned, folder / file, precision, name)
            return gguf_files(dataclasses.replace(launch, gguf=file))
        case "safetensors" | "onnx" | "rows":
            raise UsageError(f"A tuned model is not written as {form}.")
        case _:
            assert_never(form)


def read_export(folder: Path) -> Export:
    """The record of an exported folder, once its files are what was written.

    Raises:
        UsageError: if it is no exported folder.
        StoreError: if a file was changed.
    """
    try:
        found = decode(Export, (folder / RECORD).read_bytes())
    except FileNotFoundError as error:
        raise UsageError(
            "This is no folder that `harness export` wrote.", got=str(folder), allowed=f"one with {RECORD}"
        ) from error
    for name, expected in found.files.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != expected:
            raise StoreError("A file of the export is missing or was changed.", got=str(folder / name))
    return found


def export_digest(export: Export) -> str:
    """Sha256 (hex) over an export's files."""
    return hashlib.sha256(encode(export.files).encode()).hexdigest()


def _form(found: Shipped, wish: ExportRequest) -> tuple[Format, str]:
    """Format and precision to write."""
    if wish.format == "gguf" and found.task.hand_over is not None:
        raise UsageError(
            "A model that hands over below a threshold is not written as GGUF, whose programs know none.",
            got=f"{found.served_as}, gguf",
            allowed="adapter, merged; or its arm without the threshold, by --arm",
        )
    allowed = _FORMATS[type(found.artefact)]
    form = wish.format or allowed[0]
    if form not in allowed:
        raise UsageError(
            f"{found.origin.arm} is not written in this format.", got=form, allowed=", ".join(sorted(allowed))
        )
    return form, _precision(wish, form)


def _precision(wish: ExportRequest, form: Format) -> str:
    allowed = _PRECISIONS[form]
    if wish.precision and wish.precision not in allowed:
        raise UsageError(
            f"{form} is not written in this precision.",
            got=wish.precision,
            allowed=", ".join(allowed) if allowed != ("",) else "none; it keeps its own",
        )
    if form == "gguf" and wish.precision in K_QUANTS:
        quantiser(wish.precision)
    return wish.precision or allowed[0]


def _gguf(tuned: Tuned, out: Path, precision: str, name: str) -> None:
    titles = Titles(name=name, base=tuned.artefact.base_model, licence=tuned.origin.licence.lower())
    with tempfile.TemporaryDirectory(dir=out.parent.parent) as scratch:
        merged = Path(scratch) / "merged"
        merge_into(tuned.base, tuned.adapter, merged, "fp32")
        if precision in ("f32", "f16", "q8_0"):
            write_gguf(merged, out, precision, titles)  # type: ignore[arg-type]
            return
        whole = Path(scratch) / "whole.gguf"
        write_gguf(merged, whole, "f16", titles)
        quantise(whole, out, precision)


def _write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder beside `out`, gone afterwards unless it was renamed."""
    place = out.absolute().parent
    with on_disk(f"{out} cannot be written", allowed="a writable folder"):
        place.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=place, prefix=f".{out.name}."))
        folder.chmod(0o755)
    try:
        yield folder
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written: {error.strerror}.", allowed="a writable folder with free space"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
