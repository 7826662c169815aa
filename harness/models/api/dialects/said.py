"""What a response says, whatever its dialect, and whether that is an answer.

Each dialect's reader turns its JSON into `Said`; what counts as an answer, a refusal, an answer cut off or
one that is worth asking for again is decided here, once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

from advisor.money.usage import CountedBy, Usage
from harness.core.records import AnswerForm, Choices, FailureKind
from harness.models.api.dialects.token_odds import answer_odds
from harness.models.api.faults import Fault

_CUT = frozenset(
    {"length", "max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded"}
)
_FILTERED = frozenset(
    {
        "content_filter", "content_filtered", "guardrail_intervened", "refusal", "safety", "recitation",
        "blocklist", "prohibited_content", "spii", "error_toxic",
    }
)  # fmt: skip
_BROKEN = frozenset(
    {"error", "failed", "other", "malformed_function_call", "malformed_model_output", "timeout"}
)

UNREPORTED = Usage(
    input_tokens=None,
    cached_tokens=None,
    cache_write_tokens=None,
    output_tokens=None,
    reasoning_tokens=None,
    counted_by=CountedBy.PROVIDER,
)
"""The usage of a call whose provider reported none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one response says.

    Attributes:
        text: what was said; the arguments of a tool call where that is the answer.
        finish: why it ended, in the provider's word and in lower case; '' where it does not say.
        usage: its tokens in exclusive buckets.
        served_by: what the provider says answered, '' when it does not say.
        there: whether there was an answer at all, be it an empty one.
        expected: whether the response had a place for it, so that asking again may help.
        thought: whether it shows thinking beside the answer.
        refused: whether it says that it declines.
        tokens: the entries of OpenAI's `logprobs.content`, where there are any.
    """

    text: str
    finish: str
    usage: Usage
    served_by: str = ""
    there: bool = True
    expected: bool = True
    thought: bool = False
    refused: bool = False
    tokens: Sequence[object] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What an answered call says of itself, whatever was asked.

    Attributes:
        usage: the tokens it reports.
        served_by: what the provider says answered, '' when it does not say.
        pause_s: how long no further call should begin, by the limits that came with the answer.
    """

    usage: Usage
    served_by: str = ""
    pause_s: float | None = None


Got = TypeVar("Got", bound=Received)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAnswer(Received):
    """An answered attempt.

    Attributes:
        cut: the answer was ended by its token limit.
        choice_logprobs: one for each answer of a closed set, normalised, where the model gave them.
        ignored: parameters that were to be sent and never went out.
    """

    text: str
    cut: bool = False
    choice_logprobs: tuple[float, ...] | None = None
    ignored: tuple[str, ...] = ()


def judged(said: Said, limit: int, form: AnswerForm) -> ReceivedAnswer | Fault:
    """The answer in what was said, or what is wrong with it.

    Args:
        limit: the most tokens that were asked for.
        form: what the answer is held to; one of a closed set that was cut off is none.
    """
    text, usage, closed = _with_whole_letters(said.text), said.usage, isinstance(form, Choices)
    if said.finish in _FILTERED or (said.refused and not text):
        return Fault(kind=FailureKind.CONTENT_FILTER, message="the provider declined to answer", usage=usage)
    if not said.there and said.finish not in _CUT:
        return _bad("the response has no answer in it", usage, passes=said.expected)
    thinks = not text.strip() or text.lstrip().startswith("<think")
    if said.finish in _CUT and (thinks or (closed and not _first_line_is_whole(text))):
        thought = said.thought or bool(usage.reasoning_tokens)
        wanted = "more room" if thought else "room" if thinks else ""
        return _bad(f"the answer was cut off at {limit} tokens", usage, refused=wanted)
    if said.finish in _BROKEN:
        return _bad("the provider broke off", usage, passes=True)
    if not text.strip():
        return _bad("the answer is empty", usage, passes=True)
    return ReceivedAnswer(
        text=text,
        usage=usage,
        served_by=said.served_by,
        cut=said.finish in _CUT and not closed,
        choice_logprobs=answer_odds(text, said.tokens, form.answers) if isinstance(form, Choices) else None,
    )


def _with_whole_letters(text: str) -> str:
    """A text in which the halves of a letter that a stream parted are one; U+FFFD for one that is alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _first_line_is_whole(text: str) -> bool:
    """Whether an answer that was cut off had ended its first line in plain words: the rest explains it."""
    first, _, rest = text.strip().partition("\n")
    return bool(rest) and first[:1].isalnum()


def _bad(message: str, usage: Usage, *, refused: str = "", passes: bool = False) -> Fault:
    kind = FailureKind.BAD_RESPONSE
    return Fault(kind=kind, message=message, usage=usage, refused=refused, passes=passes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tokens as a provider reports them; which of them hold others differs, see `buckets`."""

    prompt: int
    cached: int = 0
    written: int = 0
    output: int
    reasoning: int = 0
    total: int = 0


def buckets(counts: Counts, *, has_text: bool, cache_beside: bool = False) -> Usage:
    """Exclusive buckets of what was reported.

    A split that was not reported counts as 0 in its own bucket: the tokens are then all in the input or
    output bucket, where they are billed. A call reads at least one token, so a prompt of 0 is an unknown one.

    Args:
        has_text: whether the answer had any text; 0 output tokens are believed only without.
        cache_beside: the dialect counts cached tokens beside the prompt's and not within; else whichever
            reading the reported total fits.
    """
    kept = counts.cached + counts.written
    readings = (True,) if cache_beside else (False, True)
    possible = [
        (
            counts.prompt if beside else counts.prompt - kept,
            counts.output - (0 if apart else counts.reasoning),
        )
        for beside, apart in product(readings, (False, True))
    ]
    possible = [(uncached, visible) for uncached, visible in possible if uncached >= 0 and visible >= 0]
    fitting = [(u, v) for u, v in possible if u + kept + v + counts.reasoning == counts.total]
    uncached, visible = (fitting or possible)[0]
    known = bool(counts.prompt or kept)
    unread = counts.output == 0 and has_text
    return Usage(
        input_tokens=uncached if known else None,
        cached_tokens=counts.cached if known else None,
        cache_write_tokens=counts.written if known else None,
        output_tokens=None if unread else visible,
        reasoning_tokens=None if unread else counts.reasoning,
        counted_by=CountedBy.PROVIDER,
    )


def part(reported: object, name: str) -> Mapping[str, Any]:
    """An object within an object; an empty one where there is none."""
    found = reported.get(name) if isinstance(reported, dict) else None
    return found if isinstance(found, dict) else {}


def parts(reported: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of a list within an object."""
    found = reported.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def text_of_part(one: object) -> str:
    """What a part of an answer says: a text, or the `text` of one that is text, of which thinking is none."""
    if isinstance(one, str):
        return one
    said = one.get("text") if isinstance(one, dict) and one.get("type", "text") in _TEXTS else None
    said = said.get("value") if isinstance(said, dict) else said
    return said if isinstance(said, str) else ""


_TEXTS = ("text", "output_text")


def words(*said: object) -> str:
    """The texts among what stands there, a blank between them."""
    return " ".join(one for one in said if isinstance(one, str) and one)


def first_count(*values: object) -> int:
    """The first count that stands there; 0 where none does."""
    return next((count(value) for value in values if value is not None), 0)


def count(value: object) -> int:
    """A count as providers write it: 1000, 1000.0 or "1000"; 0 for whatever is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
