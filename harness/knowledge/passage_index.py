"""The index of a folder of documents: built once, kept up to date by the content of the files, searched.

<folder>/knowledge.json              its `IndexRecord`; names the folder of the passages that count
<folder>/passages-<digest>/
    passages.jsonl                   one `Passage` a line, in the order of the vectors
    vectors.npy                      their vectors, where there is an embedding model
    bm25/                            the lexical index
<folder>/.lock                       held while an index is written

`knowledge.json` is replaced last and whole, so a reader finds the old index or the new one, nothing between.
The folder of the old passages is deleted then: what was withdrawn is not on the disk either. Whoever has the
folder can read every passage.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from advisor.money.usage import Usage
from harness.core.context import Progress, Quiet
from harness.core.errors import DataError, MissingExtra, StoreError, UsageError, command
from harness.core.files import make_folder, sha256_of, write_atomically, written_whole
from harness.core.records import ModelIdentity, Neighbour, Passage
from harness.core.serial import decode, encode
from harness.knowledge.dense import DenseIndex
from harness.knowledge.documents import (
    KINDS,
    READ,
    Skipped,
    Source,
    UnreadableDocument,
    bytes_of,
    files_of,
    read_document,
)
from harness.knowledge.language import language_of
from harness.knowledge.lexical import BEGINNINGS, LexicalIndex, words_and_beginnings
from harness.knowledge.retriever import Retriever, SearchChoice, SearchMode, deciding_facts, search_of
from harness.models.base import EmbeddingModel, Vectors
from harness.models.deciding import versions_of

RECORD_FILE, PASSAGES_FILE, VECTORS_FILE = "knowledge.json", "passages.jsonl", "vectors.npy"
MAX_CHARS = 800
MAX_MIB = 64
_SCHEMA = 1
_BATCH = 256
_RARE = 20
_READ_FOR_LANGUAGE = 5  # passages of a document
_LOCK = ".lock"
_LOCK_WAIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """What an index is built with; an update takes them from the index.

    Attributes:
        embedding: the embedding model's name, '' for lexical search alone.
        mode: which scores rank the passages for every question; None lets `chosen` say it.
        chosen: the search by the question's language, as dev questions chose it; None where there were none.
        embedding_base: the address of one's own server that serves it; '' where none does.
        max_chars: characters of a passage at most, headings apart.
        max_mib: MiB of a file at most; a larger one is skipped.
    """

    embedding: str = "minilm-l6"
    embedding_base: str = ""
    mode: SearchMode | None = None
    max_chars: int = MAX_CHARS
    max_mib: float = MAX_MIB
    chosen: SearchChoice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedDocument:
    """A document in the index.

    Attributes:
        id: its path in the folder.
        digest: sha256 of its bytes.
        passages: how many it was cut into.
        copies: other files with the same bytes; they are in the index once, as this one.
        language: it is in, as an ISO 639-1 code; '' where that is not clear.
    """

    id: str
    digest: str
    size: int
    passages: int
    copies: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRecord:
    """What an index is of, and how it was made.

    Attributes:
        root, pattern: where its documents come from.
        read_by: what reads and cuts documents, with versions; another one reads all of them anew.
        embedding: the model of the vectors; reads: the languages that it says it reads, () where it does not.
        passages_folder: its folder beside the record.
        digests: sha256 of the files in it, by name.
    """

    schema: int = _SCHEMA
    built_at: datetime
    root: str
    pattern: str
    settings: IndexSettings
    read_by: dict[str, str]
    tokeniser: str
    embedding: ModelIdentity | None
    documents: tuple[IndexedDocument, ...]
    skipped: tuple[Skipped, ...]
    passages: int
    passages_folder: str
    digests: dict[str, str]
    reads: tuple[str, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of its documents, the commonest first, without those of fewer than one in twenty."""
        counts = Counter(one.language for one in self.documents if one.language)
        return tuple(one for one, count in counts.most_common() if count * _RARE >= len(self.documents))

    @property
    def search(self) -> SearchChoice:
        """Which search answers a question: as set, as dev chose, else by what the embedding model reads."""
        if self.settings.mode is not None:
            return SearchChoice(mode=self.settings.mode)
        if self.embedding is None:
            return SearchChoice(mode=SearchMode.LEXICAL)
        return self.settings.chosen or search_of(SearchMode.FUSED, {}, self.reads)

    @property
    def source(self) -> Source:
        """Where its documents come from."""
        return Source(root=Path(self.root), pattern=self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What an update did: documents by name, passages by number.

    Attributes:
        withdrawn: documents that were in the index and are not any more: gone, or not readable now.
        embedded: passages that were embedded; the others' vectors stood in the index.
        gone: passages that are not found any more.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    unchanged: int = 0
    embedded: int = 0
    gone: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class _Reading:
    """What reading a source gave."""

    documents: tuple[IndexedDocument, ...]
    passages: tuple[Passage, ...]
    skipped: tuple[Skipped, ...]


class PassageIndex:
    """Passages of documents, searchable by text."""

    def __init__(
        self,
        record: IndexRecord,
        passages: Sequence[Passage],
        lexical: LexicalIndex,
        dense: DenseIndex | None,
        embedding: EmbeddingModel | None,
    ) -> None:
        """Take what `build_index` makes and `load_index` reads; `passages` in the order of both indexes."""
        self.record = record
        self.passages = tuple(passages)
        self.by_id: Mapping[str, Passage] = {passage.id: passage for passage in self.passages}
        self.retriever = Retriever([passage.id for passage in self.passages], lexical, dense, embedding)

    def __len__(self) -> int:
        return len(self.passages)

    @cached_property
    def copies(self) -> Mapping[str, str]:
        """Files with the same bytes as another: the name under which they are indexed, by their own."""
        return {copy: one.id for one in self.record.documents for copy in one.copies}

    @property
    def vectors(self) -> Vectors | None:
        """The passages' vectors in their order; None without an embedding model."""
        return None if self.retriever.dense is None else self.retriever.dense.vectors

    @property
    def facts(self) -> dict[str, object]:
        """Everything that decides what a search finds, the passages by their digest."""
        passages = json.dumps([[one.id, one.whole] for one in self.passages])
        return {
            "passages": hashlib.sha256(passages.encode()).hexdigest(),
            **deciding_facts(BEGINNINGS, self.record.embedding),
            "languages": [list(self.record.reads), list(self.record.languages)],
            **dict(versions_of("bm25s", "numpy", "py3langid")),
        }

    def language(self, question: str) -> str:
        """The language of a question; where it is not clear, one of the documents'."""
        return language_of(question, self.record.languages)

    def describe(self, search: SearchChoice | None = None) -> str:
        """How passages are found, a sentence a search.

        Args:
            search: the index's own when None.
        """
        search = search or self.record.search
        rows = f"{len(self):,} passages"
        named: dict[SearchMode, list[str]] = {}
        for code, own in search.by_language:
            named.setdefault(own, []).append(code)
        told = [
            f"questions in {', '.join(codes)}: {self.retriever.describe(rows, mode)}"
            for mode, codes in named.items()
        ]
        others = self.retriever.describe(rows, search.mode)
        return "; ".join([*told, f"in other languages: {others}" if told else others])

    def search(
        self, texts: str | Sequence[str], k: int, *, search: SearchChoice | None = None
    ) -> list[tuple[Neighbour, ...]]:
        """The k nearest passages of each text, nearest first; fewer where fewer match.

        Args:
            search: the index's own when None.

        Raises:
            UsageError: k is below 1, or the search needs an embedding model and there is none.
        """
        search = search or self.record.search
        asked = [texts] if isinstance(texts, str) else list(texts)
        if not search.by_language:
            return self.retriever.search(asked, k, mode=search.mode)
        modes = [search.of(self.language(text)) for text in asked]
        found: dict[int, tuple[Neighbour, ...]] = {}
        for mode in dict.fromkeys(modes):
            places = [place for place, own in enumerate(modes) if own is mode]
            hits = self.retriever.search([asked[place] for place in places], k, mode=mode)
            found.update(zip(places, hits, strict=True))
        return [found[place] for place in range(len(asked))]

    @property
    def indexed(self) -> Usage | None:
        """What embedding the passages used of a service; None where none was asked."""
        return self.retriever.indexed([passage.whole for passage in self.passages])

    def usage_of(self, text: str, search: SearchChoice) -> Usage | None:
        """What embedding a query used of a service; None where none was asked."""
        mode = search.of(self.language(text)) if search.by_language else search.mode
        return self.retriever.usage_of(text, mode)


def build_index(
    source: Source,
    settings: IndexSettings,
    embedding: EmbeddingModel | None,
    now: datetime,
    *,
    earlier: PassageIndex | None = None,
    progress: Progress | None = None,
) -> tuple[PassageIndex, Changes]:
    """Read, cut and index the documents of a source.

    Args:
        embedding: the model of the vectors; None for lexical search alone.
        earlier: an index of the same documents as they were: files with the same bytes are not read again,
            and passages that stand in it are not embedded again.

    Raises:
        DataError: the folder is not there, or no document in it can be read.
        MissingExtra: kreuzberg or bm25s is not installed.
    """
    progress = progress or Quiet()
    read_by = {"read": READ, "max_chars": str(settings.max_chars), **dict(versions_of("kreuzberg"))}
    usable = earlier if earlier is not None and earlier.record.read_by == read_by else None
    read = _read_source(source, settings, usable, progress)
    if not read.passages:
        raise _no_documents(source, read.skipped, earlier)
    identity = None if embedding is None else embedding.identity
    dense, embedded = None, 0
    if embedding is not None:
        known = {} if earlier is None or earlier.record.embedding != identity else _vectors_by_text(earlier)
        vectors, embedded = _vectors(read.passages, known, embedding, progress)
        dense = DenseIndex(vectors)
    record = IndexRecord(
        built_at=now,
        root=str(source.root),
        pattern=source.pattern,
        settings=settings,
        read_by=read_by,
        tokeniser=BEGINNINGS,
        embedding=identity,
        reads=() if embedding is None else embedding.languages,
        documents=read.documents,
        skipped=read.skipped,
        passages=len(read.passages),
        passages_folder="",
        digests={},
    )
    index = PassageIndex(record, read.passages, _lexical(read.passages, earlier), dense, embedding)
    return index, _changes(earlier, index, embedded)


def _lexical(passages: Sequence[Passage], earlier: PassageIndex | None) -> LexicalIndex:
    """The index of words of passages: the earlier one where they are the same."""
    same = earlier is not None and earlier.record.tokeniser == BEGINNINGS and earlier.passages == passages
    if earlier is not None and same:
        return earlier.retriever.lexical
    return LexicalIndex.build(map(_searched, passages), words_and_beginnings)


def _searched(passage: Passage) -> str:
    """What is searched by words: the words of the document's path too, which often says what it is about."""
    named = re.sub(r"[\W_]+", " ", passage.document.rpartition(".")[0])
    return f"{named}\n{passage.whole}"


def _no_documents(source: Source, skipped: Sequence[Skipped], earlier: PassageIndex | None) -> DataError:
    counts = Counter(one.reason.value for one in skipped)
    got = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "no files"
    kept = "" if earlier is None else " The index stays as it was; delete its folder if this is meant."
    return DataError(
        f"No document can be read.{kept}",
        got=f"{source.root}/{source.pattern}: {got}",
        allowed=f"files with text in them: {', '.join(KINDS)}",
    )


def _read_source(
    source: Source, settings: IndexSettings, earlier: PassageIndex | None, progress: Progress
) -> _Reading:
    names, skipped = files_of(source)
    known = {} if earlier is None else _passages_by_content(earlier)
    spoken = {} if earlier is None else {one.id: one.language for one in earlier.record.documents}
    met: dict[tuple[str, str], str] = {}  # content and kind -> the first document that has them
    documents: dict[str, IndexedDocument] = {}
    passages: list[Passage] = []
    progress.stage("Reading documents", len(names))
    for name in names:
        progress.advance(1)
        try:
            data = bytes_of(source.root / name, int(settings.max_mib * 2**20))
            digest = hashlib.sha256(data).hexdigest()
            first = met.setdefault((digest, Path(name).suffix.lower()), name)
            if first in documents:
                like = documents[first]
                documents[first] = replace(like, copies=(*like.copies, name))
                continue
            before = known.get((name, digest))
            own = before or read_document(name, data, settings.max_chars).passages
            passages += own
            language = spoken.get(name, "") if before else ""
            documents[name] = IndexedDocument(
                id=name,
                digest=digest,
                size=len(data),
                passages=len(own),
                language=language or language_of(" ".join(one.text for one in own[:_READ_FOR_LANGUAGE])),
            )
        except UnreadableDocument as error:
            skipped.append(Skipped(document=name, reason=error.reason, detail=error.detail))
    skipped.sort(key=lambda one: one.document)
    return _Reading(tuple(documents.values()), tuple(passages), tuple(skipped))


def _passages_by_content(index: PassageIndex) -> dict[tuple[str, str], tuple[Passage, ...]]:
    found: dict[str, list[Passage]] = {}
    for passage in index.passages:
        found.setdefault(passage.document, []).append(passage)
    return {(one.id, one.digest): tuple(found.get(one.id, ())) for one in index.record.documents}


def _vectors_by_text(index: PassageIndex) -> dict[str, Vectors]:
    vectors = index.vectors
    if vectors is None:
        return {}
    return {passage.whole: vector for passage, vector in zip(index.passages, vectors, strict=True)}


def _vectors(
    passages: Sequence[Passage],
    known: Mapping[str, Vectors],
    embedding: EmbeddingModel,
    progress: Progress,
) -> tuple[Vectors, int]:
    """The vectors of passages, in one array, and how many texts were embedded."""
    places: dict[str, list[int]] = {}  # text that is not known -> where it stands
    for place, passage in enumerate(passages):
        if passage.whole not in known:
            places.setdefault(passage.whole, []).append(place)
    new = list(places)
    progress.stage("Embedding passages", len(new))
    found: Vectors | None = None
    size = _BATCH if embedding.identity.location == "local" else max(1, len(new))  # checked before any goes
    for start in range(0, len(new), size):
        batch = new[start : start + size]
        vectors = embedding.embed(batch)
        if found is None:
            found = np.empty((len(passages), vectors.shape[1]), dtype=np.float32)
        for text, vector in zip(batch, vectors, strict=True):
            found[places[text]] = vector
        progress.advance(len(batch))
    if found is None:
        found = np.empty((len(passages), len(next(iter(known.values())))), dtype=np.float32)
    if known:
        for place, passage in enumerate(passages):
            if passage.whole not in places:
                found[place] = known[passage.whole]
    return found, len(new)


def _changes(earlier: PassageIndex | None, index: PassageIndex, embedded: int) -> Changes:
    before = {} if earlier is None else {one.id: one.digest for one in earlier.record.documents}
    after = {one.id: one.digest for one in index.record.documents}
    ids_before = set() if earlier is None else set(earlier.by_id)
    return Changes(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name, digest in after.items() if before.get(name, digest) != digest),
        withdrawn=tuple(name for name in before if name not in after),
        unchanged=sum(before.get(name) == digest for name, digest in after.items()),
        embedded=embedded,
        gone=len(ids_before - set(index.by_id)),
        new=len(set(index.by_id) - ids_before),
    )


