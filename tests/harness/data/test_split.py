"""Splitting: the invariants by hypothesis, the shares by arithmetic."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.records import Evalset, Item, Label
from harness.data.source import rows_digest
from harness.data.split import limit_evalset, split_items, stratified_group_split, subsample

FRACTIONS = {"train": 0.5, "dev": 0.1, "test": 0.4}

rows = st.lists(
    st.tuples(st.sampled_from("abcde"), st.one_of(st.none(), st.integers(0, 12).map(str))), max_size=60
)


def by_label(item: Item) -> str:
    return item.label


def items_of(labels: list[str], clusters: list[str | None] | None = None) -> list[Item]:
    own = clusters or [None] * len(labels)
    return [
        Item(id=f"i{n}", text=f"text {n}", target=label, cluster=own[n]) for n, label in enumerate(labels)
    ]


@given(rows, st.integers(0, 5))
def test_disjoint_exhaustive_whole_groups_and_every_label_learned(
    drawn: list[tuple[str, str | None]], seed: int
) -> None:
    items = items_of([label for label, _ in drawn], [group for _, group in drawn])
    parts = split_items(items, FRACTIONS, seed, by_label)
    ids = [item.id for part in parts.values() for item in part]
    assert sorted(ids) == sorted(item.id for item in items)
    homes = defaultdict(set)
    for name, part in parts.items():
        for item in part:
            if item.cluster is not None:
                homes[item.cluster].add(name)
    assert all(len(where) == 1 for where in homes.values())
    assert {item.label for item in parts["train"]} == {item.label for item in items}
    assert parts == split_items(items, FRACTIONS, seed, by_label)


def test_single_rows_meet_the_shares_exactly() -> None:
    labels = ["a"] * 100 + ["b"] * 40 + ["c"] * 10
    parts = split_items(items_of(labels), FRACTIONS, 3, by_label)
    counts = {name: Counter(item.label for item in part) for name, part in parts.items()}
    assert counts["train"] == {"a": 50, "b": 20, "c": 5}
    assert counts["dev"] == {"a": 10, "b": 4, "c": 1}
    assert counts["test"] == {"a": 40, "b": 16, "c": 4}


def test_rounding_does_not_add_up_over_labels() -> None:
    # 30 labels of 13 rows: 1.3 dev rows each, which rounded one by one would be 30; 39 is a tenth.
    labels = [f"l{n % 30}" for n in range(390)]
    parts = split_items(items_of(labels), FRACTIONS, 0, by_label)
    assert {name: len(part) for name, part in parts.items()} == {"train": 195, "dev": 39, "test": 156}


def test_rare_labels_train_first_then_test() -> None:
    labels = ["one"] + ["two"] * 2 + ["three"] * 3 + ["many"] * 50
    parts = split_items(items_of(labels), FRACTIONS, 1, by_label)
    held = {name: Counter(item.label for item in part) for name, part in parts.items()}
    assert (held["train"]["one"], held["dev"]["one"], held["test"]["one"]) == (1, 0, 0)
    assert (held["train"]["two"], held["dev"]["two"], held["test"]["two"]) == (1, 0, 1)
    assert (held["train"]["three"], held["dev"]["three"], held["test"]["three"]) == (1, 1, 1)


def test_seed_decides_which_rows() -> None:
    items = items_of(["a", "b"] * 50)
    assert split_items(items, FRACTIONS, 1, by_label) != split_items(items, FRACTIONS, 2, by_label)


@pytest.mark.parametrize("fractions", [{}, {"train": 0.5}, {"train": 1.2, "test": -0.2}])
def test_impossible_fractions_are_refused(fractions: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="fractions"):
        stratified_group_split(["a"], [None], fractions, 0)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 labels but 1 groups"):
        stratified_group_split(["a", "b"], [None], FRACTIONS, 0)


@given(st.lists(st.sampled_from("abcd"), max_size=50), st.integers(0, 60), st.integers(0, 3))
def test_subsample_is_stratified_ordered_and_repeatable(labels: list[str], n: int, seed: int) -> None:
    items = items_of(labels)
    kept = subsample(items, n, seed, by_label)
    assert len(kept) == min(n, len(items))
    positions = [items.index(item) for item in kept]
    assert positions == sorted(positions)
    assert kept == subsample(items, n, seed, by_label)
    if n >= len(set(labels)):
        assert {item.label for item in kept} == set(labels)
    for label in set(labels):
        share = n * labels.count(label) / max(1, len(labels))
        # One guaranteed row a label moves a quota by at most the number of labels.
        assert abs(sum(item.label == label for item in kept) - min(share, labels.count(label))) <= 4


def test_subsample_without_limit_keeps_all() -> None:
    items = items_of(["a", "b"])
    assert subsample(items, None, 0, by_label) == tuple(items)


def test_limited_evalset_has_its_own_digests() -> None:
    train, test = items_of(["a", "b"] * 10), [Item(id=f"t{n}", text="x", target="a") for n in range(6)]
    evalset = Evalset(
        name="n",
        title="t",
        licence="l",
        provenance="p",
        labels=(Label(name="a"), Label(name="b")),
        train=tuple(train),
        dev=(),
        test=tuple(test),
        digests={"train": "old", "dev": "old", "test": "old"},
        second_labels={f"t{n}": "a" for n in range(6)},
    )
    small = limit_evalset(evalset, train=4, dev=None, test=2, seed=0)
    assert (len(small.train), len(small.test)) == (4, 2)
    assert small.digests["train"] == rows_digest(small.train)
    assert set(small.second_labels) == {item.id for item in small.test}
