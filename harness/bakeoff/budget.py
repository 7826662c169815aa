"""The run's budget: one sum for all served models, kept by a guard on each of them.

Every call is kept as it was made, in the journal of the run beside its answers, through a connection of its
own, since calls end on another thread than the one that stores answers. A call is written down before it is
sent, with what it could cost at most: whatever a stopped or killed run has spent is known when it goes on.
Calls that leave no answer behind (trials, warm-up, attempts that failed) are here as well. Tokens are kept
rather than dollars, so that a price stated later counts for all.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from advisor.money.ledger import MTOK, query_cost, search_cost, total_usd
from advisor.money.price_book import Price, PriceBook, Rates
from advisor.money.usage import Usage
from harness.bakeoff.addresses import embedding_identity, ranking_identity, served_identity
from harness.bakeoff.journal_sync import turn_at, unusable
from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.prices import open_book, token_price
from harness.core.context import Context
from harness.core.errors import OverBudget
from harness.core.records import ModelIdentity
from harness.core.serial import decode, encode
from harness.models.api.budget import SpendGuard, Spending, WorstCase, per_token
from harness.models.api.embedding import ServedEmbedding, ServedRanking
from harness.models.base import ChatModel
from harness.training.hosted import spent_usd

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY, model TEXT NOT NULL, most_in INTEGER, most_out INTEGER, usage TEXT
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that was sent.

    Attributes:
        most_in, most_out: its tokens at most; None for a call of a run that did not record them.
        usage: what was reported; None when nothing was, or the run ended before.
    """

    model: str
    most_in: int | None
    most_out: int | None
    usage: Usage | None


