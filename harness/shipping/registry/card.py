"""The model card of what ships (README.md): what it is for, how to ask it, what it was measured at. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advisor.options import Option
from harness.core.artefacts import EncoderArtefact, LinearArtefact, TaggerArtefact, TunedEncoder, VoteArtefact
from harness.core.records import Artefact
from harness.core.wording import percent, share_sentence
from harness.shipping.asked import fields_form, tuned_turns
from harness.tasks.labels import answer_text
from harness.training.tuned_model import Artefacts, Origin, Parity, TunedTask

_NAMES = {
    "lora-bf16": "LoRA on a bf16 base",
    "lora-fp32": "LoRA on an fp32 base",
    "qlora-4bit": "QLoRA: LoRA on a base in 4 bits (nf4, double quantisation)",
}
_SHOWN_LABELS = 100
_SERVED = "```\nharness serve FOLDER\n```\n\nThe last turn of a request is the message, without any prompt."
_LOGPROBS = "`logprobs` gives the labels' log-probabilities."
_ALWAYS_A_LABEL = "It always answers with a label it was trained on, also where none fits."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What one kind of artefact says of itself; everything else on a card is the same for all.

    Attributes:
        head: lines of the metadata that the Hugging Face Hub reads, without the licence.
        lead: what it is, in a sentence or two.
        made: how it was trained or made, the digest of its data included.
        limits: what it cannot do, and for which quality "holds for messages like those".
    """

    head: Sequence[str]
    licence: str
    lead: str
    asking: str
    made: str
    limits: str


def card_of(
    title: str, artefact: Artefacts, origin: Origin, task: TunedTask, checks: Sequence[Parity] = ()
) -> str:
    """The card as Markdown with the metadata the Hugging Face Hub reads.

    Args:
        checks: parity checks of exports, failed ones included.
    """
    said = _said(artefact, origin, task)
    return "\n\n".join(
        [
            "\n".join(["---", *said.head, f"license: {_quoted(said.licence.lower() or 'unknown')}", "---"]),
            f"# {title}",
            f"{said.lead} Made by Tune or Retrieve in run `{origin.run_id}` as `{origin.arm}`.",
            f"## How to ask it\n\n{said.asking}",
            _measured(origin, checks),
            f"## Made with\n\n{said.made}\n- plan: sha256 {origin.plan_digest}",
            f"## Limits\n\n{said.limits} Terms of the training data: {origin.data_licence or 'not stated'}.\n"
            f"{_hands_over(task)}",
        ]
    )


def _said(artefact: Artefacts, origin: Origin, task: TunedTask) -> _Said:
    if isinstance(artefact, EncoderArtefact):
        return _encoder(artefact, origin, task)
    if isinstance(artefact, TaggerArtefact):
        return _tagger(artefact, origin, task)
    if isinstance(artefact, LinearArtefact):
        return _linear(artefact, origin, task)
    if isinstance(artefact, VoteArtefact):
        return _vote(artefact, origin, task)
    return _tuned(artefact, origin, task)


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


def _linear(artefact: LinearArtefact, origin: Origin, task: TunedTask) -> _Said:
    """A linear classifier: no language model, so no prompt and no base."""
    reads = "words and groups of letters"
    if artefact.embedding is not None:
        vectors = f"vectors of `{artefact.embedding.id}` (sha256 {artefact.embedding.revision})"
        reads = f"{reads}, and {vectors}" if artefact.classifier.startswith("both") else vectors
    return _Said(
        head=_head("sklearn", "text-classification", "sklearn"),
        licence=origin.data_licence,
        lead=f"A linear classifier ({artefact.classifier}) that {_does(task)}. It reads {reads}.",
        asking=f"{_SERVED} {_answers(_names(task))} Requests name other labels of this set or none; "
        f"{_LOGPROBS}",
        made=f"{artefact.train_rows} rows; {_packages(artefact.packages)}. Its file holds numbers and terms; "
        f"there is no pickle.\n\n- training rows: sha256 {artefact.data_digest}\n"
        f"- classifier: sha256 {artefact.digest}",
        limits=f"{_ALWAYS_A_LABEL} {_holds('Accuracy')}",
    )


def _vote(artefact: VoteArtefact, origin: Origin, task: TunedTask) -> _Said:
    """A vote of training rows, which says first that the rows are in it."""
    embedding = artefact.embedding
    vectors = f", vectors of `{embedding.id}` (sha256 {embedding.revision})" if embedding else ""
    return _Said(
        head=_head("", "text-classification", "neighbours"),
        licence=origin.data_licence,
        lead=f"**It holds the {artefact.train_rows:,} training rows as they are** (`rows.json`): whoever has "
        "this folder can read every one of them. Treat it as you treat the rows.\n\n"
        f"The labels of the {artefact.k} most similar of these rows are counted ({artefact.mode} "
        f"search{vectors}); the answer is one of {len(task.labels)} labels.",
        asking=f"{_SERVED} {_answers(_names(task))} {_LOGPROBS}",
        made=f"{_packages(artefact.packages)}. Text and numbers only; there is no pickle.\n\n"
        f"- training rows: sha256 {artefact.data_digest}\n- rows and vectors: sha256 {artefact.digest}",
        limits=f"{_ALWAYS_A_LABEL} {_holds('Accuracy')}",
    )


