"""The flags that say what may leave this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.bakeoff.run_folder import PLACEHOLDERS
from tests.support.desk import Command
from tests.support.scripted_server import ANOTHER, ScriptedServer, completion, scripted

HOST = ANOTHER


@pytest.fixture
def server(another_machine: None) -> Iterator[ScriptedServer]:
    with scripted(lambda _number, _body: completion('{"label": "a"}')) as running:
        yield running


@pytest.fixture
def bakeoff(harness: Command, server: ScriptedServer) -> tuple[str, ...]:
    words = ("apple", "bread")
    lines = [f'"{word} {n} from p{n}@example.com",{word[0]}' for n in range(30) for word in words]
    Path("tickets.csv").write_text("\n".join(["body,queue", *lines]) + "\n", encoding="utf-8")
    address = server.address.replace("127.0.0.1", HOST)
    return (
        *("bakeoff", "--data", "tickets.csv", "--text", "body", "--label", "queue"),
        *("--arms", "floor,prompt", "--model", "openai/gateway", "--api-base", address, "-n", "5"),
    )


def test_a_run_is_refused_and_goes_on_as_it_says(
    harness: Command, server: ScriptedServer, bakeoff: tuple[str, ...]
) -> None:
    said = harness(*bakeoff)
    assert said.code == 1 and server.requests == []
    assert "hold personal data" in said.err and "p1" + "@example.com" not in said.err
    assert "the same command with --redact" in said.err and not list(Path("runs").glob("*-*"))
    again = harness(*bakeoff, "--redact")
    assert again.code == 0, again.err
    assert server.requests and "@" not in str(server.requests)
    assert list(Path("runs").glob(f"*/{PLACEHOLDERS}"))


def test_a_dry_run_sends_nothing_whatever_was_agreed_to(
    harness: Command, server: ScriptedServer, bakeoff: tuple[str, ...]
) -> None:
    for more in ((), ("--redact",), ("--allow-pii",)):
        said = harness(*bakeoff, "--dry-run", *more)
        assert said.code == 0 and f"Leaves this machine for {HOST}" in said.out, said.err
        assert "e-mail addresses" in said.out
    assert server.requests == [] and not Path("runs").exists()


def test_residency_is_a_flag_and_holds(
    harness: Command, server: ScriptedServer, bakeoff: tuple[str, ...]
) -> None:
    said = harness(*bakeoff, "--allow-pii", "--residency", "self-host-only")
    assert said.code == 2 and f"{HOST} is not a machine of your own" in said.err
    assert server.requests == [] and not Path("runs").exists()
    assert harness(*bakeoff, "--residency", "self-host-only", "--own-host", HOST).code == 0


def test_personal_data_is_not_both_replaced_and_sent(harness: Command, bakeoff: tuple[str, ...]) -> None:
    assert harness(*bakeoff, "--redact", "--allow-pii").code == 2
