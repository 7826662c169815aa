"""The model card of an adapter (README.md): what it is for, how to ask it, what it was measured at. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.options import Option
from harness.core.records import Artefact, Estimate
from harness.core.wording import share_sentence
from harness.tasks.classification import PromptLimits, answer_text, tune_messages
from harness.training.tuned_model import Origin, Parity, Task

_NAMES = {
    "lora-bf16": "LoRA on a bf16 base",
    "lora-fp32": "LoRA on an fp32 base",
    "qlora-4bit": "QLoRA: LoRA on a base in 4 bits (nf4, double quantisation)",
}
_SHOWN_LABELS = 100


def model_card(
    title: str, artefact: Artefact, origin: Origin, task: Task, checks: Sequence[Parity] = ()
) -> str:
    """The card as Markdown with the metadata the Hugging Face Hub reads.

    Args:
        checks: parity checks of exports, failed ones included.
    """
    parts = [
        _metadata(artefact, origin),
        f"# {title}",
        f"An adapter for `{artefact.base_model}` that puts a message into one of {len(task.labels)} labels "
        f"({_NAMES[artefact.recipe.method]}). Made by Tune or Retrieve in run `{origin.run_id}` as "
        f"`{origin.arm}`, seed {origin.seed}.",
        _asking(task),
        _measured(origin, checks),
        _trained(artefact, origin),
        _limits(origin),
    ]
    return "\n\n".join(parts) + "\n"


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


def _asking(task: Task) -> str:
    shown = tune_messages("<the message>", PromptLimits(item_chars=task.item_chars))
    turns = "\n".join(f"{message.role}: {message.content}" for message in shown)
    answers = [f"`{answer_text(label.name)}`" for label in task.labels]
    more = "" if len(answers) <= _SHOWN_LABELS else f" and {len(answers) - _SHOWN_LABELS} more"
    cut = f"Messages over {task.item_chars} characters lose their middle."
    if task.option is Option.TUNE_RETRIEVE:
        cut += (
            " Similar labelled messages go between the two turns, as user and assistant turns, nearest last."
        )
    return (
        "## How to ask it\n\nWith the base model's own chat template and exactly these turns:\n\n"
        f"```\n{turns}\n```\n\n{cut} It answers with one of: {', '.join(answers[:_SHOWN_LABELS])}{more}. "
        "Compare the answers' probabilities, or hold it to them by structured output."
    )


def _measured(origin: Origin, checks: Sequence[Parity]) -> str:
    lines = [
        "## Measured",
        f"- accuracy on dev: {share_sentence(origin.dev)}",
        f"- accuracy on test: {share_sentence(origin.test) if origin.test else 'not measured'}",
        f"- data: {origin.evalset} ({origin.provenance}; {origin.data_licence or 'licence not stated'})",
    ]
    return "\n".join([lines[0], "", *lines[1:], *(f"- {parity_line(check)}" for check in checks)])


def parity_line(check: Parity) -> str:
    """A parity check in one line; a failed one says so first."""
    state = {True: "parity holds", False: "PARITY FAILED", None: "parity not shown"}[check.passed]
    return (
        f"{state}: {check.format} {check.precision} served by {check.engine} gives the same label on "
        f"{share_sentence(check.agreement)}; accuracy {share_sentence(check.served)} against "
        f"{share_sentence(check.reference)} of the adapter in the trainer's scoring"
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
