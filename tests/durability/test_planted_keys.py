"""Keys planted wherever a run reads from are found nowhere it writes to, and reach their own host only."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import urllib.parse
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.durability.support import right_answer, write_plan
from tests.support.desk import Command, command
from tests.support.scripted_server import Reply, ScriptedServer, error, scripted

OWN_ENDPOINT = "TOR_API_KEY"


def planted(start: str, place: str) -> str:
    """A key as a provider makes them, put together here so that no file of the repository holds one."""
    return f"{start}{place}{'0123456789abcdefABCDEF'}"


IN_ENVIRONMENT = {
    OWN_ENDPOINT: planted("tor-", "Environment"),
    "OPENAI_API_KEY": planted("sk-proj-", "Environment"),
    "ANTHROPIC_API_KEY": planted("sk-ant-api03-", "Environment"),
    "GEMINI_API_KEY": planted("AIzaSy", "Environment"),
    "AWS_SECRET_ACCESS_KEY": planted("wJalrX", "Environment"),
    "HF_TOKEN": planted("hf_", "Environment"),
}
IN_DOTENV = {"MISTRAL_API_KEY": planted("", "Dotenv"), "AZURE_API_KEY": planted("azure", "Dotenv")}
FOREIGN = planted("sk-or-v1-", "Foreign")
"""A key of somebody else, as a gateway's error body shows it."""

PLANTED = {**IN_ENVIRONMENT, **IN_DOTENV, "foreign": FOREIGN}


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    for name in list(os.environ):
        if name.startswith("TOR_") or name in IN_DOTENV:
            monkeypatch.delenv(name)
    for name, key in IN_ENVIRONMENT.items():
        monkeypatch.setenv(name, key)
    for name in IN_DOTENV:  # read from the file, and taken out again afterwards
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".env").write_text("".join(f"{name}={key}\n" for name, key in IN_DOTENV.items()))
    return command(monkeypatch, capfd, tmp_path / "work")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(telling_script()) as found:
        yield found


def telling_script() -> Any:
    """Right answers, and among them error bodies that repeat every key there is."""
    told = f"Incorrect API key provided: {' '.join(PLANTED.values())}. You can find yours at your account."
    for_good = (
        error(400, told, code="invalid_request"),
        Reply(status=400, body=f"<html>{told}</html>".encode()),
        Reply(status=422, body={"detail": [{"input": {"api_key": FOREIGN}, "msg": told}]}),
        Reply(status=302, headers={"location": f"http://127.0.0.1:9/?key={FOREIGN}"}),
    )
    passing = {
        3: error(500, f"upstream said: Authorization: Bearer {IN_ENVIRONMENT[OWN_ENDPOINT]}"),
        8: error(429, told, retry_after="0"),
    }

    def script(number: int, body: dict[str, Any]) -> Reply:
        asked = zlib.crc32(body["messages"][-1]["content"].encode())
        if asked % 6 == 0:
            return for_good[asked // 6 % len(for_good)]
        return passing.get(number) or right_answer(number, body)

    return script


def shapes(key: str) -> set[str]:
    """A key as it is, in an address, in JSON, and in base64 at each of the three offsets."""
    coded = set()
    for offset in range(3):
        text = base64.b64encode(b"x" * offset + key.encode()).decode()
        coded.add(text[4 if offset else 0 : -4])
    return {key, urllib.parse.quote(key, safe=""), json.dumps(key)[1:-1], *coded}


def found_in(content: bytes) -> set[str]:
    """The planted keys that stand in a file or in what was printed, by name."""
    text = content.decode("utf-8", errors="ignore")
    return {name for name, key in PLANTED.items() if any(shape in text for shape in shapes(key))}


def unpacked(path: Path) -> bytes:
    """A file's bytes; of a PDF and a database what lies in them too."""
    content = path.read_bytes()
    if path.suffix == ".pdf":
        from tests.support.pdf_text import objects, text_of

        return content + text_of(content).encode() + b"".join(objects(content).values())
    if path.suffix == ".sqlite":
        with sqlite3.connect(path) as database:
            return content + "\n".join(database.iterdump()).encode("utf-8", errors="ignore")
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return content + str(pq.read_table(path).to_pylist()).encode()
    return content


def test_planted_keys_are_written_and_printed_nowhere(
    harness: Command, server: ScriptedServer, tmp_path: Path
) -> None:
    plan = write_plan(tmp_path / "work", server, each=14, latency=2)
    said = [harness("run", str(plan), "--max-retries", "1", "-j", "2"), harness("doctor")]
    assert said[0].code == 0, said[0].err
    assert set(server.authorisations) == {f"Bearer {IN_ENVIRONMENT[OWN_ENDPOINT]}"}
    said.append(harness("report", "--full"))
    said.append(harness("report", "-f", "pdf,html,md,json,csv,parquet", "-o", "out"))
    said += [harness("errors", "latest", "prompt"), harness("errors", "latest", "prompt", "--json")]
    failed = json.loads(said[-1].out)["failed"]
    assert failed, "some of the error bodies became failures"
    said += [harness("explain", "latest", one["item_id"]) for one in failed[:2]]
    said += [harness("runs"), harness("score"), harness("run", str(plan), "--dry-run")]
    for one in said:
        assert one.code == 0, one.err
        assert found_in((one.out + one.err).encode()) == set()
    files = [path for path in (tmp_path / "work").rglob("*") if path.is_file() and path.name != ".env"]
    assert {".sqlite", ".json", ".pdf", ".html", ".md", ".csv", ".parquet"} <= {path.suffix for path in files}
    assert {path.name: found_in(unpacked(path)) for path in files if found_in(unpacked(path))} == {}


@pytest.mark.parametrize(
    "place", ["http://user:{key}@127.0.0.1:{port}/v1", "http://127.0.0.1:{port}/v1?key={key}"]
)
def test_a_key_in_an_address_of_a_plan_is_refused_and_not_repeated(
    harness: Command, server: ScriptedServer, tmp_path: Path, place: str
) -> None:
    """A plan is stored and its addresses are printed, so that a key has no place there."""
    plan = write_plan(tmp_path / "work", server)
    raw = yaml.safe_load(plan.read_text())
    port = server.address.rpartition(":")[2].partition("/")[0]
    for arm in raw["arms"]:
        if arm["model"]:
            arm["api_base"] = place.format(key=FOREIGN, port=port)
    plan.write_text(yaml.safe_dump(raw))
    for words in (("run", str(plan)), ("run", str(plan), "--dry-run")):
        said = harness(*words)
        assert "--dry-run" in words or (said.code == 1 and "plans are stored" in said.err), said.err
        assert found_in((said.out + said.err).encode()) == set()
    assert not server.requests and not (tmp_path / "work" / "runs").exists()


@pytest.mark.parametrize("name", PLANTED)
def test_the_search_would_find_every_shape_of_a_key(name: str) -> None:
    key = PLANTED[name]
    for shape in (key, json.dumps({"k": key}), base64.b64encode(b"Bearer " + key.encode()).decode()):
        assert name in found_in(f"before {shape} after".encode())
