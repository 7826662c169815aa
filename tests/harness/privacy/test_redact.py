"""Placeholders: one a value, kept apart, put back where an answer holds them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from advisor.options import Option
from harness.core.errors import StoreError
from harness.core.records import Item, Label, Passage
from harness.core.references import Reference
from harness.privacy.redact import Placeholders, redacting
from harness.privacy.residency import region_of
from harness.tasks.classification import ClassificationTask
from harness.tasks.questions import QuestionTask
from harness.tasks.records import PromptLimits

ANNA, IBAN = "anna@example.com", "DE89 3704 0044 0532 0130 00"


def test_one_value_has_one_placeholder_however_it_is_written() -> None:
    kept = Placeholders()
    assert kept.redact(f"{ANNA} and bob@example.com") == "[EMAIL_1] and [EMAIL_2]"
    assert kept.redact(f"Anna@Example.com pays from {IBAN}.") == "[EMAIL_1] pays from [IBAN_1]."
    assert kept.redact("nothing here 12") == "nothing here 12"


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("[EMAIL_1]", ANNA),
        ("write to EMAIL_1, please", f"write to {ANNA}, please"),
        ("[EMAIL_7] and [PHONE_1]", "[EMAIL_7] and [PHONE_1]"),  # none of ours
        ('{"mail": "[EMAIL_1]", "iban": "[IBAN_1]"}', json.dumps({"mail": ANNA, "iban": IBAN})),
        ("", ""),
    ],
)
def test_an_answer_is_read_with_the_values(answer: str, read: str) -> None:
    kept = Placeholders()
    kept.redact(f"{ANNA} {IBAN}")
    assert kept.restore(answer) == read


def test_a_value_stays_whole_in_json() -> None:
    kept = Placeholders()
    sent = kept.redact("password: ab\\c1D!x9")
    (name,) = [word.strip("[]") for word in sent.split() if "SECRET" in word]
    written = json.loads(kept.restore(f'{{"secret": "[{name}]"}}'))
    assert "D!x9" not in sent and written["secret"] == kept.restore(f"[{name}]") == "ab\\c1D!x9"


def test_placeholders_that_stand_in_the_texts_are_somebody_elses() -> None:
    kept = Placeholders()
    kept.avoid(["already masked: [EMAIL_4]"])
    assert kept.redact(ANNA) == "[EMAIL_5]"
    assert kept.restore("[EMAIL_4] [EMAIL_5]") == f"[EMAIL_4] {ANNA}"


def test_they_are_kept_for_their_owner_and_go_on_where_they_were(tmp_path: Path) -> None:
    path = tmp_path / "placeholders.json"
    first = Placeholders.read(path)
    first.redact(ANNA)
    first.keep()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    later = Placeholders.read(path)
    assert later.redact(f"bob@example.com {ANNA}") == "[EMAIL_2] [EMAIL_1]"
    assert Placeholders.read(path).restore("[EMAIL_2]") == "bob@example.com", "a new one is kept at once"
    path.write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Placeholders.read(path)


def test_nothing_is_cut_in_two() -> None:
    """A value is replaced before a long text loses its middle."""
    task = ClassificationTask((Label(name="a"), Label(name="b")), PromptLimits(item_chars=100))
    text = "x " * 25 + ANNA + " y" * 60
    put = redacting(task, Placeholders())
    (question,) = [m.content for m in put.messages(Option.PROMPT, Item(id="1", text=text, target="a"))[-1:]]
    assert "@" not in question and "example" not in question and "[EMAIL_1]" in question
    assert put.settings(Option.PROMPT) != task.settings(Option.PROMPT), "it decides the answers"


def test_passages_are_shown_with_placeholders() -> None:
    put = redacting(QuestionTask(PromptLimits()), Placeholders())
    passage = Passage(id="p", document="a.md", span=(0, 9), text=f"Ask {ANNA}.", headings=(f"Of {ANNA}",))
    item = Item(id="q", text=f"Who is {ANNA}?", target=Reference(answerable=False))
    said = " ".join(message.content for message in put.reading(item, [passage]))  # type: ignore[attr-defined]
    assert ANNA not in said and said.count("[EMAIL_1]") == 3


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("eu.api.openai.com", "EU"),
        ("api.openai.com", ""),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "EU"),
        ("bedrock-runtime.eu-west-2.amazonaws.com", ""),  # London
        ("europe-west6-aiplatform.googleapis.com", ""),  # Zürich
        ("us-central1-aiplatform.googleapis.com", "US"),
        ("api.mistral.ai", "EU"),
        ("api.mistral.ai.example.net", ""),
    ],
)
def test_a_region_is_what_a_hosts_name_promises(host: str, region: str) -> None:
    assert region_of(host) == region
