"""`harness confront`: how often the advice held."""

from __future__ import annotations

import typer

from harness.cli.options import DEFAULT_RUNS, Json, Runs


def confront(runs: Runs = DEFAULT_RUNS, as_json: Json = False) -> None:
    """Count over all runs how many predicted ranges held: the advice against what was measured."""
    from harness.core.serial import encode
    from harness.report.track import print_track
    from harness.track_record.over_runs import confront_runs

    record = confront_runs(runs)
    if as_json:
        typer.echo(encode(record, indent=1))
    else:
        print_track(record)
