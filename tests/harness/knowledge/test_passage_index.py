"""An index of documents: built, kept up to date by content, written whole, and what is withdrawn is gone."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from harness.core.errors import DataError, StoreError, UsageError
from harness.knowledge import passage_index
from harness.knowledge.documents import SkipReason, Source
from harness.knowledge.passage_index import (
    RECORD_FILE,
    Changes,
    IndexSettings,
    PassageIndex,
    build_index,
    earlier_index,
    load_index,
    read_index_record,
    save_index,
    sound_record,
)
from harness.knowledge.retriever import SearchMode
from harness.models.base import EmbeddingModel, Vectors
from tests.harness.knowledge.test_index import LetterCounts
from tests.support.policy_documents import EDITIONS, FOLDER
from tests.support.policy_qa import questions

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SETTINGS = IndexSettings(embedding="letter-counts")


class Noting(LetterCounts):
    """Notes the texts that it embeds."""

    def __init__(self, revision: str = "1") -> None:
        super().__init__(revision)
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        self.texts += texts
        return super().embed(texts)


def built(
    home: Path,
    model: EmbeddingModel | None = None,
    earlier: PassageIndex | None = None,
    settings: IndexSettings = SETTINGS,
) -> tuple[PassageIndex, Changes]:
    return build_index(Source(root=home.resolve()), settings, model or LetterCounts(), NOW, earlier=earlier)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    (folder / "people").mkdir(parents=True)
    (folder / "people" / "leave.md").write_text("# Leave\n\nTwenty days.\n\n# Notice\n\nTwo weeks ahead.\n")
    (folder / "people" / "sick.md").write_text("# Sick\n\nCall before nine.\n")
    (folder / "snow.txt").write_text("Snow days are free.\n")
    return folder


def found(index: PassageIndex, text: str) -> list[str]:
    return [index.by_id[hit.item_id].text for hit in index.search(text, 10)[0]]


def test_a_search_finds_passages_by_id_with_their_place(home: Path) -> None:
    index, changed = built(home)
    assert (changed.added, changed.embedded) == (
        ("people/leave.md", "people/sick.md", "snow.txt"),
        len(index),
    )
    [hits] = index.retriever.search("when do I call", 2, mode=SearchMode.LEXICAL)
    best = index.by_id[hits[0].item_id]
    assert (best.document, best.text, best.id[:15]) == (
        "people/sick.md",
        "# Sick\n\nCall before nine.",
        "people/sick.md#",
    )
    assert index.search([], 3) == []


def test_an_update_embeds_what_changed_and_nothing_else(home: Path) -> None:
    before, _ = built(home)
    (home / "people" / "leave.md").write_text("# Leave\n\nTwenty days.\n\n# Notice\n\nThree weeks ahead.\n")
    model = Noting()
    after, changed = built(home, model, before)
    assert changed.changed == ("people/leave.md",)
    assert (changed.added, changed.withdrawn, changed.unchanged) == ((), (), 2)
    assert all("Three weeks" in text for text in model.texts)
    assert changed.embedded == len(model.texts) == 1
    fresh, _ = built(home)
    assert after.passages == fresh.passages
    assert after.vectors is not None
    assert fresh.vectors is not None
    assert (after.vectors == fresh.vectors).all()


def test_a_changed_file_alone_is_read_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = built(home)
    read: list[str] = []
    real = passage_index.read_document
    monkeypatch.setattr(
        passage_index, "read_document", lambda name, data, most: read.append(name) or real(name, data, most)
    )
    (home / "snow.txt").write_text("Snow days are paid.\n")
    built(home, None, before)
    assert read == ["snow.txt"]


def test_what_is_withdrawn_is_gone_from_answers_and_from_the_disk(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index, _ = built(home)
    save_index(index, folder)
    (home / "people" / "sick.md").unlink()
    (home / "people" / "leave.md").write_text("# Leave\n\nTwenty days.\n")
    after, changed = built(home, None, earlier_index(folder))
    assert (changed.withdrawn, changed.gone) == (("people/sick.md",), 2)
    save_index(after, folder)
    opened = load_index(folder, LetterCounts())
    for question in ("call before nine", "two weeks ahead notice"):
        for mode in SearchMode:
            hits = opened.retriever.search(question, 10, mode=mode)[0]
            texts = [opened.by_id[hit.item_id].text for hit in hits]
            assert not any("nine" in text or "weeks" in text for text in texts)
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"before nine" not in stored
    assert b"weeks" not in stored


def test_a_file_that_cannot_be_read_any_more_leaves_the_index_and_is_named(home: Path) -> None:
    before, _ = built(home)
    (home / "people" / "sick.md").write_bytes(b"\x80 broken")
    after, changed = built(home, None, before)
    assert changed.withdrawn == ("people/sick.md",)
    assert [(one.document, one.reason) for one in after.record.skipped] == [
        ("people/sick.md", SkipReason.ENCODING)
    ]


def test_a_moved_file_is_not_embedded_again(home: Path) -> None:
    before, _ = built(home)
    (home / "snow.txt").rename(home / "weather.txt")
    after, changed = built(home, None, before)
    assert (changed.added, changed.withdrawn, changed.embedded) == (("weather.txt",), ("snow.txt",), 0)
    assert after.passages[-1].document == "weather.txt"


def test_ten_thousand_files_with_the_same_words_are_one_document(tmp_path: Path) -> None:
    home = tmp_path / "many"
    home.mkdir()
    for number in range(10_000):
        (home / f"{number:05}.txt").write_bytes(b"Snow days are free.")
    index, changed = built(home)
    [document] = index.record.documents
    assert (len(index), changed.embedded, len(document.copies)) == (1, 1, 9_999)
    (home / "00000.txt").unlink()
    after, changed = built(home, None, index)
    assert [one.id for one in after.record.documents] == ["00001.txt"]
    assert changed.embedded == 0


def test_an_empty_folder_is_an_error_and_leaves_an_index_as_it_was(home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="No document can be read") as caught:
        built(empty)
    assert "no files" in str(caught.value)
    index, _ = built(home)
    for path in home.rglob("*.*"):
        path.unlink()
    (home / "photo.png").write_bytes(b"x")
    with pytest.raises(DataError, match="stays as it was") as caught:
        built(home, None, index)
    assert "1 other-kind" in str(caught.value)


def test_another_way_of_cutting_reads_all_anew_and_another_model_embeds_all_anew(home: Path) -> None:
    before, _ = built(home)
    _, changed = built(home, LetterCounts("2"), before)
    assert changed.embedded == len(before)
    shorter, changed = built(home, None, before, IndexSettings(embedding="letter-counts", max_chars=20))
    assert len(shorter) > len(before)
    assert all(len(one.text) <= 20 for one in shorter.passages)


def test_saved_and_read_it_finds_the_same(home: Path, tmp_path: Path) -> None:
    (home / "odd.txt").write_text("A line\u2028and \x85 another one about snow.")
    index, _ = built(home)
    save_index(index, tmp_path / "index")
    opened = load_index(tmp_path / "index", LetterCounts())
    assert opened.passages == index.passages
    for mode in SearchMode:
        assert opened.retriever.search("snow days", 5, mode=mode) == index.retriever.search(
            "snow days", 5, mode=mode
        )


def test_without_an_embedding_model_it_is_lexical(home: Path, tmp_path: Path) -> None:
    settings = IndexSettings(embedding="")
    index, changed = build_index(Source(root=home.resolve()), settings, None, NOW)
    save_index(index, tmp_path / "index")
    opened = load_index(tmp_path / "index", None)
    assert (str(opened.record.search), changed.embedded) == ("lexical", 0)
    assert found(opened, "snow")[0] == "Snow days are free."
    assert "lexical only" in opened.describe()


def test_the_mode_is_a_setting_of_the_index(home: Path) -> None:
    settings = IndexSettings(embedding="letter-counts", mode=SearchMode.LEXICAL)
    index, _ = built(home, settings=settings)
    assert index.search("snow", 3) == index.retriever.search("snow", 3, mode=SearchMode.LEXICAL)
    assert index.search("snow", 3) != index.retriever.search("snow", 3, mode=SearchMode.DENSE)


def test_a_write_that_fails_leaves_the_index_as_it_was(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    index, _ = built(home)
    save_index(index, folder)
    kept = read_index_record(folder)
    (home / "snow.txt").write_text("Snow days are paid.\n")
    after, _ = built(home, None, index)
    after.record = passage_index.replace(after.record, built_at=NOW + timedelta(hours=1))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(passage_index.np, "save", full)
        with pytest.raises(StoreError, match="No space left"):
            save_index(after, folder)
    assert read_index_record(folder) == kept
    assert found(load_index(folder, LetterCounts()), "snow free paid")[0] == "Snow days are free."


def test_updates_at_once_leave_a_whole_index(home: Path, tmp_path: Path) -> None:
    """Each writer deletes what the one before wrote; without waiting they delete each other's."""
    folder = tmp_path / "index"
    index, _ = built(home)
    save_index(index, folder)
    faults: list[StoreError | OSError] = []

    def write(writer: int) -> None:
        for turn in range(8):
            after, _ = built(home, None, index)
            at = NOW + timedelta(hours=1, seconds=turn, microseconds=writer)
            after.record = passage_index.replace(after.record, built_at=at)
            try:
                save_index(after, folder)
                load_index(folder, LetterCounts())  # a reader finds the old index or the new one
            except (StoreError, OSError) as error:
                faults.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert faults == []
    assert sound_record(folder).passages == len(load_index(folder, LetterCounts()))
    assert len(list(folder.glob("passages-*"))) == 1


