"""The parts of the quality page, and its answer browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.bakeoff.run_folder import find_run
from harness.core.wording import percent
from harness.curve.records import LearningCurves
from harness.curve.run import write_curves
from harness.recommendation.store import read_results
from tests.dashboards.conftest import Open, words
from tests.harness.cli.test_freshness import documents
from tests.harness.curve.test_fit import curve, exact
from tests.support.desk import command

GOLDEN = Path(__file__).parents[1] / "golden"
PARTS = ("Accuracy", "Slices", "Labels", "Calibration", "Learning", "Robustness", "Answers")


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_shown(open_page: Open, two_runs: Path, part: str) -> None:
    app = open_page(two_runs, "quality")
    app.segmented_control(key="part").set_value(part).run()
    assert not app.exception and not app.error
    assert app.get("bidi_component") or part in {"Slices", "Robustness", "Answers"}


def test_labels_are_those_of_the_arm_picked(open_page: Open, two_runs: Path) -> None:
    results = read_results(find_run(two_runs, "latest"))
    app = open_page(two_runs, "quality")
    app.segmented_control(key="part").set_value("Labels").run()
    arm = next(arm for arm in results.arms if str(arm.arm) == "prompt@m")
    app.selectbox(key="labelled").set_value("prompt@m").run()
    assert all(percent(label.recall) in words(app) for label in arm.quality.by_label.labels)


def browse(open_page: Open, runs: Path) -> object:
    app = open_page(runs, "quality")
    return app.segmented_control(key="part").set_value("Answers").run()


def counted(app) -> int:
    said = words(app)
    if "No item is like that." in said:
        return 0
    return int(said.split(" of n=36 test items")[0].rsplit(">", 1)[1].replace(",", ""))


def test_the_browser_counts_what_was_measured(open_page: Open, two_runs: Path) -> None:
    results = read_results(find_run(two_runs, "latest"))
    app = browse(open_page, two_runs)
    for arm in results.arms:
        app.selectbox(key="browsed").set_value(str(arm.arm)).run()
        wrong = round((1 - (arm.quality.primary.value or 0)) * arm.quality.primary.n)
        app.selectbox(key="kind").set_value("wrong").run()
        assert counted(app) == wrong
        app.selectbox(key="kind").set_value("right").run()
        assert counted(app) == arm.quality.primary.n - wrong


def test_choices_narrow_the_items_down(open_page: Open, two_runs: Path) -> None:
    app = browse(open_page, two_runs)
    app.selectbox(key="browsed").set_value("prompt@m").run()
    all_wrong = counted(app)
    app.selectbox(key="other").set_value("linear@linear").run()
    assert counted(app) == all_wrong, "the linear arm is right on every item of this run"
    by_label = []
    for label in ("billing", "shipping", "sign_in"):
        app.selectbox(key="truth").set_value(label).run()
        by_label.append(counted(app))
    assert sum(by_label) == all_wrong
    app.selectbox(key="truth").set_value("any").run()
    by_answer = []
    for label in ("billing", "shipping", "sign_in"):
        app.selectbox(key="said").set_value(label).run()
        by_answer.append(counted(app))
    assert sum(by_answer) == all_wrong, "no answer of this run is invalid"


def test_pages_turn_and_show_each_item_once(open_page: Open, two_runs: Path) -> None:
    folder = find_run(two_runs, "latest")
    app = browse(open_page, two_runs)
    app.selectbox(key="kind").set_value("all").run()
    seen: list[str] = []
    for number in (1, 2, 3, 4):
        app.get("pagination")[0].set_value(number).run()
        said = words(app)
        seen += [item.id for item in folder.items()["test"] if f". {item.id}<" in said]
    assert seen == [item.id for item in folder.items()["test"]]


def test_what_was_retrieved_is_shown(open_page: Open, two_runs: Path) -> None:
    app = browse(open_page, two_runs)
    app.selectbox(key="kind").set_value("all").run()
    assert any(box.label == "What was retrieved" for box in app.expander)
    train = {item.id for item in find_run(two_runs, "latest").items()["train"]}
    assert any(f"1. {name}, labelled" in words(app) for name in train)


def test_rows_that_are_not_those_of_the_run_are_told_and_nothing_is_shown(
    open_page: Open, runs: Path
) -> None:
    """Figures of rows that somebody changed are no figures; what the run was closed with is checked first."""
    path = find_run(runs, "latest").root / "items.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    app = open_page(runs, "quality")
    assert not app.exception and "items.jsonl" in " ".join([*(e.value for e in app.error), words(app)])
    assert not [one for one in app.get("button_group") if one.key == "part"]


def test_a_stored_learning_curve_is_drawn(open_page: Open, runs: Path) -> None:
    """Curves have a folder of their own in the run; the page looked beside it and said there were none."""
    home = find_run(runs, "latest").curves
    home.mkdir()
    write_curves(home, LearningCurves(curves=(curve(exact([0.5, 0.6, 0.7, 0.75, 0.8])),)))
    app = open_page(runs, "quality")
    app.segmented_control(key="part").set_value("Learning").run()
    assert not app.exception and "No learning curve is stored" not in words(app)
    assert len(app.get("bidi_component")) > 1, "a curve beside the loss"


def test_a_curve_of_another_version_says_what_makes_it_anew(open_page: Open, runs: Path) -> None:
    (stored,) = GOLDEN.glob("local/*/curves")
    shutil.copytree(stored, find_run(runs, "latest").curves)
    app = open_page(runs, "quality")
    app.segmented_control(key="part").set_value("Learning").run()
    assert not app.exception and "written by another version" in words(app)


def test_a_run_over_documents_names_a_drill_that_can_be_run(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The command has the run's other edition, and what it stores is on the page."""
    pytest.importorskip("kreuzberg")
    harness = command(monkeypatch, capfd, tmp_path)
    documents(tmp_path, "january", july=False)
    documents(tmp_path, "july", july=True)
    asked = ("bakeoff", "--docs", "january", "--questions", "january.csv", "--arms", "floor,neighbours")
    assert harness(*asked).code == 0

    def change() -> str:
        app = open_page(tmp_path / "runs", "quality")
        return words(app.segmented_control(key="part").set_value("Change").run())

    run = find_run(tmp_path / "runs", "latest").run_id
    shown = f"harness freshness {run} --second docs=FOLDER --second file=TABLE --wrong-answer-usd USD"
    assert shown in change()
    drilled = shown.replace("FOLDER", "july").replace("TABLE", "july.csv").replace("USD", "0.5")
    assert harness(*drilled.split()[1:]).code == 0
    said = change()
    assert "When facts change" in said and "Until then" in said and "--second" not in said
