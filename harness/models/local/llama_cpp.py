"""A GGUF file answered by llama.cpp in this process (xllamacpp).

The chat template is the one in the file; special tokens written out in a message are broken up by a space,
as in `models.rendering`, so that a ticket cannot end its own turn. Two ways to an answer:

- by the whole label (the default): every label's probability, as a bake-off scores it. The tokens that can
  follow the prompt are asked for, then those below the labels that can matter (`label_scores`): the best
  label is the exact best of this file, and no probability is off by more than 2e-3.
- `greedy`: at each step the likeliest token that can still become a label, held by a grammar. That is what
  llama.cpp's own server and Ollama do with structured output. It can prefer another label, and only the
  probability of the answer's own tokens is known.

An answer held to a JSON schema or to a length alone is written by the likeliest token at each step. The
schema is held by the llguidance within llama.cpp, told the text that tuned models learn to write: with blanks
and line ends left open, a model puts some between the parts and is cut before the object ends.

Named values at the head of a file are read without its weights and by hand: gguf's own reader makes an array
of every token of the vocabulary, seconds a file. The format is that of
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from advisor.money.usage import CountedBy, Usage
from harness.core.errors import ModelUnavailable, needs
from harness.core.records import (
    AnswerForm,
    Choices,
    Failure,
    FailureKind,
    FreeText,
    JsonSchema,
    Message,
    ModelIdentity,
)
from harness.models.base import ChatReply, ChatRequest
from harness.models.deciding import file_digest, versions_of
from harness.models.local.choice_tree import ChoiceTree, Following, choice_tree
from harness.models.local.engine_address import ask_json, scored_reply
from harness.models.local.held_tokens import WRITTEN, json_grammar

_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""How many bytes a number of each kind takes."""
_TEXT, _LIST = 8, 9

Value = bytes | list[bytes]
"""A text or a number as it is stored, numbers in a row as one piece, or texts in a row."""


def header_values(file: Path) -> dict[str, Value]:
    """Every named value.

    Raises:
        ValueError: if the file is no GGUF file of this machine's byte order, or is cut.
    """
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return dict(_Head(data).values())
        except struct.error as error:
            raise ValueError(f"the header is cut: {error}") from error


