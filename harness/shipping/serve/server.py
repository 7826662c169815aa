"""The HTTP server: starlette on uvicorn, this machine only unless told otherwise.

    GET  /v1/models              what is served
    POST /v1/chat/completions    one label, see `wire`
    GET  /metrics                see `metrics`
    GET  /health                 'ok' once models are loaded

Requests wait for their model one after another (`app`); nothing of a request's text is logged or kept.
Whatever a client sends is bounded: the head in bytes and time (uvicorn, `protocol`), the body in bytes and
time, labels and connections in number (`app`). Only known hosts and origins are answered (`hosts`).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from harness.core.errors import MissingExtra, ModelUnavailable, UsageError
from harness.shipping.serve.hosts import is_here, known_names
from harness.shipping.serve.service import Service

if TYPE_CHECKING:
    from harness.shipping.serve.app import ServeLimits

MOST_CONNECTIONS = 1000
_HEAD_BYTES = 1 << 16
_HEAD_S = 10.0
_STOP_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server listens.

    Attributes:
        port: 0 for any that is free.
        api_key: what clients have to send as a bearer token; '' asks for none.
        hosts: names it is known by, beside this machine's own.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    allow_remote: bool = False
    api_key: str = ""
    hosts: tuple[str, ...] = ()


class LabelServer:
    """Serves a `Service`."""

    def __init__(self, service: Service, address: Address, limits: ServeLimits) -> None:
        """Bind the address.

        Raises:
            UsageError: if it is reachable from other machines and that was not allowed.
            ModelUnavailable: if the port is taken or not allowed.
            MissingExtra: without starlette or uvicorn.
        """
        names = ready_to_serve(address)
        import uvicorn

        from harness.shipping.serve.app import Door, LabelApp
        from harness.shipping.serve.protocol import TimedProtocol

        app = LabelApp(service, Door(names=names, api_key=address.api_key), limits)
        self._socket = _bound(address)
        config = uvicorn.Config(
            app,
            http=TimedProtocol.within(_HEAD_S),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=int(_HEAD_S),
            timeout_graceful_shutdown=_STOP_S,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            backlog=256,
        )
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """The base address that clients need."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"

    def run(self) -> None:
        """Serve until a signal, or `stop`, ends it."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Free the port."""
        self._socket.close()


def ready_to_serve(address: Address) -> tuple[str, ...]:
    """The names to be known by; what stands in the way of serving is said before a model is loaded.

    Raises:
        UsageError: for an address that other machines can reach, unless allowed; for a host that is none.
        MissingExtra: without a package it stands on.
    """
    for package in ("starlette", "uvicorn", "prometheus_client"):
        if find_spec(package) is None:
            raise MissingExtra.of(package.replace("_", "-"), "serve")
    if not is_here(address.host) and not address.allow_remote:
        raise UsageError(
            "This address can be reached from other machines.",
            got=address.host,
            allowed="127.0.0.1, ::1 or localhost",
            run="--allow-remote if that is wanted; then set --api-key too, and put TLS in front",
        )
    return known_names(address.host, address.hosts)


def _bound(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or Nagle stays on
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host, address.port))
        listening.listen(256)
    except (OSError, UnicodeError) as error:
        listening.close()
        raise ModelUnavailable(
            f"The server cannot listen: {getattr(error, 'strerror', None) or error}.",
            got=f"{address.host}:{address.port}",
            allowed="a free port; --port 0 takes any",
        ) from error
    return listening
