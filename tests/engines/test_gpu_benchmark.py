"""`make bench-gpu` without a GPU: it says so before it opens anything, and reads its flags."""

from __future__ import annotations

import argparse
import sys

import pytest

pytest.importorskip("torch")

from benchmarks import gpu


def test_without_a_gpu_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def opened(options: argparse.Namespace) -> None:
        raise AssertionError("rows and models were opened")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "prepare", opened)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    with pytest.raises(SystemExit, match="no CUDA GPU: nothing is measured") as caught:
        gpu.main()
    assert "--device cpu" in str(caught.value)


def test_a_lane_of_its_own_process_gets_the_same_flags() -> None:
    words = ["--evalset", "b77", "--rows", "12", "--epochs", "0.5", "--device", "cpu"]
    options = gpu._arguments([*words, "--gpu-hour-usd", "2.5", "--queries", "9"])
    assert (options.rows, options.epochs, options.gpu_hour_usd, options.queries) == (12, 0.5, 2.5, 9)
    again = gpu._arguments([*gpu._flags(options), "--lane", "x"])
    for name in ("evalset", "rows", "epochs", "device"):
        assert getattr(again, name) == getattr(options, name)


@pytest.mark.parametrize("words", [["--device", "tpu"], ["--rows", "many"], ["--epochs"]])
def test_flags_that_cannot_be_read(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        gpu._arguments(words)
    assert caught.value.code == 2
