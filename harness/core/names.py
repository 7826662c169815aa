"""Names that become paths: what a user may call an arm, and how any name becomes one file in one folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from harness.core.errors import StoreError, UsageError

_ARM = re.compile(r"[^\W_](?:[\w.+-]*[\w+-])?")
_MOST = 64
_ALLOWED = (
    f"letters, digits, '.', '-', '_' and '+', {_MOST} at most, a letter or digit first, no '.' at the end"
)
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)


def check_name(name: str, what: str) -> None:
    """Check a name that a user gives to something that will lie in a folder under it.

    Args:
        what: what the name is of, for the error: 'an arm'.

    Raises:
        UsageError: if it is empty, too long, no plain text, or could mean another folder.
    """
    if not _ARM.fullmatch(name) or len(name.encode()) > 4 * _MOST or len(name) > _MOST:
        raise UsageError(f"This cannot be the name of {what}.", got=ascii(name[:80]), allowed=_ALLOWED)
    if name.partition(".")[0].lower() in _RESERVED:
        raise UsageError(f"This name of {what} is reserved by Windows.", got=name, allowed="another name")


def file_name(text: str) -> str:
    """One file name for any text: readable, never another folder, of bounded length, different for each text.

    Plain texts stay as they are; others end with a few digits of their digest.
    """
    plain = re.sub(r"[^\w.+@-]+", "_", text, flags=re.ASCII).lstrip(".")[:80]
    if plain == text and plain:
        return plain
    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def inside(root: Path, relative: str) -> Path:
    """The path below `root` that a stored record names.

    Raises:
        StoreError: if it lies anywhere else, symbolic links followed.
    """
    try:
        path = root / relative
        if path.resolve().is_relative_to(root.resolve()) and path.resolve() != root.resolve():
            return path
    except (OSError, ValueError, RuntimeError):  # no path at all, or links in a circle
        pass
    raise StoreError(
        "A record names a file outside of its folder.", got=ascii(relative[:200]), allowed=f"a path in {root}"
    )


def as_names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """One name or several, as several; none for ''."""
    return (value,) * bool(value) if isinstance(value, str) else value


def flag_value(names: Iterable[str]) -> str:
    """Names as one comma list that `harness.cli.typed.split_names` takes apart again."""
    quoted = ('"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') else name for name in names)
    return ",".join(quoted)
