"""A route to today's way as it ships: the arm with its threshold, and no label below it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.records import Message
from harness.recommendation.store import recommended_arm
from harness.shipping.exporting import ExportRequest, export_shipped, read_export
from harness.shipping.parity import check_export
from harness.shipping.serve.service import HANDED_OVER, Service
from harness.shipping.serve.wire import BadRequest, CompletionRequest, chunks, completion
from harness.shipping.serving import ServeRequest, open_service
from harness.shipping.shipped import shipped_in_run
from tests.harness.bakeoff.test_run import context
from tests.support.routed import Made, made_in

NAME = "linear-route"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with made_in(tmp_path_factory.mktemp("shipped")) as found:
        yield found


def service_of(made: Made, target: str, **more: object) -> Service:
    wish = ServeRequest(targets=(target,), recommended=recommended_arm, **more)  # type: ignore[arg-type]
    return open_service(wish, context(made.runs))


def asked(text: str, **more: object) -> CompletionRequest:
    base = {"choices": None, "wrapped_in": "", "top": 3, "stream": False}
    return CompletionRequest(
        model=NAME,
        messages=(Message(role="user", content=text),),
        **(base | more),  # type: ignore[arg-type]
    )


def vague(made: Made, service: Service) -> str:
    """A test item of which the arm is not sure."""
    texts = (item.text for item in made.folder.items()["test"])
    return next(text for text in texts if service.hands_over(NAME, service.answer(asked(text))[0]))


def test_what_a_run_recommends_is_served_with_its_threshold(made: Made, tmp_path: Path) -> None:
    """As many test items are answered as the run says, from the run and from its export."""
    route = made.results.route_to_today
    assert route is not None and route.coverage is not None and route.precision is not None
    out = tmp_path / "out"
    here = context(made.runs)
    export = export_shipped(
        shipped_in_run(made.folder, "", None, here, recommended_arm(made.folder)),
        ExportRequest(format=None, out=out),
        here,
    )
    rule = export.task.hand_over
    assert rule is not None and (rule.threshold, rule.temperature) == (route.threshold, route.temperature)
    assert read_export(out).task.hand_over == rule and export.served_as == NAME
    items = made.folder.items()["test"]
    for target in (made.folder.run_id, str(out)):
        service = service_of(made, target)
        kept = []
        for item in items:
            reply, _ = service.answer(asked(item.text))
            if not service.hands_over(NAME, reply):
                kept.append(reply.text == item.label)
        service.close()
        assert len(kept) / len(items) == pytest.approx(route.coverage.value)
        assert sum(kept) / len(kept) == pytest.approx(route.precision.value)


def test_the_export_says_when_it_hands_over(made: Made, tmp_path: Path) -> None:
    here, out = context(made.runs), tmp_path / "out"
    export_shipped(
        shipped_in_run(made.folder, "route@today", None, here), ExportRequest(format=None, out=out), here
    )
    card = (out / "README.md").read_text()
    assert "When it hands over" in card and '"hand_over": true' in card
    (parity,) = check_export(out, made.folder, 20, here)
    assert parity.passed and parity.agreement.value == 1.0, "labels are compared, handed over or not"


def test_an_answer_below_the_threshold_has_no_label(made: Made) -> None:
    service = service_of(made, made.folder.run_id)
    sure, _ = service.answer(asked("invoice refund tax"))
    unsure, choices = service.answer(asked(vague(made, service)))
    assert service.hands_over(NAME, sure) is False and service.hands_over(NAME, unsure) is True

    def said(reply: object, wrapped: str) -> dict[str, object]:
        request = asked("x", wrapped_in=wrapped)
        over = service.hands_over(NAME, reply)  # type: ignore[arg-type]
        response = completion(request, reply, choices, number="1", now=0, hand_over=over)  # type: ignore[arg-type]
        first: dict[str, object] = response["choices"][0]
        pieces = chunks(response)
        assert pieces[0]["choices"][0]["hand_over"] == first["hand_over"]
        return first

    bare, held = said(unsure, ""), said(unsure, "label")
    assert bare["hand_over"] is True and bare["message"] == {"role": "assistant", "content": None}
    assert bare["logprobs"] is not None, "what it would have said"
    assert json.loads(held["message"]["content"]) == {"label": None, "hand_over": True}  # type: ignore[index]
    assert said(unsure, '"')["message"]["content"] == "null"  # type: ignore[index]
    kept = said(sure, "")
    assert kept["hand_over"] is False and kept["message"]["content"] == "billing"  # type: ignore[index]


def test_what_is_handed_over_is_counted(made: Made) -> None:
    service = service_of(made, made.folder.run_id)
    job = service.prepare(asked(vague(made, service)))
    reply, _ = service.run(job)
    assert service.given(job, reply).label == HANDED_OVER
    job = service.prepare(asked("invoice refund tax"))
    assert service.given(job, service.run(job)[0]).label == "billing"


def test_a_threshold_holds_for_all_labels_and_for_the_arm_as_it_was_scored(made: Made) -> None:
    service = service_of(made, made.folder.run_id)
    with pytest.raises(BadRequest, match="all its labels"):
        service.answer(asked("invoice", choices=("billing", "shipping")))
    reply, _ = service.answer(asked("invoice", choices=("shipping", "billing", "sign_in")))
    assert reply.text == "billing"
    for refused in ({"engine": "llamacpp"}, {"as_sent": True}):
        with pytest.raises(UsageError, match="served as it was scored"):
            service_of(made, made.folder.run_id, **refused)


def test_the_arm_alone_answers_everything(made: Made) -> None:
    service = service_of(made, made.folder.run_id, arm="linear")
    assert service.names == ("linear",)
    reply, choices = service.answer(replace(asked("hello"), model="linear"))
    assert service.hands_over("linear", reply) is None
    response = completion(asked("hello"), reply, choices, number="1", now=0)
    assert "hand_over" not in response["choices"][0]
