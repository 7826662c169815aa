"""Find the JSON object in a model's answer. Pure, in time proportional to the answer, whatever it holds.

The object may stand anywhere: alone, behind words, in a code block, after a thought. Of several objects the
first that holds a known name counts, else the first; what a model writes after its answer is no part of it.
An answer whose object never closes, has a key twice or is no JSON is invalid: two readers could take it
differently. Only the first 100,000 characters are read.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from advisor.reading import Unreadable, parse_json

MOST_CHARACTERS = 100_000
_MOST_OBJECTS = 50
_MARKS = re.compile(r'"(?:[^"\\]|\\(?:.|$))*+(?:"|$)|[{}]', re.DOTALL)


def read_object(answer: str, names: Collection[str]) -> dict[str, Any] | None:
    """The object an answer gives, None where it gives none that can be read.

    Args:
        names: what an object that is meant holds.
    """
    found: list[dict[str, Any]] = []
    for text in _objects(answer[:MOST_CHARACTERS]):
        try:
            value = parse_json(text)
        except Unreadable:
            continue
        if isinstance(value, dict):
            if any(name in value for name in names):
                return value
            found.append(value)
    return found[0] if found else None


def structured(cell: str) -> dict[str, Any] | list[Any] | None:
    """The object or list that a cell of a person's table writes; None for any other text.

    As JSON, as a JSON text that holds JSON, in a code block, with a comma before the last bracket or NaN for
    null, or as Python writes it. A key twice makes it none.
    """
    for _ in range(_MOST_WRAPPED):
        if fenced := _FENCED.fullmatch(cell):
            cell = fenced[1]
        if not cell.lstrip().startswith(("{", "[", '"')):
            return None
        try:
            found = parse_json(_SLIPS.sub(lambda m: m[1] or ("null" if m[0] == "NaN" else ""), cell))
        except Unreadable:
            return _of_python(cell)
        if not isinstance(found, str):
            return found if isinstance(found, dict | list) else None
        cell = found
    return None


_MOST_WRAPPED = 3
_FENCED = re.compile(r"\s*```\w*\s(.*)```\s*", re.DOTALL)
_SLIPS = re.compile(r'("(?:[^"\\]|\\.)*+")|,(?=\s*[}\]])|\bNaN\b', re.DOTALL)


def _of_python(cell: str) -> dict[str, Any] | list[Any] | None:
    try:
        tree = ast.parse(cell[: MOST_CHARACTERS + 1].strip(), mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                keys = [ast.dump(key) for key in node.keys if key is not None]
                if len(set(keys)) < len(node.keys):
                    return None
        found = parse_json(json.dumps(ast.literal_eval(tree), ensure_ascii=False))
    except (Unreadable, ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _objects(text: str) -> Iterator[str]:
    """Stretches from an opening brace to the one that closes it, outermost ones, marks in strings aside."""
    depth, start, given = 0, 0, 0
    place = text.find("{")
    while place >= 0 and given < _MOST_OBJECTS:
        mark = _MARKS.search(text, place)
        if mark is None:
            return
        place = mark.end()
        if mark[0] == "{":
            start = mark.start() if depth == 0 else start
            depth += 1
        elif mark[0] == "}" and depth:
            depth -= 1
            if depth == 0:
                given += 1
                yield text[start:place]
                place = text.find("{", place)  # words between objects may hold a single quote mark
