"""What a stored run measured, as evidence: its results are read, and nothing of the harness is needed.

Of each option the model that did best on dev speaks, by its answers on test: nothing was chosen on the
items that count. An arm without answers says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from advisor.case import MEASURED_BY_HAND, AnswerKind, Measurement, UseCase
from advisor.errors import CaseError
from advisor.money.change_rate import MeasuredUpdate
from advisor.money.money import format_money
from advisor.options import ADVISED, Option, TaskKind
from advisor.reading import Unreadable, read_json

RUNS = Path("runs")
_MOST_BYTES = 200_000_000
_TRAINS = "trains again"
_KEPT_UP = (_TRAINS, "indexes again")


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Estimate(_Part):
    value: float | None
    n: int


class _Quality(_Part):
    """Runs of earlier versions say accuracy where today's say primary."""

    primary: _Estimate | None = None
    accuracy: _Estimate | None = None
    dev: _Estimate | None = None
    dev_accuracy: _Estimate | None = None

    @property
    def right(self) -> _Estimate | None:
        return self.primary or self.accuracy

    @property
    def on_dev(self) -> float:
        found = self.dev or self.dev_accuracy
        return -1.0 if found is None or found.value is None else found.value


class _ArmName(_Part):
    option: Option
    model: str


class _Arm(_Part):
    arm: _ArmName
    quality: _Quality | None = None


class _Results(_Part):
    run_id: str
    task: TaskKind = TaskKind.CLASSIFICATION
    arms: tuple[_Arm, ...] = Field(default=())


class _Threshold(_Part):
    value: float
    low: float | None = None
    high: float | None = None


class _Rate(_Part):
    retrieving: _ArmName
    training: _ArmName
    both: _Threshold | None = None


class _Dollars(_Part):
    usd: Decimal | None = None


class _Score(_Part):
    moment: str
    group: str | None = None
    primary: _Estimate


