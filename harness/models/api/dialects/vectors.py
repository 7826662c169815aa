"""Embeddings and rankings as providers return them: the shape tells which provider's.

OpenAI's, Azure's, Mistral's, Voyage's, Jina's, vLLM's, Ollama's and llama.cpp's `data`
(https://platform.openai.com/docs/api-reference/embeddings), Cohere's `embeddings.float`
(https://docs.cohere.com/reference/embed) and Gemini's `embeddings[].values`
(https://ai.google.dev/api/embeddings).

Rankings: Cohere's `results` (https://docs.cohere.com/reference/rerank), also Jina's, vLLM's and llama.cpp's,
and `data` of Voyage (https://docs.voyageai.com/reference/reranker-api) and of vLLM's `/score`. Cohere bills
by searches, the others by tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.money.usage import CountedBy, Usage
from harness.core.records import FailureKind
from harness.models.api.dialects.said import Received, count, first_count, part, parts, words
from harness.models.api.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedVectors(Received):
    """An answered call.

    Attributes:
        vectors: (n, d), L2-normalised, in the order of the texts.
        usage: its tokens, all of them `embedding_tokens`; None there where they were not reported.
    """

    vectors: NDArray[np.float32]


def read_vectors(body: Mapping[str, Any], wanted: int) -> ReceivedVectors | Fault:
    """The vectors in a response's JSON, or what is wrong with it.

    Args:
        wanted: how many texts were sent.
    """
    usage = embedding_usage(_tokens(body))
    try:
        vectors = np.asarray(_rows(body), dtype=np.float32)
    except (TypeError, ValueError):
        vectors = np.empty((0, 0), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != wanted or not vectors.size:
        return _bad(f"the response holds no {wanted} vectors of one length", usage)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        return _bad("the response holds a vector that is not finite, or is zero", usage)
    return ReceivedVectors(vectors=vectors / lengths, usage=usage, served_by=words(body.get("model")))


def embedding_usage(tokens: int | None, counted_by: CountedBy = CountedBy.PROVIDER) -> Usage:
    """The usage of an embedding alone."""
    return Usage(input_tokens=0, output_tokens=0, embedding_tokens=tokens, counted_by=counted_by)


def _rows(body: Mapping[str, Any]) -> list[Any]:
    if "data" in body:
        placed = sorted(parts(body, "data"), key=lambda one: count(one.get("index")))
        return [one.get("embedding") for one in placed]
    found = body.get("embeddings")
    if isinstance(found, Mapping):
        return list(found.get("float") or ())
    return [one.get("values") if isinstance(one, Mapping) else one for one in found or ()]


def _tokens(body: Mapping[str, Any]) -> int | None:
    billed = part(part(body, "meta"), "billed_units")
    usage, gemini = part(body, "usage"), part(body, "usageMetadata")
    found = first_count(
        usage.get("prompt_tokens"),
        usage.get("total_tokens"),
        billed.get("input_tokens"),
        gemini.get("promptTokenCount"),
    )
    return found or None


def _bad(message: str, usage: Usage) -> Fault:
    return Fault(kind=FailureKind.BAD_RESPONSE, message=message, usage=usage, passes=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedScores(Received):
    """An answered call.

    Attributes:
        scores: how well each text answers the query, in the texts' order; the higher the better.
        usage: `rankings` where searches are billed, else `ranking_tokens`; None there where nothing is said.
    """

    scores: tuple[float, ...]


def read_scores(body: Mapping[str, Any], wanted: int) -> ReceivedScores | Fault:
    """The scores in a response's JSON, or what is wrong with it.

    Args:
        wanted: how many texts were sent.
    """
    usage = _usage(body)
    rows = parts(body, "results") or parts(body, "data")
    found = {count(row.get("index")): row.get("relevance_score", row.get("score")) for row in rows}
    scores = [found.get(place) for place in range(wanted)]
    known = [float(one) for one in scores if isinstance(one, int | float) and math.isfinite(one)]
    if len(known) != wanted:
        message = f"the response holds no score for each of {wanted} texts"
        return Fault(kind=FailureKind.BAD_RESPONSE, message=message, usage=usage)
    return ReceivedScores(scores=tuple(known), usage=usage, served_by=words(body.get("model")))


def _usage(body: Mapping[str, Any]) -> Usage:
    billed, usage = part(part(body, "meta"), "billed_units"), part(body, "usage")
    searches = first_count(billed.get("search_units"))
    tokens = first_count(usage.get("total_tokens"), usage.get("prompt_tokens"), billed.get("input_tokens"))
    return Usage(
        input_tokens=0,
        output_tokens=0,
        ranking_tokens=0 if searches else tokens or None,
        rankings=searches,
        counted_by=CountedBy.PROVIDER,
    )
