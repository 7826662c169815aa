"""Adapters as versions that never change, under a history that only grows.

    <address>/history/000001.json    one event each: added, promoted, rolled back, checked
    <address>/<name>/<digest>/       an adapter's files, named by what is in them

An event's file is created once and never written again, so two writers cannot take the same number and a
kill leaves whole events only. Files come before their event: an adapter whose event is missing was never
added. Whatever is taken out is compared with the digests in its version first.

What a registry's history says: versions, stages, checks. Pure: events in, answers out.

Bytes under names, in a folder or at any address fsspec opens (`s3://`, `gs://`, `memory://`, ...).

`create` writes a name once: on this machine's disks by linking a whole file into place, elsewhere as far as
the store has it (S3 refuses a second write; others look first, which two writers at one moment can pass).

The Hugging Face Hub gets an adapter as a repository and one commit, safetensors and texts only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.arms.linear import MODEL_FILE, RECORD_FILE, read_linear
from harness.core.errors import MissingExtra, ModelUnavailable, StoreError, UsageError, needs
from harness.core.files import sha256_of
from harness.core.names import inside
from harness.core.serial import decode, encode
from harness.knowledge import kept_vote
from harness.models.local.safe_weights import refuse_pickles, require_safetensors
from harness.training.encoder import artefact as encoder_artefact
from harness.training.tuned_model import AdapterVersion, Event, Parity


def versions_in(events: Sequence[Event], name: str = "") -> list[AdapterVersion]:
    """Every version, oldest first; of one adapter where a name is given."""
    found = [event.added for event in events if event.added is not None]
    return [version for version in found if name in ("", version.name)]


def stages_of(events: Sequence[Event], name: str) -> dict[str, int]:
    """Stage -> the version that stands on it."""
    return {stage: past[-1] for stage, past in _past(events, name).items() if past}


def stood_before(events: Sequence[Event], name: str, stage: str) -> tuple[int, int]:
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


def find_version(events: Sequence[Event], reference: str) -> AdapterVersion:
    """The version a reference means: `NAME` (the newest), `NAME@3`, `NAME@production`.

    Raises:
        UsageError: if there is none.
    """
    name, _, which = reference.partition("@")
    mine = versions_in(events, name)
    if not mine:
        names = sorted({version.name for version in versions_in(events)})
        raise UsageError(
            "There is no such adapter in the registry.",
            got=name,
            allowed=", ".join(names) or "none yet",
            run="harness adapters list",
        )
    if re.fullmatch(r"[0-9]{1,9}|", which):
        number: int | None = int(which or mine[-1].version)
    else:
        number = stages_of(events, name).get(which)
    for version in mine:
        if version.version == number:
            return version
    on = [f"{name}@{stage}" for stage in stages_of(events, name)]
    raise UsageError(
        f"{name} has no such version.",
        got=reference,
        allowed=", ".join([f"{name}@{version.version}" for version in mine] + on),
    )


def checks_of(events: Sequence[Event], name: str, version: int) -> list[Parity]:
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


class Shelf:
    """Named bytes at one address."""

    def __init__(self, address: str) -> None:
        """Open an address; nothing is written.

        Raises:
            MissingExtra: without fsspec, or without the package an address needs.
            UsageError: if nothing can open the address.
        """
        with needs("train"):
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]
        try:
            self._fs, self._root = url_to_fs(address)
        except ImportError as error:
            raise MissingExtra(
                f"The package for {address.partition('://')[0]}:// is not installed.", got=str(error)
            ) from error
        except ValueError as error:
            raise UsageError(
                "This is no address of a registry.", got=address, allowed="a folder, or s3://, gs://, ..."
            ) from error
        self.address = address
        self._local = "file" in _protocols(self._fs)

    def names(self, under: str) -> list[str]:
        """Every name under a part of the shelf, sorted; empty where there is nothing."""
        place = f"{self._root}/{under}"
        with self._faults(under):
            if not self._fs.exists(place):
                return []
            found = [str(path) for path in self._fs.find(place)]
        start = len(str(self._root).rstrip("/")) + 1
        return sorted(path[start:] for path in found if not Path(path).name.startswith("."))

    def read(self, name: str) -> bytes:
        """The bytes under a name.

        Raises:
            StoreError: if there are none.
        """
        with self._faults(name):
            found: bytes = self._fs.cat_file(f"{self._root}/{name}")
            return found

    def put(self, name: str, source: Path) -> None:
        """Copy a file in; the same name again is replaced."""
        with self._faults(name):
            self._make_room(name)
            self._fs.put_file(str(source), f"{self._root}/{name}")

    def get(self, name: str, target: Path) -> None:
        """Copy a file out."""
        with self._faults(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._fs.get_file(f"{self._root}/{name}", str(target))

    def create(self, name: str, data: bytes) -> bool:
        """Write a name that is not there yet; False if it is."""
        with self._faults(name):
            self._make_room(name)
            try:
                if self._local:
                    _link(Path(f"{self._root}/{name}"), data)
                else:
                    self._fs.pipe_file(f"{self._root}/{name}", data, mode="create")
            except FileExistsError:
                return False
        return True

    def _make_room(self, name: str) -> None:
        parent = f"{self._root}/{name}".rpartition("/")[0]
        self._fs.makedirs(parent, exist_ok=True)

    @contextlib.contextmanager
    def _faults(self, name: str) -> Any:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"The registry cannot be used: {error.strerror or type(error).__name__}.",
                got=f"{self.address}: {name}",
                allowed="an address that can be read and written",
                run="set TOR_REGISTRY or --registry",
            ) from error


def _link(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


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
        for version in versions_in(self.history(), draft.name):
            if version.files == files:
                return version
        for name in files:
            self._shelf.put(f"{draft.name}/{digest[:16]}/{name}", folder / name)

        def event(events: Sequence[Event]) -> Event:
            number = max((v.version for v in versions_in(events, draft.name)), default=0) + 1
            version = replace(draft, version=number, created_at=self._clock(), files=files)
            return self._event(events, "added", version.name, number, added=version)

        added = self._append(event).added
        assert added is not None
        return added

    def find(self, reference: str) -> AdapterVersion:
        """The version a reference means; see `find_version`."""
        return find_version(self.history(), reference)

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
            found = sha256_of(target)
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
            find_version(events, f"{name}@{number}")
            standing = stages_of(events, name).get(stage)
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
            find_version(events, name)
            standing, earlier = stood_before(events, name, stage)
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
    """Every file of an adapter's folder, or of a classifier's, with its sha256.

    Raises:
        ModelUnavailable: if there is a pickle, code, or anything else that is neither weights nor text.
    """
    if (folder / RECORD_FILE).is_file():
        read_linear(folder)
        return {name: sha256_of(folder / name) for name in (MODEL_FILE, RECORD_FILE)}
    if (folder / kept_vote.RECORD_FILE).is_file():
        kept_vote.read_vote(folder)
        return {name: sha256_of(folder / name) for name in kept_vote.files_of_vote(folder)}
    if (folder / encoder_artefact.RECORD_FILE).is_file():
        encoder_artefact.read_encoder(folder)
    elif not (folder / "adapter_config.json").is_file():
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
        found[path.relative_to(folder).as_posix()] = sha256_of(path)
    return found


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name == "history":
        raise UsageError(
            "This cannot be an adapter's name.",
            got=name,
            allowed="small letters, digits, '.', '-' and '_', 64 at most, not 'history'",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Where an adapter goes on the hub.

    Attributes:
        repo: `org/name`.
        token: with the right to write there.
    """

    repo: str
    token: str
    private: bool
    message: str


