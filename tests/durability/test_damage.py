"""Every file of a run damaged in many ways: each command gives what is true, or one clear line."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.bakeoff.run_folder import RunFolder
from tests.durability.support import Harness, only_run
from tests.support.desk import flags, write_tickets

FILES = (
    "plan.yaml", "lock.json", "items.jsonl", "data.json", "results.json", "answers.json", "manifest.json",
    "journal.sqlite",
)  # fmt: skip
WAYS = ("flip", "cut", "noise", "empty", "no text", "nested", "doubled", "gone")


@dataclass(frozen=True)
class Original:
    """A finished run and what the commands say of it."""

    folder: Path
    item: str
    said: dict[tuple[str, ...], str]

    @property
    def run(self) -> RunFolder:
        """The run."""
        return only_run(self.folder)


def reading(item: str) -> tuple[tuple[str, ...], ...]:
    """Commands that read a run and print what depends on nothing but it."""
    return (
        ("report",),
        ("score",),
        ("explain", "latest", item),
        ("errors", "latest", "linear"),
        ("report", "-f", "csv", "-o", "out"),
    )


@pytest.fixture(scope="module")
def original(harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    folder = tmp_path_factory.mktemp("original")
    tickets = write_tickets(folder / "tickets.csv", each=20)
    assert harness.run(folder, *flags(tickets, "--arms", "floor,linear"))[0] == 0
    item = json.loads((only_run(folder).root / "items.jsonl").read_text().splitlines()[-1])["item"]["id"]
    said = {}
    for words in reading(item):
        process = harness.start(folder, *words)
        assert process.finish()[0] == 0, words
        said[words] = process.out
    shutil.rmtree(folder / "out")
    yield Original(folder=folder, item=item, said=said)


def damaged(content: bytes, way: str, rng: random.Random) -> bytes | None:
    """The content after something happened to it; None for a file that is gone."""
    raw, at = bytearray(content), rng.randrange(len(content))
    match way:
        case "flip":
            raw[at] ^= 1 << rng.randrange(8)
        case "cut":
            del raw[at:]
        case "noise":
            raw[at : at + 64] = rng.randbytes(64)
        case "empty":
            raw.clear()
        case "no text":
            raw[at:at] = b"\xff\xfe\x00\xed\xa0\x80"
        case "nested":
            raw[:] = b"[" * 100_000
        case "doubled":
            raw += bytes(raw)
        case _:
            return None
    return bytes(raw)


def survives(harness: Harness, original: Original, folder: Path, damage: tuple[str, str, int]) -> bool:
    """Try every command on a damaged copy; returns whether any of them refused."""
    name, way, seed = damage
    shutil.copytree(original.folder, folder, dirs_exist_ok=True)
    path = only_run(folder).root / name
    content = damaged(path.read_bytes(), way, random.Random(seed))
    path.unlink() if content is None else path.write_bytes(content)
    refused = False
    for words in (*reading(original.item), ("resume", "--offline"), ("score", "--store")):
        process = harness.start(folder, *words)
        code, err = process.finish()
        what = (damage, words, err)
        assert code in (0, 1, 2, 3), what
        lines = [line for line in err.splitlines() if line.startswith("harness: ")]
        assert len(lines) == (code != 0), what
        refused = refused or code != 0
        opened = name == "manifest.json" and content is None  # without it a run is incomplete, and says so
        if code == 0 and words in original.said and not opened:
            lost = [line for line in original.said[words].splitlines() if line not in process.out]
            assert not lost, f"something else was shown: {what}"
            noted = "changed after" in process.out or "damaged" in process.out or "lost its" in process.out
            assert process.out == original.said[words] or noted, f"more was shown: {what}"
    return refused


@pytest.mark.parametrize("name", ["items.jsonl", "journal.sqlite"])
def test_a_flipped_bit_is_never_shown(
    harness: Harness, original: Original, tmp_path: Path, name: str
) -> None:
    survives(harness, original, tmp_path / "copy", (name, "flip", 5))


@pytest.mark.durability
def test_sixty_damaged_files(harness: Harness, original: Original, tmp_path: Path) -> None:
    damages = [(name, way, 7) for name in FILES for way in WAYS]
    refused = 0
    for number, damage in enumerate(damages):
        copy = tmp_path / str(number)
        refused += survives(harness, original, copy, damage)
        shutil.rmtree(copy)
    print(f"damaged files: {len(damages)}, of which {refused} were refused by at least one command")
    assert len(damages) >= 60
