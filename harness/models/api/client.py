"""A served model behind `harness.models.base.ChatModel`, called directly or through litellm.

Any `provider/model`, or `openai/NAME` at an OpenAI-compatible endpoint (`ModelSettings.api_base`).
Retries, rate limits, budget and time are kept here and not by litellm, so that every attempt is counted
and waiting never passes for model time. A run is stopped by a wrong key, model name or address at the
first call instead of failing thousands of times.

An OpenAI-compatible endpoint is called directly (`harness.models.api.posting`), every other provider through
litellm, which spends 3.5 to 7 ms of CPU a call: `model_s` of many calls in flight then holds waiting for this
process as well. Latency is measured with `answer_one`. A provider's own retries behind one answered call are
invisible. The seed is sent, but few providers promise the same answer for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from advisor.money.usage import add
from harness.core.errors import ModelUnavailable, OverBudget, WaitTooLong
from harness.core.records import Failure, Message, ModelIdentity
from harness.models.api.asked import AskedModel
from harness.models.api.asking import Asker, Outside, Settled, held_by, left_out
from harness.models.api.calls import LISTED, ChatCaller, Form, LitellmCaller, Route
from harness.models.api.destinations import Destination, destination, key_for
from harness.models.api.dialects.said import ReceivedAnswer
from harness.models.api.library import (
    endpoint,
    estimated_tokens,
    keep_off_proxies,
    key_variable,
    load_litellm,
    own_key,
    require_aiohttp,
    require_key,
    secrets_in,
)
from harness.models.api.playing import PlayedCall, Player
from harness.models.api.posting import DIRECT, RESPONSES, DirectCaller
from harness.models.api.shared import BackgroundLoop, Pace, SharedCalls
from harness.models.base import ChatReply, ChatRequest
from harness.models.settings import ModelSettings

_OPENAI = "https://api.openai.com/v1"
_LIST_ODDS = frozenset({"openai", "azure", "deepseek"})
"""Providers of OpenAI's dialect that say how likely each token and its alternatives were."""
_SELL_CLAUDE = frozenset({"bedrock", "vertex_ai", "openrouter", "azure_ai", "databricks"})

Outcome = ChatReply | Failure


def open_served_chat(
    model: str,
    settings: ModelSettings,
    *,
    outside: Outside | None = None,
) -> ServedChat:
    """Open a served model; nothing is called yet.

    Args:
        model: `provider/model` as litellm writes it.
        outside: clock, sleep and environment; the process's own when None.

    Raises:
        ModelUnavailable: unknown provider, no key in the environment, remote while offline, or a key that
            would go astray.
        MissingExtra: litellm, or aiohttp, is not installed.
    """
    outside = outside or Outside()
    provider = model.partition("/")[0]
    base = endpoint(provider, settings.api_base, outside.environ) if provider in DIRECT else None
    by_responses = model.startswith(f"openai/{RESPONSES}")  # litellm cannot without packages that it lacks
    base = base or (_OPENAI if by_responses else None)
    if base is None:
        return _through_litellm(model, settings, outside)
    where = destination(provider, base, offline=settings.offline)
    if where.own and not by_responses:  # a provider's own address: litellm knows its keys
        return _through_litellm(model, settings, outside)
    require_aiohttp()
    key = key_for(where, outside.environ) or own_key(where, outside.environ)
    route = _route(model, where, key, settings, outside)
    caller = DirectCaller(base, model)
    form = Form(schema=True, listed=LISTED).thinking(settings.effort)
    return ServedChat(caller, route, form, settings, outside)


def _through_litellm(model: str, settings: ModelSettings, outside: Outside) -> ServedChat:
    litellm = load_litellm()
    provider = _provider(litellm, model)
    base = endpoint(provider, settings.api_base, outside.environ)
    where = destination(provider, base, offline=settings.offline)
    key = key_for(where, outside.environ)
    if where.own and key is None:
        require_key(litellm, model, provider)
    elif base is not None and where.loopback:
        keep_off_proxies(base)
    form = _first_form(litellm, model, provider, own_endpoint=base is not None).thinking(settings.effort)
    route = _route(model, where, key, settings, outside)
    return ServedChat(LitellmCaller(litellm), route, form, settings, outside)


def _route(
    model: str, where: Destination, key: str | None, settings: ModelSettings, outside: Outside
) -> Route:
    return Route(
        model=model,
        where=where,
        api_key=key,
        key_variable=key_variable(where.provider, own_endpoint=not where.own),
        timeout_s=settings.timeout_s,
        seed=settings.seed,
        secrets=secrets_in(outside.environ),
        marks_cache=where.provider == "anthropic" or (where.provider in _SELL_CLAUDE and "claude" in model),
    )