def hub_token(environ: Mapping[str, str]) -> str:
    """The access token: `HF_TOKEN`, or the one `hf auth login` stored.

    Raises:
        UsageError: if there is none.
    """
    token = environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN") or _stored_token()
    if token:
        return token
    raise UsageError(
        "Pushing to the Hugging Face Hub needs an access token.",
        got="HF_TOKEN is not set, and nobody has logged in",
        allowed="a token with write access, from your account's settings on the hub",
        run="export HF_TOKEN=...   # or: hf auth login",
    )


def push_adapter(folder: Path, push: Push, api: Any = None) -> str:
    """Push a folder; returns the commit's address.

    Args:
        api: a `huggingface_hub.HfApi`, for tests; made from the token when None.

    Raises:
        MissingExtra: without huggingface_hub.
        ModelUnavailable: if the folder holds what may not be pushed, or the hub refuses.
    """
    checked_files(folder)
    with needs("local"):
        from httpx import HTTPError
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    hub = api or HfApi(token=push.token)
    try:
        hub.create_repo(repo_id=push.repo, private=push.private, exist_ok=True, repo_type="model")
        done = hub.upload_folder(
            repo_id=push.repo, folder_path=str(folder), commit_message=push.message, repo_type="model"
        )
    except HFValidationError as error:
        raise UsageError("This is no name of a repository.", got=push.repo, allowed="org/name") from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable(
            f"The hub did not take {push.repo}.",
            got=first.replace(push.token, "***"),
            allowed="a reachable hub and a token that may write there",
        ) from error
    return str(getattr(done, "commit_url", done))


def _stored_token() -> str:
    with needs("local"):
        from huggingface_hub import get_token
    return get_token() or ""
