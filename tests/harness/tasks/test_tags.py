"""Tags and picks of a schema: what a row teaches, and how an encoder's probabilities are read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from harness.models.local.encoder import TokenShares
from harness.tasks.fields import parse_schema
from harness.tasks.tags import FieldTags, TagThresholds, share_learnt

SCHEMA = {
    "properties": {
        "order": {"type": "string"},
        "names": {"type": "array", "items": {"type": "string"}},
        "amount": {"type": "number"},
        "level": {"type": "string", "enum": ["low", "high"]},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        "customer": {"properties": {"known": {"type": "boolean"}, "city": {"type": "string"}}},
    }
}
TAGS = FieldTags.of(parse_schema(SCHEMA, "test"))
ORDER, NAMES, AMOUNT, CITY = range(4)
TEXT = "order 17-4 for Ann, Bo: 20,50 to Bonn"


def shares(tags: dict[str, tuple[int, float]], picks: dict[int, list[float]] | None = None) -> TokenShares:
    """Words and marks are tokens; each has nothing but what a stretch it stands in is given."""
    tokens = [found.span() for found in re.finditer(r"\w+|[^\w\s]", TEXT)]
    table = np.zeros((len(tokens), TAGS.sizes[0]))
    table[:, 0] = 1.0
    for stretch, (place, share) in tags.items():
        at = TEXT.index(stretch)
        for row, (start, end) in enumerate(tokens):
            if at <= start and end <= at + len(stretch):
                table[row, 0], table[row, place + 1] = 1 - share, share
    chosen = {n: [1.0] + [0.0] * (size - 1) for n, size in enumerate(TAGS.sizes[1:])} | (picks or {})
    return TokenShares(tokens=tuple(tokens), tags=table, picks=tuple(np.array(chosen[n]) for n in chosen))


def read(tags: dict[str, tuple[int, float]], picks: dict[int, list[float]] | None = None) -> dict[str, Any]:
    return TAGS.read(TEXT, shares(tags, picks), TagThresholds())


def test_sizes_count_nothing_in_every_part() -> None:
    """Four fields are written; a level of two, two values of tags on their own, a yes or no."""
    assert TAGS.sizes == (5, 3, 2, 2, 3)


def test_a_row_teaches_what_stands_in_it_and_what_is_chosen() -> None:
    found = TAGS.marked(
        TEXT,
        {
            "order": "174",
            "names": ["ann", "Zoe"],
            "amount": 20.5,
            "level": "HIGH",
            "tags": ["b"],
            "customer": {"known": False},
        },
    )
    assert [(TEXT[slice(*span)], place) for span, place in found.tags] == [
        ("17-4", ORDER),
        ("Ann", NAMES),
        ("20,50", AMOUNT),
    ]
    assert found.picks == (2, 0, 1, 2)
    assert share_learnt([found]) == (6, 7), "Zoe stands nowhere"


def test_of_overlapping_stretches_the_longer_counts() -> None:
    found = TAGS.marked("for Ann of Bonn", {"order": "Ann of Bonn", "names": ["Ann"]})
    assert [place for _, place in found.tags] == [ORDER]


def test_tags_and_picks_are_read_as_the_schema_has_them() -> None:
    found = read(
        {"17-4": (ORDER, 0.9), "Ann": (NAMES, 0.8), "Bo": (NAMES, 0.6), "20,50": (AMOUNT, 0.7)},
        {0: [0.3, 0.1, 0.6], 2: [0.4, 0.6], 3: [0.2, 0.1, 0.7]},
    )
    assert found == {
        "order": "17-4",
        "names": ["Ann", "Bo"],
        "amount": 20.5,
        "level": "high",
        "tags": ["b"],
        "customer": {"known": False},
    }


def test_of_two_stretches_for_one_value_the_surer_counts() -> None:
    assert read({"17-4": (ORDER, 0.6), "Bonn": (ORDER, 0.9)}) == {"order": "Bonn"}


def test_what_is_below_its_threshold_or_reads_as_no_number_is_left_out() -> None:
    assert read({"17-4": (ORDER, 0.4), "Ann": (AMOUNT, 0.9)}, {0: [0.55, 0.45, 0.0]}) == {}


@pytest.mark.parametrize("text", ["", "   ", "\u202e\x00 😀"])
def test_an_empty_text_states_nothing(text: str) -> None:
    none = TokenShares(
        tokens=(), tags=np.zeros((0, 5)), picks=tuple(np.eye(size)[0] for size in TAGS.sizes[1:])
    )
    assert TAGS.read(text, none, TagThresholds()) == {}
