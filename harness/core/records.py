"""The records that cross from one stage to the next: frozen, keyword-only, without behaviour.

A stage takes records and returns records; nothing else crosses. Units stand in the names.
`None` always means unknown or not measured, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from advisor.money.ledger import LedgerLine
from advisor.money.ledger import PriceBasis as PriceBasis
from advisor.money.usage import Usage
from advisor.options import Option, TaskKind
from harness.core.references import Reference

Split = Literal["train", "dev", "test"]

HeldBy = Literal["", "schema", "plain"]
"""How a served model was held to a form: by a JSON schema, by the prompt alone, or not a served model."""

TODAY = "today"
"""What stands for the model in the name of a route that leaves the rest to what is done today."""

ABSTAINING, BEST_SENTENCE = "abstaining", "best-sentence"
"""What stands for the model in the names of the arms that answer questions over documents without one."""

CostLine = LedgerLine
"""One line of a ledger; the cost room defines it."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ArmId:
    """The name of an arm, written `option@model`, for example `tune@smollm2-135m`."""

    option: Option
    model: str

    def __str__(self) -> str:
        return f"{self.option.value}@{self.model}"

    @property
    def label(self) -> str:
        """The name as people read it: an option that brings its own model goes by itself, `linear`."""
        return self.option.value if self.model == self.option.traits.own_model else str(self)

    @property
    def key(self) -> str:
        """The name in what journals are keyed by, which stays when an option gets another one."""
        return f"{self.option.first_name}@{self.model}"

    @property
    def to_today(self) -> bool:
        """Whether it is a route that leaves what its arm is unsure of to what is done today."""
        return self.option is Option.ROUTE and self.model == TODAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label of a closed set, with the definition the label guide gives it ('' when none)."""

    name: str
    definition: str = ""


Fields = dict[str, Any]
"""Values by field as JSON holds them; what a text does not state is absent."""

Target = str | Reference | Fields
"""What is right for an item: a label's name, what answers a question, or fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """An answer is one of these texts.

    Attributes:
        answers: in the order in which their log-probabilities are returned.
        one_token: every one of them is one token, and what would follow it is not asked for.
    """

    answers: tuple[str, ...]
    one_token: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSchema:
    """An answer is a JSON text that this schema (draft 2020-12) fits."""

    schema: dict[str, Any]
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeText:
    """An answer is a text of at most so many tokens."""

    max_tokens: int


AnswerForm = Choices | JsonSchema | FreeText
"""What a model's answer is held to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of an evalset.

    Attributes:
        id: unique in the evalset.
        text: what the arms see.
        target: the reference: what is right for it.
        cluster: rows with the same cluster stay in one split and are resampled together.
        slices: (column, value) pairs under which results are also reported.
        row: its place in the file it was read from, the first row below the header is 1.
    """

    id: str
    text: str
    target: Target
    cluster: str | None = None
    slices: tuple[tuple[str, str], ...] = ()
    row: int | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The reference label.

        Raises:
            TypeError: of an item whose target is no label.
        """
        if not isinstance(self.target, str):
            raise TypeError(f"item {self.id} has fields and no label")
        return self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSpace:
    """What may be answered in an evalset.

    Attributes:
        labels: of a classification; schema: the JSON Schema of the fields of an extraction.
    """

    kind: TaskKind = TaskKind.CLASSIFICATION
    labels: tuple[Label, ...] = ()
    schema: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something the gate noticed about the data.

    Attributes:
        code: short stable name, such as 'train-test-overlap'.
        severity: 'error' stops the run, 'warning' is shown in the report, 'note' is kept.
        message: one sentence with counts.
        item_ids: up to 20 of the rows concerned.
    """

    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    item_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evalset:
    """A loaded, split and checked evalset.

    Attributes:
        task: what is asked about its texts.
        labels: the closed label set, in the order in which scores are stored; schema: the JSON Schema of the
            fields that are read out of a text. One of them is empty, by `task`.
        digests: sha256 (hex) by split, of the rows in order (see `harness.data.load.rows_digest`).
        second_labels: item id -> label given by a second annotator, for some test items.
        catch_all: the label for what no other fits; '' where there is none.
        documents: the folder of the documents that its questions are about; '' where there are none.
        lessons: questions over other documents, whose train rows a reader is tuned on; None: its own.
        never_taught: dev and test texts that no drafted row may have; empty where none is drafted.
        rest, rest_dev: test and dev rows that a limit leaves out, for arms that cost nothing; empty where
            they are not asked.
    """

    name: str
    title: str
    licence: str
    provenance: str
    labels: tuple[Label, ...]
    train: tuple[Item, ...]
    dev: tuple[Item, ...]
    test: tuple[Item, ...]
    digests: dict[str, str]
    findings: tuple[Finding, ...] = ()
    second_labels: dict[str, str] = field(default_factory=dict)
    catch_all: str = ""
    rest: tuple[Item, ...] = ()
    rest_dev: tuple[Item, ...] = ()
    task: TaskKind = TaskKind.CLASSIFICATION
    schema: dict[str, Any] = field(default_factory=dict)
    documents: str = ""
    lessons: Evalset | None = None
    never_taught: tuple[str, ...] = ()

    def learnt_by(self, option: Option) -> tuple[Item, ...]:
        """The rows that an option is trained on."""
        lessons = self.lessons if option is Option.TUNE_RETRIEVE else None
        return (lessons or self).train

    @property
    def space(self) -> AnswerSpace:
        """What may be answered."""
        return AnswerSpace(kind=self.task, labels=self.labels, schema=self.schema)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The label names in order."""
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation, before any chat template."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A training example: what the model is shown, and the answer it is to give."""

    item_id: str
    prompt: tuple[Message, ...]
    completion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """What a search found: a training row or a passage by its id, its score, and its rank (1 = nearest)."""

    item_id: str
    score: float
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a document, cut where the document's structure allows it.

    Attributes:
        id: the document and a digest of what stands here: it stays while the piece does, wherever it moves.
        document: the document's path in its folder.
        span: where it begins and ends in the document's text, in characters.
        headings: the headings it stands under, the outermost first.
        table_head: the head of the table it goes on with, '' where it does not begin within one.
        page: the page on which it begins, of a document that has pages.
    """

    id: str
    document: str
    span: tuple[int, int]
    text: str
    headings: tuple[str, ...] = ()
    table_head: str = ""
    page: int | None = None

    @property
    def whole(self) -> str:
        """What is searched and read: the text below its headings and the head of its table."""
        return "\n".join(filter(None, (" > ".join(self.headings), self.table_head, self.text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Where the wall-clock seconds of one prediction went.

    Attributes:
        queue_s: waiting for a slot, rate limits and pauses between attempts.
        retrieval_s: embedding the query and searching.
        model_s: the model itself; of a batched call, the item's share of the batch.
        batched: True if computed with other items in one pass; then it says nothing on latency.
    """

    queue_s: float = 0.0
    retrieval_s: float = 0.0
    model_s: float
    batched: bool = False

    @property
    def total_s(self) -> float:
        """All seconds together."""
        return self.queue_s + self.retrieval_s + self.model_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What an arm answered, unscored.

    Attributes:
        text: the raw answer.
        choice_logprobs: log-probability of each label of the evalset, in its order, normalised over
            the set; None where the arm gives no distribution.
        usage: tokens, those of finding included; None where no model counted any.
        attempts: calls made, the answered one included.
        form: how a served model was held to the answer form; '' where it was not recorded.
        cut: the answer was ended by the most tokens it may have.
        served_by: what a provider says answered: its snapshot, fingerprint or the provider behind it.
        left_out: what was to be sent with the question and was not, as the served model does not take it.
        confidence: how sure the arm is of a free answer, the surer the higher; None where it does not say.
    """

    item_id: str
    text: str
    choice_logprobs: tuple[float, ...] | None = None
    usage: Usage | None = None
    timing: Timing
    neighbours: tuple[Neighbour, ...] = ()
    attempts: int = 1
    form: HeldBy = ""
    cut: bool = False
    served_by: str = ""
    left_out: tuple[str, ...] = ()
    confidence: float | None = None


class FailureKind(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    RATE_LIMIT = "rate-limit"
    SERVER = "server-error"
    CONNECTION = "connection"
    AUTHENTICATION = "authentication"
    BAD_REQUEST = "bad-request"
    CONTENT_FILTER = "content-filter"
    BAD_RESPONSE = "bad-response"
    TOO_LONG = "too-long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An item an arm could not answer. It is no score and no zero.

    Attributes:
        message: one line without secrets and without the item's text.
        usage: tokens spent all the same, where known.
    """

    item_id: str
    kind: FailureKind
    message: str
    attempts: int = 1
    usage: Usage | None = None
    timing: Timing | None = None


