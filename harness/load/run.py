"""A load test: a served arm of a finished run is asked its test items at a rate, or by so many slots.

At a rate questions arrive as a Poisson process whatever is still in flight, and a time counts from when its
question was due: a server that stalls is charged for every question that had to wait (no coordinated
omission; Tene, "How NOT to Measure Latency", 2015). Retrieval is done beforehand and is not timed. Nothing
is retried. Calls are recorded with those of the run, and its budget holds.

Where neither a rate nor slots are named, the slots are doubled until the endpoint answers no more a second:
then it is full. What was measured is stored with the run, which is concluded again: the rate says how many
machines its volume takes.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np

from advisor.options import Option
from advisor.stats.intervals import Interval, quantile_interval
from harness.arms.base import Answers, Arm, Material
from harness.bakeoff.addresses import check_addresses
from harness.bakeoff.arm_factory import ArmFactory, lanes_of
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.run import (
    Conclude,
    dev_of,
    is_first,
    lane_config,
    manifest_of,
    reopened,
    same_arm,
    same_rows,
)
from harness.bakeoff.run_folder import RunFolder
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.records import ArmId, Evalset
from harness.load.records import GROWS, MOST_FAILED, LoadResult, Quantile
from harness.load.store import keep_tests
from harness.models.api.client import ServedChat
from harness.models.api.playing import PlayedCall
from harness.models.base import ChatRequest
from harness.tasks.kinds import task_of

T = TypeVar("T")

_QUANTILES = (0.5, 0.95, 0.99)
_MOST_SLOTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What is asked how fast; `rate` (questions a second), `concurrency`, or neither, but not both.

    Attributes:
        duration_s: seconds in which questions are asked; of each step, where the slots are doubled.
    """

    arm: str
    duration_s: float
    rate: float | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    """What is asked under load, and where."""

    arm: ArmId
    chat: ServedChat
    requests: Sequence[ChatRequest]
    seed: int
    context: Context


def put_under_load(
    folder: RunFolder, wish: LoadRequest, context: Context, conclude: Conclude[T]
) -> tuple[tuple[LoadResult, ...], T]:
    """Ask for `duration_s` seconds, wait for what is in flight, store it and conclude the run again.

    Returns:
        What was measured, step by step, and what the run concludes now.

    Raises:
        IncompleteRun: if the run is not finished.
        UsageError: if the run has no such served arm, its endpoint cannot be streamed from, it is billed and
            no budget is set, or the arm would be another one now.
        OverBudget: if a call could pass the budget.
    """
    with folder.writing():
        manifest_of(folder)
        looks, plan = folder.closed_results().looks, folder.plan()
        check_addresses(plan, context)
        arm_plan, seed = _chosen(plan, wish.arm, folder)
        context.progress.stage("loading the rows", None)
        evalset = load_rows(plan, context, folder)
        same_rows(folder, evalset)
        factory = ArmFactory(plan, evalset, folder, context)
        with closing(factory), closing(factory.build(arm_plan, seed)) as arm:
            chat = _served(factory.chat(arm_plan), arm.id, context)
            requests = _requests(arm, seed, evalset, folder, context)
            with reopened(folder) as closed:
                bench = _Endpoint(arm=arm.id, chat=chat, requests=requests, seed=plan.seed, context=context)
                found = tuple(_steps(bench, wish))
                keep_tests(folder, found)
                concluded = conclude(folder, looks, closed, context)
    context.progress.close()
    return found, concluded


def _steps(bench: _Endpoint, wish: LoadRequest) -> Iterable[LoadResult]:
    """One test at what was asked for; else tests of 1, 2, 4 … slots, the last one no faster or failing."""
    if wish.rate is not None or wish.concurrency is not None:
        yield _step(bench, wish)
        return
    best, slots = 0.0, 1
    while slots <= _MOST_SLOTS:
        found = _step(bench, replace(wish, concurrency=slots))
        yield found
        if found.failed_share > MOST_FAILED or found.per_second < best * GROWS:
            return
        best, slots = max(best, found.per_second), slots * 2


def _step(bench: _Endpoint, wish: LoadRequest) -> LoadResult:
    asked = f"{wish.rate:g} questions a second" if wish.rate is not None else f"{wish.concurrency} at once"
    bench.context.progress.stage(f"{bench.arm.label}: {asked} for {wish.duration_s:g} s", None)
    at = bench.context.clock()
    calls = play(bench.chat, bench.requests, wish, bench.seed)
    found = measured(bench.arm, bench.chat.address, wish, calls, at)
    bench.context.progress.note(f"{bench.arm.label}, {asked}: {found.per_second:.1f} answers a second")
    return found


