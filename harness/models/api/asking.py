"""A question asked until it is answered, given up or forbidden: attempts, waiting and budget around one call.

Shared by all calls of one client and used on one event loop only. Waiting is told: a line says why before
nothing has moved for longer than `SILENCE_S`.

How often, how fast and how long to ask a provider again: pauses, retries and slots in flight.

litellm's own retries sleep out of sight and its router does not hold rate limits, so both are done here,
where every attempt and every second of waiting is counted. Clock, sleep and random numbers come from
the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from advisor.money.usage import Usage, add
from harness.core.errors import ModelUnavailable, OverBudget, WaitTooLong
from harness.core.records import Failure, FailureKind, FreeText, HeldBy, Timing
from harness.models.api.budget import Reservation, SpendGuard
from harness.models.api.calls import Caller, Form, Request, Route
from harness.models.api.dialects.said import Got, ReceivedAnswer
from harness.models.api.faults import Fault
from harness.models.api.shared import Clock, Pace, SharedCalls, Sleep
from harness.models.base import ChatRequest
from harness.models.settings import ModelSettings

Asked = TypeVar("Asked", bound=Request)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a failed call is made again.

    Attributes:
        max_retries: further attempts after the first; 0 fails at once.
        max_server_retries: the same for 5xx answers, which are often the same every time; not for one that
            says the provider is overloaded (503, 529).
        base_s, cap_s: the longest pause before retry n (from 0) is `min(cap_s, base_s * 2 ** n)`.
        longest_wait_s: a provider that asks for a longer pause than this is not waited for: the run stops.
        longest_silence_s: nor is one that has answered nothing for so long and asks for one more pause.
    """

    max_retries: int
    max_server_retries: int = 2
    base_s: float = 0.5
    cap_s: float = 30.0
    longest_wait_s: float = 120.0
    longest_silence_s: float = 600.0

    def pause_s(self, retry: int, told_s: float | None, rng: random.Random) -> float:
        """Seconds to wait before retry `retry` (from 0): exponential backoff with full jitter.

        Never shorter than what the provider asked for (`told_s`); the jitter then comes on top, so
        that callers told the same second do not come back together. Formula: "full jitter" of
        Marc Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
        """
        jitter = rng.uniform(0.0, min(self.cap_s, self.base_s * 2.0**retry))
        return jitter if told_s is None else told_s + min(jitter, self.base_s)

    def allows(self, retries: int) -> bool:
        """Whether to try once more after `retries` further attempts."""
        return retries < self.max_retries


SILENCE_S = 10.0
_LOOK_S = SILENCE_S / 4  # how often it is looked whether something must be said
_OF_THE_ENDPOINT = (FailureKind.BAD_REQUEST, FailureKind.SERVER, FailureKind.BAD_RESPONSE)
_FEWEST_IN_VAIN = 10  # failures in a row that say an endpoint is gone, with few calls in flight
_MOST_PLAIN_IN_VAIN = 3  # questions that failed without the schema too: then the schema is not at fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the client takes from the world around it; a test puts its own in place."""

    clock: Clock = time.perf_counter
    sleep: Sleep = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


@dataclass(slots=True)
class _Tries:
    """What one question has cost so far.

    Attributes:
        blamed: the fault that may be due to the schema, once the question is tried without one.
    """

    began: float
    spent: list[Usage] = field(default_factory=list)
    retries: int = 0
    server_retries: int = 0
    attempts: int = 0
    blamed: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Generic[Got]):
    """An answered question.

    Attributes:
        usage: of all attempts.
        queue_s: waiting for a slot and between attempts; model_s: the answered call alone.
        form: what it was asked with; first: what questions were to be asked with at first.
    """

    answer: Got
    usage: Usage
    queue_s: float
    model_s: float
    attempts: int
    form: Form
    first: Form


