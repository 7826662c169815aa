"""The end of `harness bakeoff`, `run` and `resume`: the run itself, its results, or the way on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

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
    from harness.cli.show import show_results

    try:
        results = run_bakeoff(folder, context, expected_s)
    except (DataError, MissingExtra, UsageError):
        folder.discard_if_empty()
        raise
    except KeyboardInterrupt as error:
        raise IncompleteRun(
            f"Run {folder.run_id} was stopped; nothing computed is lost.",
            run=folder.command("resume"),
        ) from error
    except WaitTooLong as error:
        raise IncompleteRun(
            error.what, got=error.got, allowed=error.allowed, run=folder.command("resume")
        ) from error
    except OverBudget as error:
        more = error.run or f"{folder.command('resume')}   # with a larger --budget-usd"
        raise OverBudget(error.what, got=error.got, allowed=error.allowed, run=more) from error
    finally:
        context.progress.close()
    if as_json:
        typer.echo((folder.root / "results.json").read_text(encoding="utf-8"))
    else:
        show_results(folder, results)
        typer.echo(f"\nRun folder: {folder.root}")
    if results.failed:
        raise IncompleteRun(
            f"Run {folder.run_id} is incomplete: {len(results.failed)} of its arms failed, the others are "
            "compared.",
            got="; ".join(f"{one.arm}: {one.reason}" for one in results.failed),
            run=f"{folder.command('resume')}   # tries them again",
        )