def _encoder(artefact: EncoderArtefact, origin: Origin, task: TunedTask) -> _Said:
    """A tuned encoder: what it reads, how to ask it without this program, how it was trained."""
    return _Said(
        head=_head("transformers", "text-classification", "encoder", artefact.base_model),
        licence=origin.licence,
        lead=f"`{artefact.base_model}` tuned with a linear head that {_does(task)}.",
        asking=f"{_SERVED} {_answers(_names(task))} {_LOGPROBS} {_cut(task)}; "
        f"{artefact.recipe.max_tokens} tokens are read.\n\n"
        "Without this program: `AutoModel` and `AutoTokenizer` open the folder of the safetensors export. "
        f"The {artefact.pooling} of the last states (padding left out), times `weight` plus `bias` "
        f"of `head.safetensors`, divided by {artefact.temperature:.4g}, are the scores before the softmax, "
        "in the order of `labels` in `encoder.json`. `model.onnx` of the ONNX export takes `input_ids` and "
        f"`attention_mask` and gives these scores before the division.{_letters(artefact)}",
        made=_encoder_training(artefact),
        limits=f"{_ALWAYS_A_LABEL} {_holds('Accuracy')} {_base_licence(origin)}",
    )


def _letters(artefact: EncoderArtefact) -> str:
    if not artefact.letters:
        return ""
    return (
        " Before it the margins of `letters.safetensors` are added, a linear head over groups of letters of "
        "the message: the server does so, in both exports; `harness/models/local/encoder.py` is all it takes."
    )


def _tagger(artefact: TaggerArtefact, origin: Origin, task: TunedTask) -> _Said:
    """An encoder that reads fields."""
    return _Said(
        head=_head("transformers", "token-classification", "encoder", artefact.base_model),
        licence=origin.licence,
        lead=f"`{artefact.base_model}` tuned with a linear head that {_does(task)}.",
        asking=f"{_SERVED} It answers with one line of JSON; a field that the message does not state is "
        f"absent. {_cut(task)}; {artefact.recipe.max_tokens} tokens are read. `encoder.json` holds the "
        "schema of the fields and the probabilities from which on a value is taken; "
        "`harness/tasks/tags.py` says how the head's scores are read.",
        made=_encoder_training(artefact),
        limits="It gives what stands in the message, or a value that the schema lists: what has to be "
        f"worked out, such as a date from 'last Tuesday', it cannot give. {_holds('Field F1')} "
        f"{_base_licence(origin)}",
    )


def _encoder_training(artefact: TunedEncoder) -> str:
    """How an encoder was trained, and what pins it."""
    recipe = artefact.recipe
    how = "every weight" if recipe.tuned == "whole" else f"LoRA of rank {recipe.rank}, merged"
    first = f"; before it {recipe.warm_up_pairs} passes of pairs" if recipe.warm_up_pairs else ""
    return (
        f"{artefact.train_rows} rows, {artefact.steps} steps in batches of "
        f"{recipe.batch_size} over {recipe.epochs} epochs{first}; {how}; rate {recipe.learning_rate:g}, the "
        f"head's {recipe.head_factor:g} times that; label smoothing {recipe.smoothing:g}; matrices "
        f"multiplied in {recipe.precision}; seed {recipe.seed}. {_packages(artefact.packages)}.\n\n"
        f"- base weights: sha256 {artefact.base_digest}\n- training rows: sha256 {artefact.data_digest}\n"
        f"- this encoder: sha256 {artefact.digest}"
    )


def _tuned(artefact: Artefact, origin: Origin, task: TunedTask) -> _Said:
    """An adapter of a language model."""
    head = _head("peft", "text-generation", "lora", artefact.base_model)
    failing = "It always answers, also where nothing fits." if task.fields else _ALWAYS_A_LABEL
    return _Said(
        head=[*head, *_model_index(origin, task)],
        licence=origin.licence,
        lead=f"An adapter for `{artefact.base_model}` that {_does(task)} "
        f"({_NAMES[artefact.recipe.method]}), seed {origin.seed}.",
        asking=_turns(task),
        made=_adapter_training(artefact),
        limits=f"{failing} {_holds('Quality')} {_base_licence(origin)}",
    )


def _does(task: TunedTask) -> str:
    """What a model was made to do, as a clause."""
    if not task.fields:
        return f"puts a message into one of {len(task.labels)} labels"
    return "reads fields out of a message: " + ", ".join(f"`{name}`" for name in task.fields["properties"])


