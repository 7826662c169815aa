"""What a failed response holds: its status, headers and error object, as they came over the wire.

Error objects differ: OpenAI's `{"error": {"message", "type", "code", "param"}}`, Google's with `status` and
`details`, the same inside a list, FastAPI's `{"detail": …}`, vLLM's without a wrapper, or plain text. What
went wrong is told by codes; words are for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

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
    words = body.get("message") or body.get("detail") or ("" if body else text)
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
