"""Weights are safetensors or they are not opened: loading a pickle runs whatever code is in it."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import ModelUnavailable

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"})
_ADAPTER = "adapter_model.safetensors"


def require_safetensors(folder: Path) -> None:
    """Refuse a folder without safetensors.

    Raises:
        ModelUnavailable: naming a pickle that lies there instead, if one does.
    """
    if any(folder.glob("*.safetensors")):
        return
    refuse_pickles(folder)
    raise ModelUnavailable("There are no weights in this folder.", got=str(folder), allowed="*.safetensors")


def require_safe_adapter(folder: Path) -> None:
    """Refuse an adapter whose weights would come out of a pickle: PEFT takes one where it finds no other.

    Raises:
        ModelUnavailable: if `adapter_model.safetensors` is missing or a link, or a pickle lies there.
    """
    refuse_pickles(folder)
    require_safetensors(folder)
    weights = folder / _ADAPTER
    if not weights.is_file() or weights.is_symlink():
        raise ModelUnavailable(
            "The adapter's weights are not where they are read.", got=str(folder), allowed=_ADAPTER
        )


def refuse_lone_pickles(folder: Path) -> None:
    """Refuse a model of several folders in which one has its weights in a pickle and not in safetensors.

    Raises:
        ModelUnavailable: naming the file.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES and not any(path.parent.glob("*.safetensors")):
            raise _is_pickle(path)


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder with a pickle in it, whatever else there is.

    Raises:
        ModelUnavailable: naming the file.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICKLES)
    if found:
        raise _is_pickle(found[0])


def _is_pickle(path: Path) -> ModelUnavailable:
    return ModelUnavailable(
        "Weights in a pickle are not opened: loading one runs the code in it.",
        got=str(path),
        allowed="*.safetensors; `safetensors` has a converter for weights you trust",
    )
