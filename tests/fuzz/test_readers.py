"""No input makes a traceback: every reader gives a value or the project's own error, whatever it is given."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.case_file import load_case, parse_case
from advisor.money.money import CostError
from advisor.money.price_file import load_price_file, parse_price_file
from advisor.money.usage import Usage
from advisor.options import Option, TaskKind
from advisor.reading import Unreadable, parse_json, parse_toml, parse_yaml
from harness.bakeoff.journal import Journal, Lane, examine
from harness.bakeoff.plan import parse_plan
from harness.bakeoff.results import BakeoffResults
from harness.cli.app import read_dotenv
from harness.cli.finishing import read_plan
from harness.cli.runs import make_branding
from harness.core.errors import HarnessError
from harness.core.records import AnswerSpace, ArmId, Choices, Completion, Item, Label, Timing
from harness.core.serial import decode, decode_outcome
from harness.data.card import parse_card
from harness.data.predictions import read_predictions
from harness.models.api.dialects.openai_chat import usage_of
from harness.models.api.dialects.reading import read_answer
from harness.models.api.dialects.token_odds import answer_odds
from harness.models.api.faults import read_error, told_pause_s
from harness.shipping.serve.wire import BadRequest, read_request
from harness.tasks.labels import read_label
from tests.fuzz.nasty import (
    a_part_replaced,
    a_value_replaced,
    bounded,
    in_place_of,
    json_values,
    scalars,
    texts,
)
from tests.harness.models.api.dialects.recorded import RECORDED

ROOT = Path(__file__).parents[2]
OURS = (HarnessError, CostError)
"""What a user is shown as a block; `CostError` is the root of the advisor's errors."""

CASE = (ROOT / "examples" / "ticket-routing.yaml").read_text(encoding="utf-8")
PLAN = (ROOT / "harness" / "cli" / "plans" / "tickets.yaml").read_text(encoding="utf-8")
CARD = (ROOT / "evalsets" / "banking77" / "card.toml").read_text(encoding="utf-8")
PRICES = """as_of: 2026-11-01
models:
  - provider: openai
    model: gpt-6-luna
    input: "0.10"
    output: "0.50"
    cache_read: "0.01"
    effective_from: 2026-01-01
    currency: USD
    source: a letter
    batch:
      input: "0.05"
    long_context:
      - above_input_tokens: 200000
        input: "0.20"
"""
places = st.integers(0, 10_000)
LABELS = AnswerSpace(labels=(Label(name="pay"), Label(name="other")))
FIELDS = AnswerSpace(kind=TaskKind.EXTRACTION, schema={"properties": {"sum": {"type": "number"}}})


def told(read: Callable[[], object], *errors: type[Exception]) -> object:
    """What a reader gives; its own error, printable, gives None. Any other exception fails the test."""
    own = errors or OURS
    try:
        return read()
    except own as error:
        assert str(error).strip()
        str(error).encode("utf-8", "replace")
        return None


@pytest.mark.parametrize("parse", [parse_yaml, parse_toml, parse_json])
@bounded(150)
@given(text=texts | st.lists(texts, max_size=4).map("\n".join), raw=st.binary(max_size=60))
def test_text_of_any_kind(parse: Callable[[Any], object], text: str, raw: bytes) -> None:
    told(lambda: parse(text), Unreadable)
    if parse is parse_json:
        told(lambda: parse_json(raw), Unreadable)


@bounded(150)
@given(line=places, value=scalars)
def test_a_case_with_a_value_replaced(line: int, value: str) -> None:
    told(lambda: parse_case(a_value_replaced(CASE, line, value, ": "), "case.yaml"))


