"""Put an adapter on the Hugging Face Hub: a repository, one commit, safetensors and texts only.

The model card of an adapter (README.md): what it is for, how to ask it, what it was measured at. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.options import Option
from harness.core.artefacts import EncoderArtefact, LinearArtefact, TaggerArtefact, TunedEncoder, VoteArtefact
from harness.core.errors import MissingExtra, ModelUnavailable, UsageError
from harness.core.records import Artefact, Estimate
from harness.core.wording import share_sentence
from harness.shipping.asked import fields_form, tuned_turns
from harness.shipping.registry.registry import checked_files
from harness.tasks.labels import answer_text
from harness.training.tuned_model import Artefacts, Origin, Parity, TunedTask

_NAMES = {
    "lora-bf16": "LoRA on a bf16 base",
    "lora-fp32": "LoRA on an fp32 base",
    "qlora-4bit": "QLoRA: LoRA on a base in 4 bits (nf4, double quantisation)",
}
_SHOWN_LABELS = 100


def card_of(
    title: str,
    artefact: Artefacts,
    origin: Origin,
    task: TunedTask,
    checks: Sequence[Parity] = (),
) -> str:
    """The card of a tuned model or a classifier; see the card of each."""
    if isinstance(artefact, EncoderArtefact):
        return encoder_card(title, artefact, origin, task, checks) + _hands_over(task)
    if isinstance(artefact, TaggerArtefact):
        return tagger_card(title, artefact, origin, task, checks)
    if isinstance(artefact, LinearArtefact):
        return linear_card(title, artefact, origin, task, checks) + _hands_over(task)
    if isinstance(artefact, VoteArtefact):
        return vote_card(title, artefact, origin, task, checks) + _hands_over(task)
    return model_card(title, artefact, origin, task, checks) + _hands_over(task)


def _hands_over(task: TunedTask) -> str:
    """What a route to today's way does, '' for a model that answers everything."""
    rule = task.hand_over
    if rule is None:
        return ""
    known = [(rule.coverage, "It answered"), (rule.precision, "Of these it was right in")]
    measured = " ".join(f"{words} {share_sentence(found)}." for found, words in known if found is not None)
    return (
        f"\n## When it hands over\n\nIt answers from a confidence of {rule.threshold:g} on: the highest "
        f"probability of a label, its log-probabilities divided by {rule.temperature:.6g} first. Below that "
        'it gives no label and says `"hand_over": true`; such a message is for what was done before it. '
        f"{measured} Only `harness serve` knows the threshold.\n"
    )


def linear_card(
    title: str, artefact: LinearArtefact, origin: Origin, task: TunedTask, checks: Sequence[Parity] = ()
) -> str:
    """The card of a linear classifier: no language model, so no prompt and no base."""
    answers = ", ".join(f"`{label.name}`" for label in task.labels[:_SHOWN_LABELS])
    reads = "words and groups of letters"
    if artefact.embedding is not None:
        vectors = f"vectors of `{artefact.embedding.id}` (sha256 {artefact.embedding.revision})"
        both = artefact.classifier.startswith("both")
        reads = f"{reads}, and {vectors}" if both else vectors
    made = ", ".join(f"{name} {version}" for name, version in artefact.packages.items())
    licence = origin.data_licence.lower() or "unknown"
    parts = [
        "---\nlibrary_name: sklearn\npipeline_tag: text-classification\n"
        f"license: {_quoted(licence)}\ntags: [sklearn, text-classification, tune-or-retrieve]\n---",
        f"# {title}",
        f"A linear classifier ({artefact.classifier}) that puts a message into one of {len(task.labels)} "
        f"labels. It reads {reads}. Made by Tune or Retrieve in run `{origin.run_id}` as `{origin.arm}`.",
        "## How to ask it\n\n```\nharness serve FOLDER\n```\n\n"
        "The last turn of a request is the message, without any prompt. It answers with one of: "
        f"{answers}. Requests name other labels of this set or none; `logprobs` gives the labels' "
        "log-probabilities.",
        _measured(origin, checks),
        f"## Made with\n\n{artefact.train_rows} rows; {made}. Its file holds "
        "numbers and terms; there is no pickle.\n\n"
        f"- training rows: sha256 {artefact.data_digest}\n- classifier: sha256 {artefact.digest}\n"
        f"- plan: sha256 {origin.plan_digest}",
        "## Limits\n\nIt always answers with a label it was trained on, also where none fits. Accuracy "
        "holds for messages like those it was measured on. Terms of the training data: "
        f"{origin.data_licence or 'not stated'}.",
    ]
    return "\n\n".join(parts) + "\n"


