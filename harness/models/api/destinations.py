"""Where the calls of a served model may go, and which key goes along.

A provider's key goes to that provider's own hosts and nowhere else. An address of one's own, in a plan, a
flag or the environment, gets `TOR_API_KEY_<HOST>` (dots and dashes as underscores), else `TOR_API_KEY`, else
no key. A key never travels in clear text, but for this machine.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from harness.core.errors import ModelUnavailable

# A star is one label of the name: `*.openai.azure.com` is a customer's resource, `a.b.openai.azure.com` none.
# fmt: off
_OPENAI = ("api.openai.com", "*.api.openai.com")
_AZURE = (
    "*.openai.azure.com", "*.cognitiveservices.azure.com", "*.services.ai.azure.com",
    "*.inference.ai.azure.com", "*.models.ai.azure.com",
)
_VERTEX = ("aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com")
OWN_HOSTS: Mapping[str, tuple[str, ...]] = {
    "ai21": ("api.ai21.com",),
    "anthropic": ("api.anthropic.com",),
    "azure": _AZURE,
    "azure_ai": _AZURE,
    "baseten": ("inference.baseten.co", "*.api.baseten.co"),
    "bedrock": ("bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com"),
    "cerebras": ("api.cerebras.ai",),
    "clarifai": ("api.clarifai.com",),
    "cloudflare": ("api.cloudflare.com",),
    "codestral": ("codestral.mistral.ai", "api.mistral.ai"),
    "cohere": ("api.cohere.com", "api.cohere.ai"),
    "databricks": ("*.cloud.databricks.com", "*.gcp.databricks.com", "*.*.azuredatabricks.net"),
    "deepinfra": ("api.deepinfra.com",),
    "deepseek": ("api.deepseek.com",),
    "fireworks_ai": ("api.fireworks.ai",),
    "gemini": ("generativelanguage.googleapis.com",),
    "github": ("models.inference.ai.azure.com", "models.github.ai"),
    "groq": ("api.groq.com",),
    "huggingface": ("router.huggingface.co", "api-inference.huggingface.co", "huggingface.co"),
    "hyperbolic": ("api.hyperbolic.xyz",),
    "jina_ai": ("api.jina.ai",),
    "lambda_ai": ("api.lambda.ai",),
    "mistral": ("api.mistral.ai",),
    "moonshot": ("api.moonshot.ai", "api.moonshot.cn"),
    "nebius": ("api.studio.nebius.ai", "api.studio.nebius.com", "api.tokenfactory.nebius.com"),
    "novita": ("api.novita.ai",),
    "nscale": ("inference.api.nscale.com",),
    "nvidia_nim": ("integrate.api.nvidia.com",),
    "openai": _OPENAI,
    "openrouter": ("openrouter.ai",),
    "ovhcloud": ("oai.endpoints.kepler.ai.cloud.ovh.net", "*.endpoints.kepler.ai.cloud.ovh.net"),
    "perplexity": ("api.perplexity.ai",),
    "replicate": ("api.replicate.com",),
    "sagemaker": ("runtime.sagemaker.*.amazonaws.com",),
    "sambanova": ("api.sambanova.ai",),
    "text-completion-openai": _OPENAI,
    "together_ai": ("api.together.ai", "api.together.xyz"),
    "vertex_ai": _VERTEX,
    "volcengine": ("ark.*.volces.com",),
    "voyage": ("api.voyageai.com",),
    "watsonx": ("*.ml.cloud.ibm.com", "iam.cloud.ibm.com"),
    "xai": ("api.x.ai", "*.api.x.ai"),
    "zai": ("api.z.ai",),
}
# fmt: on
BATCH_HOSTS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
}
"""Providers whose batch interface is known, and where it is."""
# Providers whose credentials also come from files, profiles or instance roles: they cannot be held back
# by sending another key, so these are called at their own hosts only.
OTHER_CREDENTIALS = frozenset(
    {"azure", "azure_ai", "bedrock", "databricks", "sagemaker", "vertex_ai", "watsonx"}
)
_SECRET = re.compile(r"key|token|secret|pass|auth|sig|^code$|credential", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where one model is called.

    Attributes:
        base: its address, None for the provider's own.
    """

    provider: str
    base: str | None

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.base)

    @property
    def own(self) -> bool:
        """Whether it is the provider's own: by default, or by an address that is one of its hosts."""
        return self.base is None or (
            urlsplit(self.base).scheme == "https" and owns_host(self.provider, _host(self.base))
        )

    def allows(self, url: str) -> bool:
        """Whether a request may go to this URL: same host and port, and no less safe than the base."""
        try:
            asked = urlsplit(url)
            if self.base is None:
                return asked.scheme == "https" and owns_host(self.provider, asked.hostname or "")
            base = urlsplit(self.base)
            same = (asked.scheme, _port(asked)) == (base.scheme, _port(base))
            safer = (base.scheme, asked.scheme, _port(asked)) == ("http", "https", 443)
        except ValueError:
            return False
        return asked.hostname == base.hostname and (same or safer)


