"""Collecting every fault of an input before raising, so that a user mends a file once.

Pure. Faults of one kind are folded after a few rows.
"""

from __future__ import annotations

from harness.errors import DataError

SHOWN = 8


class Problems:
    """Faults found so far, by kind, in the order in which kinds first came up."""

    def __init__(self) -> None:
        self._by_kind: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def add(self, kind: str, place: str = "") -> None:
        """Note a fault: what it is, and where ('row 7', or '' for the whole file)."""
        self._by_kind.setdefault(kind, []).append(place)

    def merge(self, source: str, other: Problems) -> None:
        """Take over the faults of one file among several."""
        for line in other.lines():
            self.add(f"{source}: {line}")

    def lines(self) -> list[str]:
        """One line a kind, with the first places and the number of the others."""
        return [_line(kind, [p for p in places if p]) for kind, places in self._by_kind.items()]

    def check(self, source: str, *, allowed: object | None = None, run: str | None = None) -> None:
        """Raise if anything was noted.

        Raises:
            DataError: naming every fault.
        """
        if self:
            lines = self.lines()
            listed = "\n".join(f"  - {line}" for line in lines)
            raise DataError(
                f"{source} cannot be used: {len(lines)} problem(s).\n{listed}", allowed=allowed, run=run
            )


def _line(kind: str, places: list[str]) -> str:
    if not places:
        return kind
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return f"{kind}: {', '.join(places[:SHOWN])}{more}"


def shorten(text: str, characters: int = 40) -> str:
    """A value as it may stand in a message: ASCII, one line, cut."""
    plain = ascii(text)
    return plain if len(plain) <= characters else plain[: characters - 4] + "...'"
