"""What a user names in a run: an arm, a label, an item; and the refusal with the nearest name. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from harness.core.errors import UsageError
from harness.core.records import ArmId

_MOST_NAMED = 12


def find_arm(arms: Sequence[ArmId], named: str) -> ArmId:
    """The arm of this name, or of this option where only one arm has it.

    Raises:
        UsageError: if there is none or several.
    """
    exact = [arm for arm in arms if str(arm) == named]
    by_option = [arm for arm in arms if arm.option.value == named]
    found = exact or by_option
    if len(found) != 1:
        if len(found) > 1:
            raise UsageError("Several arms are called so.", got=named, allowed=", ".join(map(str, found)))
        option = difflib.get_close_matches(named, [arm.option.value for arm in arms], n=1)
        near = [str(arm) for arm in arms if arm.option.value in option]
        raise no_such("arm", named, [str(arm) for arm in arms], near)
    return found[0]


def no_such(what: str, named: str, there: Sequence[str], near: Sequence[str] = ()) -> UsageError:
    """The refusal of a name that the run does not have, with the nearest one that it has.

    Args:
        near: names to suggest before those that are spelt alike.
    """
    close = [*near, *difflib.get_close_matches(named, there, n=1)]
    more = ", ..." if len(there) > _MOST_NAMED else ""
    return UsageError(
        f"The run has no such {what}." + (f" Did you mean {close[0]}?" if close else ""),
        got=named,
        allowed=", ".join(there[:_MOST_NAMED]) + more,
    )
