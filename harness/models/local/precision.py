"""Which number format a local model computes in, chosen by what the hardware does faster.

Measured with SmolLM2-135M's matrices (4096 x 576 x 1536, 2 cores, torch 2.13 with oneDNN and MKL): with
AMX tiles bf16 reaches 2,522 GFLOP/s against 316 in fp32; with `avx512_bf16` alone it reaches 150
against 240. Therefore bf16 on a CPU only where it has AMX bf16 tiles, and fp32 everywhere else. The
rule looks at the hardware and times nothing, so that two runs on one machine use one format.
Training, whose products are larger, is a question of its own (`trains_in_bf16`).
"""

from __future__ import annotations

from pathlib import Path

from harness.core.environment import CPUINFO, cpu_flags
from harness.core.errors import needs
from harness.models.settings import Precision


def cpu_has_bf16_tiles(flags: frozenset[str]) -> bool:
    """Whether the processor multiplies bf16 matrices in tiles (AMX), the only case where bf16 pays here."""
    return {"amx_bf16", "amx_tile"} <= flags


def trains_in_bf16(device: str, cpuinfo: str | Path = CPUINFO) -> bool:
    """Whether training multiplies in bf16: where the hardware has instructions for it.

    With AVX-512's alone a step of MiniLM takes 0.37 CPU s against 0.59 in fp32 (docs/benchmarks.md).
    """
    if device != "cpu":
        return choose_precision(device, None) == "bf16"
    flags = cpu_flags(cpuinfo)
    return cpu_has_bf16_tiles(flags) or "avx512_bf16" in flags


def choose_precision(device: str, asked: Precision | None, cpuinfo: str | Path = CPUINFO) -> Precision:
    """The format to compute in: what was asked for, else by hardware.

    Raises:
        MissingExtra: if a GPU is named and torch is missing.
    """
    if asked is not None:
        return asked
    if device == "cpu":
        return "bf16" if cpu_has_bf16_tiles(cpu_flags(cpuinfo)) else "fp32"
    with needs("local"):
        import torch
    return "bf16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "fp32"
