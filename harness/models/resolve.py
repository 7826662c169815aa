"""What a model string means. The rules, in this order; the first that fits decides:

1. `smollm2-135m`, `minilm-l6`, `qwen2.5-coder-1.5b`: an embedded model (`harness models pull` fetches it).
2. `hf:org/name` or `hf:org/name@revision`: a model of the Hugging Face hub.
3. begins with `/`, `./`, `../` or `~`: a folder on this machine, or a GGUF file where it ends in `.gguf`.
4. `provider/model` where the provider is one of `PROVIDERS`: called over the network.
5. the path of an existing folder, or of an existing file that ends in `.gguf`.
6. `org/name`: a model of the Hugging Face hub.

Anything else is refused. Rule 4 comes before 5 and 6 because a string that names a provider must never
change its meaning with what lies on the disk; `hf:openai/gpt-oss-20b` and `./openai/mine` say otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import ModelUnavailable, needs
from harness.models import embedded
from harness.models.settings import ModelSettings

# fmt: off
PROVIDERS = frozenset(
    {
        "ai21", "anthropic", "azure", "azure_ai", "baseten", "bedrock", "cerebras", "clarifai",
        "cloudflare", "codestral", "cohere", "custom_openai", "databricks", "deepinfra", "deepseek",
        "fireworks_ai", "gemini", "github", "groq", "hosted_vllm", "huggingface", "hyperbolic",
        "jina_ai", "lambda_ai", "litellm_proxy", "llamafile", "lm_studio", "mistral", "moonshot", "nebius",
        "novita", "nscale", "nvidia_nim", "ollama", "ollama_chat", "openai", "openrouter", "ovhcloud",
        "perplexity", "replicate", "sagemaker", "sambanova", "text-completion-openai", "together_ai",
        "vertex_ai", "vllm", "voyage", "volcengine", "watsonx", "xai", "xinference", "zai",
    }
)
# fmt: on

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_NAMES = ", ".join(model.name for model in embedded.EMBEDDED)
_FORMS = f"{_NAMES}, a folder, a .gguf file, hf:org/name, org/name or provider/model"
_LOADED = ["*.json", "*.jinja", "*.model", "*.safetensors", "*.txt", "*/config.json", "README.md"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """An embedded model by its name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder on this machine."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFile:
    """A GGUF file on this machine, answered by llama.cpp."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A model of the Hugging Face hub; revision None is its main branch."""

    repo: str
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A model behind an API, named as litellm names it."""

    model: str


ModelSource = Embedded | Folder | GgufFile | HubModel | Provider


def resolve(model: str) -> ModelSource:
    """Decide what a model string means (rules above). Looks at the disk for rule 5 only.

    Raises:
        ModelUnavailable: if no rule fits.
    """
    if embedded.embedded(model) is not None:
        return Embedded(name=model)
    if model.startswith("hf:"):
        repo, _, revision = model[3:].partition("@")
        if _HUB_ID.fullmatch(repo):
            return HubModel(repo=repo, revision=revision or None)
    elif model.startswith(("/", "./", "../", "~")):
        path = Path(model).expanduser()
        return GgufFile(path=path) if path.suffix == ".gguf" else Folder(path=path)
    elif "/" in model and model.split("/", 1)[0] in PROVIDERS:
        return Provider(model=model)
    elif model.endswith(".gguf") and Path(model).is_file():
        return GgufFile(path=Path(model))
    elif model and Path(model).is_dir():
        return Folder(path=Path(model))
    elif _HUB_ID.fullmatch(model):
        return HubModel(repo=model)
    raise ModelUnavailable("This does not name a model.", got=model or "''", allowed=_FORMS)


def local_folder(source: Embedded | Folder | GgufFile | HubModel, settings: ModelSettings) -> Path:
    """The folder with the weights; a hub model is downloaded unless `settings.offline`.

    Raises:
        ModelUnavailable: it is a GGUF file, the folder does not exist, the embedded model was not pulled, or
            the hub does not give the model.
        MissingExtra: huggingface_hub is missing.
    """
    match source:
        case Embedded(name=name):
            found = embedded.locate(name, settings.cache)
            if found is None:
                raise embedded.not_pulled(name, settings.cache)
            kept = embedded.gguf_of(name, settings.cache)
            if kept is not None:
                raise _for_llama_cpp(kept)
            return found
        case Folder(path=path):
            if not (path / "config.json").is_file():
                raise ModelUnavailable(
                    "There is no model in this folder.", got=str(path), allowed="a folder with config.json"
                )
            return path
        case GgufFile(path=path):
            raise _for_llama_cpp(path)
        case HubModel(repo=repo, revision=revision):
            return _from_hub(repo, revision, settings.offline)


def _for_llama_cpp(path: Path) -> ModelUnavailable:
    return ModelUnavailable(
        "A GGUF file is answered by llama.cpp and cannot be trained or embed texts.",
        got=str(path),
        allowed="a folder with config.json, smollm2-135m or a hub id",
    )


def _from_hub(repo: str, revision: str | None, offline: bool) -> Path:
    with needs("local"):
        from httpx import HTTPError
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    try:
        path = snapshot_download(repo, revision=revision, allow_patterns=_LOADED, local_files_only=offline)
        return Path(path)
    except LocalEntryNotFoundError as error:
        what = "was not downloaded before, and --offline is set" if offline else "cannot be reached"
        raise ModelUnavailable(
            f"The hub model {repo} {what}.",
            got=repo,
            allowed="a reachable hub, a folder with the model, or an embedded model",
        ) from error
    except (HfHubHTTPError, HTTPError, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable(
            f"The hub does not give the model {repo}.",
            got=first,
            allowed="an existing model; a gated one needs its licence accepted and HF_TOKEN set",
        ) from error
