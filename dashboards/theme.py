"""One palette: the same colour for the same arm on every page, on light and on dark ground. Pure.

The seven colours were searched for: at least 3:1 against both grounds, and as far apart as possible (in
OKLab) for readers with full colour vision and for those who lack one kind of cone. Colour never stands
alone: every mark has its arm's name beside it, and arms that share an option differ in their dashes.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.records import ArmId, Option

OPTION_COLOURS = {
    Option.FLOOR: "#5a675f",
    Option.CLASSICAL: "#00a57d",
    Option.PROMPT: "#a086df",
    Option.RETRIEVE: "#0371e0",
    Option.TUNE: "#c27926",
    Option.TUNE_RETRIEVE: "#be260b",
    Option.ROUTE: "#9649a7",
}
GROUNDS = {"light": "#ffffff", "dark": "#11161c"}
NEUTRAL = "#7d8793"
"""Baselines, margins, answers from outside and everything that is no arm; readable on both grounds."""

GOOD, WARN, BAD = "#00a57d", "#c27926", "#be260b"

COST_COLOURS = {
    "calls and machines": "#0371e0",
    "retrieval": "#00a57d",
    "changes": "#a086df",
    "people": "#c27926",
    "wrong answers": "#be260b",
}
"""What a month's cost consists of, in the order in which it is stacked."""

_DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))


def colour_of(arm: ArmId) -> str:
    """The colour of an arm: its option's."""
    return OPTION_COLOURS.get(arm.option, NEUTRAL)


def dash_of(arm: ArmId, arms: Iterable[ArmId]) -> list[int]:
    """How the line of an arm is dashed: solid, unless an earlier arm has the same option."""
    alike = [other for other in arms if other.option is arm.option]
    place = alike.index(arm) if arm in alike else 0
    return list(_DASHES[place % len(_DASHES)])
