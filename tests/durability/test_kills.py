"""A run that is killed, stopped or run twice at once: nothing is lost, nothing is bought twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from harness.bakeoff.run_lock import holder_of, writing
from tests.durability.support import (
    CONCURRENCY,
    WARM_UP,
    Harness,
    Process,
    asked,
    go_on,
    only_run,
    right_answer,
    slowly,
    stored,
    write_plan,
)
from tests.support.scripted_server import ScriptedServer, scripted


def wait_for(server: ScriptedServer, count: int, process: Process) -> None:
    """Wait until so many requests came, or the process ended."""
    while len(server.requests) < count and process.poll() is None:
        time.sleep(0.005)


def killed_often(harness: Harness, folder: Path, kills: int, seed: int) -> tuple[int, int]:
    """Kill a run so often at random moments, resume it, and compare it with one that was left alone.

    Returns:
        kills that met a process at work, and requests that came more than once.
    """
    rng = random.Random(seed)
    whole, broken = folder / "whole", folder / "broken"
    whole.mkdir()
    broken.mkdir()
    with scripted(right_answer) as server:
        write_plan(whole, server)
        code, err = harness.run(whole, *go_on(whole))
        assert code == 0, err
        wanted, once = stored(only_run(whole)), asked(server)
        needed = len(server.requests)
        server.requests.clear()
        server.script = slowly(right_answer, 0.02)
        write_plan(broken, server)
        hits, before = 0, dict[tuple[str, str, str], str]()
        for number in range(kills):
            process = harness.start(broken, *go_on(broken))
            if number % 4 == 3:  # anywhere: while it starts, concludes, closes
                process.wait(rng.uniform(0.05, 3.0))
            else:
                reach = max(1, (needed - len(server.requests)) // max(1, kills - number))
                wait_for(server, len(server.requests) + rng.randint(1, reach + 2), process)
            process.send(signal.SIGKILL)
            hits += process.finish()[0] == -signal.SIGKILL
            if (broken / "runs").is_dir() and any((broken / "runs").glob("2*/journal.sqlite")):
                now = stored(only_run(broken))
                assert all(now.get(key) == text for key, text in before.items()), "an answer was lost"
                before = now
        code, err = harness.run(broken, *go_on(broken))
        assert code == 0, err
        run = only_run(broken)
        assert stored(run) == wanted, "nothing lost, nothing changed"
        assert run.manifest() is not None and holder_of(run.root) is None
        run.check()
        again = asked(server)
        extra = sum((again - once).values())
        assert again.keys() == once.keys() and extra <= hits * (CONCURRENCY + WARM_UP), (
            "only what was under way"
        )
    return hits, extra


def test_a_few_kills_lose_nothing(harness: Harness, tmp_path: Path) -> None:
    killed_often(harness, tmp_path, kills=3, seed=1)


@pytest.mark.durability
def test_forty_kills_lose_nothing(harness: Harness, tmp_path: Path) -> None:
    hits, extra = killed_often(harness, tmp_path, kills=40, seed=2)
    print(f"kills: {hits} of 40 met a process at work, {extra} calls under way were made again")
    assert hits >= 30


def test_the_second_of_two_resumes_is_told_who_holds_the_run(harness: Harness, tmp_path: Path) -> None:
    with scripted(slowly(right_answer, 0.05)) as server:
        write_plan(tmp_path, server, each=8)
        first = harness.start(tmp_path, *go_on(tmp_path))
        wait_for(server, 3, first)
        code, err = harness.run(tmp_path, "resume", "latest")
        said = next(line for line in err.splitlines() if line.startswith("harness: "))
        assert code == 1 and "is being written by" in said and f"process {first.pid}" in said
        code, err = first.finish()
        assert code == 0, err
        calls = asked(server)
    with scripted(right_answer) as server:
        alone = tmp_path / "alone"
        alone.mkdir()
        write_plan(alone, server, each=8)
        assert harness.run(alone, *go_on(alone))[0] == 0
        assert calls == asked(server), "two at once ask no more than one"


@pytest.mark.durability
def test_whatever_writes_a_run_respects_its_holder(harness: Harness, tmp_path: Path) -> None:
    with scripted(right_answer) as server:
        write_plan(tmp_path, server, each=12)
        assert harness.run(tmp_path, *go_on(tmp_path))[0] == 0
    run = only_run(tmp_path)
    before = kept_files(run.root)
    (tmp_path / "p.csv").write_text("item_id,label\nx,billing\n")
    with writing(run.root):
        for words in (
            ("resume",),
            ("score", "--store"),
            ("import", "latest", "p.csv", "--arm", "x"),
            ("latency",),
            ("robustness", "--out-of-scope", "p.csv", "--text", "item_id"),
            ("curve",),
        ):
            code, err = harness.run(tmp_path, *words)
            assert code == 1 and f"process {os.getpid()}" in err, (words, err)
        for words in (("report",), ("score",), ("runs",), ("errors", "latest", "prompt")):
            assert harness.run(tmp_path, *words)[0] == 0, words
    assert kept_files(run.root) == before


def kept_files(folder: Path) -> dict[str, bytes]:
    """All files but the index and the empty log that SQLite lays beside a journal that is only read."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return {
        name: held
        for name, held in found.items()
        if not name.endswith("-shm") and (held or "-wal" not in name)
    }


@pytest.mark.durability
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_run_that_is_told_to_stop_says_how_to_go_on(harness: Harness, tmp_path: Path, name: str) -> None:
    with scripted(slowly(right_answer, 0.05)) as server:
        write_plan(tmp_path, server, each=12)
        process = harness.start(tmp_path, *go_on(tmp_path))
        wait_for(server, 8, process)
        process.send(signal.Signals[name])
        code, err = process.finish()
        run = only_run(tmp_path)
        assert code == 3 and f"harness resume {run.run_id}" in err
        assert len(stored(run)) >= 4 and holder_of(run.root) is None
        assert harness.run(tmp_path, *go_on(tmp_path))[0] == 0