Outcome = Completion | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured figure with what it rests on.

    Attributes:
        metric: its name, unit included where it has one ('accuracy', 'p95_ms', 'usd_per_1k').
        value: None when it cannot be given; then `reason` says why.
        low, high: the interval at `level`; None where no interval is given.
        n: what it was computed over, the denominator, counted in `unit`.
        method: how value and interval were computed, one phrase.
    """

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    n: int
    unit: str = "items"
    method: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides a training run. `harness.training.recipe` chooses it.

    Attributes:
        method: told as it is: 'lora-bf16', 'lora-fp32' or 'qlora-4bit'.
        tuned_layers: how many of the uppermost layers carry adapters; None for all of them.
        max_tokens: longer training rows lose tokens from the middle of the prompt.
        seed: never null.
        patience: stop once so many epochs in a row have not lowered the loss on dev, and keep the best
            epoch's weights; None trains all epochs and keeps the last weights.
        answer: what the model learns to say: a label's words, or its code, one token (`training.codes`).
    """

    method: Literal["lora-bf16", "lora-fp32", "qlora-4bit"]
    rank: int
    alpha: int
    dropout: float
    target_modules: tuple[str, ...]
    learning_rate: float
    warmup_ratio: float
    epochs: float
    batch_size: int
    max_tokens: int
    seed: int
    tuned_layers: int | None = None
    patience: int | None = None
    answer: Literal["words", "codes"] = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochNote:
    """What was seen at the end of an epoch.

    Attributes:
        step: optimiser steps made by then.
        dev_loss: nats per answer token on the watched dev rows; None where nothing was watched.
        dev_correct, dev_items: of the dev items that were answered; None and 0 where none were.
    """

    epoch: float
    step: int
    dev_loss: float | None
    dev_correct: int | None = None
    dev_items: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A tuned model as it is scored and shipped.

    Attributes:
        path: folder relative to the run folder.
        kind: what lies there: 'adapter' or 'merged'.
        base_model, base_digest: what it was tuned from.
        data_digest: sha256 of the training rows.
        digest: sha256 over the files of the folder.
        train_tokens, train_s: tokens seen over all epochs and wall seconds.
        steps: optimiser steps made.
        curve: (step, loss) pairs as logged.
        epochs: what was seen at the end of each epoch.
        kept_step: the step whose weights these are, where it is not the last one.
        codes: label -> what the model says for it, one token; empty where it says the label's words.
    """

    path: str
    kind: Literal["adapter", "merged"]
    base_model: str
    base_digest: str
    data_digest: str
    digest: str
    recipe: Recipe
    train_rows: int
    train_tokens: int
    train_s: float
    steps: int
    curve: tuple[tuple[int, float], ...] = ()
    epochs: tuple[EpochNote, ...] = ()
    kept_step: int | None = None
    codes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedModel:
    """A model that a provider tuned and serves; nothing of it lies here.

    Attributes:
        base_model: `provider/model` as the plan names it; model: the tuned one, as the provider names it.
        data_digest: sha256 of the training rows.
        train_tokens: billed for, all epochs together; train_s: seconds from consent to its end.
        usd: what the training cost; None where not known. price: where its price comes from, and its day.
    """

    provider: str
    base_model: str
    model: str
    job: str
    data_digest: str
    train_rows: int
    epochs: int
    train_tokens: int
    train_s: float
    usd: Decimal | None
    price: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Which model answered.

    Attributes:
        id: as the user names it, `smollm2-135m` or `provider/model`.
        revision: sha256 of local weights, or what a provider reported; '' when unknown.
        precision: 'bf16', 'fp32', 'q4_1', …; '' when unknown.
        location: 'local' (this process), 'loopback' (a server on this machine) or 'remote'.
        parameters: number of weights, None when unknown.
        decides: what else decides its answers, by name: digests of its files, address, device, libraries.
    """

    id: str
    revision: str = ""
    precision: str = ""
    location: Literal["local", "loopback", "remote"]
    parameters: int | None = None
    decides: tuple[tuple[str, str], ...] = ()

    @property
    def in_batches(self) -> bool:
        """Whether a provider answers in batches: at another price, and without a latency."""
        return ("processing", "batch") in self.decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What an arm settled before it saw the test split.

    Attributes:
        choices: name -> value of everything chosen on dev ('k': 6, 'classifier': '…').
        trials: every candidate tried with its dev score, so that a choice can be checked.
        seconds: wall time of fitting, training included.
        artefact: the tuned model, for tuned arms; hosted: one that a provider tuned.
        notes: sentences the report shows with the arm.
        indexed: what embedding rows or passages used of a service, once; None where none was asked.
    """

    choices: dict[str, str | int | float]
    trials: tuple[tuple[str, float], ...] = ()
    seconds: float
    artefact: Artefact | None = None
    notes: tuple[str, ...] = ()
    hosted: HostedModel | None = None
    indexed: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedArm:
    """An arm as it answers: what it settled on, on which model, under which configuration.

    Attributes:
        seed: the training seed; the plan's seed for arms that are not trained.
        config: digest of everything that decides its answers.
    """

    arm: ArmId
    seed: int
    config: str
    identity: ModelIdentity | None
    fitted: Fitted
