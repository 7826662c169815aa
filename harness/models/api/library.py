"""litellm, imported late and made quiet: no download, no callbacks, no prints, no logs, no cache.

Two variables of the process environment are written here, the only ones in the package, because litellm
reads nothing else: `LITELLM_LOCAL_MODEL_COST_MAP` (without it the import fetches a price list from the
network) and, for an endpoint on this machine while a proxy is configured, `NO_PROXY` (without it the
call would leave the machine).
"""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from harness.core.errors import MissingExtra, ModelUnavailable, needs
from harness.core.records import Message
from harness.models.api.destinations import OTHER_CREDENTIALS, Destination

# Where litellm goes when nothing says otherwise (litellm 1.106, get_llm_provider and llms/ollama).
_LOCAL_DEFAULTS = {
    "ollama": "http://localhost:11434",
    "ollama_chat": "http://localhost:11434",
    "llamafile": "http://127.0.0.1:8080/v1",
}
_BASE_VARIABLES = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "text-completion-openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    "ollama_chat": ("OLLAMA_API_BASE",),
    "huggingface": ("HUGGINGFACE_API_BASE", "HF_API_BASE"),
}
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")


def load_litellm() -> Any:
    """Import litellm (2 to 4 s) and silence it; later calls are instant.

    Raises:
        MissingExtra: litellm is not installed.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    with needs("api"):
        import litellm
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    from harness.models.api.transport import watch_transports

    watch_transports(AsyncHTTPHandler)
    litellm.suppress_debug_info = True  # else it prints to stdout on every error
    litellm.turn_off_message_logging = True
    litellm.telemetry = False
    litellm.cache = None
    litellm.callbacks = []
    for name in ("input_callback", "success_callback", "failure_callback", "service_callback"):
        setattr(litellm, name, [])
    litellm.disable_hf_tokenizer_download = True  # count_tokens must not go to a hub
    # What Python says when a call is cancelled while litellm prepares it in a worker thread.
    warnings.filterwarnings("ignore", message=r"coroutine '.*completion' was never awaited")
    warnings.filterwarnings("ignore", message=r"Pydantic serializer warnings")  # they quote answers
    warnings.filterwarnings("ignore", message=r"Items? .* on TypedDict class")  # of litellm's own types
    for logger in _LOGGERS:
        logging.getLogger(logger).disabled = True
    for logger in ("httpx", "openai"):  # at INFO these log addresses, which carry the key for some providers
        logging.getLogger(logger).setLevel(logging.WARNING)
    return litellm


def require_aiohttp() -> None:
    """Check that an endpoint can be called directly.

    Raises:
        MissingExtra: aiohttp is not installed.
    """
    if importlib.util.find_spec("aiohttp") is None:
        raise MissingExtra.of("aiohttp", "api")


def endpoint(provider: str, api_base: str | None, environ: Mapping[str, str]) -> str | None:
    """The address a model is called at, as far as it is not the provider's own; None for that one."""
    if api_base:
        return api_base
    names = _BASE_VARIABLES.get(provider, (f"{provider.upper()}_API_BASE",))
    found = next((environ[name] for name in names if environ.get(name)), None)
    return found or _LOCAL_DEFAULTS.get(provider)


def keep_off_proxies(address: str) -> None:
    """Let calls to a loopback address past any proxy set in the environment."""
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    for name in ("NO_PROXY", "no_proxy"):
        listed = [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]
        if host not in listed and "*" not in listed:
            os.environ[name] = ",".join([*listed, host])


def key_variable(provider: str, own_endpoint: bool) -> str:
    """The environment variable a key is looked for in."""
    return "TOR_API_KEY" if own_endpoint else f"{provider.upper()}_API_KEY"


def require_key(litellm: Any, model: str, provider: str) -> None:
    """Check that the provider's key is set, before any call.

    Raises:
        ModelUnavailable: it is not.
    """
    if provider in OTHER_CREDENTIALS:
        return
    found: dict[str, Any] = litellm.validate_environment(model)
    missing = [str(name) for name in found["missing_keys"] if not str(name).endswith("_API_BASE")]
    if missing and not found["keys_in_environment"]:
        raise no_key(model, missing)


def no_key(whose: str, names: Sequence[str]) -> ModelUnavailable:
    """That none of these variables holds the key of a model or a provider."""
    return ModelUnavailable(
        f"There is no key for {whose} in the environment.",
        got=f"{' or '.join(names)} not set",
        allowed="a key of the provider, in the environment or in a .env file",
        run=f"export {names[-1]}=...",
    )


def own_key(where: Destination, environ: Mapping[str, str]) -> str | None:
    """The provider's own key, for its own address alone.

    Raises:
        ModelUnavailable: it is not set.
    """
    if not where.own:
        return None
    name = key_variable(where.provider, own_endpoint=False)
    if not environ.get(name):
        raise no_key(where.provider, [name])
    return environ[name]


def estimated_tokens(model: str, messages: Sequence[Message]) -> int:
    """Tokens by litellm's local tokenizer for a model, often that of another model; no network."""
    sent = [{"role": message.role, "content": message.content} for message in messages]
    return int(load_litellm().token_counter(model=model, messages=sent))


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the environment that must never be printed."""
    marks = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
    return tuple(v for n, v in environ.items() if len(v) >= 6 and any(mark in n.upper() for mark in marks))
