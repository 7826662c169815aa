"""A model that vLLM serves at an address, answered by the whole label.

vLLM runs by itself, started with the command that `harness serve --engine vllm --print` gives. A request is
rendered here, as in training, and sent as tokens; vLLM gives the likeliest tokens after the prompt and below
the labels that can matter (`label_scores`), so that every label gets its probability as in a bake-off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from harness.core.errors import ModelUnavailable, UsageError
from harness.core.records import Failure, FailureKind, ModelIdentity
from harness.models.api.destinations import is_loopback
from harness.models.base import ChatReply, ChatRequest
from harness.models.local.choice_tree import (
    ChoiceTree,
    Following,
    choice_tree,
    require_distinct,
)
from harness.models.local.engine_address import ask_json, scored_reply
from harness.models.local.rendering import Renderer

_ALL = -1  # asks for all tokens there are
_WAIT_S = 120.0
_TOKEN = "token_id:"


class VllmAnswerer:
    """A model of a running vLLM behind `harness.shipping.serve.service.Answerer`."""

    def __init__(self, name: str, address: str, tokenizer: Any) -> None:
        """Look whether it is served there.

        Args:
            name: under which vLLM serves it.
            address: of vLLM, without /v1.
            tokenizer: of transformers, the model's own.

        Raises:
            UsageError: if that is no address.
            ModelUnavailable: if vLLM does not answer there, or serves no such model.
        """
        if not address.startswith(("http://", "https://")) or "@" in address:
            raise UsageError("That is no address of a vLLM.", got=address, allowed="http://HOST:PORT")
        self._address = address.rstrip("/").removesuffix("/v1")
        self._name = name
        self._renderer = Renderer(tokenizer)
        self._trees: dict[tuple[tuple[str, ...], bool], ChoiceTree] = {}
        self._most = self._context(name)
        where = "loopback" if is_loopback(self._address) else "remote"
        self.identity = ModelIdentity(id=name, location=where)  # type: ignore[arg-type]

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer one request."""
        start = time.perf_counter()
        tree = self._tree(request)
        ids = self._renderer.prompt_ids(request.messages)
        taken = len(ids) + max(tree.lengths)
        if taken > self._most:
            message = f"prompt and answer take {taken} tokens, vLLM was started with room for {self._most}"
            return Failure(item_id=request.item_id, kind=FailureKind.TOO_LONG, message=message, attempts=0)
        try:
            return scored_reply(request, ids, tree, (self._following, _ALL), start)
        except ModelUnavailable as error:
            message = f"{error.what} {error.got or ''}".strip()[:200]
            return Failure(item_id=request.item_id, kind=FailureKind.SERVER, message=message)

    def close(self) -> None:
        """vLLM runs on: it was not started here."""

    def _context(self, name: str) -> int:
        """Tokens that vLLM reads at most."""
        found = ask_json("vLLM", f"{self._address}/v1/models", wait_s=_WAIT_S).get("data") or []
        served = {str(one.get("id")): one for one in found if isinstance(one, dict)}
        if name not in served:
            raise ModelUnavailable(
                f"vLLM at {self._address} does not serve this model.",
                got=name,
                allowed=", ".join(served) or "none",
                run="harness serve --engine vllm --print gives the command to start it with",
            )
        one, bases = served[name], [entry.get("max_model_len") for entry in served.values()]
        return int(one.get("max_model_len") or next(filter(None, bases), 0) or 1 << 30)

    def _tree(self, request: ChatRequest) -> ChoiceTree:
        key = (request.choices, request.one_token)
        if key not in self._trees:
            most = 1 if request.one_token else None
            ids = [self._renderer.completion_ids(choice)[:most] for choice in request.choices]
            require_distinct(request.choices, ids)
            self._trees[key] = choice_tree(ids)
        return self._trees[key]

    def _following(self, ids: list[int], count: int) -> tuple[Following, int]:
        """The `count` likeliest tokens after `ids`, and how many of `ids` were in vLLM's cache."""
        asked = {
            "model": self._name,
            "prompt": ids,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": count,
            "return_tokens_as_token_ids": True,
        }
        found = ask_json("vLLM", f"{self._address}/v1/completions", asked, wait_s=_WAIT_S)
        try:
            tops: Mapping[str, float] = found["choices"][0]["logprobs"]["top_logprobs"][0]
            known = {int(token.removeprefix(_TOKEN)): float(value) for token, value in tops.items()}
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ModelUnavailable("vLLM gave no probabilities.", got=str(found)[:200]) from error
        least = min(known.values()) if 0 < count <= len(known) else -math.inf
        told = (found.get("usage") or {}).get("prompt_tokens_details") or {}
        return Following(known=known, least=least), int(told.get("cached_tokens") or 0)