class ServedChat(AskedModel[ChatRequest, ReceivedAnswer]):
    """A served chat model: of a closed set with log-probabilities, where its endpoint lists those of tokens.

    Attributes:
        guard: asked before each call; may be set or taken away between passes.
        let_go: is shown every request before it is sent, and raises where it must not be.
        caller, route: the way to the model, and where it leads.
    """

    def __init__(
        self,
        caller: ChatCaller,
        route: Route,
        form: Form,
        settings: ModelSettings,
        outside: Outside,
    ) -> None:
        """Use `open_served_chat`, which checks what is given here."""
        self.caller = caller
        self.route = route
        self._form = form
        self._concurrency = max(1, settings.concurrency)
        # its revision stays '', the same before and after calls; who answered is in `served_by`
        self.identity = ModelIdentity(
            id=route.model,
            location="loopback" if route.where.loopback else "remote",
            decides=_decides(route, form),
        )
        self._shared = settings.shared or SharedCalls()
        self._alone = settings.shared is None
        self._asker: Asker[ChatRequest, ReceivedAnswer] = Asker(
            caller, route, form, settings, outside, self._shared
        )
        self.let_go: Callable[[ChatRequest], None] = lambda request: None
        self._closed = False

    def follow(self, pace: Pace | None) -> None:
        """Keep calls and tokens a minute with others: this model, and all that share its key's limits."""
        self._asker.pace.follow(pace)

    def stand_as(self, name: str) -> None:
        """Stand under another name: a tuned model is called anew with every training, and priced as one."""
        self.identity = replace(self.identity, id=name, revision=self.route.model)

    @property
    def form(self) -> Form:
        """What is sent beside the messages now."""
        return self._asker.form

    @property
    def served_by(self) -> tuple[str, ...]:
        """Model names and fingerprints the provider reported so far, in order of appearance."""
        return tuple(self._asker.served_by)

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[Outcome]:
        """Answer all requests, several at once; each exactly once, in the order they come back.

        A slot takes its next request once its answer was taken and the next one is asked for: a consumer that
        stores each outcome before it goes on loses no more than the answers not yet received.

        `queue_s` counts from the moment a request's turn has come. Stopping to iterate cancels what is
        in flight.

        Raises:
            ModelUnavailable: key, model name or address are wrong, or the endpoint stopped answering.
            OverBudget: the next call could pass the budget; calls in flight were finished and yielded.
            WaitTooLong: the provider asks for a long pause; likewise.
        """

        for request in requests:
            self.let_go(request)

        async def produce(put: Callable[[Outcome], Awaitable[None]]) -> None:
            await self._ask_all(requests, put)

        yield from self._running().stream(produce)

    def answer_one(self, request: ChatRequest) -> Outcome:
        """Answer one request alone. Raises as `answer`."""
        self.let_go(request)
        return self._running().run(self._ask(request))

    @property
    def streams(self) -> bool:
        """Whether `play` can be asked of it: its endpoint is called directly."""
        return isinstance(self.caller, DirectCaller) and not self.caller.by_responses

    @property
    def address(self) -> str:
        """Where calls go, '' for the provider's own place."""
        return self.route.where.base or ""

    def play(
        self,
        requests: Iterable[ChatRequest],
        due_s: Sequence[float] | None,
        *,
        slots: int = 1,
        duration_s: float = 0.0,
    ) -> list[PlayedCall]:
        """Ask at given moments, or slot by slot for a while; each once, streamed, without a retry.

        Args:
            requests: as many as are asked, or more.
            due_s: seconds from the start at which questions are due, however many are in flight; None lets
                `slots` of them take turns for `duration_s`.

        Raises:
            OverBudget: a call could pass the budget; those in flight are given up.
        """
        assert isinstance(self.caller, DirectCaller)
        requests = map(self._let_go, requests)
        player = Player(self.caller, self.route, self._asker.form, self.guard)
        self._asker.was_used = True  # so that its connections are closed
        try:
            if due_s is not None:
                return self._running().run(player.at(iter(requests), due_s))
            return self._running().run(player.by_slots(iter(requests), slots, duration_s))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate: litellm's local tokenizer for the model, often that of another model; no network."""
        return estimated_tokens(self.route.model, messages)

    def forget(self) -> None:
        """Nothing of earlier requests is kept here."""

    def close(self) -> None:
        """Cancel what runs, close connections and end the thread."""
        if self._closed:
            return
        self._closed = True
        if self._asker.was_used:
            self._shared.loop.run(self.caller.close())
        if self._alone:
            self._shared.close()

    def _let_go(self, request: ChatRequest) -> ChatRequest:
        self.let_go(request)
        return request

    def _running(self) -> BackgroundLoop:
        if self._closed:
            raise RuntimeError(f"{self.identity.id} was closed")
        return self._shared.loop

    async def _ask(self, request: ChatRequest) -> Outcome:
        settled = await self._asker.ask(request)
        return settled if isinstance(settled, Failure) else _reply(request, settled)

    async def _ask_all(
        self, requests: Sequence[ChatRequest], put: Callable[[Outcome], Awaitable[None]]
    ) -> None:
        """Ask all, and those that failed of what may pass once more at the end, if most were answered.

        The second round ends early where it only fails: what is wrong lasts.
        """
        failed: dict[str, Failure] = {}
        again = {request.item_id: request for request in requests}
        in_vain = 0

        def once_more() -> Iterator[ChatRequest]:
            for name in list(failed):
                if in_vain < 2 * self._concurrency:
                    yield again[name]

        async def keep(outcome: Outcome) -> None:
            if isinstance(outcome, Failure) and outcome.item_id in self._asker.may_pass:
                failed[outcome.item_id] = outcome
            else:
                await put(outcome)

        async def settle(outcome: Outcome) -> None:
            nonlocal in_vain
            in_vain = in_vain + 1 if isinstance(outcome, Failure) else 0
            await put(_with_earlier(failed.pop(outcome.item_id), outcome))

        try:
            await self._ask_each(requests, keep)
            if 0 < 2 * len(failed) < len(requests):
                await self._ask_each(once_more(), settle)
        except (OverBudget, WaitTooLong):
            await _put_all(failed.values(), put)
            raise
        await _put_all(failed.values(), put)

    async def _ask_each(
        self, requests: Iterable[ChatRequest], put: Callable[[Outcome], Awaitable[None]]
    ) -> None:
        waiting = iter(requests)
        over: list[OverBudget | WaitTooLong] = []

        async def work() -> None:
            for request in waiting:
                try:
                    await put(await self._ask(request))
                except (OverBudget, WaitTooLong) as error:
                    over.append(error)
                if over:
                    return

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if over:
            raise over[0]


