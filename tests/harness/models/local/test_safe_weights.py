"""Pickles are never opened, however they lie beside safetensors."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from harness.core.errors import ModelUnavailable
from harness.models.local.safe_weights import refuse_lone_pickles, require_safe_adapter
from tests.support.artefacts import write_adapter


def test_an_adapter_of_safetensors_is_taken(tmp_path: Path) -> None:
    require_safe_adapter(write_adapter(tmp_path / "a"))


@pytest.mark.parametrize("name", ["adapter_model.bin", "optimizer.PT", "sub/x.pkl"])
def test_a_pickle_beside_the_weights_is_refused(tmp_path: Path, name: str) -> None:
    folder = write_adapter(tmp_path / "a")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(pickle.dumps({}))
    with pytest.raises(ModelUnavailable, match="pickle"):
        require_safe_adapter(folder)


def test_weights_under_another_name_would_make_peft_look_for_a_pickle(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(folder / "model.safetensors")
    with pytest.raises(ModelUnavailable) as error:
        require_safe_adapter(folder)
    assert error.value.allowed == "adapter_model.safetensors"


def test_weights_that_are_a_link_are_refused(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(tmp_path / "elsewhere.safetensors")
    (folder / "adapter_model.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(ModelUnavailable):
        require_safe_adapter(folder)


def test_an_encoder_may_have_other_formats_beside_its_safetensors_but_not_alone(tmp_path: Path) -> None:
    write_adapter(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    refuse_lone_pickles(tmp_path)
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense" / "pytorch_model.bin").write_bytes(b"would be read")
    with pytest.raises(ModelUnavailable, match="pickle"):
        refuse_lone_pickles(tmp_path)
