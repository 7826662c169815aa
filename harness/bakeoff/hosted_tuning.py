"""The tuner of an arm whose model is tuned at its provider: its price, its consent, its budget."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from advisor.money.money import UnknownPrice
from advisor.money.price_book import Price
from harness.bakeoff.addresses import is_served
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.prices import open_book
from harness.bakeoff.run_folder import RunFolder
from harness.core.context import Context
from harness.core.names import file_name
from harness.models.api.library import estimated_tokens
from harness.models.base import ChatModel
from harness.models.settings import ModelSettings
from harness.models.tuning_api.providers import provider_of, tuned_name
from harness.tasks.base import Task
from harness.training.hosted import EPOCHS, HostedSettings, HostedTuner


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What a run decides about what leaves and what is paid.

    Attributes:
        check: raises where rows may not leave this machine.
        allow: raises where so many dollars would pass the budget.
        prepare: guards the opened model.
    """

    check: Callable[[], None]
    allow: Callable[[Decimal], None]
    prepare: Callable[[ChatModel], None]


def is_hosted(arm: ArmPlan) -> bool:
    """Whether a provider tunes and serves the arm's model."""
    traits = arm.option.traits
    return traits.tuned and not traits.encodes and is_served(arm)


def hosted_home(folder: RunFolder) -> Path:
    """Where a run keeps what it knows of trainings at a provider."""
    return folder.root / "hosted"


def hosted_tuner(
    plan: ExperimentPlan,
    lane: tuple[ArmPlan, int],
    task: Task,
    place: tuple[RunFolder, Context, ModelSettings],
    guards: Guards,
) -> HostedTuner:
    """The tuner for one training seed of an arm.

    Args:
        lane: the arm, and the seed.
        place: the run, what is outside, and how served models are opened.

    Raises:
        UsageError: the provider tunes nothing.
    """
    (arm, seed), (folder, context, opening) = lane, place
    name = file_name(f"{arm.option.value}-{arm.model}-seed{seed}".replace("/", "_").replace("+", "-"))
    return HostedTuner(
        HostedSettings(
            provider=provider_of(arm.model),
            model=arm.model,
            home=hosted_home(folder),
            name=name,
            epochs=max(1, round(plan.tune.epochs or EPOCHS)),
            seed=seed,
            form=task.form(),
            opening=opening,
            environ=context.environ,
            price=_price(plan, arm.model, context),
            go_on=folder.command("tune --resume", "--yes"),
            agree=context.agree,
            check=guards.check,
            allow=guards.allow,
            prepare=guards.prepare,
            count=functools.partial(estimated_tokens, arm.model),
            clock=context.clock,
            sleep=context.sleep,
        )
    )


def _price(plan: ExperimentPlan, model: str, context: Context) -> Price | None:
    try:
        return open_book(plan, context).price(tuned_name(model))
    except UnknownPrice:
        return None
