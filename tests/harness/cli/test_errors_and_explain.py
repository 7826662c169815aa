"""Wrong answers listed, one item explained by the user's own id, and commands that work from elsewhere."""

from __future__ import annotations

import csv
import io
import json
import random
import shlex
import sqlite3
from pathlib import Path

import pytest

from advisor.options import Option
from harness.bakeoff.plan import written_digest
from harness.core.records import ArmId
from tests.support.desk import Command

LINEAR = ArmId(option=Option.LINEAR, model="linear")
QUEUES = ("billing", "shipping", "sign-in")


@pytest.fixture
def run(harness: Command, tmp_path: Path) -> Path:
    """A run on 90 tickets with ids of their own, a quarter of them in the wrong queue."""
    rng = random.Random(11)
    words = {
        "billing": ("invoice", "refund", "tax", "charge"),
        "shipping": ("parcel", "courier", "late", "depot"),
        "sign-in": ("password", "locked", "code", "account"),
    }
    with (tmp_path / "own tickets.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("id", "body", "queue"))
        for number in range(90):
            queue = QUEUES[number % 3]
            others = "".join(rng.choices("bcdfglmnprst", k=6)), "".join(rng.choices("bcdfglmnprst", k=5))
            body = " ".join((*rng.sample(words[queue], 3), *others, str(number)))
            table.writerow((f"INC-{number:03}", body, rng.choice(QUEUES) if number % 4 == 0 else queue))
    flags = ("--text", "body", "--label", "queue", "--arms", "floor,linear", "--offline")
    assert harness("bakeoff", "--data", "own tickets.csv", *flags).code == 0
    (found,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    return found


def test_errors_are_listed_the_most_confident_first(harness: Command, run: Path) -> None:
    found = json.loads(harness("errors", "--json").out)
    assert found["arm"] == {"option": "linear", "model": "linear"} and found["wrong"]
    sure = [answer["confidence"] for answer in found["wrong"]]
    assert sure == sorted(sure, reverse=True)
    assert all(answer["answer"] != answer["label"] for answer in found["wrong"])
    shown = harness("errors").out
    first = found["wrong"][0]
    assert f"{first['label']} -> {first['answer']} (" in shown and first["item_id"] in shown
    assert f"{len(found['wrong'])} of {found['answered']} test items" in shown


def test_errors_of_a_named_arm_and_label_without_texts(harness: Command, run: Path) -> None:
    every = json.loads(harness("errors", "latest", "floor", "--json").out)["wrong"]
    always, other = every[0]["answer"], every[0]["label"]
    said = harness("errors", "latest", "floor", "--label", other, "--csv", "--no-texts", "-n", "2")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert len(rows) == 2
    assert {row["label"] for row in rows} == {other} and {row["kind"] for row in rows} == {"wrong"}
    assert {row["text"] for row in rows} == {""} and {row["arm"] for row in rows} == {"floor@majority"}
    none = harness("errors", "latest", "floor", "--label", always, "--csv")
    assert none.code == 0 and none.out.startswith("kind,item_id,")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("latest", "lineal"), "Did you mean linear@linear?"),
        (("latest", "--label", "biling"), "Did you mean billing?"),
        (("latest", "--json", "--csv"), "One format"),
    ],
)
def test_a_wrong_name_gets_the_nearest(
    harness: Command, run: Path, words: tuple[str, ...], meant: str
) -> None:
    said = harness("errors", *words)
    assert said.code == 2 and meant in said.err


def test_a_run_of_an_earlier_version_opens_by_todays_names(harness: Command, run: Path) -> None:
    """Its plan and its records say `classical` where this version says `linear`."""
    plan, lock = (run / "plan.yaml").read_text(), json.loads((run / "lock.json").read_text())
    for name in ("plan.yaml", "results.json", "answers.json"):
        old = (run / name).read_text().replace("linear@linear", "linear@linear")
        (run / name).write_text(
            old.replace("option: linear", "option: classical").replace(
                '"option": "linear"', '"option": "classical"'
            )
        )
    assert (run / "plan.yaml").read_text() != plan
    lock["plan_digest"] = written_digest((run / "plan.yaml").read_text())
    (run / "lock.json").write_text(json.dumps(lock))
    (run / "manifest.json").unlink()
    assert (
        json.loads(harness("score", "--json").out)["verdict"]
        == json.loads((run / "results.json").read_text().replace("classical", "linear"))["verdict"]
    )
    for shown in (harness("report"), harness("errors", "latest", "linear")):
        assert shown.code == 0 and "linear" in shown.out and "classical" not in shown.out
    # it was refused with today's name, so that every script written for the earlier version stopped
    taken = harness("errors", "latest", "classical")
    assert taken.code == 0 and "classical is called linear now" in taken.err


