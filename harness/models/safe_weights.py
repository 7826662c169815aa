"""Weights are safetensors or they are not opened: loading a pickle runs whatever code is in it."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ModelUnavailable

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"})


def require_safetensors(folder: Path) -> None:
    """Refuse a folder without safetensors.

    Raises:
        ModelUnavailable: naming a pickle that lies there instead, if one does.
    """
    if any(folder.glob("*.safetensors")):
        return
    refuse_pickles(folder)
    raise ModelUnavailable("There are no weights in this folder.", got=str(folder), allowed="*.safetensors")


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder with a pickle in it, whatever else there is.

    Raises:
        ModelUnavailable: naming the file.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICKLES)
    if found:
        raise ModelUnavailable(
            "Weights in a pickle are not opened: loading one runs the code in it.",
            got=str(found[0]),
            allowed="*.safetensors",
        )
