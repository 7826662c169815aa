"""The rubric as records: factors with weight, thresholds and source; vetoes; what counts as close.

Only `load_rubric` reads the packaged file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field

from advisor.money.machines import load_machines
from advisor.options import Option
from advisor.reading import parse_toml, read_record

Stated = Annotated[str, Field(min_length=1)]


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
        unless_said: silence means no, so that the factor is never among what is not known.
        changes_at_most: a month; where more change, the factor does not speak.
        reason: one clause for the reader.
        source, opened: who measured the direction, and what of it was seen.
    """

    name: str
    function: str
    weight: Annotated[float, Field(gt=0)]
    toward: Mapping[Option, Annotated[float, Field(ge=-1, le=1)]]
    at: Thresholds | None = None
    unless_said: bool = False
    changes_at_most: float | None = None
    reason: Stated
    source: Stated
    opened: Stated


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
    """Thresholds of the vetoes.

    Attributes:
        gpu_gb: memory of the GPUs that have a price, GB, by name in small letters.
    """

    changes_per_month: float
    knowledge_tokens: int
    p95_hosted_ms: float
    short_output_tokens: int
    source: str
    gpu_gb: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRules:
    """The score gap below which the description alone does not decide, and when naming both pays."""

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
    factors: Annotated[tuple[Factor, ...], Field(alias="factor")]
    decision: DecisionRules
    measure: MeasureRules
    confidence: tuple[ConfidenceBand, ...]
    veto: VetoRules

    def __post_init__(self) -> None:
        """Refuse a rubric with two factors of one name.

        Raises:
            ValueError: naming them.
        """
        names = [factor.name for factor in self.factors]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"factors named twice: {', '.join(doubled)}")


_NOTHING, _HUNDREDTH = Decimal(0), Decimal("0.01")


def parse_rubric(text: str) -> Rubric:
    """Read a rubric from TOML.

    Raises:
        ValueError: on a missing or unknown key, an unknown option or a direction outside [-1, 1].
    """
    raw = parse_toml(text)
    return read_record(Rubric, {**raw, "sha256": hashlib.sha256(text.encode()).hexdigest()})


def load_rubric() -> Rubric:
    """The packaged rubric, with the memory of the packaged machines."""
    rubric = parse_rubric(Path(__file__).with_name("rubric.toml").read_text(encoding="utf-8"))
    memory = {machine.name.lower(): machine.vram_gb for machine in load_machines() if machine.kind == "gpu"}
    return replace(rubric, veto=replace(rubric.veto, gpu_gb=memory))


def points(factor: Factor, option: Option, strength: float) -> Decimal:
    """What a factor of that strength adds to an option's score, in hundredths of a point."""
    toward = factor.toward.get(option, 0.0)
    if not toward or not strength:
        return _NOTHING
    return Decimal(repr(factor.weight * strength * toward)).quantize(_HUNDREDTH) + _NOTHING  # no negative 0
