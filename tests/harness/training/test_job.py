"""A job for a rented GPU: the script compiles, its rows parse, and it renders them as we do."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from harness.bakeoff.plan import build_plan
from harness.bakeoff.tuning import export_job
from harness.core.errors import UsageError
from harness.core.serial import decode
from harness.models.local.rendering import Renderer
from harness.training.rows import tokenise_all
from harness.training.trl_trainer import total_steps
from harness.training.tuned_model import ExportedJob
from tests.harness.bakeoff.test_run import context
from tests.support.desk import write_tickets


def plan(tickets, model="smollm2-135m", **tune):
    raw = {
        "seed": 17,
        "data": {"file": str(tickets), "text": ["subject", "body"], "label": "queue"},
        "arms": [{"option": "tune", "model": model}],
        "tune": tune,
        "cost": {"price_date": "2026-11-23"},
    }
    return build_plan(raw, "test")


@pytest.fixture
def tickets(tmp_path):
    return write_tickets(tmp_path / "tickets.csv", each=12)


@pytest.fixture
def job(tickets, tmp_path):
    export_job(plan(tickets), "", tmp_path / "job", context(tmp_path))
    return tmp_path / "job"


def load(path, name="exported_job"):
    """The script as a module of its own; nothing of `harness` may be needed to load it."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_what_lies_in_the_folder(job, tmp_path):
    assert {path.name for path in job.iterdir()} == {
        "train.py", "train.ipynb", "train.jsonl", "dev.jsonl", "job.json", "requirements.txt",
    }  # fmt: skip
    found = decode(ExportedJob, (job / "job.json").read_bytes())
    assert found.hub_base == "HuggingFaceTB/SmolLM2-135M-Instruct" and found.base_model == "smollm2-135m"
    assert found.recipe.tuned_layers is None and found.recipe.max_tokens == 256, "a GPU's recipe"
    pins = (job / "requirements.txt").read_text().split()
    assert {"unsloth==2026.10.9", "trl==1.14.2"} <= set(pins) and all("==" in pin for pin in pins)


def test_the_script_stands_alone(job):
    text = (job / "train.py").read_text()
    compile(text, "train.py", "exec")
    assert "import harness" not in text and "from harness" not in text
    module = load(job / "train.py")
    assert module.main.__module__ == "exported_job"
    assert module.Renderer is not Renderer


