"""A local embedding model: texts to unit vectors, in fp32 on this machine.

Folders that carry a sentence-transformers configuration are loaded by sentence-transformers, with their
own pooling and length limit; any other encoder gets mean pooling over its tokens. Texts are sorted by
their tokens into batches, so the same texts give the same vectors; another batch-mate changes them by
rounding only (1e-6).

Unless told otherwise one CPU thread embeds a query: the matrices are small, so that further threads mostly
wait for each other (docs/latency.md). Of many texts every thread takes batches of its own. A language model
beside it keeps its own number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from advisor.reading import Unreadable, parse_yaml, read_text
from harness.core.errors import ModelUnavailable, needs
from harness.core.records import ModelIdentity
from harness.models.base import Vectors
from harness.models.deciding import folder_facts, versions_of, weights_of
from harness.models.embedded import embedded
from harness.models.local.safe_weights import refuse_lone_pickles
from harness.models.settings import ModelSettings

_READ_CHARS = 20_000  # more than the 256 tokens that are read ever take; the tokenizer reads no megabytes
_BATCH = 16  # a tenth less time than 32: what a pass makes stays nearer the processor


def languages_stated(folder: Path) -> tuple[str, ...]:
    """The languages that the card of a model folder names; () where it names none, or 'multilingual'."""
    try:
        _, head, _ = read_text(folder / "README.md").split("---\n", 2)
        stated = parse_yaml(head).get("language", ())
    except (OSError, Unreadable, ValueError, AttributeError):
        return ()
    named = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    return () if "multilingual" in named else tuple(one for one in named if isinstance(one, str))


class TransformersEmbedding:
    """An embedding model behind `harness.models.base.EmbeddingModel`, from a local folder."""

    def __init__(self, model_id: str, folder: Path, settings: ModelSettings) -> None:
        """Load the model.

        Raises:
            MissingExtra: sentence-transformers is missing.
            ModelUnavailable: the folder holds no encoder that can be loaded.
        """
        with needs("local"):
            import torch
            from sentence_transformers import SentenceTransformer
        refuse_lone_pickles(folder)
        self._torch = torch
        self._threads = settings.threads
        try:
            # Without modules.json sentence-transformers itself falls back to mean pooling.
            self._model: Any = SentenceTransformer(
                str(folder),
                device=settings.device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"dtype": torch.float32, "use_safetensors": True},
            )
        except (OSError, ValueError, KeyError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ModelUnavailable(
                "The folder holds no embedding model that can be loaded.", got=f"{folder}: {first}"
            ) from error
        known = embedded(model_id)
        self.languages = languages_stated(folder) if known is None else known.languages
        self.identity = ModelIdentity(
            id=model_id,
            revision="+".join(weights_of(folder, settings.cache)),
            precision="fp32",
            location="local",
            parameters=sum(weight.numel() for weight in self._model.parameters()),
            decides=(
                *folder_facts(folder, settings.cache),
                ("device", settings.device),
                *versions_of("torch", "transformers", "tokenizers", "sentence-transformers"),
            ),
        )
        if settings.device == "cpu":
            from harness.models.local.packed_products import pack_products

            pack_products(self._model)

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> Vectors:
        """Embed texts into an (n, d) float32 array of L2-normalised rows, questions as any other text."""
        read = [text[:_READ_CHARS] for text in texts]
        lengths = self._lengths(read) if len(read) > _BATCH else [0] * len(read)
        by_length = sorted(range(len(read)), key=lambda place: -lengths[place])
        batches = [by_length[at : at + _BATCH] for at in range(0, len(read), _BATCH)]
        vectors = np.empty((len(read), self._model.get_embedding_dimension()), dtype=np.float32)
        found = self._in_batches([[read[place] for place in batch] for batch in batches])
        for batch, rows in zip(batches, found, strict=True):
            vectors[batch] = rows
        return vectors

    def _in_batches(self, batches: list[list[str]]) -> list[Vectors]:
        """The vectors of each batch.

        Several are computed side by side, each on one thread, so that none waits for another and all come
        out the same however many threads there are.
        """
        set_threads, before = self._torch.set_num_threads, self._torch.get_num_threads()
        set_threads(1 if len(batches) > 1 else self._threads or 1)
        try:
            if len(batches) < 2:
                return [self._encode(batch) for batch in batches]
            self._encode(batches[-1][-1:])  # tells the tokenizer, which all share, how to cut and pad
            with ThreadPoolExecutor(self._threads or before, initializer=set_threads, initargs=(1,)) as pool:
                return [*pool.map(self._encode, batches)]
        finally:
            set_threads(before)

    def _encode(self, texts: list[str]) -> Vectors:
        found: Vectors = self._model.encode(
            texts,
            batch_size=_BATCH,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return found

    def usage_of(self, text: str, *, query: bool = True) -> None:
        """Nobody bills for what runs here."""

    def close(self) -> None:
        """Nothing is open."""

    def _lengths(self, texts: list[str]) -> list[int]:
        read = self._model.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        limit: int | None = self._model.max_seq_length
        return [len(ids) if limit is None else min(len(ids), limit) for ids in read]
