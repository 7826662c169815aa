"""A served model asked through its provider's batch interface: cheaper, within a day, without a latency.

The questions are the very ones that would have been sent one by one: the same caller writes them. What was
handed in is written down before it is waited for, so that a run that is stopped goes on with the same batch;
answers are taken from it once it has ended. A parameter that the model does not take is left out, and the
questions that were refused for it are handed in again. Nothing else is asked twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from advisor.money.usage import Usage, add
from harness.core.errors import ModelUnavailable, UsageError
from harness.core.files import write_atomically
from harness.core.records import Failure, FailureKind, Message
from harness.core.serial import decode, encode
from harness.models.api.asking import held_by, left_out
from harness.models.api.batch.services import (
    AnthropicBatches,
    BatchLine,
    BatchService,
    GeminiBatches,
    Http,
    MistralBatches,
    OpenAiBatches,
    Result,
    State,
    Unreachable,
)
from harness.models.api.budget import Reservation, SpendGuard
from harness.models.api.calls import Form, Route, most_input_tokens, most_output_tokens, said_in
from harness.models.api.client import Outcome, ServedChat
from harness.models.api.destinations import BATCH_HOSTS
from harness.models.api.dialects.reading import read_answer
from harness.models.api.dialects.said import ReceivedAnswer
from harness.models.api.faults import Fault, fault_of_response, read_error
from harness.models.api.library import own_key
from harness.models.base import ChatReply, ChatRequest

_FIRST_LOOK_S, _LONGEST_LOOK_S = 2.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """A batch that was handed in, as it is written down.

    Attributes:
        sent: name of each question -> its number among the calls that the budget counts, 0 without one.
        form: the parameters it was asked with.
        before: what questions used in an earlier batch, in which they got no answer.
    """

    batch: str
    model: str
    at: datetime
    form: Form
    sent: dict[str, int]
    before: dict[str, Usage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What this client takes from the world around it."""

    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


