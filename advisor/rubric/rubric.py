"""The rubric as records: factors with weight, thresholds and source; vetoes; what counts as close; and bands.

A band says what accuracy and speed to expect of an option before anything is measured; an answer that is
not known fits every band, so not knowing only widens the prediction. Only `load_rubric` and `load_bands`
read the packaged files.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field

from advisor.case import AnswerKind, UseCase, examples_per_label, facts_needed, prompts_own_model
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Accuracies between `low` and `high`; `examples` to `size` say for which use cases, None for any.

    Attributes:
        judged: low and high as judged before the published figures were fitted.
        likely: the middle of what is expected.
    """

    kind: str
    option: Option
    examples: str | None = None
    labels: str | None = None
    model: str | None = None
    size: str | None = None
    judged: tuple[float, float]
    low: Annotated[float, Field(ge=0)]
    likely: float
    high: Annotated[float, Field(le=1)]
    source: str

    def __post_init__(self) -> None:
        """Refuse a band that is none.

        Raises:
            ValueError: unless low lies below likely and likely below high.
        """
        if not self.low < self.likely < self.high:
            raise ValueError(f"a band of {self.option} for {self.kind} is out of order")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow:
    """Milliseconds: base, by input token and by output token, each (low, high)."""

    base_ms: tuple[float, float]
    input_ms: tuple[float, float]
    output_ms: tuple[float, float]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Informed:
    """An evalset whose results informed predictions of `metrics`: there they are no test of the advice."""

    evalset: str
    metrics: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """The packaged bands.

    Attributes:
        level: what share of results an accuracy band is meant to hold.
        pair_spread: how far two options on one data set lie from their expected distance, in logits: much
        less
            than data sets lie from each other.
    """

    checked: date
    level: str
    pair_spread: Annotated[float, Field(gt=0)]
    accuracy: Annotated[tuple[Band, ...], Field(alias="band")]
    latency: Mapping[str, LatencyRow]
    informed: tuple[Informed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An accuracy interval with what it rests on; None where no band fits.

    Attributes:
        measured: whether it was measured on this use case, and is Wilson's interval (95 %); else a band (80
        %).
    """

    low: float | None
    likely: float | None
    high: float | None
    source: str
    measured: bool = False

    @property
    def central(self) -> float | None:
        """What to reckon with: of a measurement the middle of its interval; ten of ten right are not all."""
        if self.measured and self.low is not None and self.high is not None:
            return (self.low + self.high) / 2
        return self.likely


def parse_bands(text: str) -> Bands:
    """Read bands from TOML.

    Raises:
        ValueError: on a missing or unknown key, or a band out of order.
    """
    raw = parse_toml(text)
    latency = {row.pop("where"): row for row in raw.pop("latency", [])}
    return read_record(Bands, {**raw, "latency": latency})


def load_bands() -> Bands:
    """The packaged bands."""
    return parse_bands(Path(__file__).with_name("bands.toml").read_text(encoding="utf-8"))


def size_class(billions: float | None) -> str | None:
    """'tiny', 'small' or 'mid'; None when not known."""
    if billions is None:
        return None
    return "tiny" if billions < 0.6 else "small" if billions < 3 else "mid"


def _kinds(case: UseCase) -> set[str]:
    needed = facts_needed(case)
    if case.task is AnswerKind.CLASSIFICATION:
        return {"classification"}
    broad = case.task in (AnswerKind.CODE, AnswerKind.REASONING, AnswerKind.QUESTION_ANSWERING)
    without = {"broad"} if broad else {"other"} if case.task is not None else {"broad", "other"}
    kinds = {True: {"facts"}, False: without, None: {"facts"} | without}[needed]
    return kinds | {"classification"} if case.task is None else kinds


def _amount(case: UseCase, kind: str) -> str | None:
    if kind == "classification":
        each = examples_per_label(case)
        return None if each is None else "few" if each < 5 else "some" if each < 20 else "many"
    if case.examples is None:
        return None
    return "few" if case.examples < 100 else "some" if case.examples < 1000 else "many"


def _model(case: UseCase) -> str | None:
    own = prompts_own_model(case)
    return None if own is None else "own" if own else "hosted"


def expected_accuracy(case: UseCase, option: Option, bands: Bands) -> Expected:
    """The span of all bands that fit what is known of the case.

    Asked for a model the case does not name, pass a copy of the case that does.
    """
    answers: dict[str, str | None] = {
        "labels": None if case.labels is None else "few" if case.labels <= 10 else "many",
        "model": _model(case),
        "size": size_class(case.open_model_billions),
    }
    kinds = _kinds(case)
    fits = [
        band
        for band in bands.accuracy
        if band.option is option
        and band.kind in kinds
        and all(
            known is None or getattr(band, name) in (None, known)
            for name, known in {**answers, "examples": _amount(case, band.kind)}.items()
        )
    ]
    if not fits:
        return Expected(low=None, likely=None, high=None, source="no published figure")
    return Expected(
        low=min(band.low for band in fits),
        likely=sum(band.likely for band in fits) / len(fits),
        high=max(band.high for band in fits),
        source="; ".join(dict.fromkeys(band.source for band in fits)),
    )


LIKELY = 0.75
"""The chance from which one option is called likely better; below it both ways neither is."""
_BAND_Z, _WILSON_Z = 1.2816, 1.96
"""Standard deviations from the middle to the ends of a band (80 %) and of an interval (95 %)."""


def chance_better(one: Expected, other: Expected, pair_spread: float) -> float | None:
    """The chance that an option gets more answers right than another one; None where an accuracy is not
    known.

    Two bands are of the same data set, so what one knows of how hard that is cancels: only `pair_spread` is
    left. Where one of them was measured it does not, and each side brings its own width.
    """
    if one.central is None or other.central is None:
        return None
    apart = _logit(one.central) - _logit(other.central)
    spread = pair_spread
    if one.measured or other.measured:
        spread = math.hypot(_deviation(one), _deviation(other))
    return 0.5 * (1 + math.erf(apart / spread / math.sqrt(2)))


def _deviation(one: Expected) -> float:
    assert one.low is not None and one.high is not None
    z = _WILSON_Z if one.measured else _BAND_Z
    return (_logit(one.high) - _logit(one.low)) / 2 / z


def _logit(share: float) -> float:
    cut = min(max(share, 0.001), 0.999)
    return math.log(cut / (1 - cut))
