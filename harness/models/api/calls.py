"""One attempt at one question: what is sent, by litellm or directly, and what comes back.

The answer is held to its form by a strict JSON schema where the model takes one: a choice of a closed set by
`{"label": ...}`, fields by their own schema, in which a field that may be absent may be null. What a model
refuses with a 400 (schema, temperature, seed, the name of the token limit) is left out from then on:
`Form` says what is still sent. Prompts are never changed, but that examples answer in the form asked for, and
that instructions join the first question where a model takes no turn of the system.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from harness.core.errors import ModelUnavailable
from harness.core.records import AnswerForm, Choices, FreeText, JsonSchema, Message
from harness.models.api.destinations import Destination
from harness.models.api.dialects.reading import is_known, read_answer
from harness.models.api.dialects.said import Received, ReceivedAnswer
from harness.models.api.faults import Fault, fault_of, used_up_pause_s
from harness.models.base import ChatRequest

_ROOM = 64  # tokens for {"label": "..."} beside the label itself
REASONING_ROOM = 4096  # tokens a reasoning model may think before that
_ROOM_OF_EFFORT = {"medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 32_768}
_MOST_ROOM = 32_768
LISTED = 20
"""Alternatives asked for at each token: the most that OpenAI and vLLM give."""
_FEWER_LISTED = 5
_WITHOUT: Mapping[str, Any] = {
    "response_format": {"schema": False},
    "temperature": {"temperature": False},
    "seed": {"seed": False},
    "system": {"system": False},
    "reasoning_effort": {"effort": ""},
    "logprobs": {"listed": 0},
    "max_tokens": {"limit_name": "max_completion_tokens"},
    "room": {"reasons": True},
    "more room": {"reasons": True},
}
"""What changes in a `Form` where a parameter is refused."""
_SENT = {"temperature": (b'temperature":',), "seed": (b'seed":',), "effort": (b"effort", b"thinking")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Which parameters are sent beside the messages.

    Attributes:
        schema: hold the answer to the choices by a JSON schema; False is plain prompting.
        temperature, seed: send 0 and the run's seed.
        system: send instructions as a turn of their own; else they stand before the first question.
        limit_name: 'max_tokens' or 'max_completion_tokens'.
        reasons: leave room for hidden reasoning.
        room: tokens of it.
        effort: how hard a reasoning model is asked to think, '' as the provider has it.
        listed: alternatives at each token whose log-probabilities are asked for; 0 for none.
    """

    schema: bool
    temperature: bool = True
    seed: bool = True
    system: bool = True
    limit_name: str = "max_tokens"
    reasons: bool = False
    room: int = REASONING_ROOM
    effort: str = ""
    listed: int = 0

    def thinking(self, effort: str) -> Form:
        """The form with an effort asked for, and room for it; the same form where none is."""
        if not effort:
            return self
        room = _ROOM_OF_EFFORT.get(effort, REASONING_ROOM)
        return dataclasses.replace(self, effort=effort, reasons=effort != "none", room=room)

    def without(self, refused: str) -> Form:
        """The form without a refused parameter; the same form when there is nothing to leave out.

        'max_tokens' is sent under its newer name instead. 'room' is an answer cut off in what may have been
        thinking, 'more room' one cut off in what was.
        """
        match refused:
            case "top_logprobs":
                return dataclasses.replace(self, listed=_FEWER_LISTED if self.listed > _FEWER_LISTED else 0)
            case "more room" if self.reasons:
                return dataclasses.replace(self, room=min(_MOST_ROOM, 4 * self.room))
        return dataclasses.replace(self, **_WITHOUT.get(refused, {}))

    def left_out(self, first: Form) -> tuple[str, ...]:
        """What decides an answer, was to be sent by the first form, and is sent by this one no longer."""
        there = {"temperature": first.temperature, "seed": first.seed, "effort": bool(first.effort)}
        now = {"temperature": self.temperature, "seed": self.seed, "effort": bool(self.effort)}
        return tuple(name for name, sent in there.items() if sent and not now[name])

    @property
    def deciding(self) -> dict[str, object]:
        """What of it decides an answer, as it stands in the keys of stored answers."""
        names = (
            "schema",
            "temperature",
            "seed",
            "limit_name",
            "reasons",
            *(("effort",) if self.effort else ()),
            *(() if self.system else ("system",)),
        )
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where calls go.

    Attributes:
        where: the only place they may go.
        api_key: None where litellm finds the credentials itself.
        key_variable: the environment variable a user would set the key in.
        secrets: values that must never be printed.
        marks_cache: the provider caches a prefix only where it is marked, as Anthropic does.
    """

    model: str
    where: Destination
    api_key: str | None = dataclasses.field(repr=False)
    key_variable: str
    timeout_s: float
    seed: int
    secrets: tuple[str, ...] = dataclasses.field(repr=False)
    marks_cache: bool = False

    def key_at_host(self, environ: Mapping[str, str]) -> str:
        """What limits are kept by: the host, and a digest of the key that calls go with."""
        key = self.api_key or environ.get(self.key_variable, "")
        host = self.where.provider if self.where.own else urlsplit(self.where.base or "").netloc
        return f"{host} {hashlib.sha256(key.encode()).hexdigest()}"


def answer_schema(form: AnswerForm) -> dict[str, Any] | None:
    """The strict JSON schema that an answer is held to; None for a free text."""
    match form:
        case Choices(answers=answers):
            return {
                "type": "object",
                "properties": {"label": {"type": "string", "enum": list(answers)}},
                "required": ["label"],
                "additionalProperties": False,
            }
        case JsonSchema(schema=schema):
            return _strict(schema)
        case FreeText():
            return None


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An object as strict schemas have it: every property required, null where it may be absent."""
    properties = {
        name: _strict(part) if part.get("type") == "object" else dict(part)
        for name, part in schema["properties"].items()
    }
    for name in properties.keys() - set(schema.get("required", ())):
        part = properties[name]
        part["type"] = [part["type"], "null"]
        if "enum" in part:
            part["enum"] = [*part["enum"], None]
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def said_as_asked(messages: Sequence[Message], held: AnswerForm, *, schema: bool) -> tuple[Message, ...]:
    """The turns as they are sent: the examples' answers in the form that the answer is held to."""
    if not schema:
        return tuple(messages)
    return tuple(
        dataclasses.replace(one, content=_as_held(one.content, held)) if one.role == "assistant" else one
        for one in messages
    )


