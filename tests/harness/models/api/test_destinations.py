"""Where calls may go and which key goes along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ModelUnavailable
from harness.models.api.destinations import (
    OWN_HOSTS,
    Destination,
    destination,
    host_variable,
    is_loopback,
    key_for,
    owns_host,
)
from harness.models.resolve import PROVIDERS

BOTH = {"OPENAI_API_KEY": "sk-provider", "TOR_API_KEY": "own"}


def at(base: str | None, provider: str = "openai", *, offline: bool = False) -> Destination:
    return destination(provider, base, offline=offline)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8000/v1", "http://127.8.9.10/v1", "http://localhost:1", "http://LOCALHOST./v1",
        "http://gateway.localhost/v1", "http://[::1]:8000/v1", "http://[::ffff:127.0.0.1]/v1",
        "http://0.0.0.0:8000/v1", "127.0.0.1:8000",
    ],
)  # fmt: skip
def test_this_machine_has_many_names(address):
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    ["https://api.openai.com/v1", "http://10.0.0.5/v1", "http://127.0.0.1@evil.example/v1", "http://127.0.0.1.evil.example",
     "http://localhost.evil.example", "http://[::1", "", None, "http://128.0.0.1"],
)  # fmt: skip
def test_other_machines_are_not_this_one(address):
    assert not is_loopback(address)


@pytest.mark.parametrize(
    ("provider", "host"),
    [
        ("openai", "api.openai.com"), ("openai", "eu.api.openai.com"), ("anthropic", "api.anthropic.com"),
        ("azure", "contoso.openai.azure.com"), ("bedrock", "bedrock-runtime.eu-central-1.amazonaws.com"),
        ("vertex_ai", "europe-west4-aiplatform.googleapis.com"), ("groq", "API.GROQ.COM."),
    ],
)  # fmt: skip
def test_own_hosts(provider, host):
    assert owns_host(provider, host)


@pytest.mark.parametrize(
    ("provider", "host"),
    [
        ("openai", "api.anthropic.com"), ("openai", "api.openai.com.evil.example"),
        ("openai", "evil-api.openai.com"),
        ("openai", "openai.com"), ("openai", ""),
        ("azure", "a.b.openai.azure.com"), ("azure", "openai.azure.com"),
        ("bedrock", "bucket.s3.amazonaws.com"), ("bedrock", "x.execute-api.eu-central-1.amazonaws.com"),
        ("hosted_vllm", "api.openai.com"), ("openai", ".api.openai.com"),
    ],
)  # fmt: skip
def test_hosts_of_others(provider, host):
    assert not owns_host(provider, host)


def test_the_table_names_known_providers_only_and_where_litellm_goes_by_default():
    from harness.models.api.library import load_litellm

    litellm = load_litellm()
    assert set(OWN_HOSTS) <= PROVIDERS
    for provider in PROVIDERS:
        base = litellm.get_llm_provider(f"{provider}/x")[3]
        if base and not is_loopback(base):
            assert Destination(provider=provider, base=None).allows(base), (provider, base)


@pytest.mark.parametrize(
    ("base", "environ", "key"),
    [
        (None, BOTH, None),
        ("https://api.openai.com/v1", {"OPENAI_API_KEY": "sk-provider"}, None),
        ("https://api.openai.com/v1", BOTH, "own"),
        ("https://gateway.example/v1", {"OPENAI_API_KEY": "sk-provider"}, "none"),
        ("https://gateway.example/v1", BOTH, "own"),
        ("https://gateway.example/v1", {**BOTH, "TOR_API_KEY_GATEWAY_EXAMPLE": "its"}, "its"),
        ("https://other.example/v1", {"TOR_API_KEY_GATEWAY_EXAMPLE": "its"}, "none"),
        ("http://127.0.0.1:8000/v1", {"OPENAI_API_KEY": "sk-provider"}, "none"),
        ("http://127.0.0.1:8000/v1", BOTH, "own"),
        ("http://10.0.0.5:8000/v1", {"OPENAI_API_KEY": "sk-provider"}, "none"),
        ("https://api.anthropic.com/v1", {"OPENAI_API_KEY": "sk-provider"}, "none"),
    ],
)
def test_which_key_goes_where(base, environ, key):
    assert key_for(at(base), environ) == key


def test_the_providers_host_in_clear_text_is_not_its_own():
    assert key_for(at("http://api.openai.com/v1"), {"OPENAI_API_KEY": "sk-provider"}) == "none"


def test_a_key_does_not_travel_in_clear_text():
    with pytest.raises(ModelUnavailable, match="clear text"):
        key_for(at("http://10.0.0.5:8000/v1"), BOTH)


def test_host_variable():
    assert host_variable("https://llm-gw.example.com:8443/v1") == "TOR_API_KEY_LLM_GW_EXAMPLE_COM"


@pytest.mark.parametrize(
    "base",
    ["ftp://h/v1", "gateway.example/v1", "https://", "http://h:99999/v1", "http://[::1/v1", "http://a\\@b/v1",
     "http://a b/v1", "https://user:secret@h/v1", "\x00", "file:///etc/passwd"],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_no_password_is_repeated(base):
    with pytest.raises(ModelUnavailable) as caught:
        at(base)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text):
    try:
        where = at(text)
    except ModelUnavailable:
        return
    assert where.allows(text)


def test_credentials_that_cannot_be_held_back_stay_at_home():
    with pytest.raises(ModelUnavailable, match="own hosts"):
        at("https://gateway.example", "bedrock")
    assert at("https://contoso.openai.azure.com", "azure").own


def test_a_provider_without_hosts_needs_an_address():
    with pytest.raises(ModelUnavailable, match="address of its own"):
        at(None, "hosted_vllm")


def test_offline_stays_on_this_machine():
    assert at("http://127.0.0.1:1/v1", offline=True).loopback
    for base in (None, "https://api.openai.com/v1", "http://10.0.0.5/v1"):
        with pytest.raises(ModelUnavailable, match="--offline"):
            at(base, offline=True)


@pytest.mark.parametrize(
    ("base", "url", "allowed"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/other", True),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8001/v1", False),
        ("http://127.0.0.1:8000/v1", "http://localhost:8000/v1", False),
        ("http://h.example/v1", "https://h.example/v1", True),
        ("https://h.example/v1", "http://h.example/v1", False),
        ("https://h.example/v1", "https://h.example:443/v1", True),
        ("https://h.example/v1", "https://h.example:8443/v1", False),
        ("https://h.example/v1", "http://[::1", False),
        (None, "https://api.openai.com/v1/chat/completions", True),
        (None, "http://api.openai.com/v1/chat/completions", False),
        (None, "https://evil.example/", False),
    ],
)
def test_a_request_stays_where_it_belongs(base, url, allowed):
    assert at(base).allows(url) is allowed
