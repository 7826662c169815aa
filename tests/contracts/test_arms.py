"""The contract of `harness/arms/base.py`, for every arm there is.

The doubles script answers, failures and seconds; one test runs the arms on the embedded models.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.options import Option
from harness.arms.base import Arm, Material, config_digest
from harness.arms.encoder import EncoderArm
from harness.arms.floor import FloorArm
from harness.arms.linear import LinearArm
from harness.arms.neighbours import NeighboursArm
from harness.arms.prompt import PromptArm
from harness.arms.retrieve import RetrieveArm, RetrieveSettings, rows_to_choose_on, spread
from harness.arms.tune import Examples, TuneArm
from harness.core.records import ArmId, Completion, Failure, FailureKind, Fitted, Item, Outcome
from harness.knowledge.index import TrainingIndex
from harness.models.base import ChatModel, EmbeddingModel
from harness.models.open import open_chat, open_embedding
from harness.models.settings import ModelSettings
from harness.tasks.records import PromptLimits
from tests.support.doubles import ScriptedChat, ScriptedTuner, WordEmbedder
from tests.support.tickets import LABELS, TASK, evalset
from tests.support.tiny_encoder import tiny_settings

ROWS = evalset()
LIMITS = PromptLimits()
OPTIONS = [option for option in Option if option not in {Option.ROUTE, Option.EXTERNAL}]
ASKING = [option for option in OPTIONS if option.traits.needs_model]
SETTINGS = RetrieveSettings(k=(2, 4), max_tokens=400, dev_items=9)


@dataclass
class Bench:
    """An arm with the doubles behind it, so that a test can script and look at them."""

    option: Option
    location: str = "local"
    chat: ScriptedChat = field(init=False)
    tuner: ScriptedTuner = field(default_factory=ScriptedTuner)
    embedder: WordEmbedder = field(default_factory=WordEmbedder)
    arm: Arm = field(init=False)

    def __post_init__(self) -> None:
        self.chat = ScriptedChat(location=self.location)
        self.arm = self._build()

    def _build(self) -> Arm:
        name = ArmId(option=self.option, model="scripted")
        match self.option:
            case Option.FLOOR:
                return FloorArm(name)
            case Option.NEIGHBOURS:
                return NeighboursArm(name, self.index())
            case Option.LINEAR:
                return LinearArm(name, self.embedder, seed=17)
            case Option.ENCODER:
                return EncoderArm(name, tiny_settings(), TASK.choices)
            case Option.PROMPT:
                return PromptArm(name, self.chat, TASK)
            case Option.RETRIEVE:
                return RetrieveArm(name, self.chat, self.index(), TASK, SETTINGS)
            case Option.TUNE:
                return TuneArm(name, self.tuner, TASK)
            case Option.TUNE_RETRIEVE:
                return TuneArm(name, self.tuner, TASK, Examples(self.index(), 2))
            case Option.ROUTE:
                raise AssertionError("a route calls no model")
            case Option.EXTERNAL:
                raise AssertionError("an external arm is brought in, and never asked")
            case _:
                assert_never(self.option)

    def index(self) -> TrainingIndex:
        return TrainingIndex.build(ROWS.train, self.embedder)

    def fit(self, stored: Fitted | None = None) -> Fitted:
        return self.arm.fit(material(), stored)

    @property
    def answering(self) -> ScriptedChat:
        """The model that answers once the arm is fitted."""
        return self.tuner.opened[-1] if self.tuner.opened else self.chat


def material() -> Material:
    return Material(task=TASK, train=ROWS.train, dev=ROWS.dev, say=lambda line: None)


def fitted(option: Option, **changes: str) -> Bench:
    bench = Bench(option, **changes)
    bench.fit()
    return bench


@functools.cache
def shared(option: Option) -> Bench:
    """One fitted arm for the tests that only ask it."""
    return fitted(option)


def answers(outcomes: list[Outcome]) -> dict[str, object]:
    """What an outcome says, without how long it took."""
    return {
        o.item_id: (o.text, o.choice_logprobs, o.neighbours, o.usage) if isinstance(o, Completion) else o.kind
        for o in outcomes
    }


def poisoned(items: tuple[Item, ...]) -> list[Item]:
    """The same texts with labels, clusters and slices that would show if they were read."""
    return [
        dataclasses.replace(item, target="POISON", cluster="POISON", slices=(("POISON", "POISON"),))
        for item in items
    ]


every = pytest.mark.parametrize("option", OPTIONS, ids=lambda o: o.value)
asking = pytest.mark.parametrize("option", ASKING, ids=lambda o: o.value)


@every
def test_each_item_gets_exactly_one_outcome(option: Option) -> None:
    arm = shared(option).arm
    found = [outcome.item_id for outcome in arm.predict(ROWS.test)]
    assert sorted(found) == sorted(item.id for item in ROWS.test)
    assert list(arm.predict([])) == []


@asking
def test_replies_in_another_order_keep_their_items(option: Option) -> None:
    straight, turned = fitted(option), fitted(option)
    turned.answering.backwards = True
    assert answers(list(straight.arm.predict(ROWS.test))) == answers(list(turned.arm.predict(ROWS.test)))


@every
def test_answers_are_of_the_text_alone(option: Option) -> None:
    bench = shared(option)
    honest, blind = list(bench.arm.predict(ROWS.test)), list(bench.arm.predict(poisoned(ROWS.test)))
    assert answers(honest) == answers(blind)
    shown = bench.arm.explain(poisoned(ROWS.test)[0])
    assert not any("POISON" in message.content for message in shown.messages)


@every
def test_nothing_of_test_is_seen_before_it_is_asked_about(option: Option) -> None:
    bench = fitted(option)
    test_texts = {item.text for item in ROWS.test}
    shown = [m.content for request in bench.chat.asked for m in request.messages]
    learnt = [m.content for part in bench.tuner.seen for side in part for c in side for m in c.prompt]
    assert not test_texts & {*shown, *learnt, *bench.embedder.embedded}
    assert not {item.id for item in ROWS.test} & {request.item_id for request in bench.chat.asked}


@every
def test_predicting_reads_train_only_for_its_examples(option: Option) -> None:
    """Dev is for choosing: none of its rows is ever shown as an example."""
    bench = shared(option)
    dev = {item.id for item in ROWS.dev}
    for outcome in bench.arm.predict(ROWS.test):
        assert isinstance(outcome, Completion)
        assert not dev & {near.item_id for near in outcome.neighbours}


@every
def test_equal_configurations_give_equal_answers(option: Option) -> None:
    one, two = fitted(option), fitted(option)
    assert config_digest(one.arm.config) == config_digest(two.arm.config)
    assert answers(list(one.arm.predict(ROWS.test))) == answers(list(two.arm.predict(ROWS.test)))


@every
def test_the_configuration_is_plain_json_and_known_before_fitting(option: Option) -> None:
    bench = Bench(option)
    before = config_digest(bench.arm.config)
    assert json.loads(json.dumps(bench.arm.config)) is not None
    bench.fit()
    assert config_digest(bench.arm.config) == before


@every
def test_one_by_one_is_the_same_as_together(option: Option) -> None:
    bench = shared(option)
    together = answers(list(bench.arm.predict(ROWS.test)))
    alone = answers([bench.arm.predict_one(item) for item in ROWS.test])
    if option.traits.encodes:  # padding beside longer rows rounds otherwise
        assert {item: said[0] for item, said in alone.items()} == {i: said[0] for i, said in together.items()}
        for item, said in alone.items():
            assert said[1] == pytest.approx(together[item][1], abs=1e-3)
        return
    assert alone == together


@every
def test_what_was_settled_is_taken_up_again(option: Option) -> None:
    first = Bench(option)
    settled = first.fit()
    second = Bench(option, tuner=dataclasses.replace(first.tuner, seen=[], opened=[]))
    again = second.fit(settled)
    assert dataclasses.replace(again, seconds=0.0) == dataclasses.replace(settled, seconds=0.0)
    assert not second.tuner.seen, "a stored artefact was trained again"
    assert answers(list(first.arm.predict(ROWS.test))) == answers(list(second.arm.predict(ROWS.test)))


@every
def test_timing_tells_batches_from_single_queries(option: Option) -> None:
    """Local answers of one pass are batched, single ones never; both take some time."""
    arm = fitted(option).arm
    together = [o for o in arm.predict(ROWS.test) if isinstance(o, Completion)]
    assert all(o.timing.batched for o in together)
    one = arm.predict_one(ROWS.test[0])
    assert isinstance(one, Completion) and not one.timing.batched
    assert one.timing.total_s > 0 and all(o.timing.total_s > 0 for o in together)


@pytest.mark.parametrize("option", [Option.PROMPT, Option.RETRIEVE], ids=lambda o: o.value)
def test_a_served_model_is_never_batched(option: Option) -> None:
    arm = fitted(option, location="remote").arm
    assert not any(o.timing.batched for o in arm.predict(ROWS.test) if isinstance(o, Completion))


@asking
def test_seconds_of_the_model_are_the_models_own(option: Option) -> None:
    bench = fitted(option)
    item = ROWS.test[0]
    bench.answering.model_s = {item.id: 0.125}
    one = bench.arm.predict_one(item)
    assert isinstance(one, Completion) and one.timing.model_s == 0.125
    assert (one.timing.retrieval_s > 0) is (option in {Option.RETRIEVE, Option.TUNE_RETRIEVE})


@asking
def test_a_failed_call_is_a_failure_and_touches_no_other_item(option: Option) -> None:
    bench, whole = fitted(option), fitted(option)
    lost = ROWS.test[3].id
    bench.answering.fails[lost] = [FailureKind.TIMEOUT, FailureKind.RATE_LIMIT]
    found = {outcome.item_id: outcome for outcome in bench.arm.predict(ROWS.test)}
    failure = found.pop(lost)
    assert isinstance(failure, Failure) and failure.kind is FailureKind.TIMEOUT and failure.attempts == 3
    expected = answers(list(whole.arm.predict(ROWS.test)))
    assert answers(list(found.values())) == {k: v for k, v in expected.items() if k != lost}
    alone = bench.arm.predict_one(ROWS.test[3])
    assert isinstance(alone, Failure) and alone.kind is FailureKind.RATE_LIMIT
    assert isinstance(bench.arm.predict_one(ROWS.test[3]), Completion), "the script is over"


@asking
def test_refresh_forgets_what_queries_left(option: Option) -> None:
    bench = fitted(option)
    list(bench.arm.predict(ROWS.test[:3]))
    assert bench.answering.kept
    bench.arm.refresh()
    assert not bench.answering.kept


@every
def test_refresh_and_close_may_always_be_called(option: Option) -> None:
    arm = fitted(option).arm
    arm.refresh()
    arm.close()
    arm.close()


@asking
def test_an_arm_closes_what_it_opened_and_nothing_else(option: Option) -> None:
    bench = fitted(option)
    bench.arm.close()
    own = option in {Option.TUNE, Option.TUNE_RETRIEVE}
    assert bench.chat.closed == 0
    assert [chat.closed for chat in bench.tuner.opened] == ([1] if own else [])


@every
def test_a_distribution_is_over_the_labels_in_their_order(option: Option) -> None:
    for outcome in shared(option).arm.predict(ROWS.test):
        assert isinstance(outcome, Completion) and outcome.choice_logprobs is not None
        assert len(outcome.choice_logprobs) == len(LABELS)
        assert math.fsum(map(math.exp, outcome.choice_logprobs)) == pytest.approx(1.0)
        best = max(range(len(LABELS)), key=lambda i: outcome.choice_logprobs[i])  # type: ignore[index]
        assert outcome.text.replace(" ", "_") == LABELS[best].name


@asking
def test_explain_shows_what_was_sent(option: Option) -> None:
    bench = fitted(option)
    item = ROWS.test[5]
    bench.arm.predict_one(item)
    assert bench.arm.explain(item).messages == bench.answering.asked[-1].messages


@every
def test_choices_come_with_their_trials(option: Option) -> None:
    """Whatever was chosen on dev can be checked: the choice is among the trials and none beat it."""
    settled = Bench(option).fit()
    if settled.trials:
        asked = Option.RETRIEVE is option
        way = ("k={k}, {labels shown}, {answers offered}").format_map(settled.choices) if asked else ""
        chosen = str(next(filter(None, map(settled.choices.get, ("classifier", "vote", "recipe"))), way))
        scores = {name: score for name, score in settled.trials if not name.startswith("the vote of")}
        assert scores[chosen] == max(scores.values())


def test_k_is_chosen_by_the_rule_that_scores() -> None:
    """A served model writes JSON; the choice on dev must not take that for a wrong answer."""
    says: Callable[[str], str] = lambda choice: json.dumps({"label": choice})  # noqa: E731
    plain, wrapped = Bench(Option.RETRIEVE), Bench(Option.RETRIEVE, location="remote")
    wrapped.chat.says = says
    assert plain.fit().trials == wrapped.fit().trials
    assert max(score for _, score in wrapped.fit().trials) > 0.5


def test_a_row_is_never_its_own_example_in_training() -> None:
    bench = fitted(Option.TUNE_RETRIEVE)
    ((train, _),) = bench.tuner.seen
    texts = {item.id: item.text for item in ROWS.train}
    for conversation in train:
        shown = [message.content for message in conversation.prompt[1:-1]]
        assert texts[conversation.item_id] not in shown and len(shown) == 4


def test_training_and_answering_use_one_rendering() -> None:
    bench = fitted(Option.TUNE)
    ((train, dev),) = bench.tuner.seen
    assert [c.completion for c in dev] == [item.label.replace("_", " ") for item in ROWS.dev]
    assert train[0].prompt == bench.arm.explain(ROWS.train[0]).messages


def test_what_the_trial_of_k_answered_is_not_asked_again() -> None:
    bench = Bench(Option.RETRIEVE)
    settings = dataclasses.replace(SETTINGS, k=(2, 4), dev_items=5)
    arm = RetrieveArm(bench.arm.id, bench.chat, bench.index(), TASK, settings)
    arm.fit(material(), None)
    asked = len(bench.chat.asked)
    assert asked == 4 * 5, "two k, the other guide, fewer answers"
    dev = list(arm.predict(ROWS.dev))
    assert len(bench.chat.asked) == asked + len(ROWS.dev) - 5
    assert sorted(o.item_id for o in dev) == sorted(item.id for item in ROWS.dev), "tried ones come first"
    resumed = RetrieveArm(bench.arm.id, bench.chat, bench.index(), TASK, settings)
    resumed.fit(material(), arm.fit(material(), None))
    assert answers(list(resumed.predict(ROWS.dev))) == answers(dev), "a resumed run has the same answers"


@given(st.integers(2, 9), st.integers(1, 300), st.integers(1, 5000), st.integers(1, 5000))
def test_choosing_takes_two_thirds_of_the_questions_at_most(
    passes: int, wanted: int, dev: int, test: int
) -> None:
    rows = rows_to_choose_on(passes, wanted, dev, test)
    assert rows <= min(wanted, dev, test) and (passes - 1) * rows <= 2 * (dev + test)
    assert rows_to_choose_on(1, wanted, dev, test) == 0, "one way of asking is no choice"


def test_the_rows_that_choose_are_spread_over_dev_and_counted() -> None:
    """A file may be sorted by label: the first few rows of dev would be of one."""
    bench = Bench(Option.RETRIEVE)
    settings = dataclasses.replace(SETTINGS, k=(2, 4), dev_items=len(LABELS))
    arm = RetrieveArm(bench.arm.id, bench.chat, bench.index(), TASK, settings)
    in_order = dataclasses.replace(material(), dev=tuple(sorted(ROWS.dev, key=lambda item: item.label)))
    fitted = arm.fit(in_order, None)
    tried = {request.item_id for request in bench.chat.asked}
    assert {item.label for item in ROWS.dev if item.id in tried} == {label.name for label in LABELS}
    assert f"chosen on {len(LABELS)} of {len(ROWS.dev)} dev items" in " ".join(fitted.notes)
    assert spread(ROWS.dev, 10_000) == ROWS.dev


def test_one_candidate_is_not_tried() -> None:
    bench = Bench(Option.RETRIEVE)
    settings = dataclasses.replace(SETTINGS, k=(4,), dev_items=5)
    arm = RetrieveArm(bench.arm.id, bench.chat, bench.index(), TASK, settings)
    fitted = arm.fit(material(), None)
    assert fitted.choices["k"] == 4 and not bench.chat.asked
    assert all(name.startswith("the vote of") for name, _ in fitted.trials), "the search costs no question"
    assert "only candidate" in fitted.notes[-1]


def test_a_prompt_over_its_budget_loses_its_farthest_examples() -> None:
    bench = Bench(Option.RETRIEVE)
    tight = RetrieveSettings(k=(4,), max_tokens=0, dev_items=0)
    for most in range(30, 120, 5):
        settings = dataclasses.replace(tight, max_tokens=most)
        arm = RetrieveArm(bench.arm.id, bench.chat, bench.index(), TASK, settings)
        arm.fit(material(), None)
        shown = arm.explain(ROWS.test[0])
        roomy = dataclasses.replace(tight, max_tokens=10_000)
        free = RetrieveArm(bench.arm.id, bench.chat, bench.index(), TASK, roomy)
        free.fit(material(), None)
        whole = free.explain(ROWS.test[0]).neighbours
        assert shown.neighbours == whole[: len(shown.neighbours)], "the nearest stay"
        fits = bench.chat.count_tokens(shown.messages) <= most
        assert fits or not shown.neighbours


@pytest.fixture(scope="module")
def embedded(smollm2: Path, minilm: Path, model_cache: Path) -> Iterator[tuple[ChatModel, EmbeddingModel]]:
    """Both embedded models, opened once."""
    settings = ModelSettings(cache=model_cache, offline=True, threads=1, precision="fp32")
    chat = open_chat("smollm2-135m", settings)
    yield chat, open_embedding("minilm-l6", settings)
    chat.close()


@pytest.mark.models
@pytest.mark.parametrize("option", [Option.LINEAR, Option.PROMPT, Option.RETRIEVE], ids=lambda o: o.value)
def test_the_embedded_models_keep_it_too(option: Option, embedded: tuple[ChatModel, EmbeddingModel]) -> None:
    chat, embedder = embedded
    few = ROWS.test[:3]
    name = ArmId(option=option, model="smollm2-135m")
    arm: Arm
    match option:
        case Option.LINEAR:
            arm = LinearArm(name, embedder, seed=17)
        case Option.PROMPT:
            arm = PromptArm(name, chat, TASK)
        case _:
            quick = RetrieveSettings(k=(2,), max_tokens=400, dev_items=2)
            index = TrainingIndex.build(ROWS.train, embedder)
            arm = RetrieveArm(name, chat, index, TASK, quick)
    arm.fit(material(), None)
    arm.refresh()
    first = list(arm.predict(few))
    arm.refresh()
    again = list(arm.predict(poisoned(few)))
    assert sorted(o.item_id for o in first) == sorted(item.id for item in few)
    assert answers(first) == answers(again)
    arm.refresh()
    together = {outcome.item_id: outcome for outcome in first}
    for one, other in ((arm.predict_one(item), together[item.id]) for item in few):
        assert isinstance(one, Completion) and isinstance(other, Completion)
        assert one.text == other.text and not one.timing.batched and other.timing.batched
        assert one.choice_logprobs == pytest.approx(other.choice_logprobs, abs=2e-3)
        assert one.timing.model_s > 0


def settled_on(k: tuple[int, ...] = (4,), **choices: str | int | float) -> tuple[Bench, RetrieveArm]:
    """A retrieve arm that takes up these choices."""
    bench = Bench(Option.RETRIEVE)
    settings = dataclasses.replace(SETTINGS, k=k, max_tokens=10_000)
    arm = RetrieveArm(bench.arm.id, bench.chat, bench.index(), TASK, settings)
    fitted = arm.fit(material(), None)
    arm.fit(material(), dataclasses.replace(fitted, choices={**fitted.choices, **choices}))
    return bench, arm


def test_answers_may_be_held_to_the_labels_of_the_rows_found() -> None:
    """The labels not offered share what dev missed, so that the distribution is over all of them."""
    bench, arm = settled_on(**{"answers offered": "labels of the rows found", "missed": 0.1})
    for outcome in arm.predict(ROWS.test):
        offered = set(bench.chat.asked[-1].choices)
        assert isinstance(outcome, Completion) and outcome.choice_logprobs is not None
        found = {item.label.replace("_", " ") for item in ROWS.train} & offered
        assert offered == found and outcome.text in offered
        if len(offered) < len(LABELS):
            rest = [p for p, label in zip(outcome.choice_logprobs, LABELS, strict=True)
                    if label.name.replace("_", " ") not in offered]  # fmt: skip
            assert math.fsum(map(math.exp, rest)) == pytest.approx(0.1)


def test_a_row_that_says_the_same_as_a_nearer_one_is_not_shown() -> None:
    """The same words with the same label teach nothing; with another label they are shown."""
    item = ROWS.train[0]
    other = next(row.label for row in ROWS.train if row.label != item.label)
    twins = (
        dataclasses.replace(item, id="twin", text=f"{item.text} !"),
        dataclasses.replace(item, id="rival", target=other),
    )
    train = (*ROWS.train, *twins)
    bench = Bench(Option.RETRIEVE)
    index = TrainingIndex.build(train, bench.embedder)
    settings = dataclasses.replace(SETTINGS, k=(4,), max_tokens=10_000)
    arm = RetrieveArm(bench.arm.id, bench.chat, index, TASK, settings)
    arm.fit(dataclasses.replace(material(), train=train), None)
    shown = {near.item_id for near in arm.explain(item).neighbours}
    assert len(shown & {item.id, "twin"}) == 1 and "rival" in shown and len(shown) == 4


def test_equal_questions_are_asked_once() -> None:
    """Where the budget holds no more rows, a larger k is the same question."""
    bench = Bench(Option.RETRIEVE)
    settings = RetrieveSettings(k=(2, 4), max_tokens=0, dev_items=5)
    arm = RetrieveArm(bench.arm.id, bench.chat, bench.index(), TASK, settings)
    trials = dict(arm.fit(material(), None).trials)
    assert trials["k=2, names, all labels"] == trials["k=4, names, all labels"]
    assert len(bench.chat.asked) == 2 * 5, "one k, and fewer answers"
