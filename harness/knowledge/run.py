"""Build, update and open an index with the models and the clock of a command."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from advisor.money.ledger import MTOK, search_cost, total_usd
from advisor.money.money import UnknownPrice
from advisor.money.price_sources import load_price_book
from harness.core.context import Context, PersonalData
from harness.core.errors import DataError, MissingExtra, ModelUnavailable, UsageError
from harness.core.records import Passage
from harness.knowledge.choosing import EvidencedQuestion, TriedMode, choose_search, try_modes
from harness.knowledge.documents import Source
from harness.knowledge.drafting import SHORTEST, DraftedQuestions, KeptDrafts, draft, drawn
from harness.knowledge.passage_index import (
    Changes,
    IndexRecord,
    IndexSettings,
    PassageIndex,
    build_index,
    check_place,
    earlier_index,
    load_index,
    read_index_record,
    save_index,
)
from harness.models.api.budget import SpendGuard, per_token
from harness.models.api.embedding import open_served_embedding
from harness.models.base import ChatModel, EmbeddingModel
from harness.models.open import open_chat, open_embedding
from harness.models.resolve import Provider, resolve
from harness.models.settings import ModelSettings, settings_of
from harness.privacy.tally import tally


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What a build or an update made of an index.

    Attributes:
        seconds: wall clock of reading, embedding, indexing and writing; the model's loading is not in it.
        tried: the modes on the questions that one was chosen by; () where none were given.
    """

    folder: str
    record: IndexRecord
    changes: Changes
    seconds: float
    tried: tuple[TriedMode, ...] = ()


def build(
    source: Source,
    settings: IndexSettings,
    folder: Path,
    context: Context,
    questions: Sequence[EvidencedQuestion] = (),
) -> IndexReport:
    """Build an index and write it into a folder.

    Args:
        questions: dev questions by which the search is chosen, where the settings name none.

    Raises:
        DataError: no document can be read.
        UsageError: the folder holds something else.
        StoreError: it cannot be written.
    """
    check_place(folder)
    embedding = None
    try:
        embedding = _model(settings, context)
    except (ModelUnavailable, MissingExtra) as error:
        if isinstance(resolve(settings.embedding), Provider):
            raise  # whoever names a service means it
        context.progress.waiting(f"no embedding model, lexical search only: {error.what}")
        settings = replace(settings, embedding="")
    begun = time.perf_counter()
    index, changes = build_index(source, settings, embedding, context.clock(), progress=context.progress)
    tried: tuple[TriedMode, ...] = ()
    if questions and settings.mode is None:
        tried = try_modes(index, questions)
        chosen = choose_search(tried, index.record.reads)
        index.record = replace(index.record, settings=replace(settings, chosen=chosen))
    record = save_index(index, folder)
    return _report(folder, record, changes, begun, tried)


def update(folder: Path, context: Context) -> IndexReport:
    """Bring an index up to date with its documents, by the settings it was built with.

    Raises:
        DataError: the folder of the documents is not there, or none can be read; the index stays as it was.
        StoreError: the index is not there, is damaged, or cannot be written.
        ModelUnavailable: its embedding model is not at hand.
    """
    earlier = earlier_index(folder)
    settings = earlier.record.settings
    embedding = _model(settings, context)
    begun = time.perf_counter()
    index, changes = build_index(
        earlier.record.source,
        settings,
        embedding,
        context.clock(),
        earlier=earlier,
        progress=context.progress,
    )
    return _report(folder, save_index(index, folder), changes, begun)


def open_index(folder: Path, context: Context) -> PassageIndex:
    """An index to search in.

    Raises:
        StoreError: it is not there, is damaged, or its vectors are another model's.
        ModelUnavailable: its embedding model is not at hand.
    """
    return load_index(folder, _model(read_index_record(folder).settings, context))


