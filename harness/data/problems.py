"""Collecting every fault of an input before raising, so that a user mends a file once; and what else to say.

Pure. Faults of one kind are folded after a few rows.
"""

from __future__ import annotations

from typing import Literal

from harness.core.errors import DataError
from harness.core.records import Finding
from harness.core.wording import counted

SHOWN = 8


class Problems:
    """Faults found so far, by kind, in the order in which kinds first came up.

    Attributes:
        allowed: what would have been right.
        findings: what is no fault, but what a reader should know: how a file was read, what was left out.
    """

    def __init__(self) -> None:
        self._by_kind: dict[str, list[str]] = {}
        self._advice: str | None = None
        self.allowed: str | None = None
        self.findings: list[Finding] = []

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def add(self, kind: str, place: str = "") -> None:
        """Note a fault: what it is, and where ('row 7', or '' for the whole file)."""
        self._by_kind.setdefault(kind, []).append(place)

    def advise(self, run: str) -> None:
        """Say what to run; the first advice counts."""
        self._advice = self._advice or run

    def allow(self, what: str) -> None:
        """Say what would have been right; the first counts."""
        self.allowed = self.allowed or what

    def say(self, code: str, message: str, severity: Literal["warning", "note"] = "warning") -> None:
        """Note a finding."""
        self.findings.append(Finding(code=code, severity=severity, message=message))

    def take(self, other: Problems) -> None:
        """Take over all that another collected."""
        self.findings += other.findings
        for kind, places in other._by_kind.items():
            self._by_kind.setdefault(kind, []).extend(places)
        self._advice = self._advice or other._advice
        self.allowed = self.allowed or other.allowed

    def merge(self, source: str, other: Problems) -> None:
        """Take over the faults of one file among several."""
        for line in other.lines():
            self.add(f"{source}: {line}")
        self.findings += other.findings
        self._advice = self._advice or other._advice
        self.allowed = self.allowed or other.allowed

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
                f"{source} cannot be used: {counted(len(lines), 'problem', 'problems')}.\n{listed}",
                allowed=allowed or self.allowed,
                run=run or self._advice,
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
