"""OpenAI's responses, as OpenAI, Azure and some gateways send them.

https://platform.openai.com/docs/api-reference/responses/object: output is a list of items; reasoning stands
in items of its own, and a truncated response says why in `incomplete_details`. Cached tokens are within
`input_tokens`, reasoning within `output_tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.money.usage import Usage
from harness.models.api.dialects.said import UNREPORTED, Counts, Said, buckets, count, part, parts, words


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a response is of this dialect."""
    return body.get("object") == "response"


def read(body: Mapping[str, Any]) -> Said:
    """What a response says."""
    items = parts(body, "output")
    said = [one for item in items if item.get("type") == "message" for one in parts(item, "content")]
    text = "".join(str(one.get("text") or "") for one in said if one.get("type") == "output_text")
    calls = [item for item in items if item.get("type") == "function_call"]
    if not text and len(calls) == 1:
        text = str(calls[0].get("arguments") or "")
    status = str(body.get("status") or "")
    reason = part(body, "incomplete_details").get("reason")
    tokens = [token for one in said for token in parts(one, "logprobs")]
    return Said(
        text=text,
        finish=str(reason if status == "incomplete" else status).lower(),
        usage=_usage(part(body, "usage"), bool(text)),
        served_by=words(body.get("model")),
        there=bool(said or calls),
        thought=any(item.get("type") == "reasoning" for item in items),
        refused=any(one.get("type") == "refusal" for one in said),
        tokens=tokens,
    )


def _usage(reported: Mapping[str, Any], has_text: bool) -> Usage:
    if not reported:
        return UNREPORTED
    counts = Counts(
        prompt=count(reported.get("input_tokens")),
        cached=count(part(reported, "input_tokens_details").get("cached_tokens")),
        output=count(reported.get("output_tokens")),
        reasoning=count(part(reported, "output_tokens_details").get("reasoning_tokens")),
        total=count(reported.get("total_tokens")),
    )
    return buckets(counts, has_text=has_text)
