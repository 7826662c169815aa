"""Exports of a tiny model: merged weights, GGUF that llama.cpp reads as transformers does, launch files."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import MissingExtra, ModelUnavailable
from harness.core.records import Message
from harness.models.local.rendering import Renderer
from harness.shipping.export.gguf import Titles, paired, quantise, read_words, rotation_factors, write_gguf
from harness.shipping.export.launch_files import (
    Launch,
    adapter_files,
    gguf_files,
    go_template,
    merged_files,
    take_apart,
    vllm_words,
)
from harness.shipping.export.merge import merge_into
from tests.harness.training.samples import conversations
from tests.support.artefacts import artefact, task, write_adapter

pytestmark = pytest.mark.models
TITLES = Titles(name="tiny", base="tiny", licence="apache-2.0")
TEXTS = (
    "Where is my invoice 4711? I can't find it.",
    "Änderung: 12,50 € zurück!\n\n  déjà vu 🙂",
    "<b>x</b>",
)


def llama(file, context=512):
    """llama.cpp in this process; keys and values in fp32, so that only its arithmetic differs."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx, params.n_parallel, params.port = context, 1, 0
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames = ["127.0.0.1"]
    params.ui = params.warmup = False
    params.verbosity = 0
    return xllamacpp.Server(params)


def top_logprobs(server, ids, count=20):
    asked = {"prompt": ids, "n_predict": 1, "n_probs": count, "temperature": 0.0, "cache_prompt": False}
    raw = server.handle_completions(asked)
    found = raw if isinstance(raw, dict) else json.loads(raw)
    tops = found["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return {entry["id"]: entry["logprob"] for entry in tops}


def reference_logprobs(folder, ids):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].log_softmax(-1).tolist()


@pytest.mark.parametrize(
    ("kind", "mean", "most"), [("f32", 0.03, 0.3), ("f16", 0.1, 0.6), ("q8_0", 1.0, 4.0)]
)
def test_llama_cpp_reads_what_transformers_reads(tiny, tmp_path, kind, mean, most):
    """The tiny model's weights are drawn fifteen times wider than usual, which widens rounding as well."""
    from transformers import AutoTokenizer

    file = tmp_path / f"tiny-{kind}.gguf"
    write_gguf(tiny, file, kind, TITLES)
    server, tokenizer = llama(file), AutoTokenizer.from_pretrained(tiny)
    apart = []
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        expected = reference_logprobs(tiny, ids)
        apart += [abs(logprob - expected[token]) for token, logprob in top_logprobs(server, ids).items()]
    assert len(apart) == 20 * len(TEXTS)
    assert np.mean(apart) <= mean and max(apart) <= most
    assert not list(tmp_path.glob(".*"))


def test_the_file_tokenises_and_renders_as_the_folder_does(tiny, tmp_path):
    import urllib.request

    from transformers import AutoTokenizer

    file = tmp_path / "tiny.gguf"
    write_gguf(tiny, file, "f16", TITLES)
    server, tokenizer = llama(file), AutoTokenizer.from_pretrained(tiny)

    def ask(path, body):
        request = urllib.request.Request(
            f"{server.listening_address}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.loads(answer.read())

    for text in (*TEXTS, "1234567", "   lead", "I'm can't won't"):
        expected = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ask("/tokenize", {"content": text})["tokens"] == expected
    turns = [{"role": m.role, "content": m.content} for m in conversations()[0].prompt]
    rendered = Renderer(tokenizer).render_prompt(conversations()[0].prompt)
    assert ask("/apply-template", {"messages": turns})["prompt"] == rendered


def test_a_second_reader_of_the_file_gets_the_weights_back(tiny, tmp_path):
    """transformers' own GGUF reader puts queries and keys back in its order."""
    import torch
    from transformers import AutoModelForCausalLM

    write_gguf(tiny, tmp_path / "tiny.gguf", "f32", TITLES)
    back = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf", dtype=torch.float32)
    own = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).state_dict()
    for name, weight in back.state_dict().items():
        assert torch.allclose(weight, own[name], atol=1e-6), name


