"""Run a piece of a test as somebody without rights: root may write everywhere, so it has to step down."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534


def let_in(folder: Path) -> None:
    """Let everybody reach `folder`: the test runner closes the folders above it."""
    top = Path(tempfile.gettempdir()).resolve()
    for part in (folder, *folder.parents):
        if part.resolve() == top or top not in part.resolve().parents:
            return
        part.chmod(0o755)


def as_nobody(work: Callable[[], object]) -> None:
    """Call `work` in a child process without rights; its exceptions fail the test here.

    Only what is imported before the call is at hand in the child.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the parent only learns that it failed
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, (
        "the part run without rights failed; see the captured output"
    )
