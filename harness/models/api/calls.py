"""One attempt at one question: the request litellm is given, and the answer or fault that comes back.

The answer is held to its form by a strict JSON schema where the model takes one: a choice of a closed set by
`{"label": ...}`, fields by their own schema, in which a field that may be absent may be null. What a model
refuses with a 400 (schema, temperature, seed, the name of the token limit) is left out from then on:
`Form` says what is still sent. Prompts are never changed, but that examples answer in the form asked for.

What served models report as usage, turned once into exclusive buckets (`advisor.money.usage.Usage`).

Two conventions are in use. OpenAI's: `prompt_tokens` includes cached tokens, `completion_tokens`
includes reasoning. Anthropic's (and xAI's for reasoning): the parts stand beside each other. litellm
1.106 turns Anthropic, Bedrock, Gemini and xAI into the first one, but an OpenAI-compatible gateway may
pass either through, so the reported total decides, which only one of the two readings can match.

litellm writes 0 where a provider reported nothing. A chat call reads at least one token, so 0 prompt
tokens mean that the usage is unknown.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from advisor.money.usage import CountedBy, Usage
from harness.core.records import AnswerForm, Choices, FailureKind, FreeText, JsonSchema, Message
from harness.models.api.destinations import Destination
from harness.models.api.faults import Fault, fault_of
from harness.models.base import ChatRequest

UNREPORTED = Usage(
    input_tokens=None,
    cached_tokens=None,
    cache_write_tokens=None,
    output_tokens=None,
    reasoning_tokens=None,
    counted_by=CountedBy.PROVIDER,
)
"""The usage of a call whose provider reported none."""


def usage_of(reported: Mapping[str, Any] | None, has_text: bool) -> Usage:
    """Buckets of a chat completion's `usage` as litellm hands it over (`model_dump()`).

    A split that was not reported (no details on caching or reasoning) counts as 0 in its own bucket: the
    tokens are then all in the input or output bucket, where they are billed.

    Args:
        reported: the usage object, None when there is none.
        has_text: whether the answer had any text; 0 output tokens are believed only without.
    """
    if not reported:
        return UNREPORTED
    prompt = _count(reported.get("prompt_tokens")) or _count(reported.get("input_tokens"))
    output = _count(reported.get("completion_tokens")) or _count(reported.get("output_tokens"))
    details = _part(reported, "prompt_tokens_details") or _part(reported, "input_tokens_details")
    cached = _first(details.get("cached_tokens"), reported.get("cache_read_input_tokens"))
    written = _first(details.get("cache_write_tokens"), reported.get("cache_creation_input_tokens"))
    reasoning = _first(_part(reported, "completion_tokens_details").get("reasoning_tokens"))
    total = _count(reported.get("total_tokens"))
    uncached, visible = _exclusive(prompt, cached + written, output, reasoning, total)
    known = bool(prompt or cached or written)
    return Usage(
        input_tokens=uncached if known else None,
        cached_tokens=cached if known else None,
        cache_write_tokens=written if known else None,
        output_tokens=None if output == 0 and has_text else visible,
        reasoning_tokens=None if output == 0 and has_text else reasoning,
        counted_by=CountedBy.PROVIDER,
    )


def _exclusive(prompt: int, cached: int, output: int, reasoning: int, total: int) -> tuple[int, int]:
    """(uncached input, visible output) by the first reading that fits sizes and total, else sizes alone."""
    possible = []
    for cache_beside, reasoning_beside in product((False, True), repeat=2):
        uncached = prompt if cache_beside else prompt - cached
        visible = output if reasoning_beside else output - reasoning
        if uncached >= 0 and visible >= 0:
            possible.append((uncached, visible))
    fitting = [(u, v) for u, v in possible if u + cached + v + reasoning == total]
    return (fitting or possible)[0]


def _part(reported: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = reported.get(name)
    return part if isinstance(part, Mapping) else {}


def _first(*values: object) -> int:
    return next((_count(value) for value in values if value is not None), 0)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


_ROOM = 64  # tokens for {"label": "..."} beside the label itself
REASONING_ROOM = 4096  # tokens a reasoning model may think before that


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Which parameters are sent beside the messages.

    Attributes:
        schema: hold the answer to the choices by a JSON schema; False is plain prompting.
        temperature, seed: send 0 and the run's seed.
        limit_name: 'max_tokens' or 'max_completion_tokens'.
        reasons: leave room for hidden reasoning.
    """

    schema: bool
    temperature: bool = True
    seed: bool = True
    limit_name: str = "max_tokens"
    reasons: bool = False

    def without(self, refused: str) -> Form:
        """The form without a refused parameter; the same form when there is nothing to leave out.

        'max_tokens' is sent under its newer name instead; 'room' is the refusal to think in too little.
        """
        match refused:
            case "response_format":
                return dataclasses.replace(self, schema=False)
            case "temperature":
                return dataclasses.replace(self, temperature=False)
            case "seed":
                return dataclasses.replace(self, seed=False)
            case "max_tokens":
                return dataclasses.replace(self, limit_name="max_completion_tokens")
            case "room":
                return dataclasses.replace(self, reasons=True)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where calls go.

    Attributes:
        where: the only place they may go.
        api_key: None where litellm finds the credentials itself.
        key_variable: the environment variable a user would set the key in.
        secrets: values that must never be printed.
    """

    model: str
    where: Destination
    api_key: str | None = dataclasses.field(repr=False)
    key_variable: str
    timeout_s: float
    seed: int
    secrets: tuple[str, ...] = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAnswer:
    """An answered attempt.

    Attributes:
        served_by: what the provider says answered, '' when it does not say.
        cut: the answer was ended by its token limit.
    """

    text: str
    usage: Usage
    served_by: str
    cut: bool = False


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


def most_output_tokens(request: ChatRequest, form: Form) -> int:
    """The token limit of a call.

    For a closed set enough for the longest choice as JSON, as no token is less than a byte.
    """
    match request.form:
        case Choices(answers=answers):
            most = _ROOM + max((len(json.dumps(choice)) for choice in answers), default=0)
        case JsonSchema(schema=schema, max_tokens=written):
            most = written + len(json.dumps(_filled({}, schema)))  # nulls stand where a field is absent
        case FreeText(max_tokens=most):
            pass
    return most + (REASONING_ROOM if form.reasons else 0)


def most_input_tokens(request: ChatRequest, form: Form) -> int:
    """An upper bound of the input in tokens: its bytes, schema and 16 tokens of template a turn included."""
    messages = said_as_asked(request.messages, request.form, schema=form.schema)
    said = sum(len(message.content.encode()) + 16 for message in messages)
    return said + (len(json.dumps(answer_schema(request.form))) if form.schema else 0)


def request_parameters(request: ChatRequest, route: Route, form: Form) -> dict[str, Any]:
    """The keyword arguments of `litellm.acompletion`."""
    parameters: dict[str, Any] = {
        "model": route.model,
        "messages": [
            {"role": m.role, "content": m.content}
            for m in said_as_asked(request.messages, request.form, schema=form.schema)
        ],
        "timeout": route.timeout_s,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
        "caching": False,
        form.limit_name: most_output_tokens(request, form),
    }
    if route.where.base is not None:
        parameters["api_base"] = route.where.base
    if route.api_key is not None:
        parameters["api_key"] = route.api_key
    if form.temperature:
        parameters["temperature"] = 0
    if form.seed:
        parameters["seed"] = route.seed
    held_to = answer_schema(request.form) if form.schema else None
    if held_to is not None:
        schema = {"name": "answer", "strict": True, "schema": held_to}
        parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
    return parameters


async def attempt(
    litellm: Any, request: ChatRequest, route: Route, form: Form, now: datetime
) -> ReceivedAnswer | Fault:
    """Make one call. Every failure of the call comes back as a `Fault`; cancellation passes through."""
    from harness.models.api.transport import held_to

    try:
        with held_to(route.where):
            async with asyncio.timeout(route.timeout_s):  # httpx limits each read, not the whole call
                response = await litellm.acompletion(**request_parameters(request, route, form))
    except Exception as error:  # noqa: BLE001 - providers' packages raise types of their own; all are faults
        texts = [m.content for m in request.messages if m.role != "assistant"]
        return fault_of(error, texts, route.secrets, now)
    return _read(response, most_output_tokens(request, form), closed=isinstance(request.form, Choices))


def _read(response: Any, limit: int, *, closed: bool) -> ReceivedAnswer | Fault:
    choices = getattr(response, "choices", None) or []
    reported = getattr(response, "usage", None)
    message = choices[0].message if choices else None
    text = getattr(message, "content", None) or ""
    usage = usage_of(reported.model_dump() if reported is not None else None, bool(text))
    if message is None:
        return _bad("the response has no answer in it", usage, passes=True)
    finish = str(choices[0].finish_reason or "")
    thinks = not text.strip() or text.lstrip().startswith("<think")
    if finish == "length" and (thinks or (closed and not _first_line_is_whole(text))):
        thought = bool(getattr(message, "reasoning_content", None)) or bool(usage.reasoning_tokens)
        wanted_room = thought or thinks
        return _bad(f"the answer was cut off at {limit} tokens", usage, refused="room" if wanted_room else "")
    if finish == "content_filter" or (not text and _refusal(message)):
        return Fault(kind=FailureKind.CONTENT_FILTER, message="the provider declined to answer", usage=usage)
    if finish == "error":
        return _bad("the provider broke off", usage, passes=True)
    if not text.strip():
        return _bad("the answer is empty", usage, passes=True)
    names = (getattr(response, "model", None), getattr(response, "system_fingerprint", None))
    served_by = " ".join(str(name) for name in names if name)
    return ReceivedAnswer(text=text, usage=usage, served_by=served_by, cut=finish == "length" and not closed)


def _first_line_is_whole(text: str) -> bool:
    """Whether an answer that was cut off had ended its first line in plain words: the rest explains it."""
    first, _, rest = text.strip().partition("\n")
    return bool(rest) and first[:1].isalnum()


def _bad(message: str, usage: Usage, *, refused: str = "", passes: bool = False) -> Fault:
    kind = FailureKind.BAD_RESPONSE
    return Fault(kind=kind, message=message, usage=usage, refused=refused, passes=passes)


def _refusal(message: Any) -> bool:
    extra = getattr(message, "provider_specific_fields", None) or {}
    return bool(getattr(message, "refusal", None) or extra.get("refusal"))