class CallLog:
    """The calls of one run. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open the table in a journal, or make it; a journal without one is read for what its answers cost.

        Raises:
            StoreError: the file cannot be used.
        """
        self._path = path
        self._turn = turn_at(path)
        self._reported: deque[tuple[str, int]] = deque()
        try:
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(
                "PRAGMA synchronous=NORMAL"
            )  # outlives a kill; a power cut may cost the last calls
            if not self._has("calls"):
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    self._db.execute(_SCHEMA)
                    self._take_over()
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error

    def sent(self, model: str, most_in: int, most_out: int) -> int:
        """A call is about to be sent; returns its number."""
        with self._writing() as db:
            sql = "INSERT INTO calls (model, most_in, most_out) VALUES (?,?,?)"
            return int(db.execute(sql, (model, most_in, most_out)).lastrowid or 0)

    def answered(self, number: int, usage: Usage) -> None:
        """A call reported what it used: written with the next one; until then it counts at its worst case."""
        self._reported.append((encode(usage), number))

    def not_billed(self, number: int) -> None:
        """A call was certainly not billed."""
        with self._writing() as db:
            db.execute("DELETE FROM calls WHERE number=?", (number,))

    def calls(self) -> Iterator[Call]:
        """All calls, in the order in which they were sent."""
        with self._writing() as db:
            rows = db.execute("SELECT model, most_in, most_out, usage FROM calls").fetchall()
        for model, most_in, most_out, usage in rows:
            used = None if usage is None else decode(Usage, usage)
            yield Call(model=model, most_in=most_in, most_out=most_out, usage=used)

    def close(self) -> None:
        """Write what was reported last and close the connection."""
        try:
            if self._reported:
                with self._writing():
                    pass
        finally:
            self._db.close()

    def _take_over(self) -> None:
        """Count the answers of a run that was begun before calls were recorded."""
        if self._has("outcomes"):
            self._db.execute(
                "INSERT INTO calls (model, usage) "
                "SELECT substr(arm, instr(arm, '@') + 1), json_extract(payload, '$.usage') AS used "
                "FROM outcomes WHERE used NOT NULL"
            )

    def _has(self, table: str) -> bool:
        sql = "SELECT 1 FROM sqlite_master WHERE type='table' AND name=?"
        return self._db.execute(sql, (table,)).fetchone() is not None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which begins with what calls reported since the last one."""
        try:
            with self._turn, self._db:
                self._db.execute("BEGIN IMMEDIATE")
                reported = [self._reported.popleft() for _ in range(len(self._reported))]
                self._db.executemany("UPDATE calls SET usage=? WHERE number=?", reported)
                yield self._db
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error


_SEARCH_TOKENS = 100 * 500


class RunBudget:
    """Gives each served model a guard over what is left of the budget. Models are opened one by one.

    What earlier starts of the run spent counts, also where they kept no budget.
    """

    def __init__(self, plan: ExperimentPlan, context: Context, journal: Path) -> None:
        """Nothing is opened before the first served model.

        Args:
            journal: the file of the run's journal, where calls are recorded.
        """
        self._plan = plan
        self._context = context
        self._journal = journal
        self._book: PriceBook | None = None
        self._tally = Spending()

    def guard(self, model: ChatModel | ServedEmbedding | ServedRanking) -> None:
        """Set a guard on a served model: it records each call and keeps the budget, where there is one.

        Raises:
            OverBudget: what was spent before cannot be reckoned, as a price or a count is unknown.
            StoreError: the journal cannot be written.
        """
        if model.identity.location == "local":
            return
        from harness.models.api.asked import AskedModel
        from harness.models.api.batch.chat import BatchedChat

        if isinstance(model, AskedModel | BatchedChat):
            self._count_again()
            price = self._price(model.identity)
            model.guard = SpendGuard(
                self._context.budget_usd,
                _worst_case(price),
                functools.partial(_cost, price),
                tally=self._tally,
                log=(self._log, model.identity.id),
            )

    def elsewhere(self, identity: ModelIdentity) -> Callable[[], SpendGuard]:
        """The same guard, to be made in another process that may write the journal, over what is left now."""
        dearest, price = _dearest(self._price(identity)), self._price(identity)
        self._count_again()
        budget, path, spent = self._context.budget_usd, self._journal.absolute(), self._tally.spent

        def make() -> SpendGuard:
            log = (CallLog(path), identity.id)
            cost = functools.partial(_cost, price)
            return SpendGuard(budget, per_token(*dearest), cost, tally=Spending(spent), log=log)

        return make

    @functools.cached_property
    def _log(self) -> CallLog:
        return CallLog(self._journal)

    def _count_again(self) -> None:
        """Count what was spent on anything: also by trainings, and by workers in other processes."""
        if self._context.budget_usd is not None and not self._tally.open:
            self._tally.spent = self._spent()

    def allow(self, usd: Decimal) -> None:
        """Refuse a sum that would pass the budget; nothing is set aside for it.

        Raises:
            OverBudget: it would.
            StoreError: the journal cannot be written.
        """
        budget = self._context.budget_usd
        if budget is None:
            return
        spent = self._spent()
        if spent + usd > budget:
            raise OverBudget(
                "The training would pass the budget; nothing was sent.",
                got=f"{spent} USD spent on this run, {usd} for the training",
                allowed=f"{budget} USD in all",
                run="--budget-usd, raised",
            )

    def close(self) -> None:
        """Close the record of calls."""
        if "_log" in vars(self):
            self._log.close()
            del self._log

    def _spent(self) -> Decimal:
        served = [served_identity(arm, self._context.environ) for arm in self._plan.arms]
        served += [embedding_identity(self._plan), ranking_identity(self._plan)]
        prices = {identity.id: self._price(identity) for identity in served if identity is not None}
        total = spent_usd(self._journal.parent / "hosted")
        for call in self._log.calls():
            if call.model not in prices:
                continue  # answered in this process
            usd = _spent_on(call, prices[call.model])
            if usd is None:
                raise OverBudget(
                    f"What the run has spent on {call.model} is unknown, so the budget could not be kept.",
                    allowed="a price for every served model of the run (0/0 where nobody bills)",
                    run=f"--price {call.model}=INPUT/OUTPUT",
                )
            total += usd
        return total

    def _price(self, identity: ModelIdentity) -> Price | None:
        if self._book is None:
            self._book = open_book(self._plan, self._context)
        return token_price(identity, self._book)


def _spent_on(call: Call, price: Price | None) -> Decimal | None:
    """What a call cost: as it reported, else at most; None when neither is known."""
    cost = None if call.usage is None else _cost(price, call.usage)
    if cost is not None or call.most_in is None or call.most_out is None:
        return cost
    return _worst_case(price)(call.most_in, call.most_out)


def _cost(price: Price | None, usage: Usage) -> Decimal | None:
    if price is None:
        return None
    return total_usd((*query_cost(usage, price), *search_cost([usage], price, price)))


def _worst_case(price: Price | None) -> WorstCase:
    """The most that a call costs; of a reranker that bills by searches by how many its texts may count as.

    Cohere counts 100 texts of up to 500 tokens as a search, and a longer text as several
    (https://docs.cohere.com/docs/how-does-cohere-pricing-work).
    """
    search = None if price is None else price.usd_per_mtok.ranking
    if search is None:
        return per_token(*_dearest(price))
    return lambda most_in, most_out: search / MTOK * (1 + most_in // _SEARCH_TOKENS)


def _dearest(price: Price | None) -> tuple[Decimal | None, Decimal | None]:
    """The dearest input and output price of one token, tiers and cache writes included."""
    if price is None:
        return None, None
    tiers: list[Rates] = [price.usd_per_mtok, *(tier.usd_per_mtok for tier in price.long_context)]
    inputs = [rate for tier in tiers for rate in (tier.input, tier.cache_write) if rate is not None]
    outputs = [rate for tier in tiers for rate in (tier.output, tier.reasoning) if rate is not None]
    return (
        max(inputs) / MTOK if inputs else None,
        max(outputs) / MTOK if outputs else None,
    )
