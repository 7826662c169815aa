"""A GGUF file answered by llama.cpp in this process (xllamacpp), as its own server would answer.

The chat template is the one in the file. The answer is held to the choices by a grammar, token by token:
at each step the likeliest token that can still become a choice. That is what llama.cpp does with structured
output, and it is not always the choice with the highest probability as a whole. The only figure it gives is
the probability of the answer's own tokens, so `choice_logprobs` has the answer's and nothing of the others.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from advisor.cost.usage import CountedBy, Usage
from harness.errors import MissingExtra, ModelUnavailable
from harness.models.base import ChatReply, ChatRequest
from harness.records import Failure, FailureKind, ModelIdentity

_ROOM = 64  # tokens an answer may take at most


class LlamaAnswerer:
    """A GGUF model behind `harness.serving.service.Answerer`."""

    def __init__(self, model_id: str, file: Path, *, context: int = 4096, threads: int | None = None) -> None:
        """Load the file.

        Raises:
            MissingExtra: without xllamacpp.
            ModelUnavailable: if llama.cpp cannot load it.
        """
        try:
            import xllamacpp
        except ImportError as error:
            raise MissingExtra.of("xllamacpp", "serve") from error
        if not file.is_file():
            raise ModelUnavailable("There is no such GGUF file.", got=str(file))
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
            self._server: Any = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise ModelUnavailable("llama.cpp cannot load this file.", got=f"{file}: {error}") from error
        precision = file.stem.rpartition("-")[2]
        self._identity = ModelIdentity(id=model_id, precision=precision, location="local")

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._identity

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer one request."""
        asked = {
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "grammar": grammar(request.choices),
            "temperature": 0.0,
            "max_tokens": _ROOM,
            "logprobs": True,
            "cache_prompt": True,
        }
        start = time.perf_counter()
        raw = self._server.handle_chat_completions(asked)
        spent = time.perf_counter() - start
        found: dict[str, Any] = json.loads(raw) if isinstance(raw, str | bytes) else raw
        text = _text(found)
        if text not in request.choices:
            message = str(found.get("error", {}).get("message", "")) or "the answer is none of the choices"
            kind = FailureKind.TOO_LONG if "context" in message else FailureKind.BAD_RESPONSE
            return Failure(item_id=request.item_id, kind=kind, message=message[:200])
        return ChatReply(
            item_id=request.item_id,
            text=text,
            choice_logprobs=_logprobs(found, text, request.choices),
            usage=_usage(found),
            queue_s=0.0,
            model_s=spent,
        )

    def close(self) -> None:
        """Stop llama.cpp and free the weights."""
        self._server = None


def grammar(choices: Sequence[str]) -> str:
    """A grammar (GBNF) of which the choices are the only words."""
    return "root ::= " + " | ".join(_quoted(choice) for choice in choices)


def _quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


def _text(found: dict[str, Any]) -> str:
    choices = found.get("choices") or []
    return str(choices[0].get("message", {}).get("content") or "") if choices else ""


def _logprobs(found: dict[str, Any], text: str, choices: Sequence[str]) -> tuple[float, ...] | None:
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
