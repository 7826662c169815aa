"""Four providers' batch interfaces on loopback, in their documented shapes; a batch ends after some looks."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answerer = Callable[[Mapping[str, Any]], tuple[int, dict[str, Any]]]
"""(the body of a question) -> the status and body that it would have been answered with alone."""


class BatchServer:
    """What a test sees of it.

    Attributes:
        batches: by id, the (name, body) of each question.
        looks: how often a batch is seen under way before it has ended.
        headers: of the last request.
        broken: how many of the next requests are answered with 503.
    """

    def __init__(self, answer: Answerer, looks: int) -> None:
        self.answer, self.looks = answer, looks
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self.seen: dict[str, int] = {}
        self.headers: Mapping[str, str] = {}
        self.broken = 0
        self.address = ""

    def begin(self, questions: list[tuple[str, dict[str, Any]]]) -> str:
        batch = f"b{len(self.batches) + 1}"
        self.batches[batch] = questions
        return batch

    def ended(self, batch: str) -> bool:
        self.seen[batch] = self.seen.get(batch, 0) + 1
        return self.seen[batch] > self.looks

    def lines(self, batch: str) -> list[dict[str, Any]]:
        found = []
        for name, body in self.batches[batch]:
            status, answer = self.answer(body)
            found.append(
                {"custom_id": name, "response": {"status_code": status, "body": answer}, "error": None}
            )
        return found

    def reply(self, method: str, path: str, raw: bytes) -> object:
        place = path.strip("/").split("/")
        return self._handed_in(place, raw) if method == "POST" else self._looked_at(place)

    def _handed_in(self, place: list[str], raw: bytes) -> object:
        match place:
            case ["v1", "files"]:
                self.files[f"f{len(self.files)}"] = re.search(rb"\r\n\r\n(\{.*\})\r\n", raw, re.DOTALL)[1]  # type: ignore[index]
                return {"id": f"f{len(self.files) - 1}"}
            case ["v1", "batches"]:
                return {"id": self.begin(self._in_file(json.loads(raw)["input_file_id"]))}
            case ["v1", "batch", "jobs"]:
                return {"id": self.begin(self._in_file(json.loads(raw)["input_files"][0]))}
            case ["v1", "messages", "batches"]:
                asked = json.loads(raw)["requests"]
                return {"id": self.begin([(one["custom_id"], one["params"]) for one in asked])}
            case [*_, name] if name.endswith(":batchGenerateContent"):
                asked = json.loads(raw)["batch"]["input_config"]["requests"]["requests"]
                return {
                    "name": "batches/" + self.begin([(o["metadata"]["key"], o["request"]) for o in asked])
                }
        return None

    def _looked_at(self, place: list[str]) -> object:
        match place:
            case ["v1", "batches", batch]:
                done = {"status": "completed", "output_file_id": f"out-{batch}", "error_file_id": None}
                counts = {"request_counts": {"total": 2, "completed": 1, "failed": 0}}
                return {**(done if self.ended(batch) else {"status": "in_progress"}), **counts}
            case ["v1", "batch", "jobs", batch]:
                done = {"status": "SUCCESS", "output_file": f"out-{batch}", "error_file": None}
                return done if self.ended(batch) else {"status": "RUNNING", "succeeded_requests": 1}
            case ["v1", "files", file, "content"]:
                return self._written(self.lines(file.removeprefix("out-")))
            case ["v1", "messages", "batches", batch]:
                ended = self.ended(batch)
                where = f"{self.address}/v1/messages/batches/{batch}/results" if ended else None
                return {"processing_status": "ended" if ended else "in_progress", "results_url": where}
            case ["v1", "messages", "batches", batch, "results"]:
                return self._written([_message(line) for line in self.lines(batch)])
            case [*_, "batches", batch]:
                if not self.ended(batch):
                    return {"metadata": {"state": "BATCH_STATE_RUNNING"}}
                inside = {"inlinedResponses": [_inlined(line) for line in self.lines(batch)]}
                data = {"state": "BATCH_STATE_SUCCEEDED"}
                return {"metadata": data, "done": True, "response": {"inlinedResponses": inside}}
        return None

    def _in_file(self, file: str) -> list[tuple[str, dict[str, Any]]]:
        asked = [json.loads(line) for line in self.files[file].splitlines()]
        return [(one["custom_id"], one["body"]) for one in asked]

    @staticmethod
    def _written(lines: list[dict[str, Any]]) -> bytes:
        return "\n".join(json.dumps(line) for line in reversed(lines)).encode()  # in any order


def _message(line: dict[str, Any]) -> dict[str, Any]:
    status, body = line["response"]["status_code"], line["response"]["body"]
    failed = {"type": "errored", "error": {"type": "error", "error": body.get("error")}}
    good = {"type": "succeeded", "message": body}
    return {"custom_id": line["custom_id"], "result": good if status == 200 else failed}


def _inlined(line: dict[str, Any]) -> dict[str, Any]:
    status, body = line["response"]["status_code"], line["response"]["body"]
    found = {"response": body} if status == 200 else {"error": {"code": status, **body["error"]}}
    return {"metadata": {"key": line["custom_id"]}, **found}


@contextlib.contextmanager
def batch_server(answer: Answerer, looks: int = 1) -> Iterator[BatchServer]:
    """Run one on a free port."""
    state = BatchServer(answer, looks)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer("GET", b"")

        def do_POST(self) -> None:
            self._answer("POST", self.rfile.read(int(self.headers["content-length"])))

        def _answer(self, method: str, raw: bytes) -> None:
            state.headers = {name.lower(): value for name, value in self.headers.items()}
            broken, state.broken = state.broken > 0, max(0, state.broken - 1)
            found = None if broken else state.reply(method, self.path, raw)
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(503 if broken else 404 if found is None else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