def test_rows_have_roles_and_contents_and_no_test_row(job, tickets, tmp_path):
    from harness.bakeoff.evalset import load_rows

    evalset = load_rows(plan(tickets), context(tmp_path))
    rows = [json.loads(line) for line in (job / "train.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [item.id for item in evalset.train]
    assert [[turn["role"] for turn in row["messages"]] for row in rows[:2]] == [
        ["system", "user", "assistant"], ["system", "user", "assistant"],
    ]  # fmt: skip
    assert rows[0]["messages"][-1]["content"] == evalset.train[0].label.replace("_", " ")
    everything = "".join(path.read_text() for path in job.iterdir() if path.suffix == ".jsonl")
    assert not any(json.dumps(item.text)[1:-1] in everything for item in evalset.test)


@pytest.mark.models
@pytest.mark.parametrize("recipe", [{"max_tokens": 256}, {"max_tokens": 40, "answer": "codes"}])
def test_rows_are_rendered_as_ours(job, smollm2, tickets, tmp_path, recipe):
    from transformers import AutoTokenizer

    from harness.bakeoff.evalset import load_rows
    from harness.bakeoff.tuning import _conversations
    from harness.tasks.kinds import task_of

    module, tokenizer = load(job / "train.py"), AutoTokenizer.from_pretrained(smollm2)
    evalset = load_rows(plan(tickets), context(tmp_path))
    task = task_of(evalset.space, plan(tickets).prompt.limits)
    for name, items in (("train", evalset.train), ("dev", evalset.dev)):
        theirs = module.token_rows(
            module.read_rows(job / f"{name}.jsonl"), module.Renderer(tokenizer), recipe
        )
        ours = tokenise_all(
            _conversations(items, task, {}), Renderer(tokenizer), recipe["max_tokens"],
            one_token="answer" in recipe,
        )  # fmt: skip
        assert theirs == [{"input_ids": list(row.ids), "labels": row.labels} for row in ours]
        assert all(any(label != -100 for label in row["labels"]) for row in theirs)


def test_the_trainers_settings_are_the_recipes(job, tickets):
    from trl import SFTConfig

    module, found = load(job / "train.py"), decode(ExportedJob, (job / "job.json").read_bytes())
    recipe = json.loads((job / "job.json").read_text())["recipe"]
    settings = module.trainer_settings(recipe, found.train_rows)
    assert settings["max_steps"] == total_steps(found.train_rows, found.recipe)
    arguments = SFTConfig(output_dir="x", use_cpu=True, **settings)
    assert arguments.learning_rate == found.recipe.learning_rate and arguments.lr_scheduler_type == "linear"
    stopping = module.trainer_settings({**recipe, "patience": 2}, found.train_rows)
    assert stopping["save_steps"] == stopping["eval_steps"] and stopping["load_best_model_at_end"]
    SFTConfig(output_dir="x", use_cpu=True, **stopping)
    adapter = module.adapter_settings({**recipe, "tuned_layers": 3}, 10)
    assert adapter["layers_to_transform"] == [7, 8, 9] and adapter["r"] == found.recipe.rank
    assert module.adapter_settings(recipe, 10)["layers_to_transform"] is None


def test_the_notebook_unpacks_to_the_same_files(job, tmp_path, monkeypatch):
    book = json.loads((job / "train.ipynb").read_text())
    assert book["nbformat"] == 4 and len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    sources = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert sources[0].startswith("%pip install") and "unsloth==2026.10.9" in sources[0]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    unpack = next(source for source in sources if "b64decode" in source)
    exec(compile(unpack, "cell", "exec"), {})
    for name in ("train.py", "train.jsonl", "dev.jsonl", "job.json", "requirements.txt"):
        assert (tmp_path / "elsewhere" / name).read_bytes() == (job / name).read_bytes()


@pytest.mark.parametrize(
    ("model", "words"), [("openai/gpt-6-luna", "Hub models"), ("./folder", "Hub models")]
)
def test_bases_a_rented_machine_cannot_load(tickets, tmp_path, model, words):
    with pytest.raises(UsageError, match="Hugging Face Hub only"):
        export_job(plan(tickets, model), "", tmp_path / "job", context(tmp_path))
    assert not (tmp_path / "job").exists()


def test_a_full_folder_is_left_alone(tickets, tmp_path):
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "mine").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        export_job(plan(tickets), "", tmp_path / "job", context(tmp_path))


@pytest.mark.models
def test_an_adapter_of_a_job_is_imported_and_scored(smollm2, tmp_path):
    """The adapter a job would bring back, made here: `job.json` and `training.json` beside the weights."""
    import shutil

    import yaml

    from harness.recommendation.run import import_into
    from harness.shipping.importing import ImportRequest, read_imports
    from tests.harness.bakeoff.test_tuning import plan as tiny_plan
    from tests.harness.training.conftest import make_tiny
    from tests.support.bakeoff import start_bakeoff

    base = make_tiny(tmp_path / "base", smollm2, layers=2)
    tickets = write_tickets(tmp_path / "tickets.csv", each=12)
    tuned = tiny_plan(tickets, base, epochs=1.0)
    run, before = start_bakeoff(tuned, context(tmp_path))
    (adapter,) = (path.parent for path in run.artefacts.glob("*/adapter_config.json"))
    back = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    record = next(arm.fitted.artefact for arm in before.arms if arm.fitted.artefact)
    from harness.core.serial import encode
    from harness.shipping.shipped import task_of
    from harness.training.tuned_model import Done

    arm = next(arm.arm for arm in before.arms if arm.fitted.artefact)
    job = ExportedJob(
        arm=arm, seed=17, plan_digest=tuned.digest, evalset="tickets", hub_base="org/tiny",
        base_model=str(base), base_digest="", data_digest=record.data_digest, recipe=record.recipe,
        train_rows=record.train_rows, task=task_of(run, arm, record.codes),
    )  # fmt: skip
    done = Done(steps=4, seconds=9.0, tokens=99, curve=((1, 2.0),), packages={}, device="Tesla T4, float16")
    (back / "job.json").write_text(encode(job))
    (back / "training.json").write_text(encode(done))
    results = import_into(run, ImportRequest(name="t4", path=back), context(tmp_path))
    imported, own = results.arms[-1], next(a for a in results.arms if a.arm == arm)
    assert str(imported.arm) == "tune@t4"
    assert imported.quality.primary.value == own.quality.primary.value, "the same weights, the same answers"
    assert imported.latency.p50_ms.value is not None and imported.cost.usd_per_1k.usd is not None
    assert any("Tesla T4" in note for note in imported.fitted.notes)
    assert any("org/tiny" in note for note in imported.fitted.notes)
    assert read_imports(run)[0].kind == "adapter" and results.looks == before.looks + 1
    assert yaml.safe_load((run.root / "plan.yaml").read_text())["arms"] == [
        one.model_dump(mode="json") for one in tuned.arms
    ]
