"""The content key of an answer changes with everything that decides the answer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.options import Option
from harness.arms import linear
from harness.arms.base import Arm, config_digest
from harness.arms.linear import LinearArm
from harness.arms.prompt import PromptArm
from harness.arms.retrieve import RetrieveArm, RetrieveSettings
from harness.arms.tune import TuneArm
from harness.core.records import ArmId, Label, Message
from harness.knowledge import index
from harness.knowledge.index import TrainingIndex
from harness.models.settings import ModelSettings
from harness.tasks import classification
from harness.tasks.classification import ClassificationTask
from harness.tasks.records import PromptLimits
from tests.support.doubles import ScriptedChat, ScriptedTuner, WordEmbedder
from tests.support.tickets import LABELS, TASK, evalset

LIMITS = PromptLimits()


def build(option: Option) -> Arm:
    """An arm on the doubles."""
    name = ArmId(option=option, model="m")
    match option:
        case Option.LINEAR:
            return LinearArm(name, WordEmbedder(), 17)
        case Option.PROMPT:
            return PromptArm(name, ScriptedChat(), TASK)
        case Option.RETRIEVE:
            settings = RetrieveSettings(k=(2,), max_tokens=400, dev_items=9)
            rows = TrainingIndex.build(evalset().train, WordEmbedder())
            return RetrieveArm(name, ScriptedChat(), rows, TASK, settings)
        case _:
            return TuneArm(name, ScriptedTuner(), TASK)


ASKING = (Option.PROMPT, Option.RETRIEVE)


@pytest.mark.parametrize("option", ASKING)
@pytest.mark.parametrize(
    "fact", ["weights", "config", "tokenizer", "template", "address", "device", "form", "torch"]
)
def test_whatever_is_known_of_the_model_is_in_the_key(
    option: Option, fact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = config_digest(build(option).config)
    changed = dataclasses.replace(ScriptedChat().identity, decides=((fact, "other"),))
    monkeypatch.setattr(ScriptedChat, "identity", property(lambda _: changed))
    arm = build(option)
    assert config_digest(arm.config) != before and "other" in json.dumps(arm.config)


@pytest.mark.parametrize("option", [Option.LINEAR, Option.RETRIEVE])
def test_the_embedding_model_is_in_the_key(option: Option, monkeypatch: pytest.MonkeyPatch) -> None:
    before = config_digest(build(option).config)
    changed = dataclasses.replace(WordEmbedder().identity, decides=(("tokenizer", "other"),))
    monkeypatch.setattr(WordEmbedder, "identity", property(lambda _: changed))
    assert config_digest(build(option).config) != before


@pytest.mark.parametrize("option", [*ASKING, Option.TUNE])
def test_the_wording_of_the_prompt_is_in_the_key(option: Option, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where somebody forgets to raise the prompt's version."""
    before = config_digest(build(option).config)

    def polite(role: Any, content: str) -> Message:
        return Message(role=role, content=f"{content} Please.")

    monkeypatch.setattr(classification, "Message", polite)
    assert config_digest(build(option).config) != before


@pytest.mark.parametrize("option", [*ASKING, Option.TUNE])
def test_the_form_of_the_answer_is_in_the_key(option: Option, monkeypatch: pytest.MonkeyPatch) -> None:
    before = config_digest(build(option).config)
    upper = lambda labels: tuple(one.name.upper() for one in labels)  # noqa: E731
    monkeypatch.setattr(classification, "answers_of", upper)
    assert config_digest(build(option).config) != before


@pytest.mark.parametrize("name", ["_WORDS", "_LETTERS", "_SVM", "_LOGISTIC"])
def test_the_settings_of_the_linear_arm_are_in_the_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = config_digest(build(Option.LINEAR).config)
    monkeypatch.setattr(linear, name, {**getattr(linear, name), "max_iter": 7})
    assert config_digest(build(Option.LINEAR).config) != before


@pytest.mark.parametrize(("option", "room"), [(Option.LINEAR, linear), (Option.RETRIEVE, index)])
def test_libraries_are_in_the_key(option: Option, room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = config_digest(build(option).config)
    real: Callable[..., tuple[tuple[str, str], ...]] = room.versions_of
    monkeypatch.setattr(room, "versions_of", lambda *names: ((names[0], "0.0"), *real(*names[1:])))
    assert config_digest(build(option).config) != before


def test_labels_and_definitions_are_in_the_key() -> None:
    name = ArmId(option=Option.PROMPT, model="m")
    other = (Label(name=LABELS[0].name, definition="changed"), *LABELS[1:])
    one, two = (
        PromptArm(name, ScriptedChat(), ClassificationTask(labels, LIMITS)) for labels in (LABELS, other)
    )
    assert config_digest(one.config) != config_digest(two.config)


@pytest.mark.parametrize("address", ["http://user:hidden@127.0.0.1:9/v1?key=hidden", "http://[::1]:9/v1"])
def test_a_served_models_address_is_in_its_identity_and_its_secrets_are_not(
    address: str, tmp_path: Path
) -> None:
    pytest.importorskip("litellm")
    from harness.core.errors import UserError
    from harness.models.api.client import open_served_chat

    try:
        chat = open_served_chat("openai/m", ModelSettings(cache=tmp_path, api_base=address, offline=True))
    except UserError as error:
        assert "hidden" not in str(error)
        return
    decides = dict(chat.identity.decides)
    assert decides["address"].endswith(":9/v1") and "hidden" not in json.dumps(decides)
    assert "schema" in decides["form"]
    other = open_served_chat(
        "openai/m", ModelSettings(cache=tmp_path, api_base=address.replace(":9/", ":8/"), offline=True)
    )
    assert other.identity.decides != chat.identity.decides
