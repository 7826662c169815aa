"""The server over HTTP on loopback, with scripted models behind it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading

import httpx
import pytest

from harness.errors import ModelUnavailable, UsageError
from harness.models.base import ChatRequest
from harness.records import FailureKind, Message, Option
from harness.serving.asking import as_trained, label_of
from harness.serving.metrics import Given, Metrics
from harness.serving.server import MOST_BYTES, Address, LabelServer, require_loopback
from harness.serving.service import Served, Service
from tests.support.artefacts import task
from tests.support.doubles import ScriptedChat

TURNS = [{"role": "system", "content": "Some other prompt."}, {"role": "user", "content": "sign in broken"}]


@contextlib.contextmanager
def running(service, **address):
    server = LabelServer(service, Address(port=0, **address))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=10) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def service(**more):
    models = {"tickets": Served(answerer=ScriptedChat(name="m"), task=task())}
    return Service(models | more)


def post(client, **more):
    return client.post("/chat/completions", json={"model": "tickets", "messages": TURNS, **more})


def test_a_label_comes_back_and_is_counted():
    chosen = service()
    with running(chosen) as client:
        assert [m["id"] for m in client.get("/models").json()["data"]] == ["tickets"]
        answer = post(client, logprobs=True, top_logprobs=3)
        assert answer.status_code == 200
        body = answer.json()
        assert body["choices"][0]["message"]["content"] == "sign in"
        tops = body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        assert tops[0]["token"] == "sign in" and len(tops) == 3
        metrics = client.get("../metrics").text
    assert 'tor_answers_total{model="tickets",label="sign_in"} 1' in metrics
    assert 'tor_requests_total{model="tickets",status="200"} 1' in metrics
    assert 'tor_train_share{model="tickets",label="billing"} 0.5' in metrics  # 60 of 120 rows
    assert re.search(r'tor_confidence_count\{model="tickets"\} 1', metrics)
    assert "sign in broken" not in metrics


def test_the_model_is_asked_as_it_was_trained():
    model = ScriptedChat(name="m")
    with running(Service({"tickets": Served(answerer=model, task=task())})) as client:
        post(client)
    (asked,) = model.asked
    assert [(m.role, m.content) for m in asked.messages] == [
        ("system", "Classify the message."), ("user", "sign in broken"),
    ]  # fmt: skip
    assert asked.choices == ("billing", "sign in", "shipping")
    as_sent = ScriptedChat(name="m")
    with running(Service({"tickets": Served(answerer=as_sent, task=task())}, as_sent=True)) as client:
        post(client)
    assert as_sent.asked[0].messages[0].content == "Some other prompt."


def test_retrieved_turns_are_kept_for_a_model_tuned_with_them():
    turns = [Message(role=r, content=c) for r, c in (
        ("system", "x"), ("user", "e" * 500), ("assistant", "billing"), ("user", "q"))]  # fmt: skip
    found = as_trained(task(option=Option.TUNE_RETRIEVE), turns)
    assert [m.role for m in found] == ["system", "user", "assistant", "user"]
    assert len(found[1].content) == 400, "cut as an example is"
    assert len(as_trained(task(), turns)) == 2
    assert label_of(task(), "sign in") == "sign_in" and label_of(task(), "zanzibar") == "other"


def test_choices_come_back_in_the_clients_words():
    with running(service()) as client:
        named = post(client, structured_outputs={"choice": ["sign_in", "shipping"]}).json()
        assert named["choices"][0]["message"]["content"] == "sign_in"
        schema = {"name": "a", "schema": {"properties": {"label": {"enum": ["shipping", "zanzibar"]}}}}
        held = post(client, response_format={"type": "json_schema", "json_schema": schema}).json()
        assert json.loads(held["choices"][0]["message"]["content"])["label"] in ("shipping", "zanzibar")
        twice = post(client, structured_outputs={"choice": ["sign_in", "sign in"]})
        assert twice.status_code == 400 and "same label" in twice.json()["error"]["message"]


def test_openais_own_client_reads_it():
    import openai

    with running(service()) as http:
        client = openai.OpenAI(
            base_url=str(http.base_url), api_key="none", http_client=httpx.Client(trust_env=False)
        )
        answer = client.chat.completions.create(model="tickets", messages=TURNS)
        assert answer.choices[0].message.content == "sign in"
        streamed = client.chat.completions.create(model="tickets", messages=TURNS, stream=True)
        assert "".join(p.choices[0].delta.content or "" for p in streamed) == "sign in"
        with pytest.raises(openai.NotFoundError, match="not served here"):
            client.chat.completions.create(model="other", messages=TURNS)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b"x" * (MOST_BYTES + 1), 413)],
    ids=["broken", "no object", "too long"],
)
def test_bad_bodies_get_an_error_and_the_server_lives(body, status):
    with running(service()) as client:
        said = client.post("/chat/completions", content=body)
        assert said.status_code == status and said.json()["error"]["message"]
        assert post(client).status_code == 200
        assert client.get("/nothing").status_code == 404
        assert client.post("/nothing", json={}).status_code == 404
        assert client.get("../health").text == "ok\n"


def test_failures_of_a_model_are_errors_not_labels():
    model = ScriptedChat(
        name="m", fails={"request-1": [FailureKind.TOO_LONG], "request-2": [FailureKind.SERVER]}
    )
    with running(Service({"tickets": Served(answerer=model, task=task())})) as client:
        assert [post(client).status_code for _ in range(3)] == [400, 500, 200]
        metrics = client.get("../metrics").text
    assert 'tor_requests_total{model="",status="400"} 1' in metrics
    assert sum(int(n) for n in re.findall(r"tor_answers_total\{.*\} (\d+)", metrics)) == 1


def test_a_fault_inside_is_an_error_500_without_its_text():
    class Broken(ScriptedChat):
        def answer_one(self, request):
            raise RuntimeError("secret of a ticket")

    with running(service(broken=Served(answerer=Broken(), task=task()))) as client:
        said = client.post("/chat/completions", json={"model": "broken", "messages": TURNS})
        assert said.status_code == 500 and "secret" not in said.text
        assert said.headers["connection"] == "close", "no client may reuse the connection"
        assert post(client).status_code == 200


def test_many_clients_at_once_get_their_own_answers():
    class Slow(ScriptedChat):
        inside = 0

        def answer_one(self, request: ChatRequest):
            Slow.inside += 1
            assert Slow.inside == 1, "two requests were in the model at once"
            found = super().answer_one(request)
            Slow.inside -= 1
            return found

    texts = {"invoice billing wrong": "billing", "sign in fails": "sign in", "shipping late": "shipping"}
    with running(Service({"tickets": Served(answerer=Slow(name="m"), task=task())})) as client:
        url, found = str(client.base_url), []

        def ask(text):
            turns = [{"role": "user", "content": text}]
            body = {"model": "tickets", "messages": turns}
            answer = httpx.post(f"{url}chat/completions", json=body, trust_env=False, timeout=20)
            found.append((text, answer.json()["choices"][0]["message"]["content"]))

        threads = [threading.Thread(target=ask, args=(text,)) for text in [*texts] * 5]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 15 and all(answer == texts[text] for text, answer in found)


def test_an_api_key_is_asked_for():
    with running(service(), api_key="secret") as client:
        assert post(client).status_code == 401
        assert client.get("/models").status_code == 401
        assert client.get("../health").status_code == 200
        client.headers["Authorization"] = "Bearer secret"
        assert post(client).status_code == 200
        client.headers["Authorization"] = "Bearer wrong"
        assert client.get("../metrics").status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_other_machines_are_kept_out_unless_allowed(host):
    with pytest.raises(UsageError, match="other machines") as caught:
        require_loopback(Address(host=host))
    assert "--allow-remote" in str(caught.value)
    require_loopback(Address(host=host, allow_remote=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_is_always_allowed(host):
    require_loopback(Address(host=host))


def test_a_taken_port_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ModelUnavailable, match="cannot listen") as caught:
            LabelServer(service(), Address(port=taken.getsockname()[1]))
    assert "--port 0" in str(caught.value)


def test_the_metrics_are_what_prometheus_reads():
    """Histogram buckets are cumulative and end in +Inf; names and values by hand."""
    metrics = Metrics({"m": {"a": 3, 'b"\n': 1}})
    for confidence, seconds in ((0.55, 0.02), (0.999, 0.02), (None, 3.0)):
        metrics.given(
            Given(model="m", label="a", confidence=confidence, answer_s=seconds, wait_s=0.0, input_tokens=7)
        )
    lines = metrics.text().splitlines()
    assert 'tor_answers_total{model="m",label="a"} 3' in lines
    assert 'tor_input_tokens_total{model="m"} 21' in lines
    assert 'tor_train_share{model="m",label="b\\"\\n"} 0.25' in lines
    buckets = [line for line in lines if line.startswith("tor_confidence_bucket")]
    assert 'tor_confidence_bucket{model="m",le="0.5"} 0' in buckets
    assert 'tor_confidence_bucket{model="m",le="0.6"} 1' in buckets
    assert buckets[-1] == 'tor_confidence_bucket{model="m",le="+Inf"} 2'
    assert 'tor_confidence_count{model="m"} 2' in lines, "an answer without confidence is in none"
    assert 'tor_answer_seconds_sum{model="m"} 3.04' in lines
    assert 'tor_answer_seconds_bucket{model="m",le="0.025"} 2' in lines
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"tor_\w+\{[^{}]*\} [0-9.e+-]+", line), line
