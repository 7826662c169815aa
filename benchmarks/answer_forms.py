"""How a tuned model is to say a label: its words, a code of the vocabulary, a new token, or a head.

Every form is trained on the same rows, in the same order, for the same number of steps and with the same
rate, rank and layers; the loop is this file's own, so that nothing but the answer differs. Loading, frozen
layers and adapters are the product's. Forms:

- `words`: the label's words and the end of turn, loss on each of their tokens, scored exactly;
- `codes`: AA, AB, ... as far as they are single tokens of the tokenizer; `names`: for each label one word
  of the vocabulary near the mean of its name's pieces, no two the same;
- `means`: a row for each label, the mean of its name's pieces, that stays as it is: one pass as well;
- `tokens`: a new token for each label, its row the same mean at first, rows trained too;
- `head`: a linear layer of its own, random, in place of the vocabulary.

Losses of the one-token forms: `rows` over the labels' rows only, `vocabulary` over all tokens, `mass` as
`rows` with a tenth of -log(probability that the vocabulary's softmax gives to all label rows together).

Recipes: `--smoothing` takes that share of the target from the right label and spreads it over all,
`--dropout` is the adapters', `--average` scores the mean of the weights over that last share of the steps
beside the last.

Accuracy is on dev rows, drawn from train; `--test` answers the test rows too. "rows" says which were right.

Run: python benchmarks/answer_forms.py --per-label 5 --forms words codes/rows codes/mass tokens/rows head
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from harness.bakeoff.arm_factory import recipe_for
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.plan import build_plan
from harness.cli.options import HereOptions
from harness.core.records import Conversation, Evalset, Item, Recipe
from harness.models.local.rendering import Renderer
from harness.models.resolve import local_folder, resolve
from harness.models.settings import ModelSettings, cache_dir
from harness.tasks.classification import tune_messages
from harness.tasks.labels import answer_text
from harness.tasks.records import PromptLimits
from harness.training.fast import FrozenLayers, LastLayer, common_prefix, fused_adapters, line_of
from harness.training.loading import load_base, tools
from harness.training.rows import TokenRow, tokenise_all
from harness.training.watching import answer_rows

MODEL = "smollm2-135m"
_MASS = 0.1
_PAD = 4
_EVAL_ROWS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every form is given."""

    evalset: Evalset
    train: tuple[Item, ...]
    base: Path
    recipe: Recipe
    limits: PromptLimits
    smoothing: float = 0.0
    average: float = 0.0

    @property
    def answers(self) -> list[str]:
        """The labels' words."""
        return [answer_text(label.name) for label in self.evalset.labels]

    def conversations(self, items: Sequence[Item]) -> list[Conversation]:
        """Rows as a tuned arm is trained on."""
        return [
            Conversation(
                item_id=item.id,
                prompt=tune_messages(item.text, self.limits),
                completion=answer_text(item.label),
            )
            for item in items
        ]


