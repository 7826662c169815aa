"""Changed and damaged answers: never shown, never scored, asked again with consent only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.bakeoff.explain import explain_item
from harness.bakeoff.journal import examine
from harness.bakeoff.run import reopened
from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import StoreError
from harness.recommendation.mistakes import ErrorsRequest, arm_errors
from harness.recommendation.run import (
    check_robustness,
    closed_results,
    compare_two,
    import_into,
    rescore,
    run_bakeoff,
    store_again,
)
from harness.recommendation.store import read_results
from harness.report.files import export_run
from harness.report.run_view import open_page
from harness.robustness.run import RobustnessRequest
from harness.shipping.importing import ImportRequest
from tests.harness.bakeoff.test_run import Shop, answers, context, plan
from tests.harness.shipping.test_importing import write
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import ScriptedChat, ScriptedTuner, WordEmbedder

ARMS = [{"option": "floor"}, {"option": "prompt", "model": "m"}]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    from harness.bakeoff import arm_factory as factory

    made = Shop()
    monkeypatch.setattr(factory, "open_chat", made.open_chat)
    monkeypatch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
    monkeypatch.setattr(factory, "build_tuner", lambda *_: made.tuner)
    return made


@pytest.fixture
def run(shop: Shop, tmp_path: Path) -> RunFolder:
    tickets = write_tickets(tmp_path / "tickets.csv", each=20)
    return start_bakeoff(plan(tickets, arms=ARMS), context(tmp_path))[0]


def edit(run: RunFolder, sql: str, *values: object) -> None:
    """Write into the journal as somebody with an editor would."""
    db = sqlite3.connect(run.root / "journal.sqlite")
    with db:
        assert db.execute(sql, values).rowcount > 0
    db.close()


def all_right(run: RunFolder) -> None:
    """Give every test item of the prompted arm its label."""
    for item in run.items()["test"]:
        row = sqlite3.connect(run.root / "journal.sqlite").execute(
            "SELECT key, payload FROM outcomes WHERE arm='prompt@m' AND pass='test' AND item_id=?", (item.id,)
        ).fetchone()  # fmt: skip
        payload = json.loads(row[1]) | {"text": item.label, "choice_logprobs": None}
        edit(run, "UPDATE outcomes SET payload=? WHERE key=?", json.dumps(payload), row[0])


def readers(run: RunFolder, tmp_path: Path) -> dict[str, Callable[[], Any]]:
    here, item = context(tmp_path), run.items()["test"][0].id
    return {
        "report": lambda: closed_results(run),
        "files": lambda: export_run(run, ["csv"], tmp_path / "out", here),
        "score": lambda: rescore(run, here, ""),
        "score --store": lambda: store_again(run, here),
        "compare": lambda: compare_two(run, run, here),
        "explain": lambda: explain_item(run, item, here),
        "errors": lambda: arm_errors(run, ErrorsRequest(arm="prompt@m")),
        "import": lambda: import_into(
            run, ImportRequest(name="x", path=write(run, tmp_path / "p.csv")), here
        ),
        "harm": lambda: check_robustness(run, RobustnessRequest(out_of_scope=run.items()["test"][:1]), here),
    }


def test_rewritten_answers_are_refused_wherever_they_would_be_read(run: RunFolder, tmp_path: Path) -> None:
    before = read_results(run)
    all_right(run)
    for name, read in readers(run, tmp_path).items():
        with pytest.raises(StoreError) as error:
            read()
        assert "journal.sqlite" in error.value.what and "changed after" in error.value.what, name
    page = open_page(run)
    assert page.state == "damaged" and "journal.sqlite" in page.fault
    with pytest.raises(StoreError, match="damaged rows"):
        run_bakeoff(run, context(tmp_path))
    assert run.manifest() is not None and read_results(run) == before, "nothing was touched"


def test_answers_that_were_rewritten_with_their_digests_are_refused_too(
    run: RunFolder, tmp_path: Path
) -> None:
    edit(
        run,
        "DELETE FROM outcomes WHERE key = (SELECT key FROM outcomes WHERE arm='prompt@m' AND pass='test')",
    )
    with pytest.raises(StoreError, match=r"journal\.sqlite"):
        rescore(run, context(tmp_path), "")
    with pytest.raises(StoreError, match="changed after the run was closed") as error:
        run_bakeoff(run, context(tmp_path))
    assert error.value.run is not None and "--ask-again" in error.value.run
    results = run_bakeoff(run, context(tmp_path, ask_again=True))
    assert [found.files for found in results.accepted] == [("journal.sqlite",)]


@pytest.mark.parametrize("name", ["items.jsonl", "data.json", "lock.json", "answers.json", "results.json"])
def test_every_file_of_the_manifest_is_checked(run: RunFolder, tmp_path: Path, name: str) -> None:
    path = run.root / name
    content = path.read_bytes()
    for changed in (content.rstrip(b"\n"), content + b"\n", None):
        path.unlink() if changed is None else path.write_bytes(changed)
        with pytest.raises(StoreError, match=name):
            run.check()
        assert open_page(run).state == "damaged"
        path.write_bytes(content)
    run.check()


def test_the_manifest_itself_is_checked(run: RunFolder) -> None:
    path = run.root / "manifest.json"
    path.write_text(path.read_text().replace('"wall_s": ', '"wall_s": 9'))
    with pytest.raises(StoreError, match=r"manifest\.json"):
        run.manifest()
    assert open_page(run).state == "damaged"


def test_changes_can_be_accepted_and_every_report_says_so_from_then_on(
    run: RunFolder, tmp_path: Path
) -> None:
    items = run.root / "items.jsonl"
    items.write_text(items.read_text() + "\n")  # a blank line: harmless, and not what was written
    items.write_text(items.read_text().rstrip("\n") + "\n\n".rstrip("\n"))
    with pytest.raises(StoreError) as error:
        store_again(run, context(tmp_path))
    assert error.value.run is not None and "--accept-changes" in error.value.run
    results = store_again(run, context(tmp_path), accept_changes=True)
    assert [found.files for found in results.accepted] == [("items.jsonl",)]
    assert rescore(run, context(tmp_path), "").accepted == results.accepted == closed_results(run).accepted
    assert store_again(run, context(tmp_path)).accepted == results.accepted


def test_damaged_rows_are_counted_and_named_and_asked_again_with_consent_only(
    run: RunFolder, shop: Shop, tmp_path: Path
) -> None:
    whole, before = answers(run), read_results(run)
    for number, payload in enumerate((b"\xff\xfe{", "{}", "[" * 20_000, "null", "1e999", '{"text":"\0"}')):
        edit(
            run,
            "UPDATE outcomes SET payload=CAST(? AS TEXT) WHERE key = (SELECT key FROM outcomes WHERE "
            "arm='prompt@m' AND pass='test' ORDER BY key LIMIT 1 OFFSET ?)",
            payload,
            number,
        )
    db = sqlite3.connect(run.root / "journal.sqlite")
    with db:  # what others keep in the same file goes along
        db.execute("CREATE TABLE IF NOT EXISTS noted (id INTEGER PRIMARY KEY, usd TEXT)")
        db.execute("INSERT INTO noted (usd) VALUES ('0.25')")
    db.close()
    damage = examine(run.root / "journal.sqlite")
    assert len(damage.rows) == 6 and not damage.file and damage.whole == len(whole) - 6
    with pytest.raises(StoreError, match=r"6 damaged rows: outcomes row \d+ .* answers can be read") as error:
        run_bakeoff(run, context(tmp_path))
    assert error.value.run is not None and "--ask-again" in error.value.run
    assert run.manifest() is not None, "a run that cannot go on stays as it was"
    asked = len(shop.chat.asked)
    run_bakeoff(run, context(tmp_path, ask_again=True))
    assert len(shop.chat.asked) == asked + 6 or len(shop.chat.asked) <= asked + 64, "a chunk at the most"
    assert answers(run) == whole and read_results(run).arms[1].quality == before.arms[1].quality
    assert (run.root / "journal.damaged-1.sqlite").exists()
    kept = sqlite3.connect(run.root / "journal.sqlite").execute("SELECT usd FROM noted").fetchall()
    assert kept == [("0.25",)]
    closed_results(run)


@pytest.mark.parametrize("damage", ["header", "pages", "cut", "empty"])
def test_a_broken_file_is_told_with_what_can_be_read(run: RunFolder, tmp_path: Path, damage: str) -> None:
    whole, path = answers(run), run.root / "journal.sqlite"
    content = bytearray(path.read_bytes())
    match damage:
        case "header":
            content[:16] = b"\xff" * 16
        case "pages":
            third = len(content) // 3 // 4096 * 4096
            content[third : third + 4096] = b"\xa5" * 4096
        case "cut":
            del content[len(content) // 2 :]
        case "empty":
            content.clear()
    path.write_bytes(bytes(content))
    for read in readers(run, tmp_path).values():
        with pytest.raises(StoreError):
            read()
    with pytest.raises(StoreError) as error:
        run_bakeoff(run, context(tmp_path))
    assert "journal" in error.value.what and run.manifest() is not None
    run_bakeoff(run, context(tmp_path, ask_again=True))
    assert answers(run) == whole
    closed_results(run)


def test_a_lost_journal_is_not_asked_anew_in_silence(run: RunFolder, shop: Shop, tmp_path: Path) -> None:
    (run.root / "journal.sqlite").unlink()
    asked = len(shop.chat.asked)
    with pytest.raises(StoreError, match="lost its journal"):
        run_bakeoff(run, context(tmp_path))
    assert len(shop.chat.asked) == asked
    run_bakeoff(run, context(tmp_path, ask_again=True))
    assert len(shop.chat.asked) > asked


def made_by_an_earlier_version(run: RunFolder) -> None:
    """Take from a finished run what earlier versions did not write."""
    db = sqlite3.connect(run.root / "journal.sqlite")
    with db:
        for table in ("outcomes", "settled"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN digest")
        db.execute("DROP TABLE configs")
    db.close()
    results = json.loads((run.root / "results.json").read_text()) | {"schema": 1}
    (run.root / "results.json").write_text(json.dumps(results))
    manifest = json.loads((run.root / "manifest.json").read_text())
    del manifest["files"]["journal.sqlite"], manifest["files"]["results.json"], manifest["sealed"]
    (run.root / "manifest.json").write_text(json.dumps(manifest))


def test_a_run_of_an_earlier_rule_is_decided_again_and_closed(
    run: RunFolder, shop: Shop, tmp_path: Path
) -> None:
    before, asked = read_results(run), len(shop.chat.asked)
    made_by_an_earlier_version(run)
    with pytest.raises(StoreError, match="of another version") as error:
        closed_results(run)
    assert error.value.run is not None and "score" in error.value.run and "--store" in error.value.run
    assert rescore(run, context(tmp_path), "").verdict.answer == before.verdict.answer
    store_again(run, context(tmp_path))
    assert closed_results(run).verdict.answer == before.verdict.answer and run.changed() == ()
    assert run.manifest() is not None and len(shop.chat.asked) == asked


def test_a_journal_of_an_earlier_version_is_read_and_scored_and_not_asked_again(
    run: RunFolder, shop: Shop, tmp_path: Path
) -> None:
    """Older journals have no digests, and keys of which less is known; their manifests do not name them."""
    path, before = run.root / "journal.sqlite", read_results(run)
    db = sqlite3.connect(path)
    with db:
        for table in ("outcomes", "settled"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN digest")
        db.execute("DROP TABLE configs")
        for key, config in db.execute("SELECT key, 'x' FROM outcomes").fetchall():
            db.execute("UPDATE outcomes SET key=? WHERE key=?", (f"{config}{key[1:]}", key))
    db.close()
    manifest = json.loads((run.root / "manifest.json").read_text())
    del manifest["files"]["journal.sqlite"], manifest["sealed"]
    (run.root / "manifest.json").write_text(json.dumps(manifest))
    asked = len(shop.chat.asked)
    assert closed_results(run) == before
    with pytest.raises(StoreError, match=r"would ask again for [\d,]+ answers") as error:
        run_bakeoff(run, context(tmp_path))
    assert "prompt@m" in str(error.value) and "earlier version" in str(error.value)
    assert error.value.run is not None and "--ask-again" in error.value.run
    assert len(shop.chat.asked) == asked and run.manifest() is not None
    run_bakeoff(run, context(tmp_path, ask_again=True))
    assert len(shop.chat.asked) > asked
    run_bakeoff(run, context(tmp_path))


def test_a_run_that_was_opened_for_nothing_is_closed_as_it_was(run: RunFolder) -> None:
    before = (run.root / "manifest.json").read_bytes()
    with pytest.raises(KeyboardInterrupt), reopened(run):
        assert run.manifest() is None
        raise KeyboardInterrupt
    assert (run.root / "manifest.json").read_bytes() == before
    run.check()


def test_answers_of_another_model_are_not_mixed_in(
    run: RunFolder, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same name with other weights: a resumed run says what differs, and how many answers."""
    import dataclasses

    other = dataclasses.replace(shop.chat.identity, revision="other-weights")
    monkeypatch.setattr(ScriptedChat, "identity", property(lambda _: other))
    asked = len(shop.chat.asked)
    with pytest.raises(StoreError) as error:
        run_bakeoff(run, context(tmp_path))
    assert "model.revision was" in str(error.value) and "other-weights" in str(error.value)
    assert "prompt@m" in str(error.value) and "floor" not in str(error.value.got)
    assert len(shop.chat.asked) == asked
    assert ScriptedTuner is not None
