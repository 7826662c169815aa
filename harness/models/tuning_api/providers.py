"""The providers that tune: names, addresses, keys, and what is known of how long they go on doing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.core.errors import UsageError
from harness.models.api.destinations import destination, key_for
from harness.models.api.library import no_key, secrets_in
from harness.models.tuning_api.base import TuningApi
from harness.models.tuning_api.fireworks import ACCOUNT, FireworksTuning
from harness.models.tuning_api.http import ProviderCalls
from harness.models.tuning_api.mistral import MistralTuning
from harness.models.tuning_api.openai import OpenaiTuning
from harness.models.tuning_api.together import TogetherTuning

TUNED = "ft:"
"""Stands before a base model's name in that of a tuned one: what its tokens cost is looked up under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningProvider:
    """A provider that tunes.

    Attributes:
        title: as a sentence names it.
        prefix: of its models, as litellm writes it.
        base: its own address.
        keys: variables its key is looked for in.
        outlook: what it says of its tuning; '' where nothing is known that would matter. source: where.
        serving: how a tuned model is called.
    """

    name: str
    title: str
    prefix: str
    base: str
    keys: tuple[str, ...]
    serving: str
    outlook: str = ""
    source: str = ""


PROVIDERS = (
    TuningProvider(
        name="openai",
        title="OpenAI",
        prefix="openai",
        base="https://api.openai.com/v1",
        keys=("OPENAI_API_KEY",),
        serving="by the token, at a price of its own",
        outlook="OpenAI takes no new jobs from accounts that did not tune before, and from none after "
        "2027-01-06; a tuned model ends with its base model",
        source="developers.openai.com/api/docs/deprecations, as of 2026-07",
    ),
    TuningProvider(
        name="mistral",
        title="Mistral",
        prefix="mistral",
        base="https://api.mistral.ai/v1",
        keys=("MISTRAL_API_KEY",),
        serving="by the token",
        outlook="Mistral calls its tuning interface deprecated and no longer supports it",
        source="docs.mistral.ai/resources/deprecated/finetuning/text-vision-finetuning",
    ),
    TuningProvider(
        name="together",
        title="Together",
        prefix="together_ai",
        base="https://api.together.ai/v1",
        keys=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY"),
        serving="on an endpoint of your own there, paid by the minute: start it before the model is asked",
        source="docs.together.ai/docs/fine-tuning/pricing",
    ),
    TuningProvider(
        name="fireworks",
        title="Fireworks",
        prefix="fireworks_ai",
        base="https://api.fireworks.ai/v1",
        keys=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        serving="on a deployment that you start before the model is asked",
        source="docs.fireworks.ai/models/overview",
    ),
)
NAMES = tuple(provider.name for provider in PROVIDERS)


def provider_of(model: str) -> TuningProvider:
    """Who tunes a model, by its `provider/model`.

    Raises:
        UsageError: its provider is none that is known to tune.
    """
    prefix = model.partition("/")[0]
    found = next((one for one in PROVIDERS if one.prefix == prefix), None)
    if found is None:
        raise UsageError(
            "A model behind this API cannot be tuned.",
            got=model,
            allowed="smollm2-135m, a folder with open weights, a hub id, or a base model of "
            + ", ".join(f"{one.prefix}/..." for one in PROVIDERS),
        )
    return found


def named(name: str) -> TuningProvider:
    """A provider by the name a user gives it.

    Raises:
        UsageError: there is none.
    """
    found = next((one for one in PROVIDERS if one.name == name), None)
    if found is None:
        raise UsageError("This provider is not known to tune models.", got=name, allowed=", ".join(NAMES))
    return found


def tuned_name(model: str) -> str:
    """The name of a tuned model in prices and reports: `openai/ft:gpt-4.1-mini-2025-04-14`."""
    prefix, _, base = model.partition("/")
    return f"{prefix}/{TUNED}{base}"


def open_tuning(
    model: str,
    api_base: str | None,
    environ: Mapping[str, str],
    sleep: Callable[[float], None],
    *,
    offline: bool = False,
    retries: int = 4,
) -> TuningApi:
    """The interface of a model's provider; nothing is asked yet.

    Args:
        api_base: an address of one's own in the place of the provider's.

    Raises:
        ModelUnavailable: no key, or offline.
        UsageError: the provider tunes nothing.
    """
    provider = provider_of(model)
    base = (api_base or provider.base).rstrip("/")
    where = destination(provider.prefix, base, offline=offline)
    key = key_for(where, environ) if not where.own else _own_key(provider, environ)
    door = ProviderCalls(
        name=provider.title,
        base=base,
        where=where,
        key=key or "none",
        secrets=secrets_in(environ),
        sleep=sleep,
        retries=retries,
    )
    match provider.name:
        case "openai":
            return OpenaiTuning(door)
        case "mistral":
            return MistralTuning(door)
        case "together":
            return TogetherTuning(door)
        case _:
            return FireworksTuning(door, environ.get(ACCOUNT, ""))


def _own_key(provider: TuningProvider, environ: Mapping[str, str]) -> str:
    """The provider's own key, for its own host alone."""
    key = next((environ[name] for name in provider.keys if environ.get(name)), "")
    if not key:
        raise no_key(provider.title, provider.keys[::-1])
    return key
