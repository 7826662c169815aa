"""What arms need is opened as the command line says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.bakeoff import arm_factory as factory
from harness.bakeoff.arm_factory import model_settings, open_embedder
from harness.models.settings import ModelSettings
from tests.harness.bakeoff.test_run import context, plan, tickets
from tests.support.doubles import WordEmbedder

__all__ = ["tickets"]


@pytest.mark.parametrize("threads", [None, 3])
def test_threads_reach_every_model(
    tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int | None
) -> None:
    opened: list[ModelSettings] = []

    def open_embedding(_: str, settings: ModelSettings) -> WordEmbedder:
        opened.append(settings)
        return WordEmbedder()

    monkeypatch.setattr(factory, "open_embedding", open_embedding)
    told = context(tmp_path, threads=threads)
    chosen = plan(tickets)
    open_embedder(chosen, told)
    settings = [*opened, *(model_settings(told, chosen, arm) for arm in chosen.arms)]
    assert len(settings) == len(chosen.arms) + 1 and {one.threads for one in settings} == {threads}
