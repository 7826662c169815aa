"""The OpenAI-compatible requests and responses this server speaks. Pure: JSON values in, JSON values out.

A request may name the labels to choose from as vLLM does (`structured_outputs.choice`, or the older
`guided_choice`), or by a JSON schema whose only property, or whose whole value, is an `enum`. Without
either a model answers with one of the labels it was tuned on. Everything else a client may send (sampling,
penalties, tools) has no meaning for a choice between labels: unknown keys are left alone, except those whose
neglect would give a wrong answer, which are refused.

A model that reads fields answers with JSON of the fields it was trained on, whatever the request is held to;
a schema that asks for other ones is refused.

A model that ships as a route says in each choice whether it hands over (`hand_over`); where it does, the
content has no label, and `logprobs` show what it would have said.

`logprobs`: a label counts as one token, so `content` has one entry and `top_logprobs` lists other labels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from advisor.reading import Unreadable, parse_json
from harness.core.records import Message
from harness.models.base import ChatReply

MOST_MESSAGES = 200
MOST_CHOICES = 256


class BadRequest(Exception):
    """A request that cannot be answered; `status` is the HTTP status, `kind` OpenAI's name for it.

    `headers` go with the response.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.headers = headers or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """A chat completion that was asked for.

    Attributes:
        choices: the labels named in the request, None where it names none.
        wrapped_in: the property of the JSON object the answer goes into, '' for the bare label, and
            '"' for a JSON string.
        top: how many labels' log-probabilities are wanted, None for none at all.
        properties: what a JSON schema asks for that is no choice between labels: fields.
    """

    model: str
    messages: tuple[Message, ...]
    choices: tuple[str, ...] | None
    wrapped_in: str
    top: int | None
    stream: bool
    properties: tuple[str, ...] = ()


