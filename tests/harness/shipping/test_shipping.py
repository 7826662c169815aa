"""One tiny tuned arm through everything that ships it: export, parity, serving, and as an API arm."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx
import pytest

from harness.bakeoff.run_folder import RunFolder
from harness.bakeoff.tuning import TuneRequest, lock_tuning, tune_in
from harness.core.context import Context
from harness.core.errors import MissingExtra, StoreError, UsageError
from harness.shipping.adapters import add_adapter, open_registry, shelved_as
from harness.shipping.exporting import ExportRequest, export_shipped, read_export
from harness.shipping.parity import check_export, read_checks
from harness.shipping.serve.app import ServeLimits
from harness.shipping.serve.server import Address, LabelServer
from harness.shipping.serving import (
    ServeRequest,
    become_vllm,
    find_shipped,
    open_service,
    say_codes,
    vllm_command,
)
from harness.shipping.shipped import shipped_in_run
from harness.tasks.labels import read_label
from harness.training.tuned_model import Parity
from tests.harness.bakeoff.test_run import context
from tests.harness.bakeoff.test_tuning import plan
from tests.harness.training.conftest import make_tiny
from tests.support.desk import write_tickets

pytestmark = pytest.mark.models


def at(room: Path) -> Context:
    """Where models compute on one thread: those of two workers of the tests would wait for each other."""
    return context(room, threads=1)


def tuned_room(room: Path, smollm2: Path, answer: str) -> Path:
    """A folder with a run in it whose tuned arm has learnt the tickets, to be answered in words or codes.

    In fp32 on every machine: by itself the method follows the processor, and exports state it.
    """
    room.mkdir(exist_ok=True)
    base = make_tiny(room / "base", smollm2, layers=2)
    tickets = write_tickets(room / "tickets.csv", each=20)
    wish = TuneRequest(tell=[].append, watch=0)
    learnt = plan(tickets, base, epochs=12.0, layers=2, rank=16, answer=answer, method="lora-fp32")
    folder = lock_tuning(learnt, at(room), wish)
    tune_in(folder, at(room), wish)
    return room


@pytest.fixture(scope="module")
def room(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The room of a model that says codes."""
    return tuned_room(tmp_path_factory.mktemp("room"), smollm2, "codes")


def run_in(room: Path) -> RunFolder:
    (found,) = (RunFolder(root=path.parent) for path in (room / "runs").glob("*/lock.json"))
    return found


@pytest.fixture
def run(room: Path) -> RunFolder:
    return run_in(room)


def wish(tmp_path: Path, form: str, **more: object) -> ExportRequest:
    return ExportRequest(format=form, out=tmp_path / form, name="tickets", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "precision", "engine"),
    [("adapter", "fp32", "transformers"), ("merged", "fp32", "transformers"), ("gguf", "f32", "llamacpp")],
)
def test_an_export_answers_as_the_run_did(
    room: Path, run: RunFolder, tmp_path: Path, form: str, precision: str, engine: str
) -> None:
    tuned = shipped_in_run(run, "", None, at(room))
    asked = "" if form == "adapter" else precision
    export = export_shipped(tuned, wish(tmp_path, form, precision=asked), at(room))
    assert read_export(tmp_path / form) == export and export.precision == precision
    assert "README.md" in export.files and "request.json" in export.files
    assert export.task.codes == tuned.artefact.codes != {}
    listed = json.loads((tmp_path / form / "labels.json").read_text())
    assert listed == {code: label for label, code in tuned.artefact.codes.items()}
    asked_for = json.loads((tmp_path / form / "request.json").read_text())
    assert len(asked_for["logit_bias"]) == len(listed), "one biased token a code, as the artefact names them"
    assert asked_for["max_tokens"] == 1 and "structured_outputs" not in asked_for
    parity, *greedy = check_export(tmp_path / form, run, 3, at(room))
    assert isinstance(parity, Parity) and parity.engine == engine and parity.agreement.n == 3
    assert parity.passed is True, parity
    assert read_checks(tmp_path / form) == (parity, *greedy)
    assert parity.agreement.value == 1.0 and parity.difference.value == 0.0
    assert [check.engine for check in greedy] == (["llamacpp, token by token"] if form == "gguf" else [])


def test_a_model_that_says_words_answers_as_its_run_did(smollm2: Path, tmp_path: Path) -> None:
    room = tuned_room(tmp_path / "room", smollm2, "words")
    run, here = run_in(room), at(room)
    export = export_shipped(
        shipped_in_run(run, "", None, here), wish(tmp_path, "gguf", precision="f32"), here
    )
    assert export.task.codes == {} and "labels.json" not in export.files
    for parity in check_export(tmp_path / "gguf", run, 2, here):
        assert parity.agreement.value == 1.0, parity


