"""The tokenizer built from the GGUF file against llama.cpp's own reading of the same file."""

import json
import urllib.request

import pytest

pytestmark = pytest.mark.models

TEXTS = (
    "No 12  3",
    "Grüße, 100 €\n\n\tEnde",
    "I'm 3x  \n12 don't  1.299,00\t\n  x",
    "日本語 🙂 ½ ²3",
    "<b>Fwd: Re:</b>\r\n\r\n> cela ne marche pas…",
)


def test_tokens_are_those_of_llama_cpp(smollm2):
    xllamacpp = pytest.importorskip("xllamacpp")
    from transformers import AutoTokenizer

    params = xllamacpp.CommonParams()
    params.model.path = str(smollm2 / "SmolLM2-135M-Instruct.Q4_1.gguf")
    params.n_ctx, params.cpuparams.n_threads, params.warmup = 256, 1, False
    server = xllamacpp.Server(params)
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    for text in TEXTS:
        body = json.dumps({"content": text, "add_special": False}).encode()
        request = urllib.request.Request(
            server.listening_address + "/tokenize", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert tokenizer(text)["input_ids"] == json.loads(answer.read())["tokens"]
