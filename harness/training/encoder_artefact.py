"""A tuned encoder on disk, as it is scored and shipped: written whole or not at all, checked when opened.

<folder>/encoder.json          its `EncoderArtefact` record
<folder>/model.safetensors     the encoder, with config.json and the tokenizer's files beside it
<folder>/head.safetensors      the head
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from harness.core.errors import StoreError, UsageError
from harness.core.files import sha256_of
from harness.core.records import EncoderArtefact
from harness.core.serial import decode, encode
from harness.models.deciding import versions_of
from harness.models.local.encoder import EncoderClassifier, load_encoder, save_encoder

RECORD_FILE = "encoder.json"
PACKAGES = ("torch", "transformers", "tokenizers", "peft")
_BESIDE = ("README.md", "harness.json", "parity.json")


def keep_encoder(classifier: EncoderClassifier, draft: EncoderArtefact, folder: Path) -> EncoderArtefact:
    """Write an encoder into its folder, with its record; an earlier one is replaced.

    Args:
        draft: the record, its digest still to be filled in.

    Raises:
        StoreError: if it cannot be written.
    """
    try:
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        scratch.chmod(0o755)
        save_encoder(classifier, scratch)
        artefact = replace(draft, digest=files_digest(scratch))
        (scratch / RECORD_FILE).write_text(encode(artefact, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}.", allowed="a writable folder with free space"
        ) from error
    return artefact


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
    """What pins a kept encoder: sha256 of its record, which has the digest of its files; '' without one."""
    try:
        return sha256_of(folder / RECORD_FILE)
    except OSError:
        return ""


def read_encoder(folder: Path) -> EncoderArtefact:
    """The record of a kept encoder.

    Raises:
        StoreError: if it is not there, or its files are others than were written.
    """
    try:
        artefact = decode(EncoderArtefact, (folder / RECORD_FILE).read_bytes())
    except OSError as error:
        raise StoreError(f"There is no tuned encoder in {folder}.", got=error.strerror) from error
    if files_digest(folder) != artefact.digest:
        raise StoreError("The tuned encoder was changed after it was trained.", got=str(folder))
    return artefact


def open_kept(folder: Path, *, device: str = "cpu", threads: int | None = None) -> EncoderClassifier:
    """Open a kept encoder; its files are checked first.

    Raises:
        StoreError: if it is not what was kept.
        UsageError: if a library here is of another version than it was made with.
        MissingExtra, ModelUnavailable: if it cannot be opened.
    """
    artefact = read_encoder(folder)
    here = dict(versions_of(*PACKAGES))
    other = {n: v for n, v in artefact.packages.items() if n in _ANSWERING and here.get(n) != v}
    if other:
        raise UsageError(
            "The encoder was made with other libraries, with which it need not answer the same.",
            got=", ".join(f"{name} {here.get(name, 'missing')}" for name in other),
            allowed=", ".join(f"{name} {made}" for name, made in other.items()),
            run=f"pip install {' '.join(f'{name}=={made}' for name, made in other.items())}",
        )
    told = (artefact.pooling, artefact.recipe.max_tokens, artefact.temperature)
    return load_encoder(folder, artefact.labels, told, device, threads)


_ANSWERING = ("transformers", "tokenizers")
"""The libraries whose versions decide what tokens a text has and how they are read."""
