"""The server over HTTP on loopback, with scripted models behind it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from advisor.options import Option
from harness.core.errors import ModelUnavailable, UsageError
from harness.core.records import FailureKind, Message
from harness.models.base import ChatRequest
from harness.shipping.serve import server as server_module
from harness.shipping.serve.app import MOST_BYTES, LineLimits, ServeLimits
from harness.shipping.serve.metrics import GivenAnswer, Metrics
from harness.shipping.serve.server import Address, LabelServer, ready_to_serve
from harness.shipping.serve.service import Served, Service, as_trained, label_of
from tests.support.artefacts import task
from tests.support.doubles import ScriptedChat

TURNS = [{"role": "system", "content": "Some other prompt."}, {"role": "user", "content": "sign in broken"}]


@contextlib.contextmanager
def running(service, limits=None, **address):
    server = LabelServer(service, Address(port=0, **address), limits or ServeLimits())
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=10) as client:
            yield client
    finally:
        server.stop()
        thread.join()
        server.close()


def service(**more):
    models = {"tickets": Served(answerer=ScriptedChat(name="m"), task=task())}
    return Service(models | more)


def counted(text, name, **labels):
    """One sample of a page of metrics, as Prometheus's own reader reads it; 0 where there is none."""
    families = text_string_to_metric_families(text)
    found = [s.value for f in families for s in f.samples if s.name == name and s.labels == labels]
    return found[0] if found else 0


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
    assert counted(metrics, "tor_answers_total", model="tickets", label="sign_in") == 1
    assert counted(metrics, "tor_requests_total", model="tickets", status="200") == 1
    assert counted(metrics, "tor_train_share", model="tickets", label="billing") == 0.5  # 60 of 120 rows
    assert counted(metrics, "tor_confidence_count", model="tickets") == 1
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


CODES = {"billing": " invoice", "sign_in": " login", "shipping": " parcel"}


