"""Nested training subsets: each within the next, labels in proportion, every label while there is room."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.records import Item
from harness.data.nested import first_rows, geometric_sizes, nested_order


def rows(counts: dict[str, int]) -> list[Item]:
    return [
        Item(id=f"{label}{n:03}", text=f"{label} {n}", target=label)
        for label, count in counts.items()
        for n in range(count)
    ]


COUNTS = st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 30), min_size=1, max_size=7)


@settings(max_examples=60)
@given(COUNTS, st.integers(0, 2**32 - 1))
def test_subsets_are_nested_and_hold_every_label_they_can(counts: dict[str, int], seed: int) -> None:
    items = rows(counts)
    order = nested_order(items, seed, attrgetter("label"))
    assert sorted(order, key=lambda i: i.id) == sorted(items, key=lambda i: i.id)
    before: set[str] = set()
    for size in range(1, len(items) + 1):
        part = first_rows(order, size)
        ids = {item.id for item in part}
        assert len(ids) == size and before < ids
        before = ids
        found = Counter(item.label for item in part)
        assert len(found) == min(size, len(counts))


@settings(max_examples=60)
@given(COUNTS, st.integers(0, 1000), st.integers(1, 200))
def test_labels_stay_in_proportion(counts: dict[str, int], seed: int, size: int) -> None:
    """Within one row of the exact share, the row that every label is given first aside."""
    items = rows(counts)
    size = min(size, len(items))
    found = Counter(item.label for item in first_rows(nested_order(items, seed, attrgetter("label")), size))
    for label, count in counts.items():
        exact = size * count / len(items)
        assert found[label] <= max(1, exact + 1)


def test_by_hand() -> None:
    """Six a and two b: a and b first, then b's second row (1.5 / 2) comes after a's fifth (4.5 / 6)."""
    labels = "".join(item.label for item in nested_order(rows({"a": 6, "b": 2}), 1, attrgetter("label")))
    assert labels == "abaaaaba"


def test_seeds_draw_other_rows_and_one_seed_the_same() -> None:
    items = rows({"a": 20, "b": 20})
    assert nested_order(items, 3, attrgetter("label")) == nested_order(items, 3, attrgetter("label"))
    assert first_rows(nested_order(items, 3, attrgetter("label")), 10) != first_rows(
        nested_order(items, 4, attrgetter("label")), 10
    )


@pytest.mark.parametrize("size", [0, 3])
def test_sizes_that_cannot_be_had(size: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.2"):
        first_rows(rows({"a": 2}), size)


@pytest.mark.parametrize(
    ("rows_", "labels", "count", "wanted"),
    [
        (723, 30, 5, (60, 90, 181, 362, 723)),
        (9002, 77, 5, (563, 1125, 2250, 4501, 9002)),
        (9002, 77, 4, (1125, 2250, 4501, 9002)),
        (40, 3, 5, (8, 12, 18, 27, 40)),
        (4, 2, 5, (4,)),
    ],
)
def test_sizes_are_chosen(rows_: int, labels: int, count: int, wanted: tuple[int, ...]) -> None:
    assert geometric_sizes(rows_, labels, count) == wanted
