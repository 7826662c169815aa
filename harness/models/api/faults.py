"""What went wrong with a call, read from the response and from litellm's exceptions, and fit to print.

litellm raises `InternalServerError` for a refused connection and for an unreadable body as well as for a
real 500, and `Timeout` for a 408; the exceptions it was raised from tell them apart. What a provider means
is told by its codes (`provider_errors`), never by a word that may be a label or a link. Its own words are
shown only scrubbed of keys, and not at all where they quote the request. Whatever is read here is cut first:
nothing takes longer for a longer response.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from advisor.money.usage import Usage
from harness.core.records import FailureKind
from harness.models.api.provider_errors import ErrorResponse, chain, error_response
from harness.models.api.told_wait import told_pause_s

_LONGEST = 200
_MOST_SAID = 4000  # characters of a message that are looked at
_SHINGLE = 16  # this many characters in a row shared with the request count as a quotation
# Nothing was computed, so nothing is billed. Not among them: 408 and 504, which may end a call that ran on.
_NOTHING_SERVED = frozenset({400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529})
_KEY = re.compile(
    r"(?i:\bbearer\s+\S+)|\b(?:sk|pk|rk|gsk|xai|hf|ghp|key)[-_][-\w.*]{4,}|\b(?:AIza|eyJ)[-\w.*]{8,}"
    r"|\b(?=[-\w*]*\d)(?=[-\w*]*[A-Za-z])[-\w*]{24,}"
)
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_WRAPPING = re.compile(
    r"^(litellm\.)?(\w+(Error|Exception|Timeout)|Timeout)?:? ?(\w+: )?(\w+Exception - )?", re.ASCII
)
_NEVER_REACHED = frozenset({"ConnectError", "ClientConnectorError", "ConnectionRefusedError"})
_REFUSABLE = ("response_format", "json_schema", "temperature", "seed", "max_tokens")
_NO_CREDIT = frozenset(
    {
        "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error",
        "insufficient_balance", "insufficient_credits", "insufficient_funds", "payment_required",
        "credit_balance_too_low", "exceeded_current_quota_error", "account_deactivated", "access_terminated",
    }
)  # fmt: skip
_FILTERED = frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation"})
_MAY_BE_THE_SCHEMA = frozenset({400, 422, 500})
_OF_A_SCHEMA = (
    "schema", "grammar", "response_format", "json_validate_failed", "failed_generation", "structured output",
    "guided", "constrained",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failed attempt.

    Attributes:
        message: one line, without keys and without the request's text.
        passes: it may pass by itself, so that another attempt is worth while.
        fatal: every call would fail like this: key, account or model name are wrong.
        told_s: the pause the provider asked for.
        refused: the request's parameter the provider does not take, '' when it is not that.
        schema: whether the schema may be at fault: 'named' where the provider says so, 'possible' where
            nothing speaks against it, '' where something else is the cause.
        usage: reported all the same, None when not.
        unbilled: certainly not billed.
        status: of the response, None where there was none.
    """

    kind: FailureKind
    message: str
    passes: bool = False
    fatal: bool = False
    told_s: float | None = None
    refused: str = ""
    schema: Literal["", "named", "possible"] = ""
    usage: Usage | None = None
    unbilled: bool = False
    status: int | None = None


def fault_of(error: Exception, request_texts: Sequence[str], secrets: Sequence[str], now: datetime) -> Fault:
    """Classify what a call raised.

    Args:
        request_texts: what the request said; never repeated in the message.
        secrets: values never repeated in the message.
        now: for a `Retry-After` given as a date.
    """
    from harness.models.api.transport import OversizedResponse, StrayRequest

    for link in chain(error):
        if isinstance(link, StrayRequest):
            return Fault(kind=FailureKind.BAD_REQUEST, message=str(link), fatal=True, unbilled=True)
        if isinstance(link, OversizedResponse):
            return Fault(kind=FailureKind.BAD_RESPONSE, message=str(link))
    response = error_response(error)
    status = response.status if response is not None else _status(error)
    codes = response.codes if response is not None else _own_codes(error)
    words = (response.words if response is not None else _litellm_words(error))[:_MOST_SAID]
    kind = _kind(error, status, codes, sent=response is not None)
    no_credit = bool(codes & _NO_CREDIT)
    detail = printable(words, request_texts, secrets)
    loading = status == 404 and "loading" in words.lower()
    passes = (kind in _PASSING and not no_credit) or "json_validate_failed" in codes or loading
    refused = _refused(words, response) if status in (400, 422) and kind is FailureKind.BAD_REQUEST else ""
    return Fault(
        kind=kind,
        message=f"{_TOLD[kind]}{f' (HTTP {status})' if status else ''}{': ' + detail if detail else ''}",
        passes=passes,
        fatal=(status in (401, 402, 403, 404) and not loading) or no_credit,
        told_s=_told_s(error, response, words, now) if passes else None,
        refused=refused,
        schema=_schema(kind, status, codes, words) if not refused else "",
        unbilled=status in _NOTHING_SERVED or bool(_names(error) & _NEVER_REACHED),
        status=status,
    )


