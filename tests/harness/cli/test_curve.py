"""`harness curve` on a user's own table: text, JSON, what it refuses, and how it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.serial import decode
from harness.curve import run as pipeline
from harness.curve.records import LearningCurves
from harness.report.text import render_text
from harness.report.topics.curve import curves_document
from tests.support.desk import Command, write_tickets

SIZES = ("--sizes", "6,12,24,48", "--seeds", "1")


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return write_tickets(tmp_path / "tickets.csv", each=60)


@pytest.fixture
def plan(harness: Command, tickets: Path, tmp_path: Path) -> Path:
    said = harness(
        "bakeoff", "--data", str(tickets), "--text", "subject,body", "--label", "queue", "--offline",
        "--arms", "floor,linear", "--plan-out", "plan.yaml", "--dry-run",
    )  # fmt: skip
    assert said.code == 0
    return tmp_path / "plan.yaml"


def test_a_plan_a_run_and_both_forms(harness: Command, plan: Path, tmp_path: Path) -> None:
    shown = harness("curve", str(plan), *SIZES, "--target", "0.5", "--offline")
    assert shown.code == 0 and shown.out.isascii()
    words = " ".join(shown.out.split())
    for word in ("linear on ", " 48 ", "##", "50.0 % is reached", "not measured"):
        assert word in words
    assert harness("run", str(plan), "--offline").code == 0
    of_run = harness("curve", *SIZES, "--target", "0.5", "--offline", "--json")
    stored = decode(LearningCurves, of_run.out)
    assert render_text(curves_document(stored)) in shown.out, "the run has the plan's rows, so the same curve"
    (folder,) = [path for path in (tmp_path / "runs").iterdir() if (path / "lock.json").exists()]
    assert decode(LearningCurves, (folder / "curves" / "learning_curves.json").read_text()) == stored


def test_the_price_of_an_example_comes_from_the_case_or_a_flag(
    harness: Command, plan: Path, tmp_path: Path
) -> None:
    (tmp_path / "case.yaml").write_text("name: mine\nexample_cost: 0.25\nquality_floor: 0.999\n")
    of_case = json.loads(
        harness("curve", str(plan), *SIZES, "--case", "case.yaml", "--offline", "--json").out
    )
    assert of_case["curves"][0]["target"]["target"] == 0.999
    (tmp_path / "bare.yaml").write_text("name: mine\n")
    bare = json.loads(harness("curve", str(plan), *SIZES, "--case", "bare.yaml", "--offline", "--json").out)
    assert bare["curves"][0]["target"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sizes", "ten,20"), "no whole numbers"),
        (("--split", "train"), "dev, test"),
        (("--arms", "route"), "allowed: linear"),
        (("--example-usd", "cheap"), "no amount"),
        (("--example-usd", "-1"), "at least 0"),
        (("--example-usd", "nan"), "is no number"),
        (("--case", "nowhere.yaml"), "no such use case"),
        (("--target", "93"), "must be 0 to 1"),
    ],
)
def test_wrong_input_is_one_clear_block(
    harness: Command, plan: Path, words: tuple[str, ...], said: str
) -> None:
    found = harness("curve", str(plan), *words, "--offline")
    assert found.code == 2 and said in found.err


def test_no_run_and_no_plan(harness: Command, tmp_path: Path) -> None:
    assert harness("curve").code == 2
    missing = harness("curve", "missing.yaml")
    assert missing.code == 2 and "cannot be read" in missing.err


def test_stopping_names_the_way_on(harness: Command, plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "_point", stop)
    said = harness("curve", str(plan), *SIZES, "--offline")
    assert said.code == 3 and "same command goes on" in said.err