def save_index(index: PassageIndex, folder: Path) -> IndexRecord:
    """Write an index whole or not at all, one process at a time; what an earlier one held is deleted.

    Returns:
        Its record as it was written.

    Raises:
        UsageError: the folder holds something else.
        StoreError: it cannot be written; an earlier index is still there then.
        MissingExtra: filelock is not installed.
    """
    check_place(folder)
    make_folder(folder, run="name another folder with --index")
    with _alone(folder):
        return _write(index, folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the index for this process; the system gives it back when the process ends, however it ends."""
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise MissingExtra.of("filelock", "documents") from error
    lock = FileLock(folder / _LOCK, timeout=_LOCK_WAIT_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            "Another process is writing this index.", got=folder, allowed="one process at a time"
        ) from error
    except OSError as error:
        raise StoreError(f"The index cannot be written: {error.strerror}.", got=folder) from error
    try:
        yield
    finally:
        lock.release()


def _write(index: PassageIndex, folder: Path) -> IndexRecord:
    home = folder / f"passages-{index.record.built_at:%Y%m%dT%H%M%S%f}"
    with written_whole(home) as scratch:
        with (scratch / PASSAGES_FILE).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{encode(passage)}\n" for passage in index.passages)
        if index.vectors is not None:
            np.save(scratch / VECTORS_FILE, index.vectors, allow_pickle=False)
        index.retriever.lexical.save(scratch / "bm25")
    record = replace(index.record, passages_folder=home.name, digests=_digests(home))
    write_atomically(folder / RECORD_FILE, encode(record, indent=1) + "\n", run=None)
    for old in folder.glob("passages-*"):
        if old.name != home.name:
            shutil.rmtree(old, ignore_errors=True)
    return record


def check_place(folder: Path) -> None:
    """Check that an index may be written into a folder.

    Raises:
        UsageError: it holds something else.
    """
    if (folder / RECORD_FILE).is_file() or not folder.exists():
        return
    if not folder.is_dir() or any(path.name != _LOCK for path in folder.iterdir()):
        raise UsageError(
            "The folder of the index holds something else.",
            got=folder,
            allowed="a folder that is empty, is not there yet, or holds an index",
        )


def _digests(home: Path) -> dict[str, str]:
    files = sorted(path for path in home.rglob("*") if path.is_file())
    return {path.relative_to(home).as_posix(): sha256_of(path) for path in files}


def read_index_record(folder: Path) -> IndexRecord:
    """What an index is of.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        raise StoreError(
            "There is no index here.", got=folder, run=command("knowledge", "build", "FOLDER", "-o", folder)
        )
    try:
        return decode(IndexRecord, path.read_bytes())
    except (OSError, StoreError) as error:
        raise _damaged(folder, error) from error


def sound_record(folder: Path) -> IndexRecord:
    """What an index is of, where all of its files are those it was written with.

    Raises:
        StoreError: there is none, it cannot be read, or files are missing or changed.
    """
    record = read_index_record(folder)
    if _digests(folder / record.passages_folder) != record.digests:
        raise _damaged(folder, ValueError("its files are not those that its record names"))
    return record


def load_index(folder: Path, embedding: EmbeddingModel | None) -> PassageIndex:
    """Read an index that `save_index` wrote.

    Args:
        embedding: the model named in its settings; None where it has none.

    Raises:
        StoreError: it is not there, is damaged, or its vectors are another model's.
        MissingExtra: bm25s is not installed.
    """
    record = read_index_record(folder)
    identity = None if embedding is None else embedding.identity
    if record.embedding != identity or record.tokeniser != BEGINNINGS:
        raise StoreError(
            "The index was made with another embedding model or tokeniser.",
            got=f"{'no model' if identity is None else identity.id}, {BEGINNINGS}",
            allowed=f"{'no model' if record.embedding is None else record.embedding.id}, {record.tokeniser}",
            run=command("knowledge", "update", "--index", folder),
        )
    return _load(record, folder, embedding)


def earlier_index(folder: Path) -> PassageIndex:
    """An index as it stands, to be brought up to date: it holds its vectors and cannot embed a query.

    Raises:
        StoreError: it is not there, or is damaged.
        MissingExtra: bm25s is not installed.
    """
    return _load(read_index_record(folder), folder, None)


def _load(record: IndexRecord, folder: Path, embedding: EmbeddingModel | None) -> PassageIndex:
    home = folder / record.passages_folder
    try:
        if _digests(home) != record.digests:
            raise ValueError("its files are not those that its record names")
        with (home / PASSAGES_FILE).open(encoding="utf-8", newline="\n") as file:
            passages = [decode(Passage, line) for line in file]
        lexical = LexicalIndex.load(home / "bm25", words_and_beginnings)
        vectors = home / VECTORS_FILE
        dense = DenseIndex(np.load(vectors, allow_pickle=False)) if record.embedding is not None else None
        if len(lexical) != len(passages) or (dense is not None and len(dense) != len(passages)):
            raise ValueError("its parts are of different lengths")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, StoreError) as error:
        current = read_index_record(folder)
        replaced = current.passages_folder != record.passages_folder
        if replaced and current.embedding == record.embedding:  # while it was being read
            return _load(current, folder, embedding)
        raise _damaged(folder, error) from error
    return PassageIndex(record, passages, lexical, dense, embedding)


def _damaged(folder: Path, error: Exception) -> StoreError:
    return StoreError(
        "The index cannot be read; delete its folder and build it again.",
        got=f"{folder}: {' '.join(str(error).split())[:200]}",
        run=command("knowledge", "build", "FOLDER", "-o", folder),
    )
