"""Error responses of many shapes, read by their codes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.api.faults import read_error


@pytest.mark.parametrize(
    ("body", "codes", "words"),
    [
        ({"error": {"message": "m", "type": "T", "code": "C"}}, {"t", "c"}, "m"),
        ([{"error": {"message": "m", "status": "QUOTA", "code": 429}}], {"quota"}, "m"),
        ({"error": {"message": "m", "innererror": {"code": "Policy"}}}, {"policy"}, "m"),
        ({"error": {"message": "m", "details": [{"reason": "KEY_INVALID"}, "x"]}}, {"key_invalid"}, "m"),
        ({"object": "error", "message": "m", "type": "BadRequestError"}, {"badrequesterror"}, "m"),
        ({"detail": "m"}, set(), "m"),
        ({"detail": [{"loc": ["body"], "msg": "m"}]}, set(), '[{"loc": ["body"], "msg": "m"}]'),
        ({"error": "m"}, set(), "m"),
        ([], set(), "[]"),
        ("text", set(), '"text"'),
    ],
)
def test_codes_and_words(body, codes, words):
    read = read_error(400, {}, json.dumps(body))
    assert (read.codes, read.words) == (codes, words)


def test_text_that_is_no_json_is_its_own_message():
    assert read_error(502, {}, "<html>Bad gateway</html>").words == "<html>Bad gateway</html>"


def test_nesting_without_end_is_text():
    assert read_error(400, {}, '{"error":' * 40_000).codes == frozenset()


KEYS = st.sampled_from(["error", "details", "code", "message", "innererror", "detail"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(LEAVES, lambda part: st.lists(part) | st.dictionaries(KEYS, part)))
def test_any_json_is_read(value):
    read = read_error(400, {}, json.dumps(value))
    assert isinstance(read.words, str)