def printable(words: str, request_texts: Sequence[str], secrets: Sequence[str]) -> str:
    """One line of a provider's message without keys; a note in its place where it quotes the request."""
    line = " ".join(words[:_MOST_SAID].split())
    plain = _plain(_unescaped(line))
    for text in request_texts:
        said = _plain(text)
        step = max(1, min(_SHINGLE, len(said)))
        pieces = {plain[i : i + step] for i in range(len(plain) - step + 1)}
        if len(said) >= 4 and any(said[i : i + step] in pieces for i in range(len(said) - step + 1)):
            return "the provider's message quotes the request and is left out"
    for secret in sorted((" ".join(secret.split()) for secret in secrets), key=len, reverse=True):
        line = line.replace(secret, "[key]") if secret else line
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


def _names(error: BaseException) -> set[str]:
    """Class names of all exceptions behind it, litellm's own wrapper left out."""
    return {cls.__name__ for link in chain(error) if link is not error for cls in type(link).__mro__}


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


def _kind(error: Exception, status: int | None, codes: frozenset[str], *, sent: bool) -> FailureKind:
    own, behind = type(error).__name__, _names(error)
    if own == "ContextWindowExceededError" or status == 413:
        return FailureKind.TOO_LONG
    if own == "ContentPolicyViolationError" or codes & _FILTERED:
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
        return FailureKind.SERVER if sent or _was_sent(error) else FailureKind.BAD_RESPONSE
    return FailureKind.BAD_REQUEST


def _was_sent(error: Exception) -> bool:
    """Whether a 5xx came over the wire: then its wrapped exception is not litellm's own about the body."""
    return "provider returned" not in str(error)


def _told_s(error: Exception, response: ErrorResponse | None, words: str, now: datetime) -> float | None:
    headers = response.headers if response is not None else _litellm_headers(error)
    return told_pause_s(headers, now, response.body if response is not None else None, words)


def _litellm_headers(error: Exception) -> Mapping[str, str]:
    for holder in (error, getattr(error, "response", None)):
        for name in ("litellm_response_headers", "headers"):
            headers: Any = getattr(holder, name, None)
            if headers:
                return dict(headers)
    return {}


def _own_codes(error: Exception) -> frozenset[str]:
    """The code of an error that came in a body with a good status."""
    body = getattr(error, "body", None)
    found = (body.get("code"), body.get("type")) if isinstance(body, dict) else ()
    return frozenset(code.lower() for code in found if isinstance(code, str))


def _litellm_words(error: Exception) -> str:
    """The message of an error without a response behind it."""
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    text = str(said or getattr(error, "message", "") or error)[:_MOST_SAID]
    return _WRAPPING.sub("", text).strip()


def _refused(words: str, response: ErrorResponse | None) -> str:
    """The parameter that is named; the schema is no such one, see `Fault.schema`."""
    named = str(response.body.get("param") or "") if response is not None else ""
    found = next((name for name in _REFUSABLE if name == named), "") or next(
        (name for name in _REFUSABLE if name in words), ""
    )
    return "" if found in ("response_format", "json_schema") else found


def _schema(
    kind: FailureKind, status: int | None, codes: frozenset[str], words: str
) -> Literal["", "named", "possible"]:
    if status not in _MAY_BE_THE_SCHEMA or kind not in (FailureKind.BAD_REQUEST, FailureKind.SERVER):
        return ""
    text = f"{words} {' '.join(codes)}".lower()
    return "named" if any(mark in text for mark in _OF_A_SCHEMA) else "possible"


def _unescaped(text: str) -> str:
    """The text with what JSON and HTML write in place of letters written out, to find quotations."""
    return html.unescape(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