def passages_to_ask(folder: Path, count: int, seed: int) -> list[Passage]:
    """Passages of an index that questions are drafted about.

    Raises:
        StoreError: the index is not there or is damaged.
        DataError: it has no passage that is long enough.
    """
    passages = drawn(earlier_index(folder).passages, count, seed)
    if not passages:
        raise DataError(
            "No passage is long enough to ask about.", got=folder, allowed=f"{SHORTEST} characters or more"
        )
    return passages


def draft_questions(
    passages: Sequence[Passage], name: str, kept: KeptDrafts, seed: int, context: Context, api_base: str = ""
) -> DraftedQuestions:
    """Draft questions about passages by a model on this machine.

    Args:
        kept: what was drafted before the command was stopped.
        name: of the model; `api_base` the address of one that is served here.

    Raises:
        StoreError: a draft cannot be kept.
        UsageError, ModelUnavailable: as `open_drafter`.
    """
    chat = open_drafter(name, seed, context, api_base)
    context.progress.stage(f"Drafting questions with {name}", len(passages))
    try:
        return draft(passages, chat, kept, context.progress.advance)
    finally:
        chat.close()


def open_drafter(name: str, seed: int, context: Context, api_base: str = "") -> ChatModel:
    """A model on this machine that is to draft questions.

    Raises:
        UsageError: the model is not on this machine.
        ModelUnavailable: the model is not at hand.
    """
    opening = ModelSettings(
        cache=context.cache,
        offline=context.offline,
        threads=context.threads,
        api_base=api_base or None,
        seed=seed,
    )
    try:
        return open_chat(name, opening)
    except ValueError as error:
        raise not_on_this_machine(name) from error


def not_on_this_machine(name: str) -> UsageError:
    """A model that may not draft questions."""
    return UsageError(
        "Drafting shows a model your documents, so that it has to be on this machine.",
        got=name,
        allowed="qwen2.5-coder-1.5b, a folder, a GGUF file, or one served here (its address as api_base)",
    )


def _report(
    folder: Path, record: IndexRecord, changes: Changes, begun: float, tried: tuple[TriedMode, ...] = ()
) -> IndexReport:
    spent = time.perf_counter() - begun
    return IndexReport(folder=str(folder), record=record, changes=changes, seconds=spent, tried=tried)


def _model(settings: IndexSettings, context: Context) -> EmbeddingModel | None:
    if not settings.embedding:
        return None
    opening = replace(settings_of(context), api_base=settings.embedding_base or None)
    if not isinstance(resolve(settings.embedding), Provider):
        return open_embedding(settings.embedding, opening)
    served = open_served_embedding(settings.embedding, opening)
    served.say, served.guard = context.progress.waiting, _guard(settings.embedding, context)
    host = urlsplit(dict(served.identity.decides)["address"]).hostname or ""
    if served.identity.location == "remote" and host not in context.own_hosts:
        served.let_go = functools.partial(_may_go, host, context.personal_data)
    return served


def _may_go(host: str, allowed: PersonalData, text: str) -> str:
    """A text that leaves this machine to be embedded.

    Raises:
        DataError: there is personal data in it, and nobody said that it may go.
    """
    if allowed != "allow" and (found := tally([("a passage or a question", text)])):
        raise DataError(
            f"Texts to embed at {host} hold personal data: {found.words}. Nothing of this step was sent.",
            got="; ".join(f"{kind.noun} {example}" for kind, example in found.examples.items()),
            allowed="--allow-pii sends the texts as they are; --own-host HOST says that a host is your own; "
            "an index holds the documents as they are, so that nothing in it is replaced",
        )
    return text


def _guard(model: str, context: Context) -> SpendGuard | None:
    """The budget of a command that embeds; None where none is set."""
    if context.budget_usd is None:
        return None
    try:
        price = load_price_book(context.clock(), overrides=context.price_overrides).price(model)
    except UnknownPrice:
        price = None
    rate = None if price is None else price.usd_per_mtok.input
    return SpendGuard(
        context.budget_usd,
        per_token(None if rate is None else rate / MTOK, Decimal(0)),
        lambda usage: total_usd(search_cost([usage], price, None)),
    )
