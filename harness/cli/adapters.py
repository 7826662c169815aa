"""`harness adapters`: the registry of tuned models."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import ArmName, AtRegistry, HereOptions, Json, RunName, SeedNumber, run_in
from harness.cli.show import show, show_json

app = typer.Typer(no_args_is_help=True, help="Tuned models as versions: add, compare, promote, roll back.")

Reference = Annotated[str, typer.Argument(metavar="NAME[@VERSION|@STAGE]", help="The newest when left out.")]
Name = Annotated[str, typer.Argument(help="The adapter's name.")]
Stage = Annotated[str, typer.Option("--stage", help="staging, production or archived.")]


@app.command("add")
@grouped
def add(
    name: Annotated[str, typer.Argument(help="The adapter's name; a version is added to it.")],
    run: RunName = "latest",
    arm: ArmName = "",
    seed: SeedNumber = None,
    *,
    at: AtRegistry,
    here: HereOptions,
) -> None:
    """Add a run's tuned model, or its linear classifier, as the next version."""
    from harness.recommendation.store import recommended_arm
    from harness.shipping.adapters import add_adapter, open_registry
    from harness.shipping.shipped import shipped_in_run

    context = here.context(quiet=True)
    shelf = open_registry(at.registry, context)
    folder = run_in(here.runs, run)
    shipped = shipped_in_run(folder, arm, seed, context, recommended_arm(folder))
    version = add_adapter(shelf, name, shipped, context)
    typer.echo(f"{version.name}@{version.version} is in {shelf.address}")


@app.command("list")
@grouped
def list_adapters(as_json: Json = False, *, at: AtRegistry) -> None:
    """List every version with its stages, accuracy and parity."""
    from harness.report.topics.tuned import adapters_document
    from harness.shipping.adapters import shelved

    rows = shelved(at.open())
    show(
        tuple(row.version for row in rows),
        adapters_document((row.version, row.stages, row.checks) for row in rows),
        as_json=as_json,
    )


@app.command("show")
@grouped
def show_adapter(
    reference: Reference,
    card: Annotated[bool, typer.Option("--card", help="The model card, as Markdown.")] = False,
    as_json: Json = False,
    *,
    at: AtRegistry,
) -> None:
    """Show one version: base, data, recipe, accuracy, parity and history."""
    from harness.report.text import print_document
    from harness.report.topics.tuned import adapter_document
    from harness.shipping.adapters import history_of, shelved_as
    from harness.shipping.registry.card import card_of

    shelf = at.open()
    found = shelved_as(shelf, reference)
    version = found.version
    if as_json:
        show_json(version)
    elif card:
        title = f"{version.name} {version.version}"
        typer.echo(card_of(title, version.artefact, version.origin, version.task, found.checks))
    else:
        events = history_of(shelf, version.name)
        print_document(adapter_document(version, found.stages, found.checks, events))


@app.command("diff")
@grouped
def diff(a: Reference, b: Reference, *, at: AtRegistry) -> None:
    """Show how two versions differ."""
    from harness.report.text import print_document
    from harness.report.topics.tuned import diff_document
    from harness.shipping.adapters import differences

    print_document(diff_document(a, b, differences(at.open(), a, b)))


@app.command("promote")
@grouped
def promote(
    name: Name,
    version: Annotated[int, typer.Argument(help="Its version.")],
    stage: Stage = "production",
    *,
    at: AtRegistry,
) -> None:
    """Put a version on a stage."""
    from harness.report.topics.tuned import event_line

    typer.echo(event_line(at.open().promote(name, version, stage)))


@app.command("rollback")
@grouped
def rollback(name: Name, stage: Stage = "production", *, at: AtRegistry) -> None:
    """Put a stage's earlier version back."""
    from harness.report.topics.tuned import event_line

    typer.echo(event_line(at.open().rollback(name, stage)))


@app.command("push")
@grouped
def push(
    reference: Reference,
    repo: Annotated[str, typer.Argument(metavar="ORG/NAME", help="A repository of the Hugging Face Hub.")],
    public: Annotated[
        bool, typer.Option("--public", help="Anybody may read it.", show_default="private")
    ] = False,
    *,
    at: AtRegistry,
) -> None:
    """Push a version with its model card to the Hugging Face Hub."""
    from harness.shipping import adapters

    typer.echo(adapters.push(at.open(), reference, repo, os.environ, private=not public))
