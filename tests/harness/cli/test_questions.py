"""`harness bakeoff` over documents: an edition of an evalset, and a user's own questions."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from harness.bakeoff.browse import primary_settled, read_index, read_owners, read_page
from harness.bakeoff.run_folder import list_runs
from harness.recommendation.run import closed_results
from harness.report.document import Verbatim
from harness.report.html import Writer
from harness.report.topics.items import browsed_blocks, retrieved_blocks
from harness.tasks.question_breakdown import AnswerDetail, Owner
from tests.support.desk import Command
from tests.support.scripted_server import completion, scripted

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
    for said in (
        "Never answering",
        "Best sentence of the documents",
        "handed back",
        "evidence not found",
        "Risk and coverage",
        "unsupported statements",
        "abstention recall",
    ):
        assert said in words
    run = next(path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert results["task"] == "question_answering"
    item = json.loads((run / "items.jsonl").read_text(encoding="utf-8").splitlines()[-1])["item"]
    explained = harness("explain", "latest", item["id"])
    assert explained.code == 0, explained.err
    assert "Passages of the documents shown with the question" in explained.out
    hostile = harness("robustness", "latest", "--inject", "4")  # orders in the passages that are found
    assert hostile.code == 0, hostile.err
    told = " ".join(hostile.out.split())
    assert "Best sentence of the documents" in told and "got the answer that was ordered" in told
    (tmp_path / "handbook" / "house.md").write_text("# House\n\nNothing.\n")  # what was shown then is kept
    assert "in the hall" in (run / "passages.jsonl").read_text(encoding="utf-8")
    assert harness("explain", "latest", item["id"]).out == explained.out
    again = harness("score", "latest")
    assert again.code == 0, again.err
    report = harness("report", "latest", "--format", "pdf,html,csv")
    assert report.code == 0, report.err
    assert (run / "report.pdf").is_file() or list(tmp_path.rglob("*.pdf"))


def test_the_answer_browser_shows_passages_with_rank_citation_evidence_and_owner(
    harness: Command, tmp_path: Path
) -> None:
    quotes = {
        "free": "weather.md",
        "twenty days": "leave.md",
        "in the hall": "house.md",
        "at noon": "house.md",
    }
    rows = []
    for number, (text, answer) in enumerate(QUESTIONS * 4):
        answers = answer.split(" | ") if answer else []
        evidence = [{"document": quotes[quote], "quote": quote} for quote in answers[-1:]]
        cell = {"answerable": bool(answers), "answers": answers, "evidence": evidence}
        rows.append({"id": str(number), "question": f"{text} Question {number}.", "answer": json.dumps(cell)})
    (tmp_path / "qa.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = harness("bakeoff", "--docs", "handbook", "--questions", "qa.jsonl", "--arms", "floor,neighbours")
    assert done.code == 0, done.err
    told = " ".join(done.out.split())
    assert "How well the passages are found, %" in told
    assert (
        "nDCG: how near the top all such passages stand" in told and "Never answering 1 " not in told
    )  # it searches nothing
    [folder] = list_runs(tmp_path / "runs")
    results, index = closed_results(folder), read_index(folder)
    answered = {str(arm): fitted for arm, fitted in primary_settled(folder, results).items()}
    owners = read_owners(folder, answered["floor@abstaining"], index)
    page = read_page(folder, results, index, range(len(index.ids)))
    asked, best, near = next(
        (one, answer, shown)
        for one in page
        for answer in one.answers
        for shown in answer.shown
        if shown.evidence
    )
    assert owners[index.ids.index(asked.item.id)] is Owner.OTHER  # no passages are shown to the floor
    assert isinstance(best.detail, AnswerDetail)
    [quote] = near.evidence
    assert (near.label, near.cited) == (quotes[quote], near.item_id in best.detail.cited)
    [block] = [
        one
        for one in retrieved_blocks(asked, str)
        if isinstance(one, Verbatim) and "holds the evidence" in one.label
    ]
    [(start, end)] = block.marked
    assert block.text[start:end] == quote
    assert f"<mark>{quote}</mark>" in Writer(numbers={}).block(block)
    shown = " ".join(str(one) for one in browsed_blocks(asked, 1, str))
    assert f"{quotes[quote]}: \u201c{quote}\u201d" in shown and "whose mistake" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--docs", "handbook"), "named together"),
        (("--questions", "qa.csv"), "named together"),
        (("--docs", "handbook", "--questions", "qa.csv", "--evalset", "support-tickets"), "named together"),
        (("--docs", "nowhere", "--questions", "qa.csv", "--arms", "floor,neighbours"), "no documents"),
        (("--docs", "handbook", "--questions", "qa.csv", "--answer", "reply", "--arms", "floor"), "reply"),
        (("--docs", "handbook", "--questions", "qa.csv", "--arms", "floor,linear"), "linear@linear"),
        (
            ("--docs", "handbook", "--questions", "qa.csv", "--arms", "floor,route"),
            "how likely its answer is",
        ),
        (("--evalset", "policy-qa", "--edition", "1999", "--arms", "floor"), "2026-01, 2026-07"),
        (("--evalset", "support-tickets", "--edition", "1999", "--arms", "floor"), "no documents"),
    ],
)
def test_errors_say_what_is_wrong(harness: Command, words: tuple[str, ...], said: str) -> None:
    answer = harness("bakeoff", *words)
    assert answer.code in (1, 2)
    assert said in " ".join(answer.err.split())
    assert "Traceback" not in answer.err


def test_a_hand_made_table_with_semicolons_names_what_is_missing(harness: Command, tmp_path: Path) -> None:
    """Evidence in columns of its own; a document that is not there, a quote that is not in it, a picture."""
    (tmp_path / "handbook" / "scan.jpg").write_bytes(b"no text")
    stated = {
        "yes | free": ("weather.md", "Snow days are free"),
        "twenty days": ("holidays.md", "twenty days"),
        "in the hall": ("house.md", "in the kitchen"),
        "at noon": ("house.md", "opens at noon"),
    }
    rows = "".join(
        f"{text} Question {number}.;{answer};{';'.join(stated.get(answer, ('', '')))}\r\n"
        for number, (text, answer) in enumerate(QUESTIONS * 4)
    )
    table = tmp_path / "qa.csv"
    table.write_text(f"Question;Answer;Document;Quote\r\n{rows}", encoding="utf-8-sig", newline="")
    done = harness("bakeoff", "--docs", "handbook", "--questions", "qa.csv", "--arms", "floor,neighbours")
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "1 file was left out, so that nothing is found there: scan.jpg (other kind)" in said
    assert "4 pieces of evidence stand in a document that is not there or was not read" in said
    assert "4 pieces of evidence stand in no passage of its document word for word" in said
    assert "3 documents were read and cut into 3 passages" in said
    [folder] = list_runs(tmp_path / "runs")
    title = folder.data_facts().title
    assert title == "The file qa, over the documents in handbook"
    half = rows.replace(";house.md;in the kitchen", ";;in the kitchen")
    table.write_text(f"Question;Answer;Document;Quote\r\n{half}", encoding="utf-8")
    refused = harness("bakeoff", "--docs", "handbook", "--questions", "qa.csv", "--arms", "floor,neighbours")
    assert refused.code == 1 and "a quote and no document" in refused.err


def test_a_dry_run_says_which_evidence_is_not_there_and_a_bare_file_name_will_do(
    harness: Command, tmp_path: Path
) -> None:
    """People name a document without its folder; in another folder there may be one of the same name."""
    docs = tmp_path / "handbook" / "de"
    docs.mkdir()
    (docs / "B\u00fcro.md").write_text("# B\u00fcro\n\nDas B\u00fcro hat zwanzig Tische.\n")
    (docs / "leave.md").write_text("# Urlaub\n\nEs gibt zwanzig Tage Urlaub.\n")
    (docs / "scan.txt").write_text(" ")
    rows = "".join(
        f'{n},"{text} Question {n}.","{answer}",{document if answer else ""}\n'
        for n, (text, answer) in enumerate(QUESTIONS * 4)
        for document in (("Bu\u0308ro.MD", "leave.md", "", "de/leave.md")[n % 4],)
    )
    (tmp_path / "named.csv").write_text(f"id,question,answer,document\n{rows}", encoding="utf-8")
    words = ("--docs", "handbook", "--questions", "named.csv", "--arms", "floor", "--dry-run")
    said = " ".join(harness("bakeoff", *words).out.split())
    assert "Warning: 1 file was left out, so that nothing is found there: de/scan.txt" in said
    assert "(leave.md, which may be leave.md" not in said, "the file at the top has just that name"
    assert "evidence" not in said, "every name was found"
    (tmp_path / "handbook" / "leave.md").unlink()
    (tmp_path / "handbook" / "en").mkdir()
    (tmp_path / "handbook" / "en" / "leave.md").write_text("# Leave\n\nTwenty days.\n")
    said = " ".join(harness("bakeoff", *words).out.split())
    assert "stand in a document that is not there or was not read" in said
    assert "(leave.md, which may be de/leave.md or en/leave.md)" in said


def test_drafted_questions_are_refused_until_a_person_has_checked_them(
    harness: Command, tmp_path: Path
) -> None:
    def table(mark: str) -> None:
        rows = "".join(
            f'{text} Question {number}.,"{answer}",writer,{mark if number else "me"}\n'
            for number, (text, answer) in enumerate(QUESTIONS * 4)
        )
        (tmp_path / "drafted.csv").write_text(f"question,answer,drafted by,checked\n{rows}")

    words = ("bakeoff", "--docs", "handbook", "--questions", "drafted.csv", "--arms", "floor,neighbours")
    table("")
    refused = harness(*words)
    assert refused.code == 1
    assert "drafted by writer and not checked by a person" in " ".join(refused.err.split())
    table("me")
    done = harness(*words)
    assert done.code == 0, done.err
    told = " ".join(done.out.split())
    assert (
        "24 of 24 questions were drafted by writer and checked by a person: they are no customer data" in told
    )


def test_questions_in_a_language_of_no_document_are_handed_back(harness: Command, tmp_path: Path) -> None:
    """Thai, Greek and Arabic over English documents: nothing is found, and that is no error."""
    thai, greek, arabic = "\u0e2b\u0e21\u0e32", "\u03a0\u03cc\u03c3\u03b5\u03c2", "\u0643\u0645"
    asked = (thai, greek, arabic)
    rows = "".join(f"{asked[n % 3]} {n},twenty days\n" for n in range(18))
    rows += "".join(f"Who painted wall {n}?,\n" for n in range(6))
    (tmp_path / "qa.csv").write_text(f"question,answer\n{rows}", encoding="utf-8")
    done = harness("bakeoff", "--docs", "handbook", "--questions", "qa.csv", "--arms", "floor,neighbours")
    assert done.code == 0, done.err
    assert "Best sentence of the documents" in done.out and "Traceback" not in done.err
    found = harness("knowledge", "build", "handbook", "-o", "index", "--embedding", "")
    assert found.code == 0, found.err
    nothing = harness("knowledge", "search", asked[0], "-o", "index")
    assert nothing.code == 0 and "Traceback" not in nothing.err


def test_all_documents_through_a_gateway_are_priced_with_and_without_its_cache(harness: Command) -> None:
    """1,000 tokens of which 800 were kept, 10 written: 200 x $1, 800 x $0.10 and 10 x $2 a million."""
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 800},
    }
    asked = ("--docs", "handbook", "--questions", "qa.csv", "--arms", "floor,prompt", "--all-documents")
    with scripted(lambda _number, _body: completion("Not in the documents.", usage=usage)) as server:
        served = ("--model", "openai/gateway", "--api-base", server.address)
        done = harness("bakeoff", *asked, *served, "--price", "openai/gateway=1/2/cache_read=0.1", "--json")
    assert done.code == 0, done.err
    [cost] = [arm["cost"] for arm in json.loads(done.out)["arms"] if arm["arm"]["option"] == "prompt"]
    assert Decimal(cost["usd_per_1k"]["usd"]) == Decimal("0.30")
    assert Decimal(cost["uncached_usd_per_1k"]["usd"]) == Decimal("1.02")
