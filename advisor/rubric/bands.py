"""What accuracy and speed to expect of an option before anything is measured.

An answer that is not known fits every band, so not knowing only widens the prediction.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from advisor.case import Task, UseCase, examples_per_label, facts_needed, prompts_own_model
from advisor.options import Option

_CONDITIONS = ("examples", "labels", "model", "size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Accuracies between `low` and `high` where all `conditions` hold."""

    kind: str
    option: Option
    conditions: Mapping[str, str]
    low: float
    high: float
    source: str


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
    """The packaged bands."""

    accuracy: tuple[Band, ...]
    latency: Mapping[str, LatencyRow]
    informed: tuple[Informed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An accuracy interval with what it rests on; None where no band fits."""

    low: float | None
    high: float | None
    source: str


def parse_bands(text: str) -> Bands:
    """Read bands from TOML.

    Raises:
        ValueError: if a band is out of order.
    """
    raw = tomllib.loads(text)
    accuracy = tuple(
        Band(
            kind=row["kind"],
            option=Option(row["option"]),
            conditions={name: row[name] for name in _CONDITIONS if name in row},
            low=row["low"],
            high=row["high"],
            source=row["source"],
        )
        for row in raw["band"]
    )
    for band in accuracy:
        if not 0 <= band.low < band.high <= 1:
            raise ValueError(f"a band of {band.option} for {band.kind} is out of order")
    latency = {
        row["where"]: LatencyRow(
            base_ms=tuple(row["base_ms"]),
            input_ms=tuple(row["input_ms"]),
            output_ms=tuple(row["output_ms"]),
            source=row["source"],
        )
        for row in raw["latency"]
    }
    informed = tuple(
        Informed(evalset=row["evalset"], metrics=frozenset(row["metrics"]), reason=row["reason"])
        for row in raw.get("informed", [])
    )
    return Bands(accuracy=accuracy, latency=latency, informed=informed)


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
    if case.task is Task.CLASSIFICATION:
        return {"classification"}
    kinds = {True: {"facts"}, False: {"other"}, None: {"facts", "other"}}[needed]
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
            known is None or known == wanted
            for name, wanted in band.conditions.items()
            for known in (_amount(case, band.kind) if name == "examples" else answers[name],)
        )
    ]
    if not fits:
        return Expected(low=None, high=None, source="no published figure")
    sources = "; ".join(dict.fromkeys(band.source for band in fits))
    return Expected(low=min(b.low for b in fits), high=max(b.high for b in fits), source=sources)
