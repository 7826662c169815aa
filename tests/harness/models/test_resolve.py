"""Model names mean what the rules say, wrong ones say what is allowed."""

from pathlib import Path

import pytest

from harness.core.errors import ModelUnavailable, UsageError
from harness.models.open import open_chat
from harness.models.resolve import PROVIDERS, Embedded, Folder, HubModel, Provider, local_folder, resolve
from harness.models.settings import ModelSettings


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("smollm2-135m", Embedded(name="smollm2-135m")),
        ("hf:Qwen/Qwen3-0.6B", HubModel(repo="Qwen/Qwen3-0.6B")),
        ("hf:Qwen/Qwen3-0.6B@abc123", HubModel(repo="Qwen/Qwen3-0.6B", revision="abc123")),
        ("hf:openai/gpt-oss-20b", HubModel(repo="openai/gpt-oss-20b")),
        ("Qwen/Qwen3-0.6B", HubModel(repo="Qwen/Qwen3-0.6B")),
        ("openai/gpt-oss-20b", Provider(model="openai/gpt-oss-20b")),
        ("openrouter/qwen/qwen3-8b", Provider(model="openrouter/qwen/qwen3-8b")),
        ("hosted_vllm/my-model", Provider(model="hosted_vllm/my-model")),
    ],
)
def test_strings_mean_what_the_rules_say(model, source):
    assert resolve(model) == source


def test_folders_win_over_the_hub_but_not_over_providers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme" / "model").mkdir(parents=True)
    (tmp_path / "openai" / "model").mkdir(parents=True)
    assert isinstance(resolve("acme/model"), Folder)
    assert isinstance(resolve("openai/model"), Provider)
    assert isinstance(resolve("./openai/model"), Folder)
    assert resolve(str(tmp_path)) == Folder(path=tmp_path)


@pytest.mark.parametrize("model", ["", "gpt-6", "a b/c", "hf:nothing", "org/name/more", "hf:"])
def test_other_strings_are_refused_with_the_allowed_forms(model):
    with pytest.raises(ModelUnavailable, match="hf:org/name"):
        resolve(model)


def test_missing_weights_say_what_to_do(tmp_path):
    settings = ModelSettings(cache=tmp_path, offline=True)
    with pytest.raises(ModelUnavailable, match="harness models pull"):
        local_folder(Embedded(name="smollm2-135m"), settings)
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        local_folder(Folder(path=tmp_path / "none"), settings)


def test_a_hub_model_offline_is_a_clear_error(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    with pytest.raises(ModelUnavailable, match="--offline"):
        local_folder(HubModel(repo="acme/never-downloaded"), ModelSettings(cache=tmp_path, offline=True))


@pytest.mark.slow
def test_every_provider_is_one_of_litellm(monkeypatch):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    assert {str(getattr(p, "value", p)) for p in litellm.provider_list} >= PROVIDERS


@pytest.mark.parametrize("asked", [{"effort": "low"}, {"batches": Path("batches")}])
def test_a_model_that_runs_here_takes_no_effort_and_no_batches(
    asked: dict[str, object], tmp_path: Path
) -> None:
    settings = ModelSettings(cache=tmp_path, **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="runs here"):
        open_chat("smollm2-135m", settings)
