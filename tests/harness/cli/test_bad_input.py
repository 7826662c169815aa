"""Whatever a user gets wrong is one block: what happened, what was got, what is allowed, what to run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.desk import Command, Said, command, flags, write_tickets
from tests.support.people import as_nobody, let_in


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    for name in list(os.environ):
        if name.startswith(("TOR_", "OPENAI_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
    return command(monkeypatch, capfd, tmp_path)


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    return write_tickets(tmp_path / "tickets.csv", each=12)


def refused(said: Said, code: int, *words: str) -> None:
    """One block on stderr that starts with the command's name and holds these words; nothing on stdout."""
    assert said.code == code, said.err
    assert "harness: " in said.err and said.out == ""
    for word in words:
        assert word in said.err, said.err


def no_run_is_left(folder: Path) -> None:
    runs = folder / "runs"
    assert not runs.exists() or not [path for path in runs.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--arms", "floor,guess"], 2, ["no such arm", "got:     guess", "tune+retrieve"]),
        (["--arms", "route"], 2, ["a route is made of other arms"]),
        (["--arms", "floor,floor"], 2, ["named twice: floor@majority"]),
        (["--seed", "-1"], 2, ["seed: ", "greater than or equal to 0; got -1"]),
        (["--train-seeds", "1,x"], 2, ["whole number", "got:     x", "17,18"]),
        (["--margin", "2"], 2, ["--margin must be 0 to 1", "got:     2"]),
        (["--limit", "2,5"], 2, ["--limit must be a whole number", "got:     2,5"]),
        (["--today-accuracy", "much"], 2, ["--today-accuracy is no amount", "got:     much"]),
        (["--price-at", "soon"], 2, ["cost.price_date", "got 'soon'"]),
        (["--machine-hour-usd", "cheap"], 2, ["--machine-hour-usd is no amount", "got:     cheap"]),
        (["--machine-hour-usd", "1.250"], 2, ["1.25 or 1,250"]),
        (["--budget-usd", "lots"], 2, ["--budget-usd is no amount", "got:     lots", "2.50"]),
        (["--budget-usd", "0"], 2, ["above 0"]),
        (["--budget-usd", "NaN"], 2, ["--budget-usd"]),
        (["--text", "nothing"], 1, ["nothing", "subject", "body"]),
        (["--label", "topic"], 1, ["topic", "queue"]),
        (["--label", "subject"], 2, ["label column 'subject' is among the text columns"]),
        (["--encoding", "utf\0"], 2, ["is no text: it holds a NUL"]),
        (["--group", "firm"], 1, ["firm", "customer"]),
        (["--encoding", "klingon"], 2, ["klingon"]),
    ],
    ids=lambda value: (
        " ".join(value) if isinstance(value, list) and value and value[0].startswith("-") else ""
    ),
)
def test_a_wrong_flag_is_refused(
    harness: Command, tickets: Path, tmp_path: Path, more: list[str], code: int, words: list[str]
) -> None:
    arms = [] if "--arms" in more else ["--arms", "floor"]
    refused(harness(*flags(tickets, *arms, *more)), code, *words)
    no_run_is_left(tmp_path)


@pytest.mark.parametrize(
    ("price", "word"),
    [
        ("openai/gpt-6-luna=free", "INPUT/OUTPUT"),
        ("openai/gpt-6-luna", "openai/gpt-6-luna"),
        ("=1/2", "model name"),
        ("openai/gpt-6-luna=-1/2", "got:     -1"),
    ],
)
def test_a_wrong_price_is_refused_before_anything_runs(
    harness: Command, tickets: Path, price: str, word: str
) -> None:
    refused(harness(*flags(tickets, "--arms", "floor", "--price", price, "--dry-run")), 2, word)


def test_an_unknown_evalset_names_those_there_are(harness: Command) -> None:
    said = harness("bakeoff", "--evalset", "nonsense", "--offline", "--arms", "floor")
    refused(said, 1, "nonsense", "support-tickets")


def test_neither_rows_nor_both(harness: Command, tickets: Path) -> None:
    refused(harness("bakeoff", "--arms", "floor"), 2, "No rows are named", "--data FILE, --evalset NAME")
    refused(harness(*flags(tickets, "--evalset", "support-tickets")), 2, "either an evalset or a file")


def test_a_missing_file_of_tickets(harness: Command, tmp_path: Path) -> None:
    refused(harness(*flags(tmp_path / "none.csv", "--arms", "floor")), 1, "none.csv")


@pytest.mark.parametrize("model", ["smollm9", "./no/folder", "hf:nobody/nothing"])
def test_an_unknown_model_is_refused(harness: Command, tickets: Path, model: str) -> None:
    said = harness(*flags(tickets, "--arms", "prompt", "--model", model))
    assert said.code in {1, 2}
    refused(said, said.code, model.removeprefix("hf:").removeprefix("./"))


