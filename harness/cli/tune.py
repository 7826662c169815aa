"""`harness tune`: train the plan's tuned language models alone."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.grouped import grouped
from harness.cli.options import CallOptions, Json, run_in, stoppable
from harness.cli.progress import teller
from harness.cli.show import read_plan, show
from harness.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from harness.bakeoff.plan import ExperimentPlan
    from harness.bakeoff.run_folder import RunFolder
    from harness.bakeoff.tuning import TuneRequest
    from harness.core.context import Context


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
