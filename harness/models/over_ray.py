"""One pass of a served model's questions over Ray Data: workers on one machine or many, one limiter for all.

What is asked, how answers are read and where they are kept stays with the process that runs the arm: workers
are sent requests and send replies back. Calls a minute, tokens a minute and the budget are kept by one actor
that every worker asks before a call. Ray joins the cluster that `RAY_ADDRESS` names, or starts one here; keys
are read from each worker's own environment.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from advisor.money.usage import Usage
from harness.core.errors import OverBudget, UserError, needs
from harness.core.records import Failure, Message, ModelIdentity
from harness.models.api.asking import Outside
from harness.models.api.budget import Reservation, SpendGuard
from harness.models.api.client import ServedChat, open_served_chat
from harness.models.api.shared import Pace
from harness.models.base import ChatReply, ChatRequest
from harness.models.settings import ModelSettings

BATCH = 32
"""Questions that a worker takes at a time; as many answers are lost at most where a worker is killed."""

MakeGuard = Callable[[], SpendGuard | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What every worker opens."""

    model: str
    settings: ModelSettings


class Limiter:
    """Calls, tokens and dollars of all workers; an actor."""

    def __init__(self, rpm: float | None, tpm: float | None, make_guard: MakeGuard) -> None:
        self._pace = Pace(rpm, tpm, time.perf_counter)
        self._guard = make_guard()

    def take(self) -> float:
        """Claim the next call; seconds to wait before it is made."""
        return self._pace.take()

    def used(self, usage: Usage) -> None:
        """Count what a call used."""
        self._pace.used(usage)

    def reserve(self, input_tokens: int, output_tokens: int) -> Reservation | tuple[Any, ...] | None:
        """Set aside the worst case of a call; the parts of the error where it could pass the budget."""
        if self._guard is None:
            return None
        try:
            return self._guard.reserve(input_tokens, output_tokens)
        except OverBudget as error:
            return _parts(error)

    def settle(self, reservation: Reservation, usage: Usage | None, unbilled: bool) -> None:
        """Book a call that was sent."""
        if self._guard is not None:
            self._guard.settle(reservation, usage, unbilled=unbilled)

    def close(self) -> None:
        """Write down what was reported last."""
        if self._guard is not None:
            self._guard.close()


class _SharedPace(Pace):
    """The pace that all workers keep together."""

    def __init__(self, limiter: Any) -> None:
        super().__init__(None, None, time.perf_counter)
        self._limiter = limiter

    def take(self) -> float:
        return float(_ray().get(self._limiter.take.remote()))

    def used(self, usage: Usage) -> None:
        self._limiter.used.remote(usage)


class _SharedGuard(SpendGuard):
    """The budget that all workers draw on."""

    def __init__(self, limiter: Any) -> None:
        super().__init__(None, lambda input_tokens, output_tokens: None, lambda usage: None)
        self._limiter = limiter

    def reserve(self, input_tokens: int, output_tokens: int) -> Reservation:
        found = _ray().get(self._limiter.reserve.remote(input_tokens, output_tokens))
        if isinstance(found, tuple):
            raise _error(found)
        assert isinstance(found, Reservation)
        return found

    def settle(self, reservation: Reservation, usage: Usage | None, *, unbilled: bool = False) -> None:
        _ray().get(self._limiter.settle.remote(reservation, usage, unbilled))


