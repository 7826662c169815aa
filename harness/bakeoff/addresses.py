"""Every address of a plan: which arms are served and where, checked before anything is called or loaded."""

from __future__ import annotations

from collections.abc import Mapping

from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.core.context import Context
from harness.core.errors import MissingExtra, ModelUnavailable
from harness.core.records import ModelIdentity
from harness.models.api.destinations import OWN_HOSTS, destination, is_loopback, key_for
from harness.models.api.library import endpoint, key_variable, load_litellm, require_key
from harness.models.resolve import HubModel, ModelSource, Provider, local_folder, resolve
from harness.models.settings import ModelSettings


def check_addresses(plan: ExperimentPlan, context: Context) -> None:
    """Refuse a plan that would send something where it does not belong, or leave this machine offline.

    The embedding model is none of them: it runs here or not at all, see `open_embedder`.

    Raises:
        ModelUnavailable: for the first arm whose address is none, leaves this machine while offline, or
            would get a key it must not have; or whose hub model is not here while offline.
        MissingExtra: a hub model needs a package that is not installed.
    """
    for arm in plan.arms:
        source = _source(arm.model)
        if isinstance(source, Provider):
            provider = arm.model.partition("/")[0]
            base = endpoint(provider, arm.api_base or None, context.environ)
            key_for(destination(provider, base, offline=context.offline), context.environ)
        elif isinstance(source, HubModel) and context.offline:
            local_folder(source, ModelSettings(cache=context.cache, offline=True))


def served_identity(arm: ArmPlan, environ: Mapping[str, str]) -> ModelIdentity | None:
    """The served model of an arm as it will be opened; None where a model runs in this process, or none."""
    if not isinstance(_source(arm.model), Provider):
        return None
    here = is_loopback(endpoint(arm.model.partition("/")[0], arm.api_base or None, environ))
    return ModelIdentity(id=arm.model, location="loopback" if here else "remote")


def address_of(arm: ArmPlan, environ: Mapping[str, str]) -> str:
    """Where an arm's calls go; '' where none leaves this process.

    Raises:
        ModelUnavailable: if it is no address, or has a key in it, which is not repeated.
    """
    if not isinstance(_source(arm.model), Provider):
        return ""
    provider = arm.model.partition("/")[0]
    base = endpoint(provider, arm.api_base or None, environ)
    if base is None:
        return OWN_HOSTS.get(provider, ("an address that is not known",))[0]
    destination(provider, base, offline=False)
    return base


def missing_key(arm: ArmPlan, environ: Mapping[str, str]) -> str:
    """The variable of the key that an arm needs and that is not set; '' where nothing is missing.

    Whether an address of one's own takes a key is not known before it is called: nothing is missing there.
    """
    if not isinstance(_source(arm.model), Provider):
        return ""
    provider = arm.model.partition("/")[0]
    try:
        where = destination(provider, endpoint(provider, arm.api_base or None, environ), offline=False)
        if where.own and key_for(where, environ) is None:
            require_key(load_litellm(), arm.model, provider)
    except ModelUnavailable as error:
        return (error.run or "").removeprefix("export ").removesuffix("=...")
    except MissingExtra:  # which knows every name that a key may have
        name = key_variable(provider, own_endpoint=False)
        return "" if environ.get(name) else name
    return ""


def _source(model: str) -> ModelSource | None:
    """What a model string means; None where it means nothing, which is told when the model is opened."""
    try:
        return resolve(model)
    except ModelUnavailable:
        return None
