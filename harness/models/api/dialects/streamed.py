"""A chat completion that came as a stream of events, put together to the one that it would have been.

A gateway that always streams is read as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_SAID = (b'"content":', b'"content" :', b'"reasoning')
_NOTHING = (b'"content":""', b'"content": ""', b'"content":null', b'"content": null')


def says_something(part: bytes) -> bool:
    """Whether a piece of a stream holds a word and not only who speaks: looked at, not parsed."""
    rest = part
    for nothing in _NOTHING:
        rest = rest.replace(nothing, b"")
    return any(mark in rest for mark in _SAID)


def whole(text: str) -> dict[str, Any] | None:
    """The completion in a stream of server-sent events; None where the text is none."""
    events = list(_events(text))
    if not events:
        return None
    parts: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
    found: dict[str, Any] = {}
    finish = None
    for event in events:
        for name in ("model", "system_fingerprint", "provider", "usage", "error"):
            if event.get(name):
                found[name] = event[name]
        choice = _first(event)
        delta = choice.get("delta")
        for name, said in parts.items():
            piece = delta.get(name) if isinstance(delta, Mapping) else None
            said += [piece] if isinstance(piece, str) else []
        finish = choice.get("finish_reason") or finish
    message = {name: "".join(said) or None for name, said in parts.items()}
    broken = finish is None and not text.rstrip().endswith("data: [DONE]")
    if "error" not in found:
        found["choices"] = [{"message": message, "finish_reason": "error" if broken else finish}]
    return found


def _events(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        if line.startswith("data:"):
            try:
                event: Any = json.loads(line[5:])
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event


def _first(event: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else {}
