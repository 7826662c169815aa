"""The rubric as records: factors with weight, thresholds and source; vetoes; what counts as close.

Only `load_rubric` reads the packaged file.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from advisor.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where a strength is 0 and where it is 1."""

    none: float
    full: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Something about a use case that speaks for or against options.

    Attributes:
        function: the function of `factors` that gives the strength.
        weight: points at full strength and full direction.
        toward: option -> direction in [-1, 1]; options left out are not touched.
        at: thresholds of the strength, in the unit the rubric's comment names.
        more: further settings of the function.
        reason: one clause for the reader.
        source, opened: who measured the direction, and what of it was seen.
    """

    name: str
    function: str
    weight: float
    toward: Mapping[Option, float]
    at: Thresholds | None
    more: Mapping[str, float]
    reason: str
    source: str
    opened: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceBand:
    """From this score gap on: how sure, the chance given, and how many published cases held, in-sample."""

    gap: float
    words: str
    share: float
    held: int
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VetoRules:
    """Thresholds of the vetoes."""

    changes_per_month: float
    knowledge_tokens: int
    p95_hosted_ms: float
    short_output_tokens: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRules:
    """Score gaps below which two options are tied or too close, and when naming both pays."""

    tied: float
    close: float
    unknown_share: float
    combine: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRules:
    """The difference a close call has to find, and the discordance expected between two options."""

    difference: float
    discordance: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """The whole rubric, with the digest of its text."""

    version: str
    sha256: str
    checked: date
    factors: tuple[Factor, ...]
    decision: DecisionRules
    measure: MeasureRules
    confidence: tuple[ConfidenceBand, ...]
    veto: VetoRules


_NOTHING, _HUNDREDTH = Decimal(0), Decimal("0.01")
_FACTOR_KEYS = {"name", "function", "weight", "toward", "at", "reason", "source", "opened"}


def parse_rubric(text: str) -> Rubric:
    """Read a rubric from TOML.

    Raises:
        ValueError: on a missing key, an unknown option, a direction outside [-1, 1] or a doubled name.
    """
    raw = tomllib.loads(text)
    try:
        rubric = Rubric(
            version=raw["version"],
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            checked=raw["checked"],
            factors=tuple(_factor(row) for row in raw["factor"]),
            decision=DecisionRules(**raw["decision"]),
            measure=MeasureRules(**raw["measure"]),
            confidence=tuple(ConfidenceBand(**row) for row in raw["confidence"]),
            veto=VetoRules(**raw["veto"]),
        )
    except (KeyError, TypeError) as fault:
        raise ValueError(f"the rubric is incomplete: {fault}") from None
    names = [factor.name for factor in rubric.factors]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"factors named twice: {', '.join(doubled)}")
    return rubric


def _factor(row: Mapping[str, Any]) -> Factor:
    toward = {Option(name): float(value) for name, value in row["toward"].items()}
    if any(not -1 <= value <= 1 for value in toward.values()) or not row["weight"] > 0:
        raise ValueError(f"factor {row['name']}: directions lie in [-1, 1], weights above 0")
    if not row["source"] or not row["opened"] or not row["reason"]:
        raise ValueError(f"factor {row['name']} needs a reason, a source and what was opened of it")
    return Factor(
        name=row["name"],
        function=row["function"],
        weight=float(row["weight"]),
        toward=toward,
        at=Thresholds(**row["at"]) if "at" in row else None,
        more={key: float(value) for key, value in row.items() if key not in _FACTOR_KEYS},
        reason=row["reason"],
        source=row["source"],
        opened=row["opened"],
    )


def load_rubric() -> Rubric:
    """The packaged rubric."""
    return parse_rubric(Path(__file__).with_name("rubric.toml").read_text(encoding="utf-8"))


def points(factor: Factor, option: Option, strength: float) -> Decimal:
    """What a factor of that strength adds to an option's score, in hundredths of a point."""
    toward = factor.toward.get(option, 0.0)
    if not toward or not strength:
        return _NOTHING
    return Decimal(repr(factor.weight * strength * toward)).quantize(_HUNDREDTH) + _NOTHING  # no negative 0
