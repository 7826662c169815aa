"""Four batch interfaces behind one protocol: OpenAI's, Mistral's, Anthropic's and Gemini's.

OpenAI (https://platform.openai.com/docs/guides/batch) and Mistral (https://docs.mistral.ai/capabilities/batch)
take a file of questions and give one of answers; Anthropic
(https://docs.anthropic.com/en/docs/build-with-claude/batch-processing) and Gemini
(https://ai.google.dev/gemini-api/docs/batch-api) take the questions in the request itself. Everything stays
on the destination's host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from harness.core.errors import ModelUnavailable
from harness.models.api.calls import Route
from harness.models.api.dialects.said import count, part, parts
from harness.models.api.faults import printable, read_error

_MOST_BYTES = 512 * 1024 * 1024
_HELD_BY_SCHEMA = "structured-outputs-2025-11-13"  # Anthropic's name of the feature that `output_format` is
_ENDED_BADLY = frozenset({"failed", "expired", "cancelled", "timeout_exceeded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """A question: its name within the batch, and the body that would have been sent alone."""

    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far a batch is.

    Attributes:
        why: what ended it without answers, '' where nothing did.
    """

    ended: bool
    answered: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came back for one question: a response with its status, as it would have come alone."""

    name: str
    status: int
    body: Mapping[str, Any]


class BatchService(Protocol):
    """One provider's batch interface.

    Attributes:
        most_bytes, most_lines: of one batch.
    """

    most_bytes: int
    most_lines: int

    def submit(self, lines: Sequence[BatchLine]) -> str:
        """Hand in a batch; returns its id."""

    def state(self, batch: str) -> State:
        """Look how far it is."""

    def results(self, batch: str) -> Iterator[Result]:
        """What an ended batch brought."""


class Unreachable(Exception):
    """The provider did not answer, or asked to come back later."""


class Http:
    """Requests to one address, by the key that belongs to it."""

    def __init__(self, base: str, route: Route, headers: Mapping[str, str]) -> None:
        """Nothing is sent yet."""
        self._base, self._route = base.rstrip("/"), route
        self._client = httpx.Client(
            headers=dict(headers),
            timeout=route.timeout_s,
            follow_redirects=False,
            trust_env=not route.where.loopback,
        )

    def json(self, method: str, path: str, **sent: Any) -> Mapping[str, Any]:
        """The object that a request is answered with.

        Raises:
            Unreachable: no answer, or one of 429 or 5xx.
            ModelUnavailable: the request is refused.
        """
        found: Any = json.loads(self._text(method, path, **sent) or "null")
        return found if isinstance(found, dict) else {}

    def lines(self, path: str) -> Iterator[Mapping[str, Any]]:
        """The objects of a file of lines. Raises as `json`."""
        for line in self._text("GET", path).splitlines():
            try:
                found: Any = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                yield found

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _text(self, method: str, path: str, **sent: Any) -> str:
        url = path if "://" in path else self._base + path
        if not self._route.where.allows(url):
            raise ModelUnavailable("A batch is led to another host; nothing was sent there.", got=url)
        try:
            response = self._client.request(method, url, **sent)
        except httpx.HTTPError as error:
            raise Unreachable(f"no answer ({type(error).__name__})") from error
        if response.status_code == 429 or response.status_code >= 500:
            raise Unreachable(f"HTTP {response.status_code}")
        text = response.text[:_MOST_BYTES]
        if response.status_code >= 300:
            said = read_error(response.status_code, dict(response.headers), text).words
            raise ModelUnavailable(
                f"The batch interface of {self._route.model} refuses the request.",
                got=f"HTTP {response.status_code}: {printable(said, (), self._route.secrets)}",
            )
        return text


class OpenAiBatches:
    """OpenAI's, also of gateways that speak it."""

    most_bytes, most_lines = 180 * 1024 * 1024, 50_000

    def __init__(self, http: Http) -> None:
        """Use this address."""
        self._http = http

    def submit(self, lines: Sequence[BatchLine]) -> str:
        """Upload the questions as a file and begin the batch."""
        url = "/v1/chat/completions"
        raw = [{"custom_id": one.name, "method": "POST", "url": url, "body": one.body} for one in lines]
        sent = {"input_file_id": _uploaded(self._http, raw), "endpoint": url, "completion_window": "24h"}
        return str(self._http.json("POST", "/batches", json=sent)["id"])

    def state(self, batch: str) -> State:
        """Its status and counts."""
        found = self._http.json("GET", f"/batches/{batch}")
        status = str(found.get("status"))
        told = next(iter(parts(part(found, "errors"), "data")), {}).get("message")
        counts = part(found, "request_counts")
        return State(
            ended=status in ("completed", *_ENDED_BADLY),
            answered=count(counts.get("completed")) + count(counts.get("failed")),
            why=str(told or status) if status in _ENDED_BADLY else "",
        )

    def results(self, batch: str) -> Iterator[Result]:
        """The files of answers and of errors."""
        found = self._http.json("GET", f"/batches/{batch}")
        yield from _from_files(self._http, (found.get("output_file_id"), found.get("error_file_id")))


