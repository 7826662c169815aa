"""What a registry's history says: versions, stages, checks. Pure: events in, answers out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.core.errors import UsageError
from harness.training.tuned_model import AdapterVersion, Event, Parity


def versions(events: Sequence[Event], name: str = "") -> list[AdapterVersion]:
    """Every version, oldest first; of one adapter where a name is given."""
    found = [event.added for event in events if event.added is not None]
    return [version for version in found if name in ("", version.name)]


def stages(events: Sequence[Event], name: str) -> dict[str, int]:
    """Stage -> the version that stands on it."""
    return {stage: past[-1] for stage, past in _past(events, name).items() if past}


def before(events: Sequence[Event], name: str, stage: str) -> tuple[int, int]:
    """The version on a stage and the one that stood there before it.

    Raises:
        UsageError: if there is none to go back to.
    """
    past = _past(events, name).get(stage, [])
    if len(past) < 2:
        raise UsageError(
            f"There is no version to go back to on the stage '{stage}' of {name}.",
            got=", ".join(map(str, past)) or "no version on it",
            allowed="a stage on which two versions have stood",
            run=f"harness adapters show {name}",
        )
    return past[-1], past[-2]


def find(events: Sequence[Event], reference: str) -> AdapterVersion:
    """The version a reference means: `NAME` (the newest), `NAME@3`, `NAME@production`.

    Raises:
        UsageError: if there is none.
    """
    name, _, which = reference.partition("@")
    mine = versions(events, name)
    if not mine:
        names = sorted({version.name for version in versions(events)})
        raise UsageError(
            "There is no such adapter in the registry.",
            got=name,
            allowed=", ".join(names) or "none yet",
            run="harness adapters list",
        )
    if re.fullmatch(r"[0-9]{1,9}|", which):
        number: int | None = int(which or mine[-1].version)
    else:
        number = stages(events, name).get(which)
    for version in mine:
        if version.version == number:
            return version
    on = [f"{name}@{stage}" for stage in stages(events, name)]
    raise UsageError(
        f"{name} has no such version.",
        got=reference,
        allowed=", ".join([f"{name}@{version.version}" for version in mine] + on),
    )


def checks(events: Sequence[Event], name: str, version: int) -> list[Parity]:
    """Every parity check of a version, oldest first, failed ones included."""
    mine = [event for event in events if (event.name, event.version) == (name, version)]
    return [event.parity for event in mine if event.parity is not None]


def _past(events: Sequence[Event], name: str) -> dict[str, list[int]]:
    """By stage the versions that stood on it and were not taken back, oldest first."""
    found: dict[str, list[int]] = {}
    for event in events:
        if event.name != name:
            continue
        match event.what:
            case "promoted":
                found.setdefault(event.stage, []).append(event.version)
            case "rolled back":
                found[event.stage].pop()
            case "added" | "checked":
                continue
    return found
