"""Why a cost is not known, and which key of the plan would supply it: never a bare 'unknown'."""

from __future__ import annotations

from advisor.money.machines import NO_MACHINE
from advisor.money.workload import CHANGE_LINES, PEOPLE_LINE, WRONG_LINE
from harness.bakeoff.results import ArmResult
from harness.core.records import CostLine
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
_ASKED = {
    "day_rate_usd": "An engineer's day rate is not stated, so people's time is unknown",
    "example_usd": "What one more labelled example costs is not stated",
    "label_changes_per_month": "How often labels change is not stated, so the cost of changes is unknown",
    "knowledge_changes_per_month": "How often knowledge changes is not stated",
}
_NOTHING_SAID = (
    "The plan has no business part, so people's time, changes and today's cost are not known, and with "
    "them a month's total and the payback. `harness plan` writes that part from a use case."
)


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


def missing(scene: Scene) -> tuple[str, ...]:
    """What nobody stated or assumed, one sentence each, with the plan's key that would supply it."""
    inputs = scene.inputs
    stated = [entry for entry in inputs.ranges if entry.source != NOT_STATED]
    if scene.today is None and not inputs.people and not stated:
        return (_NOTHING_SAID,)
    found = [f"{said}: business.{field}." for field, said in _ASKED.items() if getattr(inputs, field) is None]
    if len(stated) < len(inputs.ranges):
        months = f"{inputs.horizon_months:g}"
        found.append(f"Over how many months it must pay is taken as {months}: business.horizon_months.")
    if inputs.wrong_answer_usd is None:
        found.append(
            "A wrong answer has no price, so wrong answers are counted and not paid: cost.wrong_answer_usd."
        )
    if scene.today is None:
        found.append(
            "What is done today is not stated, so nothing is saved or paid back: business.incumbent."
        )
    elif scene.today.usd_per_item is None:
        found.append("What an item costs today is not stated (business.incumbent.usd_per_item).")
    elif scene.today.accuracy is None and scene.priced:
        found.append("Today's accuracy is not stated (business.incumbent.accuracy).")
    names = dict.fromkeys(arm.arm.option.value for arm in scene.may_ship)
    open_options = [name for name in names if name not in inputs.people]
    if open_options:
        found.append(f"People's time is not stated for {', '.join(open_options)}: business.people.")
    return tuple(found)
