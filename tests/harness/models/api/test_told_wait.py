"""Pauses that responses ask for; expected numbers by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.api.faults import LONGEST_S, told_pause_s

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
DAILY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
MINUTE = {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProject"}]}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "2026-11-23T12:01:00Z"}, 60.0),
        ({"Retry-After": "1795435320"}, 120.0),  # 2026-11-23 12:02:00 UTC
        ({"Retry-After": "1795435320000"}, 120.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "9" * 60}, LONGEST_S),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": "Mon, 23 Nov 99999999999 12:00:30 GMT"}, None),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_S),
        ({"Retry-After": "Wed, 99 Foo 2026 99:99:99 GMT"}, None),
        ({"retry-after-ms": "1e300"}, LONGEST_S),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert told_pause_s(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-requests-day": "33011.38"}, 33011.38),
        ({"X-RateLimit-Reset": "1795435260"}, 60.0),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-23T12:00:10Z"}, 10.0),
        # the day's limit is far from used up: its reset says nothing about the next call
        (
            {
                "x-ratelimit-reset-requests": "14h",
                "x-ratelimit-remaining-requests": "9800",
                "x-ratelimit-reset-tokens": "3s",
                "x-ratelimit-remaining-tokens": "0",
            },
            3.0,
        ),
        (
            {
                "anthropic-ratelimit-tokens-reset": "2026-11-23T13:00:00Z",
                "anthropic-ratelimit-tokens-remaining": "7",
            },
            None,
        ),
        ({"x-ratelimit-reset-requests": "6m0s", "Retry-After": "2"}, 2.0),
        ({"x-ratelimit-limit-requests": "60"}, None),
    ],
)  # fmt: skip
def test_the_reset_of_a_limit_that_is_used_up(headers, seconds):
    assert told_pause_s(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}], 34.07),
        ([MINUTE, {"retryDelay": "34s"}], 34.0),
        ([DAILY, {"retryDelay": "34s"}], 86_400.0),
        ([{"retryDelay": None}], None),
        ("nonsense", None),
        ([["nested"], 7, {"violations": 5}], None),
    ],
)
def test_googles_details(details, seconds):
    assert told_pause_s({}, NOW, {"details": details}) == seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached. Please try again in 7m12s. Visit the console.", 432.0),
        ("Please retry in 1.2s.", 1.2),
        ("Please retry after 26 seconds.", 26.0),
        ("try again in 2 minutes", 120.0),
        ("try again in 500ms", 0.5),
        ("try again in a while", None),
        ("limit: 10 per 60 s", None),
    ],
)
def test_words_are_read_last(words, seconds):
    assert told_pause_s({}, NOW, None, words) == seconds
    assert told_pause_s({"retry-after": "3"}, NOW, None, words) == 3.0


@given(st.text(max_size=80), st.text(max_size=200))
def test_whatever_stands_there_the_pause_is_bounded(value, words):
    headers = {"retry-after": value, "x-ratelimit-reset-tokens": value, "retry-after-ms": value}
    told = told_pause_s(headers, NOW, {"details": [{"retryDelay": value}]}, f"try again in {words}")
    assert told is None or 0.0 <= told <= LONGEST_S
