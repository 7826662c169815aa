"""What this machine can run: packages, models, keys, space. Keys are named, never shown."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.core.environment import describe_environment
from harness.models import embedded
from harness.models.local.precision import choose_precision
from harness.models.settings import cache_dir

_EXTRAS = (
    ("torch", "local"),
    ("transformers", "local"),
    ("sklearn", "linear"),
    ("bm25s", "retrieve"),
    ("kreuzberg", "documents"),
    ("trl", "train"),
    ("peft", "train"),
    ("bitsandbytes", "train"),
    ("datasets", "train"),
    ("litellm", "api"),
    ("pyarrow", "tables"),
    ("xllamacpp", "serve"),
)
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MISTRAL_API_KEY", "GEMINI_API_KEY")
_LEAST_FREE_GIB = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at; `run` is the command that would mend it."""

    what: str
    ok: bool
    found: str
    run: str = ""


def examine(runs: Path, environ: Mapping[str, str]) -> list[Check]:
    """Look at everything a bake-off may need. Nothing is imported that is heavy, nothing is called."""
    machine = describe_environment(datetime.now(UTC))
    memory = "unknown" if machine.memory_gib is None else f"{machine.memory_gib:g} GiB"
    checks = [
        Check(what="python", ok=True, found=machine.python),
        Check(what="machine", ok=True, found=f"{machine.cores} cores, {memory}, {machine.cpu}"),
        Check(what="number format of local models", ok=True, found=choose_precision("cpu", None)),
        Check(what="gpu", ok=True, found=machine.gpu or "none; tuning runs on the CPU"),
    ]
    checks += [_package(name, extra) for name, extra in _EXTRAS]
    checks += [_model(model.name, cache_dir(environ)) for model in embedded.NEEDED]
    checks += [_key(name, environ) for name in _KEYS]
    checks += [_space(runs), _writable(runs)]
    return checks


def _package(name: str, extra: str) -> Check:
    there = importlib.util.find_spec(name) is not None
    return Check(
        what=f"package {name}",
        ok=there,
        found="installed" if there else "missing",
        run=f"pip install 'tune-or-retrieve[{extra}]'",
    )


def _model(name: str, cache: Path) -> Check:
    folder = embedded.locate(name, cache)
    return Check(
        what=f"model {name}",
        ok=folder is not None,
        found=str(folder) if folder else "not fetched",
        run=f"harness models pull {name}",
    )


def _key(name: str, environ: Mapping[str, str]) -> Check:
    there = bool(environ.get(name))
    found = "set" if there else "not set; its models cannot be called"
    return Check(what=name, ok=there, found=found, run=f"export {name}=...")


def _space(runs: Path) -> Check:
    place = next(folder for folder in (runs, *runs.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free / 2**30
    return Check(
        what="free disk space",
        ok=free >= _LEAST_FREE_GIB,
        found=f"{free:.1f} GiB",
        run=f"free {_LEAST_FREE_GIB:g} GiB or set TOR_RUNS_DIR to another disk",
    )


def _writable(runs: Path) -> Check:
    place = next(folder for folder in (runs, *runs.absolute().parents) if folder.exists())
    return Check(
        what="run folder writable",
        ok=os.access(place, os.W_OK),
        found=str(place),
        run="set TOR_RUNS_DIR to a writable folder",
    )
