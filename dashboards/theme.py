"""The look of the pages: grounds, moods, dashes. Pure.

The colours of arms and of what a month is paid for stand in `harness.report.palette`, since PDF and HTML
show the same ones. Arms that share an option differ in their dashes.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.records import ArmId

GROUNDS = {"light": "#ffffff", "dark": "#11161c"}

GOOD, WARN, BAD = "#00a57d", "#c27926", "#be260b"

_DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))


def dash_of(arm: ArmId, arms: Iterable[ArmId]) -> list[int]:
    """How the line of an arm is dashed: solid, unless an earlier arm has the same option."""
    alike = [other for other in arms if other.option is arm.option]
    place = alike.index(arm) if arm in alike else 0
    return list(_DASHES[place % len(_DASHES)])
