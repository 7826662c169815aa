"""The model card says what was measured; a push goes through huggingface_hub up to its network boundary."""

from __future__ import annotations

import httpx
import pytest
import yaml

from harness.core.errors import ModelUnavailable, UsageError
from harness.shipping.registry.card import card_of
from harness.shipping.registry.registry import Push, hub_token, push_adapter
from tests.support.artefacts import artefact, origin, parity, task, write_adapter

PUSH = Push(repo="org/tickets", token="secret-token", private=True, message="tickets@1")


def card(tmp_path, **changes):
    folder = write_adapter(tmp_path / "a")
    return card_of("tickets 1", artefact(folder), origin(**changes), task(), [parity(False, 0.5)])


def test_the_cards_metadata_is_what_the_hub_reads(tmp_path):
    _, head, body = card(tmp_path).split("---\n", 2)
    meta = yaml.safe_load(head)
    assert meta["base_model"] == "smollm2-135m" and meta["license"] == "apache-2.0"
    assert meta["library_name"] == "peft"
    (result,) = meta["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.7}] and result["dataset"]["split"] == "dev"
    assert body.lstrip().startswith("# tickets 1")


def test_the_card_says_how_to_ask_and_hides_nothing(tmp_path):
    text = card(tmp_path)
    assert "system: Classify the message." in text and "user: <the message>" in text
    assert "`sign in`" in text, "the answers as the model writes them"
    assert "parity FAILED: gguf q8_0 served by llamacpp" in text and "50.0 %" in text
    assert "accuracy on test: not measured" in text
    assert "LoRA on an fp32 base" in text and "QLoRA" not in text
    assert "d" * 64 in text and "b" * 64 in text


def test_the_card_lists_every_code_with_its_label(tmp_path):
    record, codes = artefact(write_adapter(tmp_path / "a")), {"billing": " invoice", "sign_in": " login"}
    text = card_of("tickets 1", record, origin(), task(codes=codes))
    assert '| `" invoice"` | `billing` |' in text and '| `" login"` | `sign_in` |' in text
    assert "max_tokens: 1" in text and "`sign in`" not in text


def test_what_is_not_known_is_said(tmp_path):
    text = card(tmp_path, licence="", dev=None, data_licence="")
    assert yaml.safe_load(text.split("---\n", 2)[1])["license"] == "unknown"
    assert "model-index" not in text and "Licence of the base model: not known" in text


def test_a_push_needs_a_token(monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(UsageError, match="access token") as caught:
        hub_token({})
    assert "HF_TOKEN" in str(caught.value)
    assert hub_token({"HF_TOKEN": "a"}) == "a"
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "stored")
    assert hub_token({}) == "stored"


class Hub:
    """What is called of HfApi, remembered."""

    def __init__(self, fails=None):
        self.calls, self.fails = [], fails

    def create_repo(self, **how):
        self.calls.append(("create", how))

    def upload_folder(self, **how):
        if self.fails:
            raise self.fails
        self.calls.append(("upload", how))
        return type("Commit", (), {"commit_url": "https://hub.example/org/tickets/commit/1"})()


def test_a_push_makes_the_repository_and_one_commit(tmp_path):
    folder, hub = write_adapter(tmp_path / "a"), Hub()
    assert push_adapter(folder, PUSH, hub) == "https://hub.example/org/tickets/commit/1"
    (_, create), (_, upload) = hub.calls
    assert create == {"repo_id": "org/tickets", "private": True, "exist_ok": True, "repo_type": "model"}
    assert upload["folder_path"] == str(folder) and upload["commit_message"] == "tickets@1"


def test_a_push_over_the_real_client_reaches_the_network_and_no_further(tmp_path, monkeypatch):
    """The real HfApi; the transport below it refuses. No secret stands in the message."""
    import huggingface_hub

    asked = []

    def refuse(request):
        asked.append((request.method, request.url.path, request.headers.get("authorization")))
        raise httpx.ConnectError("secret-token: no route", request=request)

    client = httpx.Client(transport=httpx.MockTransport(refuse))
    monkeypatch.setattr(huggingface_hub.hf_api, "get_session", lambda: client)
    with pytest.raises(ModelUnavailable, match="did not take org/tickets") as caught:
        push_adapter(write_adapter(tmp_path / "a"), PUSH)
    assert asked[0][:2] == ("POST", "/api/repos/create") and asked[0][2] == "Bearer secret-token"
    assert "secret-token" not in str(caught.value)


def test_a_pickle_is_not_pushed(tmp_path):
    folder, hub = write_adapter(tmp_path / "a"), Hub()
    (folder / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(ModelUnavailable, match="pickle"):
        push_adapter(folder, PUSH, hub)
    assert hub.calls == []


@pytest.mark.parametrize("repo", ["a b/c", "x" * 100])
def test_a_wrong_name_of_a_repository(tmp_path, repo):
    from huggingface_hub import HfApi

    with pytest.raises(UsageError, match="no name of a repository"):
        push_adapter(
            write_adapter(tmp_path / "a"), Push(repo=repo, token="t", private=True, message="m"), HfApi()
        )
