"""Bytes under names, in a folder or at any address fsspec opens (`s3://`, `gs://`, `memory://`, ...).

`create` writes a name once: on this machine's disks by linking a whole file into place, elsewhere as far as
the store has it (S3 refuses a second write; others look first, which two writers at one moment can pass).
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path
from typing import Any

from harness.core.errors import MissingExtra, StoreError, UsageError


class Shelf:
    """Named bytes at one address."""

    def __init__(self, address: str) -> None:
        """Open an address; nothing is written.

        Raises:
            MissingExtra: without fsspec, or without the package an address needs.
            UsageError: if nothing can open the address.
        """
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]
        except ImportError as error:
            raise MissingExtra.of("fsspec", "train") from error
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
