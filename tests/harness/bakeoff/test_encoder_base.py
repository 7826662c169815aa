"""The encoder a plan names: what is there, what was never downloaded, and what cannot be tuned here."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.bakeoff.arm_factory import encoder_base
from harness.core.errors import ModelUnavailable, UsageError
from harness.models.settings import ModelSettings
from tests.support.tiny_encoder import tiny_base


def test_without_a_network_an_encoder_that_was_not_downloaded_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    offline = ModelSettings(cache=tmp_path, offline=True)
    with pytest.raises(ModelUnavailable, match="--offline") as error:
        encoder_base("hf:acme/never-downloaded", offline)
    assert "an embedded model" in str(error.value.allowed)
    with pytest.raises(ModelUnavailable, match="cache") as error:
        encoder_base("minilm-l6", offline)
    assert error.value.run == "harness models pull minilm-l6"
    assert encoder_base(str(tiny_base()), offline) == tiny_base()


def test_a_model_behind_an_api_is_no_encoder_here(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be tuned here") as error:
        encoder_base("openai/gpt-6-luna", ModelSettings(cache=tmp_path))
    assert "minilm-l6" in str(error.value.allowed)
