"""Rerankers by a service: the documented shapes, what is asked once, and what is billed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from advisor.money.usage import Usage
from harness.core.errors import ModelUnavailable
from harness.models.api.asking import Outside
from harness.models.api.embedding import ServedRanking, open_served_ranking
from harness.models.settings import ModelSettings
from tests.harness.models.api.test_client import SkippedTime
from tests.support.scripted_server import Reply, ScriptedServer, error, in_turn, scripted

KEY = "ranking-key-0001"
TEXTS = ("one apple", "two pears", "apple and pear")


def shared(query: str, text: str) -> float:
    return float(len(set(query.split()) & set(text.split())))


def rows(body: dict[str, Any], score: str = "relevance_score") -> list[dict[str, Any]]:
    """Best first, as providers return them: `index` says which text is meant."""
    query, texts = body.get("query") or body["text_1"], body.get("documents") or body["text_2"]
    scored = [{"index": n, score: shared(query, text)} for n, text in enumerate(texts)]
    return sorted(scored, key=lambda row: -row[score])


def cohere(body: dict[str, Any]) -> dict[str, Any]:
    return {"results": rows(body), "meta": {"billed_units": {"search_units": 1}}}


def jina(body: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "results": rows(body), "usage": {"total_tokens": 60}}


def voyage(body: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": rows(body), "usage": {"total_tokens": 60}}


def vllm_scores(body: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": rows(body, "score"), "usage": {"prompt_tokens": 60, "total_tokens": 60}}


@contextmanager
def served(
    answer: Callable[[dict[str, Any]], dict[str, Any]], path: str = "", **settings: Any
) -> Iterator[tuple[ScriptedServer, ServedRanking]]:
    time = SkippedTime()
    outside = Outside(clock=time.clock, sleep=time.sleep, environ={"TOR_API_KEY": KEY})
    with scripted(lambda number, body: Reply(body=answer(body))) as server:
        opening = ModelSettings(cache=Path("unused"), api_base=server.address + path, **settings)
        model = open_served_ranking("openai/ranker", opening, outside)
        try:
            yield server, model
        finally:
            model.close()


@pytest.mark.parametrize(
    ("answer", "path", "billed"),
    [(cohere, "", (0, 1)), (jina, "", (60, 0)), (voyage, "", (60, 0)), (vllm_scores, "/score", (60, 0))],
)
def test_scores_come_in_the_order_of_the_texts(
    answer: Callable[[dict[str, Any]], dict[str, Any]], path: str, billed: tuple[int, int]
) -> None:
    with served(answer, path) as (server, model):
        assert model.rank([("apple pear", TEXTS)]) == [(1.0, 0.0, 2.0)]
        used = model.usage_of("apple pear")
    assert isinstance(used, Usage) and (used.ranking_tokens, used.rankings) == billed
    assert server.paths == ["/v1" + (path or "/rerank")] and server.authorisations == [f"Bearer {KEY}"]
    names = ("text_1", "text_2") if path else ("query", "documents")
    assert server.requests[0] == {"model": "ranker", names[0]: "apple pear", names[1]: list(TEXTS)}


def test_queries_are_asked_at_once_each_once_and_one_alone_always() -> None:
    with served(jina, concurrency=4) as (server, model):
        asked = [(f"apple {n}", TEXTS) for n in range(20)]
        first = model.rank(asked)
        assert model.rank(asked) == first and len(server.requests) == 20
        model.rank(asked[:1])
        assert len(server.requests) == 21
        assert model.rank([("nothing found", ())]) == [()]
        assert len(server.requests) == 21


def test_a_text_without_a_score_stops_it() -> None:
    wrong = pytest.raises(ModelUnavailable, match="no score for each of 3")
    with served(lambda body: {"results": rows(body)[:2]}) as (_, model), wrong:
        model.rank([("apple", TEXTS)])


def test_what_is_not_reported_is_unknown() -> None:
    with served(lambda body: {"results": rows(body)}) as (_, model):
        model.rank([("apple", TEXTS)])
        used = model.usage_of("apple")
    assert used is not None and used.ranking_tokens is None


def test_a_fault_that_passes_is_tried_again() -> None:
    time = SkippedTime()
    outside = Outside(clock=time.clock, sleep=time.sleep, environ={})
    good = Reply(body=jina({"query": "apple", "documents": list(TEXTS)}))
    with scripted(in_turn(error(503), good)) as server:
        opening = ModelSettings(cache=Path("unused"), api_base=server.address)
        model = open_served_ranking("openai/ranker", opening, outside)
        assert model.rank([("apple", TEXTS)]) == [(1.0, 0.0, 1.0)] and len(server.requests) == 2
        model.close()