def test_an_index_that_lost_its_passages_is_not_shown_as_whole(home: Path, tmp_path: Path) -> None:
    save_index(built(home)[0], tmp_path / "index")
    shutil.rmtree(tmp_path / "index" / read_index_record(tmp_path / "index").passages_folder)
    with pytest.raises(StoreError, match="cannot be read"):
        sound_record(tmp_path / "index")


def test_whoever_waits_too_long_for_an_index_is_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, folder = built(home)[0], tmp_path / "index"
    save_index(index, folder)
    monkeypatch.setattr(passage_index, "_LOCK_WAIT_S", 0.0)
    with FileLock(folder / ".lock"), pytest.raises(StoreError, match="Another process"):
        save_index(index, folder)


def test_what_is_not_an_index_says_so(home: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no index here"):
        load_index(tmp_path / "nowhere", None)
    with pytest.raises(UsageError, match="holds something else"):
        save_index(built(home)[0], home)
    folder = tmp_path / "index"
    save_index(built(home)[0], folder)
    with pytest.raises(StoreError, match="another embedding model"):
        load_index(folder, LetterCounts("2"))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    [passages] = copy.glob("passages-*/passages.jsonl")
    passages.write_text(passages.read_text().replace("Twenty", "Thirty"))
    with pytest.raises(StoreError, match="cannot be read"):
        load_index(copy, LetterCounts())
    (folder / RECORD_FILE).write_text("{}")
    with pytest.raises(StoreError, match="cannot be read"):
        read_index_record(folder)


def test_facts_that_an_edition_withdrew_are_gone(tmp_path: Path) -> None:
    """From January's handbook to July's in one folder, by an update alone."""
    home = tmp_path / "handbook"
    first, second = (FOLDER / f"edition-{edition}" for edition in EDITIONS)
    shutil.copytree(first, home)
    before, _ = built(home)
    shutil.rmtree(home)
    shutil.copytree(second, home)
    model = Noting()
    after, changed = built(home, model, before)
    fresh, _ = built(home)
    assert after.passages == fresh.passages
    assert changed.withdrawn == ("customers/brindle-migration.md",)
    assert changed.added == ("security/ai-tools.md",)
    assert 0 < changed.embedded == changed.new < len(after) / 2
    old_texts = {one.whole for one in before.passages}
    assert not old_texts & set(model.texts)
    gone = {one.whole for one in before.passages} - {one.whole for one in fresh.passages}
    asked = [q.question for q in questions("test") if q.kinds[0] in ("changed", "withdrawn")]
    for mode in SearchMode:
        for row in after.retriever.search(asked, 20, mode=mode):
            assert not any(after.by_id[hit.item_id].whole in gone for hit in row)
    texts = "\n".join(one.whole for one in after.passages)
    assert "moving house: one day" in "\n".join(old_texts)
    assert "moving house: one day" not in texts


def test_the_words_of_a_documents_path_are_searched(tmp_path: Path) -> None:
    (tmp_path / "offices").mkdir()
    for town in ("new-york", "chicago"):
        (tmp_path / "offices" / f"{town}.md").write_text(f"Badges are on floor {len(town)}.")
    index, _ = build_index(Source(root=tmp_path.resolve()), IndexSettings(embedding=""), None, NOW)
    assert found(index, "badges in new york")[0] == "Badges are on floor 8."
    assert found(index, "badges in chicago")[0] == "Badges are on floor 7."