def vote_card(
    title: str, artefact: VoteArtefact, origin: Origin, task: TunedTask, checks: Sequence[Parity] = ()
) -> str:
    """The card of a vote of training rows, which says first that the rows are in it."""
    answers = ", ".join(f"`{label.name}`" for label in task.labels[:_SHOWN_LABELS])
    embedding = artefact.embedding
    vectors = f", vectors of `{embedding.id}` (sha256 {embedding.revision})" if embedding else ""
    made = ", ".join(f"{name} {version}" for name, version in artefact.packages.items())
    parts = [
        "---\npipeline_tag: text-classification\n"
        f"license: {_quoted(origin.data_licence.lower() or 'unknown')}\n"
        "tags: [neighbours, text-classification, tune-or-retrieve]\n---",
        f"# {title}",
        f"**It holds the {artefact.train_rows:,} training rows as they are** (`rows.json`): whoever has this "
        "folder can read every one of them. Treat it as you treat the rows.",
        f"The labels of the {artefact.k} most similar of these rows are counted ({artefact.mode} "
        f"search{vectors}); the answer is one of {len(task.labels)} labels. Made by Tune or Retrieve in run "
        f"`{origin.run_id}` as `{origin.arm}`.",
        "## How to ask it\n\n```\nharness serve FOLDER\n```\n\n"
        f"The last turn of a request is the message, without any prompt. It answers with one of: {answers}. "
        "`logprobs` gives the labels' log-probabilities.",
        _measured(origin, checks),
        f"## Made with\n\n{made}. Text and numbers only; there is no pickle.\n\n"
        f"- training rows: sha256 {artefact.data_digest}\n- rows and vectors: sha256 {artefact.digest}\n"
        f"- plan: sha256 {origin.plan_digest}",
        "## Limits\n\nIt always answers with a label, also where none fits. Accuracy holds for messages like "
        f"those it was measured on. Terms of the training data: {origin.data_licence or 'not stated'}.",
    ]
    return "\n\n".join(parts) + "\n"


def _letters(artefact: EncoderArtefact) -> str:
    if not artefact.letters:
        return ""
    return (
        " Before it the margins of `letters.safetensors` are added, a linear head over groups of letters of "
        "the message: the server does so, in both exports; `harness/models/local/letters.py` is all it takes."
    )


def encoder_card(
    title: str, artefact: EncoderArtefact, origin: Origin, task: TunedTask, checks: Sequence[Parity] = ()
) -> str:
    """The card of a tuned encoder: what it reads, how to ask it without this program, how it was trained."""
    answers = ", ".join(f"`{label.name}`" for label in task.labels[:_SHOWN_LABELS])
    recipe = artefact.recipe
    parts = [
        "---\nlibrary_name: transformers\npipeline_tag: text-classification\n"
        f"base_model: {_quoted(artefact.base_model)}\n"
        f"license: {_quoted(origin.licence.lower() or 'unknown')}\n"
        "tags: [encoder, text-classification, tune-or-retrieve]\n---",
        f"# {title}",
        f"`{artefact.base_model}` tuned with a linear head that puts a message into one of "
        f"{len(task.labels)} labels. Made by Tune or Retrieve in run `{origin.run_id}` as `{origin.arm}`, "
        f"seed {origin.seed}.",
        "## How to ask it\n\n```\nharness serve FOLDER\n```\n\n"
        "The last turn of a request is the message, without any prompt. It answers with one of: "
        f"{answers}. `logprobs` gives the labels' log-probabilities. Messages over {task.item_chars} "
        f"characters lose their middle; {recipe.max_tokens} tokens are read.\n\n"
        "Without this program: `AutoModel` and `AutoTokenizer` open the folder of the safetensors export. "
        f"The {artefact.pooling} of the last states (padding left out), times `weight` plus `bias` of "
        f"`head.safetensors`, divided by {artefact.temperature:.4g}, are the scores before the softmax, in "
        "the order of `labels` in `encoder.json`. `model.onnx` of the ONNX export takes `input_ids` and "
        f"`attention_mask` and gives these scores before the division.{_letters(artefact)}",
        _measured(origin, checks),
        _encoder_training(artefact, origin),
        _limits(origin),
    ]
    return "\n\n".join(parts) + "\n"


