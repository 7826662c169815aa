"""Where an evalset's bytes come from: files beside the card, `TOR_DATA_DIR`, an earlier fetch, the hub.

Impure: reads the disk and, where allowed, the hub. What the hub gave is kept in the cache as plain JSONL, so
that later loads need neither the hub nor its package. What a row set hashed to at first load is kept as one
JSON file in the cache, `{evalset@version: {split: sha256}}`, and compared at every later one: rows may
change only together with the card's version.
"""

from __future__ import annotations

import hashlib
import json
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from advisor.reading import Unreadable, parse_json, read_json
from harness.core.errors import DataError, StoreError
from harness.core.files import make_folder, write_atomically, written_whole
from harness.core.records import Item
from harness.data.card import EvalsetCard, Files, HubRows
from harness.data.problems import Problems
from harness.tasks.wording import in_json


def rows_digest(items: Sequence[Item]) -> str:
    """Sha256 (hex) of rows in order: ids, texts and targets. Clusters and slices do not count."""
    rows = [[item.id, item.text, in_json(item.target)] for item in items]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def bytes_digest(content: bytes) -> str:
    """Sha256 (hex) of a file's bytes."""
    return hashlib.sha256(content).hexdigest()


LOCK_FILE = "evalset-digests.json"


def check_lock(path: Path, key: str, digests: Mapping[str, str]) -> bool:
    """Compare digests with the stored ones; store them when there are none.

    Returns:
        True if they were compared, False if this was the first load.

    Raises:
        DataError: a split hashes to something else than at first load.
        StoreError: the lock cannot be read or written.
    """
    stored = _read(path)
    known = stored.get(key)
    if known is None:
        text = json.dumps(stored | {key: dict(digests)}, indent=1, sort_keys=True)
        make_folder(path.parent)
        write_atomically(path, text + "\n", run=None)
        return False
    changed = [split for split in sorted(digests) if known.get(split) != digests[split]]
    if changed:
        raise DataError(
            f"The rows of {key} have changed since they were first loaded: {', '.join(changed)}.",
            got=", ".join(f"{split} {digests[split][:16]}" for split in changed),
            allowed=", ".join(f"{split} {known.get(split, 'none')[:16]}" for split in changed),
            run=f"restore the rows, or remove the entry '{key}' from {path} to accept them",
        )
    return True


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        content = read_json(path, 1 << 26)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError("The digest lock cannot be read.", got=f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError("The digest lock is damaged.", got=path, run=f"remove {path}") from error
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise StoreError("The digest lock is damaged.", got=path, run=f"remove {path}")
    return content


DATA_DIR = "TOR_DATA_DIR"
CARD_FILE = "card.toml"
MAX_BYTES = 4 << 30
WHOLE = "whole"
"""The name of a file of all rows, which the card parts into splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A file as it lies on disk."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to look.

    Attributes:
        folder: the folder of the card.
        environ: `TOR_DATA_DIR` is read from it.
        cache: where hub rows are kept; None keeps nothing.
        offline: never ask the hub.
    """

    folder: Path
    environ: Mapping[str, str]
    cache: Path | None
    offline: bool


def read_bytes(path: Path, what: str, *, pipes: bool = True) -> bytes:
    """Read a file, or a pipe.

    Args:
        pipes: whether a pipe may be waited for.

    Raises:
        DataError: it is missing, a folder, a device, too large or not readable.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise DataError(f"{what} is a device, not a file.", got=path)
        if stat.S_ISFIFO(mode) and not pipes:
            raise DataError(f"{what} is a pipe, not a file.", got=path)
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise DataError(f"{what} is too large.", got=path, allowed=f"{MAX_BYTES >> 20:,} MiB")
        return content
    except FileNotFoundError as error:
        raise DataError(f"{what} does not exist.", got=path) from error
    except IsADirectoryError as error:
        raise DataError(f"{what} is a folder, not a file.", got=path) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError(f"{what} cannot be read.", got=f"{str(path)!a}: {error}") from error


def read_splits(card: EvalsetCard, place: Place) -> dict[str, RawFile]:
    """The files of an evalset by split ('train', 'dev' where there is one, 'test', 'second_labels').

    Raises:
        DataError: the rows are nowhere to be found, or a file is not the one the card knows.
        StoreError: the cache cannot be written.
    """
    if card.files is not None:
        return _from_folder(card, card.files, place.folder)
    data_dir = place.environ.get(DATA_DIR, "").strip()
    if card.folder is not None and data_dir and (Path(data_dir) / card.name).is_dir():
        return _from_folder(card, card.folder, Path(data_dir) / card.name)
    if card.hub is not None:
        kept = place.cache / "evalsets" / f"{card.name}-{card.version}" if place.cache else None
        if kept is not None and (kept / "complete").is_file():
            return {path.stem: _raw(path) for path in sorted(kept.glob("*.jsonl"))}
        if not place.offline:
            return _from_hub(card, card.hub, kept, data_dir)
    raise _nowhere(card, data_dir, "offline was asked for" if place.offline else "the card names no hub id")


def documents_of(card: EvalsetCard, place: Place, edition: str) -> str:
    """The folder of an edition's documents; '' of a card without any.

    Passages of one file are laid into a folder of the cache, a file each.

    Raises:
        DataError: they are nowhere to be found, are not those the card knows, or are no passages.
        StoreError: the cache cannot be written.
    """
    if not edition:
        return ""
    data_dir = place.environ.get(DATA_DIR, "").strip()
    homes = [place.folder, *([Path(data_dir) / card.name] if data_dir else [])]
    name = card.documents[edition]
    found = next((home / name for home in homes if (home / name).exists()), None)
    if found is None:
        raise _nowhere(card, data_dir, f"no documents under {name}")
    return _laid_out(card, edition, place.cache, found) if is_list_of_passages(card) else str(found)


def is_list_of_passages(card: EvalsetCard) -> bool:
    """Whether documents are a file of passages each, instead of a folder."""
    return any(name.endswith(".jsonl") for name in card.documents.values())


def file_of_passage(passage: str) -> str:
    """The name of the file that a passage is laid into."""
    return f"{quote(passage, safe='')}.txt"


def _laid_out(card: EvalsetCard, edition: str, cache: Path | None, path: Path) -> str:
    content = read_bytes(path, "The file of passages")
    digest = bytes_digest(content)
    expected = card.sha256.get(card.documents[edition])
    if expected is not None and digest != expected:
        raise DataError(
            "The file of passages is not the one the card knows.",
            got=f"{path}: {digest[:16]}…",
            allowed=expected[:16],
        )
    home = (cache or Path(tempfile.gettempdir())) / "evalsets" / f"{card.name}-{digest[:16]}"
    if home.is_dir():
        return str(home)
    make_folder(home.parent, run="set TOR_CACHE_DIR to another folder")
    with written_whole(home) as scratch:
        for number, line in enumerate(content.decode().splitlines(), start=1):
            try:
                row = parse_json(line)
                text = f"{row.get('title') or ''}\n\n{row['text']}".strip()
                (scratch / file_of_passage(row["id"])).write_text(text, encoding="utf-8")
            except (Unreadable, KeyError, TypeError, AttributeError) as error:
                raise DataError(
                    f"Line {number} is no passage.", got=path, allowed='{"id": "…", "text": "…"}'
                ) from error
    return str(home)


def _raw(path: Path) -> RawFile:
    return RawFile(name=path.name, content=read_bytes(path, f"The data file {path.name}"))


def _from_folder(card: EvalsetCard, files: Files, folder: Path) -> dict[str, RawFile]:
    problems = Problems()
    found: dict[str, RawFile] = {}
    for split, name in files.model_dump(exclude_none=True).items():
        path = folder / name
        if not path.is_file():
            # A second annotation often comes later than the rows; its absence is no fault.
            if split != "second_labels":
                problems.add(f"the file of the {split} split is missing", str(path))
            continue
        found[split] = _raw(path)
        expected, got = card.sha256.get(name), bytes_digest(found[split].content)
        if expected is not None and got != expected:
            problems.add(f"wrong digest of {name}", f"sha256 {got[:16]}..., the card says {expected[:16]}...")
    problems.check(
        f"The evalset '{card.name}'", run=f"get the files again from {card.source}" if card.source else None
    )
    return found


def _from_hub(card: EvalsetCard, hub: HubRows, kept: Path | None, data_dir: str) -> dict[str, RawFile]:
    try:
        import datasets
    except ImportError as error:
        raise _nowhere(card, data_dir, "the package 'datasets' is not installed") from error
    named = {"train": hub.train, "dev": hub.dev, "test": hub.test}
    try:
        loaded = {
            split: datasets.load_dataset(
                hub.id, hub.config or None, split=name, revision=hub.revision or None
            )
            for split, name in named.items()
            if name
        }
    # The hub's clients raise some twenty unrelated types, by cause and version; each means: no rows.
    except Exception as error:
        reason = f"the hub gave no rows ({type(error).__name__})"
        raise _nowhere(card, data_dir, reason) from error
    found = {
        split: RawFile(name=f"{split}.jsonl", content=_jsonl(rows, card, hub))
        for split, rows in loaded.items()
    }
    if kept is not None:
        _keep(found, kept)
    return found


def _jsonl(rows: Any, card: EvalsetCard, hub: HubRows) -> bytes:
    """Hub rows as JSONL with the card's column names; class numbers become their names."""
    columns = card.columns
    theirs = {card.target: hub.label or card.target}
    ours = [n for n in (columns.id, *columns.text, card.target, columns.cluster, *columns.slices) if n]
    features = rows.features
    lines = []
    for row in rows:
        record = {}
        for name in ours:
            key = theirs.get(name, name)
            value = row[key]
            to_name = getattr(features[key], "int2str", None)
            record[name] = to_name(value) if to_name is not None and isinstance(value, int) else value
        lines.append(json.dumps(record))
    return "\n".join(lines).encode()


def _keep(found: Mapping[str, RawFile], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in found.values():
            (folder / file.name).write_bytes(file.content)
        (folder / "complete").write_text("written last\n", encoding="ascii")
    except OSError as error:
        raise StoreError("The fetched rows cannot be kept.", got=f"{folder}: {error.strerror}") from error


def _nowhere(card: EvalsetCard, data_dir: str, reason: str) -> DataError:
    set_to = f"{DATA_DIR} is {data_dir!r}" if data_dir else f"{DATA_DIR} is not set"
    ways = []
    if card.folder is not None:
        names = [n for n in (card.folder.train, card.folder.dev, card.folder.test, card.folder.whole) if n]
        ways.append(f"set {DATA_DIR} to a folder with {card.name}/{{{','.join(names)}}}")
    if card.hub is not None:
        ways.append(f"pip install 'tune-or-retrieve[hub]' and network access, for the hub id {card.hub.id}")
    ways.append(f"a folder of your own with {CARD_FILE} and the split files, named instead of '{card.name}'")
    listed = "".join(f"\n           {number}. {way}" for number, way in enumerate(ways, start=1))
    return DataError(
        f"The rows of '{card.name}' are not on this machine.",
        got=f"{set_to}; {reason}",
        allowed=f"any of {len(ways)} ways{listed}",
    )
