"""A run with a tuned arm that was never trained: scripted answers, an adapter of a few numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.bakeoff import arm_factory as factory
from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import RunFolder
from harness.core.records import Artefact, Conversation
from harness.shipping import shipped as tuned
from tests.harness.bakeoff.test_run import context
from tests.support.artefacts import artefact, write_adapter
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.doubles import ScriptedChat, ScriptedTuner, WordEmbedder


@dataclasses.dataclass
class FolderTuner(ScriptedTuner):
    """A scripted tuner that leaves an adapter folder behind."""

    root: Path = Path()

    def tune(
        self, train: Sequence[Conversation], dev: Sequence[Conversation], say: Callable[[str], None]
    ) -> Artefact:
        found = super().tune(train, dev, say)
        folder = write_adapter(self.root / "artefacts" / "x", float(len(train)))
        return dataclasses.replace(
            artefact(folder), data_digest=found.data_digest, recipe=found.recipe, base_digest="1"
        )


def scripted_run(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> RunFolder:
    """A finished bake-off of `floor` and `tune@smollm2-135m` on scripted models, in `folder/runs`."""

    def build_tuner(
        plan: Any, arm: Any, seed: int, evalset: Any, run: RunFolder, opening: Any
    ) -> FolderTuner:
        return FolderTuner(seed=seed, root=run.root)

    monkeypatch.setattr(factory, "open_chat", lambda *_: ScriptedChat(name="m"))
    monkeypatch.setattr(factory, "open_embedding", lambda *_: WordEmbedder())
    monkeypatch.setattr(factory, "build_tuner", build_tuner)
    monkeypatch.setattr(tuned, "weights_digest", lambda base, cache: "1")
    monkeypatch.setattr(tuned, "local_folder", lambda source, settings: folder / "base")
    folder.mkdir(parents=True, exist_ok=True)
    tickets = write_tickets(folder / "tickets.csv", each=30)
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue"},
        "arms": [{"option": "floor"}, {"option": "tune", "model": "smollm2-135m"}],
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    run, _ = start_bakeoff(build_plan(raw | changes, "test"), context(folder))
    return run
