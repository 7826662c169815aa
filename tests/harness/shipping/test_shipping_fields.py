"""Arms that read fields, shipped: exported, checked, served as JSON, registered, imported or refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.bakeoff.journal import Lane
from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import RunFolder
from harness.bakeoff.tuning import TuneRequest, lock_tuning, tune_in
from harness.core.artefacts import TaggerArtefact
from harness.core.context import Context
from harness.core.errors import DataError, UsageError
from harness.core.records import Completion, Message
from harness.recommendation.run import import_into
from harness.shipping.adapters import add_adapter, differences, open_registry
from harness.shipping.asked import fields_form, tuned_turns
from harness.shipping.export.launch_files import Launch, merged_files
from harness.shipping.exporting import ExportRequest, export_shipped
from harness.shipping.importing import ImportRequest
from harness.shipping.parity import check_export
from harness.shipping.serve.service import as_trained
from harness.shipping.serve.wire import BadRequest, CompletionRequest, completion, read_request
from harness.shipping.serving import ServeRequest, find_shipped, open_service
from harness.shipping.shipped import ShippedClassifier, Tuned, shipped_in_run
from harness.tasks.fields import fields_in
from harness.training.encoder.artefact import RECORD_FILE
from tests.harness.bakeoff.test_run import context
from tests.harness.training.conftest import make_tiny
from tests.support.bakeoff import start_bakeoff
from tests.support.tiny_encoder import tiny_base

THINGS = ["parcel", "password", "courier", "invoice", "bill", "login", "refund", "account"]


def write_rows(path: Path) -> Path:
    """Sixty messages with a thing, and an amount in every other."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["body", "thing", "amount"])
        for n in range(60):
            paid = f" charged {n + 10},50" if n % 2 else ""
            rows.writerow([f"the {THINGS[n % 8]} is late{paid} again {n}", THINGS[n % 8], paid[9:]])
    return path