def _placed(turns: tuple[Message, ...], form: Form) -> tuple[Message, ...]:
    """The turns, with the instructions before the first question where a model takes no others."""
    if form.system or len(turns) < 2 or turns[0].role != "system":
        return turns
    first = dataclasses.replace(turns[1], content=f"{turns[0].content}\n\n{turns[1].content}")
    return (first, *turns[2:])


def _as_held(said: str, form: AnswerForm) -> str:
    match form:
        case Choices():
            return json.dumps({"label": said}, ensure_ascii=False)
        case JsonSchema(schema=schema):
            return json.dumps(_filled(json.loads(said), schema), ensure_ascii=False)
        case FreeText():
            return said


def _filled(values: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in the schema's order, null where one is absent."""
    found: dict[str, Any] = {}
    for name, part in schema["properties"].items():
        value = values.get(name)
        found[name] = _filled(value, part) if isinstance(value, dict) and "properties" in part else value
    return found


@functools.lru_cache(maxsize=8)
def _longest(answers: tuple[str, ...]) -> int:
    """Bytes of the longest answer as JSON; kept, as every call of an arm has the same answers."""
    return max((len(json.dumps(answer)) for answer in answers), default=0)


def most_output_tokens(request: ChatRequest, form: Form) -> int:
    """The token limit of a call.

    For a closed set enough for the longest choice as JSON, as no token is less than a byte.
    """
    match request.form:
        case Choices(answers=answers):
            most = _ROOM + _longest(answers)
        case JsonSchema(schema=schema, max_tokens=written):
            most = written + len(json.dumps(_filled({}, schema)))  # nulls stand where a field is absent
        case FreeText(max_tokens=most):
            pass
    return most + (form.room if form.reasons else 0)


def most_input_tokens(request: ChatRequest, form: Form) -> int:
    """An upper bound of the input in tokens: its bytes, schema and 16 tokens of template a turn included."""
    messages = said_as_asked(request.messages, request.form, schema=form.schema)
    said = sum(len(message.content.encode()) + 16 for message in messages)
    return said + (_schema_bytes(request.form) if form.schema else 0)


def _schema_bytes(form: AnswerForm) -> int:
    return _of_choices(form) if isinstance(form, Choices) else len(json.dumps(answer_schema(form)))


@functools.lru_cache(maxsize=8)
def _of_choices(form: Choices) -> int:
    """Bytes of the schema of a closed set; kept, as every call of an arm has the same one."""
    return len(json.dumps(answer_schema(form)))


def most_tokens(request: ChatRequest, form: Form) -> tuple[int, int]:
    """The most tokens of a call, in and out."""
    return most_input_tokens(request, form), most_output_tokens(request, form)


def request_body(request: ChatRequest, route: Route, form: Form) -> dict[str, Any]:
    """A chat completion's JSON as OpenAI's dialect has it, the model's name left out."""
    body: dict[str, Any] = {
        "messages": [
            {"role": m.role, "content": m.content}
            for m in _placed(said_as_asked(request.messages, request.form, schema=form.schema), form)
        ],
        form.limit_name: most_output_tokens(request, form),
    }
    if form.temperature:
        body["temperature"] = 0
    if form.seed:
        body["seed"] = route.seed
    if form.effort:
        body["reasoning_effort"] = form.effort
    if form.listed and isinstance(request.form, Choices):
        body |= {"logprobs": True, "top_logprobs": form.listed}
    held_to = answer_schema(request.form) if form.schema else None
    if held_to is not None:
        schema = {"name": "answer", "strict": True, "schema": held_to}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def responses_body(request: ChatRequest, route: Route, form: Form) -> dict[str, Any]:
    """The same question as OpenAI's responses have it, where no seed can be sent; nothing is stored there."""
    asked = request_body(request, route, form)
    body: dict[str, Any] = {
        "input": asked["messages"],
        "max_output_tokens": asked[form.limit_name],
        "store": False,
    }
    if form.temperature:
        body["temperature"] = 0
    if form.effort:
        body["reasoning"] = {"effort": form.effort}
    if "response_format" in asked:
        body["text"] = {"format": {"type": "json_schema", **asked["response_format"]["json_schema"]}}
    if "top_logprobs" in asked:
        body |= {"include": ["message.output_text.logprobs"], "top_logprobs": asked["top_logprobs"]}
    return body


class Request(Protocol):
    """What is asked in one call."""

    @property
    def item_id(self) -> str:
        """What it is about."""


Asked_contra = TypeVar("Asked_contra", bound=Request, contravariant=True)
Received_co = TypeVar("Received_co", bound=Received, covariant=True)


class Caller(Protocol[Asked_contra, Received_co]):
    """A way to a model: one call at a time, and what it leaves open."""

    async def attempt(
        self, request: Asked_contra, route: Route, form: Form, now: datetime
    ) -> Received_co | Fault:
        """Make one call. Every failure of it comes back as a `Fault`; cancellation passes through."""

    def most_tokens(self, request: Asked_contra, form: Form) -> tuple[int, int]:
        """The most tokens of a call, in and out."""

    async def close(self) -> None:
        """Close connections, on the event loop that made them."""


class ChatCaller(Caller[ChatRequest, ReceivedAnswer], Protocol):
    """A way to a chat model."""

    async def body(self, request: ChatRequest, route: Route, form: Form) -> bytes:
        """The body that a call would send; nothing is sent."""


class LitellmCaller:
    """Calls through litellm, which writes every provider's answer as an OpenAI chat completion."""

    def __init__(self, litellm: Any) -> None:
        self._litellm = litellm

    async def attempt(
        self, request: ChatRequest, route: Route, form: Form, now: datetime
    ) -> ReceivedAnswer | Fault:
        """Make one call.

        Its JSON is read as it came over the wire; where it is of a dialect that litellm alone knows, as
        litellm wrote it.
        """
        from harness.models.api.transport import Wire, held_to

        wire, limit = Wire(), most_output_tokens(request, form)
        try:
            with held_to(route.where, wire):
                async with asyncio.timeout(route.timeout_s):  # httpx limits each read, not the whole call
                    response = await self._litellm.acompletion(**_litellm_parameters(request, route, form))
        except Exception as error:  # noqa: BLE001 - providers' packages raise types of their own; all are faults
            raw = wire.answer()
            if raw is None or not is_known(raw):
                return fault_of(error, said_in(request), route.secrets, now)
            body = raw
        else:
            raw = wire.answer()
            body = raw if raw is not None and is_known(raw) else response.model_dump()
        answer = read_answer(body, limit, request.form)
        if isinstance(answer, Fault):
            return answer
        return dataclasses.replace(
            answer,
            ignored=_ignored(wire.sent, request, form),
            pause_s=used_up_pause_s(wire.headers, now),
        )

    def most_tokens(self, request: ChatRequest, form: Form) -> tuple[int, int]:
        """The most tokens of a call, in and out."""
        return most_tokens(request, form)

    async def body(self, request: ChatRequest, route: Route, form: Form) -> bytes:
        """The body that litellm would send; nothing is sent.

        Raises:
            ModelUnavailable: litellm refuses to write one.
        """
        from harness.models.api.transport import Wire, held_to

        wire = Wire(held_back=True)
        with contextlib.suppress(Exception), held_to(route.where, wire):  # what was held back is an error
            await self._litellm.acompletion(**_litellm_parameters(request, route, form))
        if not wire.sent:
            raise ModelUnavailable(f"litellm writes no request for {route.model}.")
        return wire.sent

    async def close(self) -> None:
        """Close the connections litellm keeps for this event loop, and let its own bookkeeping end."""
        from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

        await asyncio.wait([asyncio.ensure_future(GLOBAL_LOGGING_WORKER.flush())], timeout=2.0)
        await GLOBAL_LOGGING_WORKER.stop()
        loop_id = id(asyncio.get_running_loop())
        cache: dict[str, Any] = getattr(self._litellm.in_memory_llm_clients_cache, "cache_dict", {})
        for name in [name for name in cache if str(name).endswith(f"-{loop_id}")]:
            client = cache.pop(name)
            if asyncio.iscoroutinefunction(getattr(client, "close", None)):
                await client.close()


def said_in(request: ChatRequest) -> list[str]:
    """What a request says of a user's own: never repeated in a message."""
    return [m.content for m in request.messages if m.role != "assistant"]


def _ignored(sent: bytes, request: ChatRequest, form: Form) -> tuple[str, ...]:
    """What was to be sent beside the messages, and was left out on the way; of the schema 'schema'."""
    if not sent:
        return ()
    wanted = {"temperature": form.temperature, "seed": form.seed, "effort": bool(form.effort)}
    missing = [
        name for name, marks in _SENT.items() if wanted[name] and not any(mark in sent for mark in marks)
    ]
    held = form.schema and answer_schema(request.form) is not None
    return (*missing, *(("schema",) if held and b'properties":' not in sent else ()))


def _marked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The turns with a mark at the end of what is the same for every question: the instructions."""
    return [
        {
            "role": "system",
            "content": [{"type": "text", "text": one["content"], "cache_control": {"type": "ephemeral"}}],
        }
        if one["role"] == "system"
        else one
        for one in messages
    ]


def _litellm_parameters(request: ChatRequest, route: Route, form: Form) -> dict[str, Any]:
    """The keyword arguments of `litellm.acompletion`."""
    parameters: dict[str, Any] = {
        "model": route.model,
        "timeout": route.timeout_s,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
        "caching": False,
        **request_body(request, route, form),
    }
    if route.marks_cache:
        parameters["messages"] = _marked(parameters["messages"])
    if route.where.base is not None:
        parameters["api_base"] = route.where.base
    if route.api_key is not None:
        parameters["api_key"] = route.api_key
    return parameters
