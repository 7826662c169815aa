"""Evalsets by card: files, TOR_DATA_DIR, the hub's own record types, and the digest lock."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from harness.core.errors import DataError, StoreError
from harness.core.records import Evalset
from harness.data.leakage import exact_overlap_ids
from harness.data.load import load_evalset, rows_digest
from harness.data.source import LOCK_FILE, check_lock

CARD = """
name = "sample"
title = "Sample"
licence = "CC0-1.0"
provenance = "written for this test"
[columns]
id = "id"
text = ["subject", "body"]
label = "label"
cluster = "customer"
slices = ["language"]
[files]
train = "train.jsonl"
dev = "dev.jsonl"
test = "test.jsonl"
second_labels = "second_labels.jsonl"
[labels]
pay = "Payments."
login = "Signing in."
"""
HUB = """
name = "sample"
title = "Sample"
licence = "CC0-1.0"
provenance = "written for this test"
[columns]
text = ["text"]
label = "intent"
[folder]
train = "train.csv"
test = "test.csv"
[hub]
id = "someone/sample"
label = "label"
[split]
dev_fraction = 0.25
seed = 3
"""
NOUNS = [
    "anchor",
    "basket",
    "candle",
    "dragon",
    "engine",
    "feather",
    "guitar",
    "hammer",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "magnet",
]


def row(split: str, n: int) -> dict[str, str]:
    return {
        "id": f"{split}-{n}",
        "subject": f"{split} {NOUNS[n % 13]}",
        "body": f"{NOUNS[(n * 5 + 2) % 13]} {n * 7919}",
        "label": ("pay", "login")[n % 2],
        "customer": f"{split} {n // 2}",
        "language": ("en", "de")[n % 2],
    }


def write(folder: Path, name: str, rows: list[dict[str, str]]) -> None:
    (folder / name).write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    at = tmp_path / "sample"
    at.mkdir()
    (at / "card.toml").write_text(CARD, encoding="utf-8")
    for split, count in (("train", 20), ("dev", 8), ("test", 12)):
        write(at, f"{split}.jsonl", [row(split, n) for n in range(count)])
    return at


def load(folder: Path, cache: Path | None = None, **environ: str) -> Evalset:
    return load_evalset(folder, environ=environ, cache=cache, offline=True)


def test_files_beside_the_card(folder: Path) -> None:
    evalset = load(folder)
    assert (len(evalset.train), len(evalset.dev), len(evalset.test)) == (20, 8, 12)
    first = evalset.test[0]
    assert (first.id, first.text, first.cluster) == ("test-0", "test anchor\n\ncandle 0", "test 0")
    assert first.slices == (("language", "en"),)
    assert evalset.label_names == ("pay", "login")
    assert evalset.digests["test"] == rows_digest(evalset.test)
    assert evalset.second_labels == {}


def test_second_labels_are_read_and_checked(folder: Path) -> None:
    write(folder, "second_labels.jsonl", [{"id": "test-1", "label": "pay"}])
    assert load(folder).second_labels == {"test-1": "pay"}
    write(folder, "second_labels.jsonl", [{"id": "train-1", "label": "nothing"}])
    with pytest.raises(DataError, match="2 problem"):
        load(folder)


def test_every_fault_of_every_file_at_once(folder: Path) -> None:
    write(folder, "train.jsonl", [row("train", 0) | {"label": ""}])
    write(folder, "test.jsonl", [{k: v for k, v in row("test", 0).items() if k != "customer"}])
    with pytest.raises(DataError) as caught:
        load(folder)
    assert "train.jsonl: label column 'label' is empty: line 1" in str(caught.value)
    assert "test.jsonl: no column 'customer'" in str(caught.value)


def test_missing_split_file(folder: Path) -> None:
    (folder / "dev.jsonl").unlink()
    with pytest.raises(DataError, match="file of the dev split is missing"):
        load(folder)


def test_unknown_label_and_id_in_two_splits(folder: Path) -> None:
    write(folder, "dev.jsonl", [row("dev", 0), row("train", 1) | {"label": "refund"}])
    with pytest.raises(DataError) as caught:
        load(folder)
    assert "not in the label set: 'refund'" in str(caught.value)
    assert "there more than once (train-1)" in str(caught.value)


def test_wrong_file_digest(folder: Path) -> None:
    card = CARD + f'[sha256]\n"test.jsonl" = "{"0" * 64}"\n'
    (folder / "card.toml").write_text(card, encoding="utf-8")
    with pytest.raises(DataError, match=r"wrong digest of test\.jsonl"):
        load(folder)


def test_lock_is_set_at_first_load_and_held_after(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = load(folder, cache)
    stored = json.loads((cache / LOCK_FILE).read_text())
    assert stored == {"sample@1": first.digests}
    assert load(folder, cache).digests == first.digests
    write(folder, "test.jsonl", [row("test", n) for n in range(11)])
    with pytest.raises(DataError) as caught:
        load(folder, cache)
    assert "changed since they were first loaded: test." in str(caught.value)
    versioned = CARD.replace("[columns]", 'version = "2"\n[columns]', 1)
    (folder / "card.toml").write_text(versioned, encoding="utf-8")
    assert len(load(folder, cache).test) == 11


def test_damaged_lock(tmp_path: Path) -> None:
    path = tmp_path / LOCK_FILE
    path.write_text('{"a": 1}')
    with pytest.raises(StoreError, match="damaged"):
        check_lock(path, "a", {"test": "0"})
    path.write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        check_lock(path, "a", {"test": "0"})


def test_lock_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError):
        check_lock(tmp_path / "file" / LOCK_FILE, "a", {"test": "0"})


@pytest.fixture
def public(tmp_path: Path) -> Path:
    at = tmp_path / "card"
    at.mkdir()
    (at / "card.toml").write_text(HUB, encoding="utf-8")
    return at


def public_rows(split: str, count: int) -> list[tuple[str, str]]:
    return [
        (f"{split} {NOUNS[n % 13]} {NOUNS[(n * 5 + 2) % 13]} {n * 7919}", ("pay", "login")[n % 2])
        for n in range(count)
    ]


def test_data_dir_and_a_carved_dev_split(public: Path, tmp_path: Path) -> None:
    data = tmp_path / "data" / "sample"
    data.mkdir(parents=True)
    for split, count in (("train", 40), ("test", 10)):
        with (data / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "intent"), *public_rows(split, count)])
    evalset = load(public, TOR_DATA_DIR=str(tmp_path / "data"))
    assert (len(evalset.train), len(evalset.dev), len(evalset.test)) == (30, 10, 10)
    assert all(item.id.startswith("train-000") for item in evalset.dev)
    assert evalset.test[7].id == "test-00007"
    assert evalset.label_names == ("login", "pay")
    assert load(public, TOR_DATA_DIR=str(tmp_path / "data")) == evalset


def test_rows_that_are_nowhere_name_three_ways(public: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(public, tmp_path / "cache", TOR_DATA_DIR=str(tmp_path))
    message = str(caught.value)
    assert "any of 3 ways" in message
    for part in (
        "sample/{train.csv,test.csv}",
        "someone/sample",
        "a folder of your own",
        "offline was asked for",
    ):
        assert part in message


def test_hub_rows_are_kept_for_later_loads(
    public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(path: str, name: str | None, *, split: str, revision: str | None) -> object:
        asked.append((path, split))
        rows = public_rows(split, {"train": 40, "test": 10}[split])
        names = datasets.ClassLabel(names=["login", "pay"])
        features = datasets.Features({"text": datasets.Value("string"), "label": names})
        table = {"text": [t for t, _ in rows], "label": [names.str2int(label) for _, label in rows]}
        return datasets.Dataset.from_dict(table, features=features)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    cache = tmp_path / "cache"
    evalset = load_evalset(public, environ={}, cache=cache)
    assert asked == [("someone/sample", "train"), ("someone/sample", "test")]
    assert evalset.test[0].label == "pay"
    assert load(public, cache) == evalset


def test_hub_without_rows(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def unreachable(*_: object, **__: object) -> object:
        raise ConnectionError("token=secret")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(DataError) as caught:
        load_evalset(public, environ={}, cache=None)
    assert "the hub gave no rows (ConnectionError)" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(not os.environ.get("TOR_DATA_DIR"), reason="TOR_DATA_DIR is not set")
def test_banking77_as_published() -> None:
    evalset = load_evalset("banking77", environ=dict(os.environ), cache=None, offline=True)
    assert (len(evalset.train) + len(evalset.dev), len(evalset.test)) == (10_003, 3_080)
    assert (len(evalset.dev), len(evalset.labels)) == (1_000, 77)
    # Six differ in case and outer blanks only, a seventh in one inner blank.
    assert len(exact_overlap_ids(evalset.train + evalset.dev, evalset.test)) == 7
    assert {item.label for item in evalset.dev} == set(evalset.label_names)
