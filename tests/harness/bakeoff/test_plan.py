"""Plans: every fault at once, unknown keys refused, and a digest that moves with everything that decides."""

from __future__ import annotations

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from advisor.options import BY_DEFAULT
from harness.bakeoff.plan import ExperimentPlan, build_plan, dump_plan, parse_plan
from harness.cli.typed import split_names
from harness.core.errors import UsageError

BASE: dict[str, Any] = {
    "seed": 17,
    "data": {"evalset": "support-tickets"},
    "arms": [{"option": "floor"}, {"option": "retrieve", "model": "smollm2-135m"}],
    "cost": {"price_date": "2026-11-23"},
}


def changed(place: str, value: object) -> dict[str, Any]:
    """The plan with one value set; `place` is written with dots."""
    raw = copy.deepcopy(BASE)
    *parts, last = place.split(".")
    inner = raw
    for part in parts:
        inner = inner.setdefault(part, {})
    inner[last] = value
    return raw


def plan(raw: dict[str, Any] = BASE) -> ExperimentPlan:
    return build_plan(copy.deepcopy(raw), "test")


def test_all_faults_are_told_at_once() -> None:
    raw = {
        "seed": -1,
        "data": {"evalset": "a", "file": "b"},
        "arms": [{"option": "prompt"}, {"option": "guess"}, {"option": "floor"}],
        "retrieve": {"k": []},
        "tune": {"seeds": [1, 1], "epoch": 3},
        "decision": {"margin": 2},
        "cost": {},
        "colour": "red",
    }
    with pytest.raises(UsageError) as caught:
        build_plan(raw, "plan.yaml")
    text = str(caught.value)
    for place in (
        "seed: ",
        "data: name either",
        "arms.0: the arm 'prompt' needs a model",
        "arms.1.option: ",
        "retrieve.k: ",
        "tune.epoch: unknown key",
        "decision.margin: ",
        "cost.price_date: ",
        "colour: unknown key",
    ):
        assert place in text
    assert text.startswith("plan.yaml is not a usable plan: 9 faults.") and "harness init" in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("seed", None, "seed"),
        ("seed", "many", "seed"),
        ("seed", 2**32, "seed"),
        ("tune.seeds", [-3], "tune.seeds.0"),
        ("tune.seeds", [4, 4], "named twice"),
        ("retrieve.k", [0], "retrieve.k.0"),
        ("arms", [], "arms"),
        ("arms", [{"option": "route"}], "name at least one"),
        ("arms", [{"option": "floor"}, {"option": "floor"}], "named twice: floor@majority"),
        ("data", {"file": "a.csv", "text": ["t"]}, "label column"),
        ("data", {}, "name either an evalset or a file"),
        ("cost.price_date", "tomorrow", "cost.price_date"),
        ("cost.machine_hour_usd", "-1", "cost.machine_hour_usd"),
        ("cost.utilisation", 0, "cost.utilisation"),
        ("decision.margin", float("nan"), "decision.margin"),
        ("decision.bootstrap_draws", 10, "decision.bootstrap_draws"),
        ("prompt.version", "classification-1", "prompt.version"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(place: str, value: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_plan(changed(place, value), "test")
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b", "just words", "a: [1", "seed: 1\n\tdata: x", "%x"])
def test_what_is_no_plan_is_one_clear_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"plan\.yaml"):
        parse_plan(text, "plan.yaml")


@given(st.dictionaries(st.text(max_size=8) | st.integers(), st.none() | st.text(max_size=5), max_size=4))
def test_nonsense_is_refused_and_never_crashes(raw: dict[Any, Any]) -> None:
    with pytest.raises(UsageError):
        build_plan(raw, "test")


def test_the_digest_is_pinned() -> None:
    """A changed digest means that stored runs no longer match their plans: bump it knowingly."""
    assert plan().digest == plan().digest
    assert plan({**BASE, "title": ""}).digest == plan().digest, "a default spelled out is the same plan"
    assert plan(dict(reversed(BASE.items()))).digest == plan().digest, "the order of keys decides nothing"


DECIDING = [
    ("seed", 18),
    ("data.evalset", "banking77"),
    ("data.limit_test", 5),
    ("data.limit_train", 5),
    ("arms", [{"option": "floor"}]),
    ("retrieve.k", [2]),
    ("retrieve.max_tokens", 99),
    ("retrieve.dev_items", 3),
    ("retrieve.embedding", ""),
    ("prompt.item_chars", 100),
    ("prompt.example_chars", 41),
    ("tune.method", "lora-fp32"),
    ("tune.epochs", 2.0),
    ("tune.rank", 4),
    ("tune.learning_rate", 0.01),
    ("tune.batch_size", 2),
    ("tune.layers", 3),
    ("tune.seeds", [1]),
    ("latency.mode", "separate"),
    ("latency.items", 7),
    ("decision.margin", 0.03),
    ("decision.alpha", 0.1),
    ("decision.power", 0.9),
    ("decision.bootstrap_draws", 500),
    ("decision.route_precision", 0.8),
    ("decision.quality_floor", 0.5),
    ("decision.max_p95_ms", 10),
    ("decision.max_usd_per_1k", "5"),
    ("decision.max_failure_rate", 0.1),
    ("cost.price_date", "2026-11-24"),
    ("cost.machine_hour_usd", "1"),
    ("cost.utilisation", 0.5),
    ("cost.frontier", []),
    ("cost.prices_file", "p.yaml"),
]


@pytest.mark.parametrize(("place", "value"), DECIDING, ids=[place for place, _ in DECIDING])
def test_the_digest_moves_with_everything_that_decides(place: str, value: object) -> None:
    assert plan(changed(place, value)).digest != plan().digest


@pytest.mark.parametrize(("place", "value"), DECIDING, ids=[place for place, _ in DECIDING])
def test_a_plan_written_out_reads_as_the_same_plan(place: str, value: object) -> None:
    one = plan(changed(place, value))
    back = parse_plan(dump_plan(one), "test")
    assert back == one and back.digest == one.digest


READER: dict[str, Any] = {
    **BASE,
    "task": "question_answering",
    "data": {"evalset": "policy-qa"},
    "arms": [{"option": "tune+retrieve", "model": "m"}],
}


def test_a_reader_learns_from_other_questions_than_those_it_is_asked() -> None:
    one = plan({**READER, "tune": {"learn_from": {"evalset": "xquad", "edition": "en"}}})
    assert one.tune.learn_from is not None and one.digest != plan(READER).digest
    assert parse_plan(dump_plan(one), "test") == one
    for raw, says in (
        (
            {**READER, "tune": {"learn_from": {"evalset": "policy-qa", "edition": "2026-01"}}},
            "other questions",
        ),
        ({**READER, "arms": [{"option": "floor"}], "tune": {"learn_from": {"evalset": "xquad"}}}, "no arm"),
        ({**BASE, "tune": {"learn_from": {"evalset": "xquad"}}}, "questions over documents"),
    ):
        with pytest.raises(UsageError, match=says):
            plan(raw)


def test_tune_may_learn_what_a_model_drafts() -> None:
    asks = {**READER, "arms": [{"option": "tune", "model": "m"}]}
    drafts = {"model": "qwen2.5-coder-1.5b", "passages": 60, "wordings": 2}
    one = plan({**asks, "tune": {"drafts": drafts}})
    assert one.tune.drafts is not None and one.digest != plan(asks).digest
    assert one.tune.drafts.rows(40) == 300  # (40 + 60) questions in three wordings each
    assert parse_plan(dump_plan(one), "test") == one
    for raw, says in (
        ({**asks, "tune": {"drafts": {"model": "m"}}}, "passages or wordings"),
        ({**READER, "tune": {"drafts": drafts}}, "no arm"),
        ({**BASE, "tune": {"drafts": drafts}}, "questions over documents"),
    ):
        with pytest.raises(UsageError, match=says):
            plan(raw)


@given(st.text(max_size=40), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_words_survive_the_way_through_yaml(title: str, column: str) -> None:
    raw = {**BASE, "data": {"file": "a.csv", "text": [column], "label": column + "."}}
    one = plan({**raw, "title": title.encode("utf-16", "replace").decode("utf-16", "replace")})
    assert parse_plan(dump_plan(one), "test") == one


def test_defaults_are_spelled_out() -> None:
    raw = yaml.safe_load(dump_plan(plan()))
    assert raw["decision"]["margin"] == 0.02 and raw["retrieve"]["k"] == [2, 8, 32]
    assert raw["data"]["limit_test"] is None


def test_arms_have_their_names() -> None:
    raw = [
        {"option": "floor"},
        {"option": "linear"},
        {"option": "route"},
        {"option": "tune", "model": "a/b"},
    ]
    names = [str(arm.id) for arm in plan({**BASE, "arms": raw}).arms]
    assert names == ["floor@majority", "linear@linear", "route@auto", "tune@a/b"]


def test_the_plans_seed_trains_where_no_other_is_named() -> None:
    assert plan().training_seeds == (17,)
    assert plan(changed("tune.seeds", [3, 4])).training_seeds == (3, 4)


def test_money_is_decimal_and_never_rounded() -> None:
    assert plan(changed("cost.machine_hour_usd", "0.1000000001")).cost.machine_hour_usd == Decimal(
        "0.1000000001"
    )


def test_the_example_is_a_plan() -> None:
    text = (Path(__file__).parents[3] / "harness/cli/plans/tickets.yaml").read_text(encoding="utf-8")
    named = [arm.option for arm in parse_plan(text, "tickets.yaml").arms]
    assert named == list(BY_DEFAULT), "it names what a plan has unless told otherwise"


def test_the_label_among_the_texts_is_refused_in_new_plans_and_read_in_locked_ones() -> None:
    raw = {**BASE, "data": {"file": "a.csv", "text": ["body", "queue"], "label": "queue"}}
    with pytest.raises(UsageError, match="'queue' is among the text columns"):
        build_plan(raw, "test")
    assert build_plan(raw, "test", locked=True).data.labels == ("queue",)


def test_what_younger_versions_know_of_a_file_leaves_older_digests_alone() -> None:
    raw = {"file": "a.csv", "text": ["body"], "label": "queue"}
    unset = {"id": "", "slices": [], "records": [], "sheet": "", "no_header": False}
    assert plan({**BASE, "data": raw | unset}).digest == plan({**BASE, "data": raw}).digest
    for more in ({"id": "nr"}, {"skip_unlabelled": True}, {"no_quotes": True}, {"label": ["queue", "topic"]}):
        assert plan({**BASE, "data": raw | more}).digest != plan({**BASE, "data": raw}).digest


def test_the_flags_of_a_file_name_the_same_rows() -> None:
    data = plan(
        {
            **BASE,
            "data": {
                "file": "a.csv",
                "text": ["body, cleaned", "x"],
                "label": ["a", "b"],
                "id": "nr",
                "slices": ["lang"],
                "skip_unlabelled": True,
            },
        }
    ).data
    words = data.flags
    assert split_names([words[words.index("--text") + 1]]) == data.text
    assert words[words.index("--label") + 1] == "a,b"
    assert words[-5:] == ["--slice", "lang", "--id", "nr", "--skip-unlabelled"]


@pytest.mark.parametrize("model", ["smollm2-135m", "groq/llama-3.3-70b-versatile"])
def test_batches_of_a_provider_that_has_none_are_refused(model: str) -> None:
    with pytest.raises(UsageError, match="answers in no batches"):
        plan({**BASE, "arms": [{"option": "prompt", "model": model, "batch": True}]})


def test_effort_and_batch_move_the_digest_and_are_kept() -> None:
    def of(**asked: object) -> ExperimentPlan:
        return plan({**BASE, "arms": [{"option": "prompt", "model": "openai/gpt-4.1", **asked}]})

    assert len({of().digest, of(effort="low").digest, of(batch=True).digest}) == 3
    kept = parse_plan(dump_plan(of(effort="low", batch=True)), "plan.yaml")
    assert (kept.arms[0].effort, kept.arms[0].batch) == ("low", True)
