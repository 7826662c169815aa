"""A tuned encoder on disk, as it is scored and shipped: written whole or not at all, checked when opened.

<folder>/encoder.json          its `EncoderArtefact` or `TaggerArtefact` record
<folder>/model.safetensors     the encoder, with config.json and the tokenizer's files beside it
<folder>/head.safetensors      the head
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from harness.core.artefacts import EncoderArtefact, TaggerArtefact, TunedEncoder
from harness.core.errors import StoreError
from harness.core.files import sha256_of, sha256_or_missing, written_whole
from harness.core.serial import decode, encode
from harness.models.deciding import same_versions
from harness.models.local.encoder import (
    EncoderClassifier,
    HeadedEncoder,
    load_encoder,
    load_tagger,
    save_encoder,
)
from harness.tasks.fields import parse_schema
from harness.tasks.tags import FieldReader, FieldTags, TagThresholds

RECORD_FILE = "encoder.json"
PACKAGES = ("torch", "transformers", "tokenizers", "peft")
_BESIDE = ("README.md", "harness.json", "parity.json")
KeptEncoder = EncoderArtefact | TaggerArtefact


def keep_encoder(encoder: HeadedEncoder, draft: TunedEncoder, folder: Path) -> str:
    """Write an encoder into its folder, with its record; an earlier one is replaced. What pins it is given.

    Args:
        draft: the record, its digest still to be filled in.

    Raises:
        StoreError: if it cannot be written.
    """
    with written_whole(folder) as scratch:
        save_encoder(encoder, scratch)
        artefact = replace(draft, digest=files_digest(scratch))
        (scratch / RECORD_FILE).write_text(encode(artefact, indent=1) + "\n", encoding="utf-8")
    return pin_of_encoder(folder)


def files_of_encoder(folder: Path) -> list[str]:
    """The files of an encoder's folder, by name: its record and what an export adds left out."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (RECORD_FILE, *_BESIDE)
    )


def files_digest(folder: Path) -> str:
    """Sha256 (hex) over these files."""
    parts = [[name, sha256_of(folder / name)] for name in files_of_encoder(folder)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def pin_of_encoder(folder: Path) -> str:
    """What pins a kept encoder: sha256 of its record, which has the digest of its files."""
    return sha256_or_missing(folder / RECORD_FILE)


def read_encoder(folder: Path) -> KeptEncoder:
    """The record of a kept encoder.

    Raises:
        StoreError: if it is not there, or its files are others than were written.
    """
    try:
        artefact: KeptEncoder = decode(KeptEncoder, (folder / RECORD_FILE).read_bytes())  # type: ignore[arg-type]
    except OSError as error:
        raise StoreError(f"There is no tuned encoder in {folder}.", got=error.strerror) from error
    if files_digest(folder) != artefact.digest:
        raise StoreError("The tuned encoder was changed after it was trained.", got=str(folder))
    return artefact


def open_kept(folder: Path, *, device: str = "cpu", threads: int | None = None) -> EncoderClassifier:
    """Open a kept classifier; its files are checked first.

    Raises:
        StoreError: if it is not what was kept.
        UsageError: if a library here is of another version than it was made with.
        MissingExtra, ModelUnavailable: if it cannot be opened.
    """
    artefact = _checked(folder)
    if not isinstance(artefact, EncoderArtefact):
        raise StoreError("This encoder reads fields and gives no labels.", got=str(folder))
    told = (artefact.pooling, artefact.recipe.max_tokens, artefact.temperature)
    return load_encoder(folder, artefact.labels, told, device, threads)


def open_reader(folder: Path, *, device: str = "cpu", threads: int | None = None) -> FieldReader:
    """Open a kept encoder that reads fields; its files are checked first.

    Raises:
        StoreError, UsageError, MissingExtra, ModelUnavailable: as `open_kept`.
    """
    artefact = _checked(folder)
    if not isinstance(artefact, TaggerArtefact):
        raise StoreError("This encoder gives labels and reads no fields.", got=str(folder))
    tags = FieldTags.of(parse_schema(artefact.fields, "The schema of the encoder"))
    return FieldReader(
        tagger=load_tagger(folder, tags.sizes, artefact.recipe.max_tokens, device, threads),
        tags=tags,
        least=TagThresholds(tag=artefact.tag_from, pick=artefact.pick_from),
    )


def _checked(folder: Path) -> KeptEncoder:
    artefact = read_encoder(folder)
    same_versions("The encoder", artefact.packages, _ANSWERING)
    return artefact


_ANSWERING = ("transformers", "tokenizers")
"""The libraries whose versions decide what tokens a text has and how they are read."""
