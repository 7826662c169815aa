"""Requests to a provider's tuning interface: its key to its own host only, what fails in words.

No redirect is followed, a proxy of the environment is not used for this machine, and what a provider says
is shown without keys and without rows.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.core.errors import MissingExtra, ModelUnavailable, TrainingError, UserError, WaitTooLong
from harness.core.records import FailureKind
from harness.models.api.destinations import Destination
from harness.models.api.faults import Fault, fault_of_response, read_error

if TYPE_CHECKING:
    import httpx

_ALREADY_THERE = 409
_POLICY = ("moderation", "content policy", "usage policies", "usage policy", "flagged", "unsafe", "harmful")
_UNAVAILABLE = "the job goes on at the provider; the same command later goes on with it"


class Unsure(Exception):
    """A request was sent and no answer came: it may have been carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCalls:
    """A provider's interface.

    Attributes:
        name: of the provider, as a sentence names it.
        base: its address, without a slash at the end.
        sleep: waits so many seconds.
        retries: further attempts at what can be asked again without harm.
        longest_s: the longest pause that is waited for.
    """

    name: str
    base: str
    where: Destination
    key: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    sleep: Callable[[float], None]
    timeout_s: float = 60.0
    retries: int = 4
    longest_s: float = 300.0

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Ask for something; asked again where that may help.

        Raises:
            UserError: what the provider says, in words.
        """
        return self._patiently("GET", path, query=query)

    def send(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        query: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> dict[str, Any]:
        """Send JSON; what is there already is no error, and answered with nothing.

        Args:
            once: it may not be carried out twice; where no answer comes, nobody knows whether it was.

        Raises:
            Unsure: of what is sent once, no answer came.
            UserError: what the provider says, in words.
        """
        content = json.dumps(body).encode()
        if once:
            return self._once(path, content, query or {})
        return self._patiently("POST", path, query=query, content=content)

    def upload(self, path: str, file: tuple[str, bytes], fields: Mapping[str, str]) -> dict[str, Any]:
        """Send a file as a form does.

        Raises:
            UserError: what the provider says, in words.
        """
        return self._patiently("POST", path, files={"file": (*file, "application/jsonl")}, data=dict(fields))

    def _once(self, path: str, content: bytes, query: Mapping[str, str]) -> dict[str, Any]:
        """One attempt, and others only where the first was certainly not carried out."""
        for attempt in range(self.retries + 1):
            found = self._attempt("POST", path, query=query, content=content)
            if not isinstance(found, Fault):
                return found
            refused = found.status is not None and 400 <= found.status < 500
            if not refused:
                raise Unsure(found.message)
            if not found.passes or attempt == self.retries:
                raise self.failed(found)
            self._wait(found, attempt)
        raise AssertionError("unreachable")

    def _patiently(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        last = Fault(kind=FailureKind.CONNECTION, message="nothing was asked")
        for attempt in range(self.retries + 1):
            found = self._attempt(method, path, **parts)
            if not isinstance(found, Fault):
                return found
            if found.status == _ALREADY_THERE:
                return {}
            if not found.passes:
                raise self.failed(found)
            last = found
            if attempt < self.retries:
                self._wait(found, attempt)
        raise WaitTooLong(
            f"{self.name} does not answer at the moment.",
            got=last.message,
            allowed=_UNAVAILABLE,
        )

    def _wait(self, fault: Fault, attempt: int) -> None:
        pause = fault.told_s if fault.told_s is not None else 2.0**attempt
        if pause > self.longest_s:
            raise WaitTooLong(
                f"{self.name} asks to be left alone for {pause:.0f} s.",
                got=fault.message,
                allowed=_UNAVAILABLE,
            )
        self.sleep(pause)

    def _attempt(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content: bytes | None = None,
        files: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | Fault:
        httpx = _httpx()
        url = self.base + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        if not self.where.allows(url):
            raise ModelUnavailable(
                "This is no address of the provider.", got=urllib.parse.urlsplit(url).hostname
            )
        headers = {"authorization": f"Bearer {self.key}", "accept": "application/json"}
        if content is not None:
            headers["content-type"] = "application/json"
        try:
            with httpx.Client(
                timeout=self.timeout_s,
                trust_env=not self.where.loopback,
                follow_redirects=False,
                verify=self.base.startswith("https:"),  # certificates are read for nothing else
            ) as client:
                response = client.request(
                    method, url, headers=headers, content=content, files=files, data=data
                )
        except httpx.ConnectError:
            return _lost("no connection")
        except (httpx.TimeoutException, httpx.TransportError):
            return _lost("no answer in time")
        return self._read(response)

    def _read(self, response: httpx.Response) -> dict[str, Any] | Fault:
        text = response.text
        if 300 <= response.status_code < 400:
            place = urllib.parse.urlsplit(response.headers.get("location", "")).hostname
            return Fault(
                kind=FailureKind.BAD_REQUEST, message=f"requests are led elsewhere, to {place}", fatal=True
            )
        if response.status_code >= 400:
            told = read_error(response.status_code, dict(response.headers), text)
            return fault_of_response(told, (), self.secrets, datetime.now(UTC))
        try:
            body = json.loads(text or "{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return Fault(kind=FailureKind.BAD_RESPONSE, message="unreadable answer: it is no JSON object")
        return body

    def failed(self, fault: Fault) -> UserError:
        """What a failed request tells, and what can be done about it."""
        if about_content(fault.message):
            return refused_content(self.name, fault.message)
        if fault.status in (401, 402):
            what = "the key" if fault.status == 401 else "the account's credit"
            return ModelUnavailable(f"{self.name} does not accept {what}.", got=fault.message)
        if fault.status == 403:
            return ModelUnavailable(
                f"{self.name} does not let this account tune a model.",
                got=fault.message,
                allowed="an account that may, another provider, or a model that is tuned on your own machine",
            )
        if fault.status == 404:
            return ModelUnavailable(
                f"{self.name} knows no such model, file or job.",
                got=fault.message,
                allowed="a base model that the provider lists as one it tunes",
            )
        return TrainingError(f"{self.name} refuses the request.", got=fault.message)


def about_content(words: str) -> bool:
    """Whether a provider's words are about what the rows say."""
    small = words.casefold()
    return any(mark in small for mark in _POLICY)


def refused_content(name: str, words: str) -> TrainingError:
    """The provider looked at the rows and does not train on them."""
    return TrainingError(
        f"{name} refuses the rows for what they say.",
        got=words,
        allowed="rows without what its policy names; a model that is tuned on your own machine takes any",
    )


def _lost(message: str) -> Fault:
    return Fault(kind=FailureKind.CONNECTION, message=message, passes=True)


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra.of(error.name or "httpx", "api") from error
    return httpx
