"""What pages read of a run: its state, its progress, and answers a few at a time, as they were measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from advisor.options import Option
from harness.bakeoff import browse
from harness.bakeoff.browse import (
    FAILED,
    INVALID,
    NOTHING,
    primary_settled,
    read_index,
    read_marks,
    read_page,
)
from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import StoreError
from harness.core.records import Completion, Failure, FailureKind, Timing
from harness.recommendation.store import read_results
from harness.report.run_view import open_page, progress_of, stamp_of
from tests.support.pages import make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return make_run(tmp_path_factory.mktemp("run"), arms=[
        {"option": "floor"}, {"option": "retrieve", "model": "m"}, {"option": "tune", "model": "m"},
    ], tune={"seeds": [17, 18]})  # fmt: skip


@pytest.fixture
def run(made: RunFolder, tmp_path: Path) -> RunFolder:
    return RunFolder(root=Path(shutil.copytree(made.root, tmp_path / made.run_id)))


def test_the_state_follows_the_files(run: RunFolder) -> None:
    page = open_page(run)
    assert page.state == "complete" and page.results == read_results(run) and page.manifest == run.manifest()
    first = stamp_of(run)
    (run.root / "manifest.json").unlink()
    assert open_page(run).state == "unfinished" and stamp_of(run) != first
    (run.root / "results.json").unlink()
    page = open_page(run)
    assert page.state == "no results" and page.results is None and page.plan == run.plan()


def test_a_damaged_folder_says_what_and_what_to_run(run: RunFolder) -> None:
    (run.root / "results.json").write_text("{}")
    page = open_page(run)
    assert page.state == "damaged" and "damaged" in page.fault and page.remedy
    (run.root / "results.json").unlink()
    assert "results.json is missing" in open_page(run).fault


def test_progress_counts_outcomes_against_the_plan(run: RunFolder) -> None:
    items = run.items()
    found = {(lane.arm.label, lane.split): lane for lane in progress_of(run)}
    assert found["floor", "test"].done == found["floor", "test"].total == len(items["test"])
    tuned = found["tune@m", "test"]
    assert tuned.total == 2 * len(items["test"]) == tuned.done, "two training seeds answer each"
    assert all(lane.failed == 0 for lane in found.values())
    (run.root / "items.jsonl").unlink()
    assert {lane.total for lane in progress_of(run)} == {None}


def test_marks_are_what_was_measured(run: RunFolder) -> None:
    """The share of right marks is the accuracy of the record, arm by arm."""
    results, index = read_results(run), read_index(run)
    settled = primary_settled(run, results)
    assert [str(arm) for arm in settled] == ["floor@majority", "retrieve@m", "tune@m"]
    for arm in results.arms:
        marks = read_marks(run, settled[arm.arm], index)
        right = sum(mark == truth for mark, truth in zip(marks, index.truth, strict=True))
        assert right / len(marks) == pytest.approx(arm.quality.primary.value)
    stored = [read_marks(run, found, index) for found in settled.values()]
    (run.root / "answers.json").unlink()
    assert stored == [read_marks(run, found, index) for found in settled.values()], "as the journal has them"


def test_a_page_holds_the_items_and_every_answer(run: RunFolder) -> None:
    results, index, items = read_results(run), read_index(run), run.items()
    (first, last) = read_page(run, results, index, [0, len(index.ids) - 1])
    assert first.item == items["test"][0] and last.item == items["test"][-1]
    assert [one.answer.arm.option for one in first.answers] == [Option.FLOOR, Option.RETRIEVE, Option.TUNE]
    retrieved = first.answers[1]
    train = {item.id: item for item in items["train"]}
    assert retrieved.shown and all(row.text == train[row.item_id].text for row in retrieved.shown)
    assert [row.rank for row in retrieved.shown] == sorted(row.rank for row in retrieved.shown)
    assert first.answers[0].shown == ()


def test_failures_invalid_answers_and_gaps_have_marks_of_their_own(run: RunFolder) -> None:
    results, index, items = read_results(run), read_index(run), run.items()["test"]
    settled = next(found for arm, found in primary_settled(run, results).items() if arm.option is Option.TUNE)
    lane = browse._lane(settled)
    keys = [lane.key(item) for item in items[:3]]
    (run.root / "answers.json").unlink()
    with run.journal() as journal:
        for key in keys:
            journal._db.execute("DELETE FROM outcomes WHERE key=?", (key,))
        journal._db.commit()
        failure = Failure(item_id=items[0].id, kind=FailureKind.TIMEOUT, message="it took too long")
        invalid = Completion(item_id=items[1].id, text="no queue at all", timing=Timing(model_s=0.1))
        journal.put(lane, [(items[0], failure), (items[1], invalid)])
    marks = read_marks(run, settled, index)
    assert list(marks[:3]) == [FAILED, INVALID, NOTHING] and min(marks[3:]) >= 0
    pages = read_page(run, results, index, [0, 1, 2])
    tuned = [[one for one in page.answers if one.answer.arm.option is Option.TUNE] for page in pages]
    assert tuned[0][0].failure_message == "it took too long" and tuned[0][0].answer.correct is None
    assert tuned[1][0].answer.answer is None and tuned[1][0].answer.raw == "no queue at all"
    assert tuned[2] == []


@pytest.mark.parametrize("damage", [b"{", b'{"split":"test","item":{}}\n', b"\xff\xfe"])
def test_damaged_rows_are_an_error_one_can_read(run: RunFolder, damage: bytes) -> None:
    path = run.root / "items.jsonl"
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(StoreError, match=r"items\.jsonl"):
        read_index(run)


def test_nothing_is_written(run: RunFolder) -> None:
    before = {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()}
    results, index = read_results(run), read_index(run)
    read_page(run, results, index, [0])
    for settled in primary_settled(run, results).values():
        read_marks(run, settled, index)
    progress_of(run)
    open_page(run)
    after = {path: path.read_bytes() for path in before}
    assert before == after
