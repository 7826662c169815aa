"""`harness view`: what is started, for whom, and what is refused."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import create_run
from harness.cli import view
from tests.support.desk import Command, command
from tests.support.pages import NOW


class Started:
    """Stands in for becoming another process."""

    words: list[str]
    environ: dict[str, str]

    def __call__(self, words: list[str], environ: dict[str, str]) -> None:
        self.words, self.environ = words, environ


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    found = Started()
    monkeypatch.setattr(view, "_become", found)
    return found


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    return command(monkeypatch, capfd, tmp_path)


def locked(runs: Path) -> str:
    plan = build_plan(
        {
            "seed": 1,
            "data": {"evalset": "support-tickets"},
            "arms": [{"option": "floor"}],
            "cost": {"price_date": "2026-11-23"},
        },
        "test",
    )
    return create_run(runs, plan, NOW).run_id


def test_streamlit_is_started_on_loopback_without_telemetry(
    harness: Command, started: Started, tmp_path: Path
) -> None:
    said = harness("view", "--port", "8777", "--runs", "elsewhere")
    assert said.code == 0 and "http://127.0.0.1:8777" in said.out
    assert started.words[:5] == [sys.executable, "-P", "-m", "streamlit", "run"]
    assert Path(started.words[5]).is_file() and Path(started.words[5]).name == "app.py"
    flags = dict(word.removeprefix("--").split("=", 1) for word in started.words[6:])
    assert flags["server.address"] == "127.0.0.1" and flags["server.port"] == "8777"
    assert flags["browser.gatherUsageStats"] == "false" and flags["server.headless"] == "true"
    assert flags["client.toolbarMode"] == "minimal" and flags["client.showErrorDetails"] == "none"
    assert int(flags["server.maxUploadSize"]) == view.MAX_UPLOAD_MB <= 100
    assert Path(flags["theme.base"]).is_file()
    assert started.environ["TOR_RUNS_DIR"] == str(tmp_path / "elsewhere")
    assert started.environ["TOR_VIEW_RUN"] == ""
    assert str(view.PAGES.parent) in started.environ["PYTHONPATH"]


def test_every_setting_is_one_that_streamlit_knows() -> None:
    from streamlit import config

    known = set(config.get_config_options())
    for word in view.view_command(8501, "127.0.0.1", ("localhost",))[6:]:
        assert word.removeprefix("--").split("=", 1)[0] in known


def test_the_run_is_found_by_its_beginning(harness: Command, started: Started, tmp_path: Path) -> None:
    name = locked(tmp_path / "runs")
    assert harness("view").code == 0 and started.environ["TOR_VIEW_RUN"] == name
    assert harness("view", name[:10]).code == 0 and started.environ["TOR_VIEW_RUN"] == name
    refused = harness("view", "no-such-run")
    assert refused.code == 2 and "no-such-run" in refused.err


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.4", "example.org", "169.254.0.1"])
def test_other_machines_are_kept_out_unless_told(harness: Command, started: Started, address: str) -> None:
    refused = harness("view", "--address", address)
    assert refused.code == 2 and "no password" in refused.err and not hasattr(started, "words")
    assert harness("view", "--address", address, "--allow-remote").code == 0
    assert f"--server.address={address}" in started.words


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_is_let_in(harness: Command, started: Started, address: str) -> None:
    assert harness("view", "--address", address).code == 0


def test_a_host_is_added_by_name(harness: Command, started: Started) -> None:
    assert harness("view", "--allow-host", "desk.example.org").code == 0
    hosts = {word.partition("=")[2] for word in started.words if word.startswith("--server.allowedHosts=")}
    assert hosts == {"localhost", "127.0.0.1", "::1", "desk.example.org"}
    refused = harness("view", "--allow-host", "http://x/")
    assert refused.code == 2 and "--allow-host" in refused.err


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[int]:
    """`harness view` itself, in a folder full of traps; the port it listens at."""
    for name in ("html.py", "json.py", "streamlit.py", "sitecustomize.py"):
        (tmp_path / name).write_text("import pathlib\npathlib.Path(__file__ + '.ran').touch()\n")
    settings = tmp_path / ".streamlit"
    settings.mkdir()
    (settings / "config.toml").write_text('[server]\nenableCORS = false\nbaseUrlPath = "trap"\n')
    (settings / "secrets.toml").write_text('PYTHONPATH = "trap"\n')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [sys.executable, "-P", "-c", "from harness.cli import main; main()", "view", "--port", str(port)]
    with (tmp_path / "said.txt").open("wb") as said:
        server = subprocess.Popen(words, cwd=tmp_path, stdout=said, stderr=said)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.1)
        yield port
    finally:
        server.kill()
        server.wait()


def knock(port: int, host: str, origin: str) -> str:
    """The status line that the pages' websocket answers with."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        lines = ["GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]  # fmt: skip
        lines += [f"Origin: {origin}"] if origin else []
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        return client.recv(100).split(b"\r\n")[0].decode()


def test_the_pages_answer_to_their_own_names_and_run_nothing_of_the_folder(
    pages: int, tmp_path: Path
) -> None:
    own = f"http://127.0.0.1:{pages}"
    assert "101" in knock(pages, f"127.0.0.1:{pages}", own)
    assert "101" in knock(pages, f"localhost:{pages}", f"http://localhost:{pages}")
    assert "403" in knock(pages, "evil.example", "http://evil.example")  # a name that points here
    assert "403" in knock(pages, "evil.example", "")
    assert "403" in knock(pages, f"127.0.0.1:{pages}", "http://evil.example")
    assert "403" in knock(pages, f"127.0.0.1.evil.example:{pages}", own)
    assert not list(tmp_path.rglob("*.ran"))


def test_a_missing_package_is_named(
    harness: Command, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "find_spec", lambda name: None)
    said = harness("view")
    assert said.code == 1 and "pip install 'tune-or-retrieve[pages]'" in said.err


def test_no_page_asks_the_network() -> None:
    """Fonts, pictures and styles come from this machine; Streamlit fetches icons of a page from outside."""
    for path in view.PAGES.rglob("*"):
        if path.suffix in {".py", ".css", ".toml"}:
            text = path.read_text(encoding="utf-8")
            assert "http://" not in text and "https://" not in text, path
    assert 'page_icon=":material' not in (view.PAGES / "app.py").read_text(encoding="utf-8")