def test_rows_change_places_in_pairs():
    """One head of four rows: (0, 1 | 2, 3) are pairs (0, 2) and (1, 3), which come to stand together."""
    rows = np.arange(4).reshape(4, 1)
    assert paired(rows, 1).ravel().tolist() == [0, 2, 1, 3]
    assert paired(np.arange(8).reshape(8, 1), 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_scaled_rotation_is_slowed_as_published():
    """Llama 3.1: high frequencies as they are, low ones slowed by the factor, in between a mixture."""
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
    }  # fmt: skip
    config = {"hidden_size": 4096, "num_attention_heads": 32, "head_dim": 128, "rope_parameters": rope}
    factors = rotation_factors(config)
    assert factors.shape == (64,) and factors[0] == pytest.approx(1.0) and factors[-1] == pytest.approx(8.0)
    assert (np.diff(factors) >= -1e-6).all()
    freq = 1 / 500000.0 ** (2 * 33 / 128)  # of pair 33: 7,200 < wavelength < 8,192, in between
    smooth = (8192 * freq / (2 * np.pi) - 1.0) / (4.0 - 1.0)
    if 0 < smooth < 1:
        assert factors[33] == pytest.approx(1 / ((1 - smooth) / 8.0 + smooth), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architectures": ["Qwen2ForCausalLM"]}, "Qwen2ForCausalLM"),
        ({"attention_bias": True}, "with biases"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rotation yarn"),
    ],
)
def test_what_would_be_written_wrongly_is_refused(tiny, tmp_path, change, words):
    import shutil

    other = Path(shutil.copytree(tiny, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelUnavailable, match="cannot be written as GGUF") as caught:
        write_gguf(other, tmp_path / "x.gguf", "f16", TITLES)
    assert words in str(caught.value) and not (tmp_path / "x.gguf").exists()


def test_an_unknown_tokenizer_is_refused(tiny, tmp_path):
    raw = json.loads((tiny / "tokenizer.json").read_text())
    raw["pre_tokenizer"] = {"type": "Whitespace"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw))
    (tmp_path / "tokenizer_config.json").write_text((tiny / "tokenizer_config.json").read_text())
    with pytest.raises(ModelUnavailable, match="tokenizer cannot be written") as caught:
        read_words(tmp_path, 49152)
    assert "Whitespace" in str(caught.value)
    assert read_words(tiny, 49152).splitting == "smollm"


