"""What `tune` is drafted by the model that a plan names: on this machine, since it is shown the documents."""

from __future__ import annotations

import functools
from pathlib import Path

from advisor.options import Option
from harness.arms.drafted import Drafts, DraftSettings
from harness.bakeoff.addresses import served_identity
from harness.bakeoff.evalset import open_passages
from harness.bakeoff.hosted_tuning import is_hosted
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.records import Evalset
from harness.knowledge.drafting import drawn
from harness.knowledge.run import not_on_this_machine, open_drafter
from harness.models.deciding import file_digest, weights_of
from harness.models.embedded import gguf_of
from harness.models.resolve import Embedded, GgufFile, Provider, local_folder, resolve
from harness.models.settings import ModelSettings, settings_of


def drafts_of(
    arm: ArmPlan, plan: ExperimentPlan, evalset: Evalset, context: Context, places: tuple[Path, ...]
) -> Drafts | None:
    """What writes rows for an arm besides its own; None where nothing does.

    Args:
        places: as `DraftSettings` has them.

    Raises:
        UsageError: the model that drafts is not on this machine, or what it drafts would leave it.
        ModelUnavailable: it is not at hand.
    """
    asked = plan.tune.drafts
    if asked is None or arm.option is not Option.TUNE:
        return None
    if is_hosted(arm):
        raise UsageError(
            "Drafted questions hold what the documents say, so that they teach models on this machine only.",
            got=str(arm.id),
            allowed="a model that is tuned here, or no tune.drafts",
        )
    written_by = ArmPlan(option=Option.PROMPT, model=asked.model, api_base=asked.api_base)
    identity = served_identity(written_by, context.environ)
    if identity is not None and identity.location == "remote":
        raise not_on_this_machine(asked.model)
    there = open_passages(evalset.documents, None, context).passages if asked.passages else ()
    return Drafts(
        DraftSettings(
            model=asked.model,
            revision=_revision(asked.model, settings_of(context)),
            open=functools.partial(open_drafter, asked.model, plan.seed, context, asked.api_base),
            passages=tuple(drawn(there, asked.passages, plan.seed)),
            wordings=asked.wordings,
            never=evalset.never_taught,
            places=places,
        )
    )


def _revision(model: str, opening: ModelSettings) -> str:
    """The digest of a model's weights, read before it is opened; '' of one that is served."""
    match source := resolve(model):
        case Provider():
            return ""
        case GgufFile(path=path):
            return file_digest(path, opening.cache)
        case Embedded(name=name) if (kept := gguf_of(name, opening.cache)) is not None:
            return file_digest(kept, opening.cache)
        case _:
            return "+".join(weights_of(local_folder(source, opening), opening.cache))
