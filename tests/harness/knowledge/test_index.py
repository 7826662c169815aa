"""The index of training rows, with a small deterministic embedder in place of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from advisor.money.usage import Usage
from harness.core.errors import StoreError, UsageError
from harness.core.records import Item, ModelIdentity
from harness.knowledge.dense import DenseIndex
from harness.knowledge.fuse import reciprocal_rank_fusion
from harness.knowledge.index import TrainingIndex, index_digest
from harness.knowledge.retriever import SearchMode
from harness.models.base import Vectors


class LetterCounts:
    """Embeds a text as the counts of its letters, L2-normalised; counts its calls."""

    def __init__(self, revision: str = "1", languages: tuple[str, ...] = ()) -> None:
        self.languages = languages
        self.identity = ModelIdentity(id="letter-counts", revision=revision, location="local")
        self.calls = 0

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        self.calls += 1
        counts = [[text.lower().count(chr(97 + n)) + 1e-3 for n in range(26)] for text in texts]
        vectors = np.array(counts, dtype=np.float32).reshape(len(texts), 26)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def usage_of(self, text: str, *, query: bool = True) -> Usage | None:
        return None

    def close(self) -> None:
        pass


def item(own: str, text: str, cluster: str | None = None) -> Item:
    return Item(id=own, text=text, target="x", cluster=cluster)


ROWS = (
    item("a", "my card was declined at the shop"),
    item("b", "the payment with my card failed", "acme"),
    item("c", "where can I export invoices", "acme"),
    item("d", "please close my account"),
    item("e", "My card was  declined at the shop"),
    item("f", "zebra quiz"),
)


def ids(found: list[tuple]) -> list[list[str]]:
    return [[neighbour.item_id for neighbour in row] for row in found]


def test_nearest_first_with_ranks_from_one() -> None:
    index = TrainingIndex.build(ROWS, LetterCounts())
    [found] = index.retriever.search("card declined at shop", 4)
    assert [n.rank for n in found] == [1, 2, 3, 4]
    assert [n.score for n in found] == sorted((n.score for n in found), reverse=True)
    assert found[0].item_id == "a"


def test_fused_is_the_fusion_of_the_two() -> None:
    index = TrainingIndex.build(ROWS, LetterCounts())
    query = "export my card invoices"
    place = {row.id: n for n, row in enumerate(ROWS)}
    both = [
        ids(index.retriever.search(query, 6, mode=mode))[0] for mode in (SearchMode.LEXICAL, SearchMode.DENSE)
    ]
    expected = reciprocal_rank_fusion([[place[own] for own in ranking] for ranking in both])
    [found] = index.retriever.search(query, 6)
    assert [(place[n.item_id], n.score) for n in found] == expected


def test_dense_scores_are_cosines() -> None:
    model = LetterCounts()
    index = TrainingIndex.build(ROWS, model)
    [found] = index.retriever.search("zebra", 6, mode=SearchMode.DENSE)
    query = model.embed(["zebra"])[0]
    for neighbour in found:
        row = next(row for row in ROWS if row.id == neighbour.item_id)
        assert neighbour.score == pytest.approx(float(model.embed([row.text])[0] @ query), abs=1e-5)


def test_one_text_and_many_find_the_same() -> None:
    index = TrainingIndex.build(ROWS, LetterCounts())
    texts = [row.text for row in ROWS]
    assert index.retriever.search(texts, 3) == [index.retriever.search(text, 3)[0] for text in texts]
    assert index.retriever.search([], 3) == []


def test_smaller_k_is_a_prefix() -> None:
    index = TrainingIndex.build(ROWS, LetterCounts())
    [six], [two] = index.retriever.search("my card", 6), index.retriever.search("my card", 2)
    assert six[:2] == two


def test_own_row_cluster_and_equal_texts_are_left_out() -> None:
    index = TrainingIndex.build(ROWS, LetterCounts())
    found = ids(index.search_without_self(ROWS, 6))
    assert set(found[0]) == {"b", "c", "d", "f"}
    assert set(found[1]) == {"a", "d", "e", "f"}
    outsider = item("dev", "close the account", None)
    assert ids(index.search_without_self([outsider], 6)) == ids(index.retriever.search(outsider.text, 6))


def test_without_an_embedder_it_is_lexical_and_says_so() -> None:
    index = TrainingIndex.build(ROWS)
    assert index.retriever.default_mode is SearchMode.LEXICAL
    assert "no embedding model was given" in index.describe()
    assert ids(index.retriever.search(["invoices", "unheard"], 3)) == [["c"], []]
    for mode in (SearchMode.DENSE, SearchMode.FUSED):
        with pytest.raises(UsageError, match="no vectors"):
            index.retriever.search("card", 3, mode=mode)


def test_description_names_model_and_fusion() -> None:
    described = TrainingIndex.build(ROWS, LetterCounts()).describe()
    assert "letter-counts (26-d)" in described
    assert "RRF (k=60)" in described


def test_bad_requests() -> None:
    with pytest.raises(UsageError, match="no training rows"):
        TrainingIndex.build([])
    with pytest.raises(UsageError, match="must be positive"):
        TrainingIndex.build(ROWS).retriever.search("card", 0)


def test_digest_changes_with_rows_and_embedder_only() -> None:
    base = index_digest(ROWS, LetterCounts())
    assert base == TrainingIndex.build(ROWS, LetterCounts()).digest
    assert base != index_digest(ROWS[:-1], LetterCounts())
    assert base != index_digest(ROWS, LetterCounts("2"))
    assert base != index_digest(ROWS, None)


@pytest.mark.parametrize("with_model", [True, False])
def test_saved_and_loaded_it_finds_the_same(tmp_path: Path, with_model: bool) -> None:
    model = LetterCounts() if with_model else None
    index = TrainingIndex.build(ROWS, model)
    index.save(tmp_path / "i")
    again = TrainingIndex.load(tmp_path / "i", ROWS, model)
    assert again.digest == index.digest
    assert again.retriever.search("my card", 4) == index.retriever.search("my card", 4)
    assert again.search_without_self(ROWS, 4) == index.search_without_self(ROWS, 4)


def test_cache_embeds_the_rows_once(tmp_path: Path) -> None:
    model = LetterCounts()
    TrainingIndex.load_or_build(tmp_path, ROWS, model)
    TrainingIndex.load_or_build(tmp_path, ROWS, model)
    assert model.calls == 1


def test_stored_index_of_other_rows_is_refused(tmp_path: Path) -> None:
    TrainingIndex.build(ROWS).save(tmp_path / "i")
    with pytest.raises(StoreError, match="other rows"):
        TrainingIndex.load(tmp_path / "i", ROWS[1:], None)
    with pytest.raises(StoreError, match="cannot be read"):
        TrainingIndex.load(tmp_path / "none", ROWS, None)


@pytest.mark.parametrize("damage", ["index.json", "vectors.npy", "bm25/data.npy", "bm25/vocabulary.json"])
def test_damaged_index_is_refused_and_rebuilt_by_the_cache(tmp_path: Path, damage: str) -> None:
    model = LetterCounts()
    index = TrainingIndex.load_or_build(tmp_path, ROWS, model)
    [folder] = tmp_path.iterdir()
    (folder / damage).write_bytes(b"[]")
    with pytest.raises(StoreError):
        TrainingIndex.load(folder, ROWS, model)
    again = TrainingIndex.load_or_build(tmp_path, ROWS, model)
    assert again.retriever.search("my card", 3) == index.retriever.search("my card", 3)
    assert json.loads((folder / "index.json").read_text())["digest"] == index.digest


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        TrainingIndex.build(ROWS).save(tmp_path / "file")


def test_vectors_must_be_finite_and_two_dimensional() -> None:
    with pytest.raises(ValueError, match="finite"):
        DenseIndex(np.array([[np.nan, 1.0]], dtype=np.float32))
    with pytest.raises(ValueError, match="shape"):
        DenseIndex(np.zeros(3, dtype=np.float32))


def test_blocks_of_queries_agree_with_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows, queries = (rng.normal(size=(n, 8)).astype(np.float32) for n in (50, 33))
    expected = np.round(queries @ rows.T, 5)
    monkeypatch.setattr("harness.knowledge.dense._BLOCK_BYTES", 50 * 4 * 7)
    assert np.array(list(DenseIndex(rows).scores(queries))) == pytest.approx(expected, abs=2e-5)
