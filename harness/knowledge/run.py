"""Build, update and open an index with the models and the clock of a command."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.context import Context
from harness.core.errors import DataError, MissingExtra, ModelUnavailable, UsageError
from harness.core.records import Passage
from harness.knowledge.choosing import EvidencedQuestion, TriedMode, choose_search, try_modes
from harness.knowledge.documents import Source
from harness.knowledge.drafting import SHORTEST, DraftedQuestions, KeptDrafts, draft, drawn
from harness.knowledge.passage_index import (
    Changes,
    IndexRecord,
    IndexSettings,
    PassageIndex,
    build_index,
    check_place,
    earlier_index,
    load_index,
    read_index_record,
    save_index,
)
from harness.models.base import EmbeddingModel
from harness.models.open import open_chat, open_embedding
from harness.models.settings import ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What a build or an update made of an index.

    Attributes:
        seconds: wall clock of reading, embedding, indexing and writing; the model's loading is not in it.
        tried: the modes on the questions that one was chosen by; () where none were given.
    """

    folder: str
    record: IndexRecord
    changes: Changes
    seconds: float
    tried: tuple[TriedMode, ...] = ()


def build(
    source: Source,
    settings: IndexSettings,
    folder: Path,
    context: Context,
    questions: Sequence[EvidencedQuestion] = (),
) -> IndexReport:
    """Build an index and write it into a folder.

    Args:
        questions: dev questions by which the search is chosen, where the settings name none.

    Raises:
        DataError: no document can be read.
        UsageError: the folder holds something else.
        StoreError: it cannot be written.
    """
    check_place(folder)
    embedding = None
    try:
        embedding = _model(settings, context)
    except (ModelUnavailable, MissingExtra) as error:
        context.progress.waiting(f"no embedding model, lexical search only: {error.what}")
        settings = replace(settings, embedding="")
    begun = time.perf_counter()
    index, changes = build_index(source, settings, embedding, context.clock(), progress=context.progress)
    tried: tuple[TriedMode, ...] = ()
    if questions and settings.mode is None:
        tried = try_modes(index, questions)
        chosen = choose_search(tried, index.record.reads)
        index.record = replace(index.record, settings=replace(settings, chosen=chosen))
    record = save_index(index, folder)
    return _report(folder, record, changes, begun, tried)


def update(folder: Path, context: Context) -> IndexReport:
    """Bring an index up to date with its documents, by the settings it was built with.

    Raises:
        DataError: the folder of the documents is not there, or none can be read; the index stays as it was.
        StoreError: the index is not there, is damaged, or cannot be written.
        ModelUnavailable: its embedding model is not at hand.
    """
    earlier = earlier_index(folder)
    settings = earlier.record.settings
    embedding = _model(settings, context)
    begun = time.perf_counter()
    index, changes = build_index(
        earlier.record.source,
        settings,
        embedding,
        context.clock(),
        earlier=earlier,
        progress=context.progress,
    )
    return _report(folder, save_index(index, folder), changes, begun)


def open_index(folder: Path, context: Context) -> PassageIndex:
    """An index to search in.

    Raises:
        StoreError: it is not there, is damaged, or its vectors are another model's.
        ModelUnavailable: its embedding model is not at hand.
    """
    return load_index(folder, _model(read_index_record(folder).settings, context))


def passages_to_ask(folder: Path, count: int, seed: int) -> list[Passage]:
    """Passages of an index that questions are drafted about.

    Raises:
        StoreError: the index is not there or is damaged.
        DataError: it has no passage that is long enough.
    """
    passages = drawn(earlier_index(folder).passages, count, seed)
    if not passages:
        raise DataError(
            "No passage is long enough to ask about.", got=folder, allowed=f"{SHORTEST} characters or more"
        )
    return passages


def draft_questions(
    passages: Sequence[Passage], name: str, kept: KeptDrafts, seed: int, context: Context, api_base: str = ""
) -> DraftedQuestions:
    """Draft questions about passages by a model on this machine.

    Args:
        kept: what was drafted before the command was stopped.
        name: of the model; `api_base` the address of one that is served here.

    Raises:
        StoreError: a draft cannot be kept.
        UsageError: the model is not on this machine.
        ModelUnavailable: the model is not at hand.
    """
    opening = ModelSettings(
        cache=context.cache,
        offline=context.offline,
        threads=context.threads,
        api_base=api_base or None,
        seed=seed,
    )
    try:
        chat = open_chat(name, opening)
    except ValueError as error:
        raise UsageError(
            "Drafting shows a model your documents, so that it has to be on this machine.",
            got=name,
            allowed="qwen2.5-coder-1.5b, a folder, a GGUF file, or one served here (--api-base)",
        ) from error
    context.progress.stage(f"Drafting questions with {name}", len(passages))
    try:
        return draft(passages, chat, kept, context.progress.advance)
    finally:
        chat.close()


def _report(
    folder: Path, record: IndexRecord, changes: Changes, begun: float, tried: tuple[TriedMode, ...] = ()
) -> IndexReport:
    spent = time.perf_counter() - begun
    return IndexReport(folder=str(folder), record=record, changes=changes, seconds=spent, tried=tried)


def _model(settings: IndexSettings, context: Context) -> EmbeddingModel | None:
    if not settings.embedding:
        return None
    opening = ModelSettings(cache=context.cache, offline=context.offline, threads=context.threads)
    return open_embedding(settings.embedding, opening)
