"""`harness track-record` over real run folders: with advice, without, and the same plan twice."""

from __future__ import annotations

from pathlib import Path

from harness.core.serial import decode
from harness.track_record.records import TrackRecord
from tests.support.desk import Command, write_tickets

CASE = """
name: tickets of mine
task: classification
labels: 3
examples: 90
labels_per_class: 30
needs_facts: false
"""


def test_over_real_run_folders(harness: Command, tmp_path: Path) -> None:
    nothing = harness("track-record")
    assert nothing.code == 0 and "No complete run tests an advice yet" in nothing.out
    tickets = write_tickets(tmp_path / "tickets.csv", each=60)
    (tmp_path / "case.yaml").write_text(CASE)
    data = ("--data", str(tickets), "--text", "subject,body", "--label", "queue")
    assert harness("plan", "case.yaml", *data, "-o", "plan.yaml").code == 0
    plan = (tmp_path / "plan.yaml").read_text()
    arms, advice = plan.index("arms:"), plan.index("prompt:")
    only = plan[:arms] + "arms:\n- {option: floor}\n- {option: linear}\n" + plan[advice:]
    (tmp_path / "plan.yaml").write_text(only)
    assert harness("run", "plan.yaml", "--offline").code == 0
    assert harness("bakeoff", *data, "--arms", "floor", "--offline").code == 0, "a run without advice"
    shown = harness("track-record")
    assert shown.code == 0 and "tickets of mine" in shown.out and shown.out.isascii()
    record = decode(TrackRecord, harness("track-record", "--json").out)
    (run,) = record.runs
    assert run.counted and run.evalset == "tickets" and record.held[0].share.n == 1
    assert record.informed_because == ()


def test_a_bake_off_of_a_case_is_counted(harness: Command, tmp_path: Path) -> None:
    tickets = write_tickets(tmp_path / "tickets.csv", each=60)
    (tmp_path / "case.yaml").write_text(CASE)
    baked = harness(
        "bakeoff", "--case", "case.yaml", "--data", str(tickets), "--text", "subject,body",
        "--label", "queue", "--arms", "floor,linear", "--offline",
    )  # fmt: skip
    assert baked.code == 0 and "The advice, locked before the run: try " in baked.err
    (run,) = decode(TrackRecord, harness("track-record", "--json").out).runs
    # accuracy always tests a prediction; price and p95 do where the machine was idle and enough was timed
    assert run.case == "tickets of mine" and 1 <= run.tested <= 3
