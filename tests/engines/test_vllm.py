"""vLLM, started as `harness serve --engine vllm --print` says, answers what the artefact answers.

Both ways to ship are served: the adapter on its base (LoRA) and the merged weights. The reference is the
journal of the run, in which transformers answered the same items here.

With the adapter vLLM is told to compute in float32: where the arm was scored in fp32 too, what differs is the
order of sums, and that an adapter is added to each product instead of merged in (seen: less than 0.0001). The
merged weights are served in bf16, as vLLM chooses, whose 8 bits round a logit of 20 to the next eighth (seen:
0.12 between two engines in bf16), and uncompiled, since compiling takes minutes. A label may differ only
where the artefact's own two best are closer than that.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.running import free_port, running, vllm_environ
from harness.bakeoff.journal import Lane
from harness.bakeoff.run_folder import RunFolder, find_run
from harness.core.records import Completion, Item
from tests.engines.conftest import ROOT, HarnessCommand, environment_of, write_plan

pytestmark = [pytest.mark.engine, pytest.mark.models]
EXACT, ROUNDED = 0.002, 0.2  # what a probability may differ by: both in fp32, one of them in bf16
LORA, MERGED = "the adapter on its base (LoRA), in float32", "the merged weights, in bf16"


@dataclass(frozen=True)
class Served:
    """A model that vLLM serves, and the harness before it.

    Attributes:
        weights: which were given to vLLM.
        vllm, front: their addresses.
        name: the model's.
        apart: what a probability may differ by from the run's.
    """

    weights: str
    vllm: str
    front: str
    name: str
    apart: float


@pytest.fixture(scope="module")
def merged(room: Path, tuned: Path, harness: HarnessCommand) -> Path:
    """The export with merged weights."""
    harness("export", tuned.name, "--arm", "tune", "--format", "merged", "-o", "merged", "--check", "0")
    return room / "merged"


@pytest.fixture(scope="module", params=[LORA, MERGED])
def served(
    request: pytest.FixtureRequest, room: Path, tuned: Path, merged: Path, harness: HarnessCommand
) -> Iterator[Served]:
    """vLLM with either weights, and `harness serve --vllm-at` before it."""
    programs = environment_of("TOR_TEST_VLLM", ".venv-vllm", "test-vllm")
    target = ["merged"] if request.param == MERGED else [tuned.name, "--arm", "tune"]
    port, front = free_port(), free_port()
    more = ["--vllm-args", "--dtype float32" if request.param == LORA else "--enforce-eager"]
    words = shlex.split(harness("serve", *target, "--engine", "vllm", "--print", "--port", str(port), *more))
    assert words[:2] == ["vllm", "serve"]
    at = f"http://127.0.0.1:{port}"
    environ = vllm_environ(programs, os.environ)
    ours = [sys.executable, "-m", "harness", "serve", *target, "--engine", "vllm", "--vllm-at", at]
    with running([str(programs / "vllm"), *words[1:]], room, environ, f"{at}/health"):
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        address = f"http://127.0.0.1:{front}"
        with running([*ours, "--port", str(front)], room, environ, f"{address}/health"):
            (one,) = get(f"{address}/v1/models")["data"]
            exact = request.param == LORA and scored_in(find_run(tuned.parent, tuned.name)) == "fp32"
            apart = EXACT if exact else ROUNDED
            yield Served(weights=request.param, vllm=at, front=address, name=one["id"], apart=apart)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def post(url: str, body: object) -> Any:
    head = {"Content-Type": "application/json"}
    asked = urllib.request.Request(url, json.dumps(body).encode(), head)
    with urllib.request.urlopen(asked, timeout=300) as answer:
        return json.load(answer)


def answered(run: RunFolder, arm: str) -> dict[str, tuple[Item, Completion]]:
    """Every dev and test item with what an arm answered in its run."""
    found: dict[str, tuple[Item, Completion]] = {}
    with run.journal(read_only=True) as journal:
        (settled,) = (one for one in journal.settled() if str(one.arm).startswith(arm))
        for split in ("dev", "test"):
            items = run.items()[split]
            lane = Lane(arm=settled.arm, seed=settled.seed, split=split, config=settled.config)  # type: ignore[arg-type]
            outcomes = journal.outcomes(lane, items)
            for item in items:
                outcome = outcomes[item.id]
                assert isinstance(outcome, Completion), outcome
                found[item.id] = (item, outcome)
    return found


def scored_in(run: RunFolder) -> str:
    """The numbers in which the tuned arm was scored in its run."""
    with run.journal(read_only=True) as journal:
        (settled,) = (one for one in journal.settled() if str(one.arm).startswith("tune@"))
    assert settled.identity is not None
    return settled.identity.precision


def probabilities(prediction: Completion) -> list[float]:
    assert prediction.choice_logprobs is not None
    return [math.exp(value) for value in prediction.choice_logprobs]


def sure(prediction: Completion, apart: float) -> bool:
    """Whether the artefact's two best labels are further apart than what the engines may differ by."""
    best, second, *_ = sorted(probabilities(prediction), reverse=True)
    return best - second > 2 * apart