def play(chat: ServedChat, requests: Sequence[ChatRequest], wish: LoadRequest, seed: int) -> list[PlayedCall]:
    """Ask the questions in turn, again from the first one where they run out."""
    if wish.rate is not None:
        return chat.play(_endless(requests), arrivals(wish.rate, wish.duration_s, random.Random(seed)))
    assert wish.concurrency is not None
    return chat.play(_endless(requests), None, slots=wish.concurrency, duration_s=wish.duration_s)


def arrivals(rate: float, duration_s: float, rng: random.Random) -> list[float]:
    """Moments of a Poisson process, in seconds from the start."""
    found, at = [], rng.expovariate(rate)
    while at < duration_s:
        found.append(at)
        at += rng.expovariate(rate)
    return found


def measured(
    arm: ArmId, address: str, wish: LoadRequest, calls: Sequence[PlayedCall], at: datetime
) -> LoadResult:
    """The figures of a load test's calls; times in them count from its start, which was `at`."""
    answered = [call for call in calls if not call.failure]
    end = max((call.ended_s for call in calls), default=0.0)
    firsts = [call.first_s - call.due_s for call in answered if call.first_s is not None]
    late = [call.sent_s - call.due_s for call in calls]
    return LoadResult(
        arm=arm,
        address=address,
        rate=wish.rate,
        concurrency=wish.concurrency,
        duration_s=wish.duration_s,
        drain_s=max(0.0, end - wish.duration_s),
        sent=len(calls),
        answered=len(answered),
        failures=dict(sorted(Counter(call.failure for call in calls if call.failure).items())),
        per_second=len(answered) / end if end > 0 else 0.0,
        whole=_quantiles([call.ended_s - call.due_s for call in answered]),
        first=_quantiles(firsts),
        late_s=float(np.quantile(late, 0.95)) if late else 0.0,
        at=at,
    )


def _quantiles(seconds: Sequence[float]) -> tuple[Quantile, ...]:
    return tuple(_quantile(seconds, q) for q in _QUANTILES) if seconds else ()


def _quantile(seconds: Sequence[float], q: float) -> Quantile:
    found = quantile_interval(seconds, q)
    value = float(np.quantile(seconds, q, method="inverted_cdf"))
    if isinstance(found, Interval):
        return Quantile(q=q, seconds=value, interval=found)
    return Quantile(q=q, seconds=value, interval=None, needed=found.needed or 0)


def _endless(requests: Sequence[ChatRequest]) -> Iterable[ChatRequest]:
    while True:
        yield from requests


def _chosen(plan: ExperimentPlan, name: str, folder: RunFolder) -> tuple[ArmPlan, int]:
    lanes = [(arm, seed) for arm, seed in lanes_of(plan) if is_first(plan, seed)]
    found = [lane for lane in lanes if name in (str(lane[0].id), lane[0].option.value)]
    if len(found) != 1:
        raise UsageError(
            f"Run {folder.run_id} has no such arm." if not found else f"{name} is more than one arm.",
            got=name,
            allowed=", ".join(str(arm.id) for arm, _ in found or lanes),
        )
    if found[0][0].option not in (Option.PROMPT, Option.RETRIEVE):
        raise UsageError("Only an arm whose model is served can be put under load.", got=name)
    return found[0]


def _served(chat: object, arm: ArmId, context: Context) -> ServedChat:
    if not isinstance(chat, ServedChat) or not chat.streams:
        raise UsageError(
            "Load is put on an endpoint of one's own that speaks OpenAI's dialect.",
            got=str(arm),
            allowed="an arm of openai/NAME with --api-base",
        )
    if chat.identity.location == "remote" and context.budget_usd is None:
        raise UsageError(
            "A load test of an endpoint that is not on this machine may be billed.",
            got=chat.address,
            allowed="the most it may cost",
            run="--budget-usd 5",
        )
    return chat


def _requests(
    arm: Arm, seed: int, evalset: Evalset, folder: RunFolder, context: Context
) -> list[ChatRequest]:
    """The very questions of the run, of every test item."""
    task = task_of(evalset.space)
    with folder.journal() as journal:
        same_arm(arm, seed, evalset, journal, folder)
        stored = journal.settled_as(arm.id, seed, lane_config(arm, evalset))
    assert stored is not None
    say = context.progress.note
    arm.fit(Material(task=task, train=evalset.train, dev=dev_of(arm.id, evalset), say=say), stored.fitted)
    answers = Answers(form=task.form())
    return [answers.request(item, arm.explain(item)) for item in evalset.test]
