"""Overlaps, clusters and shared 8-grams on rows small enough to check by eye."""

from __future__ import annotations

import random

from harness.core.records import Item
from harness.data.leakage import (
    Overlap,
    cluster_rows,
    exact_overlap_ids,
    likeness,
    overlaps,
    shared_ngram_ids,
)
from harness.data.rows import RowGroups


def item(own: str, text: str, cluster: str | None = None) -> Item:
    return Item(id=own, text=text, target="x", cluster=cluster)


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


FOOTER = (
    "Kind regards, the service desk of Northwind Traders, Harbour Road 12, opening hours from nine to five "
    "on weekdays. This message may hold confidential information and is meant for the addressee only."
)
WORDS = [
    "printer", "invoice", "laptop", "badge", "contract", "parking", "coffee", "router", "licence",
    "holiday", "salary", "keyboard", "pallet", "warehouse", "customs", "training", "mailbox",
    "calendar", "projector", "heating", "window", "lift", "canteen", "helmet", "scanner",
    "forklift",
]  # fmt: skip


def written(count: int, words: int = 12, seed: int = 3) -> list[str]:
    """Texts of different words."""
    rng = random.Random(seed)
    return [" ".join(rng.choice(WORDS) for _ in range(words)) for _ in range(count)]


def test_a_shared_footer_ties_no_rows_together() -> None:
    rows = [row(f"r{n}", f"{text}.\n\n{FOOTER}") for n, text in enumerate(written(60))]
    assert {found.cluster for found in cluster_rows(rows)} == {None}


def test_near_copies_behind_a_shared_footer_are_still_found() -> None:
    texts = written(60, words=20)
    texts += [texts[7] + " again", texts[9]]
    rows = [row(f"r{n}", f"{text}.\n\n{FOOTER}") for n, text in enumerate(texts)]
    clusters = {found.id: found.cluster for found in cluster_rows(rows) if found.cluster}
    assert clusters == {"r7": "cluster-r7", "r60": "cluster-r7", "r9": "cluster-r9", "r61": "cluster-r9"}


def test_a_copy_without_the_footer_is_one_all_the_same() -> None:
    texts = written(40)
    train = tuple(item(f"a{n}", f"{text}.\n{FOOTER}") for n, text in enumerate(texts))
    found = overlaps({"train": train, "test": (item("t", f"{texts[5]}."),)})
    assert [(one.row_id, one.earlier_id, one.kind) for one in found["train", "test"]] == [("t", "a5", "near")]


def test_many_copies_of_one_message_stay_copies_however_many_they_are() -> None:
    """Nothing of them is their own, so it is no boilerplate: they may not come to stand in two splits."""
    alarm = "The temperature of cold store number {} was above the limit tonight, please have a look at once"
    rows = [row(f"c{n}", alarm.format(4000 + n)) for n in range(30)]
    rows += [row(f"r{n}", text) for n, text in enumerate(written(90))]
    clusters = [found.cluster for found in cluster_rows(rows)]
    assert set(clusters[:30]) == {"cluster-c0"} and set(clusters[30:]) == {None}


def test_what_was_left_out_is_named_with_its_rows() -> None:
    items = [item(f"r{n}", f"{text}. {FOOTER if n < 20 else ''}") for n, text in enumerate(written(60))]
    left_out = likeness(items).boilerplate
    assert left_out is not None and left_out.rows == 20
    assert left_out.text.startswith("Kind regards, the service desk of Northwind Traders")
    assert likeness(items[30:]).boilerplate is None


def test_templates_of_scripts_without_blanks_are_taken_off_too() -> None:
    opening = "\u3044\u3064\u3082\u304a\u4e16\u8a71\u306b\u306a\u3063\u3066\u304a\u308a\u307e\u3059\u3002" * 3
    signs = [chr(0x4E00 + 37 * n) for n in range(300)]
    rng = random.Random(1)
    rows = [row(f"r{n}", opening + "".join(rng.sample(signs, 20))) for n in range(40)]
    assert {found.cluster for found in cluster_rows(rows)} == {None}


def test_half_a_surrogate_is_compared_like_any_character() -> None:
    same = "what is this \ud83d doing in my text"
    assert len({found.cluster for found in cluster_rows([row("a", same), row("b", same)])}) == 1