def tagger_card(
    title: str, artefact: TaggerArtefact, origin: Origin, task: TunedTask, checks: Sequence[Parity] = ()
) -> str:
    """The card of an encoder that reads fields."""
    recipe = artefact.recipe
    parts = [
        "---\nlibrary_name: transformers\npipeline_tag: token-classification\n"
        f"base_model: {_quoted(artefact.base_model)}\n"
        f"license: {_quoted(origin.licence.lower() or 'unknown')}\n"
        "tags: [encoder, token-classification, tune-or-retrieve]\n---",
        f"# {title}",
        f"`{artefact.base_model}` tuned with a linear head that {_does(task)}. Made "
        f"by Tune or Retrieve in run `{origin.run_id}` as `{origin.arm}`, seed {origin.seed}.",
        "## How to ask it\n\n```\nharness serve FOLDER\n```\n\n"
        "The last turn of a request is the message, without any prompt. It answers with one line of JSON; a "
        f"field that the message does not state is absent. Messages over {task.item_chars} characters lose "
        f"their middle; {recipe.max_tokens} tokens are read. `encoder.json` holds the schema of the fields "
        "and the probabilities from which on a value is taken; `harness/tasks/tags.py` says how the head's "
        "scores are read.",
        _measured(origin, checks),
        _encoder_training(artefact, origin),
        "## Limits\n\nIt gives what stands in the message, or a value that the schema lists: what has to be "
        "worked out, such as a date from 'last Tuesday', it cannot give. Field F1 holds for messages like "
        f"those it was measured on. Terms of the training data: {origin.data_licence or 'not stated'}.",
    ]
    return "\n\n".join(parts) + "\n"


def _encoder_training(artefact: TunedEncoder, origin: Origin) -> str:
    """How an encoder was trained, and what pins it."""
    recipe = artefact.recipe
    how = "every weight" if recipe.tuned == "whole" else f"LoRA of rank {recipe.rank}, merged"
    first = f"; before it {recipe.warm_up_pairs} passes of pairs" if recipe.warm_up_pairs else ""
    made = ", ".join(f"{name} {version}" for name, version in artefact.packages.items())
    return (
        f"## Training\n\n{artefact.train_rows} rows, {artefact.steps} steps in batches of "
        f"{recipe.batch_size} over {recipe.epochs} epochs{first}; {how}; rate {recipe.learning_rate:g}, the "
        f"head's {recipe.head_factor:g} times that; label smoothing {recipe.smoothing:g}; matrices "
        f"multiplied in {recipe.precision}; seed {recipe.seed}. {made}.\n\n"
        f"- base weights: sha256 {artefact.base_digest}\n- training rows: sha256 {artefact.data_digest}\n"
        f"- this encoder: sha256 {artefact.digest}\n- plan: sha256 {origin.plan_digest}"
    )


