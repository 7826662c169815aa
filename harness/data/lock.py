"""The digest lock: what a row set hashed to at first load, compared at every later one.

The lock is one JSON file in the user's cache, `{evalset@version: {split: sha256}}`. Rows may change
only together with the card's version.

Fingerprints of rows and files. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from advisor.reading import read_json
from harness.core.errors import DataError, StoreError
from harness.core.files import make_folder, write_atomically
from harness.core.records import Item
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
