"""The tuner of a tuned arm: base model found, recipe chosen, trainer set up."""

from __future__ import annotations

from harness.arms.tune import Tuner
from harness.pipelines.context import Context
from harness.plan import ArmPlan, ExperimentPlan
from harness.store import RunFolder


def build_tuner(
    plan: ExperimentPlan, arm: ArmPlan, seed: int, rows: int, folder: RunFolder, context: Context
) -> Tuner:
    """The tuner for one training seed of an arm."""
    raise NotImplementedError
