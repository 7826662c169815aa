"""A vote as it is scored and shipped: the training rows themselves, their vectors, and how they vote.

<folder>/vote.json             its `VoteArtefact` record
<folder>/rows.json             the training rows as they are: [id, text, label]
<folder>/vectors.safetensors   their vectors in that order, where the vote reads vectors

Plain text and numbers; nothing in the folder is run. Whoever has it can read every training row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.artefacts import VoteArtefact
from harness.core.errors import ModelUnavailable, StoreError, needs
from harness.core.files import sha256_of, sha256_or_missing, written_whole
from harness.core.records import Item, ModelIdentity
from harness.core.serial import decode, encode
from harness.knowledge.dense import DenseIndex
from harness.knowledge.index import TrainingIndex
from harness.knowledge.lexical import LexicalIndex
from harness.knowledge.retriever import SearchMode
from harness.knowledge.vote import Vote, VoteProbability, Voters
from harness.models.base import EmbeddingModel, Vectors
from harness.models.deciding import same_versions, versions_of

RECORD_FILE, ROWS_FILE, VECTORS_FILE = "vote.json", "rows.json", "vectors.safetensors"
PACKAGES = ("bm25s", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVote:
    """Training rows that vote on a text: texts in, a distribution over the labels out."""

    index: TrainingIndex
    voters: Voters
    vote: Vote
    certainty: VoteProbability

    @property
    def labels(self) -> tuple[str, ...]:
        """The closed set, in the order of the distribution."""
        return self.voters.labels

    def logprobs(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-probability of each label, a row a text."""
        found = self.index.retriever.search(texts, self.vote.k, mode=self.vote.mode)
        return np.array([self.voters.logprobs(near, self.vote.power, self.certainty) for near in found])


def keep_vote(vote: RowVote, train: Sequence[Item], data_digest: str, folder: Path) -> VoteArtefact:
    """Write a vote into its folder, with its record; an earlier one is replaced.

    Args:
        train: the rows of its index, in that order.

    Raises:
        StoreError: if it cannot be written.
    """
    vectors = None if vote.vote.mode is SearchMode.LEXICAL else vote.index.vectors
    draft = VoteArtefact(
        digest="",
        mode=vote.vote.mode.value,
        k=vote.vote.k,
        power=vote.vote.power,
        even=vote.certainty.even,
        temperature=vote.certainty.temperature,
        embedding=None if vectors is None else vote.index.embedding,
        labels=vote.labels,
        packages=dict(versions_of(*PACKAGES)),
        data_digest=data_digest,
        train_rows=len(train),
    )
    with written_whole(folder) as scratch:
        rows = json.dumps([[item.id, item.text, item.label] for item in train], ensure_ascii=False)
        (scratch / ROWS_FILE).write_text(rows + "\n", encoding="utf-8")
        if vectors is not None:
            _write_vectors(vectors, scratch / VECTORS_FILE)
        artefact = replace(draft, digest=_digest_of(scratch))
        (scratch / RECORD_FILE).write_text(encode(artefact, indent=1) + "\n", encoding="utf-8")
    return artefact


def pin_of_vote(folder: Path) -> str:
    """What pins a kept vote: sha256 of its record, which has the digest of its files."""
    return sha256_or_missing(folder / RECORD_FILE)


def read_vote(folder: Path) -> VoteArtefact:
    """The record of a kept vote.

    Raises:
        StoreError: if it is not there, or its files are others than were written.
    """
    try:
        artefact = decode(VoteArtefact, (folder / RECORD_FILE).read_bytes())
    except OSError as error:
        raise StoreError(f"There is no vote of training rows in {folder}.", got=error.strerror) from error
    if _digest_of(folder) != artefact.digest:
        raise StoreError("The vote's rows or vectors were changed after they were kept.", got=str(folder))
    return artefact


def open_vote(folder: Path, embedding: EmbeddingModel | None) -> RowVote:
    """Open a kept vote; its files are checked first.

    Args:
        embedding: the model whose vectors it reads; not needed by one that reads words only.

    Raises:
        StoreError: if it is not what was kept.
        UsageError: if the search library here is another than it was scored with.
        ModelUnavailable: if the embedding model is not the one of its vectors.
        MissingExtra: without bm25s or safetensors.
    """
    artefact = read_vote(folder)
    same_versions("The vote", artefact.packages, ("bm25s",))
    items = [
        Item(id=own, text=text, target=label)
        for own, text, label in json.loads((folder / ROWS_FILE).read_text(encoding="utf-8"))
    ]
    dense = None
    if artefact.embedding is not None:
        _same_model(artefact.embedding, embedding)
        dense = DenseIndex(_read_vectors(folder / VECTORS_FILE))
    index = TrainingIndex(
        items, LexicalIndex.build([item.text for item in items]), dense, embedding if dense else None
    )
    return RowVote(
        index=index,
        voters=Voters(artefact.labels, items),
        vote=Vote(mode=SearchMode(artefact.mode), k=artefact.k, power=artefact.power),
        certainty=VoteProbability(even=artefact.even, temperature=artefact.temperature),
    )


def files_of_vote(folder: Path) -> list[str]:
    """The files of a kept vote, by name; what an export adds is left out."""
    return [name for name in (ROWS_FILE, VECTORS_FILE, RECORD_FILE) if (folder / name).is_file()]


def _digest_of(folder: Path) -> str:
    parts = [[name, sha256_of(folder / name)] for name in files_of_vote(folder) if name != RECORD_FILE]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _same_model(wanted: ModelIdentity, embedding: EmbeddingModel | None) -> None:
    found = None if embedding is None else embedding.identity
    if found is None or (found.id, found.revision, found.decides) != (
        wanted.id,
        wanted.revision,
        wanted.decides,
    ):
        raise ModelUnavailable(
            "The embedding model is not the one of the vote's vectors.",
            got="none" if found is None else found.id,
            allowed=wanted.id,
            run="harness models pull",
        )


def _write_vectors(vectors: Vectors, path: Path) -> None:
    with needs("local"):
        from safetensors.numpy import save_file
    save_file({"vectors": vectors}, path)


def _read_vectors(path: Path) -> Vectors:
    with needs("local"):
        from safetensors.numpy import load_file
    vectors: Vectors = load_file(path)["vectors"]
    return vectors
