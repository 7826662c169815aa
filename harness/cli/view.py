"""`harness view`: the pages in a browser, served on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RUNS, Runs, run_in
from harness.core.errors import MissingExtra, UsageError
from harness.shipping.serve.hosts import is_here, known_names

MAX_UPLOAD_MB = 50
PAGES = Path(__file__).resolve().parents[2] / "dashboards"
"""The pages stand beside this package; they are started, not imported: nothing below them knows them."""


def view(
    name: Annotated[
        str, typer.Argument(metavar="[RUN]", help="The run to open: an id, its beginning, or latest.")
    ] = "latest",
    port: Annotated[int, typer.Option("--port", envvar="TOR_PORT", min=1, max=65535)] = 8501,
    address: Annotated[
        str, typer.Option("--address", envvar="TOR_ADDRESS", help="Where to listen.")
    ] = "127.0.0.1",
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Let other machines in; there is no password."),
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="Another name that browsers reach it by.")
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Show use cases and runs in a browser. Nothing leaves this machine."""
    from harness.bakeoff.run_folder import list_runs

    _check_address(address, allow_remote=allow_remote)
    names = known_names(address, allow_host or ())
    if find_spec("streamlit") is None:
        raise MissingExtra.of("streamlit", "pages")
    run_id = "" if name == "latest" and not list_runs(runs) else run_in(runs, name).run_id
    environ = dict(os.environ) | {
        "TOR_RUNS_DIR": str(runs.absolute()),
        "TOR_VIEW_RUN": run_id,
        "TOR_VIEW_FOLDER": str(Path.cwd()),
    }
    entries = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    environ["PYTHONPATH"] = os.pathsep.join([str(PAGES.parent), *map(os.path.abspath, entries)])
    typer.echo(f"Open http://{_shown(address)}:{port}   (stop with Ctrl-C)")
    _become(view_command(port, address, names), environ)


def view_command(port: int, address: str, names: Sequence[str]) -> list[str]:
    """The command that serves the pages: no telemetry, no e-mail prompt, bounded uploads, own fonts.

    Nothing of the working folder is imported (`-P`).

    Args:
        names: the hosts that a browser may ask for.
    """
    settings = {
        "server.headless": "true",
        "server.address": address,
        "server.port": str(port),
        "server.maxUploadSize": str(MAX_UPLOAD_MB),
        "server.enableStaticServing": "true",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "runner.magicEnabled": "false",
        "client.showErrorDetails": "none",
        "theme.base": str(PAGES / "theme.toml"),
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    flags += [f"--server.allowedHosts={name}" for name in names]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(PAGES / "app.py"), *flags]


def _become(words: list[str], environ: dict[str, str]) -> None:
    """Hand this process over, so that whoever stops it stops the pages; where that cannot be, wait.

    It starts in the folder of the pages, so that no `.streamlit` of the working folder sets anything.
    """
    os.chdir(PAGES)
    if os.name == "posix":
        sys.stdout.flush()
        os.execve(words[0], words, environ)
    done = subprocess.run(words, env=environ, check=False)
    raise typer.Exit(max(0, done.returncode))


def _check_address(address: str, *, allow_remote: bool) -> None:
    if not allow_remote and not is_here(address):
        raise UsageError(
            "The pages have no password, so they are not served to other machines.",
            got=address,
            allowed="127.0.0.1, ::1 or localhost",
            run=f"harness view --address {address} --allow-remote   # on a network you trust",
        )


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address