@bounded(40)
@given(line=places, value=scalars)
def test_a_case_that_is_read_can_be_advised_on(line: int, value: str) -> None:
    from advisor.commands import CommandPrices, open_market
    from advisor.recommend import Basis, recommend
    from advisor.rubric.rubric import load_bands, load_rubric

    def basis(case: Any) -> Basis:
        market = open_market(case, CommandPrices(price_at="2026-11-23"))
        return Basis(rubric=load_rubric(), market=market, bands=load_bands())

    case: Any = told(lambda: parse_case(a_value_replaced(CASE, line, value, ": "), "case.yaml"))
    if case is not None:
        told(lambda: recommend(case, basis(case)))


@bounded(150)
@given(start=places, length=st.integers(0, 30), value=texts)
def test_a_case_cut_anywhere(start: int, length: int, value: str) -> None:
    told(lambda: parse_case(in_place_of(CASE, start, length, value), "case.yaml"))


@bounded(150)
@given(line=places, value=scalars)
def test_a_plan_with_a_value_replaced(line: int, value: str) -> None:
    told(lambda: parse_plan(a_value_replaced(PLAN, line, value, ": "), "plan.yaml"))


@bounded(150)
@given(start=places, length=st.integers(0, 30), value=texts)
def test_a_plan_cut_anywhere(start: int, length: int, value: str) -> None:
    told(lambda: parse_plan(in_place_of(PLAN, start, length, value), "plan.yaml"))


@bounded(200)
@given(line=places, value=scalars)
def test_a_card_with_a_value_replaced(line: int, value: str) -> None:
    told(lambda: parse_card(a_value_replaced(CARD, line, value, " = "), "card.toml"))


@bounded(100)
@given(start=places, length=st.integers(0, 30), value=texts)
def test_a_card_cut_anywhere(start: int, length: int, value: str) -> None:
    told(lambda: parse_card(in_place_of(CARD, start, length, value), "card.toml"))


@bounded(200)
@given(line=places, value=scalars)
def test_a_price_file_with_a_value_replaced(line: int, value: str) -> None:
    told(lambda: parse_price_file(a_value_replaced(PRICES, line, value, ": "), "prices.yaml"))


@bounded(120)
@given(
    content=st.binary(max_size=80) | texts.map(lambda t: t.encode("utf-8", "surrogatepass")),
    cells=st.lists(st.tuples(texts, texts, texts), max_size=3),
    suffix=st.sampled_from([".csv", ".jsonl"]),
    space=st.sampled_from([LABELS, FIELDS]),
)
def test_predictions_of_any_kind(
    tmp_path: Path, content: bytes, cells: list[tuple[str, str, str]], suffix: str, space: AnswerSpace
) -> None:
    path = tmp_path / f"given{suffix}"
    names = ("item_id", "fields" if space.schema else "label", "confidence")
    rows = [
        ",".join(row) if suffix == ".csv" else json.dumps(dict(zip(names, row, strict=True))) for row in cells
    ]
    own = "\n".join([*([",".join(names)] if suffix == ".csv" else []), *rows])
    for raw in (content, own.encode("utf-8", "surrogatepass")):
        path.write_bytes(raw)
        told(lambda: read_predictions(path, space, frozenset({"1", "2"})))


@pytest.fixture(scope="module")
def whole_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    with Journal(path) as journal:
        journal.put(
            LANE,
            [(item, Completion(item_id=item.id, text="a", timing=Timing(model_s=0.5))) for item in ITEMS],
        )
    return path


LANE = Lane(arm=ArmId(option=Option.PROMPT, model="scripted"), seed=17, split="test", config="c1")
ITEMS = tuple(Item(id=f"i{n}", text=f"text {n}", target="a") for n in range(5))