class _ArmDrill(_Part):
    arm: _ArmName
    upkeep: str = ""
    update_s: tuple[float, ...] = ()
    update_usd: _Dollars = _Dollars()
    scores: tuple[_Score, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Mean seconds until it was right again; None where it never was."""
        return sum(self.update_s) / len(self.update_s) if self.update_s else None

    def right(self, moment: str) -> _Estimate:
        """Right answers of all items at a moment."""
        of_all = (one.primary for one in self.scores if (one.moment, one.group) == (moment, None))
        return next(of_all, _Estimate(value=None, n=0))


class _Drill(_Part):
    of: str
    rates: tuple[_Rate, ...] = ()
    arms: tuple[_ArmDrill, ...] = ()
    retrain_wait_hours: float = 0.0

    def updates(self, source: str) -> Iterator[MeasuredUpdate]:
        """What bringing each option up to the change took; of several models the first one's."""
        seen: set[Option] = set()
        for one in self.arms:
            after, stale, usd = one.right("after").value, one.right("stale").value, one.update_usd.usd
            if one.arm.option in seen or one.seconds is None or usd is None or None in (after, stale):
                continue
            if one.upkeep not in _KEPT_UP:
                continue
            assert after is not None and stale is not None
            seen.add(one.arm.option)
            wait_s = self.retrain_wait_hours * 3600 if one.upkeep == _TRAINS else 0.0
            yield MeasuredUpdate(
                method=one.arm.option.value,
                of=self.of,
                usd=usd,
                seconds=one.seconds + wait_s,
                lost=max(0.0, after - stale),
                source=source,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredChange:
    """What a drill found between an option that indexes again and one that is trained again.

    Attributes:
        of: 'labels' or 'facts'.
        above: changes a month above which retrieving is cheaper and right more often; 0 is always, infinity
            is at no rate, None where that could not be measured.
        low, high: its 95 % interval; None without one.
    """

    of: str
    retrieving: Option
    training: Option
    above: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvidence:
    """What a run measured, by option, and what its drill found of changes, where it was drilled.

    Attributes:
        task: None of a drill by itself whose file does not say.
        updates: what bringing options up to a change took.
    """

    run_id: str
    task: TaskKind | None
    measured: tuple[Measurement, ...]
    changes: tuple[MeasuredChange, ...] = ()
    updates: tuple[MeasuredUpdate, ...] = ()


def read_run(named: str) -> RunEvidence:
    """The evidence of a run or of a drill: its folder, or its id under `runs`.

    Raises:
        CaseError: if there is no such run, it is not complete or holds nothing measured.
    """
    places = (Path(named), RUNS / named, RUNS / "freshness" / named)
    folder = next((path for path in places if path.is_dir()), None)
    if folder is None:
        raise CaseError("There is no such run.", got=named, allowed="a run folder, or an id under runs")
    try:
        drill = _drill(folder)
        alone = drill is not None and not (folder / "results.json").exists()
        results = (
            _Results(run_id=folder.name)
            if alone
            else _Results.model_validate(read_json(folder / "results.json", _MOST_BYTES))
        )
    except (Unreadable, FileNotFoundError) as fault:
        why = "it has no results.json" if isinstance(fault, FileNotFoundError) else fault
        raise CaseError(f"The run {folder.name} cannot be used as evidence: {why}.") from None
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        name = "freshness.json" if error.title == _Drill.__name__ else "results.json"
        raise CaseError(f"The run {folder.name} cannot be used: {name}, {place}.") from None
    measured = tuple(_in_drill(drill, folder.name) if alone and drill else _measured(results))
    if not measured:
        raise CaseError(f"The run {folder.name} measured none of the options that the advice ranks.")
    return RunEvidence(
        run_id=results.run_id,
        task=(TaskKind.CLASSIFICATION if drill.of == "labels" else None) if alone and drill else results.task,
        measured=measured,
        changes=tuple(_changes(drill)),
        updates=() if drill is None else tuple(drill.updates(f"measured in the drill of {results.run_id}")),
    )


def _drill(folder: Path) -> _Drill | None:
    """The drill that is stored with a run; None where there is none."""
    path = folder / "freshness.json"
    return _Drill.model_validate(read_json(path, _MOST_BYTES)) if path.exists() else None


def _in_drill(drill: _Drill, name: str) -> Iterator[Measurement]:
    """What a drill by itself measured once the options were up to date; of several models the first one's."""
    for option in ADVISED:
        found = next((one for one in drill.arms if one.arm.option is option and one.update_s), None)
        right = _Estimate(value=None, n=0) if found is None else found.right("after")
        if found is not None and right.value is not None and right.n:
            source = f"in the drill {name} with {found.arm.model}"
            yield Measurement(option=option, accuracy=right.value, items=right.n, source=source)


def _changes(drill: _Drill | None) -> Iterator[MeasuredChange]:
    for rate in () if drill is None else drill.rates:
        found = rate.both
        yield MeasuredChange(
            of=drill.of if drill else "",
            retrieving=rate.retrieving.option,
            training=rate.training.option,
            above=None if found is None else found.value,
            low=None if found is None else found.low,
            high=None if found is None else found.high,
        )


def change_sentence(found: MeasuredChange, case: UseCase) -> str:
    """What a drill says of a use case with its changes a month."""
    pair = f"{found.retrieving.value} against {found.training.value} when {found.of} change"
    if found.above is None:
        return f"{pair}: not measurable with this model"
    within = ""
    if found.low is not None and found.high is not None and found.low != found.high:
        within = f" (95 % {_changes_a_month(found.low)} to {_changes_a_month(found.high)})"
    told = f"{pair}: retrieving is cheaper and right more often {_changes_a_month(found.above)}{within}"
    labels = found.of == "labels"
    rate = case.label_changes_per_month if labels else case.knowledge_changes_per_month
    if rate is None:
        return f"{told}; the use case does not say how often they change"
    side = "above" if rate > found.above else "not above"
    return f"{told}; this use case has {rate:,.4g} a month, {side} that"


def update_sentence(updates: Sequence[MeasuredUpdate]) -> str:
    """Whose cost of change is measured, and that of the others is assumed; '' where none is."""
    if not updates:
        return ""
    told = "; ".join(
        f"{one.method} {format_money(one.usd, 'USD')} and {one.seconds:,.1f} s a change, "
        f"{100 * one.lost:.1f} points fewer right until then"
        for one in updates
    )
    return f"cost of a change of {updates[0].of}, {updates[0].source}: {told}; that of all others is assumed"


def _changes_a_month(rate: float) -> str:
    if rate == 0:
        return "always"
    return "at no rate" if math.isinf(rate) else f"above {rate:,.4g} changes a month"


def _measured(results: _Results) -> list[Measurement]:
    found = []
    for option in ADVISED:
        arms = [
            (arm.quality.on_dev, arm.arm.model, arm.quality.right)
            for arm in results.arms
            if arm.arm.option is option and arm.quality is not None and arm.quality.right is not None
        ]
        known = [(dev, model, right) for dev, model, right in arms if right.value is not None and right.n > 0]
        if not known:
            continue
        _, model, right = max(known, key=lambda one: one[0])
        assert right.value is not None
        source = f"in run {results.run_id} with {model}"
        found.append(Measurement(option=option, accuracy=right.value, items=right.n, source=source))
    return found


def with_evidence(case: UseCase, run: RunEvidence) -> UseCase:
    """The use case with what a run measured; it takes the place of what was typed of the same option.

    Raises:
        CaseError: if the run asked another kind of question.
    """
    if run.task is not None and case.task is not None and case.task is not AnswerKind(run.task):
        raise CaseError(
            "The run is none of this use case.",
            got=f"a run of {run.task.value}; the use case is {case.task.value}",
            allowed="a run of the same kind of task",
        )
    return with_measured(case, run.measured)


def with_measured(case: UseCase, found: tuple[Measurement, ...]) -> UseCase:
    """The use case with measurements, each in the place of what was said of its option."""
    kept = tuple(one for one in case.measured or () if one.option not in {new.option for new in found})
    dropped: dict[str, Any] = {
        f"{MEASURED_BY_HAND[one.option]}_{part}": None
        for one in found
        if one.option in MEASURED_BY_HAND
        for part in ("accuracy", "items")
    }
    return replace(case, **dropped, measured=(*kept, *found))
