"""Cohere's chat, version 2.

https://docs.cohere.com/reference/chat: what is billed stands in `billed_units`, and is counted here; what the
model read, its own template included, in `tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.money.usage import Usage
from harness.models.api.dialects.said import UNREPORTED, Counts, Said, buckets, count, part, parts


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a response is of this dialect."""
    return "finish_reason" in body and isinstance(body.get("message"), Mapping)


def read(body: Mapping[str, Any]) -> Said:
    """What the message says."""
    message = part(body, "message")
    blocks = parts(message, "content")
    text = "".join(str(one.get("text") or "") for one in blocks if one.get("type") == "text")
    calls = parts(message, "tool_calls")
    if not text and len(calls) == 1:
        text = str(part(calls[0], "function").get("arguments") or "")
    return Said(
        text=text,
        finish=str(body.get("finish_reason") or "").lower(),
        usage=_usage(part(body, "usage"), bool(text)),
        there=bool(blocks or calls),
        thought=any(one.get("type") == "thinking" for one in blocks),
    )


def _usage(reported: Mapping[str, Any], has_text: bool) -> Usage:
    billed = part(reported, "billed_units") or part(reported, "tokens")
    if not billed:
        return UNREPORTED
    counts = Counts(
        prompt=count(billed.get("input_tokens")),
        cached=count(reported.get("cached_tokens")),
        output=count(billed.get("output_tokens")),
    )
    return buckets(counts, has_text=has_text)
