"""A plan that is named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from advisor.reading import Unreadable, read_text
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.bakeoff.plan import ExperimentPlan


def read_plan(path: Path) -> ExperimentPlan:
    """The plan in a file.

    Raises:
        UsageError: if it cannot be read or is no plan.
    """
    from harness.bakeoff.plan import parse_plan

    try:
        text = read_text(path)
    except (FileNotFoundError, Unreadable) as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error
        raise UsageError(
            f"The plan {path} cannot be read: {why}.", run="harness init --example tickets"
        ) from error
    return parse_plan(text, str(path))
