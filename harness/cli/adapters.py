"""`harness adapters`: the registry of tuned models."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RUNS, Json, Offline, Runs, make_context
from harness.cli.progress import open_progress

app = typer.Typer(no_args_is_help=True, help="Tuned models as versions: add, compare, promote, roll back.")

RegistryAt = Annotated[
    str,
    typer.Option(
        "--registry", envvar="TOR_REGISTRY", help="A folder, or s3://, gs://, ... [default: runs/registry]"
    ),
]
Reference = Annotated[str, typer.Argument(metavar="NAME[@VERSION|@STAGE]", help="The newest when left out.")]
Stage = Annotated[str, typer.Option("--stage", help="staging, production or archived.")]
ArmName = Annotated[str, typer.Option("--arm", help="tune@smollm2-135m; not needed where there is one only.")]
SeedNumber = Annotated[int | None, typer.Option("--seed", help="Training seed. [default: the plan's first]")]


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The adapter's name; a version is added to it.")],
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="A run id, its beginning, or latest.")
    ] = "latest",
    arm: ArmName = "",
    seed: SeedNumber = None,
    registry: RegistryAt = "",
    runs: Runs = DEFAULT_RUNS,
    offline: Offline = False,
) -> None:
    """Add a run's tuned model as the next version."""
    from harness.bakeoff.run_folder import find_run
    from harness.shipping.adapters import add_adapter, open_registry
    from harness.shipping.tuned import tuned_in_run

    context = make_context(runs, open_progress(quiet=True), offline=offline)
    shelf = open_registry(registry, context)
    tuned = tuned_in_run(find_run(runs, run), arm, seed, context)
    version = add_adapter(shelf, name, tuned, context)
    typer.echo(f"{version.name}@{version.version} is in {shelf.address}")


@app.command("list")
def list_adapters(registry: RegistryAt = "", runs: Runs = DEFAULT_RUNS, as_json: Json = False) -> None:
    """List every version with its stages, accuracy and parity."""
    from harness.core.serial import encode
    from harness.report.adapters import list_lines
    from harness.shipping.adapters import open_registry, shelved

    rows = shelved(open_registry(registry, make_context(runs, open_progress(quiet=True))))
    if as_json:
        typer.echo(encode(tuple(row.version for row in rows), indent=1))
        return
    typer.echo("\n".join(list_lines((row.version, row.stages, row.checks) for row in rows)))


@app.command("show")
def show(
    reference: Reference,
    card: Annotated[bool, typer.Option("--card", help="The model card, as Markdown.")] = False,
    registry: RegistryAt = "",
    runs: Runs = DEFAULT_RUNS,
    as_json: Json = False,
) -> None:
    """Show one version: base, data, recipe, accuracy, parity and history."""
    from harness.core.serial import encode
    from harness.report.adapters import show_lines
    from harness.shipping.adapters import history_of, open_registry, shelved_as
    from harness.shipping.registry.card import model_card

    shelf = open_registry(registry, make_context(runs, open_progress(quiet=True)))
    found = shelved_as(shelf, reference)
    version = found.version
    if as_json:
        typer.echo(encode(version, indent=1))
    elif card:
        title = f"{version.name} {version.version}"
        typer.echo(model_card(title, version.artefact, version.origin, version.task, found.checks))
    else:
        events = history_of(shelf, version.name)
        typer.echo("\n".join(show_lines(version, found.stages, found.checks, events)))


@app.command("diff")
def diff(a: Reference, b: Reference, registry: RegistryAt = "", runs: Runs = DEFAULT_RUNS) -> None:
    """Show in what two versions differ."""
    from harness.report.adapters import diff_lines
    from harness.shipping.adapters import differences, open_registry

    shelf = open_registry(registry, make_context(runs, open_progress(quiet=True)))
    typer.echo("\n".join(diff_lines(a, b, differences(shelf, a, b))))


@app.command("promote")
def promote(
    name: Annotated[str, typer.Argument(help="The adapter's name.")],
    version: Annotated[int, typer.Argument(help="Its version.")],
    stage: Stage = "production",
    registry: RegistryAt = "",
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Put a version on a stage."""
    from harness.report.adapters import event_line
    from harness.shipping.adapters import open_registry

    shelf = open_registry(registry, make_context(runs, open_progress(quiet=True)))
    typer.echo(event_line(shelf.promote(name, version, stage)))


@app.command("rollback")
def rollback(
    name: Annotated[str, typer.Argument(help="The adapter's name.")],
    stage: Stage = "production",
    registry: RegistryAt = "",
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Put the version back that stood on a stage before."""
    from harness.report.adapters import event_line
    from harness.shipping.adapters import open_registry

    shelf = open_registry(registry, make_context(runs, open_progress(quiet=True)))
    typer.echo(event_line(shelf.rollback(name, stage)))


@app.command("push")
def push(
    reference: Reference,
    repo: Annotated[str, typer.Argument(metavar="ORG/NAME", help="A repository of the Hugging Face Hub.")],
    public: Annotated[bool, typer.Option("--public", help="Anybody may read it. [default: private]")] = False,
    registry: RegistryAt = "",
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Push a version with its model card to the Hugging Face Hub."""
    from harness.shipping import adapters as pipeline

    shelf = pipeline.open_registry(registry, make_context(runs, open_progress(quiet=True)))
    typer.echo(pipeline.push(shelf, reference, repo, os.environ, private=not public))
