"""The closing record of the hand-made run."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.bakeoff.run_folder import Manifest
from harness.core.environment import Environment


def closing() -> Manifest:
    """Finished on 23 November 2026 at 20:27 UTC, after 671 seconds."""
    return Manifest(
        run_id="20261123-201500-c0ffee",
        plan_digest="c0ffee" + "00" * 29,
        finished_at=datetime(2026, 11, 23, 20, 27, tzinfo=UTC),
        wall_s=671.0,
        environment=Environment(
            taken_at=datetime(2026, 11, 23, 20, 15, tzinfo=UTC),
            commit="0123456789ab",
            python="3.11.9",
            packages={"tune-or-retrieve": "0.1.0", "scikit-learn": "1.7.2"},
            system="Linux x86_64",
            cpu="an example processor",
            cores=2,
            memory_gib=7.7,
            cpu_flags=(),
            gpu="",
            load=0.5,
        ),
        files={},
    )