def test_an_option_that_does_not_exist(harness: Command) -> None:
    said = harness("bakeoff", "--colour", "red")
    assert said.code == 2 and "--colour" in said.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.yaml", None, ["cannot be read", "harness init"]),
        ("empty.yaml", b"", ["holds no plan", "a YAML mapping"]),
        ("broken.yaml", b"a: [1", ["not valid YAML"]),
        ("binary.yaml", b"\xff\xfe\x00\x80", ["cannot be read"]),
        (
            "wrong.yaml",
            b"seed: 1\ncolour: red\n",
            ["colour: unknown key", "cost: is missing", "data: is missing"],
        ),
    ],
    ids=["missing", "empty", "broken", "binary", "wrong"],
)
def test_a_plan_that_is_none(
    harness: Command, tmp_path: Path, name: str, content: bytes | None, words: list[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refused(harness("run", name), 2, name, *words)


@pytest.mark.parametrize(
    "words", [["report", "nope"], ["resume", "nope"], ["score", "nope"], ["compare", "nope", "nope"],
              ["explain", "nope", "1"]], ids=lambda w: w[0]
)  # fmt: skip
def test_a_run_that_does_not_exist(harness: Command, words: list[str]) -> None:
    """Where there is none at all, the command that makes the first one is named."""
    refused(harness(*words), 2, "There is no run in ", "got:     nope", "run:     harness demo")


@pytest.mark.parametrize(
    ("words", "read"),
    [(["--limit", "1.000"], "limit_test: 1000"), (["--margin", "0,03"], "margin: 0.03"),
     (["--today-accuracy", "93 %", "--volume", "12.500"], "accuracy: 0.93")],
)  # fmt: skip
def test_numbers_of_options_are_read_as_people_write_them(
    harness: Command, tickets: Path, tmp_path: Path, words: list[str], read: str
) -> None:
    plan = tmp_path / "written.yaml"
    made = [*flags(tickets), "--arms", "floor,linear", *words, "--dry-run", "--plan-out", str(plan)]
    said = harness(*made)
    assert said.code == 0, said.err
    assert read in plan.read_text(encoding="utf-8")


def test_a_file_without_named_columns_is_answered_with_its_columns(harness: Command, tickets: Path) -> None:
    said = harness("bakeoff", "--data", str(tickets), "--text", "body")
    refused(
        said, 2, "needs the names of its text and label columns", "allowed: ", "'subject', 'body'", "'queue'"
    )


def test_questions_under_other_names_are_answered_with_their_columns(
    harness: Command, tmp_path: Path
) -> None:
    table = tmp_path / "fragen.csv"
    table.write_text("Frage;Antwort\nWie viel?;28\n", encoding="utf-8")
    asked = ["bakeoff", "--docs", str(tmp_path), "--questions", str(table), "--arms", "floor"]
    refused(harness(*asked), 2, "question and answer columns", "'Frage', 'Antwort'", "--answer COLUMN")


def test_no_runs_is_no_error(harness: Command) -> None:
    assert harness("runs").code == 0
    assert harness("runs", "--json").out.strip() in {"[]", '{"runs": []}'}


def test_a_forecast_over_the_budget_is_refused(harness: Command, tickets: Path, tmp_path: Path) -> None:
    said = harness(
        *flags(tickets, "--arms", "prompt", "--model", "openai/gpt-6-luna", "--budget-usd", "0.0001"),
        "--price", "openai/gpt-6-luna=1/5",
    )  # fmt: skip
    refused(said, 4, "forecast to cost more", "got:     $", "allowed: $0.0001", "--limit")
    no_run_is_left(tmp_path)


def test_a_budget_and_no_price_is_refused(harness: Command, tickets: Path) -> None:
    said = harness(
        *flags(tickets, "--arms", "prompt", "--model", "openai/no-such-model", "--budget-usd", "5")
    )
    refused(said, 4, "no price is known", "prompt@openai/no-such-model", "--price")


def test_another_address_is_not_free(harness: Command, tickets: Path) -> None:
    """A compatible endpoint elsewhere is paid for; one on this machine is not."""
    words = [
        *flags(tickets, "--arms", "prompt", "--model", "openai/no-such-model", "--dry-run"),
        "--api-base",
    ]
    assert "unknown" in harness(*words, "https://models.example.com/v1").out
    assert "unknown" not in harness(*words, "http://127.0.0.1:9/v1").out


def test_a_dry_run_says_what_the_run_can_settle(harness: Command, tickets: Path) -> None:
    said = harness(*flags(tickets, "--arms", "floor", "--dry-run"))
    assert "What it can tell apart: Between two arms" in said.out
    assert "a tie within 2 points takes about 2,627 and 11,559 rows" in " ".join(said.out.split())


def test_a_dry_run_leaves_nothing(harness: Command, tickets: Path, tmp_path: Path) -> None:
    said = harness(*flags(tickets, "--arms", "floor,prompt", "--dry-run"))
    assert said.code == 0 and "prompt@smollm2-135m" in said.out and "runs here" in said.out
    no_run_is_left(tmp_path)


def test_a_folder_of_runs_that_cannot_be_written(harness: Command, tickets: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = harness(*flags(tickets, "--arms", "floor", "--runs", str(tmp_path / "file")))
    refused(said, 1, "No run folder can be made", "TOR_RUNS_DIR")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    let_in(tmp_path)

    def bake() -> None:
        refused(
            harness(*flags(tickets, "--arms", "floor", "--runs", str(closed))),
            1,
            "Permission denied",
            "TOR_RUNS_DIR",
        )

    as_nobody(bake)


def test_init_does_not_overwrite(harness: Command, tmp_path: Path) -> None:
    assert harness("init").code == 0
    refused(harness("init"), 2, "plan.yaml exists already", "harness init --force")
    assert harness("init", "--force").code == 0
    refused(harness("init", "--example", "cats"), 2, "no such example", "got:     cats", "allowed: tickets")
    refused(harness("init", "-o", "no/folder/plan.yaml"), 1, "cannot be written")


def test_the_version_is_told(harness: Command) -> None:
    from harness import __version__

    assert harness("--version").out.strip() == f"harness {__version__}"
