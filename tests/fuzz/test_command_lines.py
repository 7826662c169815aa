"""No command line makes a traceback: every option of every command, with values that break readers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import view
from harness.cli.app import app, run
from tests.fuzz.nasty import WILD, bounded, scalars
from tests.support.desk import write_tickets

ARGUMENTS = scalars.filter(lambda text: len(text) < 9000) | st.sampled_from(WILD)
NOT_RUN = {"pull", "push", "doctor", "demo"}
"""Commands that fetch or send, or only look at the machine."""
BASE: dict[str, list[str]] = {
    "bakeoff": [
        "--data",
        "tickets.csv",
        "--text",
        "body",
        "--label",
        "queue",
        "--arms",
        "floor",
        "--dry-run",
    ],
    "run": ["plan.yaml", "--dry-run"],
    "plan": ["case.yaml", "--data", "tickets.csv", "--text", "body", "--label", "queue", "-o", "out.yaml"],
    "tune": ["--plan", "nothing.yaml"],
    "init": ["-o", "made.yaml"],
    "report": ["latest"],
    "score": ["latest"],
    "compare": ["latest", "latest"],
    "explain": ["latest", "1"],
    "import": ["latest"],
}
CASE = "name: t\ntask: classification\nlabels: 3\nexamples: 100\n"


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that can be called, with the words that call it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, one in sorted(inner.items()):
        if name not in NOT_RUN:
            yield from leaves(one, (*words, name))


COMMANDS = tuple(leaves(typer.main.get_command(app)))
OPTIONS = tuple(
    (words, parameter.opts[-1] if parameter.param_type_name == "option" else "")
    for words, command in COMMANDS
    for parameter in command.params
    if parameter.param_type_name == "argument" or not parameter.is_flag
)
"""(words of a command, an option that takes a value), and '' for an argument."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("desk")
    write_tickets(made / "tickets.csv", each=6)
    plan = (Path(__file__).parents[2] / "harness/cli/plans/tickets.yaml").read_text(encoding="utf-8")
    (made / "plan.yaml").write_text(plan, encoding="utf-8")
    (made / "case.yaml").write_text(CASE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        words = [*BASE["bakeoff"][:-1], "--offline"]  # a run, so that what reads one gets that far
        assert called(patch, made, ["bakeoff", *words]) == 0
    return made


def called(monkeypatch: pytest.MonkeyPatch, folder: Path, words: list[str]) -> int:
    """The code a command ends with; anything but an exit fails the test."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TOR_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("TOR_OFFLINE", "1")
    monkeypatch.setattr(view, "_become", lambda words, environ: None)
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    try:
        run()
    except SystemExit as end:
        code = end.code or 0
        assert isinstance(code, int), code
        return code
    return 0


def test_there_are_options_to_try() -> None:
    assert len(COMMANDS) >= 15 and len(OPTIONS) >= 100


@bounded(120)
@given(which=st.integers(0, 10**6), value=ARGUMENTS)
def test_an_option_with_any_value(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capfd: pytest.CaptureFixture[str], which: int, value: str
) -> None:
    words, option = OPTIONS[which % len(OPTIONS)]
    given_words = [*words, *BASE.get(words[0], []), *([option, value] if option else [value])]
    code = called(monkeypatch, folder, given_words)
    said = capfd.readouterr()
    assert code in range(5) and "Traceback" not in said.err + said.out


@pytest.mark.parametrize("words", [["cost"], ["assess", "--verbose"]])
@bounded(25)
@given(value=ARGUMENTS, option=st.sampled_from(["", "--price-at", "--prices", "--price", "--gpu-hour-usd"]))
def test_the_advisor_with_any_value(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    value: str,
    option: str,
) -> None:
    from advisor.cli import main

    monkeypatch.chdir(folder)
    case = ["case.yaml", option, value] if option else [value]
    if case == ["-"]:
        return
    try:
        main([*words, *case])
    except SystemExit as end:
        assert (end.code or 0) in range(5)
    assert "Traceback" not in capfd.readouterr().err
