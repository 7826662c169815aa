"""The vote of training rows, shipped: exported, checked, served, registered, and refused once changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.bakeoff import arm_factory
from harness.bakeoff.journal import Lane
from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import RunFolder
from harness.core.artefacts import VoteArtefact
from harness.core.errors import ModelUnavailable, StoreError, UsageError
from harness.core.records import Completion, Message
from harness.knowledge.kept_vote import RECORD_FILE, ROWS_FILE, VECTORS_FILE, open_vote
from harness.knowledge.vote import Vote
from harness.models import deciding
from harness.shipping import serving
from harness.shipping.adapters import add_adapter, differences, open_registry, push
from harness.shipping.exporting import ExportRequest, export_shipped
from harness.shipping.parity import check_export
from harness.shipping.serve.wire import CompletionRequest
from harness.shipping.serving import ServeRequest, find_shipped, open_service
from harness.shipping.shipped import ShippedClassifier, shipped_in_run
from tests.harness.bakeoff.test_run import context
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import WordEmbedder


@pytest.fixture(params=["lexical", "fused"])
def run(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A finished run in which one search was the only one to try."""
    monkeypatch.setattr(arm_factory, "open_embedding", lambda *_: WordEmbedder())
    monkeypatch.setattr(serving, "open_embedding", lambda *_: WordEmbedder())
    real = arm_factory.NeighboursArm

    def only(*words: object) -> object:
        arm = real(*words)  # type: ignore[arg-type]
        arm._votes = tuple(vote for vote in arm._votes if vote.mode.value == request.param)
        return arm

    monkeypatch.setattr(arm_factory, "NeighboursArm", only)
    monkeypatch.setattr(
        "harness.knowledge.vote.votes_of",
        lambda modes: tuple(Vote(mode=m, k=4, power=4) for m in modes if m.value == request.param),
    )
    tickets = write_tickets(tmp_path / "tickets.csv", each=30)
    raw = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue"},
        "arms": [{"option": "floor"}, {"option": "neighbours"}],
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    return start_bakeoff(build_plan(raw, "test"), context(tmp_path))[0]


def shipped(run: RunFolder, tmp_path: Path) -> ShippedClassifier:
    found = shipped_in_run(run, "neighbours", None, context(tmp_path))
    assert isinstance(found, ShippedClassifier) and isinstance(found.artefact, VoteArtefact)
    return found


def test_what_is_served_is_what_was_scored(run: RunFolder, tmp_path: Path) -> None:
    """Labels and log-probabilities of every test row, from the run and from its export, which is checked."""
    here, out = context(tmp_path), tmp_path / "out"
    export = export_shipped(shipped(run, tmp_path), ExportRequest(format=None, out=out), here)
    assert export.format == "rows" and {RECORD_FILE, ROWS_FILE, "README.md"} <= set(export.files)
    (parity,) = check_export(out, run, 50, here)
    assert parity.passed and parity.agreement.value == 1.0 and parity.engine == "vote"
    with run.journal(read_only=True) as journal:
        settled = next(one for one in journal.settled() if one.arm.option.value == "neighbours")
        lane = Lane(arm=settled.arm, seed=settled.seed, split="test", config=settled.config)
        items = run.items()["test"]
        scored = journal.outcomes(lane, items)
    for target in (run.run_id, str(out)):
        service = open_service(ServeRequest(targets=(target,), arm="neighbours"), here)
        for item in items:
            asked = CompletionRequest(
                model="neighbours", messages=(Message(role="user", content=item.text),),
                choices=None, wrapped_in="", top=3, stream=False,
            )  # fmt: skip
            reply, _ = service.answer(asked)
            expected = scored[item.id]
            assert isinstance(expected, Completion) and reply.text == expected.text
            assert reply.choice_logprobs == pytest.approx(expected.choice_logprobs, abs=1e-9)
        service.close()


def test_it_says_that_the_rows_are_in_it(run: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = shipped(run, tmp_path)
    export_shipped(found, ExportRequest(format=None, out=out), context(tmp_path))
    train = run.items()["train"]
    stored = json.loads((out / ROWS_FILE).read_text())
    assert stored == [[item.id, item.text, item.label] for item in train]
    assert f"holds the {len(train):,} training rows as they are" in (out / "README.md").read_text()
    registry = open_registry("", context(tmp_path))
    add_adapter(registry, "desk", found, context(tmp_path))
    with pytest.raises(UsageError, match="anybody could read"):
        push(registry, "desk@1", "org/desk", {"HF_TOKEN": "hf_x"}, private=False)


@pytest.mark.parametrize("file", [RECORD_FILE, ROWS_FILE])
def test_a_changed_file_is_refused(run: RunFolder, tmp_path: Path, file: str) -> None:
    path = shipped(run, tmp_path).folder / file
    path.write_text(path.read_text() + " ")
    with pytest.raises(StoreError, match="changed"):
        shipped(run, tmp_path)


def test_a_registry_keeps_it_as_a_version(run: RunFolder, tmp_path: Path) -> None:
    here = context(tmp_path)
    registry, found = open_registry("", here), shipped(run, tmp_path)
    add_adapter(registry, "desk", found, here)
    again = find_shipped("desk@1", ServeRequest(targets=()), here)
    assert isinstance(again, ShippedClassifier) and again.artefact == found.artefact
    assert differences(registry, "desk@1", "desk@1") == {}
    open_service(ServeRequest(targets=("desk",)), here).close()


def test_another_embedding_model_is_refused(run: RunFolder, tmp_path: Path) -> None:
    found = shipped(run, tmp_path)
    if not (found.folder / VECTORS_FILE).exists():
        open_vote(found.folder, None)  # words only: it needs none
        return
    with pytest.raises(ModelUnavailable, match="not the one"):
        open_vote(found.folder, None)


def test_another_search_library_is_refused(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "versions_of", lambda *_: (("bm25s", "0.0.1"),))
    with pytest.raises(UsageError, match="pip install bm25s"):
        open_vote(shipped(run, tmp_path).folder, WordEmbedder())