class Worker:
    """Answers batches of requests with a client of its own."""

    def __init__(self, spread: Spread, limiter: Any, guarded: bool) -> None:
        """Open the model as it is opened anywhere else."""
        self._chat = open_served_chat(spread.model, spread.settings, outside=Outside(environ=os.environ))
        self._chat.follow(_SharedPace(limiter))
        if guarded:
            self._chat.guard = _SharedGuard(limiter)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Answer a batch; what ends the pass comes back as the parts of its error, behind the answers."""
        requests = [pickle.loads(bytes(raw)) for raw in batch["request"]]
        found: list[bytes] = []
        try:
            for reply in self._chat.answer(requests):
                found.append(pickle.dumps(reply))
        except UserError as error:
            found.append(pickle.dumps(_parts(error)))
        return {"reply": found}


class RayChat:
    """A served model whose passes are answered by workers; single questions are asked from here."""

    def __init__(self, here: ServedChat, spread: Spread, budget: Callable[[], MakeGuard]) -> None:
        """Wrap a model that is open and guarded already.

        Args:
            budget: at the beginning of a pass, what makes the guard over what is left of the run's budget,
                where it is kept; a guard of None records and limits nothing.

        Raises:
            MissingExtra: ray is not installed.
        """
        _ray()
        self._here = here
        self._spread = spread
        self._budget = budget

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is: the same one wherever it is asked from."""
        return self._here.identity

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply | Failure]:
        """Answer all requests, each exactly once, in the order they come back.

        Raises:
            UserError: as the model raises it; answers that came before it were yielded.
        """
        if not requests:
            return
        for request in requests:
            self._here.let_go(request)
        ray = _joined()
        cpus = int(ray.cluster_resources().get("CPU", 1))
        workers, settings = _shares(self._spread.settings, cpus, len(requests))
        each = replace(self._spread, settings=settings)
        limiter = (
            ray.remote(Limiter)
            .options(num_cpus=0)
            .remote(self._spread.settings.rpm, self._spread.settings.tpm, self._budget())
        )
        self._here.follow(_SharedPace(limiter))  # an embedding model of the same key asks from here meanwhile
        try:
            rows = [{"request": pickle.dumps(request)} for request in requests]
            asked = ray.data.from_items(rows, override_num_blocks=min(len(rows), 4 * workers))
            answered = asked.map_batches(
                Worker,
                fn_constructor_args=(each, limiter, self._here.guard is not None),
                batch_size=min(BATCH, math.ceil(len(rows) / workers)),
                compute=ray.data.ActorPoolStrategy(size=workers),
                num_cpus=min(1.0, 0.5 / workers),
            )
            for row in answered.iter_rows():
                reply = pickle.loads(bytes(row["reply"]))
                if isinstance(reply, tuple):
                    raise _error(reply)
                yield reply
        finally:
            self._here.follow(None)
            with contextlib.suppress(ray.exceptions.RayError):  # whoever was killed has nothing to say
                ray.get(limiter.close.remote())
            ray.kill(limiter)

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer one request alone, from here."""
        return self._here.answer_one(request)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate, as the model gives it."""
        return self._here.count_tokens(messages)

    def forget(self) -> None:
        """Nothing of earlier requests is kept."""

    def close(self) -> None:
        """Close the connections from here; the cluster stays as it is."""
        self._here.close()


def _shares(settings: ModelSettings, cpus: int, requests: int) -> tuple[int, ModelSettings]:
    """How many workers, and how each of them asks: calls in flight are split, the rest the limiter keeps."""
    workers = max(1, min(settings.concurrency, cpus, requests))
    each = math.ceil(settings.concurrency / workers)
    return workers, replace(settings, concurrency=each, rpm=None, tpm=None, shared=None)


def _parts(error: UserError) -> tuple[Any, ...]:
    """An error as it travels: an exception with named arguments cannot be pickled."""
    return type(error), error.what, _said(error.got), _said(error.allowed), error.run


def _said(value: object) -> str | None:
    return None if value is None else str(value)


def _error(parts: tuple[Any, ...]) -> UserError:
    kind, what, got, allowed, run = parts
    error: UserError = kind(what, got=got, allowed=allowed, run=run)
    return error


def _ray() -> Any:
    with needs("ray"):
        import ray
    return ray


def _joined() -> Any:
    """Ray, in the cluster that `RAY_ADDRESS` names or in one that is started here; it reports nothing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = _ray()
    importlib.import_module("ray.data")
    for name in ("ray", "ray.data"):  # what they tell of their own work is none of a run's
        logging.getLogger(name).setLevel(logging.ERROR)
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray
