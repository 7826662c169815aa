"""The documents that questions are about: their passages, indexed once, and where evidence stands in them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from harness.bakeoff.run_folder import PASSAGES, RunFolder
from harness.core.context import Context
from harness.core.errors import StoreError
from harness.core.files import write_atomically
from harness.core.records import Evalset, Finding, Item, Passage
from harness.core.references import Reference
from harness.core.serial import decode, encode
from harness.core.wording import counted
from harness.data.problems import shorten
from harness.knowledge.choosing import Quote, holding
from harness.knowledge.documents import source_of
from harness.knowledge.passage_index import (
    IndexSettings,
    PassageIndex,
    build_index,
    earlier_index,
    save_index,
)
from harness.models.base import EmbeddingModel

MOST_NAMED = 5
"""Files, or pieces of evidence, that a finding names."""


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

    found = dataclasses.replace(
        evalset, train=placed(evalset.train), dev=placed(evalset.dev), test=placed(evalset.test)
    )
    said = (*_of_documents(index), *_of_evidence(found, index))
    return dataclasses.replace(found, findings=(*evalset.findings, *said))


def _of_documents(index: PassageIndex) -> Iterator[Finding]:
    """How many documents were read, and which were left out and why."""
    read, skipped = index.record.documents, index.record.skipped
    lead = counted(len(read), "document was read", "documents were read")
    message = f"{lead} and cut into {counted(len(index), 'passage', 'passages')}."
    yield Finding(code="documents", severity="note", message=message)
    if skipped:
        named = ", ".join(
            f"{one.document} ({one.reason.value.replace('-', ' ')})" for one in skipped[:MOST_NAMED]
        )
        more = f" and {len(skipped) - MOST_NAMED:,} more" if len(skipped) > MOST_NAMED else ""
        lead = counted(len(skipped), "file was left out", "files were left out")
        message = f"{lead}, so that nothing is found there: {named}{more}."
        yield Finding(code="documents-left-out", severity="warning", message=message)


def _of_evidence(evalset: Evalset, index: PassageIndex) -> Iterator[Finding]:
    """Evidence that stands nowhere: a document that was not read, or a quote that is not in its document."""
    there = {passage.document for passage in index.passages} | index.copies.keys()
    missing = [
        (item.id, quote)
        for item in (*evalset.train, *evalset.dev, *evalset.test)
        if isinstance(item.target, Reference)
        for quote in item.target.evidence
        if not quote.passages
    ]
    for unread, what in (
        (True, "in a document that is not there or was not read"),
        (False, "in no passage of its document word for word, or over the end of one"),
    ):
        found = [(name, quote) for name, quote in missing if (quote.document not in there) is unread]
        if found:
            shown = "; ".join(
                f"{name} ({quote.document}: {shorten(quote.quote)})" for name, quote in found[:MOST_NAMED]
            )
            more = f"; and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
            lead = counted(len(found), "piece of evidence stands", "pieces of evidence stand")
            yield Finding(
                code="evidence-missing",
                severity="warning",
                message=f"{lead} {what}, so that nothing counts as finding it: {shown}{more}.",
                item_ids=tuple(dict.fromkeys(name for name, _ in found))[:20],
            )


def _placed(target: object, index: PassageIndex) -> Reference:
    assert isinstance(target, Reference), "questions have references"
    evidence = tuple(
        dataclasses.replace(one, passages=holding(index, Quote(document=one.document, quote=one.quote)))
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