def _reply(request: ChatRequest, settled: Settled[ReceivedAnswer]) -> ChatReply:
    answer = settled.answer
    return ChatReply(
        item_id=request.item_id,
        text=answer.text,
        choice_logprobs=answer.choice_logprobs,
        usage=settled.usage,
        queue_s=settled.queue_s,
        model_s=settled.model_s,
        attempts=settled.attempts,
        form=held_by(request, settled.form, answer),
        cut=answer.cut,
        served_by=answer.served_by,
        left_out=left_out(settled.form.left_out(settled.first), answer.ignored),
    )


async def _put_all(outcomes: Iterable[Outcome], put: Callable[[Outcome], Awaitable[None]]) -> None:
    for outcome in list(outcomes):
        await put(outcome)


def _with_earlier(failure: Failure, outcome: Outcome) -> Outcome:
    """An outcome with the attempts, tokens and waiting of a failure before it."""
    spent = [usage for usage in (failure.usage, outcome.usage) if usage is not None]
    attempts = failure.attempts + outcome.attempts
    if isinstance(outcome, ChatReply):
        queue_s = outcome.queue_s + (failure.timing.total_s if failure.timing else 0.0)
        return replace(outcome, attempts=attempts, usage=add(spent), queue_s=queue_s)
    return replace(outcome, attempts=attempts, usage=add(spent) if spent else None)


def _provider(litellm: Any, model: str) -> str:
    try:
        return str(litellm.get_llm_provider(model)[1])
    except Exception as error:  # litellm's BadRequestError, and others for odd names
        raise ModelUnavailable(
            "litellm knows no provider of this name.", got=model, allowed="provider/model"
        ) from error


def _first_form(litellm: Any, model: str, provider: str, *, own_endpoint: bool) -> Form:
    """What to send at first: a schema, unless litellm's table says that this model takes none.

    A model that is not in the table (a newer one, or one's own endpoint) is tried with a schema.
    """
    takes = litellm.get_supported_openai_params(model.split("/", 1)[-1], custom_llm_provider=provider) or []
    schema = "response_format" in takes
    reasons = False
    if not own_endpoint:
        known = model in litellm.model_cost or model.split("/", 1)[-1] in litellm.model_cost
        schema = schema and (not known or bool(litellm.supports_response_schema(model)))
        reasons = known and bool(litellm.supports_reasoning(model))
    likely = provider in _LIST_ODDS and "logprobs" in takes and not reasons
    return Form(schema=schema, reasons=reasons, listed=LISTED if likely else 0)


def _decides(route: Route, form: Form) -> tuple[tuple[str, str], ...]:
    """Where calls go and what is sent beside the messages; of an address what is no secret."""
    found = urlsplit(route.where.base or "")
    host = f"[{found.hostname}]" if ":" in (found.hostname or "") else found.hostname or ""
    port = f":{found.port}" if found.port else ""
    address = f"{found.scheme}://{host}{port}{found.path}" if route.where.base else "the provider's own"
    return (
        ("address", address),
        ("form", json.dumps(form.deciding, sort_keys=True)),
        ("seed", str(route.seed)),
    )
