"""Google's generateContent, of Gemini and of Vertex AI.

https://ai.google.dev/api/generate-content: thinking stands in parts marked as such; a blocked prompt has no
candidate and says so in `promptFeedback`. Cached tokens are within `promptTokenCount`; thinking stands beside
`candidatesTokenCount`, or within where the total says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from advisor.money.usage import Usage
from harness.models.api.dialects.said import UNREPORTED, Counts, Said, buckets, count, part, parts, words


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a response is of this dialect."""
    return "candidates" in body or "promptFeedback" in body or "usageMetadata" in body


def read(body: Mapping[str, Any]) -> Said:
    """What the first candidate says."""
    first = next(iter(parts(body, "candidates")), {})
    pieces = parts(part(first, "content"), "parts")
    text = "".join(str(one.get("text") or "") for one in pieces if not one.get("thought"))
    calls = [part(one, "functionCall") for one in pieces if "functionCall" in one]
    if not text and len(calls) == 1:
        text = json.dumps(calls[0].get("args") or {}, ensure_ascii=False)
    blocked = part(body, "promptFeedback").get("blockReason")
    return Said(
        text=text,
        finish="safety" if blocked and not first else str(first.get("finishReason") or "").lower(),
        usage=_usage(part(body, "usageMetadata"), bool(text)),
        served_by=words(body.get("modelVersion")),
        there=bool(pieces),
        thought=any(one.get("thought") for one in pieces),
    )


def _usage(reported: Mapping[str, Any], has_text: bool) -> Usage:
    if not reported:
        return UNREPORTED
    prompt = count(reported.get("promptTokenCount")) + count(reported.get("toolUsePromptTokenCount"))
    visible, thought = (count(reported.get(n)) for n in ("candidatesTokenCount", "thoughtsTokenCount"))
    total = count(reported.get("totalTokenCount"))
    within = bool(thought) and prompt + visible == total
    counts = Counts(
        prompt=prompt,
        cached=count(reported.get("cachedContentTokenCount")),
        output=visible if within else visible + thought,
        reasoning=thought,
        total=total,
    )
    return buckets(counts, has_text=has_text)
