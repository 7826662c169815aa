"""Frozen runs say today what they said when they were frozen: every figure, every word of the decision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import StoreError
from harness.curve.run import read_curves
from tests.golden.golden import (
    CONCLUDED,
    HERE,
    UNFINISHED,
    command,
    copy_of,
    decision,
    differences,
    measured,
    score_again,
)

MOST_SHOWN = 40
HOW = "If this is meant: python -m tests.golden.freeze {name} --reason '...'   (see tests/golden/CHANGES.md)"


@pytest.fixture(scope="module", params=CONCLUDED)
def scored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RunFolder]:
    """(name, run scored again from its journal with the code as it stands)."""
    run = copy_of(request.param, tmp_path_factory.mktemp("golden"))
    score_again(request.param, run)
    return request.param, run


def test_every_figure_and_text_is_what_it_was(scored: tuple[str, RunFolder]):
    name, run = scored
    expected = json.loads((HERE / name / "expected.json").read_text(encoding="utf-8"))
    found = list(differences(expected, measured(run)))
    lines = [f"{path}\n    was {old!r}\n    is  {new!r}" for path, old, new in found[:MOST_SHOWN]]
    assert not found, "\n".join([f"{len(found)} values of {name} differ.", *lines, HOW.format(name=name)])


def test_the_decision_is_worded_as_it_was(scored: tuple[str, RunFolder]):
    name, run = scored
    expected = (HERE / name / "decision.txt").read_text(encoding="utf-8")
    assert decision(run).splitlines() == expected.splitlines(), HOW.format(name=name)


def test_the_command_that_scores_again_and_stores_finds_the_same(tmp_path: Path):
    run = copy_of("imported", tmp_path)
    code, text = command("score", run, "--store")
    assert code == 0, text
    expected = json.loads((HERE / "imported" / "expected.json").read_text(encoding="utf-8"))
    assert list(differences(expected, measured(run))) == []


def test_a_learning_curve_of_another_version_says_what_makes_it_anew(tmp_path: Path):
    run = copy_of("local", tmp_path)
    with pytest.raises(StoreError, match="another version") as error:
        read_curves(run.curves)
    assert error.value.run is not None and error.value.run.startswith("harness curve")


@pytest.mark.parametrize("name", UNFINISHED)
def test_an_unfinished_run_says_so_and_how_to_go_on(name: str, tmp_path: Path):
    run = copy_of(name, tmp_path)
    for verb in ("report", "score"):
        code, text = command(verb, run)
        assert code == 3
        assert "incomplete" in text
        assert f"harness resume {run.run_id} --runs RUNS" in text
    assert decision(run) == (HERE / name / "decision.txt").read_text(encoding="utf-8")


def test_a_difference_is_told_with_its_path():
    old = {"arms": [{"arm": {"option": "floor", "model": "m"}, "value": 1.0, "usd": "0.10"}], "note": "a"}
    near = {
        "arms": [{"arm": {"option": "floor", "model": "m"}, "value": 1 + 1e-12, "usd": "0.1"}],
        "note": "a",
    }
    far = {"arms": [{"arm": {"option": "floor", "model": "m"}, "value": 1.01, "usd": "0.11"}], "more": None}
    assert list(differences(old, near)) == []
    assert list(differences(old, far)) == [
        ("arms[0 floor@m].value", 1.0, 1.01),
        ("arms[0 floor@m].usd", "0.10", "0.11"),
        ("note", "a", ...),
        ("more", ..., None),
    ]
