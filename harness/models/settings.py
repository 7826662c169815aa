"""How a model is opened: one frozen record, filled by the command line or a test.

The environment is an argument (`cache_dir(environ)`), so nothing here reads it behind the caller's back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.context import Context
from harness.models.api.shared import SharedCalls

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Everything that decides how a model is loaded or called, beside its name.

    Attributes:
        cache: folder of the embedded models, see `cache_dir`.
        offline: never ask a hub or a provider on the network.
        api_base: address of an OpenAI-compatible endpoint; None leaves the provider's own.
        precision: 'fp32', 'bf16', or None to choose by hardware (`harness.models.local.precision`).
        device: 'cpu' or a torch device such as 'cuda'.
        threads: CPU threads of torch; None leaves torch's own choice, and takes one for embedding.
        seed: passed to providers that take one; exact scoring draws no random numbers.
        max_context: most tokens of prompt and answer together; None takes the model's own limit.
        adapter: folder of a PEFT adapter merged into the weights on loading.
        concurrency: most calls in flight to a provider.
        timeout_s: seconds one call to a provider may take.
        max_retries: further attempts after a failed call.
        rpm, tpm: calls and tokens a minute at most; None is no such limit.
        effort: how hard a provider's reasoning model is asked to think, such as 'low'; '' as it has it.
        batches: folder in which batches are written down that were handed in to a provider; None asks it
            question by question.
        shared: the loop and the limits that it shares with other served models; None has its own.
    """

    cache: Path
    offline: bool = False
    api_base: str | None = None
    precision: Precision | None = None
    device: str = "cpu"
    threads: int | None = None
    seed: int = 17
    max_context: int | None = None
    adapter: Path | None = None
    concurrency: int = 8
    timeout_s: float = 60.0
    max_retries: int = 4
    rpm: float | None = None
    tpm: float | None = None
    effort: str = ""
    batches: Path | None = None
    shared: SharedCalls | None = None


def settings_of(context: Context) -> ModelSettings:
    """How any model is opened in a command."""
    return ModelSettings(
        cache=context.cache,
        offline=context.offline,
        threads=context.threads,
        concurrency=context.concurrency,
        timeout_s=context.timeout_s,
        max_retries=context.max_retries,
        rpm=context.rpm,
        tpm=context.tpm,
    )


def cache_dir(environ: Mapping[str, str]) -> Path:
    """The cache folder: `TOR_CACHE_DIR`, else `XDG_CACHE_HOME/tune-or-retrieve`, else under `~/.cache`.

    The folder need not exist.
    """
    own = environ.get("TOR_CACHE_DIR", "")
    if own:
        return Path(own).expanduser()
    shared = environ.get("XDG_CACHE_HOME", "")
    base = Path(shared).expanduser() if shared else Path.home() / ".cache"
    return base / "tune-or-retrieve"


def wheel_dir(environ: Mapping[str, str]) -> Path | None:
    """The folder of wheels fetched beforehand, `TOR_WHEEL_DIR`, or None."""
    own = environ.get("TOR_WHEEL_DIR", "")
    return Path(own).expanduser() if own else None
