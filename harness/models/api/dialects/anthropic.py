"""Anthropic's messages.

https://docs.anthropic.com/en/api/messages: content is a list of blocks, thinking among them; a tool's input
is an object. `input_tokens` counts neither what was read from the cache nor what was written to it; thinking
is within `output_tokens`, and its share stands in the details where it is reported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from advisor.money.usage import Usage
from harness.models.api.dialects.said import UNREPORTED, Counts, Said, buckets, count, part, parts, words


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a response is of this dialect."""
    return body.get("type") == "message" and isinstance(body.get("content"), list)


def read(body: Mapping[str, Any]) -> Said:
    """What a message says."""
    blocks = parts(body, "content")
    text = "".join(str(one.get("text") or "") for one in blocks if one.get("type") == "text")
    calls = [one for one in blocks if one.get("type") == "tool_use"]
    if len(calls) == 1 and calls[0].get("input"):  # words beside a call only announce it
        text = json.dumps(calls[0]["input"], ensure_ascii=False)
    return Said(
        text=text,
        finish=str(body.get("stop_reason") or "").lower(),
        usage=_usage(part(body, "usage"), bool(text)),
        served_by=words(body.get("model")),
        there=bool(blocks),
        thought=any(one.get("type") in ("thinking", "redacted_thinking") for one in blocks),
    )


def _usage(reported: Mapping[str, Any], has_text: bool) -> Usage:
    if not reported:
        return UNREPORTED
    counts = Counts(
        prompt=count(reported.get("input_tokens")),
        cached=count(reported.get("cache_read_input_tokens")),
        written=count(reported.get("cache_creation_input_tokens")),
        output=count(reported.get("output_tokens")),
        reasoning=count(part(reported, "output_tokens_details").get("thinking_tokens")),
    )
    return buckets(counts, has_text=has_text, cache_beside=True)