@bounded(60)
@given(flips=st.lists(st.tuples(places, st.integers(1, 255)), min_size=1, max_size=60), cut=st.integers(0, 9))
def test_a_journal_with_flipped_bytes(
    tmp_path: Path, whole_journal: Path, flips: list[tuple[int, int]], cut: int
) -> None:
    raw = bytearray(whole_journal.read_bytes())
    for place, change in flips:
        raw[place * 7 % len(raw)] ^= change
    path = tmp_path / "journal.sqlite"
    path.write_bytes(raw[: len(raw) * (10 - cut) // 10])

    def read() -> None:
        with Journal(path, read_only=True) as journal:
            journal.outcomes(LANE, ITEMS)
            list(journal.answers(LANE))
            list(journal.counts())
            journal.settled()

    told(read)
    told(lambda: examine(path))


@bounded(200)
@given(body=st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode("utf-8", "replace")))
def test_bodies_of_requests(body: bytes) -> None:
    told(lambda: read_request(body), BadRequest)


@bounded(150)
@given(
    key=st.sampled_from(["model", "messages", "n", "tools", "stream", "logprobs", "top_logprobs",
                         "guided_choice", "structured_outputs", "response_format", "temperature"]),
    value=json_values,
)  # fmt: skip
def test_requests_with_a_value_replaced(key: str, value: object) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "u"}], "logprobs": True, key: value}
    told(lambda: read_request(json.dumps(body).encode("utf-8", "replace")), BadRequest)


@bounded(150)
@given(
    answer=texts | json_values.map(json.dumps), before=st.sampled_from(["", "```json\n", '{"label": ', '"'])
)
def test_answers_of_models(answer: str, before: str) -> None:
    assert read_label(before + answer, ("pay", "other", "sign_in")) in (None, "pay", "other", "sign_in")


@bounded(200)
@given(body=texts | json_values.map(json.dumps), status=st.integers(100, 999), wait=texts, usage=json_values)
def test_faults_of_providers(body: str, status: int, wait: str, usage: object) -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    read_error(status, {"Retry-After": wait}, body)
    for name in ("retry-after", "retry-after-ms", "x-ratelimit-reset-requests"):
        found = told_pause_s({name: wait, "x-ratelimit-remaining-requests": "0"}, now, words=body)
        assert found is None or found >= 0
    usage_of(usage if isinstance(usage, dict) else {"prompt_tokens": usage, "completion_tokens": usage}, True)


@bounded(400)
@given(body=st.sampled_from(list(RECORDED)), place=places, value=json_values)
def test_responses_of_every_dialect_with_a_value_replaced(body: str, place: int, value: object) -> None:
    answer = read_answer(
        a_part_replaced(RECORDED[body].body, place, value), 80, Choices(answers=("pay", "no"))
    )
    assert isinstance(answer.usage, Usage)


@bounded(200)
@given(entries=st.lists(json_values | st.fixed_dictionaries({"token": texts, "logprob": json_values,
       "top_logprobs": json_values, "bytes": json_values}), max_size=5), text=texts)  # fmt: skip
def test_odds_of_tokens(entries: list[object], text: str) -> None:
    odds = answer_odds(text, entries, ("pay", "other"))
    assert odds is None or len(odds) == 2


@bounded(150)
@given(text=texts | json_values.map(json.dumps))
def test_stored_records(text: str) -> None:
    told(lambda: decode_outcome(text))
    told(lambda: decode(BakeoffResults, text))


@bounded(100)
@given(
    content=st.binary(max_size=60)
    | st.tuples(texts, texts).map(lambda p: "=".join(p).encode("utf-8", "replace"))
)
def test_env_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    read_dotenv(tmp_path, {}, lambda line: None)


READERS: dict[str, Callable[[Path], object]] = {
    "case": load_case,
    "plan": read_plan,
    "prices": load_price_file,
    "predictions": lambda path: read_predictions(path, LABELS, frozenset("1")),
    "logo": lambda path: make_branding("", path, "", None),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_ordinary_file_is_not_read(tmp_path: Path, name: str) -> None:
    pipe, missing, folder = tmp_path / "pipe", tmp_path / "missing", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    places = [pipe, missing, folder, loop, Path("/dev/zero"), Path("a\0b"), Path("x" * 5000), Path("\ud800")]
    for place in places:
        with pytest.raises(OURS):
            READERS[name](place)


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_too_long_is_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # a hole: it takes no room
    with pytest.raises(OURS):
        READERS[name](path)
