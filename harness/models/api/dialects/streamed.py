"""A chat completion that came as a stream of events, put together to the one that it would have been.

A gateway that always streams is read as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.models.api.dialects.said import part, parts

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
    pieces: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
    found: dict[str, Any] = {}
    tokens: list[object] = []
    finish = None
    for event in events:
        for name in ("model", "system_fingerprint", "provider", "usage", "error"):
            if event.get(name):
                found[name] = event[name]
        choice: Mapping[str, Any] = next(iter(parts(event, "choices")), {})
        delta = choice.get("delta")
        for name, said in pieces.items():
            piece = delta.get(name) if isinstance(delta, Mapping) else None
            said += [piece] if isinstance(piece, str) else []
        listed = part(choice, "logprobs").get("content")
        tokens += listed if isinstance(listed, list) else []
        finish = choice.get("finish_reason") or finish
    message = {name: "".join(said) or None for name, said in pieces.items()}
    broken = finish is None and not text.rstrip().endswith("data: [DONE]")
    if "error" not in found:
        last = {"message": message, "finish_reason": "error" if broken else finish}
        found["choices"] = [last | ({"logprobs": {"content": tokens}} if tokens else {})]
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
