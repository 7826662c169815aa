"""An OpenAI-shaped server on loopback that answers what a test tells it to, faults included."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANOTHER = "llm.example.net"
"""A host that a test takes for another machine (the fixture `another_machine`)."""

USAGE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One scripted response. Delays end early when the server closes.

    `drip_s` is the pause between the bytes of the body.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    delay_s: float = 0.0
    drip_s: float = 0.0


def completion(
    content: str | None = '{"label": "billing"}',
    *,
    finish: str = "stop",
    usage: object = USAGE,
    **message: Any,
) -> Reply:
    """A chat completion as OpenAI sends it."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-1",
        "system_fingerprint": "fp_7",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
    }
    if usage is not None:
        body["usage"] = usage
    return Reply(body=body)


def error(status: int, message: str = "no", *, code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI sends it; `retry_after="2"` becomes the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, body={"error": {"message": message, "code": code}})


Script = Callable[[int, dict[str, Any]], Reply]
"""(number of the request from 0, its JSON body) -> what to answer."""


class ScriptedServer:
    """What a test sees of the server."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.authorisations: list[str | None] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.address = ""
        self.models: list[dict[str, Any]] = []  # what GET is answered with


def in_turn(*replies: Reply) -> Script:
    """Answer with these, the last one again and again."""
    return lambda number, _body: replies[min(number, len(replies) - 1)]


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[ScriptedServer]:
    """Run a scripted server on a free loopback port."""
    state = ScriptedServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            pass

        def do_GET(self) -> None:
            raw = json.dumps({"object": "list", "data": state.models}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with state.lock:
                number = len(state.requests)
                state.requests.append(body)
                state.authorisations.append(self.headers.get("authorization"))
                state.paths.append(self.path)
                state.headers.append({name.lower(): value for name, value in self.headers.items()})
                state.in_flight += 1
                state.most_in_flight = max(state.most_in_flight, state.in_flight)
            reply = state.script(number, body)
            if reply.delay_s:
                state.closing.wait(reply.delay_s)
            with state.lock:
                state.in_flight -= 1
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body or {}).encode()
            with contextlib.suppress(OSError):  # the client may have gone
                self.send_response(reply.status)
                for name, value in {"content-type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                for part in [raw[i : i + 1] for i in range(len(raw))] if reply.drip_s else [raw]:
                    self.wfile.write(part)
                    state.closing.wait(reply.drip_s)
            self.close_connection = state.closing.is_set()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, *_args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
