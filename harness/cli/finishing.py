"""The end of `harness bakeoff`, `run` and `resume`: the run itself, its results, or the way on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from harness.cli.options import stoppable
from harness.cli.show import show_results
from harness.core.errors import DataError, IncompleteRun, MissingExtra, OverBudget, UsageError, WaitTooLong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.bakeoff.run_folder import RunFolder
    from harness.core.context import Context


def finish_run(
    folder: RunFolder, context: Context, *, as_json: bool, expected_s: Mapping[str, float] | None = None
) -> None:
    """Run what is left of a run and show it; whatever stops it says how to go on.

    Args:
        expected_s: seconds forecast by arm; None where they were not.

    Raises:
        UserError: of any kind; what was computed is kept.
    """
    from harness.bakeoff.run import run_bakeoff

    goes_on = folder.command("resume")
    with stoppable(context, f"Run {folder.run_id} was stopped; nothing computed is lost.", goes_on):
        try:
            results = run_bakeoff(folder, context, expected_s)
        except (DataError, MissingExtra, UsageError):
            folder.discard_if_empty()
            raise
        except WaitTooLong as error:
            raise IncompleteRun(error.what, got=error.got, allowed=error.allowed, run=goes_on) from error
        except OverBudget as error:
            more = error.run or f"{goes_on}   # with a larger --budget-usd"
            raise OverBudget(error.what, got=error.got, allowed=error.allowed, run=more) from error
    show_results(folder, results, as_json=as_json)
    if not as_json:
        typer.echo(f"\nRun folder: {folder.root}")
    if results.failed:
        raise IncompleteRun(
            f"Run {folder.run_id} is incomplete: {len(results.failed)} of its arms failed, the others are "
            "compared.",
            got="; ".join(f"{one.arm}: {one.reason}" for one in results.failed),
            run=f"{goes_on}   # tries them again",
        )
