"""Overlaps, clusters and shared 8-grams on rows small enough to check by eye."""

from __future__ import annotations

from harness.data.leakage import Overlap, cluster_rows, exact_overlap_ids, overlaps, shared_ngram_ids
from harness.data.rows import RowGroups
from harness.records import Item


def item(own: str, text: str, cluster: str | None = None) -> Item:
    return Item(id=own, text=text, label="x", cluster=cluster)


def row(own: str, text: str, *groups: str) -> RowGroups:
    cluster = groups[0] or None if len(groups) == 1 else None
    return RowGroups(item=item(own, text, cluster), groups=groups)


TRAIN = (
    item("a", "How do I unblock my PIN?"),
    item("b", "I never received the invoice for my order in March"),
)


def test_exact_ignores_case_and_blanks() -> None:
    test = (item("t1", "\nhow do I  unblock my pin?"), item("t2", "How do I unblock my card?"))
    assert exact_overlap_ids(TRAIN, test) == {"t1"}
    found = overlaps({"train": TRAIN, "test": test})
    assert found[("train", "test")] == (Overlap(row_id="t1", earlier_id="a", kind="exact", jaccard=1.0),)


def test_near_names_the_nearest_row() -> None:
    test = (item("t", "I never received the invoices for my order in March"), item("u", "something else"))
    [overlap] = overlaps({"train": TRAIN, "test": test})[("train", "test")]
    assert (overlap.row_id, overlap.earlier_id, overlap.kind) == ("t", "b", "near")
    assert 0.8 <= overlap.jaccard < 1


def test_each_pair_of_splits_is_told_apart() -> None:
    same = "the very same text in all of the splits"
    parts = {"train": (item("a", same),), "dev": (item("d", same),), "test": (item("t", same),)}
    assert set(overlaps(parts)) == {("train", "dev"), ("train", "test"), ("dev", "test")}


def test_empty_texts_do_not_overlap() -> None:
    assert overlaps({"train": (item("a", ""),), "test": (item("t", " "),)}) == {}
    assert exact_overlap_ids((item("a", ""),), (item("t", ""),)) == frozenset()


def test_customers_and_near_duplicates_join_into_one_cluster() -> None:
    rows = [
        row("a", "my card was declined at the till this morning", "acme"),
        row("b", "please send the March invoice again", "acme"),
        row("c", "My card was declined at the till this morning!", "zeta"),
        row("d", "where is the export button", "solo"),
        row("e", "how do I log in", ""),
    ]
    clusters = [found.cluster for found in cluster_rows(rows)]
    assert clusters == ["cluster-a", "cluster-a", "cluster-a", "solo", None]


def test_a_customers_rows_keep_the_customers_name() -> None:
    rows = [row("a", "first question here", "acme"), row("b", "wholly different matter", "acme")]
    assert [found.cluster for found in cluster_rows(rows)] == ["acme", "acme"]


def test_any_of_two_group_columns_ties_rows() -> None:
    rows = [row("a", "one", "acme", "t1"), row("b", "two two", "acme", ""), row("c", "three three", "", "t1")]
    assert len({found.cluster for found in cluster_rows(rows)}) == 1


def test_equal_values_of_different_columns_are_not_the_same() -> None:
    rows = [row("a", "one", "7", ""), row("b", "two two", "", "7")]
    assert [found.cluster for found in cluster_rows(rows)] == [None, None]


def test_shared_8_grams() -> None:
    eight = "one two three four five six seven eight"
    items = (item("a", f"Start {eight}."), item("b", f"{eight.upper()}, end"), item("c", eight[:-6]))
    assert shared_ngram_ids(items) == {"a", "b"}
    assert shared_ngram_ids((item("a", f"{eight} and {eight}"),)) == frozenset()
