"""OpenAI's chat completions, as OpenAI, Azure, OpenRouter, Groq, DeepSeek, xAI, Mistral, vLLM, Ollama,
llama.cpp and LM Studio send them, and as litellm writes what it alone has read.

Their differences are read here: an answer in parts, as an object, or in the arguments of a call; thinking
under two names; a refusal as a field; token counts under two names.

Two conventions of counting are in use. OpenAI's: `prompt_tokens` includes cached tokens, `completion_tokens`
includes reasoning. Anthropic's (and xAI's for reasoning): the parts stand beside each other. A gateway may
pass either through, so the reported total decides, which only one of the two readings can match.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from advisor.money.usage import Usage
from harness.models.api.dialects.said import (
    UNREPORTED,
    Counts,
    Said,
    buckets,
    count,
    first_count,
    part,
    parts,
    text_of_part,
    words,
)


def fits(body: Mapping[str, Any]) -> bool:
    """Whether a response is of this dialect."""
    return "choices" in body


def read(body: Mapping[str, Any]) -> Said:
    """What a chat completion says."""
    first = next(iter(parts(body, "choices")), {})
    message = part(first, "message")
    text = _text(first)
    tokens = part(first, "logprobs").get("content")
    extra = part(message, "provider_specific_fields")
    return Said(
        text=text,
        finish=str(first.get("finish_reason") or "").lower(),
        usage=usage_of(part(body, "usage"), bool(text)),
        served_by=words(body.get("provider"), body.get("model"), body.get("system_fingerprint")),
        there=isinstance(first.get("message"), dict) or isinstance(first.get("text"), str),
        expected="choices" in body,
        thought=bool(message.get("reasoning_content") or message.get("reasoning")),
        refused=bool(message.get("refusal") or extra.get("refusal")),
        tokens=tokens if isinstance(tokens, list) else (),
    )


def _text(first: Mapping[str, Any]) -> str:
    """What was said: a text, the texts among its parts, an object, or the arguments of the one call."""
    message = part(first, "message")
    content = message.get("content", first.get("text"))  # a plain completion has `text`
    if isinstance(content, list):
        content = "".join(map(text_of_part, content))
    if isinstance(content, int | float) and not isinstance(content, bool):
        content = json.dumps(content)  # a gateway that reads an answer of digits
    if content and isinstance(content, str | dict):
        return _written(content)
    calls = [part(call, "function") for call in parts(message, "tool_calls")]
    called = [_written(call.get("arguments")) for call in calls or [part(message, "function_call")]]
    alike = len(set(called)) == 1  # the same call made twice says one thing
    return (called[0] if alike else "") or _written(message.get("parsed"))


def _written(said: object) -> str:
    """A text, or an object as JSON; '' for anything else."""
    if isinstance(said, dict):
        return json.dumps(said, ensure_ascii=False)
    return said if isinstance(said, str) else ""


def usage_of(reported: Mapping[str, Any] | None, has_text: bool) -> Usage:
    """Buckets of a chat completion's `usage`.

    Args:
        reported: the usage object, None when there is none.
        has_text: whether the answer had any text; 0 output tokens are believed only without.
    """
    if not reported:
        return UNREPORTED
    details = part(reported, "prompt_tokens_details") or part(reported, "input_tokens_details")
    counts = Counts(
        prompt=count(reported.get("prompt_tokens")) or count(reported.get("input_tokens")),
        cached=first_count(
            details.get("cached_tokens"),
            reported.get("cache_read_input_tokens"),
            reported.get("prompt_cache_hit_tokens"),
        ),
        written=first_count(details.get("cache_write_tokens"), reported.get("cache_creation_input_tokens")),
        output=count(reported.get("completion_tokens")) or count(reported.get("output_tokens")),
        reasoning=first_count(part(reported, "completion_tokens_details").get("reasoning_tokens")),
        total=count(reported.get("total_tokens")),
    )
    return buckets(counts, has_text=has_text)
