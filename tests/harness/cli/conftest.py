"""What the tests of the commands share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.desk import Command, command


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command line in a folder of its own, without settings from outside."""
    for name in list(os.environ):
        if name.startswith("TOR_"):
            monkeypatch.delenv(name)
    return command(monkeypatch, capfd, tmp_path)
