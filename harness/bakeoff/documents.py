"""The documents that questions are about: their passages, indexed once, and where evidence stands in them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence

from harness.bakeoff.run_folder import PASSAGES, RunFolder
from harness.core.context import Context
from harness.core.errors import StoreError
from harness.core.files import write_atomically
from harness.core.records import Evalset, Item, Passage
from harness.core.references import Reference
from harness.core.serial import decode, encode
from harness.knowledge.choosing import Quote, holds
from harness.knowledge.documents import source_of
from harness.knowledge.passage_index import (
    IndexSettings,
    PassageIndex,
    build_index,
    earlier_index,
    save_index,
)
from harness.models.base import EmbeddingModel


def open_passages(documents: str, embedding: EmbeddingModel | None, context: Context) -> PassageIndex:
    """The index of documents as they are now; what was read and embedded earlier is not read again.

    Args:
        documents: a folder, a file or a glob.

    Raises:
        UsageError: there is no such folder.
        DataError: no document can be read.
        StoreError: the cache cannot be written.
        MissingExtra: what reads documents is not installed.
    """
    source = source_of(documents)
    name = "" if embedding is None else embedding.identity.id
    known = hashlib.sha256(f"{source.root}\n{source.pattern}\n{name}".encode()).hexdigest()[:32]
    folder = context.cache / "indexes" / f"documents-{known}"
    try:
        earlier = earlier_index(folder)
    except StoreError:  # none yet, or a damaged one
        earlier = None
    settings = IndexSettings(embedding=name)
    index, changes = build_index(
        source, settings, embedding, context.clock(), earlier=earlier, progress=context.progress
    )
    if earlier is None or changes.new or changes.gone or changes.embedded:
        save_index(index, folder)
    return index


def with_evidence(evalset: Evalset, index: PassageIndex) -> Evalset:
    """The evalset with the passages that hold the quotes of its evidence."""

    def placed(items: Sequence[Item]) -> tuple[Item, ...]:
        return tuple(dataclasses.replace(item, target=_placed(item.target, index)) for item in items)

    return dataclasses.replace(
        evalset, train=placed(evalset.train), dev=placed(evalset.dev), test=placed(evalset.test)
    )


def _placed(target: object, index: PassageIndex) -> Reference:
    assert isinstance(target, Reference), "questions have references"
    evidence = tuple(
        dataclasses.replace(
            one,
            passages=tuple(
                passage.id
                for passage in index.passages
                if passage.document == one.document
                and holds(passage, Quote(document=one.document, quote=one.quote))
            ),
        )
        for one in target.evidence
    )
    return dataclasses.replace(target, evidence=evidence)


def store_passages(folder: RunFolder, passages: Iterable[Passage]) -> None:
    """Keep the passages that arms were shown in their run; without any there is no such file."""
    lines = "".join(f"{encode(passage)}\n" for passage in passages)
    if lines:
        write_atomically(folder.root / PASSAGES, lines)


def stored_passages(folder: RunFolder) -> dict[str, Passage]:
    """The passages that arms were shown, by id; none in a run from before they were stored.

    Raises:
        StoreError: they cannot be read.
    """
    path = folder.root / PASSAGES
    if not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{PASSAGES} of run {folder.run_id} cannot be read: {error}.") from error
    return {passage.id: passage for passage in (decode(Passage, line) for line in lines)}