class Asker(Generic[Asked, Got]):
    """Asks one model at one address; knows what it refuses and how much it takes.

    Attributes:
        guard: asked before each call.
        say: takes a line on why nothing moves, or on what changed; called on the event loop's thread.
        form: what is sent beside the messages now.
        pace: calls and tokens a minute.
        was_used: whether anything was ever asked.
        served_by: what the provider said answered.
        may_pass: items that failed of what may pass by itself, where a failed call may be made again at all.
    """

    def __init__(
        self,
        caller: Caller[Asked, Got],
        route: Route,
        form: Form,
        settings: ModelSettings,
        outside: Outside,
        shared: SharedCalls,
    ) -> None:
        self._caller = caller
        self._route = route
        self._outside = outside
        self._policy = RetryPolicy(max_retries=settings.max_retries)
        concurrency = max(1, settings.concurrency)
        pace = Pace(settings.rpm, settings.tpm, outside.clock)
        limits = shared.limits(route.key_at_host(outside.environ), concurrency, pace, outside.clock)
        self.pace, self._slots = limits.pace, limits.slots
        self._rng = random.Random(route.seed)
        self._most_in_vain = max(_FEWEST_IN_VAIN, 2 * concurrency)
        self._in_vain = 0
        self._plain_in_vain = 0
        self._ever_answered = False
        self._schema_answered = False
        self._moved_at = self._said_at = -math.inf
        self.was_used = False
        self._limited_since: float | None = None
        self._why = ""
        self._stopped: WaitTooLong | None = None
        self._reserved = 0
        self._settled = asyncio.Event()
        self.guard: SpendGuard | None = None
        self.say: Callable[[str], None] = lambda line: None
        self.form = self._first = form
        self.served_by: dict[str, None] = {}
        self.may_pass: set[str] = set()

    async def ask(self, request: Asked) -> Settled[Got] | Failure:
        """Ask one question; every attempt is counted, and every reported token.

        Raises:
            ModelUnavailable: every other question would fail as well.
            OverBudget: an attempt could pass the budget.
            WaitTooLong: the provider asks for a longer pause than is waited for.
        """
        self.was_used = True
        tries = _Tries(self._outside.clock())
        self._moved_at = tries.began
        try:
            return await self._until_settled(request, tries)
        finally:
            self._moved_at = self._outside.clock()

    async def _until_settled(self, request: Asked, tries: _Tries) -> Settled[Got] | Failure:
        while True:
            form = self._form(tries)
            result, sent_at, ended = await self._one_attempt(request, form)
            tries.attempts += 1
            if result.usage is not None:
                tries.spent.append(result.usage)
            if not isinstance(result, Fault):
                if tries.blamed is not None:
                    self._stay_plain(tries.blamed)
                return Settled(
                    answer=result,
                    usage=add(tries.spent),
                    queue_s=sent_at - tries.began,
                    model_s=ended - sent_at,
                    attempts=tries.attempts,
                    form=form,
                    first=self._first,
                )
            refused = result.refused or self._suspected(form, result)
            if self._adapt(form, refused, tries) or await self._pause(result, tries):
                continue
            if self._blame_schema(form, result):
                tries.blamed = result
                continue
            fault = self._final(result, tries)
            self._stop_if_hopeless(fault)
            if fault.passes and self._policy.allows(0):
                self.may_pass.add(request.item_id)
            return Failure(
                item_id=request.item_id,
                kind=fault.kind,
                message=fault.message,
                attempts=tries.attempts,
                usage=add(tries.spent) if tries.spent else None,
                timing=Timing(queue_s=sent_at - tries.began, model_s=ended - sent_at),
            )

    async def _one_attempt(self, request: Asked, form: Form) -> tuple[Got | Fault, float, float]:
        """The attempt's result and when, slot and budget granted, it began and ended."""
        generation = await self._slots.take(self._wait)
        try:
            if self._stopped is not None:
                raise self._stopped
            if (pause := self.pace.take()) > 0:
                self._why = "the limit of calls or tokens a minute that was set"
                await self._wait(pause)
            reservation = await self._reserve(request, form)
            result: Got | Fault | None = None
            began = self._outside.clock()
            try:
                with self._told_while_in_flight(began):
                    result = await self._caller.attempt(request, self._route, form, self._outside.now())
            finally:
                self._settle(reservation, result)
            ended = self._outside.clock()
        finally:
            await self._slots.give_back()
        if result.usage is not None:
            self.pace.used(result.usage)
        if not isinstance(result, Fault):
            self._slots.answered()
            self._ever_answered, self._in_vain, self._limited_since = True, 0, None
            self._schema_answered = self._schema_answered or form.schema
            if result.pause_s is not None and result.pause_s <= self._policy.longest_wait_s:
                self._why = "the provider's limit is used up"
                self._slots.pause(result.pause_s)
            if result.served_by:
                self.served_by.setdefault(result.served_by)
        elif result.overloaded:
            if result.kind is FailureKind.RATE_LIMIT:
                self._limited_since = ended if self._limited_since is None else self._limited_since
                self._stop_if_told_too_long(result)
            self._why = result.message
            self._slots.slow_down(generation, result.told_s)
        return result, began, ended

    async def _pause(self, fault: Fault, tries: _Tries) -> bool:
        """Wait before another attempt; False when there is to be none."""
        few = not fault.overloaded and fault.kind not in (FailureKind.CONNECTION, FailureKind.TIMEOUT)
        if not fault.passes:
            return False
        self._stop_if_told_too_long(fault)
        if not self._policy.allows(tries.retries):
            return False
        if few and tries.server_retries >= self._policy.max_server_retries:
            return False
        pause = self._policy.pause_s(tries.retries, fault.told_s, self._rng)
        tries.retries += 1
        tries.server_retries += few
        self._why = fault.message
        await self._wait(pause)
        return True

    async def _wait(self, seconds: float) -> None:
        """Sleep, in pieces short enough to say in time how long it still takes and why.

        Raises:
            WaitTooLong: the run was stopped meanwhile.
        """
        until = self._outside.clock() + seconds
        while (left := until - self._outside.clock()) > 0:
            if self._stopped is not None:
                raise self._stopped
            if left > SILENCE_S or self._silent():
                self._say_waiting(f"waiting, {left:.0f} s to go: {self._why}")
            await self._outside.sleep(min(left, _LOOK_S))

    @contextlib.contextmanager
    def _told_while_in_flight(self, began: float) -> Iterator[None]:
        """Say so while a call is not answered."""
        loop = asyncio.get_running_loop()

        timer = loop.call_later(_LOOK_S, lambda: remind())

        def remind() -> None:
            nonlocal timer
            if self._silent():
                asked = self._outside.clock() - began
                self._say_waiting(
                    f"no answer for {asked:.0f} s; a call may take {self._route.timeout_s:.0f} s"
                )
            timer = loop.call_later(_LOOK_S, remind)

        try:
            yield
        finally:
            timer.cancel()

    def _silent(self) -> bool:
        """Whether nothing was seen to move for so long that the next look would be too late."""
        last = max(self._moved_at, self._said_at)
        return self._outside.clock() - last >= SILENCE_S - 1.2 * _LOOK_S

    def _say_waiting(self, line: str) -> None:
        """Say a line, unless one was said just before: many calls wait at once."""
        now = self._outside.clock()
        if now - self._said_at >= SILENCE_S - 1.2 * _LOOK_S:
            self._said_at = now
            self.say(line)

    def _stop_if_told_too_long(self, fault: Fault) -> None:
        """Raise where waiting is not worth while: go on later, from what there is."""
        since, told = self._limited_since, fault.told_s or 0.0
        silent = 0.0 if since is None else self._outside.clock() - since
        too_long = told > self._policy.longest_wait_s
        if not too_long and (
            fault.kind is not FailureKind.RATE_LIMIT or silent + told <= self._policy.longest_silence_s
        ):
            return
        asks = (
            f"asks for a pause of {_long(told)}" if too_long else f"has answered nothing for {_long(silent)}"
        )
        until = self._outside.now() + timedelta(seconds=told)
        self._stopped = WaitTooLong(
            f"The provider of {self._route.model} {asks}; the run stops here, and what was computed is kept.",
            got=fault.message,
            allowed=f"a pause of up to {_long(self._policy.longest_wait_s)}"
            + (f"; go on after {until:%Y-%m-%d %H:%M} UTC" if too_long else "; go on later"),
        )
        raise self._stopped

    async def _reserve(self, request: Asked, form: Form) -> Reservation | None:
        """Set money aside; where only calls in flight stand in the way, wait until one is settled."""
        if self.guard is None:
            return None
        worst_in, worst_out = self._caller.most_tokens(request, form)
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

    def _settle(self, reservation: Reservation | None, result: Got | Fault | None) -> None:
        if self.guard is None or reservation is None:
            return
        unbilled = isinstance(result, Fault) and result.unbilled
        usage = None if result is None else result.usage  # a cancelled call may have been billed
        self.guard.settle(reservation, usage, unbilled=unbilled)
        self._reserved -= 1
        self._settled.set()

    def _form(self, tries: _Tries) -> Form:
        return self.form if tries.blamed is None else self.form.without("response_format")

    def _adapt(self, form: Form, refused: str, tries: _Tries) -> bool:
        """Leave out what was refused, for all calls from now on; False when that changes nothing."""
        if refused and form == self._form(tries):  # else another call has found out meanwhile
            self.form = self.form.without(refused)
        return bool(refused) and form != self._form(tries)

    def _suspected(self, form: Form, fault: Fault) -> str:
        """What else than the schema may be refused without a word: it decides no answer, so it goes first."""
        alone = fault.schema == "possible" and fault.kind is FailureKind.BAD_REQUEST
        return "logprobs" if alone and form.listed and not self._ever_answered else ""

    def _blame_schema(self, form: Form, fault: Fault) -> bool:
        """Whether to ask once more without the schema.

        Where the provider does not name it, the schema is suspected of a 400 or 422; of a 500, which has
        many causes, only as long as no call with a schema was answered.
        """
        if not form.schema or self._plain_in_vain >= _MOST_PLAIN_IN_VAIN:
            return False
        alone = fault.kind is not FailureKind.SERVER or not self._schema_answered
        return fault.schema == "named" or (fault.schema == "possible" and alone)

    def _stay_plain(self, blamed: Fault) -> None:
        """The question was answered without the schema: ask all others so, unless it was this one alone."""
        if self.form.schema and (blamed.schema == "named" or not self._schema_answered):
            self.form = self.form.without("response_format")
            self.say(f"the JSON schema is refused, the prompt alone asks from here on: {blamed.message}")

    def _final(self, fault: Fault, tries: _Tries) -> Fault:
        """The fault that counts: the first one, where leaving out the schema did not help."""
        if tries.blamed is None:
            return fault
        self._plain_in_vain += 1
        return tries.blamed

    def _stop_if_hopeless(self, fault: Fault) -> None:
        """Raise where every call would fail: at the first one, or after many in a row."""
        limited = fault.kind is FailureKind.RATE_LIMIT and not fault.fatal
        refused = fault.kind in _OF_THE_ENDPOINT and not self._ever_answered
        gone = fault.kind in (FailureKind.CONNECTION, FailureKind.TIMEOUT)
        if not (fault.fatal or limited or refused or gone):
            return
        self._in_vain += 1
        slow = fault.kind is FailureKind.TIMEOUT
        one_will_do = not self._ever_answered and not limited and (fault.fatal or not (refused or slow))
        if not one_will_do and self._in_vain < self._most_in_vain:
            return
        model, address = self._route.model, self._route.where.base
        if limited:
            self._stopped = WaitTooLong(
                f"The provider of {model} refused {self._in_vain} questions in a row, each several times.",
                got=fault.message,
                allowed="fewer calls at once (-j), or going on later; refused ones with --retry-errors",
            )
            raise self._stopped
        match fault.kind:
            case _ if fault.kind is FailureKind.RATE_LIMIT or fault.status == 402:
                raise ModelUnavailable(
                    f"The account that {model} is called with has no credit; what was computed is kept.",
                    got=fault.message,
                    allowed="credit with the provider, or the key of another account",
                    run=f"export {self._route.key_variable}=...",
                )
            case FailureKind.AUTHENTICATION:
                raise ModelUnavailable(
                    f"The provider refuses access to {model}.",
                    got=fault.message,
                    run=f"export {self._route.key_variable}=...",
                )
            case FailureKind.CONNECTION:
                where = f"at {address}" if address else "at the provider's address"
                raise ModelUnavailable(f"Nothing answers for {model} {where}.", got=fault.message)
            case FailureKind.TIMEOUT:
                raise ModelUnavailable(
                    f"{model} answered none of {self._in_vain} questions in a row within "
                    f"{self._route.timeout_s:.0f} s, each asked several times; the run stops here.",
                    got=fault.message,
                    run="the same command with --timeout SECONDS, if it needs longer",
                )
            case FailureKind.BAD_REQUEST if fault.status is None:
                raise ModelUnavailable(
                    f"Calls for {model} are led away from where they belong; nothing was sent there.",
                    got=fault.message,
                    allowed="the provider's own host, or the address that is given with --api-base",
                )
            case _ if refused and not fault.fatal:
                did = "refused" if fault.kind is FailureKind.BAD_REQUEST else "failed at"
                raise ModelUnavailable(
                    f"{model} {did} each of the first {self._in_vain} questions; the run stops here.",
                    got=fault.message,
                )
            case _:
                raise ModelUnavailable(
                    f"The provider does not serve {model}.",
                    got=fault.message,
                    allowed=f"a name that {address} lists, and an address as far as /v1" if address else None,
                )


def held_by(request: ChatRequest, form: Form, answer: ReceivedAnswer) -> HeldBy:
    """How an answer was held to its form: by a schema that really went out, or by the prompt alone."""
    held = form.schema and not isinstance(request.form, FreeText) and "schema" not in answer.ignored
    return "schema" if held else "plain"


def left_out(by_form: tuple[str, ...], ignored: tuple[str, ...]) -> tuple[str, ...]:
    """What was to be sent and was not: refused before, or left out on the way."""
    return tuple(dict.fromkeys(name for name in (*by_form, *ignored) if name != "schema"))


def _long(seconds: float) -> str:
    """A stretch of time as a person would say it."""
    if seconds < 180:
        return f"{seconds:.0f} s"
    if seconds < 3 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 3 * 86_400 else f"{seconds / 86_400:.0f} days"
