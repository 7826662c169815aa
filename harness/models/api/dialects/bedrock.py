"""Amazon Bedrock's converse.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html: content is a list of
blocks, each with one key. `inputTokens` counts neither what was read from the cache nor what was written to
it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from advisor.money.usage import Usage
from harness.models.api.dialects.said import UNREPORTED, Counts, Said, buckets, first_count, part, parts


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a response is of this dialect."""
    return "stopReason" in body and isinstance(body.get("output"), Mapping)


def read(body: Mapping[str, Any]) -> Said:
    """What the message says."""
    blocks = parts(part(part(body, "output"), "message"), "content")
    text = "".join(str(one.get("text") or "") for one in blocks)
    calls = [part(one, "toolUse") for one in blocks if "toolUse" in one]
    if len(calls) == 1 and calls[0].get("input"):  # words beside a call only announce it
        text = json.dumps(calls[0]["input"], ensure_ascii=False)
    return Said(
        text=text,
        finish=str(body.get("stopReason") or "").lower(),
        usage=_usage(part(body, "usage"), bool(text)),
        there=bool(blocks),
        thought=any("reasoningContent" in one for one in blocks),
    )


def _usage(reported: Mapping[str, Any], has_text: bool) -> Usage:
    if not reported:
        return UNREPORTED
    counts = Counts(
        prompt=first_count(reported.get("inputTokens")),
        cached=first_count(reported.get("cacheReadInputTokens"), reported.get("cacheReadInputTokenCount")),
        written=first_count(reported.get("cacheWriteInputTokens"), reported.get("cacheWriteInputTokenCount")),
        output=first_count(reported.get("outputTokens")),
    )
    return buckets(counts, has_text=has_text, cache_beside=True)