def _head(library: str, pipeline: str, kind: str, base_model: str = "") -> list[str]:
    """Metadata: library and base model only where there is one."""
    return [
        *([f"library_name: {library}"] if library else []),
        f"pipeline_tag: {pipeline}",
        *([f"base_model: {_quoted(base_model)}"] if base_model else []),
        f"tags: [{kind}, tune-or-retrieve]",
    ]


def _model_index(origin: Origin, task: TunedTask) -> list[str]:
    """What was measured, as metadata."""
    splits = (("dev", origin.dev), ("test", origin.test))
    measured = [(split, found, found.value) for split, found in splits if found and found.value is not None]
    if not measured:
        return []
    name, kind = _quoted(origin.evalset), "text-generation" if task.fields else "text-classification"
    lines = ["model-index:", f"- name: {_quoted(str(origin.arm))}", "  results:"]
    for split, found, value in measured:
        lines += [
            f"  - task: {{type: {kind}}}",
            f"    dataset: {{name: {name}, type: {name}, split: {split}}}",
            f"    metrics: [{{type: {_quoted(found.metric)}, value: {value:.4f}}}]",
        ]
    return lines


def _answers(answers: Sequence[str]) -> str:
    shown = ", ".join(f"`{answer}`" for answer in answers[:_SHOWN_LABELS])
    more = "" if len(answers) <= _SHOWN_LABELS else f" and {len(answers) - _SHOWN_LABELS} more"
    return f"It answers with one of: {shown}{more}."


def _names(task: TunedTask) -> list[str]:
    return [label.name for label in task.labels]


def _cut(task: TunedTask) -> str:
    return f"Messages over {task.item_chars} characters lose their middle"


def _packages(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def _holds(metric: str) -> str:
    return f"{metric} holds for messages like those it was measured on."


def _base_licence(origin: Origin) -> str:
    return f"Licence of the base model: {origin.licence or 'not known'}."


def _turns(task: TunedTask) -> str:
    """How a tuned language model is asked: the exact turns, and what it answers."""
    turns = "\n".join(f"{one.role}: {one.content}" for one in tuned_turns(task, "<the message>"))
    similar = (
        " Similar labelled messages go between the two turns, as user and assistant turns, nearest last."
        if task.option is Option.TUNE_RETRIEVE
        else ""
    )
    return (
        "With the base model's own chat template and exactly these turns:\n\n"
        f"```\n{turns}\n```\n\n{_cut(task)}.{similar} {_told(task)}"
    )


def _told(task: TunedTask) -> str:
    if task.fields:
        return (
            "It answers with one line of JSON; a field that the message does not state is absent. Hold it to "
            f"the schema of `request.json`, with {fields_form(task).max_tokens} tokens at most."
        )
    if task.codes:
        return _codes_told(task.codes)
    words = _answers([answer_text(label.name) for label in task.labels])
    return f"{words} Compare the answers' probabilities, or hold it to them by structured output."


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
        f"- {name} on dev: {share_sentence(origin.dev)}",
        f"- {name} on test: {share_sentence(origin.test) if origin.test else 'not measured'}",
        f"- data: {origin.evalset} ({origin.provenance}; {origin.data_licence or 'licence not stated'})",
    ]
    return "\n".join(["## Measured", "", *lines, *(f"- parity {parity_line(check)}" for check in checks)])


def parity_word(checks: Sequence[Parity]) -> str:
    """The last check in a word."""
    if not checks:
        return "unchecked"
    return {True: "holds", False: "FAILED", None: "not shown"}[checks[-1].passed]


def parity_line(check: Parity) -> str:
    """A check with its figures; a failed one says so first."""
    return (
        f"{parity_word([check])}: {check.what}, {check.agreement.metric} on "
        f"{share_sentence(check.agreement)}, {check.reference.metric} {percent(check.served.value)} against "
        f"{percent(check.reference.value)} of the model as its run scored it, {check.failures} failures; "
        f"{check.rule}"
    )


def _adapter_training(artefact: Artefact) -> str:
    recipe = artefact.recipe
    layers = "all layers" if recipe.tuned_layers is None else f"the upper {recipe.tuned_layers} layers"
    stop = "" if recipe.patience is None else f", stopped early by dev loss (patience {recipe.patience})"
    return (
        f"{artefact.train_rows} rows, {artefact.steps} steps in batches of {recipe.batch_size}{stop}; "
        f"rank {recipe.rank}, alpha {recipe.alpha}, on {layers}; learning rate {recipe.learning_rate:g} "
        f"with linear decay; rows cut to {recipe.max_tokens} tokens; loss on the answer alone; "
        f"seed {recipe.seed}.\n\n"
        f"- base weights: sha256 {artefact.base_digest}\n- training rows: sha256 {artefact.data_digest}\n"
        f"- this adapter: sha256 {artefact.digest}"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
