"""Predictions that were made elsewhere: a table of `item_id`, `label` and, if known, `confidence`.

Of fields the columns are `item_id` and `fields`, a JSON object. Read like any table of a user (CSV, JSON, a
workbook, Parquet), other columns left alone; every fault of a file is reported at once, with the rows where
it stands. Answers are read as the task reads a model's: a label's name, or the same words in another
spelling; the object, whatever its values. A value that its field does not allow is a wrong one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from harness.core.records import AnswerSpace
from harness.data.columns import VALUES, Asked
from harness.data.problems import Problems, shorten
from harness.data.source import read_bytes
from harness.data.table import read_table
from harness.tasks.json_answers import structured
from harness.tasks.kinds import task_of
from harness.tasks.wording import in_words

_LABELS: Asked = {"id": ("item_id",), "label": ("label",), "confidence?": ("confidence",)}
_FIELDS: Asked = {"id": ("item_id",), VALUES: ("fields",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsidePrediction:
    """One prediction.

    Attributes:
        answer: the evalset's own name of the label, or the fields as one line of JSON.
        confidence: above 0 and at most 1; None where the file gives none.
    """

    item_id: str
    answer: str
    confidence: float | None


def read_predictions(path: Path, space: AnswerSpace, known: frozenset[str]) -> tuple[OutsidePrediction, ...]:
    """Read a file.

    Args:
        space: labels or fields.
        known: ids of the items that may be answered.

    Raises:
        DataError: with every fault.
    """
    problems, task, fields = Problems(), task_of(space), set(space.schema.get("properties", ()))
    asked = _FIELDS if fields else _LABELS
    table = read_table(read_bytes(path, "The file of predictions", pipes=False), path.name, asked, problems)
    found: dict[str, OutsidePrediction] = {}
    places = [at for purpose in asked for at in table.positions.get(purpose, ())] if table.usable else []
    for number, cells in table.rows if table.usable else ():
        item_id, text, sure = (*(cells[at].strip() for at in places), "")[:3]
        if fields and (held := structured(text)) is not None:
            text = json.dumps(held, ensure_ascii=False)
        answer, confidence = task.parse(text), _confidence(sure)
        fault, value = "", item_id
        if not item_id:
            fault = "no item_id"
        elif item_id not in known:
            fault = "the run has no such item on dev or test"
        elif item_id in found:
            fault = "the item is answered twice"
        elif answer is None and not text:
            fault = "no fields; {} states none" if fields else "no label"
        elif answer is None:
            fault, value = ("this holds no JSON object" if fields else "this is no label of the run"), text
        elif isinstance(answer, dict) and answer and not fields & set(answer):
            fault, value = "this names no field of the run", text
        elif confidence is not None and not 0 < confidence <= 1:
            fault, value = "confidence is not above 0 and at most 1", sure
        else:
            found[item_id] = OutsidePrediction(
                item_id=item_id, answer=in_words(answer), confidence=confidence
            )
        if fault:
            problems.add(fault, f"{table.unit} {number} ({shorten(value)})")
    if not table.rows and not problems:
        problems.add("it has no rows")
    columns = "item_id and fields, a JSON object" if fields else "item_id, label and, if known, confidence"
    problems.check(
        path.name, allowed=f"columns {columns}; items and {'fields' if fields else 'labels'} of the run"
    )
    return tuple(found.values())


def _confidence(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return math.nan
