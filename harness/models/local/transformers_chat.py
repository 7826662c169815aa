"""A local causal language model in this process: scores the answers of a closed set, and writes others.

A model with an adapter, being trained on its answers, reads the prompt first and computes the answers that
can matter (`TreeScorer.score_needed`): the best answer is the exact one, and no probability is off by more
than 1e-3. Other models compute every answer, as do small sets of choices: an untuned model begins many
answers and ends few, so that first tokens rule nothing out and one pass over prompt and tree is faster.

`answer` sorts requests by length and scores them in batches; `answer_one` scores one, as a user's query
would be. Both reuse the keys and values of the prompt prefix that was used last (a label guide, say).
The answer is the most probable choice, ties to the first; nothing is sampled, so no seed is needed.
An answer held to a JSON schema, or to a length alone, is written by the likeliest token at each step
(`tree_writing`), several at a time, longest prompts first.

Same requests in the same order on a fresh model give bit-identical replies. Other batch-mates or
another kept prefix change log-probabilities by rounding only (at most 1e-3 in fp32, up to 2 in bf16: the
worst on 12 prompts); of answers that were left out, their share of the bound. A batch and a prompt alone
may leave out different answers. What was asked since `forget` and the first prompts does not matter.
Prompts longer than the context are failures, never cut. Limit: the adapter is merged into the weights
on loading, in fp32 before any rounding; the merged model is what is scored.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.money.usage import CountedBy, Usage
from advisor.reading import read_json
from harness.core.collector import uncollected
from harness.core.environment import free_gib
from harness.core.errors import ModelUnavailable, needs
from harness.core.records import Choices, Failure, FailureKind, FreeText, JsonSchema, Message, ModelIdentity
from harness.models.base import ChatReply, ChatRequest
from harness.models.deciding import folder_facts, versions_of, weights_of
from harness.models.local.choice_tree import ChoiceTree, batches, choice_tree, common_prefix, require_distinct
from harness.models.local.precision import choose_precision
from harness.models.local.rendering import Renderer
from harness.models.local.safe_weights import require_safe_adapter
from harness.models.settings import ModelSettings

if TYPE_CHECKING:
    from harness.models.local.held_tokens import HeldAnswer, JsonGrammar
    from harness.models.local.tree_scoring import Prefix
    from harness.models.local.tree_writing import WrittenAnswer

# Tokens of one pass, padding and tree included. On one CPU core 300, 700, 1,536 and 3,000 took 0.60, 0.61,
# 0.71 and 0.82 s an item (180 own tokens, fp32, SmolLM2-135M): small passes stay in the processor's cache.
_CPU_TOKENS = 768
_GPU_TOKENS = 16_384
# Trees of so few nodes are computed with the prompt, for a batch and for one prompt alone: a second pass
# costs as much as about 30 tokens (SmolLM2-135M, fp32, one core: all weights are read once more), which a
# batch shares, and a tuned model looks below a third of the nodes.
_SMALL_TREE, _SMALL_TREE_ALONE = 24, 96
# Columns of keys and values of the answers that are written at once: prompts behind the shared prefix with
# room for the longest answer. SmolLM2-135M holds 45 KiB a column in fp32.
_CPU_COLUMNS, _GPU_COLUMNS = 16_384, 65_536
_MIN_PREFIX = 8  # a shorter common prefix is not worth a pass of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A request with its prompt's tokens."""

    request: ChatRequest
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """The tokenised choices of a request."""

    ids: tuple[tuple[int, ...], ...]
    tree: ChoiceTree


