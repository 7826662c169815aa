"""Read a label out of a raw answer, tolerantly but without guessing.

An answer counts as a label if, apart from case, quotes, punctuation, underscores and a JSON or
"Label:" wrapping, it is that label's name, or if exactly one label's name stands in it as whole words.
Everything else is invalid; it is reported as such and counts as not correct.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_WORDS = re.compile(r"[^\W_]+", re.UNICODE)
_LONGEST_ANSWER = 400


def read_label(answer: str, labels: Sequence[str]) -> str | None:
    """The label an answer names, None if it names none or several."""
    names = {_plain(label): label for label in labels}
    text = _unwrapped(answer[:_LONGEST_ANSWER])
    exact = names.get(_plain(text))
    if exact is not None:
        return exact
    return _only_one_inside(_plain(text), names)


def _plain(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


def _unwrapped(text: str) -> str:
    text = text.strip().strip("`").strip()
    text = re.sub(r"^json\s*", "", text)
    if text.startswith("{"):
        try:
            parsed = json.loads(text)
        except json.JSONDecodeError:
            return text
        if isinstance(parsed, dict) and len(parsed) == 1:
            (value,) = parsed.values()
            return str(value)
    return re.sub(r"^(label|category|answer|intent)\s*[:=]\s*", "", text, flags=re.IGNORECASE)


def _only_one_inside(text: str, names: dict[str, str]) -> str | None:
    padded = f" {text} "
    inside = [name for name in names if name and f" {name} " in padded]
    longest = [name for name in inside if not any(name != other and name in other for other in inside)]
    return names[longest[0]] if len(longest) == 1 else None
