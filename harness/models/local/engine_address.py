"""JSON asked of an engine at an address: llama.cpp in this process, or a vLLM that runs beside it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from harness.core.errors import ModelUnavailable

_TOLD = 300


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is sent to one address goes to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing: the redirect is an error."""


def ask_json(engine: str, url: str, body: object = None, *, wait_s: float) -> dict[str, Any]:
    """GET, or POST where there is a body, past any proxy; no redirect is followed.

    Args:
        engine: its name, for the error.
        wait_s: seconds.

    Raises:
        ModelUnavailable: if there is no answer, or none that is a JSON object.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        with opener.open(request, timeout=wait_s) as answer:
            found = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        told = error.read(_TOLD).decode("utf-8", "replace")
        raise ModelUnavailable(f"{engine} refuses to answer.", got=f"{error.code}: {told}") from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ModelUnavailable(f"{engine} does not answer.", got=f"{url}: {str(error)[:_TOLD]}") from error
    if not isinstance(found, dict):
        raise ModelUnavailable(f"{engine} does not answer in JSON objects.", got=str(found)[:_TOLD])
    return found
