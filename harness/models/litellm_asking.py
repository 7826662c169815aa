"""A question asked until it is answered, given up or forbidden: attempts, waiting and budget around one call.

Shared by all calls of one client and used on one event loop only.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from advisor.cost.usage import Usage, add
from harness.errors import ModelUnavailable, OverBudget
from harness.models.base import ChatReply, ChatRequest
from harness.models.budget import Reservation, SpendGuard
from harness.models.limits import AdaptiveSlots, Clock, RetryPolicy, Sleep
from harness.models.litellm_calls import (
    Answer,
    Form,
    Route,
    attempt,
    most_input_tokens,
    most_output_tokens,
)
from harness.models.litellm_faults import Fault
from harness.records import Failure, FailureKind, Timing

_FEWEST_IN_VAIN = 10  # failures in a row that say an endpoint is gone, with few calls in flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the client takes from the world around it; a test puts its own in place."""

    clock: Clock = time.perf_counter
    sleep: Sleep = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


@dataclass(slots=True)
class _Tries:
    """What one question has cost so far."""

    began: float
    spent: list[Usage] = field(default_factory=list)
    retries: int = 0
    server_retries: int = 0
    attempts: int = 0


class Asker:
    """Asks one model at one address; knows what it refuses and how much it takes."""

    def __init__(
        self, litellm: Any, route: Route, form: Form, *, concurrency: int, max_retries: int, outside: Outside
    ) -> None:
        self._litellm = litellm
        self._route = route
        self._outside = outside
        self._policy = RetryPolicy(max_retries=max_retries)
        self._rng = random.Random(route.seed)
        self._slots = AdaptiveSlots(concurrency, outside.clock, outside.sleep)
        self._most_in_vain = max(_FEWEST_IN_VAIN, 2 * concurrency)
        self._in_vain = 0
        self._ever_answered = False
        self._reserved = 0
        self._settled = asyncio.Event()
        self.guard: SpendGuard | None = None
        self.form = form
        self.served_by: dict[str, None] = {}

    async def ask(self, request: ChatRequest) -> ChatReply | Failure:
        """Ask one question; every attempt is counted, and every reported token.

        Raises:
            ModelUnavailable: every other question would fail as well.
            OverBudget: an attempt could pass the budget.
        """
        tries = _Tries(self._outside.clock())
        while True:
            form = self.form
            result, sent_at, ended = await self._one_attempt(request, form)
            tries.attempts += 1
            if result.usage is not None:
                tries.spent.append(result.usage)
            if isinstance(result, Answer):
                return ChatReply(
                    item_id=request.item_id,
                    text=result.text,
                    choice_logprobs=None,
                    usage=add(tries.spent),
                    queue_s=sent_at - tries.began,
                    model_s=ended - sent_at,
                    attempts=tries.attempts,
                )
            if not self._adapt(form, result.refused) and not await self._pause(result, tries):
                self._stop_if_hopeless(result)
                return Failure(
                    item_id=request.item_id,
                    kind=result.kind,
                    message=result.message,
                    attempts=tries.attempts,
                    usage=add(tries.spent) if tries.spent else None,
                    timing=Timing(queue_s=sent_at - tries.began, model_s=ended - sent_at),
                )

    async def _one_attempt(self, request: ChatRequest, form: Form) -> tuple[Answer | Fault, float, float]:
        """The attempt's result and when, slot and budget granted, it began and ended."""
        generation = await self._slots.take()
        try:
            reservation = await self._reserve(request, form)
            result: Answer | Fault | None = None
            began = self._outside.clock()
            try:
                result = await attempt(self._litellm, request, self._route, form, self._outside.now())
            finally:
                self._settle(reservation, result)
            ended = self._outside.clock()
        finally:
            await self._slots.give_back()
        if isinstance(result, Answer):
            self._slots.answered()
            self._ever_answered, self._in_vain = True, 0
            if result.served_by:
                self.served_by.setdefault(result.served_by)
        elif result.kind is FailureKind.RATE_LIMIT and result.passes:
            self._slots.slow_down(generation, result.told_s)
        return result, began, ended

    async def _pause(self, fault: Fault, tries: _Tries) -> bool:
        """Wait before another attempt; False when there is to be none."""
        server = fault.kind is FailureKind.SERVER
        if not fault.passes or not self._policy.allows(tries.retries, fault.told_s):
            return False
        if server and tries.server_retries >= self._policy.max_server_retries:
            return False
        pause = self._policy.pause_s(tries.retries, fault.told_s, self._rng)
        tries.retries += 1
        tries.server_retries += server
        await self._outside.sleep(pause)
        return True

    async def _reserve(self, request: ChatRequest, form: Form) -> Reservation | None:
        """Set money aside; where only calls in flight stand in the way, wait until one is settled."""
        if self.guard is None:
            return None
        worst_in, worst_out = most_input_tokens(request, form), most_output_tokens(request, form)
        while True:
            try:
                reservation = self.guard.reserve(worst_in, worst_out)
            except OverBudget:
                if self._reserved == 0:
                    raise
                self._settled.clear()
                await self._settled.wait()
            else:
                self._reserved += 1
                return reservation

    def _settle(self, reservation: Reservation | None, result: Answer | Fault | None) -> None:
        if self.guard is None or reservation is None:
            return
        if isinstance(result, Fault) and result.unbilled:
            self.guard.release(reservation)
        else:  # a cancelled call has no result and may have been billed
            self.guard.settle(reservation, result.usage if result is not None else None)
        self._reserved -= 1
        self._settled.set()

    def _adapt(self, form: Form, refused: str) -> bool:
        """Leave out what was refused, for all calls from now on; False when that changes nothing."""
        if refused:
            self.form = self.form.without(refused)
        return bool(refused) and form != self.form

    def _stop_if_hopeless(self, fault: Fault) -> None:
        """Raise where every call would fail: at the first one, or after many in a row."""
        if not fault.fatal and fault.kind is not FailureKind.CONNECTION:
            return
        self._in_vain += 1
        if self._ever_answered and self._in_vain < self._most_in_vain:
            return
        model, address = self._route.model, self._route.api_base
        match fault.kind:
            case FailureKind.AUTHENTICATION | FailureKind.RATE_LIMIT:
                raise ModelUnavailable(
                    f"The provider refuses access to {model}.",
                    got=fault.message,
                    run=f"export {self._route.key_variable}=...",
                )
            case FailureKind.CONNECTION:
                where = f"at {address}" if address else "at the provider's address"
                raise ModelUnavailable(f"Nothing answers for {model} {where}.", got=fault.message)
            case _:
                raise ModelUnavailable(f"The provider does not serve {model}.", got=fault.message)
