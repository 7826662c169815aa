"""Every address of a plan: which arms are served and where, checked before anything is called or loaded."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from advisor.options import Option
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.core.context import Context
from harness.core.errors import MissingExtra, ModelUnavailable, UsageError
from harness.core.records import ModelIdentity
from harness.models.api.destinations import OWN_HOSTS, destination, is_loopback, key_for
from harness.models.api.library import endpoint, key_variable, load_litellm, own_key, require_key
from harness.models.embedded import locate, not_pulled
from harness.models.resolve import (
    Embedded,
    Folder,
    GgufFile,
    HubModel,
    ModelSource,
    Provider,
    local_folder,
    resolve,
)
from harness.models.settings import ModelSettings
from harness.models.tuning_api.providers import tuned_name
from harness.privacy.residency import region_of

_REGION_IN = {
    "bedrock": ("AWS_REGION", "AWS_REGION_NAME"),
    "sagemaker": ("AWS_REGION", "AWS_REGION_NAME"),
}
"""Variables that name the region of a provider's host, where its own address leaves it open."""


def check_addresses(plan: ExperimentPlan, context: Context) -> None:
    """Refuse a plan that would send something where it does not belong, or leave this machine offline.

    Raises:
        ModelUnavailable: for the first arm whose address is none, leaves this machine while offline, or
            would get a key it must not have; or whose hub model is not here while offline.
        MissingExtra: a hub model needs a package that is not installed.
        UsageError: for arms whose host is not where the plan's data may go.
    """
    from harness.models.api.embedding import place_of  # late: it loads what calls over the network need

    check_residency(plan, context)
    for model, address in served_searches(plan):
        _, where = place_of(model, address, context.environ, offline=context.offline)
        if key_for(where, context.environ) is None:
            own_key(where, context.environ)
    for arm in plan.arms:
        source = _source(arm.model)
        if isinstance(source, Provider):
            provider = arm.model.partition("/")[0]
            base = endpoint(provider, arm.api_base or None, context.environ)
            key_for(destination(provider, base, offline=context.offline), context.environ)
        elif isinstance(source, HubModel) and context.offline:
            local_folder(source, ModelSettings(cache=context.cache, offline=True))


def absent_models(plan: ExperimentPlan, context: Context) -> dict[str, ModelUnavailable]:
    """By arm, why the model that it opens in this process is not there; what a hub can give is not asked for.

    Nothing is loaded. What an arm only finds with is told of in `lacks_embedding`.
    """
    found = {}
    for arm in plan.arms:
        if arm.option.traits.needs_model or arm.option is Option.ENCODER:
            error = _absent(arm.model, context)
            if error is not None:
                found[str(arm.id)] = error
    return found


def lacks_embedding(plan: ExperimentPlan, context: Context) -> ModelUnavailable | None:
    """Why the model that arms find with is not there, so that they search by words only; None where it is."""
    model = plan.retrieve.embedding
    return _absent(model, context) if model and any(embeds(arm) for arm in plan.arms) else None


def check_models(plan: ExperimentPlan, context: Context) -> None:
    """Refuse a plan whose models are not there, before anything is run.

    Raises:
        ModelUnavailable: for the first such arm.
    """
    for error in absent_models(plan, context).values():
        raise error


def _absent(model: str, context: Context) -> ModelUnavailable | None:
    try:
        source = resolve(model)
        settings = ModelSettings(cache=context.cache, offline=True)
        match source:
            case Embedded(name=name) if locate(name, context.cache) is None:
                return not_pulled(name, context.cache)
            case GgufFile(path=path) if not path.is_file():
                return ModelUnavailable("There is no such GGUF file.", got=str(path))
            case Folder():
                local_folder(source, settings)
            case HubModel() if context.offline:
                local_folder(source, settings)
            case _:
                pass
    except ModelUnavailable as error:
        return error
    except MissingExtra:  # is told, with the command, where the model is opened
        return None
    return None


def served_searches(plan: ExperimentPlan) -> tuple[tuple[str, str], ...]:
    """Served models that arms of a plan find with, each with its address: for embedding, then for ranking."""
    return (*_embeds(plan), *_ranks(plan))


def _embeds(plan: ExperimentPlan) -> tuple[tuple[str, str], ...]:
    found = plan.retrieve
    used = any(embeds(arm) for arm in plan.arms) and isinstance(_source(found.embedding), Provider)
    return ((found.embedding, found.embedding_base),) if used else ()


def _ranks(plan: ExperimentPlan) -> tuple[tuple[str, str], ...]:
    found = plan.retrieve
    used = found.rerank and any(arm.option is Option.RETRIEVE for arm in plan.arms)
    return ((found.rerank, found.rerank_base),) if used else ()


def embeds(arm: ArmPlan) -> bool:
    """Whether an arm embeds rows or passages, and what it is asked."""
    return arm.option.traits.searches or arm.option is Option.LINEAR or arm.all_documents


def embedding_identity(plan: ExperimentPlan) -> ModelIdentity | None:
    """The served embedding model of a plan; None where a model runs in this process, or none."""
    return _search_identity(_embeds(plan))


def ranking_identity(plan: ExperimentPlan) -> ModelIdentity | None:
    """The reranker of a plan; None where it has none."""
    return _search_identity(_ranks(plan))


def _search_identity(found: tuple[tuple[str, str], ...]) -> ModelIdentity | None:
    if not found:
        return None
    [(model, base)] = found
    here = is_loopback(endpoint(model.partition("/")[0], base or None, {}))
    return ModelIdentity(id=model, location="loopback" if here else "remote")


def search_hosts(arm: ArmPlan, plan: ExperimentPlan, context: Context) -> tuple[str, ...]:
    """The hosts that texts of an arm leave this machine for to be embedded or ranked; none of one's own."""
    from harness.models.api.embedding import place_of  # late: it loads what calls over the network need

    embedded = _embeds(plan) if embeds(arm) else ()
    asked = (*embedded, *(_ranks(plan) if arm.option is Option.RETRIEVE else ()))
    places = [place_of(model, base, context.environ, offline=False) for model, base in asked]
    hosts = [urlsplit(address).hostname or address for address, where in places if not where.loopback]
    return tuple(host for host in dict.fromkeys(hosts) if host not in context.own_hosts)


def hosts_outside(arm: ArmPlan, plan: ExperimentPlan, context: Context) -> tuple[str, ...]:
    """Every host that an arm's texts leave this machine for."""
    own = host_outside(arm, context)
    return tuple(dict.fromkeys((*([own] if own else []), *search_hosts(arm, plan, context))))


def host_outside(arm: ArmPlan, context: Context) -> str:
    """The host that an arm's texts leave this machine for; '' where they stay, or go to one's own."""
    identity = served_identity(arm, context.environ)
    if identity is None or identity.location != "remote":
        return ""
    address = address_of(arm, context.environ)
    host = urlsplit(address if "//" in address else f"//{address}").hostname or address
    for variable in _REGION_IN.get(arm.model.partition("/")[0], ()):
        if context.environ.get(variable):
            host = host.replace("*", context.environ[variable])
    return "" if host in context.own_hosts else host


def refused(plan: ExperimentPlan, context: Context) -> dict[str, str]:
    """By arm, why its host is not where the plan's data may go; empty where all are."""
    rule = plan.privacy
    if rule is None or rule.residency == "anywhere":
        return {}
    found = {}
    goes = [(arm, host) for arm in plan.arms for host in hosts_outside(arm, plan, context)]
    for arm, host in goes:
        if rule.residency == "self-host-only":
            found[str(arm.id)] = f"{host} is not a machine of your own"
        elif (region := region_of(host)) != rule.region:
            stands = f"{host} stands in the {region}" if region else f"no region is known of {host}"
            found[str(arm.id)] = f"{stands}, and the data may go to the {rule.region} only"
    return found


def check_residency(plan: ExperimentPlan, context: Context) -> None:
    """Refuse arms that would send texts where the plan's data may not go.

    Raises:
        UsageError: naming every such arm with its reason.
    """
    found = refused(plan, context)
    if found:
        assert plan.privacy is not None
        raise UsageError(
            f"{' and '.join(found)} may not be called: residency is {plan.privacy.residency}.",
            got="; ".join(dict.fromkeys(found.values())),
            allowed="a model or an address here, a host in that region, one of your own; the rule is set by "
            "--residency, by privacy.residency in a plan, or by the use case",
            run="--own-host HOST   # where it is a machine of your own",
        )


def is_served(arm: ArmPlan) -> bool:
    """Whether an arm's model is behind an API, a provider's or one's own."""
    return isinstance(_source(arm.model), Provider)


def served_identity(arm: ArmPlan, environ: Mapping[str, str]) -> ModelIdentity | None:
    """The served model of an arm as it will be opened; None where a model runs in this process, or none."""
    if not is_served(arm):
        return None
    here = is_loopback(endpoint(arm.model.partition("/")[0], arm.api_base or None, environ))
    name = tuned_name(arm.model) if arm.option.traits.tuned else arm.model
    decides = (("processing", "batch"),) if arm.batch else ()
    return ModelIdentity(id=name, location="loopback" if here else "remote", decides=decides)


def address_of(arm: ArmPlan, environ: Mapping[str, str]) -> str:
    """Where an arm's calls go; '' where none leaves this process.

    Raises:
        ModelUnavailable: if it is no address, or has a key in it, which is not repeated.
    """
    if not is_served(arm):
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
    if not is_served(arm):
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
