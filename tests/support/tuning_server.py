"""A server on loopback that speaks the four providers' tuning interfaces, as they document them, and answers.

It keeps what it was sent. `states` are the words that each look at the job is answered with, the last one
again and again; `faults` are answers that come before: by the beginning of 'METHOD /path', each once.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TUNED = {
    "openai": "ft:gpt-4.1-mini-2025-04-14:acme::Ab12",
    "mistral": "ft:open-mistral-nemo:ab12:20261127:cd34",
    "together": "acme/Meta-Llama-3.1-8B-Instruct-Reference-tor-ab12",
    "fireworks": "accounts/acme/models/tor-ab12",
}
SUCCESS = {
    "openai": ("validating_files", "running", "succeeded"),
    "mistral": ("VALIDATING", "VALIDATED", "RUNNING", "SUCCESS"),
    "together": ("pending", "running", "compressing", "completed"),
    "fireworks": ("JOB_STATE_CREATING", "JOB_STATE_RUNNING", "JOB_STATE_COMPLETED"),
}


@dataclass
class Fault:
    """An answer that is no answer; `taken` where the server did what it was asked before."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    taken: bool = False


@dataclass
class TuningServer:
    """What a test sees of it."""

    provider: str
    states: tuple[str, ...] = ()
    why: str = ""
    cost: float | None = None
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    address: str = ""
    requests: list[str] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    started: int = 0
    looks: int = 0

    def job(self, *, look: bool = False) -> dict[str, Any]:
        """The job as this provider shows it."""
        states = self.states or SUCCESS[self.provider]
        if look:
            self.looks += 1
        told = states[min(max(0, self.looks - 1), len(states) - 1)]
        done = told == SUCCESS[self.provider][-1]
        return getattr(self, f"_{self.provider}")(self.jobs[-1], told, done)

    def _openai(self, asked: dict[str, Any], told: str, done: bool) -> dict[str, Any]:
        return {
            "object": "fine_tuning.job",
            "id": "ftjob-1",
            "model": asked["model"],
            "status": told,
            "fine_tuned_model": TUNED["openai"] if done else None,
            "trained_tokens": 12_000 if done else None,
            "training_file": asked["training_file"],
            "error": {"code": "x", "message": self.why, "param": None} if self.why else {},
        }

    def _mistral(self, asked: dict[str, Any], told: str, done: bool) -> dict[str, Any]:
        return {
            "object": "job",
            "id": "b18d8d81-fd7b-4764-a31e-475cb1f36591",
            "status": told,
            "training_files": [file["file_id"] for file in asked["training_files"]],
            "fine_tuned_model": TUNED["mistral"] if done else None,
            "trained_tokens": 12_000 if done else None,
            "metadata": {"cost": self.cost, "cost_currency": "USD", "train_tokens": 12_000},
            "events": [{"name": "status-updated", "data": {"status": told, "error": self.why}}],
        }

    def _together(self, asked: dict[str, Any], told: str, done: bool) -> dict[str, Any]:
        return {
            "id": "ft-1",
            "status": told,
            "training_file": asked["training_file"],
            "model_output_name": TUNED["together"],
            "token_count": 12_000,
            "events": [{"object": "fine-tune-event", "message": self.why or told}],
        }

    def _fireworks(self, asked: dict[str, Any], told: str, done: bool) -> dict[str, Any]:
        return {
            "name": f"accounts/acme/supervisedFineTuningJobs/{asked['displayName']}",
            "state": told,
            "status": {"code": "OK" if not self.why else "INVALID_ARGUMENT", "message": self.why},
            "dataset": asked["dataset"],
            "outputModel": TUNED["fireworks"],
            "jobProgress": {"inputTokens": 12_000},
        }


def _answer(server: TuningServer, method: str, path: str, body: bytes, kind: str) -> object:
    """What a request gets, by the provider's documentation."""
    clean = urlsplit(path).path
    if clean.endswith("/chat/completions"):
        asked = json.loads(body)
        label = asked["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"][0]
        text = json.dumps({"label": label})
        usage = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return {"id": "c", "object": "chat.completion", "model": asked["model"], "choices": [choice]} | {
            "usage": usage
        }
    if kind.startswith("multipart/"):
        name, rows = _form(body, kind)
        named = f"file-{name}"
        server.files[named] = rows
        return {"id": named, "object": "file", "filename": name, "purpose": "fine-tune"}
    if method == "POST" and clean.endswith("/estimate-price"):
        return {"estimation_available": server.cost is not None, "estimated_total_price": server.cost}
    if method == "POST" and clean.endswith("/datasets"):
        return {"name": f"accounts/acme/datasets/{json.loads(body)['datasetId']}", "state": "UPLOADING"}
    if method == "POST" and clean.endswith("/start"):
        server.started += 1
        return server.job()
    if method == "POST":
        server.jobs.append(json.loads(body) | {"query": parse_qs(urlsplit(path).query)})
        return server.job()
    if re.search(r"/(jobs|fine-tunes|supervisedFineTuningJobs)$", clean):
        listed = [server.job()] if server.jobs else []
        return {"data": listed, "supervisedFineTuningJobs": listed}
    return server.job(look=True)


def _form(body: bytes, kind: str) -> tuple[str, list[dict[str, Any]]]:
    """The name and rows of the file in a form."""
    mark = kind.partition("boundary=")[2].encode()
    part = next(part for part in body.split(b"--" + mark) if b"filename=" in part)
    head, _, content = part.partition(b"\r\n\r\n")
    found = re.search(rb'filename="([^"]+)"', head)
    assert found is not None
    return found[1].decode(), [json.loads(line) for line in content.strip().splitlines()]


@contextlib.contextmanager
def tuning_server(provider: str, **facts: Any) -> Iterator[TuningServer]:
    """Run one on a free loopback port."""
    state = TuningServer(provider=provider, **facts)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                asked = f"{self.command} {urlsplit(self.path).path}"
                state.requests.append(asked)
                state.keys.add(self.headers.get("authorization"))
                waiting = next((f for mark, f in state.faults.items() if asked.endswith(mark) and f), None)
                fault = waiting.pop(0) if waiting else None
                found: object = None
                if fault is None or fault.taken:
                    found = _answer(
                        state, self.command, self.path, body, self.headers.get("content-type", "")
                    )
            raw = json.dumps(fault.body if fault else found).encode()
            self.send_response(fault.status if fault else 200)
            for name, value in (fault.headers if fault else {}).items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