def test_k_quants_need_llama_cpps_own_program(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match="llama-quantize"):
        quantise(tmp_path / "a.gguf", tmp_path / "b.gguf", "q4_k_m")
    tool = tmp_path / "llama-quantize"
    tool.write_text('#!/bin/sh\necho "$3" > "$2"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    quantise(tmp_path / "a.gguf", tmp_path / "b.gguf", "q4_k_m")
    assert (tmp_path / "b.gguf").read_text() == "Q4_K_M\n"


def test_merged_weights_are_peft_s_own(tuner, tmp_path):
    """The same logits as base and adapter together, and nothing but safetensors and texts."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tests.support.float64 import float64

    trained = tuner()
    trained.tune(conversations(), (), [].append)
    adapter, out = trained.settings.artefacts / "tune", tmp_path / "merged"
    out.mkdir()
    merge_into(trained.settings.base, adapter, out, "fp32")
    base = AutoModelForCausalLM.from_pretrained(trained.settings.base, dtype=torch.float32)
    both = PeftModel.from_pretrained(base, adapter)
    merged = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(out)(TEXTS[0], return_tensors="pt")["input_ids"]
    with torch.no_grad(), float64():
        assert torch.allclose(both.double()(ids).logits, merged.double()(ids).logits, atol=1e-4)
    assert {path.suffix for path in out.iterdir()} <= {".safetensors", ".json", ".jinja"}
    assert str(trained.settings.base) not in (out / "config.json").read_text()
    assert json.loads((out / "config.json").read_text())["dtype"] == "float32"


def test_a_pickle_is_not_merged(tiny, tmp_path):
    folder = write_adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(ModelUnavailable, match="pickle"):
        merge_into(tiny, folder, tmp_path / "out", "fp32")


def tokenizer_of(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def go(template, messages):
    """What Go's text/template makes of the few constructs used: a second reading, by hand."""
    body = re.fullmatch(r"\{\{- range \.Messages \}\}(.*)\{\{ end \}\}\{\{ end \}\}(.*)", template, re.DOTALL)
    branches = re.split(r"\{\{ (?:else )?if eq \.Role \"(\w+)\" \}\}", body.group(1))
    around = dict(zip(branches[1::2], branches[2::2], strict=True))

    def text(part, content):
        part = part.replace("{{ .Content }}", content)
        return re.sub(r'\{\{ ("(?:[^"\\]|\\.)*") \}\}', lambda m: json.loads(m.group(1)), part)

    return "".join(text(around[m.role], m.content) for m in messages) + text(body.group(2), "")


def test_the_chat_template_as_ollamas(tiny):
    tokenizer = tokenizer_of(tiny)
    turns = take_apart(tokenizer)
    assert turns.stops == ("<|im_end|>",)
    assert turns.around["user"] == ("<|im_start|>user\n", "<|im_end|>\n")
    for messages in (
        conversations()[0].prompt,
        (
            *conversations()[0].prompt,
            Message(role="assistant", content="x"),
            Message(role="user", content="y"),
        ),
    ):
        assert go(go_template(turns), messages) == Renderer(tokenizer).render_prompt(messages)


def around(words, opening):
    """A template that writes `words` for each turn."""
    end = "{% if add_generation_prompt %}" + opening + "{% endif %}"
    return "{% for m in messages %}" + words + "</s>{% endfor %}" + end


@pytest.mark.parametrize(
    ("template", "known"),
    [
        (around("<{{m.role}}>{{m.content}}", "<assistant>"), True),
        (around("{{ '{{' }}{{m.role}}:{{m.content}}", "{{ '{{' }}assistant:"), True),
        (around("{{loop.index}} {{m.role}}: {{m.content}}", "assistant: "), False),
        (around("<{{m.role}}>{{m.content | upper}}", "<assistant>"), False),
    ],
    ids=["words around", "braces", "numbered", "changes texts"],
)
def test_only_templates_that_put_words_around_turns_are_taken_apart(tiny, template, known):
    tokenizer = tokenizer_of(tiny)
    tokenizer.chat_template, tokenizer.eos_token = template, "</s>"
    turns = take_apart(tokenizer)
    assert (turns is not None) is known
    if turns is not None:
        messages = conversations()[0].prompt
        assert go(go_template(turns), messages) == Renderer(tokenizer).render_prompt(messages)


def test_launch_files(tiny, tmp_path):
    record = artefact(write_adapter(tmp_path / "a"))
    launch = Launch(name="tickets", artefact=record, task=task(), turns=take_apart(tokenizer_of(tiny)))
    merged = merged_files(launch)
    assert merged["Modelfile"].splitlines()[1] == "FROM ."
    assert (
        'PARAMETER stop "<|im_end|>"' in merged["Modelfile"]
        and 'SYSTEM "Classify the message."' in merged["Modelfile"]
    )
    assert "--served-model-name tickets" in merged["vllm.sh"] and "--enable-lora" not in merged["vllm.sh"]
    adapter = adapter_files(launch)
    assert '--lora-modules tickets="$here" --max-lora-rank 8' in adapter["vllm.sh"]
    assert "LORA_ADAPTERS=tickets=/adapter" in adapter["tgi.sh"] and record.base_digest in adapter["vllm.sh"]
    gguf = gguf_files(Launch(name="tickets", artefact=record, task=task(), turns=None, gguf="t-q8_0.gguf"))
    assert "FROM ./t-q8_0.gguf" in gguf["Modelfile"] and "TEMPLATE" not in gguf["Modelfile"]
    for files in (merged, adapter, gguf):
        assert json.loads(files["request.json"])["structured_outputs"]["choice"] == [
            "billing",
            "sign in",
            "shipping",
        ]
        for name, text in files.items():
            assert "0.0.0.0" not in text, "launch files bind to this machine"
            if name.endswith(".sh"):
                import subprocess

                assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    coded = task(codes={"billing": " invoice", "sign_in": " login", "shipping": " parcel"})
    files = merged_files(
        Launch(name="tickets", artefact=record, task=coded, turns=None, code_tokens=(7, 11, 13))
    )
    assert "PARAMETER num_predict 1\n" in files["Modelfile"], "nothing trains what would follow a code"
    asked = json.loads(files["request.json"])
    assert asked["logit_bias"] == {"7": 100, "11": 100, "13": 100} and asked["logprobs"]
    assert "structured_outputs" not in asked, "a grammar lets the blank before a code through, alone"
    assert json.loads(files["labels.json"]) == {
        " invoice": "billing",
        " login": "sign_in",
        " parcel": "shipping",
    }
    assert vllm_words("n", "b", "a", 20, 1)[-1] == "32", "the next rank vLLM takes"
