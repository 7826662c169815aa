"""What the durability tests share: a plan against a scripted server, and `harness` as another process."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from harness.bakeoff.plan import build_plan, dump_plan
from harness.bakeoff.run_folder import RunFolder, list_runs
from tests.support.desk import write_tickets
from tests.support.scripted_server import Reply, ScriptedServer, completion

CONCURRENCY, WARM_UP = 2, 3
ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-not-a-secret"


def right_answer(number: int, body: dict[str, Any]) -> Reply:
    """The same label for the same messages, whenever and however often they come."""
    labels = re.findall(r"^- (\w[\w ]*)", body["messages"][0]["content"], re.MULTILINE)
    labels = labels or body["messages"][0]["content"].rpartition("Labels: ")[2].split("; ")
    asked = body["messages"][-1]["content"]
    return completion(json.dumps({"label": labels[zlib.crc32(asked.encode()) % len(labels)]}))


def slowly(script: Callable[[int, dict[str, Any]], Reply], seconds: float) -> Any:
    """The same script, every reply so much later."""
    return lambda number, body: dataclasses.replace(script(number, body), delay_s=seconds)


def write_plan(folder: Path, server: ScriptedServer, *, each: int = 20, latency: int = 4) -> Path:
    """A plan of a floor and two served arms on tickets of the user's own."""
    tickets = write_tickets(folder / "tickets.csv", each=each)
    served = {"model": "openai/served-1", "api_base": server.address}
    raw: dict[str, Any] = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue", "group": ["customer"]},
        "arms": [{"option": "floor"}, {"option": "prompt", **served}, {"option": "retrieve", **served}],
        "retrieve": {"k": [2], "embedding": ""},
        "latency": {"items": latency},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    path = folder / "plan.yaml"
    path.write_text(dump_plan(build_plan(raw, "test")), encoding="utf-8")
    assert yaml.safe_load(path.read_text())
    return path


class Process:
    """A `harness` at work, as a process of its own."""

    def __init__(self, pid: int, place: Path) -> None:
        self.pid = pid
        self._place = place

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        try:
            return int(Path(f"{self._place}.code").read_text())
        except OSError:
            return None

    def send(self, number: int) -> None:
        """Send it a signal; one that has ended gets none."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, seconds: float = 240) -> bool:
        """Whether it ended in time."""
        end = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def finish(self) -> tuple[int, str]:
        """How it ended and what it said on stderr; a traceback fails the test."""
        assert self.wait(), "it hangs"
        code, err = self.poll(), Path(f"{self._place}.err").read_text(errors="replace")
        assert code is not None
        assert "Traceback" not in err, err[-3000:]
        return code, err

    @property
    def out(self) -> str:
        """What it said on stdout."""
        return Path(f"{self._place}.out").read_text(errors="replace")


class Harness:
    """Starts `harness` in folders, without importing it each time (`zygote.py`)."""

    def __init__(self, zygote: subprocess.Popen[str], home: Path) -> None:
        self._zygote = zygote
        self._home = home
        self._count = 0

    def start(self, folder: Path, *words: str, fsize: int = 0, nobody: bool = False) -> Process:
        """Begin; `fsize` is the most bytes a file that it writes may have, `nobody` takes its rights away."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._count += 1
        place = self._home / str(self._count)
        wanted = {"cwd": str(folder), "words": words, "place": str(place), "fsize": fsize, "nobody": nobody}
        self._zygote.stdin.write(json.dumps(wanted) + "\n")
        self._zygote.stdin.flush()
        return Process(int(self._zygote.stdout.readline()), place)

    def run(self, folder: Path, *words: str, fsize: int = 0, nobody: bool = False) -> tuple[int, str]:
        """Begin, and wait for its end."""
        return self.start(folder, *words, fsize=fsize, nobody=nobody).finish()


@contextlib.contextmanager
def harness_processes(home: Path) -> Iterator[Harness]:
    """What starts `harness`; at the end everything it started has ended."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOR_")}
    environ |= {"OPENAI_API_KEY": KEY, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    zygote = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("zygote.py"))],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert zygote.stdout is not None
    assert zygote.stdout.readline() == "ready\n"
    try:
        yield Harness(zygote, home)
    finally:
        assert zygote.stdin is not None
        zygote.stdin.close()
        zygote.wait(240)


def go_on(folder: Path, *more: str) -> tuple[str, ...]:
    """The words of `resume` where there is a run, of `run` where there is none yet."""
    there = list_runs(folder / "runs")
    words = ("resume", "latest") if there else ("run", "plan.yaml")
    return (*words, "-j", str(CONCURRENCY), *more)


def only_run(folder: Path) -> RunFolder:
    """The one run in the folder."""
    (found,) = list_runs(folder / "runs")
    return found


def stored(run: RunFolder) -> dict[tuple[str, str, str], str]:
    """What the journal holds, by arm, pass and item: the text of the answer, or the kind of failure."""
    if not (run.root / "items.jsonl").exists():
        return {}  # it stopped before anything was asked
    with run.journal(read_only=True) as journal:
        rows = journal._rows("SELECT arm, pass, item_id, payload FROM outcomes")
    found: dict[tuple[str, str, str], str] = {}
    for arm, split, item, payload in rows:
        assert (arm, split, item) not in found, "an item stands in the journal twice"
        outcome = json.loads(payload)
        found[arm, split, item] = outcome.get("text") or outcome["kind"]
    return found


def asked(server: ScriptedServer) -> Counter[str]:
    """How often each conversation came to the server."""
    return Counter(json.dumps(body["messages"], sort_keys=True) for body in server.requests)
