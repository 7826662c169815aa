"""What went wrong with a call, read out of litellm's exceptions and made fit to print.

litellm raises `InternalServerError` for a refused connection and for an unreadable body as well as for a
real 500, and `Timeout` for a 408; the exceptions it was raised from tell them apart. A provider's own
words are shown only scrubbed of keys, and not at all where they quote the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from advisor.cost.usage import Usage
from harness.models.limits import told_pause_s
from harness.records import FailureKind

_LONGEST = 200
_SHINGLE = 16  # this many characters in a row shared with the request count as a quotation
# Nothing was computed, so nothing is billed. Not among them: 408 and 504, which may end a call that ran on.
_NOTHING_SERVED = frozenset({400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529})
_KEY = re.compile(
    r"(?i:\bbearer\s+\S+)|\b(?:sk|pk|rk|gsk|xai|hf|ghp|key)[-_][-\w.*]{4,}|\b(?:AIza|eyJ)[-\w.*]{8,}"
    r"|\b(?=[-\w*]*\d)(?=[-\w*]*[A-Za-z])[-\w*]{24,}"
)
_WRAPPING = r"^(litellm\.)?(\w+(Error|Exception|Timeout)|Timeout)?:? ?(\w+: )?(\w+Exception - )?"
_LOST = frozenset({"APIConnectionError", "ClientError", "ConnectError", "ConnectionError", "TransportError"})
_NEVER_REACHED = frozenset({"ConnectError", "ClientConnectorError", "ConnectionRefusedError"})
_REFUSABLE = ("response_format", "json_schema", "temperature", "seed", "max_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failed attempt.

    Attributes:
        message: one line, without keys and without the request's text.
        passes: it may pass by itself, so that another attempt is worth while.
        fatal: every call would fail like this: key, account or model name are wrong.
        told_s: the pause the provider asked for.
        refused: the request's parameter the provider does not take, '' when it is not that.
        usage: reported all the same, None when not.
        unbilled: certainly not billed.
    """

    kind: FailureKind
    message: str
    passes: bool = False
    fatal: bool = False
    told_s: float | None = None
    refused: str = ""
    usage: Usage | None = None
    unbilled: bool = False


def fault_of(error: Exception, request_texts: Sequence[str], secrets: Sequence[str], now: datetime) -> Fault:
    """Classify what a call raised.

    Args:
        request_texts: what the request said; never repeated in the message.
        secrets: values never repeated in the message.
        now: for a `Retry-After` given as a date.
    """
    status = _status(error)
    kind = _kind(error, status)
    words = _provider_words(error)
    quota = "insufficient_quota" in words or "billing" in words
    detail = printable(words, request_texts, secrets)
    passes = kind in _PASSING and not quota
    return Fault(
        kind=kind,
        message=f"{_TOLD[kind]}{f' (HTTP {status})' if status else ''}{': ' + detail if detail else ''}",
        passes=passes,
        fatal=status in (401, 402, 403, 404) or (kind is FailureKind.RATE_LIMIT and quota),
        told_s=told_pause_s(_headers(error), now) if passes else None,
        refused=_refused(words) if status in (400, 422) and kind is FailureKind.BAD_REQUEST else "",
        unbilled=status in _NOTHING_SERVED or bool(_names(error) & _NEVER_REACHED),
    )


def printable(words: str, request_texts: Sequence[str], secrets: Sequence[str]) -> str:
    """One line of a provider's message without keys; a note in its place where it quotes the request."""
    line = " ".join(words.split())
    plain = _plain(line)
    for text in request_texts:
        said = _plain(text)
        step = max(1, min(_SHINGLE, len(said)))
        if len(said) >= 4 and any(said[i : i + step] in plain for i in range(len(said) - step + 1)):
            return "the provider's message quotes the request and is left out"
    for secret in secrets:
        line = line.replace(secret, "[key]")
    line = _KEY.sub("[key]", line)
    return (
        (line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "...").encode("ascii", "replace").decode()
    )


_PASSING = frozenset(
    {FailureKind.RATE_LIMIT, FailureKind.SERVER, FailureKind.CONNECTION, FailureKind.TIMEOUT},
)
_TOLD: Mapping[FailureKind, str] = {
    FailureKind.TIMEOUT: "no answer in time",
    FailureKind.RATE_LIMIT: "too many requests",
    FailureKind.SERVER: "the provider failed",
    FailureKind.CONNECTION: "no connection",
    FailureKind.AUTHENTICATION: "access refused",
    FailureKind.BAD_REQUEST: "request refused",
    FailureKind.CONTENT_FILTER: "content filter",
    FailureKind.BAD_RESPONSE: "unreadable response",
    FailureKind.TOO_LONG: "request too long",
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _names(error: BaseException) -> set[str]:
    """Class names of all exceptions behind it, litellm's own wrapper left out."""
    return {cls.__name__ for link in _chain(error) if link is not error for cls in type(link).__mro__}


def _status(error: Exception) -> int | None:
    """The HTTP status a server really sent; None when it sent none or litellm made the number up."""
    behind = _names(error)
    if behind & {"APIConnectionError", "JSONDecodeError", "ClientError", "ConnectError", "TimeoutException"}:
        return None
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status
    if isinstance(status, str) and status.isdigit():
        return int(status)
    return None


def _kind(error: Exception, status: int | None) -> FailureKind:
    own, behind = type(error).__name__, _names(error)
    if own == "ContextWindowExceededError" or status == 413:
        return FailureKind.TOO_LONG
    if own == "ContentPolicyViolationError" or "content_policy" in _provider_words(error):
        return FailureKind.CONTENT_FILTER
    if isinstance(error, TimeoutError) or own == "Timeout" or "APITimeoutError" in behind:
        return FailureKind.TIMEOUT
    if status is None:
        connected = "JSONDecodeError" in behind or not behind & {
            "APIConnectionError", "ClientError", "ConnectError", "ConnectionError", "TransportError",
        }  # fmt: skip
        return (
            FailureKind.BAD_RESPONSE if connected and own != "APIConnectionError" else FailureKind.CONNECTION
        )
    match status:
        case 401 | 402 | 403:
            return FailureKind.AUTHENTICATION
        case 408:
            return FailureKind.TIMEOUT
        case 429:
            return FailureKind.RATE_LIMIT
    if status >= 500:
        return FailureKind.SERVER if _was_sent(error) else FailureKind.BAD_RESPONSE
    return FailureKind.BAD_REQUEST


def _was_sent(error: Exception) -> bool:
    """Whether a 5xx came over the wire: then its wrapped exception is not litellm's own about the body."""
    return "provider returned" not in str(error)


def _headers(error: Exception) -> Mapping[str, str]:
    for holder in (error, getattr(error, "response", None)):
        for name in ("litellm_response_headers", "headers"):
            headers: Any = getattr(holder, name, None)
            if headers:
                return dict(headers)
    return {}


def _provider_words(error: Exception) -> str:
    body = getattr(error, "body", None)
    text = f"{body.get('code') or ''} {body.get('message') or ''}" if isinstance(body, dict) else ""
    if not text.strip():
        text = str(getattr(error, "message", "") or error)
        text = re.sub(
            r"^(litellm\.)?(\w+(Error|Exception|Timeout)|Timeout)?:? ?(\w+: )?(\w+Exception - )?", "", text
        )
    return text.strip()


def _refused(words: str) -> str:
    found = next((name for name in _REFUSABLE if name in words), "")
    return "response_format" if found == "json_schema" else found


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