def model_card(
    title: str, artefact: Artefact, origin: Origin, task: TunedTask, checks: Sequence[Parity] = ()
) -> str:
    """The card as Markdown with the metadata the Hugging Face Hub reads.

    Args:
        checks: parity checks of exports, failed ones included.
    """
    parts = [
        _metadata(artefact, origin),
        f"# {title}",
        f"An adapter for `{artefact.base_model}` that {_does(task)} "
        f"({_NAMES[artefact.recipe.method]}). Made by Tune or Retrieve in run `{origin.run_id}` as "
        f"`{origin.arm}`, seed {origin.seed}.",
        _asking(task),
        _measured(origin, checks),
        _trained(artefact, origin),
        _limits(origin),
    ]
    return "\n\n".join(parts) + "\n"


def _does(task: TunedTask) -> str:
    """What a model was tuned to do, as a clause."""
    if not task.fields:
        return f"puts a message into one of {len(task.labels)} labels"
    return "reads fields out of a message: " + ", ".join(f"`{name}`" for name in task.fields["properties"])


def _metadata(artefact: Artefact, origin: Origin) -> str:
    lines = [
        "---",
        "library_name: peft",
        "pipeline_tag: text-generation",
        f"base_model: {_quoted(artefact.base_model)}",
        f"license: {_quoted(origin.licence.lower() or 'unknown')}",
        "tags: [lora, text-classification, tune-or-retrieve]",
    ]
    measured = [(split, est) for split, est in (("dev", origin.dev), ("test", origin.test)) if _value(est)]
    if measured:
        lines += ["model-index:", f"- name: {_quoted(str(origin.arm))}", "  results:"]
    name = _quoted(origin.evalset)
    for split, estimate in measured:
        lines += [
            "  - task: {type: text-classification}",
            f"    dataset: {{name: {name}, type: {name}, split: {split}}}",
            f"    metrics: [{{type: accuracy, value: {_value(estimate):.4f}}}]",
        ]
    return "\n".join([*lines, "---"])


def _value(estimate: Estimate | None) -> float:
    return 0.0 if estimate is None or estimate.value is None else estimate.value


def _asking(task: TunedTask) -> str:
    shown = tuned_turns(task, "<the message>")
    turns = "\n".join(f"{message.role}: {message.content}" for message in shown)
    cut = f"Messages over {task.item_chars} characters lose their middle."
    if task.option is Option.TUNE_RETRIEVE:
        cut += (
            " Similar labelled messages go between the two turns, as user and assistant turns, nearest last."
        )
    return (
        "## How to ask it\n\nWith the base model's own chat template and exactly these turns:\n\n"
        f"```\n{turns}\n```\n\n{cut} {_told(task)}"
    )


def _told(task: TunedTask) -> str:
    if task.fields:
        return (
            "It answers with one line of JSON; a field that the message does not state is absent. Hold it to "
            f"the schema of `request.json`, with {fields_form(task).max_tokens} tokens at most."
        )
    return _codes_told(task.codes) if task.codes else _words_told(task)


def _words_told(task: TunedTask) -> str:
    answers = [f"`{answer_text(label.name)}`" for label in task.labels]
    more = "" if len(answers) <= _SHOWN_LABELS else f" and {len(answers) - _SHOWN_LABELS} more"
    return (
        f"It answers with one of: {', '.join(answers[:_SHOWN_LABELS])}{more}. "
        "Compare the answers' probabilities, or hold it to them by structured output."
    )


def _codes_told(codes: Mapping[str, str]) -> str:
    rows = "\n".join(f"| `{json.dumps(code)}` | `{label}` |" for label, code in codes.items())
    return (
        "It answers with a code, one token, a blank in front included; each code stands for a label. Ask for "
        "**one token at most** (`max_tokens: 1`): nothing trains what would follow. A label's probability is "
        "that of its code among the codes; hold the answer to them by structured output.\n\n"
        f"| code | label |\n|---|---|\n{rows}"
    )


def _measured(origin: Origin, checks: Sequence[Parity]) -> str:
    name = next((one.metric for one in (origin.test, origin.dev) if one), "accuracy")
    lines = [
        "## Measured",
        f"- {name} on dev: {share_sentence(origin.dev)}",
        f"- {name} on test: {share_sentence(origin.test) if origin.test else 'not measured'}",
        f"- data: {origin.evalset} ({origin.provenance}; {origin.data_licence or 'licence not stated'})",
    ]
    return "\n".join([lines[0], "", *lines[1:], *(f"- {parity_line(check)}" for check in checks)])


