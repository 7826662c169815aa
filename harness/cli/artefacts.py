"""`harness export` and `harness import`: what ships out of a run; predictions and adapters into one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import ArmName, AtRegistry, HereOptions, Json, SeedNumber, run_in
from harness.cli.show import show_json, show_results
from harness.cli.typed import one_of
from harness.core.artefacts import VoteArtefact
from harness.core.errors import UsageError, command


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
