"""Versions never change, the history only grows, pickles stay out; in a folder and at fsspec addresses."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pickle
import threading
import uuid
from datetime import timedelta

import pytest

from harness.core.errors import ModelUnavailable, StoreError, UsageError
from harness.shipping.registry.registry import Registry, checks_of, stages_of, versions_in
from harness.training.tuned_model import folder_digest
from tests.support.artefacts import NOW, draft, parity, write_adapter


def clock():
    ticks = itertools.count()
    return lambda: NOW + timedelta(seconds=next(ticks))


@pytest.fixture(params=["folder", "file", "memory"])
def registry(request, tmp_path):
    address = {
        "folder": str(tmp_path / "registry"),
        "file": f"file://{tmp_path}/registry",
        "memory": f"memory://{uuid.uuid4().hex}",
    }[request.param]
    return Registry(address, clock())


@pytest.fixture
def adapters(tmp_path):
    return [write_adapter(tmp_path / f"adapter-{n}", float(n)) for n in range(3)]


def test_versions_are_added_found_and_taken_out(registry, adapters, tmp_path):
    assert registry.history() == ()
    one, two = (registry.add(folder, draft(folder)) for folder in adapters[:2])
    assert (one.version, two.version) == (1, 2)
    assert one.created_at < two.created_at
    assert registry.find("tickets") == registry.find("tickets@2") == two
    assert registry.find("tickets@1") == one
    other = registry.add(adapters[0], draft(adapters[0], "other"))
    assert other.version == 1, "every adapter counts its own versions"
    out = registry.fetch(one, tmp_path / "out")
    assert folder_digest(out) == folder_digest(adapters[0]) == one.artefact.digest
    assert sorted(one.files) == ["adapter_config.json", "adapter_model.safetensors"]


def test_the_same_adapter_again_is_the_version_there_is(registry, adapters):
    one = registry.add(adapters[0], draft(adapters[0]))
    assert registry.add(adapters[0], draft(adapters[0])) == one
    assert len(registry.history()) == 1


def test_stages_and_the_way_back(registry, adapters):
    for folder in adapters:
        registry.add(folder, draft(folder))
    with pytest.raises(UsageError, match="no version to go back to"):
        registry.rollback("tickets", "production")
    registry.promote("tickets", 1, "production")
    registry.promote("tickets", 3, "production")
    registry.promote("tickets", 2, "production")
    assert registry.find("tickets@production").version == 2
    assert registry.rollback("tickets", "production").version == 3
    back = registry.rollback("tickets", "production")
    assert (back.version, back.previous) == (1, 3)
    assert registry.find("tickets@production").version == 1
    with pytest.raises(UsageError, match="no version to go back to"):
        registry.rollback("tickets", "production")
    registry.promote("tickets", 2, "staging")
    assert stages_of(registry.history(), "tickets") == {"production": 1, "staging": 2}
    assert [event.number for event in registry.history()] == list(range(1, 10))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: r.promote("tickets", 9, "production"), "no such version"),
        (lambda r: r.promote("nobody", 1, "production"), "no such adapter"),
        (lambda r: r.promote("tickets", 1, "live"), "no such stage"),
        (lambda r: r.find("tickets@production"), "no such version"),
        (lambda r: r.rollback("nobody", "production"), "no such adapter"),
    ],
)
def test_what_is_not_there_is_said(registry, adapters, call, words):
    registry.add(adapters[0], draft(adapters[0]))
    with pytest.raises(UsageError, match=words):
        call(registry)
    assert len(registry.history()) == 1
    registry.promote("tickets", 1, "production")
    with pytest.raises(UsageError, match="already"):
        registry.promote("tickets", 1, "production")


def test_checks_are_kept_failed_ones_too(registry, adapters):
    version = registry.add(adapters[0], draft(adapters[0]))
    registry.note_check(version, parity(passed=True))
    registry.note_check(version, parity(passed=False, agreement=0.6))
    found = checks_of(registry.history(), "tickets", 1)
    assert [check.passed for check in found] == [True, False]
    assert checks_of(registry.history(), "tickets", 2) == []


@pytest.mark.parametrize("name", ["adapter_model.bin", "weights.pt", "x.pkl", "scaler.joblib", "A.BIN"])
def test_a_pickle_is_refused(registry, adapters, name):
    class Runs:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    (adapters[0] / name).write_bytes(pickle.dumps(Runs()))
    with pytest.raises(ModelUnavailable, match="pickle") as caught:
        registry.add(adapters[0], draft(adapters[0]))
    assert name in str(caught.value)
    assert registry.history() == ()


@pytest.mark.parametrize("name", ["modeling.py", "run.sh", "weights.gguf", "lib.so"])
def test_code_and_unknown_files_are_refused(registry, adapters, name):
    (adapters[0] / name).write_text("print('hello')")
    with pytest.raises(ModelUnavailable, match="no place"):
        registry.add(adapters[0], draft(adapters[0]))


def test_a_folder_without_adapter_is_refused(registry, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable, match="no adapter"):
        registry.add(tmp_path / "empty", draft(write_adapter(tmp_path / "a")))


@pytest.mark.parametrize("name", ["", "Über", "a/b", "../x", "history", "a" * 65, "-a"])
def test_names_that_are_refused(registry, adapters, name):
    with pytest.raises(UsageError, match="name"):
        registry.add(adapters[0], draft(adapters[0], name))


def test_a_changed_file_is_noticed(tmp_path, adapters):
    registry = Registry(str(tmp_path / "registry"), clock())
    version = registry.add(adapters[0], draft(adapters[0]))
    (stored,) = (tmp_path / "registry" / "tickets").rglob("*.safetensors")
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="was changed in the registry"):
        registry.fetch(version, tmp_path / "out")


def test_a_missing_or_damaged_event_is_noticed(tmp_path, adapters):
    registry = Registry(str(tmp_path / "registry"), clock())
    for folder in adapters:
        registry.add(folder, draft(folder))
    event = tmp_path / "registry" / "history" / "000002.json"
    text = event.read_text()
    event.write_text(text[:100])
    with pytest.raises(StoreError, match="damaged"):
        registry.history()
    event.unlink()
    with pytest.raises(StoreError, match="gap"):
        registry.history()


def test_an_event_is_never_written_again(tmp_path, adapters):
    registry = Registry(str(tmp_path / "registry"), clock())
    registry.add(adapters[0], draft(adapters[0]))
    before = (tmp_path / "registry" / "history" / "000001.json").read_bytes()
    registry.promote("tickets", 1, "production")
    assert (tmp_path / "registry" / "history" / "000001.json").read_bytes() == before
    assert json.loads(before)["what"] == "added"
    assert not list((tmp_path / "registry").rglob("*.tmp"))


def test_many_writers_take_different_numbers(tmp_path):
    folders = [write_adapter(tmp_path / f"a{n}", float(n)) for n in range(6)]
    address = str(tmp_path / "registry")
    faults = []

    def add(folder):
        try:
            Registry(address, clock()).add(folder, draft(folder))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            faults.append(error)

    threads = [threading.Thread(target=add, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    events = Registry(address, clock()).history()
    assert sorted(version.version for version in versions_in(events)) == [1, 2, 3, 4, 5, 6]


def test_a_registry_that_cannot_be_written_is_said(tmp_path, adapters):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="registry cannot be used"):
        Registry(str(tmp_path / "file"), clock()).add(adapters[0], draft(adapters[0]))
    with pytest.raises(UsageError, match="no address"):
        Registry("nonsense://x", clock())


@pytest.mark.parametrize("name", ["../../../victim.json", "/tmp/victim.json", "a/../../victim.json"])
def test_a_history_that_names_files_elsewhere_writes_nothing_there(registry, adapters, tmp_path, name):
    """Whoever writes into a shared registry must not be able to write anywhere else."""
    version = registry.add(adapters[0], draft(adapters[0]))
    forged = dataclasses.replace(version, files={name: "0" * 64})
    with pytest.raises((StoreError, UsageError)):
        registry.fetch(forged, tmp_path / "deep" / "er" / "out")
    with pytest.raises(UsageError):
        registry.fetch(dataclasses.replace(version, name=f"../{version.name}"), tmp_path / "out")
    assert not list(tmp_path.rglob("victim.json"))


@pytest.mark.parametrize("which", ["²", "9" * 5000, "-1", "1.0", ""])
def test_an_odd_version_is_no_version(registry, adapters, which):
    registry.add(adapters[0], draft(adapters[0]))
    if which:
        with pytest.raises(UsageError):
            registry.find(f"tickets@{which}")
    else:
        assert registry.find("tickets@").version == 1
