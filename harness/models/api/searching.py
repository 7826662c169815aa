"""What served models have in common that arms find with: many small calls, checked on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from harness.core.errors import ModelUnavailable
from harness.core.records import Failure, ModelIdentity
from harness.models.api.asked import AskedModel
from harness.models.api.asking import Asked, Asker, Got, Outside, Settled
from harness.models.api.calls import Caller, Form, Route
from harness.models.api.destinations import key_for
from harness.models.api.library import key_variable, own_key, require_aiohttp, secrets_in
from harness.models.api.shared import SharedCalls
from harness.models.api.vectors import READ_CHARS, place_of
from harness.models.settings import ModelSettings


def search_route(model: str, settings: ModelSettings, outside: Outside) -> tuple[str, Route]:
    """The address of a served model that texts are found with, and the way there; nothing is called.

    Raises:
        ModelUnavailable: the provider is not known to do it, there is no key, it is remote while offline, or
            a key would go astray.
        MissingExtra: aiohttp is not installed.
    """
    address, where = place_of(model, settings.api_base or "", outside.environ, offline=settings.offline)
    require_aiohttp()
    route = Route(
        model=model,
        where=where,
        api_key=key_for(where, outside.environ) or own_key(where, outside.environ),
        key_variable=key_variable(where.provider, own_endpoint=not where.own),
        timeout_s=settings.timeout_s,
        seed=settings.seed,
        secrets=secrets_in(outside.environ),
    )
    return address, route


class ServedSearch(AskedModel[Asked, Got]):
    """A served model of one kind of call.

    Attributes:
        let_go: is shown every text before it is sent and gives it back as it may go; raises where none may.
    """

    def __init__(
        self,
        caller: Caller[Asked, Got],
        way: tuple[str, Route],
        settings: ModelSettings,
        outside: Outside,
    ) -> None:
        """Nothing is called yet; `way` is what `search_route` gives."""
        address, route = way
        self._caller, self._model = caller, route.model
        self._shared = settings.shared or SharedCalls()
        self._alone = settings.shared is None
        form = Form(schema=False)
        self._asker: Asker[Asked, Got] = Asker(caller, route, form, settings, outside, self._shared)
        self._identity = ModelIdentity(
            id=route.model,
            location="loopback" if route.where.loopback else "remote",
            decides=(("address", address), ("chars", str(READ_CHARS))),
        )
        self.let_go: Callable[[str], str] = lambda text: text

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._identity

    def close(self) -> None:
        """Close connections."""
        if self._asker.was_used:
            self._shared.loop.run(self._caller.close())
        if self._alone:
            self._shared.close()

    def _as_sent(self, text: str) -> str:
        return self.let_go(text)[:READ_CHARS] or " "  # an empty text is refused everywhere

    def _ask_all(self, calls: Sequence[Asked], keep: Callable[[Asked, Settled[Got]], None]) -> None:
        """Ask all, several at once, and keep each answer as it comes.

        Raises:
            ModelUnavailable: one was refused, or the provider did not answer.
            OverBudget, WaitTooLong: as the asker.
        """

        async def ask(call: Asked) -> None:
            settled = await self._asker.ask(call)
            if isinstance(settled, Failure):
                raise ModelUnavailable(
                    f"{self._model} did not take {call.item_id}; what it answered before is kept.",
                    got=settled.message,
                    allowed="going on later, from what there is",
                )
            keep(call, settled)

        async def ask_all() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for call in calls:
                        group.create_task(ask(call))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None

        self._shared.loop.run(ask_all())
