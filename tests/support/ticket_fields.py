"""What the evalset `ticket-fields` claims about itself, counted: splits, shared phrases, the rules' F1.

`python -m tests.support.ticket_fields` prints the report, `--split train` measures the rules there.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tests.support.field_rules import extract

FOLDER = Path(__file__).resolve().parents[2] / "evalsets" / "ticket-fields"
SPLITS = ("train", "dev", "test")
RUN_WORDS = 6


@dataclass(frozen=True)
class Row:
    id: str
    text: str
    received: date
    language: str
    channel: str
    fields: Mapping[str, Any]
    spans: Mapping[str, Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class FieldCounts:
    """Values of one field, or of all: matched, only predicted (invented or wrong), only in the reference."""

    matched: int
    predicted: int
    reference: int

    @property
    def f1(self) -> float:
        """2 matched / (predicted + reference); 1 where both are empty."""
        both = self.predicted + self.reference
        return 2 * self.matched / both if both else 1.0


def schema() -> dict[str, Any]:
    """The JSON Schema of the fields."""
    return json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))


def rows(split: str) -> list[Row]:
    """The rows of a split in the order of the file."""
    lines = (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Row(**{**raw, "received": date.fromisoformat(raw["received"])}) for raw in map(json.loads, lines)]


def second_fields() -> dict[str, dict[str, Any]]:
    """Fields of the second reading by row id."""
    lines = (FOLDER / "second_fields.jsonl").read_text(encoding="utf-8").splitlines()
    return {raw["id"]: raw["fields"] for raw in map(json.loads, lines)}


def masked_words(text: str) -> list[str]:
    """Lower-case words with what a template would fill masked; equal masks in a row count once.

    A word with a digit is `#`, an address `@`, and a capitalised word within a line or sentence is a
    name, `N` (in German every noun is, which makes the count stricter there).
    """
    found: list[str] = []
    for sentence in re.split(r"(?<=[.!?:])\s+|\n+", text):
        for place, word in enumerate(re.findall(r"\S+@\S+|[^\W_]+(?:['’.,/_-][^\W_]+)*", sentence)):
            if "@" in word:
                mask = "@"
            elif any(c.isdigit() for c in word):
                mask = "#"
            else:
                mask = "N" if place and word[0].isupper() else word.casefold()
            if not (found and mask in "@#N" and found[-1] == mask):
                found.append(mask)
    return found


def sharing_rows(texts: Sequence[str], size: int = RUN_WORDS) -> dict[tuple[str, ...], set[int]]:
    """Runs of masked words that stand in two texts or more, with the positions of those texts."""
    where: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for position, text in enumerate(texts):
        words = masked_words(text)
        for start in range(len(words) - size + 1):
            where[tuple(words[start : start + size])].add(position)
    return {run: found for run, found in where.items() if len(found) > 1}


def normalised(field: str, value: Any) -> str:
    """The form in which two values of a field are compared: without case, blanks and marks between digits."""
    if field == "amount":
        return f"{float(value):.2f}"
    if field == "contacts":
        return " ".join(str(value).casefold().split())
    return re.sub(r"[\s/_-]", "", str(value).casefold())


def pairs(fields: Mapping[str, Any]) -> Counter[tuple[str, str]]:
    """(field, normalised value), each entry of a repeated field on its own."""
    found: Counter[tuple[str, str]] = Counter()
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            found[name, normalised(name, one)] += 1
    return found


def counts(
    predicted: Iterable[Mapping[str, Any]], reference: Iterable[Mapping[str, Any]]
) -> dict[str, FieldCounts]:
    """Counts by field, and under `all` those over fields (micro)."""
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for said, true in zip(predicted, reference, strict=True):
        mine, theirs = pairs(said), pairs(true)
        for place, found in enumerate((mine & theirs, mine, theirs)):
            for (name, _), times in found.items():
                tally[name][place] += times
                tally["all"][place] += times
    return {name: FieldCounts(*numbers) for name, numbers in tally.items()}


def rules_counts(split: str) -> dict[str, FieldCounts]:
    """How the rules of `field_rules` do on a split."""
    found = rows(split)
    return counts([extract(row.text, row.received) for row in found], [row.fields for row in found])


def agreement() -> dict[str, tuple[int, int]]:
    """Of the rows read a second time, in how many each field is the same (absent counts as a value)."""
    second = second_fields()
    first = {row.id: row.fields for row in rows("test")}
    same: dict[str, tuple[int, int]] = {}
    for name in schema()["properties"]:
        equal = sum(first[i].get(name) == fields.get(name) for i, fields in second.items())
        same[name] = (equal, len(second))
    return same


def report(split: str) -> str:
    """What the README states, from the rows: counts, presence by field, shared runs, the rules on a split."""
    everything = {name: rows(name) for name in SPLITS}
    flat = [row for part in everything.values() for row in part]
    lines = ["rows " + " ".join(f"{name} {len(part)}" for name, part in everything.items())]
    for key in ("language", "channel"):
        lines.append(
            f"{key} " + " ".join(f"{k} {v}" for k, v in Counter(getattr(r, key) for r in flat).most_common())
        )
    lengths = sorted(len(row.text.split()) for row in flat)
    lines.append(f"words {lengths[0]} to {lengths[-1]}, median {lengths[len(lengths) // 2]}")
    sharing = sharing_rows([row.text for row in flat])
    touched = set().union(*sharing.values()) if sharing else set()
    lines.append(f"rows that share {RUN_WORDS} masked words {len(touched)} of {len(flat)}")
    lines += [f"  {' '.join(run)}" for run in sharing]
    lines.append(f"{'field':16} {'present':>8} {'rules F1 on ' + split:>20} {'read twice':>10}")
    measured, agreed = rules_counts(split), agreement()
    for name in schema()["properties"]:
        present = sum(name in row.fields for row in flat) / len(flat)
        same, of = agreed[name]
        lines.append(f"{name:16} {present:8.1%} {measured[name].f1:20.3f} {f'{same}/{of}':>10}")
    lines.append(f"{'all':16} {'':8} {measured['all'].f1:20.3f}")
    return "\n".join(lines)


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=SPLITS, default="test")
    print(report(parser.parse_args().split))


if __name__ == "__main__":
    main()