class Form:
    """One way of answering, on a freshly loaded base model."""

    def __init__(self, bench: Bench, name: str) -> None:
        kit = tools()
        self.bench, self.torch = bench, kit.torch
        self.kind, _, self.loss_name = name.partition("/")
        kit.torch.manual_seed(bench.recipe.seed)
        tokenizer, model = load_base(bench.base, bench.recipe, "cpu")
        from peft import get_peft_model

        self.renderer = Renderer(tokenizer)
        pieces = [tokenizer(f" {answer}", add_special_tokens=False)["input_ids"] for answer in bench.answers]
        table = model.lm_head.weight.detach()
        self.means = kit.torch.stack([table[ids].float().mean(0) for ids in pieces])
        count = model.config.num_hidden_layers
        tuned = bench.recipe.tuned_layers or count
        self.depth = count - tuned
        lora = kit.LoraConfig(
            r=bench.recipe.rank,
            lora_alpha=bench.recipe.alpha,
            target_modules=list(bench.recipe.target_modules),
            lora_dropout=bench.recipe.dropout,
            layers_to_transform=list(range(self.depth, count)),
            task_type="CAUSAL_LM",
        )
        self.peft = get_peft_model(model, lora)
        self.model = self.peft.get_base_model()
        self.rows: Any = None
        self.ids: list[int] = []
        extra: list[Any] = []
        match self.kind:
            case "codes":
                self.ids = codes(self.renderer)[: len(pieces)]
                self.rows = table[self.ids]
            case "names":
                self.ids = nearest(table.float(), self.means, self.renderer)
                self.rows = table[self.ids]
            case "means":
                self.rows = self.means.to(table.dtype)
            case "tokens":
                self.rows = kit.torch.nn.Parameter(self.means.clone())
                extra = [self.rows]
            case "head":
                scale = 1 / math.sqrt(table.shape[1])
                self.rows = kit.torch.nn.Parameter(kit.torch.randn(len(pieces), table.shape[1]) * scale)
                extra = [self.rows]
        self.trained = [weight for weight in self.peft.parameters() if weight.requires_grad] + extra

    def token_rows(self, items: Sequence[Item]) -> list[TokenRow]:
        """Prompts and words, as the product renders them."""
        return tokenise_all(self.bench.conversations(items), self.renderer, self.bench.recipe.max_tokens)

    def read(self, row: TokenRow) -> tuple[int, ...]:
        """Tokens that are computed: the prompt, and behind it the answer's words if they are trained on."""
        return row.ids if self.kind == "words" else row.ids[: len(row.ids) - row.answer]

    def targets(self, items: Sequence[Item]) -> Any:
        """The place of each item's label."""
        place = {label.name: index for index, label in enumerate(self.bench.evalset.labels)}
        return self.torch.tensor([place[item.label] for item in items])

    def loss(self, hidden: Any, targets: Any) -> Any:
        """Mean cross-entropy of a batch from the hidden states where it is read."""
        functional = self.torch.nn.functional
        if self.kind == "words":
            return functional.cross_entropy(self.model.lm_head(hidden).float(), targets)
        among = functional.cross_entropy(self.logits(hidden), targets, label_smoothing=self.bench.smoothing)
        if self.loss_name in ("rows", ""):
            return among
        return among - (1.0 if self.loss_name == "vocabulary" else _MASS) * self.mass(hidden).mean()

    def mass(self, hidden: Any) -> Any:
        """(rows,) log of the share the vocabulary's softmax gives to all labels together; a head's is 0."""
        own = self.logits(hidden).logsumexp(1)
        if self.kind == "head":
            return own * 0.0
        every = self.model.lm_head(hidden).float().logsumexp(1)
        return own - (self.torch.logaddexp(every, own) if self.kind == "tokens" else every)

    def logits(self, hidden: Any) -> Any:
        """(rows, labels) in fp32."""
        if isinstance(self.rows, self.torch.nn.Parameter):
            return hidden.float() @ self.rows.t()
        return (hidden @ self.rows.t()).float()


def codes(renderer: Renderer) -> list[int]:
    """The tokens of A to ZZ that stand alone after a prompt, the pairs first."""
    words = ["".join(pair) for pair in product(ascii_uppercase, repeat=2)] + list(ascii_uppercase)
    found = [renderer.completion_ids(word) for word in words]
    ends = renderer.completion_ids("A")[1:]
    return [ids[0] for ids in found if ids[1:] == ends]


def nearest(table: Any, means: Any, renderer: Renderer) -> list[int]:
    """For each label the word of the vocabulary that is nearest to what sets its name apart, none twice."""
    import torch
    from scipy.optimize import linear_sum_assignment

    unit, decode = torch.nn.functional.normalize, renderer._tokenizer.decode
    words = [index for index in range(table.shape[0]) if _is_word(decode([index]))]
    close = unit(means - means.mean(0), dim=1) @ unit(table[words] - table.mean(0), dim=1).t()
    return [words[place] for place in linear_sum_assignment(-close.numpy())[1]]


