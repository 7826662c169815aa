"""The end of `harness bakeoff`, `run` and `resume`: the run itself, its results, or the way on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from harness.cli.options import stoppable
from harness.cli.progress import BarProgress
from harness.cli.show import show_results
from harness.core.errors import DataError, IncompleteRun, MissingExtra, OverBudget, UsageError, WaitTooLong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.bakeoff.run_folder import RunFolder
    from harness.core.context import Context
    from harness.core.records import ArmId


def finish_run(
    folder: RunFolder, context: Context, *, as_json: bool, expected_s: Mapping[str, float] | None = None
) -> None:
    """Run what is left of a run and show it; whatever stops it says how to go on.

    Args:
        expected_s: seconds forecast by arm; None where they were not.

    Raises:
        UserError: of any kind; what was computed is kept.
    """
    from harness.recommendation.run import run_bakeoff

    goes_on = folder.command("resume")
    with stoppable(context, f"Run {folder.run_id} was stopped; nothing computed is lost.", goes_on):
        try:
            early = None if as_json else first_figures(folder, context)
            results = run_bakeoff(folder, context, expected_s, early)
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
            got="; ".join(f"{one.arm.label}: {one.reason}" for one in results.failed),
            run=f"{goes_on}   # tries them again",
        )


def first_figures(folder: RunFolder, context: Context) -> Callable[[Sequence[ArmId]], None]:
    """Shows what the fast arms say while the slow ones are still to come; decides and stores nothing."""

    def show(answered: Sequence[ArmId]) -> None:
        from advisor.options import Option
        from harness.recommendation.conclude import conclude_some
        from harness.report.run_document import first_document
        from harness.report.text import render_text

        if all(arm.option is Option.FLOOR for arm in answered):
            return
        to_come = [arm.id for arm in folder.plan().arms if arm.id not in answered]
        text = render_text(first_document(conclude_some(folder, answered, context), to_come))
        if isinstance(context.progress, BarProgress):
            context.progress.line(text)
        else:
            typer.echo(text)

    return show
