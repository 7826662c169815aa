"""Rankings as providers return them: the shape tells which provider's.

Cohere's `results` (https://docs.cohere.com/reference/rerank), also Jina's, vLLM's and llama.cpp's, and `data`
of Voyage (https://docs.voyageai.com/reference/reranker-api) and of vLLM's `/score`. Cohere bills by searches,
the others by tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from advisor.money.usage import CountedBy, Usage
from harness.core.records import FailureKind
from harness.models.api.dialects.said import count, first_count, part, parts
from harness.models.api.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedScores:
    """An answered call.

    Attributes:
        scores: how well each text answers the query, in the texts' order; the higher the better.
        usage: `rankings` where searches are billed, else `ranking_tokens`; None there where nothing is said.
        pause_s: how long no further call should begin, by the limits that came with the answer.
    """

    scores: tuple[float, ...]
    usage: Usage
    served_by: str = ""
    pause_s: float | None = None


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
    served_by = body.get("model")
    return ReceivedScores(
        scores=tuple(known), usage=usage, served_by=served_by if isinstance(served_by, str) else ""
    )


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
