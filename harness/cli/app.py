"""Commands, their order in `--help`, and what an error looks like."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from harness.cli import (
    adapters,
    afterwards,
    artefacts,
    bakeoff,
    curve,
    demo,
    knowledge,
    models,
    probe,
    runs,
    serve,
    tune,
    view,
)
from harness.cli.dotenv import read_dotenv
from harness.cli.stopping import Stops
from harness.core.errors import HarnessError, UsageError, command

_INTERRUPTED = 130
_ANY = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
RENAMED = {"harm": "robustness", "confront": "track-record"}


def renamed(new: str) -> Callable[[typer.Context], None]:
    """A command that answers with its new name, and the same words after it."""

    def answer(context: typer.Context) -> None:
        raise UsageError(f"This command has a new name: {new}.", run=command(new, *context.args))

    return answer


app = typer.Typer(
    name="harness",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measure retrieving against fine-tuning on your own tickets, and say what to ship.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("init")(bakeoff.init)
app.command("bakeoff")(bakeoff.bakeoff)
app.command("probe")(probe.probe)
app.command("plan")(bakeoff.plan)
app.command("run")(bakeoff.run)
app.command("resume")(bakeoff.resume)
app.command("runs")(runs.runs)
app.command("report")(runs.report)
app.command("score")(runs.score)
app.command("compare")(runs.compare)
app.command("errors")(runs.errors)
app.command("explain")(runs.explain)
app.command("view")(view.view)
app.command("curve")(curve.curve)
app.command("robustness")(afterwards.robustness)
app.command("freshness")(afterwards.freshness)
app.command("latency")(afterwards.latency)
app.command("load")(afterwards.load)
app.command("track-record")(runs.track_record)
app.command("tune")(tune.tune)
app.command("export")(artefacts.export)
app.command("import")(artefacts.import_)
app.command("serve")(serve.serve)
app.command("doctor")(models.doctor)
for _old, _new in RENAMED.items():
    app.command(_old, hidden=True, context_settings=_ANY)(renamed(_new))
app.add_typer(models.app, name="models")
app.add_typer(adapters.app, name="adapters")
app.add_typer(knowledge.app, name="knowledge")


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from harness import __version__

        typer.echo(f"harness {__version__}")
        raise typer.Exit


def run() -> None:
    """Run the command line; errors a user can fix are printed without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    os.environ["PYTHONSAFEPATH"] = "1"  # a Python started from here imports nothing of the working folder
    read_dotenv(Path(), os.environ, lambda line: typer.echo(line, err=True))
    _hush_libraries()
    stops = Stops()
    try:
        _check_words()
        app()
    except HarnessError as error:
        typer.echo(f"harness: {_shown(error)}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo(f"harness: {stops.words}", err=True)
        sys.exit(stops.exit_code)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer's answer to an interrupt that no command spoke about
            typer.echo(f"harness: {stops.words}", err=True)
            sys.exit(stops.exit_code)
        raise
    except BrokenPipeError:
        sys.exit(1)


def _check_words() -> None:
    """Arguments and settings are text: what is not could not be stored, printed or sent.

    Raises:
        UsageError: naming the first that is not.
    """
    from advisor.reading import Unreadable, check_words

    own = [value for name, value in os.environ.items() if name.startswith("TOR_")]
    try:
        check_words([*sys.argv[1:], *own])
    except Unreadable as error:
        raise UsageError(f"An argument or a TOR_ variable cannot be used: {error}.") from error


def _shown(error: HarnessError) -> str:
    """An error as a terminal may print it: names and labels in it may come from somebody's file."""
    from harness.core.wording import lines_of

    return "\n".join(lines_of(str(error)))


def _hush_libraries() -> None:
    """Keep model libraries from drawing over our bars, and their waiting threads from spinning long.

    Threads that spin while they wait lose most of their time beside another job, and threads that sleep
    at once lose it to waking up; a short spin is best on both counts (docs/lab-log.md). A user's own
    settings win.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