def raw_plan(home: Path, arms: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    return {
        "task": "extraction",
        "seed": 17,
        "data": {"file": str(write_rows(home / "rows.csv")), "text": ["body"], "fields": ["thing", "amount"]},
        "arms": arms,
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
        **more,
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of one encoder."""
    home = tmp_path_factory.mktemp("run")
    encoder = {"trials": 1, "epochs": 12, "learning_rate": 5e-3, "max_tokens": 32}
    arms = [{"option": "floor"}, {"option": "encoder", "model": str(tiny_base())}]
    start_bakeoff(build_plan(raw_plan(home, arms, encoder=encoder), "test"), context(home))
    return home


@pytest.fixture
def here(finished: Path, tmp_path: Path) -> Context:
    shutil.copytree(finished, tmp_path / "home")
    return context(tmp_path / "home")


@pytest.fixture
def run(here: Context) -> RunFolder:
    (folder,) = (path for path in here.runs.iterdir() if (path / "plan.yaml").is_file())
    return RunFolder(root=folder)


def asked(text: str, **more: Any) -> CompletionRequest:
    said = (Message(role="system", content="Be brief."), Message(role="user", content=text))
    base = {"model": "encoder", "messages": said, "choices": None, "wrapped_in": "", "top": None}
    return CompletionRequest(**base | {"stream": False} | more)  # type: ignore[arg-type]


def export(run: RunFolder, here: Context, out: Path, form: Any = None) -> Any:
    return export_shipped(
        shipped_in_run(run, "encoder", None, here), ExportRequest(format=form, out=out), here
    )


def test_what_is_served_is_what_was_scored(run: RunFolder, here: Context, tmp_path: Path) -> None:
    found = export(run, here, tmp_path / "out")
    assert found.format == "safetensors" and isinstance(found.artefact, TaggerArtefact)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "reads fields out of a message: `thing`, `amount`" in card and "- field F1 on test:" in card
    with run.journal(read_only=True) as journal:
        settled = [one for one in journal.settled() if one.arm.option is Option.ENCODER][-1]
        items = run.items()["test"]
        lane = Lane(arm=settled.arm, seed=settled.seed, split="test", config=settled.config)
        scored = journal.outcomes(lane, items)
    service = open_service(ServeRequest(targets=(str(tmp_path / "out"),)), here)
    for item in items:
        expected = scored[item.id]
        assert isinstance(expected, Completion) and service.answer(asked(item.text))[0].text == expected.text
    service.close()
    (parity,) = check_export(tmp_path / "out", run, 50, here)
    assert parity.passed and parity.agreement.value == 1.0 and parity.agreement.metric == "same fields"
    assert parity.reference.metric == "field F1" and "of field F1 lower" in parity.rule


def test_a_client_gets_json_and_may_ask_for_the_fields_by_name(run: RunFolder, here: Context) -> None:
    service = open_service(ServeRequest(targets=(run.run_id,), arm="encoder"), here)
    body = {
        "model": "encoder",
        "messages": [{"role": "user", "content": "the parcel is late charged 12,50 again"}],
    }
    for form in (None, "json_object", {"amount": {"type": "number"}, "thing": {"type": "string"}}):
        held = {} if form is None else {"response_format": {"type": "json_object"}}
        if isinstance(form, dict):
            schema = {"type": "object", "properties": form}
            held = {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
        request = read_request(json.dumps(body | held).encode())
        job = service.prepare(request)
        reply, choices = service.run(job)
        answer = completion(request, reply, choices, number="1", now=0)["choices"][0]
        assert set(json.loads(answer["message"]["content"])) <= {"thing", "amount"}
        assert answer["logprobs"] is None and answer["finish_reason"] == "stop"
        assert service.given(job, reply).label == "fields" and service.given(job, reply).confidence is None
    with pytest.raises(BadRequest, match="'colour' is none of the fields"):
        service.answer(asked("x", properties=("thing", "colour")))
    with pytest.raises(BadRequest, match="'colour' is none of the fields"):  # a schema of one text
        service.answer(asked("x", wrapped_in="colour"))
    with pytest.raises(BadRequest, match="chooses among no labels"):
        service.answer(asked("x", choices=("a", "b")))
    service.close()


@pytest.mark.parametrize("form", ["onnx", "merged", "gguf"])
def test_other_formats_are_refused(form: str, run: RunFolder, here: Context, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not written in this format") as error:
        export(run, here, tmp_path / "out", form)
    assert error.value.allowed == "safetensors"


def test_a_registry_keeps_it_as_a_version(run: RunFolder, here: Context) -> None:
    shipped = shipped_in_run(run, "encoder", None, here)
    assert isinstance(shipped, ShippedClassifier)
    version = add_adapter(open_registry("", here), "fields", shipped, here)
    assert RECORD_FILE in version.files
    found = find_shipped("fields@1", ServeRequest(targets=()), here)
    assert isinstance(found, ShippedClassifier) and found.artefact == shipped.artefact
    assert differences(open_registry("", here), "fields@1", "fields@1") == {}
    open_service(ServeRequest(targets=("fields",)), here).close()


def test_an_export_is_imported_and_answers_as_it_did(run: RunFolder, here: Context, tmp_path: Path) -> None:
    export(run, here, tmp_path / "out")
    results = import_into(run, ImportRequest(name="elsewhere", path=tmp_path / "out"), here)
    values = {arm.arm.model: arm.quality.primary.value for arm in results.arms}
    mine = next(value for model, value in values.items() if model not in ("elsewhere", "majority"))
    assert values["elsewhere"] == mine


def test_predictions_made_elsewhere_are_scored_as_an_arm(
    run: RunFolder, here: Context, tmp_path: Path
) -> None:
    """They were refused. One message gets a wrong thing, one a field that is in no schema."""
    path, test = tmp_path / "theirs.jsonl", run.items()["test"]
    said = [dict(fields_in(item.target)) for item in test]
    said[0] |= {"thing": "sofa"}
    said[1] |= {"colour": "red"}
    rows = [{"item_id": item.id, "fields": values} for item, values in zip(test, said, strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    arm = import_into(run, ImportRequest(name="today", path=path), here).arms[-1]
    given = [len(fields_in(item.target)) for item in test[:2]]
    lost = 1 / given[0] + 1 - 2 * given[1] / (2 * given[1] + 1)  # one of the first pair's, one pair too many
    assert arm.quality.primary.value == pytest.approx(1 - lost / len(test))
    assert str(arm.arm) == "external@today" and arm.latency.p95_ms.value is None
    before = (run.root / "results.json").read_bytes()
    path.write_text(json.dumps({"item_id": test[0].id, "fields": "a sofa"}), encoding="utf-8")
    with pytest.raises(DataError, match=r"no JSON object: line 1 \('a sofa'\)"):
        import_into(run, ImportRequest(name="other", path=path), here)
    assert (run.root / "results.json").read_bytes() == before


@pytest.mark.models
def test_a_tuned_model_is_exported_and_served_with_its_schema(smollm2: Path, tmp_path: Path) -> None:
    """One step of training: what matters is that as served it answers what its run has."""
    base, here = make_tiny(tmp_path / "base", smollm2, layers=2), context(tmp_path, threads=1)
    tune = {"epochs": 0.2, "method": "lora-fp32", "layers": 1, "rank": 4}
    raw = raw_plan(tmp_path, [{"option": "tune", "model": str(base)}], tune=tune)
    folder = lock_tuning(build_plan(raw, "test"), here, TuneRequest(tell=[].append, watch=0))
    tune_in(folder, here, TuneRequest(tell=[].append, watch=0))
    found = shipped_in_run(folder, "tune", None, here)
    assert isinstance(found, Tuned) and found.task.fields["properties"]
    turns = as_trained(found.task, (Message(role="user", content="hello"),))
    assert turns == tuned_turns(found.task, "hello") and "as JSON" in turns[0].content
    files = merged_files(Launch(name="x", artefact=found.artefact, task=found.task, turns=None))
    held = json.loads(files["request.json"])
    assert held["structured_outputs"]["json"] == fields_form(found.task).schema
    assert f"num_predict {held['max_tokens']}" in files["Modelfile"]
    out = tmp_path / "out"
    export_shipped(found, ExportRequest(format="adapter", out=out), here)
    assert "reads fields out of a message" in (out / "README.md").read_text(encoding="utf-8")
    with folder.journal(read_only=True) as journal:
        (settled,) = journal.settled()
        items = folder.items()["dev"][:3]
        scored = journal.outcomes(Lane(arm=settled.arm, seed=17, split="dev", config=settled.config), items)
    service = open_service(ServeRequest(targets=(str(out),)), here)
    for item in items:
        expected, (reply, _) = scored[item.id], service.answer(asked(item.text, model=found.served_as))
        assert isinstance(expected, Completion) and (reply.text, reply.cut) == (expected.text, expected.cut)
    service.close()
    with pytest.raises(UsageError, match="not asked through vLLM here"):
        open_service(ServeRequest(targets=(str(out),), engine="vllm"), here)
    export_shipped(found, ExportRequest(format="gguf", precision="f32", out=tmp_path / "gguf"), here)
    (parity,) = check_export(tmp_path / "gguf", folder, 3, here)
    assert (parity.engine, parity.agreement.value, parity.passed) == ("llamacpp", 1.0, True), parity