def read_request(body: bytes, most_choices: int = MOST_CHOICES) -> CompletionRequest:
    """Read the body of POST /v1/chat/completions.

    Args:
        most_choices: labels that a request may name.

    Raises:
        BadRequest: saying what is wrong with it.
    """
    try:
        raw = parse_json(body, most=len(body))
    except Unreadable as error:
        raise BadRequest(f"the body cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise BadRequest("the body has to be a JSON object")
    for name, fine in (("n", (None, 1)), ("tools", (None, [])), ("functions", (None, []))):
        if raw.get(name) not in fine:
            raise BadRequest(f"'{name}' is not supported: the answer is one label")
    choices, wrapped_in, properties = _choices(raw)
    if choices is not None and len(choices) > most_choices:
        raise BadRequest(f"a request may name {most_choices} labels at most; this one names {len(choices)}")
    return CompletionRequest(
        model=_text(raw.get("model"), "model"),
        messages=_messages(raw.get("messages")),
        choices=choices,
        wrapped_in=wrapped_in,
        top=_top(raw),
        stream=bool(raw.get("stream")),
        properties=properties,
    )


def completion(
    asked: CompletionRequest,
    reply: ChatReply,
    choices: Sequence[str],
    *,
    number: str,
    now: int,
    hand_over: bool | None = None,
) -> dict[str, Any]:
    """The response to a request.

    Args:
        reply: its text is one of `choices`, and its log-probabilities are in their order; without choices it
            is fields as JSON.
        number: of the response.
        now: seconds since 1970.
        hand_over: of a model that ships as a route: this one is left to today's way, so no label is given.
    """
    flag = {} if hand_over is None else {"hand_over": hand_over}
    content: str | None = reply.text
    if hand_over:
        content = _content(asked, None, hand_over=True)
    elif choices:
        content = _content(asked, reply.text)
    usage = reply.usage
    cached = usage.cached_tokens or 0
    prompt = None if usage.input_tokens is None else usage.input_tokens + cached
    answer = usage.output_tokens
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": now,
        "model": asked.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "logprobs": _logprobs(asked, reply, choices),
                "finish_reason": "length" if reply.cut else "stop",
                **flag,
            }
        ],
        "usage": {
            "prompt_tokens": prompt or 0,
            "completion_tokens": answer or 0,
            "total_tokens": (prompt or 0) + (answer or 0),
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


def chunks(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The response as a stream: the whole answer in one piece, then its end."""
    choice = response["choices"][0]
    head = {key: response[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    piece = {"index": 0, "delta": choice["message"], "logprobs": choice["logprobs"], "finish_reason": None}
    end = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    if "hand_over" in choice:
        piece["hand_over"] = choice["hand_over"]
    return [head | {"choices": [piece]}, head | {"choices": [end], "usage": response["usage"]}]


def model_list(names: Sequence[str], now: int) -> dict[str, Any]:
    """The response to GET /v1/models."""
    data = [{"id": name, "object": "model", "created": now, "owned_by": "tune-or-retrieve"} for name in names]
    return {"object": "list", "data": data}


def error_body(message: str, kind: str, status: int) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


_Asked = tuple[tuple[str, ...] | None, str, tuple[str, ...]]
"""Labels to choose from, what the answer is wrapped in, and the fields that are asked for."""


def _choices(raw: Mapping[str, Any]) -> _Asked:
    structured = raw.get("structured_outputs")
    named = structured.get("choice") if isinstance(structured, dict) else raw.get("guided_choice")
    if named is not None:
        return _labels(named, "structured_outputs.choice"), "", ()
    if isinstance(structured, dict) and structured:
        raise BadRequest("'structured_outputs' is supported with 'choice' only")
    form = raw.get("response_format")
    kind = form.get("type") if isinstance(form, dict) else "text"
    match kind:
        case "text":
            return None, "", ()
        case "json_object":
            return None, "label", ()
        case "json_schema":
            held = form.get("json_schema") if isinstance(form, dict) else None
            return _schema(held.get("schema") if isinstance(held, dict) else None)
        case _:
            raise BadRequest(f"'response_format' of type {kind!r} is not supported")


def _schema(schema: object) -> _Asked:
    if isinstance(schema, dict) and isinstance(schema.get("enum"), list):
        return _labels(schema["enum"], "enum"), '"', ()
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if isinstance(properties, dict) and len(properties) == 1:
        name, held = next(iter(properties.items()))
        if isinstance(held, dict) and isinstance(held.get("enum"), list) and name not in ("", '"'):
            return _labels(held["enum"], "enum"), str(name), ()
        if isinstance(held, dict) and held.get("type") == "string":
            return None, str(name), ()
    if isinstance(properties, dict) and properties:
        return None, "", tuple(str(name) for name in properties)
    raise BadRequest("'json_schema' has to have properties, or an 'enum' of labels")


def _labels(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
        raise BadRequest(f"'{name}' has to be a list of texts")
    if not value or len(set(value)) < len(value):
        raise BadRequest(f"'{name}' has to hold different texts, at least 1")
    return tuple(value)


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_MESSAGES:
        raise BadRequest(f"'messages' has to be a list of 1 to {MOST_MESSAGES} turns")
    found = [_message(turn) for turn in value]
    if found[-1].role != "user":
        raise BadRequest("the last of 'messages' has to be the user's: it is the text to be labelled")
    return tuple(found)


def _message(turn: object) -> Message:
    role = turn.get("role") if isinstance(turn, dict) else None
    content = turn.get("content") if isinstance(turn, dict) else None
    if isinstance(content, list):
        parts = [
            part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"
        ]
        if len(parts) != len(content):
            raise BadRequest("'content' may hold text only")
        content = "".join(str(part) for part in parts)
    if role == "developer":
        role = "system"
    if role not in ("system", "user", "assistant") or not isinstance(content, str):
        raise BadRequest("a turn needs a 'role' of system, user or assistant and a text as 'content'")
    return Message(role=role, content=content)


def _top(raw: Mapping[str, Any]) -> int | None:
    if not raw.get("logprobs"):
        return None
    top = raw.get("top_logprobs", 0)
    if not isinstance(top, int) or isinstance(top, bool) or top < 0:
        raise BadRequest("'top_logprobs' has to be a whole number from 0")
    return top


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequest(f"'{name}' has to be a text")
    return value


def _content(asked: CompletionRequest, text: str | None, **more: bool) -> str | None:
    """A label, or none, in the form that was asked for; `more` stands beside it in an object."""
    match asked.wrapped_in:
        case "":
            return text
        case '"':
            return json.dumps(text, ensure_ascii=False)
        case name:
            return json.dumps({name: text, **more}, ensure_ascii=False)


def _logprobs(asked: CompletionRequest, reply: ChatReply, choices: Sequence[str]) -> dict[str, Any] | None:
    if asked.top is None or reply.choice_logprobs is None:
        return None
    ranked = sorted(zip(choices, reply.choice_logprobs, strict=True), key=lambda pair: -pair[1])
    entries = [
        {"token": label, "logprob": value, "bytes": list(label.encode())}
        for label, value in ranked
        if math.isfinite(value)  # an engine that knows its own answer's probability only
    ]
    own = next(entry for entry in entries if entry["token"] == reply.text)
    return {"content": [own | {"top_logprobs": entries[: asked.top]}]}
