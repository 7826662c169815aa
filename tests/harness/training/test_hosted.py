"""Tuning at a provider, against a server that speaks the four documented interfaces."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advisor.money.price_sources import load_price_book
from harness.core.errors import (
    ModelUnavailable,
    OverBudget,
    StoreError,
    TrainingError,
    UsageError,
    WaitTooLong,
)
from harness.core.records import Choices, Conversation, HostedModel, Message
from harness.models.settings import ModelSettings
from harness.models.tuning_api.providers import NAMES, PROVIDERS, named, open_tuning, tuned_name
from harness.training.hosted import HostedSettings, HostedTuner, spent_usd
from tests.support.tuning_server import TUNED, Fault, TuningServer, tuning_server

NOW = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
BASES = {
    "openai": "openai/gpt-4.1-mini-2025-04-14",
    "mistral": "mistral/open-mistral-nemo",
    "together": "together_ai/meta-llama/Meta-Llama-3.1-8B-Instruct-Reference",
    "fireworks": "fireworks_ai/accounts/fireworks/models/llama-v3p1-8b-instruct",
}
CREATE = {
    "openai": "POST /v1/fine_tuning/jobs",
    "mistral": "POST /v1/fine_tuning/jobs",
    "together": "POST /v1/fine-tunes",
    "fireworks": "POST /v1/accounts/acme/supervisedFineTuningJobs",
}
TRAIN = [
    Conversation(item_id=f"t{n}", prompt=(Message(role="user", content=f"row {n}"),), completion="billing")
    for n in range(4)
]
DEV = [dataclasses.replace(TRAIN[0], item_id="d1")]


def yes(words: str) -> bool:
    return True


def tuner(server: TuningServer, home: Path, **changes: Any) -> HostedTuner:
    """A tuner of a server, that agrees to everything and waits for nothing."""
    model = BASES[server.provider]
    name = tuned_name(model)
    book = load_price_book(NOW, overrides=(f"{name}=0.8/3.2/5",))
    settings = HostedSettings(
        provider=named(server.provider),
        model=model,
        home=home,
        name="tune",
        epochs=3,
        seed=17,
        form=Choices(answers=("billing", "shipping")),
        opening=ModelSettings(cache=Path("unused"), api_base=server.address, max_retries=2),
        environ={"FIREWORKS_ACCOUNT_ID": "acme", "OPENAI_API_KEY": "sk-own", "TOR_API_KEY": "k-here"},
        price=book.price(name),
        go_on="harness tune --resume x --yes",
        agree=yes,
        check=lambda: None,
        allow=lambda usd: None,
        prepare=lambda chat: None,
        count=lambda messages: 1000,
        clock=lambda: NOW,
        sleep=lambda seconds: None,
    )
    return HostedTuner(dataclasses.replace(settings, **changes))


def tuned(one: HostedTuner, say: Callable[[str], None] = lambda line: None) -> HostedModel:
    return one.tune(TRAIN, DEV, say)


@pytest.mark.parametrize("provider", NAMES)
def test_each_provider_is_spoken_to_as_it_documents_and_gives_a_model(provider, tmp_path):
    said: list[str] = []
    with tuning_server(provider, cost=0.05) as server:
        made = tuned(tuner(server, tmp_path), said.append)
    assert made.model == TUNED[provider] and made.base_model == BASES[provider]
    assert made.train_tokens == 12_000 and made.train_rows == 4
    assert made.usd == (Decimal("0.05") if provider == "mistral" else Decimal("0.06"))
    training, validation = server.files.values()
    assert len(training) == 4 and len(validation) == 1
    assert training[0]["messages"][0] == {"role": "user", "content": "row 0"}
    assert json.loads(training[0]["messages"][1]["content"]) == {"label": "billing"}, "as it is asked later"
    assert len(server.jobs) == 1 and server.started == (provider == "mistral")
    assert server.keys == {"Bearer k-here"}, "a provider's key goes to its own host alone"
    assert any("running" in line.casefold() for line in said)


@pytest.mark.parametrize("provider", NAMES)
def test_what_it_costs_is_said_and_asked_before_anything_is_sent(provider, tmp_path):
    shown: list[str] = []

    def no(words: str) -> bool:
        shown.append(words)
        return False

    with tuning_server(provider) as server, pytest.raises(UsageError, match="not agreed"):
        tuned(tuner(server, tmp_path, agree=no))
    assert server.requests == [] and not list(tmp_path.iterdir())
    words = " ".join(shown[0].split())
    assert "4 training rows, 3 times over" in words and "no test row" in words
    assert "about 12,000 tokens at $5.00 a million, $0.06" in words and "2026-11-27" in words
    assert "$0.80 in and $3.20 out a million tokens" in words and server.address in words


def test_a_price_that_is_not_known_is_asked_for_by_its_flag(tmp_path):
    with tuning_server("openai") as server, pytest.raises(UsageError, match="price of training") as told:
        tuned(tuner(server, tmp_path, price=None))
    assert told.value.run == "--price openai/ft:gpt-4.1-mini-2025-04-14=INPUT/OUTPUT/TRAINING"
    assert server.requests == []


def test_rows_that_may_not_leave_and_a_budget_that_is_too_small_send_nothing(tmp_path):
    def refuse(*_: object) -> None:
        raise OverBudget("no")

    with tuning_server("openai") as server:
        for stop in ({"check": refuse}, {"allow": refuse}):
            with pytest.raises(OverBudget):
                tuned(tuner(server, tmp_path, **stop))
    assert server.requests == []


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize("after", [1, 2, 3, 4, 5, 6])
def test_a_second_start_goes_on_with_the_same_job_wherever_the_first_one_ended(provider, after, tmp_path):
    """Killed right after the request of that number was answered, and before anything was written of it."""
    from harness.models.tuning_api.http import ProviderCalls

    count = 0
    attempt = ProviderCalls._attempt

    def dying(self: ProviderCalls, *args: Any, **parts: Any) -> Any:
        nonlocal count
        found = attempt(self, *args, **parts)
        count += 1
        if count == after:
            raise Killed
        return found

    asked: list[str] = []

    def once(words: str) -> bool:
        asked.append(words)
        return True

    with tuning_server(provider, cost=0.05) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProviderCalls, "_attempt", dying)
        with pytest.raises(Killed):
            tuned(tuner(server, tmp_path, agree=once))
        made = tuned(tuner(server, tmp_path, agree=once))
        again = tuned(tuner(server, tmp_path, agree=once))
    assert len(server.jobs) == 1 and len(asked) == 1, "paid for once, agreed to once"
    assert made == again and made.model == TUNED[provider]


@pytest.mark.parametrize("provider", NAMES)
def test_a_request_for_a_job_without_an_answer_is_looked_for_and_not_sent_again(provider, tmp_path):
    lost = {CREATE[provider]: [Fault(status=502, taken=True)]}
    with tuning_server(provider, faults=lost, cost=0.05) as server:
        assert tuned(tuner(server, tmp_path)).model == TUNED[provider]
    assert len(server.jobs) == 1


def test_a_request_that_nobody_knows_of_stops_and_the_next_start_makes_the_job(tmp_path):
    lost = {CREATE["openai"]: [Fault(status=503)]}
    with tuning_server("openai", faults=lost) as server:
        with pytest.raises(WaitTooLong, match="did not say") as told:
            tuned(tuner(server, tmp_path))
        assert "looks for the job" in str(told.value) and told.value.run
        tuned(tuner(server, tmp_path))
    assert len(server.jobs) == 1


ENDS = [
    ("openai", "failed", "The file has 2 invalid lines", "could not tune"),
    ("openai", "cancelled", "", "was cancelled"),
    ("mistral", "FAILED_VALIDATION", "wrong format", "could not tune"),
    ("mistral", "CANCELLED", "", "was cancelled"),
    ("together", "error", "out of memory", "could not tune"),
    ("together", "cancelled", "", "was cancelled"),
    ("fireworks", "JOB_STATE_FAILED", "bad dataset", "could not tune"),
    ("fireworks", "JOB_STATE_EXPIRED", "", "expired"),
    (
        "openai",
        "failed",
        "Examples were flagged by our moderation system",
        "refuses the rows for what they say",
    ),
]


@pytest.mark.parametrize(("provider", "state", "why", "words"), ENDS)
def test_a_job_that_comes_to_nothing_says_why_and_another_start_asks_again(
    provider, state, why, words, tmp_path
):
    asked: list[str] = []

    def agree(said: str) -> bool:
        asked.append(said)
        return True

    with tuning_server(provider, states=(state,), why=why, cost=0.05) as server:
        with pytest.raises(TrainingError, match=words) as told:
            tuned(tuner(server, tmp_path, agree=agree))
        assert (why or state) in str(told.value)
        server.states, server.why = (), ""
        tuned(tuner(server, tmp_path, agree=agree))
    assert len(server.jobs) == 2 and len(asked) == 2


REFUSED = [
    (
        400,
        {"error": {"message": "Content violates our usage policies", "code": "x"}},
        TrainingError,
        "what they say",
    ),
    (400, {"error": {"message": "n_epochs too large"}}, TrainingError, "refuses the request"),
    (401, {"error": {"message": "bad key"}}, ModelUnavailable, "key"),
    (403, {"error": {"message": "fine-tuning is not available"}}, ModelUnavailable, "account"),
    (404, {"error": {"message": "model not found"}}, ModelUnavailable, "no such model"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), REFUSED)
def test_what_a_provider_refuses_is_told_in_words_and_the_next_start_may_try(
    status, body, kind, words, tmp_path
):
    with tuning_server("openai", faults={CREATE["openai"]: [Fault(status=status, body=body)]}) as server:
        with pytest.raises(kind, match=words):
            tuned(tuner(server, tmp_path))
        assert spent_usd(tmp_path) == 0, "a job that was refused costs nothing"
        tuned(tuner(server, tmp_path))
    assert len(server.jobs) == 1 and len(server.files) == 2, "the files are there already"
    assert spent_usd(tmp_path) == Decimal("0.06")


def test_an_overloaded_provider_is_waited_for_and_a_long_pause_ends_the_start(tmp_path):
    pauses: list[float] = []
    busy = [Fault(status=429, headers={"retry-after": "7"}), Fault(status=503)]
    with tuning_server("openai", faults={"GET /v1/fine_tuning/jobs/ftjob-1": busy}) as server:
        tuned(tuner(server, tmp_path / "a", sleep=pauses.append))
        assert 7.0 in pauses and 2.0 in pauses
        server.looks = 0
        server.faults["GET /v1/fine_tuning/jobs/ftjob-1"] = [
            Fault(status=429, headers={"retry-after": "9000"})
        ]
        with pytest.raises(WaitTooLong, match="9000 s"):
            tuned(tuner(server, tmp_path / "b"))
        assert tuned(tuner(server, tmp_path / "b")).model == TUNED["openai"]


@pytest.mark.parametrize("provider", ["mistral", "together"])
def test_a_provider_that_names_more_than_was_agreed_to_is_asked_about_again(provider, tmp_path):
    asked: list[str] = []

    def first_only(words: str) -> bool:
        asked.append(words)
        return len(asked) == 1

    with tuning_server(provider, cost=3.0) as server, pytest.raises(UsageError, match="not begun"):
        tuned(tuner(server, tmp_path, agree=first_only))
    assert "$3.00" in asked[1] and "$0.06" in asked[1]
    assert server.started == 0 and len(server.jobs) == (provider == "mistral")


def test_other_rows_in_the_same_run_are_refused(tmp_path):
    with tuning_server("openai") as server:
        tuned(tuner(server, tmp_path))
        with pytest.raises(StoreError, match="other rows"):
            tuner(server, tmp_path).tune(TRAIN[:2], DEV, print)
    assert len(server.jobs) == 1


def test_a_provider_s_key_is_asked_for_and_goes_to_no_other_host():
    for provider in PROVIDERS:
        with pytest.raises(ModelUnavailable, match="no key") as told:
            open_tuning(BASES[provider.name], None, {}, print)
        assert provider.keys[0] in str(told.value.run)
    with pytest.raises(ModelUnavailable, match="clear text"):
        open_tuning(BASES["openai"], "http://elsewhere.example/v1", {"TOR_API_KEY": "k"}, print)
    with pytest.raises(ModelUnavailable, match="offline"):
        open_tuning(BASES["openai"], None, {"OPENAI_API_KEY": "k"}, print, offline=True)
    with pytest.raises(ModelUnavailable, match="account"):
        open_tuning(BASES["fireworks"], None, {"FIREWORKS_API_KEY": "k"}, print)
    with pytest.raises(UsageError, match="cannot be tuned"):
        open_tuning("anthropic/claude-sonnet-5-5", None, {}, print)


def test_a_redirect_to_another_host_is_not_followed(tmp_path):
    led = Fault(status=307, headers={"location": "https://elsewhere.example/v1/files"})
    with (
        tuning_server("openai", faults={"POST /v1/files": [led]}) as server,
        pytest.raises(TrainingError) as told,
    ):
        tuned(tuner(server, tmp_path))
    assert "elsewhere.example" in str(told.value) and server.requests == ["POST /v1/files"]


def test_the_tuned_model_answers_under_the_name_it_is_priced_by(tmp_path):
    from contextlib import closing

    from harness.models.base import ChatReply, ChatRequest

    with tuning_server("openai") as server:
        one = tuner(server, tmp_path)
        with closing(one.open(tuned(one))) as chat:
            asked = ChatRequest(item_id="1", messages=TRAIN[0].prompt, form=one.settings.form)
            reply = chat.answer_one(asked)
            assert isinstance(reply, ChatReply) and json.loads(reply.text) == {"label": "billing"}
            assert chat.identity.id == "openai/ft:gpt-4.1-mini-2025-04-14" == one.identity.id
            assert chat.identity.revision == f"openai/{TUNED['openai']}"
