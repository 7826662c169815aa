"""Trains an encoder with a linear head on texts, on this machine; resumes after a kill.

What is learnt is another module's: labels, or the fields that a text states (`labels`).

Every weight is adapted, or low-rank additions to every matrix (PEFT), merged when the training ends. Batches
hold rows of like length, in an order that only the seed and the epoch decide. Four things make it fast on a
CPU and change no result: batches carry no padding to a common length, matrices are multiplied in bf16 where
the processor is made for it (weights, sums and steps stay fp32), attention is plain batched products, as the
gradient of torch's fused one takes longer, and of the word vectors only those that stand in the
training rows are held by the optimiser: the others have no gradient and would never move.

The rate rises over the first steps and falls to 0 in a straight line. A checkpoint is written at the end of
an epoch: safetensors and a line of JSON, no pickle.

    <work>/epoch.safetensors     weights and the optimiser's moments
    <work>/epoch.json            epochs that are done, and the loss so far

Memory is a sum of parts, in GiB, beside the encoder that is open already; before it is opened its weights
alone are set against the free memory:

    states       gradient and Adam's two moments of every weight that is trained, fp32: 12 bytes each
    activations  what the layers above the lowest trained one keep of a batch for their gradient, at the
                 longest text that is read; nothing is recomputed
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from advisor.base_models.vram import GIB
from harness.core.artefacts import EncoderRecipe
from harness.core.environment import free_gib
from harness.core.errors import TrainingError, needs
from harness.core.files import write_atomically
from harness.models.local.encoder import HeadedEncoder, most_tokens, open_encoder, padded, states_of
from harness.training.memory import BAND, MemoryParts, require_room
from harness.training.progress import check, quiet

_STATE_BYTES = 12
_NORM_BYTES = 8  # a norm keeps its input and the sum before it, fp32
_LORA_STATES = 0.02  # of the matrices: more than additions of rank 16 take


@dataclass(frozen=True, kw_only=True)
class EncoderMemory(MemoryParts):
    """The parts, GiB."""

    weights: float = 0.0
    states: float = 0.0
    activations: float = 0.0


def encoder_memory(layers: Any, trained: int, recipe: EncoderRecipe, heads: int) -> EncoderMemory:
    """What a training takes beside the open encoder.

    Args:
        layers: the encoder's layers, from the lowest.
        trained: weights that are trained.
        heads: attention heads of a layer.
    """
    kept = list(layers)[-(recipe.tuned_layers or len(layers)) :]
    a_token = sum(_kept_per_token(layer, recipe, heads) for layer in kept)
    return EncoderMemory(
        states=trained * _STATE_BYTES / GIB,
        activations=recipe.batch_size * recipe.max_tokens * a_token / GIB,
    )


def _kept_per_token(layer: Any, recipe: EncoderRecipe, heads: int) -> int:
    """Bytes: inputs and outputs of the matrices, of the norms, and the attention to every other token.

    The attention's weights are kept in fp32, in the precision that is multiplied in before and after dropout,
    and dropout's mask.
    """
    import torch

    width = 2 if recipe.precision == "bf16" else 4
    matrices = [module for module in layer.modules() if isinstance(module, torch.nn.Linear)]
    norms = [module for module in layer.modules() if isinstance(module, torch.nn.LayerNorm)]
    sides: int = sum(module.in_features + module.out_features for module in matrices)
    normed: int = sum(module.normalized_shape[0] for module in norms)
    attention = heads * recipe.max_tokens * (2 * width + 4 + 1)
    return sides * width + normed * _NORM_BYTES + attention


def require_room_to_open(base: Path, free_gib: float | None) -> None:
    """Refuse an encoder whose weights alone do not fit.

    Raises:
        TrainingError: with what to do instead.
    """
    stored = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    require_room(EncoderMemory(weights=stored / GIB), free_gib, "the plan again with a smaller encoder")


def require_room_to_train(
    session: tuple[Any, int, int], recipe: EncoderRecipe, free_gib: float | None
) -> None:
    """Refuse a training that cannot fit beside the open encoder.

    Args:
        session: the encoder's layers, the number of trained weights, and of attention heads.

    Raises:
        TrainingError: with the mildest change that fits.
    """
    layers, trained, heads = session
    needed = encoder_memory(layers, trained, recipe, heads)
    ways = "the plan again with a smaller encoder"
    if free_gib is not None:
        for words, milder, states in _milder(recipe, trained):
            if encoder_memory(layers, states, milder, heads).total * BAND[1] <= free_gib:
                ways = f"the plan again with {words}"
                break
    require_room(needed, free_gib, ways)


def _milder(recipe: EncoderRecipe, trained: int) -> list[tuple[str, EncoderRecipe, int]]:
    """Changes that add up, in the order in which they cost quality; with the weights then trained."""
    found = []
    for batch in (16, 8, 4):
        if batch < recipe.batch_size:
            recipe = dataclasses.replace(recipe, batch_size=batch)
            found.append((f"encoder.batch_size: {batch}", recipe, trained))
    words = found[-1][0] + ", " if found else ""
    if recipe.tuned == "whole":
        found.append((f"{words}encoder.method: lora", recipe, round(trained * _LORA_STATES)))
    return found


Say = Callable[[str], None]
M = TypeVar("M", bound=HeadedEncoder)

ENCODER_TRAINER = "encoder-2"  # raised when a change makes the same recipe train something else
_WARM_UP = 0.1  # of the steps, while the rate rises
_CLIP = 1.0
_POOL = 32  # batches that are sorted by length together
_LORA_DROPOUT = 0.05
_EVERY_S = 20.0  # between two lines of progress, and between two checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderJob:
    """One training; what each text is to teach stands in its kinds.

    Attributes:
        base: the encoder's folder.
        work: where checkpoints lie; None keeps none.
    """

    base: Path
    texts: tuple[str, ...]
    recipe: EncoderRecipe
    work: Path | None = None
    device: str = "cpu"
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedEncoder(Generic[M]):
    """What came out, and what it took."""

    model: M
    tokens: int
    seconds: float  # of a training that was stopped: those until its checkpoint, and those since
    steps: int
    curve: tuple[tuple[int, float], ...]


def trained(begin: Callable[[], EncoderSession[M]], job: EncoderJob, say: Say) -> TrainedEncoder[M]:
    """Train, or go on with a training that was stopped.

    Args:
        begin: opens the session of the job.

    Raises:
        MissingExtra, ModelUnavailable: if a package or the encoder is not there.
        TrainingError: if memory does not suffice or the training diverges.
    """
    started = time.perf_counter()
    import torch

    if job.threads:
        torch.set_num_threads(job.threads)
    require_room_to_open(job.base, free_gib(job.device))
    try:
        session = begin()
        session.require_room(free_gib(job.device))
        session.run(say)
        model = session.finished()
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _too_little_memory(job) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "out of memory" in str(error):
            raise _too_little_memory(job) from error
        raise
    return TrainedEncoder(
        model=model,
        tokens=session.tokens,
        seconds=time.perf_counter() - started + session.earlier_s,
        steps=session.step,
        curve=tuple(session.curve),
    )


def _too_little_memory(job: EncoderJob) -> TrainingError:
    return TrainingError(
        "The training does not fit into memory.",
        got=f"batches of {job.recipe.batch_size} texts of up to {job.recipe.max_tokens} tokens",
        run="the plan again with encoder.batch_size: 8, encoder.method: lora, or a smaller encoder",
    )


class EncoderSession(ABC, Generic[M]):
    """A training with all that it holds; `harness.training.speed` times a few of its steps."""

    def __init__(self, job: EncoderJob, columns: int) -> None:
        """
        Args:
            columns: scores that the head gives.
        """
        import torch

        self.job, recipe = job, job.recipe
        torch.manual_seed(recipe.seed)
        encoder, tokenizer = open_encoder(job.base, job.device)
        head = torch.nn.Linear(encoder.config.hidden_size, columns).to(job.device)
        self.opened = HeadedEncoder(
            encoder=encoder,
            tokenizer=tokenizer,
            head=head,
            max_tokens=min(recipe.max_tokens, most_tokens(encoder, tokenizer)),
            device=job.device,
            threads=job.threads,
        )
        self.rows = self.opened.tokenise(job.texts)
        self.words = _hold_words_seen(encoder, self.rows) if recipe.tuned == "whole" else None
        self._attention = _plain_attention(encoder) if job.device == "cpu" else None
        self.encoder = _adapted(encoder, recipe)
        self.weights = [weight for weight in self.encoder.parameters() if weight.requires_grad]
        groups = [
            {"params": self.weights, "factor": 1.0},
            {"params": list(head.parameters()), "factor": recipe.head_factor},
        ]
        self.optimiser: Any = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=0.0, fused=True)
        self.step, self.tokens, self.done = 0, 0, 0
        self.curve: list[tuple[int, float]] = []
        self._began: float | None = None
        self.earlier_s, self._opened_at = 0.0, time.perf_counter()

    @abstractmethod
    def loss(self, batch: Sequence[int], number: int) -> Any:
        """The loss of a batch of rows in a pass."""

    @abstractmethod
    def finished(self) -> M:
        """The model with what was learnt in the encoder's own weights."""

    def before_pass(self, number: int) -> None:
        """What is to be done before a pass; nothing unless a kind of training says so."""

    @property
    def passes(self) -> int:
        """Passes over the rows, those of the warm-up included."""
        return self.job.recipe.warm_up_pairs + self.job.recipe.epochs

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.passes * -(-len(self.rows) // self.job.recipe.batch_size)

    def require_room(self, free: float | None) -> None:
        """Refuse what cannot fit into the free memory, GiB.

        Raises:
            TrainingError: with the mildest change that fits.
        """
        trained = sum(weight.numel() for weight in self._all_weights())
        heads = self.encoder.config.num_attention_heads
        require_room_to_train((layers_of(self.encoder), trained, heads), self.job.recipe, free)

    def run(self, say: Say, most_steps: int | None = None) -> None:
        """Every pass that is not done yet."""
        self._load()
        started = told = kept = time.perf_counter()
        first = self.step
        for number in range(self.done, self.passes):
            losses: list[float] = []
            begun = time.perf_counter()
            self.before_pass(number)
            started += time.perf_counter() - begun  # steps alone tell how long the rest takes
            for batch in self._batches(number):
                losses.append(self._learn(batch, number))
                now = time.perf_counter()
                if now - told > _EVERY_S:
                    left = (now - started) / (self.step - first) * (self.steps - self.step)
                    say(f"step {self.step}/{self.steps}, loss {losses[-1]:.3f}, {left:.0f} s left")
                    told = now
                if most_steps is not None and self.step >= most_steps:
                    return
            self.done = number + 1
            self._note(sum(losses) / len(losses))
            if time.perf_counter() - kept > _EVERY_S and self.done < self.passes:
                self._keep()
                kept = time.perf_counter()

    def states(self, batch: Sequence[int]) -> tuple[Any, Any]:
        """A vector of every token of some rows, and which tokens are no padding."""
        import torch

        rows = [self.rows[row] for row in batch]
        ids, mask = padded(rows, self.opened.tokenizer.pad_token_id, self.job.device)
        kind, half = self.job.device.partition(":")[0], self.job.recipe.precision == "bf16"
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=half):
            return states_of(self.encoder, ids, mask), mask

    def ended(self) -> HeadedEncoder:
        """The encoder as it was opened, with what was learnt in its own weights, and its head."""
        import torch

        encoder = self.encoder
        if self.job.recipe.tuned == "lora":
            encoder = encoder.merge_and_unload()
        with torch.no_grad():
            if self.words is not None:
                encoder.set_input_embeddings(self.words.put_back())
        for weight in encoder.parameters():
            weight.requires_grad_(False)
        if self._attention is not None:
            encoder.set_attn_implementation(self._attention)
        return replace(self.opened, encoder=encoder.eval())

    def _note(self, loss: float) -> None:
        self._began = loss if self._began is None else self._began
        check(loss, self._began, self.step)
        self.curve.append((self.step, round(loss, 4)))

    def _batches(self, number: int) -> Iterator[list[int]]:
        import torch

        seed = self.job.recipe.seed * 10_007 + number
        torch.manual_seed(seed)  # of dropout, the same after a kill
        yield from self.batches(number, random.Random(seed))

    def batches(self, number: int, shuffle: random.Random) -> Iterator[list[int]]:
        """The rows of a pass: shuffled, then batches of like length."""
        size = self.job.recipe.batch_size
        order = list(range(len(self.rows)))
        shuffle.shuffle(order)
        found: list[list[int]] = []
        for first in range(0, len(order), size * _POOL):
            part = sorted(order[first : first + size * _POOL], key=lambda row: len(self.rows[row]))
            found += [part[at : at + size] for at in range(0, len(part), size)]
        shuffle.shuffle(found)
        yield from found

    def _learn(self, batch: Sequence[int], number: int) -> float:
        import torch

        recipe = self.job.recipe
        self.encoder.train()
        loss = self.loss(batch, number)
        loss.backward()
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.learning_rate * group["factor"] * rate_at(self.step, self.steps)
        torch.nn.utils.clip_grad_norm_(self._all_weights(), _CLIP)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += sum(len(self.rows[row]) for row in batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            check(value, self._began or 0.0, self.step)
        return value

    def _keep(self) -> None:
        """Write a checkpoint."""
        if self.job.work is None:
            return
        from safetensors.torch import save_file

        temporary = self.job.work / "epoch.tmp"
        try:
            save_file(self._tensors(), temporary)
            seconds = self.earlier_s + time.perf_counter() - self._opened_at
            told = {
                "done": self.done,
                "step": self.step,
                "tokens": self.tokens,
                "curve": self.curve,
                "seconds": seconds,
            }
            temporary.replace(self.job.work / f"epoch-{self.done}.safetensors")
            write_atomically(self.job.work / "epoch.json", json.dumps(told))
        except OSError as error:
            raise TrainingError(
                f"The checkpoint cannot be written: {error.strerror}.",
                got=str(self.job.work),
                run="harness resume   # once there is room",
            ) from error
        for stale in self.job.work.glob("epoch-*.safetensors"):
            if stale.name != f"epoch-{self.done}.safetensors":
                stale.unlink(missing_ok=True)

    def _load(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if self.job.work is None:
            return
        try:
            told = json.loads((self.job.work / "epoch.json").read_text(encoding="utf-8"))
            kept = load_file(self.job.work / f"epoch-{told['done']}.safetensors")
            self._put(kept)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError):
            return  # none, or not whole: from the beginning
        self.done, self.step, self.tokens = told["done"], told["step"], told["tokens"]
        self.curve = [(step, loss) for step, loss in told["curve"]]
        self.earlier_s = float(told.get("seconds", 0.0))
        self._began = self.curve[0][1] if self.curve else None

    def _tensors(self) -> dict[str, Any]:
        found = {}
        for number, weight in enumerate(self._all_weights()):
            found[f"{number}.weight"] = weight.detach().contiguous()
            for name, moment in self.optimiser.state.get(weight, {}).items():
                found[f"{number}.{name}"] = moment.contiguous()
        return found

    def _put(self, kept: dict[str, Any]) -> None:
        import torch

        if any(kept[f"{i}.weight"].shape != weight.shape for i, weight in enumerate(self._all_weights())):
            raise ValueError("another training")
        with torch.no_grad():
            for number, weight in enumerate(self._all_weights()):
                weight.copy_(kept[f"{number}.weight"])
                state = {name.partition(".")[2]: kept[name] for name in kept if name.startswith(f"{number}.")}
                del state["weight"]
                if state:
                    self.optimiser.state[weight] = state

    def _all_weights(self) -> list[Any]:
        return [*self.weights, *self.opened.head.parameters()]


def rate_at(step: int, steps: int) -> float:
    """The share of the rate at a step: up over the first tenth, then down to 0."""
    rising = max(1, round(steps * _WARM_UP))
    return (step + 1) / rising if step < rising else (steps - step) / max(1, steps - rising)


def _adapted(encoder: Any, recipe: EncoderRecipe) -> Any:
    """The encoder with the weights free that the recipe adapts."""
    for weight in encoder.parameters():
        weight.requires_grad_(recipe.tuned == "whole" and recipe.tuned_layers is None)
    if recipe.tuned == "lora":
        return _with_additions(encoder, recipe)
    if recipe.tuned_layers is not None:
        for layer in layers_of(encoder)[-recipe.tuned_layers :]:
            for weight in layer.parameters():
                weight.requires_grad_(True)
    return encoder


def _plain_attention(encoder: Any) -> str | None:
    """Attend by batched products; what it was before, None where the architecture knows one way only."""
    before: str | None = getattr(encoder.config, "_attn_implementation", None)
    try:
        encoder.set_attn_implementation("eager")
    except (AttributeError, ValueError, ImportError):
        return None
    return before


def _with_additions(encoder: Any, recipe: EncoderRecipe) -> Any:
    with needs("train"):
        from peft import LoraConfig, get_peft_model
    layers = layers_of(encoder)
    upper = None if recipe.tuned_layers is None else list(range(len(layers)))[-recipe.tuned_layers :]
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=_LORA_DROPOUT,
        target_modules="all-linear",
        layers_to_transform=upper,
    )
    with quiet():
        return get_peft_model(encoder, config)


