"""A model tuned at its provider: the `Tuner` of tuned arms whose model is behind an API.

Nothing is sent and nothing is paid before what it costs was said and agreed to. How far a job is lies in a
file of the run folder, written before and after every step: a second start goes on with the same job. A
request to make a job that got no answer is looked for at the provider before another one is sent.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

from advisor.money.ledger import MTOK, source_of
from advisor.money.price_book import Price
from harness.core.errors import StoreError, TrainingError, UsageError, UserError, WaitTooLong
from harness.core.files import make_folder, write_atomically
from harness.core.records import AnswerForm, Artefact, Conversation, HostedModel, Message, ModelIdentity
from harness.core.serial import decode, encode
from harness.core.wording import money
from harness.models.api.calls import answer_schema, said_as_asked
from harness.models.api.destinations import is_loopback
from harness.models.base import ChatModel
from harness.models.settings import ModelSettings
from harness.models.tuning_api.base import TuningApi, written
from harness.models.tuning_api.http import Unsure, about_content, refused_content
from harness.models.tuning_api.providers import TuningProvider, open_tuning, tuned_name
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningState
from harness.training.tuned_model import conversations_digest

VERSION = "hosted-1"  # raised when a change makes the same plan train something else
EPOCHS = 3
"""Passes over the rows unless the plan says otherwise: the providers' own number is not known beforehand."""
_OVER = Decimal("1.1")
"""How far a provider's estimate may lie above what was agreed to: its tokenizer is another one."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedJob:
    """How far a tuning at a provider is; `hosted/<name>.json` in the run folder.

    Attributes:
        about: digest of model, address, rows, epochs and seed.
        mark: the job's name at the provider.
        agreed_usd: what was agreed to; paid_usd: by the tokens it was billed for.
        tokens: counted here, all epochs together.
        training, validation: the uploaded files, '' before.
        asked: a request to make the job was sent.
        job: its id, '' before it is known. told: the provider's last word on it.
        failed: why it came to nothing.
        made: the tuned model, once there is one.
    """

    schema: Literal[1] = 1
    about: str
    mark: str
    agreed_at: datetime
    agreed_usd: Decimal
    tokens: int
    training: str = ""
    validation: str = ""
    asked: bool = False
    job: str = ""
    told: str = ""
    failed: str = ""
    made: HostedModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedSettings:
    """What is tuned, where, and who decides about it.

    Attributes:
        model: the base model, `provider/model`.
        home: where files and state are kept; name: of their files.
        form: what the model is held to when it answers, so that it learns to answer in it.
        price: of the tuned model, None where it is not known.
        go_on: the command that goes on with this training, or begins it with consent.
        agree: shown what leaves and what it costs; whether to go on.
        check: raises where rows may not leave this machine.
        allow: raises where so many dollars would pass the budget.
        prepare: guards the opened model: what it is sent, and what it may cost.
        count: tokens of messages.
    """

    provider: TuningProvider
    model: str
    home: Path
    name: str
    epochs: int
    seed: int
    form: AnswerForm
    opening: ModelSettings
    environ: Mapping[str, str]
    price: Price | None
    go_on: str
    agree: Callable[[str], bool]
    check: Callable[[], None]
    allow: Callable[[Decimal], None]
    prepare: Callable[[ChatModel], None]
    count: Callable[[Sequence[Message]], int]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    poll_s: float = 30.0


class HostedTuner:
    """Has a model tuned at its provider, and opens it there."""

    def __init__(self, settings: HostedSettings) -> None:
        """Nothing is asked yet."""
        self.settings = settings

    @property
    def identity(self) -> ModelIdentity:
        """The tuned model, under the name its tokens are priced by."""
        here = is_loopback(self.settings.opening.api_base)
        return ModelIdentity(id=tuned_name(self.settings.model), location="loopback" if here else "remote")

    @property
    def config(self) -> Mapping[str, object]:
        """Everything that decides the training, seed included."""
        s = self.settings
        return {
            "trainer": VERSION,
            "base": s.model,
            "address": s.opening.api_base or s.provider.base,
            "epochs": s.epochs,
            "seed": s.seed,
            "form": answer_schema(s.form),
        }

    def tune(self, train: Sequence[Conversation], dev: Sequence[Conversation], say: Say) -> HostedModel:
        """Have it tuned, or go on with a job that was begun.

        Raises:
            UsageError: a price is not known, or nobody agreed to what it costs.
            ModelUnavailable: no key, no such model, or an account that may not tune.
            TrainingError: the provider refuses the rows, or the job failed, expired or was cancelled.
            WaitTooLong: the provider does not answer; the job goes on there.
            OverBudget: it would pass the budget.
            StoreError: another training is kept in this run folder.
        """
        if not train:
            raise TrainingError("There are no training rows.", got="0 rows")
        state = self._state()
        about = self._about(train)
        if state is not None and state.about != about:
            raise StoreError(
                "A tuning of other rows, or by other settings, was begun in this run.",
                got=str(self._file),
                allowed="a new run for another training",
            )
        if state is not None and state.made is not None:
            say(f"{state.made.model} is tuned already")
            return state.made
        s = self.settings
        api = open_tuning(
            s.model,
            s.opening.api_base,
            s.environ,
            s.sleep,
            offline=s.opening.offline,
            retries=s.opening.max_retries,
        )
        if state is None or state.failed:
            state = self._agreed(train, dev, about)
        state = self._uploaded(api, state, train, dev)
        state = self._created(api, state, say)
        return self._finished(api, state, train, say)

    def open(self, artefact: Artefact | HostedModel) -> ChatModel:
        """Open the tuned model for answering.

        Raises:
            ModelUnavailable, MissingExtra: as `open_served_chat`.
        """
        assert isinstance(artefact, HostedModel)
        from harness.models.api.asking import Outside
        from harness.models.api.client import open_served_chat

        s = self.settings
        called = f"{s.provider.prefix}/{artefact.model}"
        chat = open_served_chat(called, s.opening, outside=Outside(environ=s.environ))
        chat.stand_as(tuned_name(s.model))
        try:
            s.prepare(chat)
        except BaseException:
            chat.close()  # without its guard it is asked nothing
            raise
        return chat

    def words(self, train: Sequence[Conversation], dev: Sequence[Conversation]) -> str:
        """What is about to leave and to be paid, for consent.

        Raises:
            UsageError: a price is not known.
        """
        s, tokens = self.settings, self._tokens(train)
        rate, usd = self._training_usd(tokens)
        assert s.price is not None
        rates = s.price.usd_per_mtok
        dated = source_of(s.price)
        answers = (
            f"Answering with it costs {money(rates.input)} in and {money(rates.output)} out a million tokens"
            if rates.input is not None and rates.output is not None
            else "What answering with it costs is not known"
        )
        lines = [
            f"{s.model} is tuned at {s.provider.title} ({s.opening.api_base or s.provider.base}) on "
            f"{len(train):,} training rows, {s.epochs} times over; {len(dev):,} dev rows go along as the "
            "validation file, and no test row.",
            f"Training: about {tokens:,} tokens at {money(rate)} a million, "
            f"{money(usd, exact=True)} ({dated}).",
            f"{answers}; it is served {s.provider.serving}.",
        ]
        if s.provider.outlook:
            lines.append(f"{s.provider.outlook} ({s.provider.source}).")
        return "\n".join(lines)

    def _agreed(self, train: Sequence[Conversation], dev: Sequence[Conversation], about: str) -> HostedJob:
        """Say what it costs and ask; the state is written before anything leaves."""
        s, words, tokens = self.settings, self.words(train, dev), self._tokens(train)
        usd = self._training_usd(tokens)[1]
        s.check()
        s.allow(usd)
        if not s.agree(words):
            raise UsageError("The training was not agreed to; nothing was sent.", got=words, run=s.go_on)
        now = s.clock()
        mark = hashlib.sha256(f"{about}\n{now.isoformat()}".encode()).hexdigest()[:16]
        state = HostedJob(about=about, mark=f"tor-{mark}", agreed_at=now, agreed_usd=usd, tokens=tokens)
        self._keep(state)
        return state

    def _uploaded(
        self, api: TuningApi, state: HostedJob, train: Sequence[Conversation], dev: Sequence[Conversation]
    ) -> HostedJob:
        if not state.training:
            state = dataclasses.replace(state, training=self._sent(api, state, "training", train))
            self._keep(state)
        if dev and not state.validation:
            state = dataclasses.replace(state, validation=self._sent(api, state, "validation", dev))
            self._keep(state)
        return state

    def _sent(self, api: TuningApi, state: HostedJob, part: str, rows: Sequence[Conversation]) -> str:
        """Write a file beside the state, and upload it; what the provider names it."""
        content = written(self._as_answered(rows))
        write_atomically(self._file.with_suffix(f".{part}.jsonl"), content, private=True)
        named = api.upload(f"{state.mark}-{part}.jsonl", content)
        if not named:
            raise TrainingError(f"{self.settings.provider.title} names no uploaded file.")
        return named

    def _created(self, api: TuningApi, state: HostedJob, say: Say) -> HostedJob:
        """Make the job, once."""
        if state.job:
            say(f"going on with job {state.job}")
            return state
        s = self.settings
        request = JobRequest(
            model=s.model.partition("/")[2],
            name=state.mark,
            training=state.training,
            validation=state.validation,
            epochs=s.epochs,
            seed=s.seed,
        )
        job = api.find(request) if state.asked else None
        if job is None:
            quote = api.quote(request)
            if quote is not None:
                state = self._within(state, quote.cost, quote.currency)
            state = dataclasses.replace(state, asked=True)
            self._keep(state)
            job = self._ask(api, request, state)
        state = dataclasses.replace(state, job=job.id, told=job.told)
        self._keep(state)
        say(f"{s.provider.title} took the job: {job.id}")
        return state

    def _ask(self, api: TuningApi, request: JobRequest, state: HostedJob) -> TuningJob:
        try:
            return api.create(request)
        except Unsure as unsure:
            self.settings.sleep(self.settings.poll_s)
            found = api.find(request)
            if found is not None:
                return found
            raise WaitTooLong(
                f"{self.settings.provider.title} did not say whether it took the job.",
                got=str(unsure),
                allowed="a second start looks for the job there before it asks for one",
                run=self.settings.go_on,
            ) from unsure
        except UserError:  # it was refused; of anything else nobody knows
            self._keep(dataclasses.replace(state, asked=False))
            raise

    def _finished(
        self, api: TuningApi, state: HostedJob, train: Sequence[Conversation], say: Say
    ) -> HostedModel:
        """Wait for the job's end."""
        s, told = self.settings, ""
        while True:
            job = api.get(state.job)
            if job.told != told:
                told = job.told
                say(f"job {job.id} at {s.provider.title}: {told}")
                state = dataclasses.replace(state, told=told)
                self._keep(state)
            if job.state is TuningState.READY:
                if job.cost is not None:
                    state = self._within(state, job.cost, job.currency)
                api.start(job.id)
            elif job.state is TuningState.DONE:
                return self._made(job, state, train)
            elif job.state.ended:
                self._keep(dataclasses.replace(state, failed=job.why or job.told))
                raise self._failure(job)
            s.sleep(s.poll_s)

    def _made(self, job: TuningJob, state: HostedJob, train: Sequence[Conversation]) -> HostedModel:
        s, now = self.settings, self.settings.clock()
        if not job.model:
            raise TrainingError(f"{s.provider.title} names no tuned model of job {job.id}.", got=job.told)
        tokens = job.trained_tokens or state.tokens
        usd = job.cost if job.cost is not None and job.currency == "USD" else self._training_usd(tokens)[1]
        made = HostedModel(
            provider=s.provider.name,
            base_model=s.model,
            model=job.model,
            job=job.id,
            data_digest=conversations_digest(train),
            train_rows=len(train),
            epochs=s.epochs,
            train_tokens=tokens,
            train_s=(now - state.agreed_at).total_seconds(),
            usd=usd,
            price="" if s.price is None else source_of(s.price),
        )
        self._keep(dataclasses.replace(state, told=job.told, made=made))
        return made

    def _failure(self, job: TuningJob) -> TrainingError:
        title, again = self.settings.provider.title, self.settings.go_on
        if about_content(job.why):
            return refused_content(title, job.why)
        what = {
            TuningState.CANCELLED: f"The job was cancelled at {title}.",
            TuningState.EXPIRED: f"The job expired at {title} before it came to an end.",
        }.get(job.state, f"{title} could not tune the model.")
        return TrainingError(
            what,
            got=job.why or job.told,
            allowed="what the provider names put right; another start asks again, and makes a new job",
            run=again,
        )

    def _within(self, state: HostedJob, cost: Decimal, currency: str) -> HostedJob:
        """Ask again where the provider names more than was agreed to, or another currency."""
        s = self.settings
        if currency == "USD" and cost <= state.agreed_usd * _OVER:
            return state
        amount = money(cost, exact=True) if currency == "USD" else f"{cost} {currency}"
        agreed = money(state.agreed_usd, exact=True)
        words = f"{s.provider.title} says that the training costs {amount}; agreed were {agreed}."
        if currency == "USD":
            s.allow(cost)
        if not s.agree(words):
            raise UsageError("The training was not begun.", got=words, run=s.go_on)
        state = dataclasses.replace(state, agreed_usd=cost if currency == "USD" else state.agreed_usd)
        self._keep(state)
        return state

    def _training_usd(self, tokens: int) -> tuple[Decimal, Decimal]:
        """The price of a million tokens of training, and of these.

        Raises:
            UsageError: it is not known.
        """
        s = self.settings
        rate = None if s.price is None else s.price.usd_per_mtok.training
        if rate is None:
            name = tuned_name(s.model)
            raise UsageError(
                f"The price of training {s.model} is not known, so nobody can agree to it.",
                got=f"no training price of {name}",
                allowed="the prices that your provider names of a million tokens in, out and of training, or "
                "an entry in a price file with input, output, training, source and effective_from",
                run=f"--price {name}=INPUT/OUTPUT/TRAINING",
            )
        return rate, rate * tokens / MTOK

    def _tokens(self, rows: Sequence[Conversation]) -> int:
        """Tokens that the training is billed for: every row as often as it is seen."""
        counted = 0
        for row in self._as_answered(rows):
            turns = (*row.prompt, Message(role="assistant", content=row.completion))
            counted += self.settings.count(turns)
        return counted * self.settings.epochs

    def _as_answered(self, rows: Sequence[Conversation]) -> list[Conversation]:
        """Rows with their answers in the form that the model is held to when it is asked."""
        form = self.settings.form
        return [
            dataclasses.replace(
                row,
                completion=said_as_asked(
                    (Message(role="assistant", content=row.completion),), form, schema=True
                )[0].content,
            )
            for row in rows
        ]

    def _about(self, train: Sequence[Conversation]) -> str:
        parts = (encode(dict(self.config)), conversations_digest(train))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def _file(self) -> Path:
        return self.settings.home / f"{self.settings.name}.json"

    def _state(self) -> HostedJob | None:
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._file} cannot be read: {error.strerror}.") from error
        return decode(HostedJob, text)

    def _keep(self, state: HostedJob) -> None:
        make_folder(self.settings.home)
        write_atomically(self._file, encode(state, indent=1) + "\n")


def spent_usd(home: Path) -> Decimal:
    """What the trainings of a run have cost or may yet: jobs that were asked for, as billed or agreed to."""
    found = Decimal(0)
    for file in sorted(home.glob("*.json")):
        state = decode(HostedJob, file.read_text(encoding="utf-8"))
        if state.asked:
            found += (
                state.made.usd if state.made is not None and state.made.usd is not None else state.agreed_usd
            )
    return found