def _is_word(text: str) -> bool:
    return text[:1] == " " and text[1:].isascii() and text[1:].isalpha() and len(text) > 2


def batches(count: int, recipe: Recipe, seed: int) -> Iterator[list[int]]:
    """The same shuffled batches for every form."""
    rng = random.Random(seed)
    for _ in range(int(recipe.epochs)):
        order = list(range(count))
        rng.shuffle(order)
        for start in range(0, count, recipe.batch_size):
            yield order[start : start + recipe.batch_size]


def fit(form: Form, items: Sequence[Item], frozen: FrozenLayers, last: LastLayer) -> tuple[float, list[Any]]:
    """Train; returns CPU seconds, and the mean of the last weights where it was asked for."""
    torch, recipe = form.torch, form.bench.recipe
    rows = form.token_rows(items)
    targets = form.targets(items)
    start = time.process_time()
    frozen.keep([form.read(row) for row in rows])
    steps = math.ceil(len(rows) / recipe.batch_size) * int(recipe.epochs)
    optimizer = torch.optim.AdamW(form.trained, lr=recipe.learning_rate, weight_decay=0.0)
    warm = max(1, math.ceil(steps * recipe.warmup_ratio))
    averaged, sums = round(steps * form.bench.average), [torch.zeros_like(one) for one in form.trained]
    form.peft.train()
    with frozen.skipped(), last.shortened():
        for step, batch in enumerate(batches(len(rows), recipe, recipe.seed)):
            rate = min((step + 1) / warm, (steps - step) / max(1, steps - warm))
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * rate
            part = [rows[index] for index in batch]
            if form.kind == "words":
                goal = torch.tensor([token for row in part for token in row.ids[len(row.ids) - row.answer :]])
            else:
                goal = targets[batch]
            loss = form.loss(upper(form, frozen, last, part), goal)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(form.trained, 1.0)
            optimizer.step()
            if step >= steps - averaged:
                for total, weight in zip(sums, form.trained, strict=True):
                    total += weight.detach() / averaged
    form.peft.eval()
    return time.process_time() - start, sums if averaged else []


