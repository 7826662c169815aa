"""Values that break readers, and ways to put them where a person puts a value."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

DEEP = 5000

SCALARS = (
    "", "~", "null", "true", "no", "off", "-", "-0", "0x_", "0b_", "0o8", "1_", "._", "1e999999",
    "-1e400", ".inf", "-.inf", ".nan", "nan", "inf", "Infinity", "9" * 5000, "1e15", "1e-400", "-1", "0",
    "010", "1:30", "12:99:99", "2026-02-30", "2026-13-01", "2026-01-01T99:00:00", "0000-00-00",
    "9999-12-31", "2026-11-26", "2026-W01-1", "٣", "१२", "1٫5", "½", "²", "１２３", "1 000", "1,234,567",
    "3.000", "'", '"', "'unclosed", "[", "]", "{", "}", "[1, [2, [3]]]", "{a: 1, a: 2}", "{a: {b: c}}",
    "[]", "{}", "[null]", "[[]]", "{1: 2}", "{[a]: 1}", "&a [*a]", "*nowhere",
    "!!python/object:os.system x", "!!binary x", "!!int x", "!!timestamp x", "!!set {a, b}", "<<", "? x",
    "|", ">", "# note", "%", "@", "`", "=", "a: b: c", "..", ".", "/", "../..", "/dev/zero", "/dev/null",
    "~root", "CON", "a/b", "-x", "--", "\u0085", "\u2028", "\u200b", "\ufeff", "\u202e", "\x07", "\x7f",
    "\U0001f600", "e\u0301", "x" * 70_000, "a\tb", "a\\", "%s%n", "${HOME}", "$(id)", "<script>",
    "{{7*7}}", "[" * DEEP, "{a: " * DEEP, "- " * DEEP, "a.b." * DEEP,
)  # fmt: skip
"""As they stand in a file or on a command line; none holds NUL or half a surrogate pair."""

WILD = ("\0", "a\0b", "\ud800", "x\udfff", "\udce9", "\x1b[31m", "\n", "\r\n", "a\nb", "\n\n- a\n")
"""What no text file holds and an argument or a reader's own argument can."""

scalars = st.sampled_from(SCALARS)
texts = scalars | st.sampled_from(WILD) | st.text(max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def bounded(examples: int) -> settings:
    """The same examples every time, none of them timed or made smaller, nothing kept."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def in_place_of(template: str, start: int, length: int, value: str) -> str:
    """A text with a piece of it replaced, wherever that is."""
    at = start % (len(template) + 1)
    return template[:at] + value + template[at + length :]


def a_value_replaced(template: str, line: int, value: str, mark: str) -> str:
    """A document of `key<mark>value` lines with one value replaced."""
    lines = template.splitlines()
    places = [n for n, text in enumerate(lines) if mark in text]
    at = places[line % len(places)]
    lines[at] = lines[at].partition(mark)[0] + mark + value
    return "\n".join(lines)


def a_part_replaced(value: Any, place: int, by: object) -> Any:
    """A JSON value with what stands at one place of it replaced, the value itself never."""
    value = copy.deepcopy(value)
    places = [(holder, key) for holder in _holders(value) for key in _keys(holder)]
    holder, key = places[place % len(places)]
    holder[key] = by
    return value


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for key in _keys(value):
            yield from _holders(value[key])


def _keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))
