"""The HTTP server: threads of the standard library, this machine only unless told otherwise.

    GET  /v1/models              what is served
    POST /v1/chat/completions    one label, see `wire`
    GET  /metrics                see `metrics`
    GET  /health                 'ok' once models are loaded

Requests wait for their model one after another; nothing of a request's text is logged or kept.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.errors import ModelUnavailable, UsageError
from harness.serving.service import Service
from harness.serving.wire import BadRequest, chunks, completion, error_body, model_list, read_request

MOST_BYTES = 1 << 20
_READ_S = 60.0
_NONE_TO_AUTHORISE = frozenset({"/health"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server listens.

    Attributes:
        port: 0 for any that is free.
        api_key: what clients have to send as a bearer token; '' asks for none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    allow_remote: bool = False
    api_key: str = ""


class LabelServer(ThreadingHTTPServer):
    """Serves a `Service`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: Service, address: Address) -> None:
        """Bind the address.

        Raises:
            UsageError: if it is reachable from other machines and that was not allowed.
            ModelUnavailable: if the port is taken or not allowed.
        """
        require_loopback(address)
        self.service = service
        self.api_key = address.api_key
        if ":" in address.host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((address.host, address.port), _Handler)
        except OSError as error:
            raise ModelUnavailable(
                f"The server cannot listen: {error.strerror or error}.",
                got=f"{address.host}:{address.port}",
                allowed="a free port; --port 0 takes any",
            ) from error

    @property
    def url(self) -> str:
        """The base address that clients need."""
        host, port = self.server_address[:2]
        name = str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; nothing of its request is printed."""


def require_loopback(address: Address) -> None:
    """Refuse an address that other machines can reach, unless it was allowed.

    Raises:
        UsageError: naming the flag.
    """
    try:
        local = address.host == "localhost" or ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        local = False
    if not local and not address.allow_remote:
        raise UsageError(
            "This address can be reached from other machines.",
            got=address.host,
            allowed="127.0.0.1, ::1 or localhost",
            run="--allow-remote if that is wanted; then set --api-key too, and put TLS in front",
        )


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    protocol_version = "HTTP/1.1"
    server_version = "tune-or-retrieve"
    sys_version = ""
    timeout = _READ_S

    def do_GET(self) -> None:
        self._guarded(self._get)

    def do_POST(self) -> None:
        self._guarded(self._post)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def _get(self) -> tuple[str, int]:
        match self.path.partition("?")[0]:
            case "/v1/models" | "/models":
                self._json(200, model_list(self.server.service.names, int(time.time())))
            case "/metrics":
                self._send(200, self.server.service.metrics.text().encode(), "text/plain; version=0.0.4")
            case "/health":
                self._send(200, b"ok\n", "text/plain")
            case _:
                raise BadRequest(f"there is nothing at {self.path}", status=404, kind="not_found_error")
        return "", 0

    def _post(self) -> tuple[str, int]:
        if self.path.partition("?")[0] not in ("/v1/chat/completions", "/chat/completions"):
            self._body()
            raise BadRequest(f"there is nothing at {self.path}", status=404, kind="not_found_error")
        asked = read_request(self._body())
        reply, choices = self.server.service.answer(asked)
        response = completion(asked, reply, choices, number=uuid.uuid4().hex, now=int(time.time()))
        if asked.stream:
            pieces = [f"data: {json.dumps(piece)}\n\n" for piece in chunks(response)]
            self._send(200, "".join([*pieces, "data: [DONE]\n\n"]).encode(), "text/event-stream")
        else:
            self._json(200, response)
        return asked.model, 200

    def _guarded(self, work: Any) -> None:
        """Run a handler; faults become OpenAI's error bodies, and every completion is counted."""
        model, status = "", 0
        try:
            self._authorise()
            model, status = work()
        except BadRequest as fault:
            status = fault.status
            self._json(status, error_body(str(fault), fault.kind, status))
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the server lives
            status = 500
            self.close_connection = True
            self._json(status, error_body(f"internal error: {type(error).__name__}", "server_error", status))
        if status:
            self.server.service.metrics.finished(model, status)

    def _authorise(self) -> None:
        key = self.server.api_key
        if not key or self.path in _NONE_TO_AUTHORISE:
            return
        given = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode(), key.encode()):
            self.close_connection = True
            raise BadRequest("the API key is missing or wrong", status=401, kind="authentication_error")

    def _body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError as error:
            self.close_connection = True
            raise BadRequest("a body with a Content-Length is needed", status=411) from error
        if not 0 <= length <= MOST_BYTES:
            self.close_connection = True
            raise BadRequest(f"the body may have {MOST_BYTES} bytes at most", status=413)
        return self.rfile.read(length)

    def _json(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if "charset" not in kind else kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")  # or a client sends its next request into a closed one
        self.end_headers()
        self.wfile.write(body)
