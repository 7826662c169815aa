"""Arms that find through APIs: what is sent, what it costs by arm and in all, and where it may go."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.money.ledger import total_usd
from harness.arms.base import config_digest
from harness.bakeoff.arm_factory import ArmFactory
from harness.bakeoff.budget import CallLog
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.leaving import SentRecord
from harness.bakeoff.plan import ExperimentPlan, PrivacyPlan
from harness.bakeoff.preflight import preflight, preflight_text
from harness.bakeoff.results import ArmResult
from harness.bakeoff.run_folder import PRIVACY, create_run
from harness.core.context import Context
from harness.core.errors import DataError, ModelUnavailable, OverBudget, UsageError
from harness.curve.run import CurveRequest, curves_of_plan
from harness.recommendation.run import run_bakeoff
from tests.harness.bakeoff.test_budget_of_a_run import MODEL, NOW, context, plan
from tests.support.doubles import _unit
from tests.support.scripted_server import ANOTHER, Reply, ScriptedServer, completion, scripted

pytestmark = pytest.mark.usefixtures("another_machine")

EMBEDDER = "openai/embedder"
RANKER = "openai/ranker"
PRICES = (f"{MODEL}=1/1", f"{EMBEDDER}=100/0", f"{RANKER}=2/1k")


def answered(_number: int, body: dict[str, Any]) -> Reply:
    if "documents" in body:
        scores = [len(set(body["query"].split()) & set(text.split())) for text in body["documents"]]
        results = [{"index": n, "relevance_score": score} for n, score in enumerate(scores)]
        return Reply(body={"results": results[::-1], "meta": {"billed_units": {"search_units": 1}}})
    if "input" not in body:
        return completion('{"label": "billing"}')
    rows = [{"index": n, "embedding": _unit(text).tolist()} for n, text in enumerate(body["input"])]
    return Reply(body={"data": rows, "usage": {"prompt_tokens": sum(map(len, body["input"]))}})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(answered) as running:
        yield running


def embeddings(server: ScriptedServer) -> list[list[str]]:
    return [body["input"] for body in server.requests if "input" in body]


def served(
    folder: Path, server: ScriptedServer, *arms: str, host: str = "", **retrieve: Any
) -> ExperimentPlan:
    address = server.address.replace("127.0.0.1", host) if host else server.address
    retrieve = {"k": [2], "embedding": EMBEDDER, "embedding_base": address} | retrieve
    if not retrieve["embedding"]:
        retrieve.pop("embedding_base")
    return plan(
        folder,
        server.address,
        arms=[
            {"option": "floor"},
            *({"option": name} for name in arms if name != "retrieve"),
            *(
                {"option": "retrieve", "model": MODEL, "api_base": server.address}
                for name in arms
                if name == "retrieve"
            ),
        ],
        retrieve=retrieve,
        latency={"items": 3},
    )


def priced(folder: Path, **changes: Any) -> Context:
    return dataclasses.replace(context(folder), price_overrides=PRICES, **changes)


def line(arm: ArmResult, name: str) -> tuple[Decimal | None, Decimal | None]:
    found = [(entry.quantity, entry.amount_usd) for entry in arm.cost.lines if entry.name == name]
    return found[0] if found else (None, None)


def test_each_arm_pays_for_embedding_its_queries(tmp_path: Path, server: ScriptedServer) -> None:
    run = create_run(tmp_path / "runs", served(tmp_path, server, "neighbours", "linear", "retrieve"), NOW)
    results = run_bakeoff(run, priced(tmp_path))
    by_option = {arm.arm.option.value: arm for arm in results.arms}
    tests = run.items()["test"]
    mean = Decimal(sum(len(item.text) for item in tests)) / len(tests)
    for option in ("neighbours", "retrieve"):
        searched = by_option[option].fitted.choices
        quantity, usd = line(by_option[option], "embedding tokens")
        if "cosine" not in str(searched["retrieval"]):
            assert quantity is None, "a lexical search embeds nothing"
            continue
        assert quantity is not None and abs(quantity / 1000 - mean) < mean / 5
        assert usd == quantity * Decimal(100) / 1_000_000
        assert by_option[option].cost.usd_per_1k.usd == total_usd(by_option[option].cost.lines)
    assert not any("embedding" in entry.name for entry in by_option["floor"].cost.lines)


def test_all_calls_are_in_the_record_and_sum_to_what_the_server_counted(
    tmp_path: Path, server: ScriptedServer
) -> None:
    run = create_run(tmp_path / "runs", served(tmp_path, server, "neighbours", "retrieve"), NOW)
    run_bakeoff(run, priced(tmp_path, budget_usd=Decimal(50)))
    log = CallLog(run.root / "journal.sqlite")
    calls = [call for call in log.calls() if call.model == EMBEDDER]
    log.close()
    told = [sum(map(len, texts)) for texts in embeddings(server)]
    assert [call.usage.embedding_tokens for call in calls if call.usage] == told
    train = {item.text for item in run.items()["train"]}
    sent = [text for texts in embeddings(server) if len(texts) > 1 for text in texts if text in train]
    assert len(sent) == len(train), "the rows are embedded once, for both arms"


def test_a_learning_curve_embeds_each_text_once_and_within_the_budget(
    tmp_path: Path, server: ScriptedServer
) -> None:
    plan = served(tmp_path, server, "linear")
    request = CurveRequest(options=("linear",), sizes=(6, 9), seeds=1, split="test")
    with pytest.raises(OverBudget):
        curves_of_plan(plan, request, priced(tmp_path, budget_usd=Decimal("0.01")))
    assert not embeddings(server)
    (curve,) = curves_of_plan(plan, request, priced(tmp_path, budget_usd=Decimal(50))).curves
    assert [mean.size for mean in curve.means] == [6, 9]
    rows = load_rows(plan, priced(tmp_path))
    sent = [text for texts in embeddings(server) for text in texts]
    assert sorted(sent) == sorted({item.text for item in (*rows.train, *rows.dev, *rows.test)})
    log = CallLog(tmp_path / "runs" / "curves" / plan.digest[:12] / "journal.sqlite")
    assert sum(call.usage.embedding_tokens or 0 for call in log.calls() if call.usage) == sum(map(len, sent))
    log.close()


def test_the_budget_ends_a_run_that_embeds_too_much(tmp_path: Path, server: ScriptedServer) -> None:
    run = create_run(tmp_path / "runs", served(tmp_path, server, "neighbours"), NOW)
    with pytest.raises(OverBudget):
        run_bakeoff(run, priced(tmp_path, budget_usd=Decimal("0.1")))


def test_chat_and_embedding_models_draw_on_one_budget(tmp_path: Path, server: ScriptedServer) -> None:
    """What both cost together passes a budget that either would have kept alone."""
    price = {MODEL: 300, EMBEDDER: 100}

    def go(where: Path, budget: Decimal) -> dict[str, Decimal]:
        where.mkdir()
        told = tuple(f"{model}={usd}/{usd}" for model, usd in price.items())
        run = create_run(where / "runs", served(where, server, "retrieve"), NOW)
        try:
            run_bakeoff(run, dataclasses.replace(context(where), price_overrides=told, budget_usd=budget))
        finally:
            log = CallLog(run.root / "journal.sqlite")
            spent = dict.fromkeys(price, Decimal(0))
            for call in log.calls():
                used = call.usage
                assert used is not None
                tokens = sum(
                    getattr(used, name) or 0 for name in ("input_tokens", "output_tokens", "embedding_tokens")
                )
                spent[call.model] += Decimal(tokens * price[call.model]) / 1_000_000
            log.close()
            sums.append(sum(spent.values()))
        return spent

    sums: list[Decimal] = []
    free = go(tmp_path / "free", Decimal(1000))
    budget = max(free.values()) + min(free.values()) / 2
    with pytest.raises(OverBudget):
        go(tmp_path / "poor", budget)
    assert sums[1] <= budget < sums[0]


def test_a_server_here_without_a_price_bills_nothing_for_embedding(
    tmp_path: Path, server: ScriptedServer
) -> None:
    run = create_run(tmp_path / "runs", served(tmp_path, server, "neighbours"), NOW)
    results = run_bakeoff(run, context(tmp_path))
    arm = next(arm for arm in results.arms if arm.arm.option == "neighbours")
    assert arm.cost.usd_per_1k.usd is not None and "embedding tokens" not in {
        entry.name for entry in arm.cost.lines
    }


def test_what_is_embedded_elsewhere_leaves_this_machine_and_is_checked(
    tmp_path: Path, server: ScriptedServer
) -> None:
    plan_ = served(tmp_path, server, "neighbours", host=ANOTHER)
    table = tmp_path / "tickets.csv"
    rows = table.read_text().splitlines()
    rows[1:] = [row.replace(",", ",write to anna.meier@example.com ", 1) for row in rows[1:]]
    table.write_text("\n".join(rows) + "\n")
    run = create_run(tmp_path / "runs", plan_, NOW)
    with pytest.raises(DataError) as refusal:
        run_bakeoff(run, priced(tmp_path))
    assert server.requests == [] and ANOTHER in str(refusal.value) and "neighbours" in str(refusal.value)
    run_bakeoff(run, priced(tmp_path, personal_data="redact"))
    sent = json.dumps(server.requests)
    assert "anna.meier" not in sent and "write to [" in sent
    stored = run.part(PRIVACY, SentRecord)
    assert stored is not None and stored.hosts == (ANOTHER,)


def test_residency_and_offline_hold_for_what_is_embedded(tmp_path: Path, server: ScriptedServer) -> None:
    plan_ = served(tmp_path, server, "neighbours", host=ANOTHER)
    kept = plan_.model_copy(update={"privacy": PrivacyPlan(residency="self-host-only")})
    with pytest.raises(UsageError, match="residency"):
        run_bakeoff(create_run(tmp_path / "runs", kept, NOW), priced(tmp_path))
    with pytest.raises(ModelUnavailable, match="offline"):
        run_bakeoff(create_run(tmp_path / "other", plan_, NOW), priced(tmp_path, offline=True))
    assert server.requests == []


def test_a_dry_run_says_what_embedding_takes(tmp_path: Path, server: ScriptedServer) -> None:
    found = preflight(served(tmp_path, server, "neighbours", host=ANOTHER), priced(tmp_path))
    text = preflight_text(found)
    assert f"Leaves this machine for {ANOTHER}" in text and server.requests == []
    index = next(one for one in found.arms if one.arm == f"embedding by {EMBEDDER}")
    assert index.calls > 0 and index.usd is not None and index.usd > 0 and ANOTHER in index.address


def reranked(folder: Path, server: ScriptedServer, **changes: Any) -> ExperimentPlan:
    return served(
        folder,
        server,
        "retrieve",
        rerank=RANKER,
        rerank_base=server.address,
        rerank_from=6,
        embedding="",
        **changes,
    )


def prompts(server: ScriptedServer) -> list[str]:
    return [json.dumps(body["messages"]) for body in server.requests if "messages" in body]


def test_a_reranker_changes_what_is_shown_and_is_paid_by_the_query(
    tmp_path: Path, server: ScriptedServer
) -> None:
    run = create_run(tmp_path / "runs", reranked(tmp_path, server), NOW)
    results = run_bakeoff(run, priced(tmp_path))
    arm = next(arm for arm in results.arms if arm.arm.option == "retrieve")
    assert line(arm, "reranking searches") == (Decimal(1000), Decimal(2))
    assert arm.cost.usd_per_1k.usd == total_usd(arm.cost.lines)
    assert "the first 6 reranked by openai/ranker" in str(arm.fitted.choices["retrieval"])
    asked = [body for body in server.requests if "documents" in body]
    assert {len(body["documents"]) for body in asked} == {6}
    with_it = prompts(server)
    server.requests.clear()
    plain = create_run(tmp_path / "plain", served(tmp_path, server, "retrieve", embedding=""), NOW)
    before = run_bakeoff(plain, priced(tmp_path))
    without = prompts(server)
    assert len(with_it) == len(without) and sorted(with_it) != sorted(without), "other rows are shown"
    own = next(one for one in before.arms if one.arm.option == "retrieve")
    assert own.cost.usd_per_1k.usd != arm.cost.usd_per_1k.usd


def test_the_budget_knows_what_a_search_costs_and_a_dry_run_says_it(
    tmp_path: Path, server: ScriptedServer
) -> None:
    found = preflight(reranked(tmp_path, server), priced(tmp_path))
    part = next(one for one in found.arms if one.arm == f"reranking by {RANKER}")
    assert part.usd == Decimal(2) / 1000 * part.calls
    run = create_run(tmp_path / "runs", reranked(tmp_path, server), NOW)
    with pytest.raises(OverBudget):
        run_bakeoff(run, priced(tmp_path, budget_usd=Decimal("0.01")))
    assert server.requests == [] or all("documents" in body for body in server.requests)


def test_a_reranker_is_part_of_the_locked_plan_and_of_the_key_of_answers(
    tmp_path: Path, server: ScriptedServer
) -> None:
    plain, ranked = served(tmp_path, server, "retrieve", embedding=""), reranked(tmp_path, server)
    assert plain.digest != ranked.digest
    fewer = ranked.model_copy(update={"retrieve": ranked.retrieve.model_copy(update={"rerank_from": 8})})
    configs = set()
    for plan_ in (plain, ranked, fewer):
        folder = create_run(tmp_path / plan_.digest[:6], plan_, NOW)
        context_ = priced(tmp_path)
        with closing(ArmFactory(plan_, load_rows(plan_, context_), folder, context_)) as factory:
            configs.add(config_digest(factory.build(plan_.arms[-1], plan_.seed).config))
    assert len(configs) == 3
    with pytest.raises(UsageError, match="rerank_from must be at least"):
        served(tmp_path, server, "retrieve", rerank=RANKER, rerank_from=1)
