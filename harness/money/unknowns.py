"""Why a cost is not known, and which keys of the plan nobody stated: never a bare 'unknown'."""

from __future__ import annotations

from advisor.money.machines import NO_MACHINE
from advisor.money.workload import CHANGE_LINES, PEOPLE_LINE, WRONG_LINE
from harness.bakeoff.results import ArmResult
from harness.core.records import CostLine
from harness.money.records import PlanKey, Unstated
from harness.money.scene import Scene

_BUILDING = "building"
NOT_STATED = "not stated"
"""The source of a figure that the plan has to have and nobody stated."""
_CHANGES = {
    "label_changes_per_month": "how often labels change",
    "knowledge_changes_per_month": "how often knowledge changes",
    "rows_per_label_change": "how many rows a changed label takes",
    "failed_share": "the share of trainings that fail",
    "example_usd": "what one more example costs",
}
_ASKED = (PlanKey.DAY_RATE, PlanKey.EXAMPLE, PlanKey.LABEL_CHANGES, PlanKey.KNOWLEDGE_CHANGES)


def why(line: CostLine, arm: ArmResult, scene: Scene) -> str:
    """Why an amount of an arm's ledger is not known, as a clause without a full stop."""
    inputs = scene.inputs
    if line.name in (PEOPLE_LINE, _BUILDING):
        if inputs.build_days(arm.arm.option.value) is None:
            return f"people's time for {arm.arm.option.value} is not stated (business.people)"
        return "an engineer's day rate is not stated (business.day_rate_usd)"
    if line.name in CHANGE_LINES:
        open_fields = [f for f in _CHANGES if getattr(inputs, f) is None and _bears_on(f, line.name)]
        if open_fields:
            return f"{_CHANGES[open_fields[0]]} is not stated (business.{open_fields[0]})"
        return "how long fitting takes was not measured"
    if line.name == WRONG_LINE:
        return "the accuracy was not measured"
    if line.unit == "hours":
        return "how long a query takes was not measured" if line.quantity is None else NO_MACHINE.source
    if line.name == "index hosting":
        return "what hosting the index costs is not stated (business.assumed index_usd_per_month)"
    return (
        f"{line.name}: {line.source}" if line.quantity is None else f"no price for {line.name}: {line.source}"
    )


def _bears_on(field: str, name: str) -> bool:
    """Whether a line hangs on a figure."""
    rows = {"label_changes_per_month", "rows_per_label_change", "example_usd"}
    machine = {"label_changes_per_month", "knowledge_changes_per_month", "failed_share"}
    return field in (rows if name == "new rows" else machine)


def missing(scene: Scene) -> tuple[Unstated, ...]:
    """What nobody stated or assumed."""
    inputs = scene.inputs
    stated = [entry for entry in inputs.ranges if entry.source != NOT_STATED]
    if scene.today is None and not inputs.people and not stated:
        return (Unstated(key=PlanKey.BUSINESS),)
    keys = [key for key in _ASKED if getattr(inputs, key.value.removeprefix("business.")) is None]
    if len(stated) < len(inputs.ranges):
        keys.append(PlanKey.HORIZON)
    if inputs.wrong_answer_usd is None:
        keys.append(PlanKey.WRONG_ANSWER)
    if scene.today is None:
        keys.append(PlanKey.INCUMBENT)
    elif scene.today.usd_per_item is None:
        keys.append(PlanKey.ITEM_TODAY)
    elif scene.today.accuracy is None and scene.priced:
        keys.append(PlanKey.ACCURACY_TODAY)
    found = [Unstated(key=key) for key in keys]
    options = dict.fromkeys(arm.arm.option for arm in scene.may_ship)
    open_options = tuple(option for option in options if option.value not in inputs.people)
    if open_options:
        found.append(Unstated(key=PlanKey.PEOPLE, options=open_options))
    return tuple(found)
