"""Starts `harness` again and again without importing it each time: a process that forks one for each command.

Reads one JSON object a line: {"cwd", "words", "place", "fsize", "nobody"}. A child's output goes to `place`
with .out and .err, and how it ended to .code, written when it was waited for. `fsize` limits the bytes of a
file it writes, `nobody` takes the rights of root away.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import sys
import unittest  # noqa: F401 - a child without rights may not be able to import what is not at hand
from pathlib import Path

import pytest
import scipy.special  # noqa: F401
import typer.main

import harness.bakeoff.run
import harness.recommendation.run  # noqa: F401
from harness.cli import app
from harness.models.api.library import load_litellm
from tests.support.at_once import start_at_once

NOBODY = 65534


def main() -> None:
    """Fork until stdin ends."""
    places: dict[int, str] = {}
    start_at_once(pytest.MonkeyPatch())
    typer.main.get_command(app.app)
    load_litellm()  # it takes seconds to import, and is told here to leave the network alone
    print("ready", flush=True)
    rest, ended = b"", False
    while not ended or places:
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                temporary = Path(places[pid] + ".tmp")
                temporary.write_text(str(code), encoding="ascii")
                temporary.rename(places.pop(pid) + ".code")
        if ended or not select.select([0], [], [], 0.005)[0]:
            continue
        read = os.read(0, 1 << 16)
        ended = not read
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            wanted = json.loads(line)
            child = os.fork()
            if child == 0:
                become(wanted)
            places[child] = wanted["place"]
            print(child, flush=True)


def become(wanted: dict[str, object]) -> None:
    """Be `harness` with these words, and end as it does."""
    place = str(wanted["place"])
    null = os.open(os.devnull, os.O_RDONLY)
    out, err = (os.open(f"{place}.{end}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for end in ("out", "err"))
    for mine, standard in ((null, 0), (out, 1), (err, 2)):
        os.dup2(mine, standard)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.chdir(str(wanted["cwd"]))
    os.environ["TOR_CACHE_DIR"] = str(Path(str(wanted["cwd"])) / "cache")
    if wanted["fsize"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(str(wanted["fsize"])),) * 2)
    if wanted["nobody"]:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    sys.argv = ["harness", *map(str, wanted["words"])]  # type: ignore[call-overload]
    code = 0
    try:
        app.run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, the test looks for it
        import traceback

        traceback.print_exc()
        code = 70
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