def test_errors_of_a_run_without_a_conclusion(harness: Command, run: Path) -> None:
    for name in ("manifest.json", "results.json", "answers.json"):
        (run / name).unlink()
    journal = sqlite3.connect(run / "journal.sqlite")
    with journal:
        journal.execute(
            "DELETE FROM outcomes WHERE key IN "
            "(SELECT key FROM outcomes WHERE arm=? AND pass='test' ORDER BY item_id LIMIT 5)",
            (LINEAR.key,),
        )
    journal.close()
    said = harness("errors")
    assert said.code == 0 and "best on dev" in said.out
    assert "The run is incomplete" in said.out and f"harness resume {run.name}" in said.out
    assert "5 of " in said.out and "have no outcome of this arm yet" in said.out


def test_errors_of_a_run_whose_results_are_damaged(harness: Command, run: Path) -> None:
    (run / "results.json").write_text("{")
    said = harness("errors")
    assert said.code == 0 and "results.json of run" in said.out and "from the journal" in said.out
    (run / "journal.sqlite").write_bytes(b"no journal")
    lost = harness("errors")
    assert lost.code == 1 and "journal" in lost.err


def test_an_item_is_found_by_its_own_id_and_by_its_row(harness: Command, run: Path) -> None:
    rows = [json.loads(line) for line in (run / "items.jsonl").read_text().splitlines()]
    test = next(row["item"]["id"] for row in rows if row["split"] == "test")
    number = int(test.removeprefix("INC-"))
    for written in (test, f" {test.lower()} ", str(number + 1)):
        said = harness("explain", "latest", written)
        assert said.code == 0 and f"{test} (test, row {number + 1} of its file)" in said.out, written
    train = next(row["item"]["id"] for row in rows if row["split"] == "train")
    learnt = harness("explain", "latest", train)
    assert learnt.code == 2 and "training row" in learnt.err
    missed = harness("explain", "latest", test + "9")
    assert missed.code == 2 and f"Did you mean {test}?" in missed.err


def test_the_command_for_one_item_works_from_another_folder(
    harness: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "else where").mkdir()
    monkeypatch.chdir(tmp_path / "else where")
    told = json.loads(harness("errors", "latest", "--runs", "../runs", "--json").out)["explain"]
    words = shlex.split(told)
    assert words[0] == "harness" and harness(*words[1:]).code == 0


def test_relative_data_is_found_from_another_folder(
    harness: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run knows where its data lay, and a plan is looked for data from its own folder."""
    (tmp_path / "plans").mkdir()
    plan = tmp_path / "plans" / "plan.yaml"
    plan.write_text((run / "plan.yaml").read_text())
    (tmp_path / "own tickets.csv").rename(tmp_path / "plans" / "own tickets.csv")
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    again = harness("run", str(plan), "--offline", "--runs", "runs")
    assert again.code == 0, again.err
    (tmp_path / "plans" / "own tickets.csv").rename(tmp_path / "own tickets.csv")
    for words in (
        ("resume", str(run)),
        ("curve", run.name, "--sizes", "15", "--seeds", "1", "--runs", "../runs"),
    ):
        said = harness(*words, "--offline")
        assert said.code == 0, said.err
    renewed = harness("run", str(run / "plan.yaml"), "--offline", "--dry-run")
    assert renewed.code == 0, renewed.err


def test_an_evalset_beside_the_runs_is_found_from_another_folder(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "evalsets" / "queues"
    own.mkdir(parents=True)
    rows = [
        {"id": f"q{n}", "text": f"{QUEUES[n % 3]} {n} {n * 7919}", "label": QUEUES[n % 3]} for n in range(60)
    ]
    for split, part in (("train", rows[:30]), ("test", rows[30:])):
        (own / f"{split}.jsonl").write_text("\n".join(map(json.dumps, part)))
    (own / "card.toml").write_text(
        'name = "queues"\ntitle = "Queues"\nlicence = "own"\nprovenance = "own"\n'
        '[files]\ntrain = "train.jsonl"\ntest = "test.jsonl"\n'
        '[columns]\nid = "id"\ntext = ["text"]\nlabel = "label"\n[split]\ndev_fraction = 0.2\nseed = 1\n'
    )
    assert harness("bakeoff", "--evalset", "queues", "--arms", "floor", "--offline").code == 0
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    said = harness("resume", "latest", "--runs", "../runs", "--offline")
    assert said.code == 0, said.err