def test_a_model_that_says_codes_is_asked_for_them_and_answers_with_labels():
    """Whether a client names no labels, their names, their words or the codes: it reads what it named."""
    model = ScriptedChat(name="m", says=lambda code: code)
    with running(Service({"tickets": Served(answerer=model, task=task(codes=CODES))})) as client:
        answers = [
            post(client, **({"structured_outputs": {"choice": named}} if named else {})).json()
            for named in (None, ["sign_in"], ["sign in"], [" login"])
        ]
        unknown = post(client, structured_outputs={"choice": ["sign_in", "zanzibar"]})
        metrics = client.get("../metrics").text
    said = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert said[0] in ("billing", "sign in", "shipping") and said[1:] == ["sign_in", "sign in", " login"]
    assert model.asked[0].choices == tuple(CODES.values()) and all(one.one_token for one in model.asked)
    assert all(one.choices == (" login",) for one in model.asked[1:])
    assert unknown.status_code == 400 and "none of the labels" in unknown.text
    assert counted(metrics, "tor_answers_total", model="tickets", label="sign_in") >= 3


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
    assert counted(metrics, "tor_requests_total", model="", status="400") == 1
    assert counted(metrics, "tor_confidence_count", model="tickets") == 1


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
        ready_to_serve(Address(host=host))
    assert "--allow-remote" in str(caught.value)
    ready_to_serve(Address(host=host, allow_remote=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_is_always_allowed(host):
    ready_to_serve(Address(host=host))


def test_a_taken_port_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ModelUnavailable, match="cannot listen") as caught:
            LabelServer(service(), Address(port=taken.getsockname()[1]), ServeLimits())
    assert "--port 0" in str(caught.value)


def test_the_metrics_are_what_prometheus_reads():
    """Histogram buckets are cumulative and end in +Inf; names and values by hand."""
    metrics = Metrics({"m": {"a": 3, 'b"\n': 1}})
    for confidence, seconds in ((0.55, 0.02), (0.999, 0.02), (None, 3.0)):
        metrics.given(
            GivenAnswer(
                model="m", label="a", confidence=confidence, answer_s=seconds, wait_s=0.0, input_tokens=7
            )
        )
    text = metrics.text().decode()
    assert counted(text, "tor_answers_total", model="m", label="a") == 3
    assert counted(text, "tor_input_tokens_total", model="m") == 21
    assert counted(text, "tor_train_share", model="m", label='b"\n') == 0.25
    assert counted(text, "tor_confidence_bucket", model="m", le="0.5") == 0
    assert counted(text, "tor_confidence_bucket", model="m", le="0.6") == 1
    assert counted(text, "tor_confidence_bucket", model="m", le="+Inf") == 2
    assert counted(text, "tor_confidence_count", model="m") == 2, "an answer without confidence is in none"
    assert counted(text, "tor_answer_seconds_sum", model="m") == pytest.approx(3.04)
    assert counted(text, "tor_answer_seconds_bucket", model="m", le="0.025") == 2
    assert "_created" not in text


class Held(ScriptedChat):
    """Answers when it is let; counts what it was asked."""

    def __init__(self) -> None:
        super().__init__(name="m")
        self.let, self.begun = threading.Event(), threading.Semaphore(0)

    def answer_one(self, request):
        self.begun.release()
        self.let.wait(20)
        return super().answer_one(request)


def held_service():
    model = Held()
    return model, Service({"tickets": Served(answerer=model, task=task())})


def send(client, body=b"", head="POST /v1/chat/completions HTTP/1.1", **headers):
    """A raw request on a connection of its own."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=20)
    lines = {"Host": "127.0.0.1", "Content-Length": str(len(body))} | headers
    text = "\r\n".join(
        [head, *(f"{name.replace('_', '-')}: {value}" for name, value in lines.items()), "", ""]
    )
    connection.sendall(text.encode() + body)
    return connection


START = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
ASKED = json.dumps({"model": "tickets", "messages": TURNS}).encode()


def test_a_slow_answer_holds_up_nothing_else():
    model, chosen = held_service()
    with running(chosen) as client, send(client, ASKED) as slow:
        assert model.begun.acquire(timeout=10)
        assert client.get("../health").text == "ok\n"
        assert counted(client.get("../metrics").text, "tor_waiting", model="tickets") == 1
        model.let.set()
        assert slow.recv(100).startswith(b"HTTP/1.1 200")


def test_a_full_line_says_when_to_come_again():
    model, chosen = held_service()
    limits = ServeLimits(line=LineLimits(most_waiting=2))
    with running(chosen, limits) as client, contextlib.ExitStack() as stack:
        first = stack.enter_context(send(client, ASKED))
        assert model.begun.acquire(timeout=10)
        rest = [stack.enter_context(send(client, ASKED)) for _ in range(2)]
        until(lambda: counted(client.get("../metrics").text, "tor_waiting", model="tickets") == 3)
        refused = post(client)
        assert refused.status_code == 503 and int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["error"]["type"] == "overloaded_error"
        model.let.set()
        assert [c.recv(100)[:12] for c in (first, *rest)] == [b"HTTP/1.1 200"] * 3
        assert post(client).status_code == 200


def test_nothing_is_computed_for_clients_that_left():
    model, chosen = held_service()
    with running(chosen) as client:
        first = send(client, ASKED)
        assert model.begun.acquire(timeout=10)
        gone = [send(client, ASKED) for _ in range(5)]
        until(lambda: counted(client.get("../metrics").text, "tor_waiting", model="tickets") == 6)
        for connection in gone:
            connection.close()
        until(lambda: counted(client.get("../metrics").text, "tor_waiting", model="tickets") == 1)
        model.let.set()
        assert first.recv(100).startswith(b"HTTP/1.1 200")
        first.close()
        assert post(client).status_code == 200
        metrics = client.get("../metrics").text
    assert len(model.asked) == 2, "the first and the last, none of those that left"
    assert counted(metrics, "tor_requests_total", model="", status="499") == 5


def test_an_answer_that_takes_too_long_is_given_up():
    model, chosen = held_service()
    with running(chosen, ServeLimits(line=LineLimits(timeout_s=0.2))) as client:
        assert post(client).status_code == 504
        model.let.set()


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "10.0.0.1", "[::",
             "a b", "user@localhost", "localhost/x"],
)  # fmt: skip
def test_a_host_that_points_here_is_not_answered(host):
    with running(service()) as client:
        for head in ("GET /v1/models HTTP/1.1", "GET /health HTTP/1.1", "POST /v1/chat/completions HTTP/1.1"):
            with send(client, ASKED, head, Host=host) as connection:
                assert connection.recv(100)[9:12] in (b"421", b"400")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:80", "desk.example", "localhost."]
)
def test_known_hosts_are_answered(host):
    with running(service(), hosts=("desk.example",)) as client:
        assert client.get("../health", headers={"Host": host}).status_code == 200


def test_a_page_of_another_origin_may_not_ask():
    with running(service()) as client:
        for origin in ("http://evil.example", "null", "file://"):
            said = client.post("/chat/completions", content=ASKED, headers={"Origin": origin})
            assert said.status_code == 403
        own = {"Origin": "http://localhost:3000"}
        assert client.post("/chat/completions", content=ASKED, headers=own).status_code == 200


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_refused_by_name(method):
    with running(service()) as client:
        for path, takes in (("/chat/completions", "POST"), ("/models", "GET")):
            said = client.request(method, path)
            assert said.status_code == 405 and said.headers["Allow"] == takes and said.json()["error"]
        head = client.head("../health")
        assert head.status_code == 200 and head.content == b""


def test_a_body_in_chunks_is_a_body_and_is_bounded():
    with running(service()) as client:
        assert client.post("/chat/completions", content=iter([ASKED[:9], ASKED[9:]])).status_code == 200
        said = client.post("/chat/completions", content=(b"x" * 65536 for _ in range(17)))
        assert said.status_code == 413
        assert client.post("/chat/completions", content=iter([])).status_code == 400


@pytest.mark.parametrize(
    "raw",
    [b"\x16\x03\x01 no HTTP\r\n\r\n", b"GET /health HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
     START + b"Content-Length: -1\r\n\r\n", START + b"Content-Length: 9\r\nContent-Length: 8\r\n\r\n",
     START + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET / HTTP/1.1\r\n\r\n"],
    ids=["no http", "long head", "negative", "two lengths", "broken chunk", "no host"],
)  # fmt: skip
def test_broken_requests_are_refused_and_the_server_lives(raw):
    with running(service()) as client:
        with send(client) as connection:
            connection.recv(1000)
        with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(raw)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100)[9:12] in (b"400", b"421", b"431", b"")
        assert post(client).status_code == 200


def test_a_head_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr(server_module, "_HEAD_S", 0.3)
    with running(service()) as client:
        address = (client.base_url.host, client.base_url.port)
        silent, slow = (socket.create_connection(address, timeout=20) for _ in range(2))
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        for connection in (silent, slow):
            assert connection.recv(100) == b"", "the server closed it"
            connection.close()
        assert client.get("../health").status_code == 200


def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_an_engine_with_a_queue_of_its_own_gets_several_requests_at_once():
    """Each of the two answers only once the other is asked too."""
    both = threading.Barrier(2, timeout=20)
    chat = ScriptedChat(name="m", says=lambda text: (both.wait(), text)[1])
    with running(service(tickets=Served(answerer=chat, task=task(), at_once=2))) as client:
        replies = []
        asking = [threading.Thread(target=lambda: replies.append(post(client))) for _ in range(2)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    assert [reply.status_code for reply in replies] == [200, 200]
