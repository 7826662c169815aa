"""Every page on a finished run, on none, on an unfinished one and on a damaged one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.bakeoff.run_folder import find_run
from harness.core.wording import percent
from harness.recommendation.store import read_results
from harness.report.topics.decision import answer_words
from tests.dashboards.conftest import Open, words

OF_A_RUN = ("verdict", "quality", "latency", "route", "export")
PAGES = (*OF_A_RUN, "runs")
FILES = ("results.json", "manifest.json", "plan.yaml", "lock.json", "data.json")


@pytest.mark.parametrize("page", PAGES)
def test_a_finished_run_is_shown(open_page: Open, two_runs: Path, page: str) -> None:
    app = open_page(two_runs, page)
    assert app.title and not app.error and not app.warning


def test_the_command_beside_the_files_says_whether_texts_are_in_them(open_page: Open, runs: Path) -> None:
    app = open_page(runs, "export")
    assert "--no-texts" not in words(app)
    app.checkbox(key="export-without-texts").check().run()
    assert "--no-texts" in words(app) and not app.exception


@pytest.mark.parametrize("page", PAGES)
def test_without_a_run_a_page_says_what_to_run(open_page: Open, tmp_path: Path, page: str) -> None:
    said = words(open_page(tmp_path / "none", page))
    assert "There is no run yet" in said and "harness bakeoff" in said


@pytest.mark.parametrize("page", OF_A_RUN)
def test_an_incomplete_run_has_no_figures_and_a_way_on(open_page: Open, runs: Path, page: str) -> None:
    folder = find_run(runs, "latest")
    for name in ("manifest.json", "results.json"):
        (folder.root / name).unlink()
    app = open_page(runs, page)
    said = words(app)
    assert "incomplete" in app.warning[0].value and f"harness resume {folder.run_id}" in said
    assert "linear, test" in said, "how far each arm is"
    assert "<h1" not in said and not app.get("bidi_component")


@pytest.mark.parametrize("page", OF_A_RUN)
def test_a_run_without_its_manifest_says_so(open_page: Open, runs: Path, page: str) -> None:
    (find_run(runs, "latest").root / "manifest.json").unlink()
    assert "before it was closed" in open_page(runs, page).warning[0].value


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, how) for name in FILES for how in ("cut", "noise")),
        ("results.json", "gone"),
        ("plan.yaml", "gone"),
        ("lock.json", "gone"),
    ],
)
def test_a_damaged_run_is_told_apart(open_page: Open, runs: Path, name: str, how: str) -> None:
    path = find_run(runs, "latest").root / name
    match how:
        case "cut":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "noise":
            path.write_bytes(bytes(range(256)) * 20)
        case "gone":
            path.unlink()
    app = open_page(runs)
    assert app.error[0].value == "This run cannot be shown."
    assert "Other runs are not affected" in words(app)
    app.selectbox(key="run").select_index(1).run()
    assert not app.error and not app.exception, "the other run is still there"


@pytest.mark.parametrize("page", OF_A_RUN)
def test_a_damaged_run_breaks_no_page(open_page: Open, runs: Path, page: str) -> None:
    path = find_run(runs, "latest").root / "results.json"
    path.write_bytes(path.read_bytes()[:500])
    assert open_page(runs, page).error[0].value == "This run cannot be shown."


def test_the_verdict_is_that_of_the_record(open_page: Open, two_runs: Path) -> None:
    results = read_results(find_run(two_runs, "latest"))
    said = words(open_page(two_runs))
    assert answer_words(results.verdict) in said
    for arm in results.arms:
        assert str(arm.arm) in said and percent(arm.quality.primary.value).removesuffix(" %") in said


def test_the_run_of_the_command_line_is_opened(open_page: Open, two_runs: Path) -> None:
    older = sorted(path.name for path in two_runs.iterdir() if path.is_dir())[0]
    app = open_page(two_runs, "quality", run=older)
    assert app.selectbox(key="run").value == older and older in words(app)
    assert app.query_params["run"] == older


def test_two_runs_are_compared(open_page: Open, two_runs: Path) -> None:
    app = open_page(two_runs, "runs")
    app.segmented_control(key="runs-part").set_value("Compare two").run()
    said = words(app)
    assert "Arms in common" in said and "the same, so that arms are compared item by item" in said
    app.selectbox(key="b").select_index(1).run()
    assert "Pick two different runs." in words(app)


@pytest.mark.parametrize("left", ["manifest.json", "results.json"])
def test_a_run_that_a_process_writes_is_shown_as_going_on(open_page: Open, runs: Path, left: str) -> None:
    """Whether it was begun here or in a terminal: no way on is offered, and its writer is named."""
    folder = find_run(runs, "latest")
    for name in ("manifest.json", left):
        (folder.root / name).unlink(missing_ok=True)
    with folder.writing():
        for page in ("verdict", "runs"):
            app = open_page(runs, page)
            said = words(app)
            assert "going on" in said or "is running" in said
            assert page == "runs" or ">running<" in said, "the state beside its name says so too"
            assert "harness resume" not in said
            assert not [button for button in app.button if button.label == "Go on with it"]
    app = open_page(runs, "runs")
    assert [button for button in app.button if button.label == "Go on with it"]