def parity_line(check: Parity) -> str:
    """A parity check in one line; a failed one says so first."""
    state = {True: "parity holds", False: "PARITY FAILED", None: "parity not shown"}[check.passed]
    return (
        f"{state}: {check.what} gives the {check.agreement.metric} on "
        f"{share_sentence(check.agreement)}; {check.reference.metric} {share_sentence(check.served)} against "
        f"{share_sentence(check.reference)} of the model as its run scored it"
    )


def _trained(artefact: Artefact, origin: Origin) -> str:
    recipe = artefact.recipe
    layers = "all layers" if recipe.tuned_layers is None else f"the upper {recipe.tuned_layers} layers"
    stop = "" if recipe.patience is None else f", stopped early by dev loss (patience {recipe.patience})"
    return (
        "## Training\n\n"
        f"{artefact.train_rows} rows, {artefact.steps} steps in batches of {recipe.batch_size}{stop}; "
        f"rank {recipe.rank}, alpha {recipe.alpha}, on {layers}; learning rate {recipe.learning_rate:g} "
        f"with linear decay; rows cut to {recipe.max_tokens} tokens; loss on the answer alone; "
        f"seed {recipe.seed}.\n\n"
        f"- base weights: sha256 {artefact.base_digest}\n- training rows: sha256 {artefact.data_digest}\n"
        f"- this adapter: sha256 {artefact.digest}\n- plan: sha256 {origin.plan_digest}"
    )


def _limits(origin: Origin) -> str:
    licence = origin.licence or "not known"
    return (
        "## Limits\n\nIt always answers with a label it was trained on, also where none fits. Accuracy "
        "holds for messages like those it was measured on. Licence of the base model: "
        f"{licence}; the training data may add terms of their own ({origin.data_licence or 'not stated'})."
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Where an adapter goes on the hub.

    Attributes:
        repo: `org/name`.
        token: with the right to write there.
    """

    repo: str
    token: str
    private: bool
    message: str


def hub_token(environ: Mapping[str, str]) -> str:
    """The access token: `HF_TOKEN`, or the one `hf auth login` stored.

    Raises:
        UsageError: if there is none.
    """
    token = environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN") or _stored_token()
    if token:
        return token
    raise UsageError(
        "Pushing to the Hugging Face Hub needs an access token.",
        got="HF_TOKEN is not set, and nobody has logged in",
        allowed="a token with write access, from your account's settings on the hub",
        run="export HF_TOKEN=...   # or: hf auth login",
    )


def push_adapter(folder: Path, push: Push, api: Any = None) -> str:
    """Push a folder; returns the commit's address.

    Args:
        api: a `huggingface_hub.HfApi`, for tests; made from the token when None.

    Raises:
        MissingExtra: without huggingface_hub.
        ModelUnavailable: if the folder holds what may not be pushed, or the hub refuses.
    """
    checked_files(folder)
    try:
        from httpx import HTTPError
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise MissingExtra.of(error.name or "huggingface_hub", "local") from error
    hub = api or HfApi(token=push.token)
    try:
        hub.create_repo(repo_id=push.repo, private=push.private, exist_ok=True, repo_type="model")
        done = hub.upload_folder(
            repo_id=push.repo, folder_path=str(folder), commit_message=push.message, repo_type="model"
        )
    except HFValidationError as error:
        raise UsageError("This is no name of a repository.", got=push.repo, allowed="org/name") from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable(
            f"The hub did not take {push.repo}.",
            got=first.replace(push.token, "***"),
            allowed="a reachable hub and a token that may write there",
        ) from error
    return str(getattr(done, "commit_url", done))


def _stored_token() -> str:
    try:
        from huggingface_hub import get_token
    except ImportError as error:
        raise MissingExtra.of("huggingface_hub", "local") from error
    return get_token() or ""
