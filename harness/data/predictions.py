"""Predictions that were made elsewhere: CSV or JSONL with `item_id`, `label` and, if known, `confidence`.

Every fault of a file is reported at once, each with its line. Labels are read like a model's answers
(`prompts.labels`): a label's name, or the same words in another spelling.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.reading import Unreadable, parse_json, read_text
from harness.core.errors import DataError
from harness.tasks.labels import read_label

_MOST_FAULTS = 20
_MOST_BYTES = 1 << 28
_NAMES = {"item_id", "label", "confidence"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsidePrediction:
    """One prediction.

    Attributes:
        label: the evalset's own name of the label.
        confidence: above 0 and at most 1; None where the file gives none.
    """

    item_id: str
    label: str
    confidence: float | None


def read_predictions(
    path: Path, labels: Sequence[str], known: frozenset[str]
) -> tuple[OutsidePrediction, ...]:
    """Read a file.

    Args:
        known: ids of the items that may be answered.

    Raises:
        DataError: with every fault, at most twenty.
    """
    try:
        text = read_text(path, _MOST_BYTES)
    except (FileNotFoundError, Unreadable) as error:
        raise DataError(f"{path} cannot be read: {error}.", allowed="a CSV or JSONL file in UTF-8") from error
    rows = list(_jsonl(text) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv(text, path))
    found: dict[str, OutsidePrediction] = {}
    faults: list[str] = []
    for number, row in rows:
        given = _given(row, labels, known)
        if isinstance(given, str):
            faults.append(f"line {number}: {given}")
        elif given.item_id in found:
            faults.append(f"line {number}: the item {given.item_id} is answered twice")
        else:
            found[given.item_id] = given
    if not rows:
        faults.append("it has no rows")
    if faults:
        more = "" if len(faults) <= _MOST_FAULTS else f"\n  ... and {len(faults) - _MOST_FAULTS} more"
        listed = "\n".join(f"  - {fault}" for fault in faults[:_MOST_FAULTS])
        raise DataError(
            f"{path.name} is not usable: {len(faults)} fault(s).\n{listed}{more}",
            allowed="columns item_id, label and, if known, confidence; items and labels of the run",
        )
    return tuple(found.values())


def _given(row: dict[str, object], labels: Sequence[str], known: frozenset[str]) -> OutsidePrediction | str:
    """The prediction of a row, or what is wrong with it."""
    unknown = sorted(set(map(str, row)) - _NAMES)
    if unknown:
        return f"unknown column {', '.join(unknown)}"
    item_id, text = row.get("item_id"), row.get("label")
    if not isinstance(item_id, str) or not item_id:
        return "no item_id"
    if item_id not in known:
        return f"the run has no item {item_id} on dev or test"
    if not isinstance(text, str) or not text.strip():
        return f"no label for {item_id}"
    label = read_label(text, labels)
    if label is None:
        return f"'{text[:60]}' is no label of the run"
    confidence = _confidence(row.get("confidence"))
    if isinstance(confidence, str):
        return confidence
    return OutsidePrediction(item_id=item_id, label=label, confidence=confidence)


def _confidence(value: object) -> float | str | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    return number if 0 < number <= 1 else f"confidence {value} is not above 0 and at most 1"


def _csv(text: str, path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    table = csv.DictReader(io.StringIO(text, newline=""))
    names = set(table.fieldnames or ())
    if not {"item_id", "label"} <= names:
        raise DataError(
            f"{path.name} has no columns item_id and label.",
            got=", ".join(table.fieldnames or ()) or "no header",
            allowed="item_id,label or item_id,label,confidence",
        )
    try:
        for row in table:
            yield table.line_num, {str(name): value for name, value in row.items() if name in names}
    except csv.Error as error:
        raise DataError(f"{path.name} is no CSV file: {error}.") from error


def _jsonl(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        yield number, row if isinstance(row, dict) else {"no JSON object": line}
