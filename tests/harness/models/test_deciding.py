"""What decides a model's answers: computed from its files, and never out of date."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from harness.models import deciding
from harness.models.deciding import file_digest, folder_facts, versions_of, weights_of

LARGE = b"w" * (deciding._LARGE + 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "model"
    found.mkdir()
    (found / "model.safetensors").write_bytes(LARGE)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (found / name).write_text("{}")
    return found


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("model.safetensors", "weights"),
        ("config.json", "config"),
        ("tokenizer.json", "tokenizer"),
        ("tokenizer_config.json", "tokenizer"),
        ("chat_template.jinja", "template"),
    ],
)
def test_every_file_that_is_loaded_counts(folder: Path, name: str, group: str) -> None:
    before = dict(folder_facts(folder))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + b"?")
    after = dict(folder_facts(folder))
    assert {part for part in before if before[part] != after[part]} == {group}


def test_a_new_file_counts_and_a_readme_does_not(folder: Path) -> None:
    before = dict(folder_facts(folder))
    (folder / "README.md").write_text("words")
    (folder / ".harness.json").write_text('{"weights_sha256": "a pin that is not read"}')
    assert dict(folder_facts(folder)) == before
    (folder / "generation_config.json").write_text("{}")
    assert dict(folder_facts(folder))["config"] != before["config"]
    assert set(dict(folder_facts(folder, prefix="adapter "))) == {f"adapter {name}" for name in before}


def test_a_large_file_is_read_once_and_again_when_it_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "_STILL_S", -1.0)
    cache, path = tmp_path / "cache", folder / "model.safetensors"
    first = file_digest(path, cache)
    assert first == hashlib.sha256(LARGE).hexdigest()
    reads = 0
    real = hashlib.file_digest

    def count(*words: object) -> object:
        nonlocal reads
        reads += 1
        return real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(deciding.hashlib, "file_digest", count)
    assert file_digest(path, cache) == first and reads == 0
    deciding._known.clear()  # as in another process
    assert file_digest(path, cache) == first and reads == 0
    times = path.stat()
    path.write_bytes(b"v" * len(LARGE))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size and time: the time of change tells
    assert file_digest(path, cache) != first and reads == 1


def test_a_file_that_was_just_written_is_not_kept(folder: Path, tmp_path: Path) -> None:
    file_digest(folder / "model.safetensors", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"x": 1}', b"[" * 9000])
def test_a_damaged_or_missing_cache_costs_a_read_only(
    folder: Path, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "_STILL_S", -1.0)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "file-digests.json").write_bytes(content)
    deciding._known.clear()
    assert weights_of(folder, cache) == [hashlib.sha256(LARGE).hexdigest()]
    assert len(json.loads((cache / "file-digests.json").read_text())) == 1


def test_versions_are_those_that_are_installed() -> None:
    assert dict(versions_of("numpy", "no-such-package-anywhere")).keys() == {"numpy"}
