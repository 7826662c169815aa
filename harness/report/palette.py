"""One colour an option, the same in every picture: PDF, HTML, dashboard. Pure.

The colours of options were searched for: at least 3:1 against both grounds, and as far apart as possible (in
OKLab) for readers with full colour vision and for those who lack one kind of cone. Colour never stands
alone: every mark has its arm's name beside it. What a month is paid for has five others, duller ones, of the
same contrast.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.records import ArmId

MONTH_COLOURS: dict[str, str] = {
    "calls and machines": "#44689b",
    "retrieval": "#3aa093",
    "changes": "#8a7fb0",
    "people": "#b98a2c",
    "wrong answers": "#b5532a",
}
"""What a month is paid for, in the order in which it is stacked."""


def colour_of(arm: ArmId) -> str:
    """The colour of an arm: its option's."""
    return arm.option.traits.colour


_DASHES = ("", "6 3", "2 2", "8 3 2 3")


def dash_of(arm: ArmId, arms: Iterable[ArmId]) -> str:
    """How the line of an arm is dashed: solid, unless an earlier arm has the same option."""
    alike = [other for other in arms if other.option is arm.option]
    return _DASHES[alike.index(arm) % len(_DASHES)] if arm in alike else ""
