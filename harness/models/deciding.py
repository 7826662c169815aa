"""What decides a model's answers beside its name: the content of its files, and the libraries that compute.

Digests are computed from the files, never taken from a note beside them. A large file is read once: its
digest is kept in the cache folder under the file's place, size, inode and times of change, the time that no
program can set among them, and only once the file has lain still for a moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache as remember
from importlib import metadata
from pathlib import Path

from harness.core.errors import StoreError, UsageError
from harness.core.files import make_folder, sha256_of, write_atomically

_LARGE = 1 << 20  # bytes; smaller files are read each time
_STILL_S = 2.0
_KEPT = "file-digests.json"
_GROUPS = {
    "weights": ("*.safetensors", "*.safetensors.index.json"),
    "config": ("config.json", "generation_config.json", "adapter_config.json", "modules.json",
               "sentence_bert_config.json", "config_sentence_transformers.json"),
    "tokenizer": ("tokenizer*.json", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json",
                  "*.model"),
    "template": ("*.jinja", "chat_template.json"),
}  # fmt: skip
_known: dict[tuple[object, ...], str] = {}


def file_digest(path: Path, cache: Path | None = None) -> str:
    """The sha256 of a file, in hex.

    Args:
        cache: folder in which digests of large files are kept; None reads the file.

    Raises:
        OSError: if it cannot be read.
    """
    found = path.stat()
    key = (
        str(path.resolve()),
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
    large = found.st_size >= _LARGE
    if large and key in _known:
        return _known[key]
    kept = _read(cache) if large and cache is not None else {}
    name = json.dumps(key)
    digest = kept.get(name)
    if digest is None:
        digest = sha256_of(path)
        still = time.time() - max(found.st_mtime, found.st_ctime) > _STILL_S
        if large and still and cache is not None and path.stat() == found:
            _write(cache, {**kept, name: digest})
    if large:
        _known[key] = digest
    return digest


def folder_facts(folder: Path, cache: Path | None = None, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Digests of what is read from a model's folder: weights, config, tokenizer and template, by name.

    Args:
        prefix: put before each name, as for an adapter beside its base.
    """
    found = []
    for group, patterns in _GROUPS.items():
        paths = sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})
        if paths:
            parts = [[path.relative_to(folder).as_posix(), file_digest(path, cache)] for path in paths]
            digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
            found.append((f"{prefix}{group}", digest))
    return tuple(found)


def weights_of(folder: Path, cache: Path | None = None) -> list[str]:
    """The sha256 of every file of weights in a folder, in the order of their names."""
    return [file_digest(path, cache) for path in sorted(folder.glob("*.safetensors"))]


@remember
def versions_of(*names: str) -> tuple[tuple[str, str], ...]:
    """The versions of installed packages, by name; of those that are not there, none."""
    return tuple(_versions(names))


def same_versions(what: str, made: Mapping[str, str], names: Sequence[str]) -> None:
    """What was made with these libraries is opened with the same versions of them.

    Args:
        what: was made, as a sentence begins with it.
        made: package -> version it was made with.
        names: the packages that decide its answers.

    Raises:
        UsageError: naming the other ones, and how to install what it takes.
    """
    here = dict(versions_of(*names))
    other = {name: made[name] for name in names if name in made and here.get(name) != made[name]}
    if other:
        raise UsageError(
            f"{what} was made with other libraries, with which it need not answer the same.",
            got=", ".join(f"{name} {here.get(name, 'missing')}" for name in other),
            allowed=", ".join(f"{name} {version}" for name, version in other.items()),
            run=f"pip install {' '.join(f'{name}=={version}' for name, version in other.items())}",
        )


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def _read(cache: Path) -> dict[str, str]:
    try:
        raw = json.loads((cache / _KEPT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(raw, dict):
        return {}
    return {name: digest for name, digest in raw.items() if isinstance(digest, str) and len(digest) == 64}


def _write(cache: Path, kept: dict[str, str]) -> None:
    """Keep the digests; where that cannot be done, files are read again next time."""
    with contextlib.suppress(StoreError):
        make_folder(cache)
        write_atomically(cache / _KEPT, json.dumps(kept, indent=0))
