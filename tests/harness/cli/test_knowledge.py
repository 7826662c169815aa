"""`harness knowledge`: build, update, search and status on a small folder, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.knowledge.test_documents import pdf, zipped
from tests.support.desk import Command


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    home = tmp_path / "handbook"
    home.mkdir()
    (home / "snow.md").write_text("# Weather\n\nSnow days are free.\n")
    (home / "leave.md").write_text("# Leave\n\nTwenty days a year.\n")
    (home / "scan.pdf").write_bytes(b"%PDF-1.7 cut off")
    return home


def test_built_searched_changed_and_searched_again(harness: Command, handbook: Path) -> None:
    built = harness("knowledge", "build", "handbook", "--embedding", "")
    assert built.code == 0
    words = " ".join(built.out.split())
    for said in ("2 added", "2 documents", "scan.pdf: damaged", "lexical", "harness knowledge search"):
        assert said in words
    hit = harness("knowledge", "search", "are snow days free?")
    assert "snow.md: # Weather Snow days are free." in " ".join(hit.out.split())
    (handbook / "snow.md").unlink()
    (handbook / "rain.md").write_text("Rain days are not free.")
    changed = json.loads(harness("knowledge", "update", "--json").out)
    assert changed["changes"]["added"] == ["rain.md"]
    assert changed["changes"]["withdrawn"] == ["snow.md"]
    found = json.loads(harness("knowledge", "search", "are snow days free?", "-k", "2", "--json").out)
    assert [passage["document"] for _, passage in found] == ["rain.md", "leave.md"]
    status = harness("knowledge", "status")
    assert "2 documents" in status.out
    assert json.loads(harness("knowledge", "status", "--json").out)["passages"] == 2


def test_the_mode_is_chosen_on_questions_with_evidence(
    harness: Command, handbook: Path, tmp_path: Path
) -> None:
    asked = {"question": "snow?", "evidence": [{"document": "snow.md", "quote": "Snow days are free"}]}
    (tmp_path / "dev.jsonl").write_text(json.dumps(asked))
    built = harness("knowledge", "build", "handbook", "--embedding", "", "--questions", "dev.jsonl")
    assert "recall@5" in built.out
    assert "* all 1 lexical" in " ".join(built.out.split())
    assert json.loads(harness("knowledge", "status", "--json").out)["settings"]["chosen"]["mode"] == "lexical"


def test_a_question_in_no_language_of_the_documents_is_named(harness: Command, handbook: Path) -> None:
    harness("knowledge", "build", "handbook", "--embedding", "")
    asked = "Combien de jours de congé parental avons-nous ?"
    assert "reads as fr, the documents as en" in " ".join(harness("knowledge", "search", asked).out.split())
    assert "reads as" not in harness("knowledge", "search", "How many days of leave do we have?").out


def test_a_folder_of_bad_files_is_built_and_each_is_named(harness: Command, handbook: Path) -> None:
    """A zip bomb, copies, a long PDF beside one that is cut off: what can be read is, the rest says why."""
    (handbook / "bomb.docx").write_bytes(zipped(2**29))
    for number in range(50):
        (handbook / f"copy-{number}.md").write_text("# Weather\n\nSnow days are free.\n")
    pages = "#pagebreak()\n".join(f"= Rule {n}\nRule {n} allows {n} days.\n" for n in range(1, 41))
    (handbook / "rules.pdf").write_bytes(pdf(pages))
    built = harness("knowledge", "build", "handbook", "--embedding", "")
    assert built.code == 0 and "Traceback" not in built.err
    said = " ".join(built.out.split())
    assert "3 documents" in said and "50 further files are copies" in said
    assert "bomb.docx: unpacks to far more than a document holds" in said and "scan.pdf: damaged" in said
    assert "rules.pdf > page" in " ".join(harness("knowledge", "search", "Rule 31?", "-k", "1").out.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("build", "nowhere"), 2, "no documents under this name"),
        (("build", "empty", "--embedding", ""), 1, "No document can be read"),
        (("build", "handbook", "--embedding", "", "-o", "handbook"), 2, "holds something else"),
        (("build", "handbook", "--mode", "hybrid"), 2, "lexical, dense, fused"),
        (("build", "handbook", "--max-chars", "7"), 2, "--max-chars must be 100 to 20000"),
        (("update",), 1, "no index here"),
        (("search", "snow"), 1, "no index here"),
        (("status", "--index", "handbook"), 1, "no index here"),
    ],
)
def test_errors_say_what_is_wrong(
    harness: Command, handbook: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    answer = harness("knowledge", *words)
    assert (answer.code, answer.out) == (code, "")
    assert said in " ".join(answer.err.split())
    assert "Traceback" not in answer.err


def test_dense_search_of_a_lexical_index_says_so(harness: Command, handbook: Path) -> None:
    harness("knowledge", "build", "handbook", "--embedding", "")
    answer = harness("knowledge", "search", "snow", "--mode", "dense")
    assert (answer.code, answer.out) == (2, "")
    assert "built without an embedding model" in answer.err