class TransformersChat:
    """A chat model behind `harness.models.base.ChatModel`, from a folder that transformers can load."""

    def __init__(
        self, model_id: str, folder: Path, settings: ModelSettings, tuned: tuple[Any, Any] | None = None
    ) -> None:
        """Load the model.

        Args:
            tuned: a tuned model with its tokenizer loaded already (`harness.models.local.adapter_set`).

        Raises:
            MissingExtra: torch, transformers or peft is missing.
            ModelUnavailable: the folder holds no causal language model that transformers can load.
        """
        precision = choose_precision(settings.device, settings.precision)
        self._model, tokenizer = tuned or load_causal(folder, settings, precision)
        from harness.models.local.packed_products import pack_products
        from harness.models.local.tree_scoring import PlainScorer, probed_scorer

        self.renderer = Renderer(tokenizer)
        limit = getattr(self._model.config, "max_position_embeddings", None) or 1 << 30
        self._max_context = min(limit, settings.max_context or limit)
        self._tree = probed_scorer(self._model, self.renderer)
        self._plain = PlainScorer(self._model)
        self._tuned = settings.adapter is not None or tuned is not None
        self._prefix: Prefix | None = None
        self._last: tuple[int, ...] = ()
        cpu = settings.device == "cpu"
        self._budget = _CPU_TOKENS if cpu else _GPU_TOKENS
        self._columns = _CPU_COLUMNS if cpu else _GPU_COLUMNS
        self._tokenizer = tokenizer
        self._answers: dict[Choices, _Answers] = {}
        self._grammars: dict[str, JsonGrammar] = {}
        self.identity = ModelIdentity(
            id=model_id,
            revision=_revision(folder, settings),
            precision=precision,
            location="local",
            parameters=sum(weight.numel() for weight in self._model.parameters()),
            decides=_decides(folder, settings, self._max_context),
        )
        if cpu and tuned is None:
            pack_products(self._model)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the messages as sent, chat template included."""
        return len(self.renderer.prompt_ids(messages))

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[ChatReply | Failure]:
        """Answer all requests in batches, longest first; failures come first of all."""
        groups: dict[Choices, list[_Job]] = {}
        written: list[_Job] = []
        for request in requests:
            job = self._job(request)
            if isinstance(job, Failure):
                yield job
            elif isinstance(request.form, Choices):
                groups.setdefault(request.form, []).append(job)
            else:
                written.append(job)
        for jobs in groups.values():
            yield from self._answer_jobs(jobs)
        if written:
            yield from self._write_jobs(written)

    def answer_one(self, request: ChatRequest) -> ChatReply | Failure:
        """Answer one request alone; `model_s` covers its passes, and the prefix where it is new."""
        job = self._job(request)
        if isinstance(job, Failure):
            return job
        if isinstance(request.form, Choices):
            return next(iter(self._answer_jobs([job], alone=True)))
        return next(iter(self._write_jobs([job])))

    def close(self) -> None:
        """Free the weights and the kept prefix."""
        self._prefix, self._tree = None, None
        del self._model, self._plain

    def _job(self, request: ChatRequest) -> _Job | Failure:
        ids = tuple(self.renderer.prompt_ids(request.messages))
        match request.form:
            case Choices():
                most = max(len(answer) for answer in self._tokenised(request.form).ids)
            case JsonSchema(max_tokens=most) | FreeText(max_tokens=most):
                pass
        total = len(ids) + most
        if total <= self._max_context:
            return _Job(request=request, ids=ids)
        return Failure(
            item_id=request.item_id,
            kind=FailureKind.TOO_LONG,
            message=f"prompt and answer take {total} tokens, the model reads {self._max_context}",
            attempts=0,
        )

    def _tokenised(self, form: Choices) -> _Answers:
        if form not in self._answers:
            most = 1 if form.one_token else None
            ids = tuple(self.renderer.completion_ids(choice)[:most] for choice in form.answers)
            require_distinct(form.answers, ids)
            self._answers[form] = _Answers(ids=ids, tree=choice_tree(ids))
        return self._answers[form]

    def _held(self, form: Choices | JsonSchema | FreeText) -> HeldAnswer | None:
        """The beginning of an answer of this form; None where nothing holds it."""
        if not isinstance(form, JsonSchema):
            return None
        key = json.dumps(form.schema, sort_keys=True)
        if key not in self._grammars:
            from harness.models.local.held_tokens import JsonGrammar

            vocabulary = self._model.get_output_embeddings().weight.shape[0]
            self._grammars[key] = JsonGrammar(self._tokenizer, form.schema, vocabulary)
        return self._grammars[key].start()

    def _ends(self) -> frozenset[int]:
        """The tokens that end an answer."""
        told = self._model.generation_config.eos_token_id
        named = told if isinstance(told, list) else [told]
        last = self.renderer.completion_ids("x")[-1]
        return frozenset(one for one in (*named, self._tokenizer.eos_token_id, last) if one is not None)

    def _write_jobs(self, jobs: list[_Job]) -> Iterator[ChatReply]:
        """Write answers token by token."""
        from harness.models.local.tree_writing import TreeWriter, WrittenAnswer, write_plainly

        def begun(job: _Job) -> WrittenAnswer:
            form = job.request.form
            assert not isinstance(form, Choices)
            return WrittenAnswer(held=self._held(form), most=form.max_tokens)

        ends = self._ends()
        if self._tree is None:
            for job in jobs:
                start, answer = time.perf_counter(), begun(job)
                write_plainly(self._model, job.ids, answer, ends)
                yield self._written(job, answer, ends, cached=0, model_s=time.perf_counter() - start)
            return
        start = time.perf_counter()
        prefix, fresh = self._shared_prefix([job.ids for job in jobs])
        prefix_s = time.perf_counter() - start
        skip = len(prefix.ids) if prefix else 0
        writer = TreeWriter(self._model, self._tree, ends, self._budget)
        begun_all = [begun(job) for job in jobs]
        columns = [len(job.ids) - skip + one.most for job, one in zip(jobs, begun_all, strict=True)]
        for group in batches(columns, self._columns):
            start, members = time.perf_counter(), [jobs[index] for index in group]
            answers = [begun_all[index] for index in group]
            writer.write([job.ids[skip:] for job in members], prefix, answers)
            spent = time.perf_counter() - start
            read = [len(job.ids) - skip + len(one.tokens) for job, one in zip(members, answers, strict=True)]
            for job, one, tokens in zip(members, answers, read, strict=True):
                share = spent * tokens / sum(read) + prefix_s
                yield self._written(job, one, ends, cached=0 if fresh else skip, model_s=share)
                fresh, prefix_s = False, 0.0  # the first one paid for the prefix

    def _written(
        self, job: _Job, answer: WrittenAnswer, ends: frozenset[int], *, cached: int, model_s: float
    ) -> ChatReply:
        said = [token for token in answer.tokens if token not in ends]
        text = self._tokenizer.decode(said, skip_special_tokens=True)
        reply = _reply(job, text, len(answer.tokens), cached=cached, model_s=model_s)
        return dataclasses.replace(reply, cut=answer.cut)

    def _answer_jobs(self, jobs: list[_Job], *, alone: bool = False) -> Iterator[ChatReply]:
        """Jobs with the same choices."""
        form = jobs[0].request.form
        assert isinstance(form, Choices)
        answers = self._tokenised(form)
        if self._tree is None:
            for job in jobs:
                start = time.perf_counter()
                scores = self._plain.score(job.ids, answers.ids).tolist()
                yield _chosen(job, answers, scores, cached=0, model_s=time.perf_counter() - start)
            return
        start = time.perf_counter()
        prefix, fresh = self._shared_prefix([job.ids for job in jobs])
        prefix_s = time.perf_counter() - start
        skip = len(prefix.ids) if prefix else 0
        small = _SMALL_TREE_ALONE if alone else _SMALL_TREE
        two_steps = self._tuned and len(answers.tree.tokens) > small
        beside = 0 if two_steps else len(answers.tree.tokens)
        lengths = [self._tree.padded(len(job.ids) - skip) + beside for job in jobs]
        for group in batches(lengths, self._budget):
            members = [jobs[index] for index in group]
            start = time.perf_counter()
            suffixes = [job.ids[skip:] for job in members]
            rows, nodes = self._scores(suffixes, answers.tree, prefix, two_steps)
            spent = time.perf_counter() - start
            read = [len(job.ids) - skip + own for job, own in zip(members, nodes, strict=True)]
            for job, scores, tokens in zip(members, rows, read, strict=True):
                share = spent * tokens / sum(read)
                yield _chosen(job, answers, scores, cached=0 if fresh else skip, model_s=share + prefix_s)
                fresh, prefix_s = False, 0.0  # the first one paid for the prefix

    def _scores(
        self, suffixes: list[tuple[int, ...]], tree: ChoiceTree, prefix: Prefix | None, two_steps: bool
    ) -> tuple[list[list[float]], list[int]]:
        """Scores of the answers and the nodes computed, by prompt."""
        assert self._tree is not None
        if not two_steps:
            return self._tree.score(suffixes, tree, prefix).tolist(), [len(tree.tokens)] * len(suffixes)
        scored = self._tree.score_needed(suffixes, tree, prefix, budget=self._budget)
        return scored.logprobs, scored.nodes

    def forget(self) -> None:
        """Drop the kept prefix, so that what follows does not depend on what came before."""
        self._prefix, self._last = None, ()

    def _shared_prefix(self, prompts: list[tuple[int, ...]]) -> tuple[Any, bool]:
        """The prefix all prompts share and whether it was computed just now.

        A single prompt uses the kept prefix as far as it goes, as with a provider's prompt cache; one is
        only made anew, from what it shares with the prompt before it, where the kept one is of no use.
        """
        assert self._tree is not None
        last, self._last = self._last, prompts[-1]
        if len(prompts) == 1:
            kept = common_prefix([(*self._prefix.ids, -1), *prompts]) if self._prefix else 0
            if self._prefix is not None and kept >= _MIN_PREFIX:
                return self._prefix.cut(kept), False
            length = common_prefix([*prompts, last]) if last else 0
        else:
            length = common_prefix(prompts)
            if self._prefix is not None and self._prefix.ids == prompts[0][:length]:
                return self._prefix, False
        if length < _MIN_PREFIX:
            return None, False
        self._prefix = self._tree.read_prefix(prompts[0][:length])
        return self._prefix, True


def _chosen(job: _Job, answers: _Answers, scores: list[float], *, cached: int, model_s: float) -> ChatReply:
    top = max(scores)
    total = top + math.log(math.fsum(math.exp(score - top) for score in scores))
    best = scores.index(top)
    text = job.request.choices[best]
    reply = _reply(job, text, len(answers.ids[best]), cached=cached, model_s=model_s)
    return dataclasses.replace(reply, choice_logprobs=tuple(score - total for score in scores))


def _reply(job: _Job, text: str, tokens: int, *, cached: int, model_s: float) -> ChatReply:
    usage = Usage(
        input_tokens=len(job.ids) - cached,
        cached_tokens=cached,
        output_tokens=tokens,
        counted_by=CountedBy.TOKENIZER,
    )
    return ChatReply(
        item_id=job.request.item_id,
        text=text,
        choice_logprobs=None,
        usage=usage,
        queue_s=0.0,
        model_s=model_s,
    )


@uncollected()
def load_causal(folder: Path, settings: ModelSettings, precision: str) -> tuple[Any, Any]:
    """Model and tokenizer of a folder, an adapter merged in where the settings name one.

    Raises:
        MissingExtra: torch, transformers or peft is missing.
        ModelUnavailable: the folder holds no causal language model that transformers can load, or one that
            is too large for the memory that is free.
    """
    with needs("local"):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    first = torch.float32 if settings.adapter is not None else dtype
    _require_room(folder, free_gib(settings.device), first.itemsize)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=first,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,  # unset, transformers would ask on the terminal
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            "The folder holds no causal language model that transformers can load.",
            got=f"{folder}: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}",
            allowed="a folder with config.json, safetensors weights and a tokenizer",
        ) from error
    if settings.adapter is not None:
        model = _merged(model, settings.adapter)
    return model.to(device=settings.device, dtype=dtype).eval(), tokenizer


def _require_room(folder: Path, free: float | None, width: int) -> None:
    """Refuse a model whose weights, of `width` bytes each once loaded, do not fit into the free GiB."""
    try:
        config = read_json(folder / "config.json")
        named = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    except (OSError, ValueError, AttributeError):
        return  # transformers says what is wrong with it
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    packed = "quantization_config" in config  # stays as it is stored
    needed = stored * (1.0 if packed else width / (2 if named.endswith("16") else 4)) / 2**30
    if free is None or needed <= free:
        return
    raise ModelUnavailable(
        "The model does not fit into memory.",
        got=f"{folder.name}: its weights take {needed:.1f} GiB",
        allowed=f"{free:.1f} GiB free",
        run="advisor models   # lists smaller ones; or name a server that has it with --api-base",
    )


def _merged(model: Any, adapter: Path) -> Any:
    with needs("train"):
        from peft import PeftModel
    require_safe_adapter(adapter)
    try:
        return PeftModel.from_pretrained(model, adapter, local_files_only=True).merge_and_unload(
            safe_merge=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelUnavailable(
            "The adapter does not load onto this model.", got=f"{adapter}: {str(error)[:200]}"
        ) from error


def _revision(folder: Path, settings: ModelSettings) -> str:
    """The sha256 of the weights; over those of base and adapter where there is an adapter."""
    digests = weights_of(folder, settings.cache)
    if settings.adapter is not None:
        digests = [*digests, *weights_of(settings.adapter, settings.cache)]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest() if digests else ""


def _decides(folder: Path, settings: ModelSettings, max_context: int) -> tuple[tuple[str, str], ...]:
    """What else decides the answers: files, device and libraries."""
    adapter = folder_facts(settings.adapter, settings.cache, "adapter ") if settings.adapter else ()
    return (
        *folder_facts(folder, settings.cache),
        *adapter,
        ("device", settings.device),
        ("context", str(max_context)),
        *versions_of("torch", "transformers", "tokenizers", *(("peft",) if adapter else ())),
    )