def upper(form: Form, frozen: FrozenLayers, last: LastLayer, rows: Sequence[TokenRow]) -> Any:
    """Hidden states where some rows are read, one after the other."""
    read = [form.read(row) for row in rows]
    length = -(-max(len(row) for row in read) // _PAD) * _PAD
    mask = form.torch.zeros(len(rows), length, dtype=form.torch.bool)
    for place, row in enumerate(rows):
        before = len(row.ids) - row.answer
        mask[place, before - 1 : len(read[place])] = True
        if form.kind == "words":
            mask[place, len(row.ids) - 1] = False
    last.wanted = line_of(len(frozen.prefix), mask) if frozen.prefix else mask
    return frozen.upper(frozen.states(read, length))


def accuracy(form: Form, items: Sequence[Item], frozen: FrozenLayers, last: LastLayer) -> dict[str, object]:
    """Share answered rightly, mean -log probability of the right label, mean mass of labels, CPU seconds."""
    start = time.process_time()
    if form.kind == "words":  # scored exactly over all labels, all layers
        answered = answer_rows(form.model, form.renderer, form.bench.conversations(items), form.bench.answers)
        right = sum(one.correct for one in answered) / len(items)
        return {"right": right, "cpu_s": round(time.process_time() - start, 1)}
    torch, rows, truth = form.torch, form.token_rows(items), form.targets(items)
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
    shares, masses = torch.zeros(len(rows), len(form.bench.answers)), []
    frozen.keep([form.read(row) for row in rows])
    with frozen.skipped(), last.shortened(), torch.no_grad():
        for first in range(0, len(rows), _EVAL_ROWS):
            part = order[first : first + _EVAL_ROWS]
            hidden = upper(form, frozen, last, [rows[i] for i in part])
            shares[part] = form.logits(hidden).log_softmax(1)
            masses += form.mass(hidden).exp().tolist()
    right = (shares.argmax(1) == truth).tolist()
    return {
        "right": sum(right) / len(right),
        "rows": "".join("1" if one else "0" for one in right),
        "nll": round(float(-shares.gather(1, truth.unsqueeze(1)).mean()), 3),
        "mass": round(sum(masses) / len(masses), 3),
        "cpu_s": round(time.process_time() - start, 1),
    }


def measure(bench: Bench, name: str, splits: dict[str, Sequence[Item]]) -> dict[str, object]:
    """Train and score one form."""
    form = Form(bench, name)
    rows = form.token_rows([*bench.train, *(item for items in splits.values() for item in items)])
    prefix = common_prefix([row.ids for row in rows], [row.answer for row in rows])
    frozen = FrozenLayers(form.model.model, form.depth, prefix)
    last = LastLayer(form.model.model)
    with fused_adapters(form.peft):
        seconds, mean = fit(form, bench.train, frozen, last)
        scored = {split: accuracy(form, items, frozen, last) for split, items in splits.items()}
        if mean:
            with tools().torch.no_grad():
                for weight, value in zip(form.trained, mean, strict=True):
                    weight.copy_(value)
            for split, items in splits.items():
                scored[f"{split} averaged"] = accuracy(form, items, frozen, last)
    return {"form": name, "trained_rows": len(bench.train), "train_cpu_s": round(seconds, 1), **scored}


def drawn(items: Sequence[Item], per_label: int, seed: int) -> tuple[Item, ...]:
    """So many rows of each label; all of them with 0."""
    if not per_label:
        return tuple(items)
    shuffled = list(items)
    random.Random(seed).shuffle(shuffled)
    counts: dict[str, int] = {}
    kept = []
    for item in shuffled:
        counts[item.label] = counts.get(item.label, 0) + 1
        if counts[item.label] <= per_label:
            kept.append(item)
    return tuple(kept)


def prepare(options: argparse.Namespace) -> Bench:
    """Rows, base model and recipe."""
    raw: dict[str, Any] = {
        "seed": options.seed,
        "data": {"evalset": options.evalset},
        "arms": [{"option": "tune", "model": MODEL}],
        "tune": {"epochs": options.epochs, "layers": options.layers, "method": options.method},
        "cost": {"price_date": f"{date.today():%Y-%m-%d}"},
    }
    plan = build_plan(raw, "the benchmark")
    evalset = load_rows(plan, HereOptions(threads=options.threads).context(quiet=True))
    train = drawn(evalset.train, options.per_label, options.seed)
    opening = ModelSettings(cache=cache_dir(os.environ), threads=options.threads)
    base = local_folder(resolve(MODEL), opening)  # type: ignore[arg-type]
    recipe = recipe_for(plan, base, len(train), options.seed, opening)
    changed = ("learning_rate", "batch_size", "dropout")
    recipe = replace(recipe, **{name: value for name in changed if (value := getattr(options, name))})
    return Bench(
        evalset=evalset,
        train=train,
        base=base,
        recipe=recipe,
        limits=plan.prompt.limits,
        smoothing=options.smoothing,
        average=options.average,
    )


def main() -> None:
    """Measure the forms one after the other, a line of JSON each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evalset", default="banking77")
    parser.add_argument("--per-label", type=int, default=5)
    parser.add_argument(
        "--forms", nargs="+", default=["words", "codes/rows", "names/rows", "tokens/rows", "head"]
    )
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--layers", type=int, default=15)
    parser.add_argument("--learning-rate", type=float, default=None)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--smoothing", type=float, default=0.0)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--average", type=float, default=0.0)
    parser.add_argument("--method", default="lora-bf16")
    parser.add_argument("--dev", type=int, default=500)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    bench = prepare(options)
    tools().torch.set_num_threads(options.threads)
    splits: dict[str, Sequence[Item]] = {"dev": bench.evalset.dev[: options.dev]}
    if options.test:
        splits["test"] = bench.evalset.test
    for name in options.forms:
        print(json.dumps(vars(options) | measure(bench, name, splits)), flush=True)


if __name__ == "__main__":
    main()
