"""A provider that fails in every way it knows, a disk that is full, a folder that cannot be written."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from harness.core.records import FailureKind
from tests.durability.support import Harness, go_on, only_run, right_answer, stored, write_plan
from tests.harness.models.api.test_client import one_fault_in_five
from tests.support.people import let_in
from tests.support.scripted_server import Reply, completion, error, scripted

QUICK = ("--max-retries", "1", "--timeout", "1")
KINDS: dict[str, Reply] = {
    "400": error(400, "bad request"),
    "408": error(408, "request timeout"),
    "409": error(409, "conflict"),
    "413": error(413, "too large"),
    "429": error(429, "slow down", retry_after="0"),
    "500": error(500, "server error"),
    "502 in HTML": Reply(status=502, headers={"content-type": "text/html"}, body=b"<html>bad gateway</html>"),
    "503": error(503, "unavailable", retry_after="0"),
    "504": error(504, "gateway timeout"),
    "529": error(529, "overloaded"),
    "no JSON": Reply(body=b"not json"),
    "half a JSON": Reply(body=b'{"choices": [{"message"'),
    "no choices": Reply(body={"choices": [], "usage": {}}),
    "no text": completion(None),
    "no label": completion("the weather is fine"),
    "deep nesting": completion("[" * 5000),
    "no UTF-8": Reply(body=b'{"choices": "\xff\xfe"}'),
}


class Faulty:
    """The right answer, but for a share of the calls, each of which fails in the next way."""

    def __init__(self, share: float, seed: int) -> None:
        self.rng = random.Random(seed)
        self.share = share
        self.given: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, number: int, body: dict[str, Any]) -> Reply:
        with self.lock:
            if self.rng.random() >= self.share:
                return right_answer(number, body)
            kind = list(KINDS)[len(self.given) % len(KINDS)]
            self.given.append(kind)
            return KINDS[kind]


def survives_faults(harness: Harness, folder: Path, each: int) -> Faulty:
    """Every item ends in one outcome, and a second try on a sound server gives the answers of a sound run."""
    sound, faulty = folder / "sound", folder / "faulty"
    sound.mkdir()
    faulty.mkdir()
    with scripted(right_answer) as server:
        write_plan(sound, server, each=each)
        assert harness.run(sound, *go_on(sound))[0] == 0
        wanted = stored(only_run(sound))
        script = Faulty(0.2, 3)
        server.script = script
        write_plan(faulty, server, each=each)
        code, err = harness.run(faulty, *go_on(faulty, *QUICK))
        for _ in range(20):  # a fault may end a run (billing, many failures in a row): it says so and goes on
            if code == 0:
                break
            assert code in (1, 3) and "harness" in err, err
            code, err = harness.run(faulty, *go_on(faulty, *QUICK))
        assert code == 0, err
        run = only_run(faulty)
        found = stored(run)
        assert found.keys() == wanted.keys(), "every item has one outcome"
        failures = {kind.value for kind in FailureKind}
        wrong = [key for key, text in found.items() if text != wanted[key] and text not in failures]
        assert all(found[key] in ("the weather is fine", "[" * 5000) for key in wrong), (
            "an answer was changed"
        )
        server.script = right_answer
        code, err = harness.run(faulty, "resume", "latest", "--retry-errors")
        assert code == 0, err
        mended = stored(run)
        left = [key for key in wanted if mended[key] != wanted[key]]
        assert set(left) <= set(wrong), "failures are asked again, answers are kept"
        run.check()
    return script


def test_a_fifth_of_the_calls_may_fail(harness: Harness, tmp_path: Path) -> None:
    survives_faults(harness, tmp_path, each=8)


@pytest.mark.durability
def test_hundreds_of_faults_of_every_kind(harness: Harness, tmp_path: Path) -> None:
    script = survives_faults(harness, tmp_path, each=400)
    assert len(set(script.given)) == len(KINDS) == 17
    print(f"faults: {len(script.given)} of {len(set(script.given))} kinds")


@pytest.mark.durability
def test_three_thousand_questions_with_one_fault_in_five_cost_what_the_server_counted() -> None:
    one_fault_in_five(3000)


def full_disk(harness: Harness, folder: Path, most: int) -> None:
    """Files stop growing at `most` bytes: one clear line, and once there is room nothing is lost."""
    with scripted(right_answer) as server:
        write_plan(folder, server, each=20)
        code, err = harness.run(folder, *go_on(folder), fsize=most)
        assert code in (1, 3), (most, err)
        lines = [line for line in err.splitlines() if line.startswith("harness: ")]
        assert len(lines) == 1, err
        before = stored(only_run(folder)) if list((folder / "runs").glob("2*")) else {}
        code, err = harness.run(folder, *go_on(folder))
        assert code == 0, err
        run = only_run(folder)
        now = stored(run)
        assert all(now[key] == text for key, text in before.items())
        run.check()


def test_a_disk_that_fills_up_loses_nothing(harness: Harness, tmp_path: Path) -> None:
    full_disk(harness, tmp_path, 60_000)


@pytest.mark.durability
@pytest.mark.parametrize("most", [2_000, 8_192, 20_000, 40_960, 80_000, 120_000])
def test_a_disk_that_fills_up_anywhere_loses_nothing(harness: Harness, tmp_path: Path, most: int) -> None:
    full_disk(harness, tmp_path, most)


@pytest.mark.durability
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to step down from")
def test_a_run_that_cannot_be_written_can_be_read(harness: Harness, tmp_path: Path) -> None:
    with scripted(right_answer) as server:
        write_plan(tmp_path, server, each=12)
        assert harness.run(tmp_path, *go_on(tmp_path))[0] == 0
    run = only_run(tmp_path)
    item = json.loads((run.root / "items.jsonl").read_text().splitlines()[-1])["item"]["id"]
    let_in(tmp_path)
    (tmp_path / "cache").mkdir(exist_ok=True)
    for path in tmp_path.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    tmp_path.chmod(0o555)
    for words in (
        ("runs",),
        ("report",),
        ("score",),
        ("explain", "latest", item),
        ("errors", "latest", "prompt"),
    ):
        code, err = harness.run(tmp_path, *words, nobody=True)
        assert code == 0, (words, err)
    for words in (("resume",), ("score", "--store"), ("report", "-f", "csv")):
        code, err = harness.run(tmp_path, *words, nobody=True)
        assert code == 1 and ("ermission denied" in err or "written" in err), (words, err)
    run.check()
