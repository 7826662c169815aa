"""How long a response asks to be left alone, read from its headers, then its body, and last from its words.

Whatever stands there, the result is between 0 and `LONGEST_S`, or None where nothing can be read: a date
of the year 99999999999, NaN and negative numbers come from real servers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

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