def test_a_failed_parity_is_kept_and_shown(room: Path, run: RunFolder, tmp_path: Path) -> None:
    """The export of another adapter under this one's record stands for any export that went wrong."""
    from safetensors.numpy import load_file, save_file

    here = at(room)
    tuned = shipped_in_run(run, "", None, here)
    registry = open_registry(str(tmp_path / "registry"), here)
    add_adapter(registry, "tickets", tuned, here)
    export_shipped(tuned, wish(tmp_path, "adapter"), here)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: -3 * value for name, value in load_file(file).items()}, file)
    with pytest.raises(StoreError, match="was changed"):
        check_export(tmp_path / "adapter", run, 6, here)
    record = json.loads((tmp_path / "adapter" / "harness.json").read_text())
    import hashlib

    record["files"]["adapter_model.safetensors"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (tmp_path / "adapter" / "harness.json").write_text(json.dumps(record))
    (parity,) = check_export(tmp_path / "adapter", run, 6, here, str(tmp_path / "registry"))
    assert parity.passed is False and (parity.agreement.value or 0) < 0.95
    assert shelved_as(registry, "tickets").checks == (parity,)


def test_the_served_arm_measured_as_an_api_arm_answers_as_the_tuned_arm(room: Path, run: RunFolder) -> None:
    """`prompt@openai/NAME` over HTTP, with its own label guide, gives the tuned arm's answers one by one."""
    from advisor.options import Option
    from harness.arms.prompt import PromptArm
    from harness.core.records import ArmId, Completion
    from harness.models.open import open_chat
    from harness.models.settings import ModelSettings
    from harness.tasks.kinds import task_of

    here = at(room)
    service = open_service(ServeRequest(targets=(run.run_id,)), here)
    server = LabelServer(service, Address(port=0), ServeLimits())
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        (name,) = service.names
        settings = ModelSettings(cache=here.cache, offline=True, api_base=server.url, concurrency=2)
        client = open_chat(f"openai/{name}", settings)
        facts, items = run.data_facts(), run.items()["dev"][:8]
        arm_id = ArmId(option=Option.PROMPT, model=f"openai/{name}")
        arm = PromptArm(arm_id, client, task_of(facts.space, run.plan().prompt.limits))
        served = {outcome.item_id: outcome for outcome in arm.predict(items)}
        client.close()
        metrics = httpx.get(server.url.replace("/v1", "/metrics"), trust_env=False).text
    finally:
        server.stop()
        thread.join()
        server.close()
        service.close()
    labels = [label.name for label in facts.labels]
    with run.journal(read_only=True) as journal:
        rows = journal._rows("SELECT item_id, payload FROM outcomes WHERE pass='dev'")
    trained = {item: read_label(json.loads(payload)["text"], labels) for item, payload in rows}
    for item in items:
        outcome = served[item.id]
        assert isinstance(outcome, Completion), outcome
        assert read_label(outcome.text, labels) == trained[item.id]
        assert outcome.usage is not None and outcome.usage.input_tokens
    assert f'tor_requests_total{{model="{name}",status="200"}} {len(items)}.0' in metrics


def test_two_adapters_share_one_base_and_answer_each_for_itself(
    room: Path, run: RunFolder, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    from harness.core.records import Choices
    from harness.models.base import ChatRequest
    from harness.models.local.adapter_set import AdapterSet
    from harness.models.local.transformers_chat import TransformersChat
    from harness.models.settings import ModelSettings
    from harness.tasks.classification import tune_messages
    from harness.tasks.records import PromptLimits

    tuned = shipped_in_run(run, "", None, at(room))
    other = tmp_path / "other"
    other.mkdir()
    for path in tuned.adapter.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    weights = load_file(other / "adapter_model.safetensors")
    save_file(
        {n: -v if "lora_B" in n else v for n, v in weights.items()}, other / "adapter_model.safetensors"
    )
    settings = ModelSettings(cache=tmp_path, precision="fp32", threads=1)
    both = AdapterSet("base", tuned.base, {"one": tuned.adapter, "two": other}, settings)
    choices = ("billing", "shipping", "sign in")
    asked = [
        ChatRequest(
            item_id=i.id, messages=tune_messages(i.text, PromptLimits()), form=Choices(answers=choices)
        )
        for i in run.items()["dev"][:4]
    ]
    import dataclasses

    for name, folder in (("one", tuned.adapter), ("two", other)):
        alone = TransformersChat("x", tuned.base, dataclasses.replace(settings, adapter=folder))
        for request in asked:
            mixed = both.member("two" if name == "one" else "one").answer_one(request)
            assert mixed.item_id == request.item_id
            got = both.member(name).answer_one(request)
            expected = alone.answer_one(request)
            assert got.text == expected.text
            assert got.choice_logprobs == pytest.approx(expected.choice_logprobs, abs=2e-3)
        alone.close()
    both.close()


def test_what_is_found_under_which_name(room: Path, run: RunFolder, tmp_path: Path) -> None:
    here = at(room)
    address = str(tmp_path / "registry")
    tuned = shipped_in_run(run, "", None, here)
    add_adapter(open_registry(address, here), "tickets", tuned, here)
    found = find_shipped("tickets@1", ServeRequest(targets=(), registry=address), here)
    assert found.reference == "tickets@1" and found.served_as == "tickets" and found.run is None
    assert find_shipped("latest", ServeRequest(targets=(), registry=address), here).run == run
    with pytest.raises(UsageError, match="No run is called"):
        find_shipped("nonsense", ServeRequest(targets=(), registry=address), here)
    with pytest.raises(UsageError, match="under one name"):
        open_service(ServeRequest(targets=("tickets", "tickets@1"), registry=address), here)
    words = vllm_command(ServeRequest(targets=("tickets",), registry=address), here, 8123)
    assert words[:3] == ["vllm", "serve", str(room / "base")] and words[-2:] == ["--max-lora-rank", "16"]
    assert f"tickets={found.adapter}" in words and "127.0.0.1" in words
    assert say_codes(ServeRequest(targets=("tickets",), registry=address), here) == ("tickets",)


def test_without_vllm_the_command_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match="vLLM is not installed") as caught:
        become_vllm(["vllm", "serve", "a b"])
    assert "vllm serve 'a b'" in str(caught.value)


@pytest.mark.parametrize(
    ("more", "kind", "words"),
    [
        ({"precision": "int3"}, UsageError, "not written in this precision"),
        ({"precision": "q4_k_m"}, MissingExtra, "llama-quantize"),
    ],
)
def test_precisions_that_cannot_be_written(
    room: Path, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str],
    kind: type[Exception], words: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    tuned = shipped_in_run(run, "", None, at(room))
    with pytest.raises(kind, match=words):
        export_shipped(tuned, wish(tmp_path, "gguf", **more), at(room))
    assert not (tmp_path / "gguf").exists() and not list(tmp_path.glob(".gguf*"))


def test_a_full_folder_is_not_overwritten(room: Path, run: RunFolder, tmp_path: Path) -> None:
    tuned = shipped_in_run(run, "", None, at(room))
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="not empty"):
        export_shipped(tuned, wish(tmp_path, "adapter"), at(room))
    assert (tmp_path / "adapter" / "mine.txt").read_text() == "precious"
    export_shipped(tuned, wish(tmp_path, "adapter", force=True), at(room))
    assert not (tmp_path / "adapter" / "mine.txt").exists()


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_stop(room: Path, run: RunFolder) -> None:
    """`harness serve` as a process: address on stderr, answers, metrics, SIGTERM, exit 0."""
    import os
    import re
    import signal
    import subprocess
    import sys

    command = [sys.executable, "-c", "from harness.cli import main; main()", "serve", run.run_id]
    command += ["--port", "0", "--runs", str(room / "runs"), "--offline", "--threads", "1"]
    environ = {**os.environ, "TOR_SERVE_API_KEY": "secret"}
    served = subprocess.Popen(
        command, cwd=Path(__file__).parents[3], env=environ, stderr=subprocess.PIPE, text=True
    )
    try:
        assert served.stderr is not None
        url = ""
        for line in served.stderr:
            found = re.search(r"at (http://127\.0\.0\.1:\d+/v1)", line)
            if found:
                url = found.group(1)
                break
        assert url, "it said no address"
        with httpx.Client(trust_env=False, timeout=60, headers={"Authorization": "Bearer secret"}) as client:
            (model,) = client.get(f"{url}/models").json()["data"]
            item = run.items()["dev"][0]
            body = {"model": model["id"], "messages": [{"role": "user", "content": item.text}]}
            answer = client.post(f"{url}/chat/completions", json=body).json()
            assert answer["choices"][0]["message"]["content"] in ("billing", "sign in", "shipping")
            assert "tor_answers_total" in client.get(url.replace("/v1", "/metrics")).text
        assert httpx.get(f"{url}/models", trust_env=False).status_code == 401
        served.send_signal(signal.SIGTERM)
        assert served.wait(timeout=60) == 0
    finally:
        served.kill()
        served.wait()
