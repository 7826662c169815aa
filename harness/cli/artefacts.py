"""`harness tune`, `export`, `import`, `adapters`: what is trained alone, ships out of a run or comes in."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.grouped import grouped
from harness.cli.finishing import read_plan, show, show_json, show_results
from harness.cli.options import (
    ArmName,
    AtRegistry,
    CallOptions,
    HereOptions,
    Json,
    RunName,
    SeedNumber,
    run_in,
    stoppable,
)
from harness.cli.progress import teller
from harness.cli.typed import one_of
from harness.core.artefacts import VoteArtefact
from harness.core.errors import DataError, UsageError, command

if TYPE_CHECKING:
    from harness.bakeoff.plan import ExperimentPlan
    from harness.bakeoff.run_folder import RunFolder
    from harness.bakeoff.tuning import TuneRequest
    from harness.core.context import Context


@grouped
def export(
    target: Annotated[
        str,
        typer.Argument(metavar="RUN|ADAPTER", help="A run, or an adapter of the registry: NAME[@VERSION]."),
    ] = "latest",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The folder to write.")] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="Of a tuned model adapter, merged, gguf; of an encoder safetensors, onnx; of linear "
            "safetensors; of neighbours rows.",
            show_default="merged, safetensors or rows",
        ),
    ] = "",
    precision: Annotated[
        str, typer.Option("--precision", help="merged: bf16, fp32; gguf: q8_0, f16, f32, q4_k_m, ...")
    ] = "",
    arm: ArmName = "",
    seed: SeedNumber = None,
    name: Annotated[str, typer.Option("--name", help="The name it is served under.")] = "",
    check: Annotated[
        int, typer.Option("--check", min=0, help="Dev items to compare it on, as served; 0 for none.")
    ] = 50,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder.")] = False,
    as_json: Json = False,
    *,
    at: AtRegistry,
    here: HereOptions,
) -> None:
    """Write what a run recommends as a folder to serve, and check that it still answers the same."""
    from harness.recommendation.store import recommended_arm
    from harness.shipping.exporting import ExportRequest, export_shipped
    from harness.shipping.parity import check_export
    from harness.shipping.registry.card import parity_line
    from harness.shipping.serving import ServeRequest, find_shipped

    if output is None:
        raise UsageError(
            "No folder was named for the export.", run=command("export", target, "-o", "exported")
        )
    if form:
        one_of(form, ("adapter", "merged", "gguf", "safetensors", "onnx", "rows"), "format")
    context = here.context(quiet=as_json)
    wish = ServeRequest(
        targets=(target,), arm=arm, seed=seed, registry=at.registry, recommended=recommended_arm
    )
    shipped = find_shipped(target, wish, context)
    run = (shipped.run or run_in(here.runs, shipped.origin.run_id)) if check else None
    how = ExportRequest(format=form or None, out=output, precision=precision, name=name, force=force)  # type: ignore[arg-type]
    with closing(context.progress):
        found = export_shipped(shipped, how, context)
        checks = () if run is None else check_export(output, run, check, context, at.registry)
    if as_json:
        show_json(found)
        return
    what = f"{found.format} {found.precision}".rstrip()
    typer.echo(f"{output}: {found.origin.arm} as {what}, served as {found.served_as}")
    if found.task.hand_over is not None:
        typer.echo(f"answers from a confidence of {found.task.hand_over.threshold:g} on, hands over the rest")
    if isinstance(found.artefact, VoteArtefact):
        rows = f"{found.artefact.train_rows:,} training rows"
        typer.echo(f"it holds the {rows} as they are: whoever has the folder can read them")
    for parity in checks:
        typer.echo(f"parity {parity_line(parity)}")
    if not checks:
        typer.echo("parity not checked: --check 50")


@grouped
def import_(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, its beginning, or latest.")],
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="CSV or JSONL of item_id,label[,confidence] or item_id,fields; an adapter or encoder.",
        ),
    ],
    arm: Annotated[str, typer.Option("--arm", metavar="NAME", help="What the new arm is called.")],
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Test items without a prediction count as failures.")
    ] = False,
    as_json: Json = False,
    *,
    here: HereOptions,
) -> None:
    """Import predictions, an adapter or an encoder made elsewhere into a finished run; update its results."""
    from harness.recommendation.run import import_into
    from harness.shipping.importing import ImportRequest

    folder = run_in(here.runs, run)
    wish = ImportRequest(name=arm, path=path, allow_missing=allow_missing)
    context = here.context(quiet=as_json)
    with closing(context.progress):
        results = import_into(folder, wish, context)
    show_results(folder, results, as_json=as_json)


@grouped
def tune(
    plan_file: Annotated[
        Path | None,
        typer.Argument(metavar="[PLAN.yaml]", help="The plan whose tuned language models are trained."),
    ] = None,
    arm: Annotated[
        str, typer.Option("--arm", help="One of its arms: tune@smollm2-135m.", show_default="all")
    ] = "",
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop after so many epochs without a lower loss on dev."),
    ] = None,
    watch: Annotated[
        int, typer.Option("--watch", min=0, help="Dev rows answered after each epoch; 0 for none.")
    ] = 40,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Answers shown after each epoch.")] = 3,
    resume: Annotated[
        str, typer.Option("--resume", metavar="RUN", help="Go on with a training that stopped; or latest.")
    ] = "",
    export_job: Annotated[
        Path | None,
        typer.Option("--export-job", metavar="DIR", help="Write a notebook and script for a rented GPU."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show recipe and memory; train nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Train even if memory looks too small.")] = False,
    hosted: Annotated[
        str,
        typer.Option(
            "--hosted", metavar="PROVIDER", help="Tune at a provider: openai, mistral, together, fireworks."
        ),
    ] = "",
    base_model: Annotated[
        str,
        typer.Option(
            "--base-model",
            metavar="NAME",
            help="Of --hosted: what is tuned, as the provider names it.",
            show_default="the plan's",
        ),
    ] = "",
    api_base: Annotated[
        str, typer.Option("--api-base", help="Of --hosted: another address than the provider's.")
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Agree to what a training at a provider costs.")
    ] = False,
    as_json: Json = False,
    *,
    here: CallOptions,
) -> None:
    """Train a plan's `tune` and `tune+retrieve` arms on train and dev; test is not read.

    An encoder, and what else is fitted, is trained by `harness run`. A model behind an API is tuned at its
    provider: what leaves and what it costs is said and asked first, and a second start goes on with the job.
    """
    from harness.bakeoff.run_folder import RunFolder, homes_of
    from harness.bakeoff.tuning import TuneRequest, at_provider, forecast, lock_tuning

    if (plan_file is None) == (not resume):
        raise UsageError("Name a plan, or a run to go on with.", run="harness tune plan.yaml")
    context = dataclasses.replace(here.context(quiet=as_json), agree=_asks(yes))
    wish = TuneRequest(arm=arm, watch=watch, samples=samples, force=force, tell=teller(context.progress))
    if plan_file is None:
        _finish(run_in(here.runs, resume), context, wish, as_json=as_json)
        return
    plan = _patient(read_plan(plan_file), patience, str(plan_file))
    if hosted:
        plan = at_provider(plan, hosted, base_model, api_base)
    context = dataclasses.replace(context, homes=homes_of(plan_file))
    if export_job is not None:
        from harness.bakeoff.tuning import export_job as write_job

        for path in write_job(plan, arm, export_job, context):
            typer.echo(str(path))
    elif dry_run:
        for line in forecast(plan, RunFolder(root=here.runs / "none"), context, wish):
            typer.echo(line)
    else:
        _finish(lock_tuning(plan, context, wish), context, wish, as_json=as_json)


def _finish(folder: RunFolder, context: Context, wish: TuneRequest, *, as_json: bool) -> None:
    from harness.bakeoff.tuning import tune_in
    from harness.report.topics.tuned import tuned_document

    stopped = (
        f"The training in run {folder.run_id} was stopped; it goes on from its last checkpoint, and a job at "
        "a provider goes on there."
    )
    with stoppable(context, stopped, folder.command("tune --resume")):
        try:
            lanes = tune_in(folder, context, wish)
        except DataError:
            folder.discard_if_empty()
            raise
    show(lanes, tuned_document(folder.run_id, lanes, folder.command), as_json=as_json)


def _asks(yes: bool) -> Callable[[str], bool]:
    """Shows what leaves and what it costs, and asks; where nobody can be asked the answer is no."""

    def agree(words: str) -> bool:
        typer.echo(words, err=True)
        return yes or (
            sys.stdin.isatty() and typer.confirm("Send it, and pay that?", default=False, err=True)
        )

    return agree


def _patient(plan: ExperimentPlan, patience: int | None, source: str) -> ExperimentPlan:
    """The plan with `tune.patience` set where it is given."""
    from harness.bakeoff.plan import build_plan

    if patience is None:
        return plan
    raw = plan.model_dump(mode="json")
    return build_plan({**raw, "tune": {**raw["tune"], "patience": patience}}, source)


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
