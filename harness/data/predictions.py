"""Predictions that were made elsewhere: a table of `item_id`, `label` and, if known, `confidence`.

Read like any table of a user (CSV, JSON, a workbook, Parquet), other columns left alone; every fault of a
file is reported at once, with the rows where it stands. Labels are read like a model's answers
(`tasks.labels`): a label's name, or the same words in another spelling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.columns import Asked
from harness.data.problems import Problems, shorten
from harness.data.source import read_bytes
from harness.data.table import read_table
from harness.tasks.labels import read_label

_ASKED: Asked = {"id": ("item_id",), "label": ("label",), "confidence?": ("confidence",)}


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
        DataError: with every fault.
    """
    problems = Problems()
    table = read_table(read_bytes(path, "The file of predictions", pipes=False), path.name, _ASKED, problems)
    found: dict[str, OutsidePrediction] = {}
    places = [at for purpose in _ASKED for at in table.positions.get(purpose, ())] if table.usable else []
    for number, cells in table.rows if table.usable else ():
        item_id, text, sure = (*(cells[at].strip() for at in places), "")[:3]
        label, confidence = read_label(text, labels), _confidence(sure)
        fault, value = "", item_id
        if not item_id:
            fault = "no item_id"
        elif item_id not in known:
            fault = "the run has no such item on dev or test"
        elif item_id in found:
            fault = "the item is answered twice"
        elif label is None:
            fault, value = ("no label", item_id) if not text else ("this is no label of the run", text)
        elif confidence is not None and not 0 < confidence <= 1:
            fault, value = "confidence is not above 0 and at most 1", sure
        else:
            found[item_id] = OutsidePrediction(item_id=item_id, label=label, confidence=confidence)
        if fault:
            problems.add(fault, f"{table.unit} {number} ({shorten(value)})")
    if not table.rows and not problems:
        problems.add("it has no rows")
    problems.check(
        path.name, allowed="columns item_id, label and, if known, confidence; items and labels of the run"
    )
    return tuple(found.values())


def _confidence(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return math.nan
