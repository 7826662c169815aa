"""Adapters as versions that never change, under a history that only grows.

    <address>/history/000001.json    one event each: added, promoted, rolled back, checked
    <address>/<name>/<digest>/       an adapter's files, named by what is in them

An event's file is created once and never written again, so two writers cannot take the same number and a
kill leaves whole events only. Files come before their event: an adapter whose event is missing was never
added. Whatever is taken out is compared with the digests in its version first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from harness.core.errors import ModelUnavailable, StoreError, UsageError
from harness.core.names import inside
from harness.core.serial import decode, encode
from harness.models.local.safe_weights import refuse_pickles, require_safetensors
from harness.shipping.registry import history as past
from harness.shipping.registry.shelf import Shelf
from harness.training.tuned_model import AdapterVersion, Event, Parity

STAGES = ("staging", "production", "archived")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ALLOWED = frozenset({".safetensors", ".json", ".jinja", ".txt", ".md", ".model"})
_ATTEMPTS = 20


class Registry:
    """The adapters at one address."""

    def __init__(self, address: str, clock: Callable[[], datetime]) -> None:
        """Open an address; nothing is written.

        Raises:
            MissingExtra, UsageError: see `Shelf`.
        """
        self._shelf = Shelf(address)
        self._clock = clock

    @property
    def address(self) -> str:
        """Where it is."""
        return self._shelf.address

    def history(self) -> tuple[Event, ...]:
        """Every event, oldest first.

        Raises:
            StoreError: if an event is damaged or missing.
        """
        names = self._shelf.names("history")
        events = tuple(decode(Event, self._shelf.read(name)) for name in names)
        if [event.number for event in events] != list(range(1, len(events) + 1)):
            raise StoreError("The registry's history has a gap: an event is missing.", got=self.address)
        return events

    def add(self, folder: Path, draft: AdapterVersion) -> AdapterVersion:
        """Take an adapter in as the next version; the one there is if it is in already.

        Args:
            draft: the version without its number, time and files.

        Raises:
            UsageError: if the name cannot be used.
            ModelUnavailable: if the folder holds anything but safetensors and texts.
            StoreError: if it cannot be written.
        """
        _check_name(draft.name)
        files = checked_files(folder)
        digest = hashlib.sha256(encode(files).encode()).hexdigest()
        for version in past.versions(self.history(), draft.name):
            if version.files == files:
                return version
        for name in files:
            self._shelf.put(f"{draft.name}/{digest[:16]}/{name}", folder / name)

        def event(events: Sequence[Event]) -> Event:
            number = max((v.version for v in past.versions(events, draft.name)), default=0) + 1
            version = replace(draft, version=number, created_at=self._clock(), files=files)
            return self._event(events, "added", version.name, number, added=version)

        added = self._append(event).added
        assert added is not None
        return added

    def find(self, reference: str) -> AdapterVersion:
        """The version a reference means; see `history.find`."""
        return past.find(self.history(), reference)

    def fetch(self, version: AdapterVersion, into: Path) -> Path:
        """Copy a version's files into a folder and check them; returns the folder.

        Raises:
            StoreError: if a file is missing, not what was put in, or would lie outside of the folder.
            UsageError: if the history holds a name that no adapter can have.
        """
        _check_name(version.name)
        digest = hashlib.sha256(encode(version.files).encode()).hexdigest()
        for name, expected in version.files.items():
            target = inside(into, name)
            self._shelf.get(f"{version.name}/{digest[:16]}/{name}", target)
            found = _sha256(target)
            if found != expected:
                raise StoreError(
                    f"A file of {version.name}@{version.version} was changed in the registry.",
                    got=f"{name}: {found[:12]}",
                    allowed=expected[:12],
                )
        return into

    def promote(self, name: str, number: int, stage: str) -> Event:
        """Put a version on a stage.

        Raises:
            UsageError: if there is no such version or stage, or it stands there already.
        """
        if stage not in STAGES:
            raise UsageError("There is no such stage.", got=stage, allowed=", ".join(STAGES))

        def event(events: Sequence[Event]) -> Event:
            past.find(events, f"{name}@{number}")
            standing = past.stages(events, name).get(stage)
            if standing == number:
                raise UsageError(f"{name}@{number} stands on '{stage}' already.")
            return self._event(events, "promoted", name, number, stage=stage, previous=standing)

        return self._append(event)

    def rollback(self, name: str, stage: str) -> Event:
        """Put the version back that stood on a stage before.

        Raises:
            UsageError: if there is none.
        """

        def event(events: Sequence[Event]) -> Event:
            past.find(events, name)
            standing, earlier = past.before(events, name, stage)
            return self._event(events, "rolled back", name, earlier, stage=stage, previous=standing)

        return self._append(event)

    def note_check(self, version: AdapterVersion, parity: Parity) -> Event:
        """Keep a parity check with the version it was made for, passed or not."""
        return self._append(
            lambda events: self._event(events, "checked", version.name, version.version, parity=parity)
        )

    def _event(self, events: Sequence[Event], what: str, name: str, number: int, **more: object) -> Event:
        return Event(
            number=len(events) + 1,
            what=what,  # type: ignore[arg-type]
            name=name,
            version=number,
            at=self._clock(),
            **more,  # type: ignore[arg-type]
        )

    def _append(self, make: Callable[[Sequence[Event]], Event]) -> Event:
        """Write the next event; made anew where another writer took its number."""
        for _ in range(_ATTEMPTS):
            event = make(self.history())
            if self._shelf.create(f"history/{event.number:06}.json", (encode(event) + "\n").encode()):
                return event
        raise StoreError("Too many others write to this registry at once.", got=self.address)


def checked_files(folder: Path) -> dict[str, str]:
    """Every file of an adapter's folder with its sha256.

    Raises:
        ModelUnavailable: if there is a pickle, code, or anything else that is neither weights nor text.
    """
    if not (folder / "adapter_config.json").is_file():
        raise ModelUnavailable(
            "There is no adapter in this folder.",
            got=str(folder),
            allowed="one with adapter_config.json",
        )
    refuse_pickles(folder)
    require_safetensors(folder)
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix.lower() not in _ALLOWED or path.is_symlink():
            raise ModelUnavailable(
                "This file has no place in an adapter.", got=str(path), allowed=", ".join(sorted(_ALLOWED))
            )
        found[path.relative_to(folder).as_posix()] = _sha256(path)
    return found


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name == "history":
        raise UsageError(
            "This cannot be an adapter's name.",
            got=name,
            allowed="small letters, digits, '.', '-' and '_', 64 at most, not 'history'",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
