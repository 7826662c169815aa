"""Embeddings by a service: the documented shapes, what is kept on the disk, limits, faults and keys."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.money.usage import CountedBy
from harness.core.errors import ModelUnavailable, OverBudget
from harness.models.api.asking import Outside
from harness.models.api.budget import SpendGuard, per_token
from harness.models.api.calls import Form, Route
from harness.models.api.destinations import Destination
from harness.models.api.dialects.vectors import ReceivedVectors
from harness.models.api.embedding import (
    ServedEmbedding,
    TextsRequest,
    VectorCaller,
    in_calls,
    open_served_embedding,
    place_of,
)
from harness.models.api.faults import Fault
from harness.models.settings import ModelSettings
from tests.harness.models.api.test_client import SkippedTime
from tests.support.scripted_server import Reply, Script, ScriptedServer, error, in_turn, scripted

KEY = "embedding-key-0001"


def vector(text: str) -> list[float]:
    return [float(len(text)), 1.0, 2.0]


def openai(body: dict[str, Any]) -> Reply:
    """OpenAI's shape, the vectors out of order: `index` says which is which."""
    texts = body["input"]
    rows = [{"object": "embedding", "index": n, "embedding": vector(text)} for n, text in enumerate(texts)]
    tokens = sum(len(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply(body={"object": "list", "data": rows[::-1], "model": "snapshot-1", "usage": usage})


def voyage(body: dict[str, Any]) -> Reply:
    found = openai(body).body
    assert isinstance(found, dict)
    return Reply(body=found | {"usage": {"total_tokens": found["usage"]["total_tokens"]}})


def cohere(body: dict[str, Any]) -> Reply:
    texts = body["texts"]
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": sum(map(len, texts))}}
    return Reply(
        body={"id": "1", "embeddings": {"float": [*map(vector, texts)]}, "texts": texts, "meta": meta}
    )


def gemini(body: dict[str, Any]) -> Reply:
    texts = [one["content"]["parts"][0]["text"] for one in body["requests"]]
    return Reply(body={"embeddings": [{"values": vector(text)} for text in texts]})


def always(answer: Callable[[dict[str, Any]], Reply]) -> Script:
    return lambda number, body: answer(body)


@contextmanager
def served(
    script: Script, cache: Path, *, guard: SpendGuard | None = None, **settings: Any
) -> Iterator[tuple[ScriptedServer, ServedEmbedding, SkippedTime]]:
    time = SkippedTime()
    outside = Outside(clock=time.clock, sleep=time.sleep, environ={"TOR_API_KEY": KEY})
    with scripted(script) as server:
        opening = ModelSettings(cache=cache, api_base=server.address, **settings)
        model = open_served_embedding("openai/embedder", opening, outside)
        model.guard = guard
        try:
            yield server, model, time
        finally:
            model.close()


# --- the documented shapes ------------------------------------------------------------------------

SHAPES = {
    "azure": (
        "azure/large",
        openai,
        "/openai/deployments/large/embeddings?api-version=2024-10-21",
        {"input": ["one", "three"], "model": "large"},
        "api-key",
    ),
    "mistral": ("mistral/mistral-embed", openai, "/embeddings", {"model": "mistral-embed"}, "authorization"),
    "cohere": (
        "cohere/embed-v4.0",
        cohere,
        "/embed",
        {"texts": ["one", "three"], "input_type": "search_query", "embedding_types": ["float"]},
        "authorization",
    ),
    "gemini": (
        "gemini/gemini-embedding-001",
        gemini,
        "/models/gemini-embedding-001:batchEmbedContents",
        {
            "requests": [
                {
                    "model": "models/gemini-embedding-001",
                    "taskType": "RETRIEVAL_QUERY",
                    "content": {"parts": [{"text": text}]},
                }
                for text in ("one", "three")
            ]
        },
        "x-goog-api-key",
    ),
    "voyage": ("voyage/voyage-4", voyage, "/embeddings", {"input_type": "query"}, "authorization"),
    "jina": ("jina_ai/jina-v3", voyage, "/embeddings", {"task": "retrieval.query"}, "authorization"),
    "vllm": ("hosted_vllm/BAAI/bge-m3", openai, "/embeddings", {"model": "BAAI/bge-m3"}, "authorization"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_each_provider_is_asked_as_it_documents_and_read(name: str) -> None:
    model, answer, path, sent, header = SHAPES[name]

    async def ask(server: ScriptedServer) -> ReceivedVectors | Fault:
        base = server.address.removesuffix("/v1")
        caller = VectorCaller(base, model, {})
        route = Route(
            model=model,
            where=Destination(provider=model.partition("/")[0], base=base),
            api_key=KEY,
            key_variable="KEY",
            timeout_s=10,
            seed=1,
            secrets=(),
        )
        try:
            request = TextsRequest(item_id="1", texts=("one", "three"), queries=True)
            return await caller.attempt(request, route, Form(schema=False), datetime.now(UTC))
        finally:
            await caller.close()

    with scripted(always(answer)) as server:
        found = asyncio.run(ask(server))
    assert isinstance(found, ReceivedVectors), found
    expected = np.array([vector("one"), vector("three")])
    assert np.allclose(found.vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True))
    assert found.usage.embedding_tokens == (None if name == "gemini" else 8)
    assert (server.paths, [server.headers[0][header]]) == (
        [path],
        [f"Bearer {KEY}" if header == "authorization" else KEY],
    )
    assert sent.items() <= server.requests[0].items()


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{"index": 0, "embedding": [1.0, 2.0]}, {"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [0.0, 0.0]}, {"index": 1, "embedding": [1.0, 0.0]}]},
        {"embeddings": {"float": [[1.0]]}},
        {"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]},
    ],
)
def test_vectors_that_are_none_stop_it_with_a_reason(body: dict[str, Any], tmp_path: Path) -> None:
    with served(in_turn(Reply(body=body)), tmp_path) as (server, model, _):
        with pytest.raises(ModelUnavailable, match="vector"):
            model.embed(["one", "two"])
        assert len(server.requests) == 1


def test_own_hosts_are_known_and_no_key_goes_elsewhere() -> None:
    for model, address in (
        ("openai/text-embedding-3-small", "https://api.openai.com/v1"),
        ("cohere/embed-v4.0", "https://api.cohere.com/v2"),
        ("voyage/voyage-4", "https://api.voyageai.com/v1"),
    ):
        place, where = place_of(model, "", {}, offline=False)
        assert (place, where.own, where.allows(f"{address}/embeddings")) == (address, True, True)
        assert not where.allows("https://elsewhere.example/v1")
    assert place_of("ollama/nomic-embed-text", "", {}, offline=True)[0] == "http://localhost:11434/v1"
    with pytest.raises(ModelUnavailable, match="embeds or ranks"):
        place_of("anthropic/claude", "", {}, offline=False)
    with pytest.raises(ModelUnavailable, match="offline"):
        place_of("openai/text-embedding-3-small", "", {}, offline=True)


def test_a_missing_key_is_named_before_anything_is_called(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as found:
        open_served_embedding("voyage/voyage-4", ModelSettings(cache=tmp_path), Outside(environ={}))
    assert found.value.run == "export VOYAGE_API_KEY=..."


# --- batches, cache, tokens -----------------------------------------------------------------------


def test_many_texts_go_in_few_calls_and_come_back_in_their_order(tmp_path: Path) -> None:
    texts = [f"{'x' * (n % 50)} text {n}" for n in range(200)]
    with served(always(openai), tmp_path) as (server, model, _):
        found = model.embed([*texts, *texts[:5]])
    assert len(server.requests) == 4, "64 texts a call, each text once"
    expected = np.array([vector(text) for text in [*texts, *texts[:5]]])
    assert np.allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert server.authorisations == [f"Bearer {KEY}"] * 4


def test_long_texts_are_cut_and_share_fewer_calls() -> None:
    calls = in_calls(["x" * 8000] * 9, queries=False)
    assert [len(call.texts) for call in calls] == [4, 4, 1]


def test_what_was_paid_for_is_embedded_once_and_one_text_alone_always(tmp_path: Path) -> None:
    with served(always(openai), tmp_path) as (server, model, _):
        first = model.embed(["a", "bb", "ccc"])
        assert np.array_equal(model.embed(["ccc", "a"]), first[[2, 0]])
        assert len(server.requests) == 1
        model.embed(["a", "bb"], queries=True)
        assert len(server.requests) == 2, "a question is another text than one to be found"
        model.embed(["a"], queries=True)
        assert len(server.requests) == 3, "a user's query is asked for"
        address = server.address
    opening = ModelSettings(cache=tmp_path, api_base=address)
    again = open_served_embedding("openai/embedder", opening, Outside(environ={}))
    assert np.array_equal(again.embed(["bb", "ccc"]), first[1:]), "from the disk: the server is gone"
    again.close()


def test_tokens_of_a_call_are_shared_out_to_the_last_one(tmp_path: Path) -> None:
    with served(always(openai), tmp_path) as (_, model, _):
        texts = [f"{'y' * (n * 7 % 31)}{n}" for n in range(150)]
        model.embed(texts, queries=True)
        used = [model.usage_of(text) for text in texts]
        assert sum(one.embedding_tokens or 0 for one in used if one) == sum(map(len, texts))
        assert model.usage_of("never asked") is None


def test_tokens_that_are_not_reported_are_an_estimate_and_say_so(tmp_path: Path) -> None:
    def silent(body: dict[str, Any]) -> Reply:
        found = openai(body).body
        assert isinstance(found, dict)
        return Reply(body={name: value for name, value in found.items() if name != "usage"})

    with served(always(silent), tmp_path) as (_, model, _):
        model.embed(["a few words here", "and here"], queries=True)
        used = model.usage_of("a few words here")
    assert used is not None and used.embedding_tokens and used.counted_by is CountedBy.ESTIMATE


# --- limits, faults, budget -----------------------------------------------------------------------


def test_faults_that_pass_are_tried_again_and_pauses_are_kept(tmp_path: Path) -> None:
    limited = Reply(status=429, body={"error": {"message": "slow down"}}, headers={"retry-after": "7"})

    def script(number: int, body: dict[str, Any]) -> Reply:
        return (limited, error(500, "down"))[number] if number < 2 else openai(body)

    with served(script, tmp_path, concurrency=1) as (server, model, time):
        assert model.embed(["a", "b"]).shape == (2, 3)
        assert len(server.requests) == 3 and sum(time.slept) >= 6.5


def test_a_refusal_stops_it_and_keeps_what_was_embedded(tmp_path: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        return openai(body) if number == 0 else error(401, "no")

    texts = [f"text {n}" for n in range(100)]
    with served(script, tmp_path, concurrency=1) as (server, model, _):
        with pytest.raises(ModelUnavailable, match="did not take 36 texts"):
            model.embed(texts)
        model.embed(texts[:64])
        assert len(server.requests) == 2


def test_the_budget_is_asked_before_each_call(tmp_path: Path) -> None:
    guard = SpendGuard(
        Decimal("0.05"),
        per_token(Decimal("0.001"), Decimal(0)),
        lambda usage: Decimal(usage.embedding_tokens or 0) / 1000,
    )
    with served(always(openai), tmp_path, guard=guard, concurrency=1) as (server, model, _):
        model.embed(["short", "too"])
        with pytest.raises(OverBudget):
            model.embed(["x" * 100, "y" * 100])
        assert len(server.requests) == 1 and guard.spent_usd == Decimal("0.008")


def test_calls_in_flight_are_limited_and_threads_may_share_it(tmp_path: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        return Reply(body=openai(body).body, delay_s=0.02)

    with served(script, tmp_path, concurrency=2) as (server, model, _):
        sets = [[f"{name} {n}" for n in range(200)] for name in "ab"]
        threads = [threading.Thread(target=model.embed, args=(texts,)) for texts in sets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 8 and server.most_in_flight == 2


def test_texts_go_as_they_may_and_are_kept_as_they_went(tmp_path: Path) -> None:
    with served(always(openai), tmp_path) as (server, model, _):
        model.let_go = lambda text: text.replace("anna@example.org", "[e-mail 1]")
        model.embed(["write to anna@example.org", "other"])
        assert server.requests[0]["input"] == ["write to [e-mail 1]", "other"]


def test_a_fault_has_no_text_of_the_request_in_it(tmp_path: Path) -> None:
    said = "invoice 4711 from Brno shows the wrong VAT number"
    script = in_turn(error(400, f"bad input: {said}"))
    with served(script, tmp_path) as (_, model, _), pytest.raises(ModelUnavailable) as found:
        model.embed([said, "other"])
    assert "4711" not in str(found.value)
