"""What went wrong with a call, read from the response and from litellm's exceptions, and fit to print.

litellm raises `InternalServerError` for a refused connection and for an unreadable body as well as for a
real 500, and `Timeout` for a 408; the exceptions it was raised from tell them apart. What a provider means
is told by its codes (`provider_errors`), never by a word that may be a label or a link. Its own words are
shown only scrubbed of keys, and not at all where they quote the request. Whatever is read here is cut first:
nothing takes longer for a longer response.

What a failed response holds: its status, headers and error object, as they came over the wire.

Error objects differ: OpenAI's `{"error": {"message", "type", "code", "param"}}`, Google's with `status` and
`details`, the same inside a list, FastAPI's `{"detail": …}`, vLLM's without a wrapper, or plain text. What
went wrong is told by codes; words are for people.

How long a response asks to be left alone, read from its headers, then its body, and last from its words.

Whatever stands there, the result is between 0 and `LONGEST_S`, or None where nothing can be read: a date
of the year 99999999999, NaN and negative numbers come from real servers.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from advisor.money.usage import Usage
from harness.core.records import FailureKind

MOST_READ = 65_536
"""No more characters than this are read of an error's body."""

_CODE_FIELDS = ("code", "type", "status", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """A response that is an error.

    Attributes:
        body: its error object, empty where it has none.
        codes: every code, type, status and reason in it, in lower case.
        words: its message, or the text it sent in place of one.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    codes: frozenset[str] = frozenset()
    words: str = ""


def error_response(error: BaseException) -> ErrorResponse | None:
    """The response behind an exception of litellm; None where no error came over the wire."""
    for link in chain(error):
        response: Any = getattr(link, "response", None)
        try:
            status, text = int(response.status_code), str(response.text)[:MOST_READ]
        except Exception:  # noqa: BLE001 - no response, one of another shape, or one never read
            continue
        if status >= 400 and text:
            return read_error(status, {str(k): str(v) for k, v in dict(response.headers).items()}, text)
    return None


def read_error(status: int, headers: Mapping[str, str], text: str) -> ErrorResponse:
    """Read an error response."""
    body = _error_object(text)
    page = _TITLE.search(text) if not body else None
    words = body.get("message") or body.get("detail") or ("" if body else page[1] if page else text)
    return ErrorResponse(
        status=status,
        headers=headers,
        body=body,
        codes=frozenset(_codes(body)),
        words=words if isinstance(words, str) else json.dumps(words),
    )


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those it was raised from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _error_object(text: str) -> Mapping[str, Any]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict) and "error" in found:
        inner = found["error"]
        found = inner if isinstance(inner, dict) else {**found, "message": found.get("message") or inner}
    return found if isinstance(found, dict) else {}


def _codes(body: Mapping[str, Any]) -> Iterator[str]:
    inner = body.get("innererror")
    parts = [body, inner if isinstance(inner, dict) else {}]
    details = body.get("details")
    parts += [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []
    for part in parts:
        for name in _CODE_FIELDS:
            if isinstance(part.get(name), str):
                yield part[name].lower()


_TITLE = re.compile(r"<title[^>]*>\s*([^<]{3,200})", re.IGNORECASE)
LONGEST_S = 30 * 86_400.0
_DAY_S = 86_400.0
_EPOCH_S = 1e9  # a larger number of seconds is a moment since 1970, one of milliseconds above _EPOCH_MS
_EPOCH_MS = 1e11
_LONGEST_TEXT = 64
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"\d{1,12}(?:\.\d{1,9})?"
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>{_NUMBER}){unit})?" for unit in _UNITS))
_SAID = re.compile(
    r"(?:retry|try again) (?:in|after) (?P<short>[0-9][0-9.dhms]{0,24})(?: (?P<unit>second|minute|hour))?",
    re.IGNORECASE,
)
_RESET = re.compile(r"(?:x-|anthropic-)?ratelimit-(?:reset(?P<after>-[\w-]+)?|(?P<before>[\w-]+)-reset)")


def told_pause_s(
    headers: Mapping[str, str], now: datetime, body: Mapping[str, Any] | None = None, words: str = ""
) -> float | None:
    """The pause a response asks for, in seconds.

    In this order: `retry-after-ms`; `Retry-After` (RFC 9110, section 10.2.3) in seconds or as a date;
    Google's `RetryInfo`, or a day where the quota is one a day; the reset of a limit that is used up
    (`x-ratelimit-reset-*`, `anthropic-ratelimit-*-reset`); "try again in 7m12s".

    Args:
        now: with a time zone; for moments.
        body: the error object of the response.
        words: its message.
    """
    lower = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    milliseconds = _number(lower.get("retry-after-ms", ""))
    readings = (
        None if milliseconds is None else milliseconds / 1000.0,
        _seconds(lower.get("retry-after", ""), now),
        _google_s(body or {}, now),
        _reset_s(lower, now),
        _said_s(words),
    )
    found = next((reading for reading in readings if reading is not None), None)
    return None if found is None else min(max(0.0, found), LONGEST_S)


def _seconds(text: str, now: datetime) -> float | None:
    """Seconds from now: a number, '6m0s', an HTTP date, an ISO date, or a moment since 1970."""
    if not text or len(text) > _LONGEST_TEXT:
        return None
    number = _number(text)
    if number is not None:
        if number < _EPOCH_S:
            return number
        return (number / 1000.0 if number > _EPOCH_MS else number) - now.timestamp()
    duration = _duration(text)
    return _until(text, now) if duration is None else duration


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _duration(text: str) -> float | None:
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        return None
    return sum(float(found[unit]) * size for unit, size in _UNITS.items() if found[unit])


def _until(text: str, now: datetime) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return (moment - now).total_seconds()
        except (ValueError, OverflowError, TypeError):
            continue
    return None


def _google_s(body: Mapping[str, Any], now: datetime) -> float | None:
    """`RetryInfo` of an error's details; a quota counted by the day is not free again in its few seconds."""
    entries = [entry for entry in _listed(body.get("details")) if isinstance(entry, Mapping)]
    told = next((_seconds(str(e["retryDelay"]), now) for e in entries if "retryDelay" in e), None)
    quotas = (v for e in entries for v in _listed(e.get("violations")) if isinstance(v, Mapping))
    daily = any("perday" in str(violation.get("quotaId", "")).lower() for violation in quotas)
    return max(told or 0.0, _DAY_S) if daily else told


def used_up_pause_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long a limit that an answer says is used up stays so; None where nothing says that.

    Args:
        now: with a time zone; for moments.
    """
    lower = {
        str(name).lower(): str(value).strip()
        for name, value in headers.items()
        if "ratelimit" in name.lower()
    }
    used_up = {
        name: value
        for name, value in lower.items()
        if (found := _RESET.fullmatch(name)) is None or any(_left(lower, found))
    }
    told = _reset_s(used_up, now)
    return None if told is None else min(max(0.0, told), LONGEST_S)


def _reset_s(lower: Mapping[str, str], now: datetime) -> float | None:
    """When the limit that is used up is free again; of several the last one.

    A limit with something left is not what refused the call: the reset is then the time until all of it
    is free again, up to a day. Without a word on what is left, the header is believed.
    """
    waits = [
        wait
        for name, value in lower.items()
        if (found := _RESET.fullmatch(name)) is not None
        and all(_number(left) == 0.0 for left in _left(lower, found))
        and (wait := _seconds(value, now)) is not None
    ]
    return max(waits, default=None)


def _left(lower: Mapping[str, str], reset: re.Match[str]) -> Iterator[str]:
    """What remains of the limit that a reset header belongs to, where that is said."""
    stem = reset.string.partition("ratelimit-")[0] + "ratelimit-"
    after, before = reset["after"] or "", reset["before"]
    name = f"{stem}{before}-remaining" if before else f"{stem}remaining{after}"
    if name in lower:
        yield lower[name]


def _said_s(words: str) -> float | None:
    found = _SAID.search(words)
    if found is None:
        return None
    short = found["short"].rstrip(".")
    number = _number(short)
    if number is None:
        return _duration(short)
    return number * _UNITS[(found["unit"] or "second")[0].lower()]


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


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
_REFUSABLE = (
    "response_format", "json_schema", "temperature", "seed", "reasoning_effort", "top_logprobs", "logprobs",
    "max_tokens",
)  # fmt: skip
_OVERLOADED = frozenset({503, 529})  # 529 is Anthropic's overloaded_error
_NO_CREDIT = frozenset(
    {
        "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error",
        "insufficient_balance", "insufficient_credits", "insufficient_funds", "payment_required",
        "credit_balance_too_low", "exceeded_current_quota_error", "account_deactivated", "access_terminated",
    }
)  # fmt: skip
_FILTERED = frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation"})
_TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_SAYS_TOO_LONG = (
    "maximum context length", "model's context length", "maximum context limit", "exceed context limit",
    "exceeds the available context size", "prompt is too long", "input tokens exceed the configured limit",
    "exceeds the maximum number of tokens",
)  # fmt: skip
_NO_SYSTEM = re.compile(
    r"system (role|messages?|prompts?|instructions?) (is |are )?not (supported|allowed)|roles must alternate"
    r"|developer instruction is not enabled|only user and assistant roles",
    re.IGNORECASE,
)
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

    @property
    def overloaded(self) -> bool:
        """Whether the provider has too much to do, of this caller's calls or of all: fewer at once help."""
        return self.passes and (self.kind is FailureKind.RATE_LIMIT or self.status in _OVERLOADED)


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
    told = response or ErrorResponse(
        status=status or 0, headers=_litellm_headers(error), codes=codes, words=words
    )
    fault = _fault(kind, told, request_texts, secrets, now)
    return replace(fault, unbilled=True) if _names(error) & _NEVER_REACHED else fault


def fault_of_response(
    response: ErrorResponse, request_texts: Sequence[str], secrets: Sequence[str], now: datetime
) -> Fault:
    """Classify an error that came over the wire, as `fault_of` does."""
    words, codes = response.words[:_MOST_SAID].lower(), response.codes
    if response.status == 413 or codes & _TOO_LONG or any(mark in words for mark in _SAYS_TOO_LONG):
        kind = FailureKind.TOO_LONG
    elif codes & _FILTERED:
        kind = FailureKind.CONTENT_FILTER
    else:
        kind = _kind_of_status(response.status)
    return _fault(kind, response, request_texts, secrets, now)


def _fault(
    kind: FailureKind,
    told: ErrorResponse,
    request_texts: Sequence[str],
    secrets: Sequence[str],
    now: datetime,
) -> Fault:
    """The fault behind an error; status 0 where none was sent."""
    status, codes, words = told.status or None, told.codes, told.words[:_MOST_SAID]
    no_credit = bool(codes & _NO_CREDIT)
    detail = printable(words, request_texts, secrets)
    loading = status == 404 and "loading" in words.lower()
    passes = (kind in _PASSING and not no_credit) or "json_validate_failed" in codes or loading
    refused = _refused(words, told) if status in (400, 422) and kind is FailureKind.BAD_REQUEST else ""
    if status in _MAY_BE_THE_SCHEMA and _NO_SYSTEM.search(words):
        refused = "system"
    return Fault(
        kind=kind,
        message=f"{_TOLD[kind]}{f' (HTTP {status})' if status else ''}{': ' + detail if detail else ''}",
        passes=passes,
        fatal=(status in (401, 402, 403, 404) and not loading) or no_credit,
        told_s=told_pause_s(told.headers, now, told.body, words) if passes else None,
        refused=refused,
        schema=_schema(kind, status, codes, words) if not refused else "",
        unbilled=status in _NOTHING_SERVED,
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
    if status >= 500 and not sent and not _was_sent(error):
        return FailureKind.BAD_RESPONSE
    return _kind_of_status(status)


def _kind_of_status(status: int) -> FailureKind:
    match status:
        case 401 | 402 | 403:
            return FailureKind.AUTHENTICATION
        case 408:
            return FailureKind.TIMEOUT
        case 429:
            return FailureKind.RATE_LIMIT
        case 409 | 425 | 499:  # a conflict, too early, called off on the way: asked again as SDKs do
            return FailureKind.SERVER
    return FailureKind.SERVER if status >= 500 else FailureKind.BAD_REQUEST


def _was_sent(error: Exception) -> bool:
    """Whether a 5xx came over the wire: then its wrapped exception is not litellm's own about the body."""
    return "provider returned" not in str(error)


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


def _refused(words: str, response: ErrorResponse) -> str:
    """The parameter that is named; the schema is no such one, see `Fault.schema`."""
    named = str(response.body.get("param") or "")
    found = next((name for name in _REFUSABLE if name == named), "") or next(
        (name for name in _REFUSABLE if name in words.lower()), ""
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
