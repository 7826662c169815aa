"""`harness view`: what is started, for whom, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.cli import view
from harness.plan import build_plan
from harness.store import create_run
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


def test_streamlit_is_started_on_loopback_without_telemetry(harness: Command, started: Started) -> None:
    said = harness("view", "--port", "8777", "--runs", "elsewhere")
    assert said.code == 0 and "http://127.0.0.1:8777" in said.out
    assert started.words[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(started.words[4]).is_file() and Path(started.words[4]).name == "app.py"
    flags = dict(word.removeprefix("--").split("=", 1) for word in started.words[5:])
    assert flags["server.address"] == "127.0.0.1" and flags["server.port"] == "8777"
    assert flags["browser.gatherUsageStats"] == "false" and flags["server.headless"] == "true"
    assert flags["client.toolbarMode"] == "minimal" and flags["client.showErrorDetails"] == "none"
    assert int(flags["server.maxUploadSize"]) == view.MAX_UPLOAD_MB <= 100
    assert Path(flags["theme.base"]).is_file()
    assert started.environ["TOR_RUNS_DIR"] == "elsewhere" and started.environ["TOR_VIEW_RUN"] == ""
    assert str(view.PAGES.parent) in started.environ["PYTHONPATH"]


def test_every_setting_is_one_that_streamlit_knows() -> None:
    from streamlit import config

    known = set(config.get_config_options())
    for word in view.view_command(8501, "127.0.0.1")[5:]:
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