def layers_of(encoder: Any) -> Any:
    """The encoder's layers, from the lowest: its longest list of modules.

    Raises:
        TrainingError: if it has none.
    """
    import torch

    lists = [module for module in encoder.modules() if isinstance(module, torch.nn.ModuleList)]
    if not lists:
        raise TrainingError(
            "The encoder has no layers that can be told apart.", run="the plan without encoder.layers"
        )
    return max(lists, key=len)


def _hold_words_seen(encoder: Any, rows: Sequence[Sequence[int]]) -> Any:
    """Put a table of the word vectors that stand in the rows in the place of the whole one.

    The others get no gradient, so Adam without weight decay never moves them: the result is the same.
    """
    import torch

    whole = encoder.get_input_embeddings()
    if not isinstance(whole, torch.nn.Embedding):
        return None
    seen = torch.tensor(sorted({token for row in rows for token in row} | {encoder.config.pad_token_id or 0}))

    class WordsSeen(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(whole.weight.detach()[seen].clone())
            place = torch.zeros(whole.num_embeddings, dtype=torch.long, device=whole.weight.device)
            place[seen] = torch.arange(len(seen), device=place.device)
            self.register_buffer("place", place, persistent=False)

        def forward(self, ids: Any) -> Any:
            return torch.nn.functional.embedding(self.place[ids], self.weight)

        def put_back(self) -> Any:
            whole.weight[seen] = self.weight
            return whole

    words = WordsSeen()
    encoder.set_input_embeddings(words)
    return words
