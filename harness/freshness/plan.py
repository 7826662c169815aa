"""The plan of a drill: a plan of arms and rows, and what changes between two editions of them.

    freshness:
      labels:                       # the rows hold the labels of edition two, and the withdrawn
        split: {account_access: [login_problem, two_factor]}   # one label before, these after
        added: {api_webhooks: other}                           # rows of it had the other label before
        withdrawn: {complaint: other}                          # rows of it have the other label after
      second: {edition: 2026-07}    # or: keys of `data` that name edition two
      retrain_wait_hours: 0         # from the end of a training until the model answers: checks, a release

Pure.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from advisor.options import Option
from advisor.reading import Unreadable, parse_yaml
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.core.errors import UsageError
from harness.core.parts import EditionName, Part, faults_of

SECTION = "freshness"
_ALLOWED = "freshness: with labels (split, added, withdrawn), or with second (an edition, a file or docs)"


class LabelChanges(Part):
    """Labels that change between the editions; the rows' own labels are those that are named on the right of
    `split` and on the left of `added` and `withdrawn`."""

    split: dict[str, Annotated[tuple[str, ...], Field(min_length=2)]] = Field(default_factory=dict)
    added: dict[str, str] = Field(default_factory=dict)
    withdrawn: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _once_each(self) -> LabelChanges:
        moved = [*(part for parts in self.split.values() for part in parts), *self.added, *self.withdrawn]
        if not moved:
            raise ValueError("no label changes: name split, added or withdrawn ones")
        twice = sorted({name for name in moved if moved.count(name) > 1})
        if twice:
            raise ValueError(f"labels that change twice: {', '.join(twice)}")
        onto = sorted({*self.added.values(), *self.withdrawn.values()} & set(moved))
        if onto:
            raise ValueError(f"labels that take over rows and change themselves: {', '.join(onto)}")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """Every label that the rows must hold."""
        parts = (part for parts in self.split.values() for part in parts)
        return (*parts, *self.added, *self.added.values(), *self.withdrawn, *self.withdrawn.values())


class ChangePlan(Part):
    """What changes, and how long a model that is trained again waits before it answers."""

    labels: LabelChanges | None = None
    second: dict[str, EditionName] = Field(default_factory=dict)
    retrain_wait_hours: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _one_way(self) -> ChangePlan:
        if (self.labels is None) == (not self.second):
            raise ValueError("there is no second edition: name either labels or second")
        unknown = sorted(set(self.second) - {"evalset", "file", "docs", "edition"})
        if unknown:
            raise ValueError(f"second names {', '.join(unknown)}; allowed: evalset, file, docs, edition")
        return self


class DrillPlan(Part):
    """A whole drill."""

    experiment: ExperimentPlan
    change: ChangePlan

    @property
    def digest(self) -> str:
        """Sha256 (hex) over the plan, defaults included."""
        whole = [self.experiment.digest, self.change.model_dump(mode="json")]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def parse_drill(text: str, source: str) -> DrillPlan:
    """Read the plan of a drill.

    Args:
        source: the file's name, for messages.

    Raises:
        UsageError: with every fault of it; a second edition and the price of a wrong answer must be stated.
    """
    try:
        raw = parse_yaml(text)
    except Unreadable as error:
        raise UsageError(f"{source} is not valid YAML.", got=error) from error
    if not isinstance(raw, dict) or not raw.get(SECTION):
        raise UsageError(
            f"{source} names no second edition, so that there is nothing to keep up with.",
            got=f"no part {SECTION}",
            allowed=_ALLOWED,
            run="harness freshness evalsets/support-tickets/drill.yaml",
        )
    experiment = build_plan({key: value for key, value in raw.items() if key != SECTION}, source)
    return drill_on(experiment, raw[SECTION], source)


def drill_on(experiment: ExperimentPlan, change: object, source: str) -> DrillPlan:
    """A drill of the arms of a plan.

    Args:
        change: as the part `freshness` of a plan has it.
        source: the plan's file or run, for messages.

    Raises:
        UsageError: if there is no such change, or the arms or prices of the plan allow no drill.
    """
    try:
        stated = ChangePlan.model_validate(change)
    except ValidationError as error:
        raise UsageError(f"{source} is no drill: {faults_of(error, SECTION)}", allowed=_ALLOWED) from error
    _check(experiment, source)
    return DrillPlan(experiment=experiment, change=stated)


def _check(plan: ExperimentPlan, source: str) -> None:
    if plan.cost.wrong_answer_usd is None:
        raise UsageError(
            f"{source} states no cost of a wrong answer: no rate of change can be worked out.",
            got="no cost.wrong_answer_usd",
            allowed="an amount in dollars, 0 where a wrong answer costs nothing: in the plan, or with "
            "--wrong-answer-usd",
        )
    composed = [str(arm.id) for arm in plan.arms if arm.option is Option.ROUTE]
    if composed:
        raise UsageError(
            "A route is made of other arms and keeps up as they do; leave it out of the drill.",
            got=", ".join(composed),
        )
    keeping = {arm.option.traits.trained for arm in plan.arms if arm.option.traits.learns}
    if not keeping:
        raise UsageError(
            f"{source} names no arm that has to keep up.",
            got=", ".join(str(arm.id) for arm in plan.arms),
            allowed="neighbours or retrieve to index again; linear, encoder or tune to train again",
        )
