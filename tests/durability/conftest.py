"""One process that starts all others of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.durability.support import Harness, harness_processes


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with harness_processes(tmp_path_factory.mktemp("said")) as found:
        yield found
