"""OpenAI's chat completions, as OpenAI, Azure, OpenRouter, Groq, DeepSeek, xAI, Mistral, vLLM, Ollama,
llama.cpp and LM Studio send them, and as litellm writes what all others send.

Their differences are read here: an answer in parts, or in the arguments of a tool call; thinking under two
names; a refusal as a field; an error in a body whose status is 200; token counts under two names.

What served models report as usage, turned once into exclusive buckets (`advisor.money.usage.Usage`).
Two conventions are in use. OpenAI's: `prompt_tokens` includes cached tokens, `completion_tokens`
includes reasoning. Anthropic's (and xAI's for reasoning): the parts stand beside each other. litellm
1.106 turns Anthropic, Bedrock, Gemini and xAI into the first one, but an OpenAI-compatible gateway may
pass either through, so the reported total decides, which only one of the two readings can match.

litellm writes 0 where a provider reported nothing. A chat call reads at least one token, so 0 prompt
tokens mean that the usage is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from advisor.money.usage import CountedBy, Usage
from harness.core.records import FailureKind
from harness.models.api.faults import Fault

_CUT = frozenset({"length", "max_tokens", "model_length"})
_FILTERED = frozenset({"content_filter", "safety", "refusal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAnswer:
    """An answered attempt.

    Attributes:
        served_by: what the provider says answered, '' when it does not say.
        cut: the answer was ended by its token limit.
    """

    text: str
    usage: Usage
    served_by: str
    cut: bool = False


def read_completion(body: Mapping[str, Any], limit: int, *, closed: bool) -> ReceivedAnswer | Fault:
    """The answer in a response's JSON, or what is wrong with it.

    Args:
        limit: the most tokens that were asked for.
        closed: whether the answer is one of a closed set, so that one cut off is none.
    """
    first = _first_choice(body)
    message = first.get("message") if isinstance(first.get("message"), Mapping) else None
    text = "" if message is None else _text(message)
    reported = body.get("usage")
    usage = usage_of(reported if isinstance(reported, Mapping) else None, bool(text))
    if message is None:
        return _bad("the response has no answer in it", usage, passes="choices" in body)
    finish = str(first.get("finish_reason") or "").lower()
    thinks = not text.strip() or text.lstrip().startswith("<think")
    if finish in _CUT and (thinks or (closed and not _first_line_is_whole(text))):
        wanted_room = thinks or _thought(message) or bool(usage.reasoning_tokens)
        return _bad(f"the answer was cut off at {limit} tokens", usage, refused="room" if wanted_room else "")
    if finish in _FILTERED or (not text and _refusal(message)):
        return Fault(kind=FailureKind.CONTENT_FILTER, message="the provider declined to answer", usage=usage)
    if finish == "error":
        return _bad("the provider broke off", usage, passes=True)
    if not text.strip():
        return _bad("the answer is empty", usage, passes=True)
    names = (body.get("provider"), body.get("model"), body.get("system_fingerprint"))
    served_by = " ".join(name for name in names if isinstance(name, str) and name)
    return ReceivedAnswer(text=text, usage=usage, served_by=served_by, cut=finish in _CUT and not closed)


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else {}


def _text(message: Mapping[str, Any]) -> str:
    """What was said: a text, the texts among its parts, or the arguments of the one tool call."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (part for part in content if isinstance(part, Mapping) and part.get("type") == "text")
        content = "".join(str(part.get("text") or "") for part in parts)
    if isinstance(content, str) and content:
        return content
    calls = message.get("tool_calls")
    call = calls[0] if isinstance(calls, list) and len(calls) == 1 else None
    arguments = _part(call, "function").get("arguments") if isinstance(call, Mapping) else None
    return arguments if isinstance(arguments, str) else ""


def _thought(message: Mapping[str, Any]) -> bool:
    return bool(message.get("reasoning_content") or message.get("reasoning"))


def _first_line_is_whole(text: str) -> bool:
    """Whether an answer that was cut off had ended its first line in plain words: the rest explains it."""
    first, _, rest = text.strip().partition("\n")
    return bool(rest) and first[:1].isalnum()


def _bad(message: str, usage: Usage, *, refused: str = "", passes: bool = False) -> Fault:
    kind = FailureKind.BAD_RESPONSE
    return Fault(kind=kind, message=message, usage=usage, refused=refused, passes=passes)


def _refusal(message: Mapping[str, Any]) -> bool:
    extra = _part(message, "provider_specific_fields")
    return bool(message.get("refusal") or extra.get("refusal"))


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
    """Buckets of a chat completion's `usage`.

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
    """A count as providers write it: 1000, 1000.0 or "1000"; 0 for whatever is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