def test_which_weights_are_served(served: Served, tuned: Path, merged: Path) -> None:
    models = {one["id"]: one for one in get(f"{served.vllm}/v1/models")["data"]}
    root = Path(models[served.name]["root"])
    print(f"vLLM serves {served.weights}: {root}")
    if served.weights == LORA:
        assert root.is_relative_to(tuned / "artefacts") and models[served.name]["parent"] in models
    else:
        assert root == merged and models[served.name]["parent"] is None


def test_labels_probabilities_and_usage_are_the_artefacts(served: Served, tuned: Path) -> None:
    run = find_run(tuned.parent, tuned.name)
    names = [label.name for label in run.data_facts().labels]
    worst, same, kept = 0.0, 0, answered(run, "tune@")
    for item, own in kept.values():
        body = {
            "model": served.name,
            "messages": [{"role": "user", "content": item.text}],
            "structured_outputs": {"choice": names},
            "logprobs": True,
            "top_logprobs": len(names),
        }
        found = post(f"{served.front}/v1/chat/completions", body)
        (token,) = found["choices"][0]["logprobs"]["content"]
        given = {one["token"]: math.exp(one["logprob"]) for one in token["top_logprobs"]}
        apart = [abs(given[name] - p) for name, p in zip(names, probabilities(own), strict=True)]
        worst = max(worst, *apart)
        best = names[probabilities(own).index(max(probabilities(own)))]
        label = found["choices"][0]["message"]["content"]
        same += label == best
        assert label == best or not sure(own, served.apart), (item.id, label, best)
        usage, counted = found["usage"], own.usage
        assert counted.input_tokens is not None and counted.cached_tokens is not None
        assert usage["prompt_tokens"] == counted.input_tokens + counted.cached_tokens
        assert label != best or usage["completion_tokens"] == counted.output_tokens
    print(f"{served.weights}: {same} of {len(kept)} labels the same, probabilities within {worst:.4f}")
    assert worst <= served.apart


def test_the_arm_runs_through_it_in_a_bake_off(
    served: Served, room: Path, tuned: Path, harness: HarnessCommand
) -> None:
    way = "lora" if served.weights == LORA else "merged"
    arm = {"option": "prompt", "model": f"openai/{served.name}", "api_base": f"{served.front}/v1"}
    write_plan(room / f"{way}.yaml", [arm])
    harness("run", f"{way}.yaml", "--runs", f"runs-{way}")
    (run,) = (room / f"runs-{way}").glob("2*")
    (over_http,) = json.loads((run / "answers.json").read_text()).values()
    own = next(v for k, v in json.loads((tuned / "answers.json").read_text()).items() if k.startswith("tune"))
    kept = answered(find_run(tuned.parent, tuned.name), "tune@")
    items = find_run(tuned.parent, tuned.name).items()["test"]
    other = [i.id for i, a, b in zip(items, over_http, own, strict=True) if a != b]
    print(f"{served.weights}: {len(items) - len(other)} of {len(items)} labels of a bake-off the same")
    assert not [item for item in other if sure(kept[item][1], served.apart)]


def test_vllm_alone_takes_the_request_that_is_exported(served: Served, merged: Path) -> None:
    body = json.loads((merged / "request.json").read_text())
    found = post(f"{served.vllm}/v1/chat/completions", {**body, "model": served.name})
    assert found["choices"][0]["message"]["content"] in json.loads((merged / "labels.json").read_text())


def test_vllm_alone_is_a_model_of_a_bake_off(
    served: Served, room: Path, harness: HarnessCommand, tuned: Path
) -> None:
    """Asked as it was not trained to be asked, by the prompt with the label guide: no call may fail."""
    if served.weights == MERGED:
        pytest.skip("the same calls as with the adapter")
    arm = {"option": "prompt", "model": f"hosted_vllm/{served.name}", "api_base": f"{served.vllm}/v1"}
    write_plan(room / "alone.yaml", [arm])
    harness("run", "alone.yaml", "--runs", "runs-alone")
    (run,) = (room / "runs-alone").glob("2*")
    assert len(answered(find_run(run.parent, run.name), "prompt@")) == 36
