"""Recipe and budget are pure: what the plan says wins, and a budget takes whole steps away."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.training.recipe import TrainingHardware, TrainingSpeed, budget_recipe, choose_recipe
from harness.training.settings import TunePlan
from harness.training.trl_trainer import total_steps
from tests.harness.training.samples import recipe

CPU = TrainingHardware(device="cpu", precision="fp32", layers=30)
GPU = TrainingHardware(device="cuda", precision="bf16", layers=30)


def test_what_the_plan_states_wins():
    plan = TunePlan(epochs=2, rank=3, learning_rate=0.01, batch_size=5, max_tokens=50, layers=7)
    chosen = choose_recipe(plan, 700, CPU, 9)
    assert (chosen.epochs, chosen.rank, chosen.alpha) == (2, 3, 6)
    assert (chosen.learning_rate, chosen.batch_size) == (0.01, 5)
    assert (chosen.max_tokens, chosen.tuned_layers, chosen.seed) == (50, 7, 9)


def test_method_names_the_precision():
    assert choose_recipe(TunePlan(), 700, CPU, 1).method == "lora-fp32"
    assert choose_recipe(TunePlan(), 700, GPU, 1).method == "lora-bf16"
    assert choose_recipe(TunePlan(method="qlora-4bit"), 700, CPU, 1).method == "qlora-4bit"


def test_codes_are_learnt_unless_the_plan_asks_for_words():
    assert choose_recipe(TunePlan(), 700, CPU, 1).answer == "codes"
    assert choose_recipe(TunePlan(answer="words"), 700, CPU, 1).answer == "words"


def test_a_gpu_tunes_all_layers_and_a_cpu_the_upper_ones():
    assert choose_recipe(TunePlan(), 700, GPU, 1).tuned_layers is None
    assert choose_recipe(TunePlan(), 9000, GPU, 1).tuned_layers is None
    assert choose_recipe(TunePlan(), 3999, CPU, 1).tuned_layers == 8, "a quarter of 30"
    assert choose_recipe(TunePlan(), 4000, CPU, 1).tuned_layers == 15, "more rows, more to learn below"


@pytest.mark.parametrize(("rows", "on", "rate"), [(700, GPU, 2e-3), (9000, GPU, 1e-3), (9000, CPU, 2e-3)])
def test_the_rate_falls_with_many_rows_where_all_layers_are_tuned(rows, on, rate):
    assert choose_recipe(TunePlan(), rows, on, 1).learning_rate == rate


def test_examples_in_the_prompt_get_room():
    alone = choose_recipe(TunePlan(), 700, CPU, 1).max_tokens
    assert choose_recipe(TunePlan(), 700, CPU, 1, shown=4).max_tokens == 5 * alone
    assert choose_recipe(TunePlan(max_tokens=99), 700, CPU, 1, shown=4).max_tokens == 99


def test_more_layers_than_there_are_is_refused():
    with pytest.raises(UsageError, match="more layers"):
        choose_recipe(TunePlan(layers=31), 700, CPU, 1)


def test_a_budget_by_hand():
    # 100 rows in batches of 10 are 10 steps an epoch; 1,000 tokens at 100/s are 1 s a step.
    # 5 s of frozen leave 15 s of the 20: 15 steps, 1.5 epochs.
    speed = TrainingSpeed(frozen_tokens_per_s=200.0, step_tokens_per_s=100.0)
    fitted = budget_recipe(recipe(epochs=3.0, batch_size=10), 100, 1000, speed, 20.0)
    assert fitted.recipe.epochs == pytest.approx(1.5)
    assert fitted.seconds == pytest.approx(20.0)
    assert "3 to 1.5 epochs (15 of 30 steps)" in fitted.cut


def test_enough_time_changes_nothing():
    asked = recipe(epochs=3.0)
    fitted = budget_recipe(
        asked, 100, 1000, TrainingSpeed(frozen_tokens_per_s=None, step_tokens_per_s=1e6), 60
    )
    assert fitted.recipe == asked and fitted.cut == ""


@given(
    rows=st.integers(1, 5000),
    batch=st.integers(1, 64),
    epochs=st.floats(0.1, 20),
    speed=st.floats(10, 1e5),
    seconds=st.floats(1, 1000),
)
def test_a_budget_is_kept_and_gives_the_steps_it_says(rows, batch, epochs, speed, seconds):
    asked = recipe(epochs=epochs, batch_size=batch)
    measured = TrainingSpeed(frozen_tokens_per_s=None, step_tokens_per_s=speed)
    fitted = budget_recipe(asked, rows, rows * 80, measured, seconds)
    steps = total_steps(rows, fitted.recipe)
    step_s = rows * 80 / speed / math.ceil(rows / batch)
    assert 1 <= steps <= total_steps(rows, asked)
    assert steps == 1 or steps * step_s <= seconds * (1 + 1e-9)
    if fitted.cut:
        assert f"({steps} of {total_steps(rows, asked)} steps)" in fitted.cut
