"""A chat completion that came as a stream of events, put together to the one that it would have been.

A gateway that always streams is read as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from harness.models.api.dialects.said import part, parts, text_of_part

_SAID = (b'"content":', b'"content" :', b'"reasoning')
_NOTHING = (b'"content":""', b'"content": ""', b'"content":null', b'"content": null')


def says_something(part: bytes) -> bool:
    """Whether a piece of a stream holds a word and not only who speaks: looked at, not parsed."""
    rest = part
    for nothing in _NOTHING:
        rest = rest.replace(nothing, b"")
    return any(mark in rest for mark in _SAID)


def whole(text: str) -> dict[str, Any] | None:
    """The completion in a stream of events, or of JSON a line; None where the text is none.

    One whose events cannot all be read, or that ends before it says that it does, ends in an error.
    """
    events, broken = _events(text)
    if not events:
        return None
    pieces: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
    calls: dict[object, str] = {}
    found: dict[str, Any] = {}
    tokens: list[object] = []
    finish = None
    for event in events:
        for name in ("model", "system_fingerprint", "provider", "usage", "error"):
            if event.get(name):
                found[name] = event[name]
        choice: Mapping[str, Any] = next(iter(parts(event, "choices")), {})
        delta, message = part(choice, "delta"), part(choice, "message")
        for name, said in pieces.items():
            if name in message and not delta:  # all of it, as a gateway that does not stream sends it
                said.clear()
            piece = delta.get(name, message.get(name))
            piece = choice.get("text") if piece is None and name == "content" else piece
            said += [_text(piece)]
        for call in parts(delta or message, "tool_calls"):
            written = part(call, "function").get("arguments")
            at = call.get("index", 0)
            calls[at] = calls.get(at, "") + (written if isinstance(written, str) else "")
        listed = part(choice, "logprobs").get("content")
        tokens += listed if isinstance(listed, list) else []
        finish = choice.get("finish_reason") or finish
    whole_message: dict[str, Any] = {name: "".join(said) or None for name, said in pieces.items()}
    if calls:
        whole_message["tool_calls"] = [{"function": {"arguments": one}} for one in calls.values()]
    broken = broken or (finish is None and not text.rstrip().endswith("data: [DONE]"))
    if "error" not in found:
        last = {"message": whole_message, "finish_reason": "error" if broken else finish}
        found["choices"] = [last | ({"logprobs": {"content": tokens}} if tokens else {})]
    return found


def _text(piece: object) -> str:
    """What a piece says: a text, or the texts among its parts."""
    if isinstance(piece, list):
        return "".join(text_of_part(one) for one in piece)
    return piece if isinstance(piece, str) else ""


def _events(text: str) -> tuple[list[Mapping[str, Any]], bool]:
    """The events, and whether one could not be read. The data of one may stand on several lines.

    Lines end as the format says and nowhere else: an answer may hold U+2028, at which `splitlines` parts.
    """
    lines = _ENDS.split(text)
    if not any(line.startswith("data:") for line in lines):
        found = [event for line in lines if line.strip() and (event := _event(line)) is not None]
        streams = any("delta" in choice for event in found for choice in parts(event, "choices"))
        return (found, False) if streams else ([], False)
    found, begun, broken = [], "", False
    for line in lines:
        if line.startswith("data:"):
            begun += ("\n" if begun else "") + line[5:].strip()
            event = _event(begun)
            found += [] if event is None else [event]
            begun = begun if event is None and begun.startswith("{") else ""
        elif not line.strip():
            broken, begun = broken or bool(begun), ""
    return found, broken or bool(begun)


_ENDS = re.compile(r"\r\n|\n|\r")


def _event(line: str) -> Mapping[str, Any] | None:
    try:
        event: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