class BatchedChat:
    """A `harness.models.base.ChatModel` whose answers come in batches.

    Attributes:
        guard: asked before a batch is handed in; may be set or taken away between passes.
        let_go: is shown every request before it is sent, and raises where it must not be.
        say: takes a line on how far a batch is.
    """

    def __init__(self, chat: ServedChat, folder: Path, waiting: Waiting | None = None) -> None:
        """Ask what `chat` would ask, and write down in `folder` what was handed in.

        Raises:
            UsageError: no batch interface of the provider is known.
        """
        self._chat, self._folder, self._waiting = chat, folder, waiting or Waiting()
        self._route, self._form = chat.route, chat.form
        self._http = Http(*_address(self._route, self._waiting.environ))
        self._service = _service(self._route, self._http)
        self._open: dict[str, Reservation] = {}
        self._before: dict[str, Usage] = {}
        self.identity = dataclasses.replace(
            chat.identity, decides=(*chat.identity.decides, ("processing", "batch"))
        )
        self.guard: SpendGuard | None = None
        self.let_go: Callable[[ChatRequest], None] = lambda request: None
        self.say: Callable[[str], None] = lambda line: None

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[Outcome]:
        """Answer all requests, each exactly once, once their batches have ended.

        Raises:
            OverBudget: the batch could pass the budget; nothing of it was handed in.
            ModelUnavailable: the batch interface refuses it.
        """
        for request in requests:
            self.let_go(request)
        wanted = {_name(request): request for request in requests}
        first = self._form
        while wanted:
            yield from self._round(wanted, first)

    def answer_one(self, request: ChatRequest) -> Outcome:
        """A batch has no latency, so nothing is asked alone.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"{self._route.model} answers in batches here, so nothing is timed or asked alone.",
            allowed="an arm without `batch`",
        )

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """As the model itself."""
        return self._chat.count_tokens(messages)

    def forget(self) -> None:
        """Nothing of earlier requests is kept here."""

    def close(self) -> None:
        """Close the connections; batches go on at the provider."""
        self._http.close()
        self._chat.close()

    def _round(self, wanted: dict[str, ChatRequest], first: Form) -> Iterator[Outcome]:
        """Hand in what no batch holds yet, wait for all, and take what they brought.

        What was refused for a parameter that is left out from now on stays wanted.
        """
        known = [one for one in self._written_down() if not one.sent.keys().isdisjoint(wanted)]
        held = {name for one in known for name in one.sent}
        known += self._hand_in({name: wanted[name] for name in wanted if name not in held})
        for batch in known:
            state = self._wait(batch)
            for name, outcome in self._taken(batch, state, wanted, first):
                del wanted[name]
                yield outcome
            self._path(batch).unlink(missing_ok=True)

    def _hand_in(self, requests: Mapping[str, ChatRequest]) -> list[HandedIn]:
        found = []
        bodies = asyncio.run(self._bodies(requests)) if requests else {}
        for part in _parted(bodies, self._service):
            numbers = {line.name: self._reserve(line.name, requests[line.name]) for line in part}
            try:
                batch = self._service.submit(part)
            except Unreachable as error:
                raise ModelUnavailable(
                    f"The batch interface of {self._route.model} cannot be reached.", got=str(error)
                ) from error
            one = HandedIn(
                batch=batch,
                model=self._route.model,
                at=self._waiting.now(),
                form=self._form,
                sent=numbers,
                before={name: self._before[name] for name in numbers if name in self._before},
            )
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(one), encode(one).encode())
            self.say(f"batch {batch} of {len(part):,} questions was handed in")
            found.append(one)
        return found

    async def _bodies(self, requests: Mapping[str, ChatRequest]) -> dict[str, Mapping[str, Any]]:
        try:
            return {
                name: json.loads(await self._chat.caller.body(request, self._route, self._form))
                for name, request in requests.items()
            }
        finally:
            await self._chat.caller.close()

    def _wait(self, batch: HandedIn) -> State:
        """Look again and again, ever less often, also where the provider is out of reach for a while."""
        pause, told = _FIRST_LOOK_S, -1
        while True:
            try:
                state = self._service.state(batch.batch)
            except Unreachable as error:
                self.say(f"batch {batch.batch}: {error}; looking again in {pause:.0f} s")
            else:
                if state.ended:
                    return state
                if state.answered != told:
                    told = state.answered
                    self.say(f"batch {batch.batch}: {told:,} of {len(batch.sent):,} answered")
            self._waiting.sleep(pause)
            pause = min(_LONGEST_LOOK_S, pause * 1.5)

    def _taken(
        self, batch: HandedIn, state: State, wanted: Mapping[str, ChatRequest], first: Form
    ) -> Iterator[tuple[str, Outcome]]:
        left = {name: number for name, number in batch.sent.items() if name in wanted}
        for result in self._results(batch):
            if result.name not in left:
                continue
            request, number = wanted[result.name], left.pop(result.name)
            read = self._read(result, request, batch.form)
            self._settle(result.name, number, read)
            spent = [one for one in (batch.before.get(result.name), read.usage) if one is not None]
            if isinstance(read, Fault) and self._adapts(read, batch.form):
                self._before |= {result.name: add(spent)} if spent else {}
                continue
            counted = dataclasses.replace(read, usage=add(spent)) if spent else read
            yield result.name, self._outcome(counted, request, batch, first)
        why = state.why or "it ended without an answer to this question"
        for name, number in left.items():
            fault = Fault(kind=FailureKind.SERVER, message=f"the batch brought nothing: {why}", unbilled=True)
            self._settle(name, number, fault)
            yield name, self._outcome(fault, wanted[name], batch, first)

    def _results(self, batch: HandedIn) -> Iterator[Result]:
        while True:
            try:
                found = list(self._service.results(batch.batch))
            except Unreachable as error:
                self.say(f"batch {batch.batch}: {error}; its answers are fetched again")
                self._waiting.sleep(_LONGEST_LOOK_S)
            else:
                yield from found
                return

    def _read(self, result: Result, request: ChatRequest, form: Form) -> ReceivedAnswer | Fault:
        if result.status >= 300:
            told = read_error(result.status, {}, json.dumps(result.body))
            return fault_of_response(told, said_in(request), self._route.secrets, self._waiting.now())
        return read_answer(result.body, most_output_tokens(request, form), request.form)

    def _adapts(self, fault: Fault, form: Form) -> bool:
        """Whether the question is worth handing in again without what was refused."""
        refused = fault.refused or ("response_format" if form.schema and fault.schema == "named" else "")
        if refused and form == self._form:
            self._form = form.without(refused)
        return bool(refused) and form != self._form

    def _outcome(
        self, read: ReceivedAnswer | Fault, request: ChatRequest, batch: HandedIn, first: Form
    ) -> Outcome:
        if isinstance(read, Fault):
            return Failure(item_id=request.item_id, kind=read.kind, message=read.message, usage=read.usage)
        return ChatReply(
            item_id=request.item_id,
            text=read.text,
            choice_logprobs=read.choice_logprobs,
            usage=read.usage,
            queue_s=max(0.0, (self._waiting.now() - batch.at).total_seconds()),
            model_s=0.0,
            form=held_by(request, batch.form, read),
            cut=read.cut,
            served_by=read.served_by,
            left_out=left_out(batch.form.left_out(first), read.ignored),
        )

    def _reserve(self, name: str, request: ChatRequest) -> int:
        if self.guard is None:
            return 0
        most = most_input_tokens(request, self._form), most_output_tokens(request, self._form)
        self._open[name] = self.guard.reserve(*most)
        return self._open[name].logged

    def _settle(self, name: str, number: int, read: ReceivedAnswer | Fault) -> None:
        """Book what a question cost; of a batch of an earlier start its call is known by number."""
        unbilled, reservation = isinstance(read, Fault) and read.unbilled, self._open.pop(name, None)
        if self.guard is None:
            return
        if reservation is None:
            self.guard.settle_earlier(number, None if unbilled else read.usage, unbilled=unbilled)
        else:
            self.guard.settle(reservation, read.usage, unbilled=unbilled)

    def _written_down(self) -> list[HandedIn]:
        found = (decode(HandedIn, path.read_bytes()) for path in sorted(self._folder.glob("*.json")))
        return [one for one in found if one.model == self._route.model]

    def _path(self, batch: HandedIn) -> Path:
        return self._folder / f"{hashlib.sha256(batch.batch.encode()).hexdigest()[:24]}.json"


def _name(request: ChatRequest) -> str:
    """A question's name: the same on every start, whatever parameters it is asked with."""
    said = [request.item_id, [[m.role, m.content] for m in request.messages], encode(request.form)]
    return "q" + hashlib.sha256(json.dumps(said).encode()).hexdigest()[:40]