def destination(provider: str, base: str | None, *, offline: bool) -> Destination:
    """Where a provider's model is called.

    Args:
        base: an address, None for the provider's own.
        offline: refuse what is not on this machine.

    Raises:
        ModelUnavailable: the address is none, leaves this machine while offline, or would be given
            credentials that belong elsewhere.
    """
    if base is not None:
        _check_address(base)
    elif provider not in OWN_HOSTS:
        raise ModelUnavailable(
            f"{provider} is no service with an address of its own.",
            allowed="the address of your endpoint",
            run="--api-base http://127.0.0.1:8000/v1",
        )
    found = Destination(provider=provider, base=base)
    if offline and not found.loopback:
        raise ModelUnavailable(
            f"{provider} is called over the network, and --offline is set.",
            got=base or provider,
            allowed="an endpoint on this machine, or a local model",
        )
    if provider in OTHER_CREDENTIALS and not found.own:
        raise ModelUnavailable(
            f"The credentials of {provider} are sent to its own hosts only.",
            got=base,
            allowed=f"{', '.join(OWN_HOSTS[provider])}, or openai/NAME for an endpoint of your own",
        )
    return found


def key_for(where: Destination, environ: Mapping[str, str]) -> str | None:
    """The key to send; None leaves it to litellm, which takes the provider's own from the environment.

    A word stands in place of a key where there is none, since litellm refuses to call without any, or
    takes the provider's.

    Raises:
        ModelUnavailable: the key would travel in clear text.
    """
    if where.base is None:
        return None
    key = environ.get(host_variable(where.base)) or environ.get("TOR_API_KEY")
    if not key:
        return None if where.own else "none"
    if urlsplit(where.base).scheme != "https" and not where.loopback:
        raise ModelUnavailable(
            "The key would travel in clear text.",
            got=where.base,
            allowed="an https:// address, an address of this machine, or no key",
            run="unset TOR_API_KEY   # where the endpoint takes none",
        )
    return key


def host_variable(base: str) -> str:
    """The environment variable of a key for one address alone."""
    return "TOR_API_KEY_" + re.sub(r"[^A-Z0-9]", "_", _host(base).upper())


def owns_host(provider: str, host: str) -> bool:
    """Whether a host belongs to a provider."""
    labels = host.lower().rstrip(".").split(".")
    for pattern in OWN_HOSTS.get(provider, ()):
        wanted = pattern.split(".")
        if len(wanted) == len(labels) and all(map(_fits, wanted, labels)):
            return True
    return False


def is_loopback(address: str | None) -> bool:
    """Whether an address names this machine: 127.0.0.0/8, ::1, 0.0.0.0, or localhost."""
    if not address:
        return False
    try:
        host = _host(address if "//" in address else f"//{address}").rstrip(".")
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _check_address(base: str) -> None:
    try:
        parts = urlsplit(base)
        port_known = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_known = SplitResult("", "", "", "", ""), False
    odd = any(character.isspace() or character == "\\" or ord(character) < 32 for character in base)
    if parts.scheme not in _PORTS or not parts.hostname or not port_known or odd:
        raise ModelUnavailable(
            "This is no address of an endpoint.", got=base, allowed="http://HOST:PORT/v1 or https://HOST/v1"
        )
    if parts.username is not None or parts.password is not None:
        raise ModelUnavailable(
            "An address holds no user name or password: plans are stored.",
            got=f"{parts.scheme}://...@{parts.hostname}",
            allowed="the address alone",
            run="export TOR_API_KEY=...",
        )
    named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if _SECRET.search(name)]
    if named:
        raise ModelUnavailable(
            "An address holds no key: plans are stored.",
            got=f"{parts.scheme}://{parts.hostname}/...?{named[0]}=...",
            allowed="the address without it",
            run="export TOR_API_KEY=...",
        )


def _fits(wanted: str, label: str) -> bool:
    return bool(label) and (label.endswith(wanted.lstrip("*")) if wanted.startswith("*") else label == wanted)


def _host(base: str) -> str:
    return urlsplit(base).hostname or ""


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)
