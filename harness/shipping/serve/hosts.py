"""Who may speak with a server of this machine: the addresses it listens at, the names it answers to.

A page somewhere can let a name of its own point at 127.0.0.1 and so reach a server of this machine through
its visitor's browser (DNS rebinding). The browser still sends that name as `Host`, and the page's own address
as `Origin`; so both have to be names the server is known by.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from harness.core.errors import UsageError

_HERE = ("localhost", "127.0.0.1", "::1")


def is_here(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def known_names(host: str, more: Sequence[str] = ()) -> tuple[str, ...]:
    """The names a server is known by: this machine's, the address it listens at, and those added.

    Args:
        host: the address it listens at; for one that stands for all, this machine's name and address count.

    Raises:
        UsageError: if an added name is none.
    """
    names = [*_HERE, *(_bare(name) for name in more)]
    if not is_here(host):
        names += [socket.gethostname().lower(), *_own_address()] if _stands_for_all(host) else [host.lower()]
    elif host not in names:
        names.append(host)
    return tuple(dict.fromkeys(names))


def is_known(value: str, names: Sequence[str]) -> bool:
    """Whether a `Host` header names this server; its port does not matter."""
    try:
        parts = urlsplit(f"//{value}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    whole = not (parts.username or parts.password or parts.path or parts.query or parts.fragment)
    return whole and name is not None and name.rstrip(".") in names


def is_own_origin(value: str, names: Sequence[str]) -> bool:
    """Whether an `Origin` header names a page of this server."""
    scheme, _, host = value.partition("://")
    return scheme in ("http", "https") and is_known(host, names)


def _bare(name: str) -> str:
    found = name.strip().lower().rstrip(".")
    if not found or not (is_known(found, (found,)) or is_known(f"[{found}]", (found,))):
        raise UsageError("--allow-host is no host.", got=name, allowed="a name or an address without a port")
    return found


def _stands_for_all(host: str) -> bool:
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _own_address() -> list[str]:
    """The address this machine speaks to others from; nothing is sent to learn it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return [str(probe.getsockname()[0])]
    return []