def _parted(bodies: Mapping[str, Mapping[str, Any]], service: BatchService) -> Iterable[list[BatchLine]]:
    """The questions in as few batches as the provider's limits allow."""
    found: list[BatchLine] = []
    size = 0
    for name, body in bodies.items():
        line = BatchLine(name=name, body=body)
        length = len(json.dumps(body)) + 200
        if found and (size + length > service.most_bytes or len(found) >= service.most_lines):
            yield found
            found, size = [], 0
        found.append(line)
        size += length
    if found:
        yield found


def _address(route: Route, environ: Mapping[str, str]) -> tuple[str, Route, dict[str, str]]:
    """Where the batch interface is, and the headers that a provider wants."""
    provider = route.where.provider
    if provider not in BATCH_HOSTS:
        raise UsageError(
            "No batch interface of this provider is known.", got=route.model, allowed=", ".join(BATCH_HOSTS)
        )
    base = route.where.base or BATCH_HOSTS[provider]
    where = dataclasses.replace(route.where, base=base)
    key = route.api_key or own_key(where, environ) or ""
    match provider:
        case "anthropic":
            headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        case "gemini":
            headers = {"x-goog-api-key": key}
        case _:
            headers = {"authorization": f"Bearer {key}"}
    return base, dataclasses.replace(route, where=where), headers


def _service(route: Route, http: Http) -> BatchService:
    name = route.model.partition("/")[2]
    match route.where.provider:
        case "mistral":
            return MistralBatches(http, name)
        case "anthropic":
            return AnthropicBatches(http)
        case "gemini":
            return GeminiBatches(http, name)
        case _:
            return OpenAiBatches(http)
