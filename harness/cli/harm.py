"""`harness harm`: what a run's arms do with what they should not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RUNS, Json, Offline, Runs, Threads, make_context, split_names
from harness.cli.progress import open_progress
from harness.core.errors import IncompleteRun


def harm(
    name: Annotated[
        str, typer.Argument(metavar="[RUN]", help="A run id, its beginning, or latest.")
    ] = "latest",
    out_of_scope: Annotated[
        Path | None,
        typer.Option("--out-of-scope", help="Inputs that belong to no label. [default: those of the run]"),
    ] = None,
    text: Annotated[
        str,
        typer.Option("--text", help="Their text columns. [default: those of the run, or text]"),
    ] = "",
    encoding: Annotated[str, typer.Option("--encoding", help="Of that file.")] = "utf-8",
    unseen: Annotated[
        list[str] | None,
        typer.Option("--unseen", help="A label to leave out of one more training; can be given again."),
    ] = None,
    as_json: Json = False,
    runs: Runs = DEFAULT_RUNS,
    offline: Offline = False,
    threads: Threads = None,
) -> None:
    """Look at inputs out of scope and at labels a tuned arm never saw, and conclude the run again."""
    from harness.bakeoff.run_folder import find_run
    from harness.core.serial import encode
    from harness.data.out_of_scope import read_out_of_scope
    from harness.report.harm import harm_sentences
    from harness.robustness.run import RobustnessRequest, check_harm

    folder = find_run(runs, name)
    columns = tuple(split_names([text])) or folder.plan().data.text or ("text",)
    rows = () if out_of_scope is None else read_out_of_scope(out_of_scope, columns, encoding)
    wish = RobustnessRequest(out_of_scope=rows, unseen=tuple(unseen or ()))
    context = make_context(runs, open_progress(quiet=as_json), offline=offline, threads=threads)
    try:
        results = check_harm(folder, wish, context)
    except KeyboardInterrupt as error:
        raise IncompleteRun(
            "The checks were stopped; no answer is lost.", run="the same command goes on with them"
        ) from error
    finally:
        context.progress.close()
    if as_json:
        typer.echo(encode(results, indent=1))
        return
    for arm in results.arms:
        sentences = harm_sentences(arm)
        if sentences:
            typer.echo("\n".join([f"{arm.arm}:", *(f"  - {sentence}" for sentence in sentences)]))
    typer.echo(f"\nThey stand in the run's reports now: {folder.command('report')}")
