"""What served models report as usage, turned once into exclusive buckets (`advisor.money.usage.Usage`).

Two conventions are in use. OpenAI's: `prompt_tokens` includes cached tokens, `completion_tokens`
includes reasoning. Anthropic's (and xAI's for reasoning): the parts stand beside each other. litellm
1.106 turns Anthropic, Bedrock, Gemini and xAI into the first one, but an OpenAI-compatible gateway may
pass either through, so the reported total decides, which only one of the two readings can match.

litellm writes 0 where a provider reported nothing. A chat call reads at least one token, so 0 prompt
tokens mean that the usage is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from advisor.money.usage import CountedBy, Usage

UNREPORTED = Usage(
    input_tokens=None,
    cached_tokens=None,
    cache_write_tokens=None,
    output_tokens=None,
    reasoning_tokens=None,
    counted_by=CountedBy.PROVIDER,
)
"""The usage of a call whose provider reported none."""


def usage_of(reported: Mapping[str, Any] | None, has_text: bool) -> Usage:
    """Buckets of a chat completion's `usage` as litellm hands it over (`model_dump()`).

    A split that was not reported (no details on caching or reasoning) counts as 0 in its own bucket: the
    tokens are then all in the input or output bucket, where they are billed.

    Args:
        reported: the usage object, None when there is none.
        has_text: whether the answer had any text; 0 output tokens are believed only without.
    """
    if not reported:
        return UNREPORTED
    prompt = _count(reported.get("prompt_tokens")) or _count(reported.get("input_tokens"))
    output = _count(reported.get("completion_tokens")) or _count(reported.get("output_tokens"))
    details = _part(reported, "prompt_tokens_details") or _part(reported, "input_tokens_details")
    cached = _first(details.get("cached_tokens"), reported.get("cache_read_input_tokens"))
    written = _first(details.get("cache_write_tokens"), reported.get("cache_creation_input_tokens"))
    reasoning = _first(_part(reported, "completion_tokens_details").get("reasoning_tokens"))
    total = _count(reported.get("total_tokens"))
    uncached, visible = _exclusive(prompt, cached + written, output, reasoning, total)
    known = bool(prompt or cached or written)
    return Usage(
        input_tokens=uncached if known else None,
        cached_tokens=cached if known else None,
        cache_write_tokens=written if known else None,
        output_tokens=None if output == 0 and has_text else visible,
        reasoning_tokens=None if output == 0 and has_text else reasoning,
        counted_by=CountedBy.PROVIDER,
    )


def _exclusive(prompt: int, cached: int, output: int, reasoning: int, total: int) -> tuple[int, int]:
    """(uncached input, visible output) by the first reading that fits sizes and total, else sizes alone."""
    possible = []
    for cache_beside, reasoning_beside in product((False, True), repeat=2):
        uncached = prompt if cache_beside else prompt - cached
        visible = output if reasoning_beside else output - reasoning
        if uncached >= 0 and visible >= 0:
            possible.append((uncached, visible))
    fitting = [(u, v) for u, v in possible if u + cached + v + reasoning == total]
    return (fitting or possible)[0]


def _part(reported: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = reported.get(name)
    return part if isinstance(part, Mapping) else {}


def _first(*values: object) -> int:
    return next((_count(value) for value in values if value is not None), 0)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
