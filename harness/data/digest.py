"""Fingerprints of rows and files. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from harness.core.records import Item


def rows_digest(items: Sequence[Item]) -> str:
    """Sha256 (hex) of rows in order: ids, texts and labels. Clusters and slices do not count."""
    rows = [[item.id, item.text, item.label] for item in items]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def bytes_digest(content: bytes) -> str:
    """Sha256 (hex) of a file's bytes."""
    return hashlib.sha256(content).hexdigest()
