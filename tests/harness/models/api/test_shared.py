"""Models of one command that are asked with one key share what the key may do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from advisor.money.usage import Usage
from harness.models.api.asking import Outside
from harness.models.api.client import ServedChat, open_served_chat
from harness.models.api.shared import Pace, SharedCalls
from harness.models.settings import ModelSettings
from tests.harness.models.api.test_client import SkippedTime, asks
from tests.support.scripted_server import Reply, ScriptedServer, completion, in_turn, scripted


@contextmanager
def two_models(
    server: ScriptedServer, keys: tuple[str, str], time: SkippedTime, **settings: float
) -> Iterator[list[ServedChat]]:
    shared = SharedCalls()
    opening = ModelSettings(cache=Path("unused"), api_base=server.address, shared=shared, **settings)  # type: ignore[arg-type]
    models = [
        open_served_chat(
            f"openai/model-{number}",
            opening,
            outside=Outside(clock=time.clock, sleep=time.sleep, environ={"TOR_API_KEY": key}),
        )
        for number, key in enumerate(keys)
    ]
    try:
        yield models
    finally:
        for model in models:
            model.close()
        shared.close()


def at_once(models: list[ServedChat], count: int) -> None:
    def answer(model: ServedChat) -> None:
        assert len(list(model.answer(asks(count)))) == count

    threads = [threading.Thread(target=answer, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_models_of_one_key_have_no_more_calls_in_flight_than_one():
    with scripted(in_turn(Reply(body=completion().body, delay_s=0.02))) as server:
        with two_models(server, ("key-one", "key-one"), SkippedTime(), concurrency=2) as models:
            at_once(models, 6)
        together = server.most_in_flight
    with scripted(in_turn(Reply(body=completion().body, delay_s=0.02))) as server:
        with two_models(server, ("key-one", "key-two"), SkippedTime(), concurrency=2) as models:
            at_once(models, 6)
        apart = server.most_in_flight
    assert (together, apart) == (2, 4)


def test_calls_a_minute_go_on_counting_from_one_model_to_the_next():
    with scripted(in_turn(completion())) as server:
        time = SkippedTime()
        with two_models(server, ("key-one", "key-one"), time, concurrency=1, rpm=30) as models:
            began = time.clock()
            for model in models:
                assert len(list(model.answer(asks(3)))) == 3
                model.close()
        assert time.clock() - began >= 5 * 2.0 - 0.5


def test_a_limit_that_one_model_met_slows_the_other_down():
    """The second model asks nothing before the pause is over that the first one was told."""
    limited = Reply(status=429, body={"error": {"message": "slow down"}}, headers={"retry-after": "20"})
    with scripted(in_turn(limited, completion())) as server:
        time = SkippedTime()
        with two_models(server, ("key-one", "key-one"), time, concurrency=1, max_retries=0) as models:
            assert len(list(models[0].answer(asks(1)))) == 1
            began = time.clock()
            assert len(list(models[1].answer(asks(1)))) == 1
        assert time.clock() - began >= 20 - 1


def test_a_pace_that_one_model_follows_is_kept_by_all_of_its_key():
    """As when workers elsewhere ask with the key: what still asks from here counts among their calls."""

    class Counted(Pace):
        taken = told = 0

        def take(self) -> float:
            self.taken += 1
            return 0.0

        def used(self, usage: Usage) -> None:
            self.told += usage.input_tokens or 0

    with (
        scripted(in_turn(completion())) as server,
        two_models(server, ("key-one", "key-one"), SkippedTime(), concurrency=1) as models,
    ):
        together = Counted(None, None, lambda: 0.0)
        models[0].follow(together)
        assert len(list(models[1].answer(asks(3)))) == 3
        assert (together.taken, together.told) == (3, 300)
        models[0].follow(None)
        assert len(list(models[1].answer(asks(2)))) == 2 and together.taken == 3
