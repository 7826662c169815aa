"""What is asked of an engine at an address: llama.cpp in this process, or a vLLM that runs beside it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from advisor.money.usage import CountedBy, Usage
from harness.core.errors import ModelUnavailable
from harness.models.base import ChatReply, ChatRequest
from harness.models.local.choice_tree import ChoiceTree, Following, label_scores, log_sum

_TOLD = 300
_FIRST, _NEXT = 2000, 500  # of the likeliest tokens, after the prompt and after a label's token
Nearest = Callable[[list[int], int], tuple[Following, int]]
"""(tokens, count) -> the likeliest after them, and how many of them the engine had in its cache."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is sent to one address goes to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing: the redirect is an error."""


def ask_json(engine: str, url: str, body: object = None, *, wait_s: float) -> dict[str, Any]:
    """GET, or POST where there is a body, past any proxy; no redirect is followed.

    Args:
        engine: its name, for the error.
        wait_s: seconds.

    Raises:
        ModelUnavailable: if there is no answer, or none that is a JSON object.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        with opener.open(request, timeout=wait_s) as answer:
            found = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        told = error.read(_TOLD).decode("utf-8", "replace")
        raise ModelUnavailable(f"{engine} refuses to answer.", got=f"{error.code}: {told}") from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ModelUnavailable(f"{engine} does not answer.", got=f"{url}: {str(error)[:_TOLD]}") from error
    if not isinstance(found, dict):
        raise ModelUnavailable(f"{engine} does not answer in JSON objects.", got=str(found)[:_TOLD])
    return found


def scored_reply(
    request: ChatRequest, ids: list[int], tree: ChoiceTree, ask: tuple[Nearest, int], start: float
) -> ChatReply:
    """The likeliest of a request's choices, by the probability of each (`label_scores`).

    Args:
        ids: the prompt's tokens.
        ask: how the engine is asked, and the count that stands for all tokens there are.
        start: by `time.perf_counter`.
    """
    nearest, every = ask
    cached: list[int] = []

    def following(node: int, whole: bool) -> Following:
        path = [tree.tokens[above] for above in reversed(tree.ancestors(node))] if node >= 0 else []
        found, there = nearest([*ids, *path], every if whole else _NEXT if path else _FIRST)
        cached.append(there)
        return found

    scores = label_scores(tree, following)
    total, best = log_sum(scores), scores.index(max(scores))
    return ChatReply(
        item_id=request.item_id,
        text=request.choices[best],
        choice_logprobs=tuple(score - total for score in scores),
        usage=Usage(
            input_tokens=len(ids) - cached[0],
            cached_tokens=cached[0],
            output_tokens=tree.lengths[best],
            counted_by=CountedBy.TOKENIZER,
        ),
        queue_s=0.0,
        model_s=time.perf_counter() - start,
    )
