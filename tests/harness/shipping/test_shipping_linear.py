"""The linear arm of a run, shipped: exported, checked, served, registered, and refused once changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.arms import linear
from harness.arms.linear import RECORD_FILE
from harness.bakeoff import arm_factory
from harness.bakeoff.journal import Lane
from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import StoreError, UsageError
from harness.core.records import Completion, Item, Message, Outcome
from harness.shipping import serving
from harness.shipping.adapters import add_adapter, differences, open_registry
from harness.shipping.exporting import ExportRequest, export_shipped, read_export
from harness.shipping.parity import check_export
from harness.shipping.serve.wire import BadRequest, CompletionRequest
from harness.shipping.serving import ServeRequest, find_shipped, open_service
from harness.shipping.shipped import ShippedClassifier, shipped_in_run
from tests.harness.bakeoff.test_run import context
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import WordEmbedder

ARMS = [{"option": "floor"}, {"option": "linear"}]


@pytest.fixture(params=["tfidf", "embedding"])
def run(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A finished run in which the one kind of classifier, or the other, was the only one to try."""
    monkeypatch.setattr(arm_factory, "open_embedding", lambda *_: WordEmbedder())
    monkeypatch.setattr(serving, "open_embedding", lambda *_: WordEmbedder())
    left_out = ("EMBEDDING", "BOTH") if request.param == "tfidf" else ("TFIDF", "BOTH")
    for name in left_out:
        monkeypatch.setattr(linear, name, ())
    tickets = write_tickets(tmp_path / "tickets.csv", each=30)
    raw = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue"},
        "arms": ARMS,
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    return start_bakeoff(build_plan(raw, "test"), context(tmp_path))[0]


def answers(run: RunFolder) -> tuple[tuple[Item, ...], Mapping[str, Outcome]]:
    """The test rows, and what the run's journal holds of the linear arm's answers."""
    with run.journal(read_only=True) as journal:
        settled = next(one for one in journal.settled() if one.arm.option.value == "linear")
        lane = Lane(arm=settled.arm, seed=settled.seed, split="test", config=settled.config)
        return run.items()["test"], journal.outcomes(lane, run.items()["test"])


def asked(text: str, **more) -> CompletionRequest:
    said = (Message(role="system", content="Be brief."), Message(role="user", content=text))
    base = {"model": "linear", "messages": said, "choices": None, "wrapped_in": "", "top": 3, "stream": False}
    return CompletionRequest(**base | more)


def test_what_is_served_is_what_was_scored(run: RunFolder, tmp_path: Path) -> None:
    """Labels and log-probabilities of every test row, from the run and from its export."""
    here = context(tmp_path)
    out = tmp_path / "out"
    export = export_shipped(
        shipped_in_run(run, "linear", None, here), ExportRequest(format=None, out=out), here
    )
    assert export.format == "safetensors" and {"classifier.safetensors", "linear.json", "README.md"} <= set(
        export.files
    )
    items, scored = answers(run)
    for target in (run.run_id, str(out)):
        service = open_service(ServeRequest(targets=(target,), arm="linear"), here)
        for item in items:
            reply, _ = service.answer(asked(item.text))
            expected = scored[item.id]
            assert isinstance(expected, Completion)
            assert reply.text == expected.text
            assert reply.choice_logprobs == pytest.approx(expected.choice_logprobs)
        service.close()


def test_the_export_is_checked_against_the_run(run: RunFolder, tmp_path: Path) -> None:
    here, out = context(tmp_path), tmp_path / "out"
    export_shipped(shipped_in_run(run, "", None, here), ExportRequest(format=None, out=out), here)
    (parity,) = check_export(out, run, 50, here)
    assert parity.passed and parity.agreement.value == 1.0 and parity.engine == "linear"


def test_choices_are_a_part_of_its_labels(run: RunFolder, tmp_path: Path) -> None:
    service = open_service(ServeRequest(targets=(run.run_id,), arm="linear"), context(tmp_path))
    reply, choices = service.answer(asked("parcel", choices=("billing", "shipping")))
    assert choices == ("billing", "shipping") and reply.choice_logprobs is not None
    assert sum(2.718281828459045**value for value in reply.choice_logprobs) == pytest.approx(1)
    with pytest.raises(BadRequest, match="none of the labels"):
        service.answer(asked("parcel", choices=("billing", "weather")))


def test_a_changed_file_is_refused(run: RunFolder, tmp_path: Path) -> None:
    here, out = context(tmp_path), tmp_path / "out"
    shipped = shipped_in_run(run, "linear", None, here)
    assert isinstance(shipped, ShippedClassifier)
    export_shipped(shipped, ExportRequest(format=None, out=out), here)
    for folder in (shipped.folder, out):
        record = folder / RECORD_FILE
        record.write_text(record.read_text() + " ")
    with pytest.raises(StoreError, match="changed"):
        shipped_in_run(run, "linear", None, here)
    with pytest.raises(StoreError, match="changed"):
        read_export(out)


def test_a_registry_keeps_it_as_a_version(run: RunFolder, tmp_path: Path) -> None:
    here = context(tmp_path)
    registry = open_registry("", here)
    shipped = shipped_in_run(run, "linear", None, here)
    version = add_adapter(registry, "desk", shipped, here)
    assert set(version.files) == {"classifier.safetensors", "linear.json"}
    found = find_shipped("desk@1", ServeRequest(targets=()), here)
    assert isinstance(found, ShippedClassifier) and found.artefact == shipped.artefact
    assert differences(registry, "desk@1", "desk@1") == {}
    open_service(ServeRequest(targets=("desk",)), here).close()


@pytest.mark.parametrize("form", ["merged", "gguf"])
def test_it_has_one_format(run: RunFolder, tmp_path: Path, form) -> None:
    here = context(tmp_path)
    with pytest.raises(UsageError, match="safetensors"):
        export_shipped(
            shipped_in_run(run, "linear", None, here), ExportRequest(format=form, out=tmp_path / "o"), here
        )
