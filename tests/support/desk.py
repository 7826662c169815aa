"""A table of tickets as a user would bring it, and the command line run in this process."""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_WORDS = {
    "billing": ["invoice", "charge", "refund", "tax", "payment", "receipt", "amount", "vat"],
    "sign_in": ["password", "login", "account", "reset", "code", "locked", "mail", "token"],
    "shipping": ["parcel", "delivery", "street", "courier", "late", "box", "tracking", "depot"],
}
_COMMON = [
    "the",
    "my",
    "since",
    "yesterday",
    "please",
    "help",
    "with",
    "again",
    "order",
    "number",
    "still",
    "cannot",
    "today",
    "before",
    "after",
]


def write_tickets(path: Path, each: int = 40) -> Path:
    """`each` tickets a queue, written from a few words in a random order that is always the same."""
    rng = random.Random(5)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["subject", "body", "queue", "customer"])
        for number in range(each):
            for queue, words in _WORDS.items():
                body = [*rng.sample(words, 3), *rng.sample(_COMMON, 8)]
                rng.shuffle(body)
                table.writerow([f"{rng.choice(words)} {number}", " ".join(body), queue, f"c{number // 2}"])
    return path


@dataclass(frozen=True)
class Said:
    """What a command printed and ended with."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: Path) -> Command:
    """`harness` in this process, in `folder`. An exception that is no SystemExit fails the test."""
    from harness.cli.app import run

    monkeypatch.chdir(folder)
    monkeypatch.setenv("TOR_CACHE_DIR", str(folder / "cache"))

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        capfd.readouterr()
        code: object = 0
        try:
            run()
        except SystemExit as end:
            code = end.code or 0
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Said(code if isinstance(code, int) else 1, out, err)

    return call


def flags(file: Path, *more: str) -> Sequence[str]:
    """`bakeoff` on the tickets."""
    return (
        "bakeoff", "--data", str(file), "--text", "subject,body", "--label", "queue", "--group", "customer",
        "--offline", *more,
    )  # fmt: skip
