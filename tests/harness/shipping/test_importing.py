"""Predictions brought into a finished run: measured, compared, never shipped, and counted as a look."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from advisor.options import Option
from harness.bakeoff.explain import explain_item
from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import DataError, IncompleteRun, UsageError
from harness.core.records import ArmId
from harness.core.serial import encode
from harness.recommendation.run import import_into, rescore, run_bakeoff
from harness.recommendation.store import read_results
from harness.report.files import export_run
from harness.report.run_document import run_document
from harness.shipping.importing import ImportRequest, read_imports
from tests.harness.bakeoff.test_run import context
from tests.support.artefacts import write_adapter
from tests.support.tuned_run import scripted_run

OUTSIDE = ArmId(option=Option.EXTERNAL, model="today")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    return scripted_run(tmp_path, monkeypatch)


def write(
    run: RunFolder, path: Path, wrong: int = 0, splits: tuple[str, ...] = ("test",), **more: object
) -> Path:
    """The right label for every item but the first `wrong` of test."""
    rows = run.items()
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["item_id", "label", *more])
        for split in splits:
            for number, item in enumerate(rows[split]):
                other = next(name for name in ("billing", "shipping") if name != item.label)
                label = other if split == "test" and number < wrong else item.label
                table.writerow([item.id, label, *more.values()])
    return path


def wish(path: Path, **more: object) -> ImportRequest:
    return ImportRequest(name="today", path=path, **more)  # type: ignore[arg-type]


def test_predictions_become_an_arm(run: RunFolder, tmp_path: Path) -> None:
    before, manifest = read_results(run), run.manifest()
    assert manifest is not None
    n = len(run.items()["test"])
    results = import_into(run, wish(write(run, tmp_path / "p.csv", wrong=3)), context(tmp_path))
    assert [arm.arm for arm in results.arms] == [*[arm.arm for arm in before.arms], OUTSIDE]
    outside = results.arms[-1]
    assert outside.quality.primary.value == pytest.approx((n - 3) / n)
    assert outside.quality.dev.value is None and outside.quality.dev.reason == "no items"
    assert outside.latency.p95_ms.value is None and "answered outside" in outside.latency.p95_ms.reason
    assert outside.cost.usd_per_1k.usd is None and outside.identity is None
    assert any("not measured here" in note for note in outside.fitted.notes)
    assert results.recommendation.ship == before.recommendation.ship != OUTSIDE, (
        "what others answer is not ours to ship"
    )
    assert any(OUTSIDE in (c.a, c.b) for c in results.comparisons)
    assert results.outlook is None or OUTSIDE not in {arm.arm for arm in results.outlook.arms}
    assert results.plan_digest == before.plan_digest == run.lock().plan_digest == run.plan().digest
    assert results.looks == before.looks + 1
    closing = run.manifest()
    assert closing is not None and closing.wall_s == manifest.wall_s
    assert closing.environment == manifest.environment
    (noted,) = read_imports(run)
    assert (noted.arm, noted.kind, noted.file, noted.dev, noted.test) == (
        OUTSIDE,
        "predictions",
        "p.csv",
        0,
        n,
    )


def test_everything_that_shows_a_run_shows_it(run: RunFolder, tmp_path: Path) -> None:
    here = context(tmp_path)
    path = write(run, tmp_path / "p.csv", splits=("dev", "test"), confidence=0.9)
    results = import_into(run, wish(path), here)
    assert results.arms[-1].quality.dev.value == 1.0
    assert results.arms[-1].quality.by_label.ece is not None, "a stated confidence can be checked"
    assert run_document(results, run.manifest()) is not None
    assert len(export_run(run, ["json", "csv", "md"], tmp_path / "out", here)) >= 3
    assert "external@today" in (tmp_path / "out" / "report.md").read_text()
    explained = explain_item(run, run.items()["test"][0].id, here)
    shown = next(arm for arm in explained.arms if arm.arm == OUTSIDE)
    assert shown.messages == () and shown.answer.correct is True
    assert rescore(run, here, "") == results, "concluding again gives the same"


def test_a_run_gone_on_with_keeps_it(run: RunFolder, tmp_path: Path) -> None:
    imported = import_into(run, wish(write(run, tmp_path / "p.csv", wrong=2)), context(tmp_path))
    again = run_bakeoff(run, context(tmp_path))
    assert encode(again.arms[-1]) == encode(imported.arms[-1])


def test_the_same_file_twice_changes_nothing_another_needs_another_name(
    run: RunFolder, tmp_path: Path
) -> None:
    path = write(run, tmp_path / "p.csv")
    first = import_into(run, wish(path), context(tmp_path))
    assert import_into(run, wish(path), context(tmp_path)) == first
    other = write(run, tmp_path / "q.csv", wrong=1)
    with pytest.raises(UsageError, match="has an arm external@today already"):
        import_into(run, wish(other), context(tmp_path))
    second = import_into(run, ImportRequest(name="tomorrow", path=other), context(tmp_path))
    assert [str(arm.arm) for arm in second.arms[-2:]] == ["external@today", "external@tomorrow"]
    assert second.looks == first.looks + 1


def test_missing_predictions_are_refused_or_failures(run: RunFolder, tmp_path: Path) -> None:
    path = write(run, tmp_path / "p.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-4]) + "\n")
    n = len(run.items()["test"])
    before = read_results(run)
    with pytest.raises(UsageError, match=f"answers {n - 4} of {n} test items") as caught:
        import_into(run, wish(path), context(tmp_path))
    assert "--allow-missing" in str(caught.value)
    assert read_results(run) == before and run.manifest() is not None and read_imports(run) == ()
    results = import_into(run, wish(path, allow_missing=True), context(tmp_path))
    assert results.arms[-1].quality.failure_rate.value == pytest.approx(4 / n)
    assert results.arms[-1].quality.primary.value == pytest.approx((n - 4) / n)


def test_bad_files_leave_the_run_as_it_was(run: RunFolder, tmp_path: Path) -> None:
    before = (run.root / "results.json").read_bytes()
    path = tmp_path / "p.csv"
    path.write_text("item_id,label\nnobody,billing\n")
    with pytest.raises(DataError, match=r"no such item.*'nobody'"):
        import_into(run, wish(path), context(tmp_path))
    with pytest.raises(UsageError, match="no such file"):
        import_into(run, wish(tmp_path / "none.csv"), context(tmp_path))
    (tmp_path / "adapter").mkdir()
    from tests.support.artefacts import write_adapter

    with pytest.raises(UsageError, match="does not say how it was trained"):
        import_into(run, wish(write_adapter(tmp_path / "adapter")), context(tmp_path))
    assert (run.root / "results.json").read_bytes() == before and run.manifest() is not None


def test_an_unfinished_run_takes_nothing(run: RunFolder, tmp_path: Path) -> None:
    path = write(run, tmp_path / "p.csv")
    run.reopen()
    with pytest.raises(IncompleteRun, match="not finished"):
        import_into(run, wish(path), context(tmp_path))


def test_external_arms_are_not_planned(run: RunFolder) -> None:
    from harness.bakeoff.plan import build_plan

    raw = run.plan().model_dump(mode="json")
    with pytest.raises(UsageError, match="harness import"):
        build_plan({**raw, "arms": [{"option": "external", "model": "x"}]}, "test")
    assert json.loads(encode(OUTSIDE)) == {"option": "external", "model": "today"}


@pytest.mark.parametrize("name", ["a/../../../victim", "", "..", "x\0y", "\ud800", "x" * 65, "nul"])
def test_a_name_that_is_no_arms_touches_nothing_outside(run: RunFolder, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept.txt").write_text("kept")
    adapter = write_adapter(tmp_path / "adapter")
    for path in (adapter, write(run, tmp_path / "p.csv")):
        with pytest.raises(UsageError, match="name of an arm"):
            import_into(run, ImportRequest(name=name, path=path), context(tmp_path))
    assert (victim / "kept.txt").read_text() == "kept" and run.manifest() is not None
