"""`harness bakeoff` over documents: an edition of an evalset, and a user's own questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.desk import Command

QUESTIONS = (
    ("Are snow days free?", "yes | free"),
    ("How many days of leave are there a year?", "twenty days"),
    ("Where do dogs sleep?", "in the hall"),
    ("When does the canteen open?", "at noon"),
    ("What colour is the door?", ""),
    ("Who painted the ceiling?", ""),
)


@pytest.fixture(autouse=True)
def own(tmp_path: Path) -> None:
    home = tmp_path / "handbook"
    home.mkdir()
    (home / "weather.md").write_text("# Weather\n\nSnow days are free.\n")
    (home / "leave.md").write_text("# Leave\n\nThere are twenty days of leave a year.\n")
    (home / "house.md").write_text("# House\n\nDogs sleep in the hall. The canteen opens at noon.\n")
    rows = "".join(
        f'{number},"{text} Question {number}.","{answer}"\n'
        for number, (text, answer) in enumerate(QUESTIONS * 4)
    )
    (tmp_path / "qa.csv").write_text(f"id,question,answer\n{rows}")


def test_a_users_own_questions_from_documents_to_a_report(harness: Command, tmp_path: Path) -> None:
    done = harness("bakeoff", "--docs", "handbook", "--questions", "qa.csv", "--arms", "floor,neighbours")
    assert done.code == 0, done.err
    words = " ".join(done.out.split())
    for said in ("Never answering", "Best sentence of the documents", "handed back", "evidence not found"):
        assert said in words
    run = next(path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert results["task"] == "question_answering"
    item = json.loads((run / "items.jsonl").read_text(encoding="utf-8").splitlines()[-1])["item"]
    explained = harness("explain", "latest", item["id"])
    assert explained.code == 0, explained.err
    assert ".md" in explained.out
    again = harness("score", "latest")
    assert again.code == 0, again.err
    report = harness("report", "latest", "--format", "pdf,html,csv")
    assert report.code == 0, report.err
    assert (run / "report.pdf").is_file() or list(tmp_path.rglob("*.pdf"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--docs", "handbook"), "named together"),
        (("--questions", "qa.csv"), "named together"),
        (("--docs", "handbook", "--questions", "qa.csv", "--evalset", "support-tickets"), "named together"),
        (("--docs", "nowhere", "--questions", "qa.csv", "--arms", "floor,neighbours"), "no documents"),
        (("--docs", "handbook", "--questions", "qa.csv", "--answer", "reply", "--arms", "floor"), "reply"),
        (("--docs", "handbook", "--questions", "qa.csv", "--arms", "floor,linear"), "linear@linear"),
        (("--evalset", "policy-qa", "--edition", "1999", "--arms", "floor"), "2026-01, 2026-07"),
        (("--evalset", "support-tickets", "--edition", "1999", "--arms", "floor"), "no documents"),
    ],
)
def test_errors_say_what_is_wrong(harness: Command, words: tuple[str, ...], said: str) -> None:
    answer = harness("bakeoff", *words)
    assert answer.code in (1, 2)
    assert said in " ".join(answer.err.split())
    assert "Traceback" not in answer.err