class MistralBatches:
    """Mistral's: the model is named once for all questions."""

    most_bytes, most_lines = 180 * 1024 * 1024, 100_000

    def __init__(self, http: Http, model: str) -> None:
        """Use this address and model."""
        self._http, self._model = http, model

    def submit(self, lines: Sequence[BatchLine]) -> str:
        """Upload the questions as a file and begin the job."""
        bodies = [{name: one.body[name] for name in one.body if name != "model"} for one in lines]
        raw = [{"custom_id": one.name, "body": body} for one, body in zip(lines, bodies, strict=True)]
        sent = {
            "input_files": [_uploaded(self._http, raw)],
            "model": self._model,
            "endpoint": "/v1/chat/completions",
        }
        return str(self._http.json("POST", "/batch/jobs", json=sent)["id"])

    def state(self, batch: str) -> State:
        """Its status and counts."""
        found = self._http.json("GET", f"/batch/jobs/{batch}")
        status = str(found.get("status")).lower()
        return State(
            ended=status in ("success", *_ENDED_BADLY),
            answered=count(found.get("succeeded_requests")) + count(found.get("failed_requests")),
            why=status if status in _ENDED_BADLY else "",
        )

    def results(self, batch: str) -> Iterator[Result]:
        """The files of answers and of errors."""
        found = self._http.json("GET", f"/batch/jobs/{batch}")
        yield from _from_files(self._http, (found.get("output_file"), found.get("error_file")))


class AnthropicBatches:
    """Anthropic's message batches."""

    most_bytes, most_lines = 200 * 1024 * 1024, 100_000

    def __init__(self, http: Http) -> None:
        """Use this address."""
        self._http = http

    def submit(self, lines: Sequence[BatchLine]) -> str:
        """Begin a batch of these messages."""
        raw = [{"custom_id": one.name, "params": dict(one.body)} for one in lines]
        headers = {"anthropic-beta": _HELD_BY_SCHEMA} if "output_format" in lines[0].body else {}
        sent = {"json": {"requests": raw}, "headers": headers}
        return str(self._http.json("POST", "/v1/messages/batches", **sent)["id"])

    def state(self, batch: str) -> State:
        """Its status and counts."""
        found = self._http.json("GET", f"/v1/messages/batches/{batch}")
        counts = part(found, "request_counts")
        names = ("succeeded", "errored", "canceled", "expired")
        return State(
            ended=found.get("processing_status") == "ended",
            answered=sum(count(counts.get(name)) for name in names),
        )

    def results(self, batch: str) -> Iterator[Result]:
        """The lines at the address that the batch names."""
        url = str(self._http.json("GET", f"/v1/messages/batches/{batch}").get("results_url") or "")
        for line in self._http.lines(url or f"/v1/messages/batches/{batch}/results"):
            found, name = part(line, "result"), str(line.get("custom_id"))
            if found.get("type") == "succeeded":
                yield Result(name=name, status=200, body=part(found, "message"))
            else:
                error = part(found, "error")
                said = part(error, "error") or error or {"message": f"the question {found.get('type')}"}
                status = 400 if said.get("type") == "invalid_request_error" else 500
                yield Result(name=name, status=status, body={"error": said})


class GeminiBatches:
    """Gemini's, with the questions in the request."""

    most_bytes, most_lines = 18 * 1024 * 1024, 50_000

    def __init__(self, http: Http, model: str) -> None:
        """Use this address and model."""
        self._http, self._model = http, model

    def submit(self, lines: Sequence[BatchLine]) -> str:
        """Begin a batch of these questions."""
        raw = [{"request": dict(one.body), "metadata": {"key": one.name}} for one in lines]
        sent = {"batch": {"display_name": lines[0].name, "input_config": {"requests": {"requests": raw}}}}
        found = self._http.json("POST", f"/models/{self._model}:batchGenerateContent", json=sent)
        return str(found["name"])

    def state(self, batch: str) -> State:
        """Its state and counts."""
        found = self._http.json("GET", f"/{batch}")
        data = part(found, "metadata")
        state = str(data.get("state")).removeprefix("BATCH_STATE_").lower()
        stats = part(data, "batchStats")
        names = ("successfulRequestCount", "failedRequestCount")
        return State(
            ended=bool(found.get("done")) or state in ("succeeded", *_ENDED_BADLY),
            answered=sum(count(stats.get(name)) for name in names),
            why=state if state in _ENDED_BADLY else "",
        )

    def results(self, batch: str) -> Iterator[Result]:
        """The responses within the batch."""
        answered = part(self._http.json("GET", f"/{batch}"), "response")
        for one in parts(part(answered, "inlinedResponses"), "inlinedResponses"):
            name, error = str(part(one, "metadata").get("key")), part(one, "error")
            status = (count(error.get("code")) or 500) if error else 200
            body = {"error": error} if error else part(one, "response")
            yield Result(name=name, status=status if status >= 400 or not error else 500, body=body)


def _uploaded(http: Http, lines: Sequence[Mapping[str, Any]]) -> str:
    raw = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    sent = {"files": {"file": ("questions.jsonl", raw)}, "data": {"purpose": "batch"}}
    return str(http.json("POST", "/files", **sent)["id"])


def _from_files(http: Http, files: Sequence[object]) -> Iterator[Result]:
    for file in files:
        if not file:
            continue
        for line in http.lines(f"/files/{file}/content"):
            answered = part(line, "response")
            error = line.get("error")
            body = part(answered, "body") or {"error": error or {"message": "no answer"}}
            status = count(answered.get("status_code")) or (500 if error else 200)
            yield Result(name=str(line.get("custom_id")), status=status, body=body)