class _Head:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def values(self) -> Iterator[tuple[str, Value]]:
        magic, version, _, count = self._piece(4), self._number("<I"), self._number("<Q"), self._number("<Q")
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError(f"no GGUF file of version 2 or 3: {magic!r} {version}")
        for _ in range(count):
            yield self._text().decode(), self._value(self._number("<I"))

    def _value(self, kind: int) -> Value:
        if kind == _TEXT:
            return self._text()
        if kind != _LIST:
            return self._piece(self._size(kind))
        inner, count = self._number("<I"), self._number("<Q")
        if inner == _TEXT:
            return [self._text() for _ in range(count)]
        return self._piece(count * self._size(inner))

    def _size(self, kind: int) -> int:
        if kind not in _BYTES:
            raise ValueError(f"a value of unknown kind {kind}")
        return _BYTES[kind]

    def _text(self) -> bytes:
        return self._piece(self._number("<Q"))

    def _number(self, form: str) -> int:
        (found,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found  # type: ignore[no-any-return]

    def _piece(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise ValueError("the header is cut")
        piece, self._at = self._data[self._at : end], end
        return piece


_ROOM = 64  # tokens an answer may take at most
_ALL = 10_000_000  # asks for all tokens there are
_WAIT_S = 60.0


class LlamaAnswerer:
    """A GGUF model behind `harness.models.base.ChatModel`, one request at a time."""

    def __init__(
        self,
        model_id: str,
        file: Path,
        *,
        context: int = 4096,
        threads: int | None = None,
        greedy: bool = False,
    ) -> None:
        """Load the file.

        Raises:
            MissingExtra: without xllamacpp.
            ModelUnavailable: if llama.cpp cannot load it.
        """
        if not file.is_file():
            raise ModelUnavailable("There is no such GGUF file.", got=str(file))
        self._special = special_tokens(file)
        self._server = _server(file, context, threads)
        self._context = context
        self._greedy = greedy
        self._trees: dict[tuple[tuple[str, ...], bool], ChoiceTree] = {}
        self._end = str(self._ask("/props").get("eos_token") or "")
        precision = file.stem.rpartition("-")[2]
        self.identity = ModelIdentity(
            id=model_id,
            revision=file_digest(file),
            precision=precision,
            location="local",
            decides=(("context", str(context)), ("objects", "one line"), *versions_of("xllamacpp")),
        )

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer one request."""
        turns = self._turns(request.messages)
        start = time.perf_counter()
        if isinstance(request.form, Choices) and not self._greedy:
            return self._exactly(turns, request, start)
        return self._written(turns, request, start)

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply | Failure]:
        """Answer all requests, one after the other; what they share at their beginning is read once."""
        for request in requests:
            yield self.answer_one(request)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the messages as sent, chat template included."""
        return len(self._tokens(self._prompt(self._turns(messages))))

    def forget(self) -> None:
        """llama.cpp keeps the last prompt; answers do not depend on it but by rounding."""

    def close(self) -> None:
        """Stop llama.cpp and free the weights."""
        self._server = None

    def _exactly(
        self, turns: list[dict[str, str]], request: ChatRequest, start: float
    ) -> ChatReply | Failure:
        prompt = self._prompt(turns)
        ids = self._tokens(prompt)
        tree = self._tree(prompt, ids, request)
        if len(ids) + max(tree.lengths) > self._context:
            message = f"prompt and answer take {len(ids) + max(tree.lengths)} tokens, {self._context} fit"
            return Failure(item_id=request.item_id, kind=FailureKind.TOO_LONG, message=message, attempts=0)
        return scored_reply(request, ids, tree, (self._following, _ALL), start)

    def _following(self, ids: list[int], count: int) -> tuple[Following, int]:
        """The `count` likeliest tokens after `ids`, and how many of `ids` were in the cache."""
        asked = {
            "prompt": ids,
            "n_predict": 1,
            "n_probs": count,
            "temperature": 0.0,
            "cache_prompt": True,
        }
        found = _read(self._server.handle_completions(asked))
        try:
            tops = found["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"llama.cpp gave no probabilities: {str(found)[:200]}") from error
        known = {int(entry["id"]): float(entry["logprob"]) for entry in tops}
        least = min(known.values()) if len(known) >= count else -math.inf
        told = (found.get("usage") or {}).get("prompt_tokens_details") or {}
        return Following(known=known, least=least), int(told.get("cached_tokens") or 0)

    def _tree(self, prompt: str, ids: list[int], request: ChatRequest) -> ChoiceTree:
        key = (request.choices, request.one_token)
        if key not in self._trees:
            most = 1 if request.one_token else None
            answers = [self._answer_tokens(prompt, ids, choice)[:most] for choice in request.choices]
            self._trees[key] = choice_tree(answers)
        return self._trees[key]

    def _answer_tokens(self, prompt: str, ids: list[int], choice: str) -> tuple[int, ...]:
        """The tokens of an answer with its end of turn, as they stand after a prompt."""
        both = self._tokens(prompt + choice + self._end)
        if both[: len(ids)] == ids:
            return tuple(both[len(ids) :])
        return tuple(self._tokens(choice + self._end, first=False))

    def _written(
        self, turns: list[dict[str, str]], request: ChatRequest, start: float
    ) -> ChatReply | Failure:
        """An answer by the likeliest token at each step."""
        asked = {"messages": turns, "temperature": 0.0, "cache_prompt": True, **_held(request.form)}
        found = _read(self._server.handle_chat_completions(asked))
        choices = found.get("choices") or []
        text = str(choices[0].get("message", {}).get("content") or "") if choices else ""
        if not choices or (request.choices and text not in request.choices):
            otherwise = "the answer is none of the choices" if request.choices else "llama.cpp gave no answer"
            message = str(found.get("error", {}).get("message", "")) or otherwise
            kind = FailureKind.TOO_LONG if "context" in message else FailureKind.BAD_RESPONSE
            return Failure(item_id=request.item_id, kind=kind, message=message[:200])
        return ChatReply(
            item_id=request.item_id,
            text=text,
            choice_logprobs=_own_logprob(found, text, request.choices),
            usage=_usage(found),
            queue_s=0.0,
            model_s=time.perf_counter() - start,
            cut=not request.choices and choices[0].get("finish_reason") == "length",
        )

    def _turns(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        return [{"role": m.role, "content": inert(m, self._special)} for m in messages]

    def _prompt(self, turns: list[dict[str, str]]) -> str:
        return str(self._ask("/apply-template", {"messages": turns})["prompt"])

    def _tokens(self, text: str, *, first: bool = True) -> list[int]:
        return [int(t) for t in self._ask("/tokenize", {"content": text, "add_special": first})["tokens"]]

    def _ask(self, path: str, body: object = None) -> dict[str, Any]:
        return ask_json("llama.cpp", self._server.listening_address + path, body, wait_s=_WAIT_S)


def special_tokens(file: Path) -> tuple[str, ...]:
    """The control tokens of a GGUF file, as they are written.

    Raises:
        ModelUnavailable: if the file cannot be read.
    """
    try:
        found = header_values(file)
        tokens, stored = found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"]
        if isinstance(tokens, bytes) or isinstance(stored, list):
            raise ValueError("the tokens are no texts, or their kinds no numbers")
        kinds = array("i", stored)
        control = [token.decode() for token, kind in zip(tokens, kinds, strict=True) if kind in (3, 4)]
    except (KeyError, ValueError) as error:
        raise ModelUnavailable("This GGUF file has no tokenizer that can be read.", got=str(file)) from error
    return tuple(token for token in control if len(token) > 2)


def inert(message: Message, special: Sequence[str]) -> str:
    """A message's text with special tokens broken up, so that it cannot open or end a turn."""
    text = message.content
    for token in special:
        if token in text:
            text = text.replace(token, token[0] + " " + token[1:])
    return text


def grammar(choices: Sequence[str]) -> str:
    """A grammar (GBNF) of which the choices are the only words."""
    return "root ::= " + " | ".join(_quoted(choice) for choice in choices)


def schema_grammar(schema: Mapping[str, Any]) -> str:
    """A grammar of the answers that a schema allows.

    Raises:
        DataError: if the schema has something that no grammar is made of: llama.cpp would hold an answer to
            nothing then, and not say so.
    """
    import xllamacpp

    json_grammar(schema)
    return str(xllamacpp.json_schema_to_grammar({**schema, "x-guidance": WRITTEN}))


def _server(file: Path, context: int, threads: int | None) -> Any:
    with needs("serve"):
        import xllamacpp
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = context
    params.n_parallel = 1
    params.n_predict = _ROOM
    if threads is not None:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = params.warmup = False
    params.verbosity = 0
    try:
        return xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise ModelUnavailable("llama.cpp cannot load this file.", got=f"{file}: {error}") from error


def _held(form: AnswerForm) -> dict[str, Any]:
    """The parameters that hold an answer to its form."""
    match form:
        case Choices(answers=answers):
            return {"grammar": grammar(answers), "max_tokens": _ROOM, "logprobs": True}
        case JsonSchema(schema=schema, max_tokens=most):
            return {"grammar": schema_grammar(schema), "max_tokens": most}
        case FreeText(max_tokens=most):
            return {"max_tokens": most}


def _read(raw: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(raw) if isinstance(raw, str | bytes) else raw
    return found


def _quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


def _own_logprob(found: dict[str, Any], text: str, choices: Sequence[str]) -> tuple[float, ...] | None:
    """The answer's own log-probability; the others are not known and stand at minus infinity."""
    tokens = (found["choices"][0].get("logprobs") or {}).get("content") or []
    if not tokens:
        return None
    own = sum(float(token["logprob"]) for token in tokens)
    return tuple(own if choice == text else -math.inf for choice in choices)


def _usage(found: dict[str, Any]) -> Usage:
    told = found.get("usage") or {}
    prompt, cached = told.get("prompt_tokens"), (told.get("prompt_tokens_details") or {}).get("cached_tokens")
    return Usage(
        input_tokens=None if prompt is None else prompt - (cached or 0),
        cached_tokens=cached or 0,
        output_tokens=told.get("completion_tokens"),
        counted_by=CountedBy.PROVIDER,
    )
