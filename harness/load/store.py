"""Load tests on disk, beside the run whose arms they asked."""

from __future__ import annotations

from collections.abc import Sequence

from harness.bakeoff.run_folder import LOAD, RunFolder
from harness.core.records import ArmId
from harness.load.records import ArmLoad, LoadResult, saturation


def stored_load(folder: RunFolder) -> tuple[LoadResult, ...]:
    """The load tests of a run, the oldest first; none where it was put under none."""
    return folder.part(LOAD, tuple[LoadResult, ...]) or ()


def loads_of(folder: RunFolder) -> tuple[ArmLoad, ...]:
    """What the load tests of a run show of each arm, within the latency that its plan allows."""
    tests = stored_load(folder)
    most = folder.plan().decision.max_p95_ms if tests else None
    by_arm: dict[ArmId, list[LoadResult]] = {}
    for test in tests:
        by_arm.setdefault(test.arm, []).append(test)
    return tuple(
        ArmLoad(arm=arm, tests=tuple(found), full=saturation(found, most)) for arm, found in by_arm.items()
    )


def keep_tests(folder: RunFolder, found: Sequence[LoadResult]) -> None:
    """Store tests in the place of earlier ones that asked the same arm at the same address as fast."""
    new = {_asked(test) for test in found}
    kept = [test for test in stored_load(folder) if _asked(test) not in new]
    folder.write_part(LOAD, (*kept, *found))


def _asked(test: LoadResult) -> tuple[str, str, float | None, int | None]:
    return str(test.arm), test.address, test.rate, test.concurrency
