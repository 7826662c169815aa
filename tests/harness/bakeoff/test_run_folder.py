"""Run folders: locked plans, damaged files, incomplete runs, names, and the count of looks."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from harness.bakeoff.plan import LATER_ARM_KEYS, LATER_KEYS, ExperimentPlan, build_plan
from harness.bakeoff.run_folder import DataFacts, RunFolder, count_looks, create_run, find_run, list_runs
from harness.core.environment import describe_environment
from harness.core.errors import IncompleteRun, StoreError, UsageError
from harness.core.files import write_atomically
from harness.recommendation.store import read_results, write_results
from tests.support.people import as_nobody, let_in
from tests.support.results import run_results
from tests.support.tickets import evalset

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def plan(seed: int = 17) -> ExperimentPlan:
    raw: dict[str, object] = {
        "seed": seed,
        "data": {"evalset": "support-tickets"},
        "arms": [{"option": "floor"}],
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw, "test")


def facts() -> DataFacts:
    rows = evalset()
    return DataFacts(
        name=rows.name,
        title=rows.title,
        licence=rows.licence,
        provenance=rows.provenance,
        labels=rows.labels,
        digests=rows.digests,
        findings=(),
        second_labels={},
        overlap=(),
    )


def complete(folder: RunFolder) -> None:
    folder.write_items(evalset())
    folder.write_data_facts(facts())
    write_results(folder, run_results())
    folder.write_answers({"linear@linear": [0, 1, 1, 0], "tune@m": [-2, 1, 1, -1]})
    folder.write_manifest(finished_at=NOW, wall_s=1.0, environment=describe_environment(NOW))


def test_runs_started_in_one_second_stand_in_the_order_of_their_starts(tmp_path: Path) -> None:
    """The same plan twice, and plans whose digests sort the other way."""
    plans = sorted((plan(seed=seed) for seed in range(3)), key=lambda one: one.digest, reverse=True)
    started = [create_run(tmp_path / "runs", one, NOW).run_id for one in (*plans, plans[-1])]
    assert [one.run_id for one in list_runs(tmp_path / "runs")] == started
    assert find_run(tmp_path / "runs", "latest").run_id == started[-1]


def test_the_plan_is_locked_when_the_folder_is_made(tmp_path: Path) -> None:
    folder = create_run(tmp_path / "runs", plan(), NOW)
    assert folder.run_id == f"20261123-120000-{plan().digest[:6]}"
    assert folder.plan() == plan() and folder.lock().locked_at == NOW
    assert not (folder.root / "items.jsonl").exists(), "nothing was read yet"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("margin: 0.02", "margin: 0.2"),
        ("seed: 17", "seed: 18"),
        ("evalset: support-tickets", "evalset: banking77"),
    ],
)
def test_a_changed_plan_is_noticed(tmp_path: Path, old: str, new: str) -> None:
    folder = create_run(tmp_path, plan(), NOW)
    path = folder.root / "plan.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(StoreError, match="changed after it was locked") as caught:
        folder.plan()
    assert "harness run" in str(caught.value)


def test_words_that_decide_nothing_may_change(tmp_path: Path) -> None:
    folder = create_run(tmp_path, plan(), NOW)
    path = folder.root / "plan.yaml"
    path.write_text("# a remark\n" + path.read_text())
    assert folder.plan() == plan()


def test_a_run_is_complete_with_its_manifest_only(tmp_path: Path) -> None:
    folder = create_run(tmp_path, plan(), NOW)
    assert folder.manifest() is None
    complete(folder)
    manifest = folder.manifest()
    assert manifest is not None and set(manifest.files) == {
        "plan.yaml", "lock.json", "items.jsonl", "data.json", "results.json", "money.json",
        "recommendation.json", "answers.json",
    }  # fmt: skip
    folder.reopen()
    assert folder.manifest() is None
    folder.reopen()


def test_a_run_without_results_is_incomplete(tmp_path: Path) -> None:
    folder = create_run(tmp_path, plan(), NOW)
    with pytest.raises(IncompleteRun) as caught:
        folder.results()
    assert caught.value.exit_code == 3 and f"harness resume {folder.run_id}" in str(caught.value)


def test_rows_and_results_come_back_the_same(tmp_path: Path) -> None:
    folder = create_run(tmp_path, plan(), NOW)
    rows = evalset()
    odd = dataclasses.replace(rows.test[0], text="two\nlines\r\u2028and \x85 separators \U0001f600")
    rows = dataclasses.replace(rows, test=(odd, *rows.test[1:]))
    folder.write_items(rows)
    assert folder.items() == {"train": rows.train, "dev": rows.dev, "test": rows.test}
    folder.write_data_facts(facts())
    assert folder.data_facts() == facts()
    write_results(folder, run_results())
    assert read_results(folder) == run_results()
    assert folder.answers() == {}
    folder.write_answers({"linear@linear": [0, -1, 2], "tune@m": [-2, 1, 1]})
    assert folder.answers() == {"linear@linear": [0, -1, 2], "tune@m": [-2, 1, 1]}


@pytest.mark.parametrize(
    "name",
    [
        "plan.yaml",
        "lock.json",
        "items.jsonl",
        "data.json",
        "results.json",
        "money.json",
        "recommendation.json",
        "answers.json",
        "manifest.json",
    ],
)
@pytest.mark.parametrize("damage", ["cut", "binary", "other"])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, name: str, damage: str) -> None:
    folder = create_run(tmp_path, plan(), NOW)
    complete(folder)
    path = folder.root / name
    content = path.read_bytes()
    path.write_bytes(
        {"cut": content[: len(content) // 2 - 7], "binary": b"\xff\xfe\x00", "other": b"[1, 2]"}[damage]
    )
    readers = {
        "plan.yaml": folder.plan,
        "lock.json": folder.plan,
        "items.jsonl": folder.items,
        "data.json": folder.data_facts,
        "results.json": folder.results,
        "money.json": lambda: read_results(folder),
        "recommendation.json": lambda: read_results(folder),
        "answers.json": folder.answers,
        "manifest.json": folder.manifest,
    }
    with pytest.raises((StoreError, UsageError)):
        readers[name]()


@pytest.mark.parametrize("name", ["plan.yaml", "lock.json", "items.jsonl", "data.json"])
def test_a_missing_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    folder = create_run(tmp_path, plan(), NOW)
    complete(folder)
    (folder.root / name).unlink()
    readers = {"items.jsonl": folder.items, "data.json": folder.data_facts}
    with pytest.raises(StoreError, match=name):
        readers.get(name, folder.plan)()


def test_runs_are_found_by_name_beginning_or_as_the_latest(tmp_path: Path) -> None:
    made = [create_run(tmp_path, plan(seed), NOW + timedelta(minutes=seed)) for seed in (1, 2, 3)]
    (tmp_path / "not a run").mkdir()
    assert [f.run_id for f in list_runs(tmp_path)] == [f.run_id for f in made]
    assert find_run(tmp_path, "latest") == made[-1]
    assert find_run(tmp_path, made[0].run_id) == made[0]
    assert find_run(tmp_path, made[1].run_id[:15]) == made[1]


def test_a_name_that_fits_none_or_several_says_which_there_are(tmp_path: Path) -> None:
    made = [create_run(tmp_path, plan(seed), NOW + timedelta(minutes=seed)) for seed in (1, 2)]
    with pytest.raises(UsageError, match="No run") as caught:
        find_run(tmp_path, "nonsense")
    assert made[0].run_id in str(caught.value) and caught.value.exit_code == 2
    with pytest.raises(UsageError, match="More than one") as caught:
        find_run(tmp_path, "2026")
    assert all(folder.run_id in str(caught.value) for folder in made)
    with pytest.raises(UsageError, match="There is no run in"):
        find_run(tmp_path / "nowhere", "latest")


def test_looks_are_distinct_plans_for_each_test_split(tmp_path: Path) -> None:
    assert count_looks(tmp_path, "test-1", "plan-a") == 1
    assert count_looks(tmp_path, "test-1", "plan-a") == 1, "the same plan again is no new look"
    assert count_looks(tmp_path, "test-2", "plan-b") == 1
    assert count_looks(tmp_path, "test-1", "plan-b") == 2
    assert count_looks(tmp_path, "test-1", "plan-c") == 3


def test_a_look_half_written_at_a_kill_is_not_passed_over(tmp_path: Path) -> None:
    count_looks(tmp_path, "test-1", "plan-a")
    path = tmp_path / "test_looks.jsonl"
    path.write_text(path.read_text() + '{"test": "te')
    with pytest.raises(StoreError, match="cannot be counted"):
        count_looks(tmp_path, "test-1", "plan-b")


def test_a_last_line_without_an_end_stays_a_line(tmp_path: Path) -> None:
    (tmp_path / "test_looks.jsonl").write_text(json.dumps({"test": "t", "plan": "a"}))
    assert count_looks(tmp_path, "t", "b") == 2
    assert count_looks(tmp_path, "t", "c") == 3


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old\n")
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError):
        write_atomically(tmp_path / "taken", "new")
    with pytest.raises(StoreError):
        write_atomically(tmp_path / "nowhere" / "file", "new")
    assert path.read_text() == "old\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken"], "and nothing is left lying"


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    with pytest.raises(StoreError, match="TOR_RUNS_DIR"):
        create_run(taken, plan(), NOW)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    folder = create_run(tmp_path, plan(), NOW)
    complete(folder)
    let_in(tmp_path)

    def write() -> None:
        with pytest.raises(StoreError, match="TOR_RUNS_DIR"):
            create_run(closed, plan(), NOW)
        with pytest.raises(StoreError, match="writable"):
            write_results(folder, run_results())
        with pytest.raises(StoreError, match="cannot go on"):
            folder.reopen()
        with pytest.raises(StoreError):
            count_looks(closed, "t", "p")
        assert read_results(folder) == run_results()

    as_nobody(write)


def test_a_plan_locked_before_a_key_was_known_stays_that_plan(tmp_path: Path) -> None:
    folder = create_run(tmp_path, plan(), NOW)
    raw = yaml.safe_load((folder.root / "plan.yaml").read_text())
    del raw["advice"]  # as a version wrote it that did not know the key
    (folder.root / "plan.yaml").write_text(yaml.safe_dump(raw))
    known = {part: dict(keys) if isinstance(keys, dict) else keys for part, keys in raw.items()}
    for part, key in LATER_KEYS:
        known[part].pop(key, None)  # unset, they are in no digest: the first versions did not know them
    del known["business"], known["encoder"], known["task"]
    known.pop("privacy", None)
    known["arms"] = [{key: arm[key] for key in arm if key not in LATER_ARM_KEYS} for arm in known["arms"]]
    canonical = json.dumps(known, sort_keys=True, separators=(",", ":"))
    lock = json.loads((folder.root / "lock.json").read_text())
    lock["plan_digest"] = hashlib.sha256(canonical.encode()).hexdigest()
    (folder.root / "lock.json").write_text(json.dumps(lock))
    assert folder.plan() == plan()
    (folder.root / "plan.yaml").write_text(yaml.safe_dump(raw | {"seed": 18}))
    with pytest.raises(StoreError, match="changed after it was locked"):
        folder.plan()
