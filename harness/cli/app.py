"""Commands, their order in `--help`, and what an error looks like.

SIGTERM and SIGHUP end a command as Ctrl-C does: files are closed, and the way on is said.

The `.env` of the working folder may come from somebody else. So only that file is read, never one above it,
for keys of providers and this project's own settings; what would change where code, libraries or answers
come from (`PYTHONPATH`, proxies, another `..._API_BASE`) is left out and said; values are taken as they
stand, so that none can copy a secret of the environment into a setting.
"""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, MutableMapping
from pathlib import Path
from types import FrameType

import typer

from harness.cli import (
    afterwards,
    artefacts,
    bakeoff,
    demo,
    knowledge,
    models,
    probe,
    runs,
    serve,
    view,
)
from harness.core.errors import HarnessError, UsageError, command

MOST_BYTES = 1 << 16
_NAMED = 8  # names of a line that says what was left out

_OURS = re.compile(r"TOR_[A-Z0-9_]+")
_KEY = re.compile(r"[A-Z][A-Z0-9_]*_API_(KEY|TOKEN)")
_OTHER_KEYS = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
    }
)
"""Keys whose names follow no pattern."""


def allowed(name: str) -> bool:
    """Whether a `.env` file may set this variable."""
    return bool(_OURS.fullmatch(name) or _KEY.fullmatch(name)) or name in _OTHER_KEYS


def read_dotenv(folder: Path, environ: MutableMapping[str, str], say: Callable[[str], object]) -> None:
    """Set what the folder's own `.env` says; variables already set win.

    Args:
        environ: the process's own; changed.
        say: told in one line what was left out, or why the file cannot be read.
    """
    path = folder / ".env"
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        say(f"harness: .env is left out: it cannot be read ({error.strerror}).")
        return
    except UnicodeDecodeError:
        say("harness: .env is left out: it is not UTF-8.")
        return
    if len(raw) > MOST_BYTES:
        say(f"harness: .env is left out: it has more than {MOST_BYTES:,} bytes.")
        return
    values = _values(text)
    for name, value in values.items():
        if allowed(name) and value is not None and "\0" not in value:
            environ.setdefault(name, value)
    left_out = [name for name, value in values.items() if not allowed(name) or "\0" in (value or "")]
    if left_out:
        say(
            "harness: .env may set keys of providers (..._API_KEY) and TOR_... only; left out: "
            + _listed(left_out)
        )


def _values(text: str) -> dict[str, str | None]:
    from dotenv import dotenv_values

    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # a line that is none is left out in silence
    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def _listed(names: list[str]) -> str:
    shown = [re.sub(r"[^\w.-]", "?", name)[:40] for name in names[:_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


class Stops:
    """Which signal asked this process to stop, once one did."""

    def __init__(self) -> None:
        """Listen, where this is the main thread; a signal that is ignored (nohup) stays ignored."""
        self.received: signal.Signals | None = None
        if threading.current_thread() is not threading.main_thread():
            return
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = signal.Signals(number)
        if first:  # a second one would only break the tidying up that the first has begun
            raise KeyboardInterrupt

    @property
    def exit_code(self) -> int:
        """The shell's convention: 128 and the signal's number."""
        return 128 + (self.received or signal.SIGINT)

    @property
    def words(self) -> str:
        """For a command with no way on of its own to tell: it began nothing that can be gone on with."""
        again = command(*sys.argv[1:])
        return f"stopped by {(self.received or signal.SIGINT).name}; nothing to resume.\n  run:     {again}"


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
app.command("curve")(afterwards.curve)
app.command("robustness")(afterwards.robustness)
app.command("freshness")(afterwards.freshness)
app.command("latency")(afterwards.latency)
app.command("load")(afterwards.load)
app.command("track-record")(runs.track_record)
app.command("tune")(artefacts.tune)
app.command("export")(artefacts.export)
app.command("import")(artefacts.import_)
app.command("serve")(serve.serve)
app.command("doctor")(models.doctor)
for _old, _new in RENAMED.items():
    app.command(_old, hidden=True, context_settings=_ANY)(renamed(_new))
app.add_typer(models.app, name="models")
app.add_typer(artefacts.app, name="adapters")
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
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
