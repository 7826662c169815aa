"""The commands in a row on a user's own table, offline, with the arms that need no language model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.bakeoff import run as pipeline
from harness.bakeoff.run_folder import find_run
from harness.recommendation.store import read_results
from tests.support.desk import Command, flags, write_tickets
from tests.support.results import printed_results

ARMS = ("--arms", "floor,linear")


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return write_tickets(tmp_path / "tickets.csv")


def test_from_the_table_to_the_verdict_and_back(harness: Command, tickets: Path, tmp_path: Path) -> None:
    baked = harness(*flags(tickets, *ARMS, "--plan-out", "plan.yaml"))
    assert baked.code == 0 and "Linear classifier" in baked.out and "Run folder:" in baked.out
    (folder,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    listed = harness("runs")
    assert folder.name[:15] in listed.out and listed.err == ""
    shown = harness("report")
    assert shown.code == 0 and shown.out in baked.out, "a run folder always shows the same"
    full = harness("report", "latest", "--full")
    assert len(full.out) > len(shown.out)
    written = harness("report", "--format", "json,csv,md", "-o", "out")
    assert {Path(line).suffix for line in written.out.split()} >= {".json", ".csv", ".md"}
    scored = harness("score", "--json")
    assert printed_results(scored.out) == read_results(find_run(folder.parent, folder.name))
    item = json.loads((folder / "items.jsonl").read_text().splitlines()[-1])["item"]["id"]
    assert "linear\n------" in harness("explain", "latest", item).out
    refused = harness("explain", "latest", "no-such-item")
    assert refused.code == 2 and "no-such-item" in refused.err
    again = harness("run", "plan.yaml", "--offline")
    assert again.code == 0
    compared = harness("compare", folder.name, "latest", "--json")
    assert compared.code == 0 and json.loads(compared.out)
    assert harness("resume", folder.name, "--offline").code == 0
    other_day = harness("score", "--price-at", "yesterday")
    assert other_day.code == 2 and "got:     yesterday" in other_day.err


def test_json_is_all_there_is_on_stdout(harness: Command, tickets: Path) -> None:
    said = harness(*flags(tickets, *ARMS, "--json"))
    assert said.code == 0 and printed_results(said.out).verdict is not None


def test_a_flag_can_be_an_environment_variable(
    harness: Command, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOR_RUNS_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("TOR_SEED", "23")
    said = harness(*flags(tickets, "--arms", "floor", "--json"))
    assert printed_results(said.out).seed == 23 and (tmp_path / "elsewhere").is_dir()


def test_an_env_file_is_read_and_does_not_overrule(
    harness: Command, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("TOR_SEED=29\nTOR_MARGIN=0.05\n")
    monkeypatch.setenv("TOR_SEED", "31")
    monkeypatch.setenv("TOR_MARGIN", "")  # so that it is put back after the test
    monkeypatch.delenv("TOR_MARGIN")
    said = harness(*flags(tickets, "--arms", "floor", "--json", "--plan-out", "plan.yaml"))
    monkeypatch.delenv("TOR_MARGIN")
    assert printed_results(said.out).seed == 31
    assert "margin: 0.05" in (tmp_path / "plan.yaml").read_text()


def test_a_floor_that_is_stated_is_one_of_the_plan_and_no_longer_asked_for(
    harness: Command, tickets: Path, tmp_path: Path
) -> None:
    asked = "How much is enough was not stated"
    assert asked in harness(*flags(tickets, *ARMS)).out
    said = harness(*flags(tickets, *ARMS, "--floor", "1,5 %", "--plan-out", "plan.yaml"))
    assert asked not in said.out and "quality_floor: 0.015" in (tmp_path / "plan.yaml").read_text()


def test_stopping_with_the_keyboard_names_the_way_on(
    harness: Command, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    real = pipeline.answer
    monkeypatch.setattr(pipeline, "answer", stop)
    said = harness(*flags(tickets, *ARMS))
    (folder,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    assert said.code == 3 and f"harness resume {folder.name}" in said.err
    assert "incomplete" in harness("runs").out
    unfinished = harness("report")
    assert unfinished.code == 3 and "incomplete" in unfinished.err
    monkeypatch.setattr(pipeline, "answer", real)
    assert harness("resume", "--offline").code == 0
    assert harness("report").code == 0


@pytest.mark.parametrize(("old", "new"), [("harm", "robustness"), ("confront", "track-record")])
def test_a_command_of_an_older_version_answers_with_its_new_name(
    harness: Command, old: str, new: str
) -> None:
    said = harness(old, "latest", "--unseen", "billing")
    assert said.code == 2 and f"harness {new} latest --unseen billing" in said.err


def test_a_damaged_run_is_told_apart(harness: Command, tickets: Path, tmp_path: Path) -> None:
    harness(*flags(tickets, *ARMS))
    (folder,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    results = folder / "results.json"
    results.write_text(results.read_text()[:500])
    said = harness("report")
    assert said.code == 1 and "damaged" in said.err
    assert "damaged" in harness("runs").out
    plan = folder / "plan.yaml"
    plan.write_text(plan.read_text().replace("margin: 0.02", "margin: 0.2"))
    changed = harness("resume", "--offline")
    assert changed.code == 1 and "changed after it was locked" in changed.err


def test_changed_or_damaged_results_are_refused_and_made_again_from_the_journal(
    harness: Command, tickets: Path, tmp_path: Path
) -> None:
    harness(*flags(tickets, *ARMS))
    (folder,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    results = folder / "results.json"
    first = json.loads(results.read_text())
    for damaged in (results.read_text().replace('"looks": 1', '"looks": 7'), results.read_text()[:500]):
        results.write_text(damaged)
        for form in ("text", "md"):
            refused = harness("report", "--format", form)
            assert refused.code == 1 and f"harness score {folder.name} --store" in refused.err
        mended = harness("score", "--store")
        assert mended.code == 0 and json.loads(results.read_text()) == first
        assert harness("report").code == 0
    assert harness("score", "--store", "--price-at", "2026-11-01").code == 2
    unknown = harness("score", "--price", "openai/no-such-model=1/2")
    assert unknown.code == 2 and "openai/gpt-6-luna" in unknown.err


def test_doctor_looks_and_never_shows_a_key(harness: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    said = harness("doctor")
    assert said.code == 0 and "OPENAI_API_KEY" in said.out and "very-secret" not in said.out + said.err
    checks = json.loads(harness("doctor", "--json").out)
    missing = {check["what"]: check for check in checks if not check["ok"]}
    assert (
        missing["MISTRAL_API_KEY"]["run"] == "export MISTRAL_API_KEY=..." and "OPENAI_API_KEY" not in missing
    )
    assert missing["model smollm2-135m"]["run"] == "harness models pull smollm2-135m"


@pytest.mark.parametrize("words", [("bakeoff",), ("plan", "case.yaml")])
def test_a_command_without_rows_says_how_they_are_named(harness: Command, words: tuple[str, ...]) -> None:
    harness("init", "--example", "ticket-routing")
    said = harness(*words)
    assert said.code == 2 and "with --data tickets.csv --text subject,body --label queue" in said.err


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_to_stop_leaves_the_way_on(tmp_path: Path, name: str, code: int) -> None:
    """A run says how to resume it (3); before there is one, the same command starts again (128 + n)."""
    script = tmp_path / "slow.py"
    script.write_text(
        "import signal, sys, time\n"
        "from harness.cli import app\n"
        "from harness.recommendation import history\n"
        "from harness.bakeoff import addresses, run as bakeoff\n"
        "def slow(*_):\n"
        "    print('in it', flush=True)\n"
        "    time.sleep(30)\n"
        "bakeoff.answer = history.list_runs = slow\n"
        "if '--seed' in sys.argv:\n    addresses.check_addresses = slow\n"
        "app.run()\n"
    )
    tickets = write_tickets(tmp_path / "tickets.csv", each=20)
    for words, expected, said in (
        ([*flags(tickets, "--arms", "floor")], 3, "harness resume 2"),
        (["runs"], code, f"stopped by {name}; nothing to resume.\n  run:     harness runs\n"),
        ([*flags(tickets, "--seed", "3")], code, "--offline --seed 3\n"),
    ):
        process = subprocess.Popen(
            [sys.executable, str(script), *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "in it\n"
        process.send_signal(signal.Signals[name])
        err = process.communicate(timeout=60)[1]
        assert process.returncode == expected and said in err and "Traceback" not in err
    (folder,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    assert not (folder / "writer.json").exists()
