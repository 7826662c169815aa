"""The encoder arm of a run, shipped: exported, checked, served, registered, imported, refused if changed."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.bakeoff.journal import Lane
from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import RunFolder
from harness.core.artefacts import EncoderArtefact
from harness.core.errors import ModelUnavailable, StoreError, UsageError
from harness.core.records import Completion, Item, Message, Outcome
from harness.models.local.encoder import LETTERS_FILE
from harness.recommendation.run import import_into
from harness.shipping.adapters import add_adapter, differences, open_registry
from harness.shipping.exporting import ExportRequest, export_shipped
from harness.shipping.importing import ImportRequest
from harness.shipping.parity import check_export
from harness.shipping.serve.wire import BadRequest, CompletionRequest
from harness.shipping.serving import ServeRequest, find_shipped, open_service
from harness.shipping.shipped import ShippedClassifier, shipped_in_run
from harness.training.encoder.artefact import RECORD_FILE
from tests.harness.bakeoff.test_run import context
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.tiny_encoder import tiny_base


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of one encoder."""
    home = tmp_path_factory.mktemp("run")
    raw = {
        "seed": 17,
        "data": {
            "file": str(write_tickets(home / "tickets.csv", each=30)),
            "text": ["subject", "body"],
            "label": "queue",
        },
        "arms": [{"option": "floor"}, {"option": "encoder", "model": str(tiny_base())}],
        "encoder": {"trials": 1, "epochs": 1, "learning_rate": 1e-3, "max_tokens": 32},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    start_bakeoff(build_plan(raw, "test"), context(home))
    return home


@pytest.fixture
def here(finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "home")
    return context(tmp_path / "home")


@pytest.fixture
def run(here) -> RunFolder:
    (folder,) = (path for path in here.runs.iterdir() if (path / "plan.yaml").is_file())
    return RunFolder(root=folder)


def answers(run: RunFolder, option: str = "encoder") -> tuple[tuple[Item, ...], Mapping[str, Outcome]]:
    with run.journal(read_only=True) as journal:
        settled = [one for one in journal.settled() if one.arm.option.value == option][-1]
        lane = Lane(arm=settled.arm, seed=settled.seed, split="test", config=settled.config)
        return run.items()["test"], journal.outcomes(lane, run.items()["test"])


def asked(text: str, **more) -> CompletionRequest:
    said = (Message(role="system", content="Be brief."), Message(role="user", content=text))
    base = {"model": "encoder", "messages": said, "choices": None, "wrapped_in": "", "top": 3}
    return CompletionRequest(**base | {"stream": False} | more)


def export(run: RunFolder, here, out: Path, form: str | None = None):
    return export_shipped(
        shipped_in_run(run, "encoder", None, here), ExportRequest(format=form, out=out), here
    )


@pytest.mark.parametrize("form", ["safetensors", "onnx"])
def test_what_is_served_is_what_was_scored(form: str, run: RunFolder, here, tmp_path: Path) -> None:
    found = export(run, here, tmp_path / "out", form)
    weights = "model.onnx" if form == "onnx" else "head.safetensors"
    files = {weights, "tokenizer.json", RECORD_FILE, LETTERS_FILE, "README.md"}
    assert found.format == form and files <= set(found.files)
    assert isinstance(found.artefact, EncoderArtefact)
    items, scored = answers(run)
    service = open_service(ServeRequest(targets=(str(tmp_path / "out"),)), here)
    for item in items:
        reply, _ = service.answer(asked(item.text))
        expected = scored[item.id]
        assert isinstance(expected, Completion) and reply.text == expected.text
        assert reply.choice_logprobs == pytest.approx(expected.choice_logprobs, abs=1e-3)
    service.close()
    (parity,) = check_export(tmp_path / "out", run, 50, here)
    assert parity.passed and parity.agreement.value == 1.0
    assert parity.engine == {"safetensors": "transformers", "onnx": "onnxruntime"}[form]


def test_a_run_is_served_without_an_export(run: RunFolder, here) -> None:
    service = open_service(ServeRequest(targets=(run.run_id,), arm="encoder"), here)
    reply, choices = service.answer(asked("parcel", choices=("billing", "shipping")))
    assert choices == ("billing", "shipping") and reply.choice_logprobs is not None
    assert sum(map(math.exp, reply.choice_logprobs)) == pytest.approx(1)
    with pytest.raises(BadRequest, match="none of the labels"):
        service.answer(asked("parcel", choices=("billing", "weather")))


@pytest.mark.parametrize("form", ["merged", "gguf", "rows"])
def test_other_formats_are_refused(form: str, run: RunFolder, here, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="safetensors") as error:
        export(run, here, tmp_path / "out", form)
    assert error.value.got == form


def test_a_registry_keeps_it_as_a_version(run: RunFolder, here) -> None:
    shipped = shipped_in_run(run, "encoder", None, here)
    assert isinstance(shipped, ShippedClassifier)
    version = add_adapter(open_registry("", here), "desk", shipped, here)
    assert RECORD_FILE in version.files
    found = find_shipped("desk@1", ServeRequest(targets=()), here)
    assert isinstance(found, ShippedClassifier) and found.artefact == shipped.artefact
    assert differences(open_registry("", here), "desk@1", "desk@1") == {}
    open_service(ServeRequest(targets=("desk",)), here).close()


def test_an_export_is_imported_and_answers_as_it_did(run: RunFolder, here, tmp_path: Path) -> None:
    export(run, here, tmp_path / "out")
    results = import_into(run, ImportRequest(name="elsewhere", path=tmp_path / "out"), here)
    imported = next(arm for arm in results.arms if arm.arm.model == "elsewhere")
    assert str(imported.arm) == "encoder@elsewhere"
    with run.journal(read_only=True) as journal:
        settled = journal.settled()
        items = run.items()["test"]
        both = [
            journal.outcomes(Lane(arm=s.arm, seed=s.seed, split="test", config=s.config), items)
            for s in settled
            if s.arm.option.value == "encoder"
        ]
    for item in items:
        one, other = (found[item.id] for found in both)
        assert isinstance(one, Completion) and isinstance(other, Completion)
        assert one.choice_logprobs == pytest.approx(other.choice_logprobs, abs=1e-5)


def test_an_encoder_of_other_labels_is_not_imported(run: RunFolder, here, tmp_path: Path) -> None:
    export(run, here, tmp_path / "out")
    record = tmp_path / "out" / RECORD_FILE
    told = json.loads(record.read_text())
    record.write_text(json.dumps({**told, "labels": ["weather", *told["labels"][1:]]}))
    with pytest.raises(UsageError, match="other labels"):
        import_into(run, ImportRequest(name="elsewhere", path=tmp_path / "out"), here)


def test_an_onnx_export_is_not_imported(run: RunFolder, here, tmp_path: Path) -> None:
    export(run, here, tmp_path / "out", "onnx")
    with pytest.raises(UsageError, match="another format"):
        import_into(run, ImportRequest(name="elsewhere", path=tmp_path / "out"), here)


@pytest.mark.parametrize("name", ["model.safetensors", "head.safetensors", RECORD_FILE])
def test_a_changed_file_is_refused(name: str, run: RunFolder, here) -> None:
    shipped = shipped_in_run(run, "encoder", None, here)
    assert isinstance(shipped, ShippedClassifier)
    file = shipped.folder / name
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(StoreError, match="changed"):
        shipped_in_run(run, "encoder", None, here)


def test_a_broken_onnx_file_is_told_in_one_block(tmp_path: Path) -> None:
    from harness.models.local.onnx_encoder import open_onnx

    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelUnavailable, match="ONNX"):
        open_onnx(tmp_path, ("a", "b"), (0, 32, 1.0))
