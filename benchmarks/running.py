"""Programs that serve at an address: started, waited for, and ended with all they started."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_START_S = 900
_STOP_S = 60


@contextlib.contextmanager
def running(words: Sequence[str], folder: Path, environ: Mapping[str, str], health: str) -> Iterator[None]:
    """A program that answers at the URL `health`; what it says is written to a log in the folder.

    Raises:
        RuntimeError: it ended, or did not answer within 15 minutes; with the end of what it said.
    """
    log = folder / f"{Path(words[0]).name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, cwd=folder, env=environ, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            end = time.monotonic() + _START_S
            while not answers(health):
                if process.poll() is not None or time.monotonic() > end:
                    said = log.read_text(errors="replace")[-4000:]
                    raise RuntimeError(f"{shlex.join(words)} did not come up:\n{said}")
                time.sleep(1)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=_STOP_S)


def answers(url: str) -> bool:
    """Whether anything answers there."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url, timeout=5).close()
        return True
    return False


def free_port() -> int:
    """A port of loopback that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def vllm_environ(programs: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment that vLLM runs in here: with the programs of its own, and off the network."""
    kept = {key: value for key, value in environ.items() if key != "PYTHONPATH"}
    return {
        **kept,
        "PATH": f"{programs}{os.pathsep}{environ['PATH']}",
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
