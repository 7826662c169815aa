"""A served reranker behind `harness.models.base.RankingModel`: one call a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from advisor.money.usage import Usage
from harness.models.api.asking import Outside, Settled
from harness.models.api.calls import Form, Route
from harness.models.api.dialects.rankings import ReceivedScores, read_scores
from harness.models.api.faults import Fault, used_up_pause_s
from harness.models.api.posting import Poster, body_of
from harness.models.api.searching import ServedSearch, search_route
from harness.models.settings import ModelSettings

_SCORE = "/score"
"""What an address of vLLM ends in where its scores are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingRequest:
    """A query, and the texts to be ranked by how well they answer it."""

    item_id: str
    query: str
    texts: tuple[str, ...]


class RankingCaller:
    """Ranks texts at one address. Belongs to one event loop at a time."""

    def __init__(self, address: str, model: str) -> None:
        """Call `address`; nothing is opened yet.

        Args:
            model: `provider/model`.
        """
        self._model = model.partition("/")[2]
        self._scores = address.endswith(_SCORE)
        self._url = address if self._scores else f"{address}/rerank"
        self._poster = Poster()

    async def attempt(
        self, request: RankingRequest, route: Route, form: Form, now: datetime
    ) -> ReceivedScores | Fault:
        """Make one call. Every failure of it comes back as a `Fault`; cancellation passes through."""
        names = ("text_1", "text_2") if self._scores else ("query", "documents")
        asked = dict(zip(names, (request.query, list(request.texts)), strict=True))
        posted = await self._poster.post(self._url, {"model": self._model, **asked}, route)
        if isinstance(posted, Fault):
            return posted
        found = body_of(posted, (request.query, *request.texts), route, now)
        answer = found if isinstance(found, Fault) else read_scores(found, len(request.texts))
        if isinstance(answer, Fault):
            return answer
        return replace(answer, pause_s=used_up_pause_s(posted.headers, now))

    def most_tokens(self, request: RankingRequest, form: Form) -> tuple[int, int]:
        """The most tokens of a call, in and out: the query is read with each text."""
        query = len(request.query.encode()) + 16
        return sum(len(text.encode()) + query for text in request.texts), 0

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()


def open_served_ranking(model: str, settings: ModelSettings, outside: Outside | None = None) -> ServedRanking:
    """Open a served reranker; nothing is called yet. Raises as `search_route`."""
    outside = outside or Outside()
    way = search_route(model, settings, outside)
    return ServedRanking(RankingCaller(way[0], model), way, settings, outside)


class ServedRanking(ServedSearch[RankingRequest, ReceivedScores]):
    """Scores of texts for queries; many queries are ranked once, one alone always, as a user's would be."""

    def __init__(
        self, caller: RankingCaller, way: tuple[str, Route], settings: ModelSettings, outside: Outside
    ) -> None:
        """Use `open_served_ranking`, which checks what is given here."""
        super().__init__(caller, way, settings, outside)
        self._known: dict[tuple[str, tuple[str, ...]], tuple[float, ...]] = {}
        self._used: dict[str, Usage] = {}

    def rank(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[float, ...]]:
        """The score of each text of each query, in the texts' order.

        Raises:
            ModelUnavailable: a query was refused, or the provider did not answer.
            OverBudget, WaitTooLong: as the asker.
        """
        sent = [(self._as_sent(query), tuple(map(self._as_sent, texts))) for query, texts in asked]
        known = {} if len(sent) == 1 else self._known
        new = [one for one in dict.fromkeys(sent) if one[1] and one not in known]
        calls = [
            RankingRequest(item_id=f"query {number}", query=query, texts=texts)
            for number, (query, texts) in enumerate(new, 1)
        ]
        if calls:
            self._ask_all(calls, self._keep)
        return [self._known.get(one, ()) for one in sent]

    def usage_of(self, query: str) -> Usage | None:
        """What ranking for a query used, the last time; None where it was never ranked for."""
        return self._used.get(self._as_sent(query))

    def _keep(self, call: RankingRequest, settled: Settled[ReceivedScores]) -> None:
        self._known[call.query, call.texts] = settled.answer.scores
        self._used[call.query] = settled.usage
