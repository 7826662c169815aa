"""Encoders with a linear head on this machine: texts to log-probabilities of labels, or of tags and picks.

A text's tokens become one vector as the folder says of itself (`1_Pooling/config.json`, as
sentence-transformers writes it), else by their mean: so an encoder needs no pooler of its own. The head is
one matrix. Texts are sorted by length and a batch is padded to its longest; another batch-mate changes a
score by rounding only.

A kept encoder is a folder that transformers opens as it is (`config.json`, `model.safetensors`, the
tokenizer's files), the head beside it, `head.safetensors`, and where letter groups count too, those.

A head over tags and picks gives every token a score of each tag, and of each value of each pick; a text's
score of a value is that of its strongest token. Where a token stands in the text its tokenizer says.

Letters: an encoder knows the words of the languages it was trained on; names, codes and other languages
reach it in pieces. Groups of two to five letters within a word, and pairs of words, keep them. Each falls
into one of `BUCKETS` buckets by its CRC-32, is counted (1 + log), weighted by how rare the bucket is among
the training rows, and a text's counts are scaled to length 1. So no list of words is kept, and any text can
be read.

    <folder>/letters.safetensors    weight (BUCKETS x labels, fp16), bias, rarity
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.collector import uncollected
from harness.core.errors import ModelUnavailable, needs
from harness.models.local.safe_weights import refuse_lone_pickles, require_safetensors

LETTERS_FILE = "letters.safetensors"
BUCKETS = 1 << 16
READ_CHARS = 20_000
_SHORTEST, _LONGEST = 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """A linear head over counts of letter groups.

    Attributes:
        weight: fp16, a row a bucket and a column a label.
        bias: of each label.
        rarity: the weight of each bucket.
    """

    weight: NDArray[np.float16]
    bias: NDArray[np.float32]
    rarity: NDArray[np.float32]

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """A column a label, to be added to the scores of an encoder's head."""
        counts = weighted(counted(texts), self.rarity)
        found = np.empty((len(texts), len(self.bias)))
        for row in range(len(texts)):
            places = slice(counts.indptr[row], counts.indptr[row + 1])
            weights = self.weight[counts.indices[places]].astype(np.float64)
            found[row] = counts.data[places].astype(np.float64) @ weights + self.bias
        return found


def counted(texts: Sequence[str]) -> Any:
    """How often each bucket stands in each text, as 1 + log: a sparse matrix."""
    from scipy.sparse import csr_matrix

    starts, places, values = [0], [], []
    for text in texts:
        counts = Counter(zlib.crc32(group.encode()) % BUCKETS for group in _groups(text[:READ_CHARS]))
        for place in sorted(counts):
            places.append(place)
            values.append(counts[place])
        starts.append(len(places))
    data = 1.0 + np.log(np.asarray(values, dtype=np.float32))
    return csr_matrix((data, np.asarray(places, dtype=np.int32), starts), shape=(len(texts), BUCKETS))


def weighted(counts: Any, rarity: NDArray[np.float32]) -> Any:
    """Counts times rarity, each text scaled to length 1."""
    found = counts.copy()
    found.data = found.data * rarity[found.indices]
    lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    found.data = found.data / np.repeat(np.maximum(lengths, 1e-9), np.diff(found.indptr)).astype(np.float32)
    return found


def _groups(text: str) -> Iterator[str]:
    words = text.lower().encode("utf-8", "replace").decode("utf-8").split()  # lone surrogates have no bytes
    for word in words:
        framed = f" {word} "
        for length in range(_SHORTEST, min(_LONGEST, len(framed)) + 1):
            for start in range(len(framed) - length + 1):
                yield framed[start : start + length]
    for first, second in pairwise(words):
        yield f"{first}\0{second}"


def save_letters(letters: Letters, folder: Path) -> None:
    """Write them beside the encoder.

    Raises:
        OSError: if they cannot be written.
    """
    from safetensors.numpy import save_file

    tensors = {"weight": letters.weight, "bias": letters.bias, "rarity": letters.rarity}
    save_file(tensors, folder / LETTERS_FILE)


def load_letters(folder: Path, labels: int) -> Letters | None:
    """What `save_letters` wrote; None where an encoder has none.

    Raises:
        ModelUnavailable: if the file holds something else.
    """
    if not (folder / LETTERS_FILE).is_file():
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(folder / LETTERS_FILE)
        letters = Letters(weight=found["weight"], bias=found["bias"], rarity=found["rarity"])
        shapes = (letters.weight.shape, letters.bias.shape, letters.rarity.shape)
        if shapes != ((BUCKETS, labels), (labels,), (BUCKETS,)):
            raise ValueError(f"tensors of the shapes {shapes}, for {labels} labels")
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ModelUnavailable(
            "The encoder's letter weights cannot be read.", got=f"{folder / LETTERS_FILE}: {str(error)[:200]}"
        ) from error
    return letters


Logits = NDArray[np.float64]
Pooling = Literal["mean", "cls"]

HEAD_FILE = "head.safetensors"
BATCH_TOKENS = 2_048
"""Tokens of a batch that is read, padding included."""
_WRITING = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_NO_LIMIT = 1 << 20  # tokenizers that know no limit state a huge one


def pooling_of(folder: Path) -> Pooling:
    """How an encoder's folder says its tokens become one vector; their mean where it does not say."""
    try:
        told = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return "mean"
    by_first = isinstance(told, dict) and (
        told.get("pooling_mode_cls_token") is True or told.get("pooling_mode") == "cls"
    )
    return "cls" if by_first else "mean"


@uncollected()
def open_encoder(folder: Path, device: str = "cpu") -> tuple[Any, Any]:
    """The encoder in a folder, in fp32, and its tokenizer.

    Raises:
        MissingExtra: transformers is missing.
        ModelUnavailable: there is no encoder in the folder that can be loaded.
    """
    with needs("local"):
        import torch
        from transformers import AutoModel, AutoTokenizer
    require_safetensors(folder)
    refuse_lone_pickles(folder)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            encoder = AutoModel.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, AttributeError) as error:
        raise _unusable(folder, (str(error).splitlines() or [type(error).__name__])[0][:200]) from error
    config = encoder.config
    if any(name.endswith(_WRITING) for name in config.architectures or ()) or config.is_encoder_decoder:
        raise _unusable(folder, f"a {config.model_type} model, which writes text")
    if tokenizer.pad_token_id is None:
        raise _unusable(folder, "a tokenizer without padding")
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # trained for another task, or not at all; see `pooling_of`
    return encoder.to(device), tokenizer


def _unusable(folder: Path, got: str) -> ModelUnavailable:
    return ModelUnavailable(
        "The folder holds no encoder that can be loaded.",
        got=f"{folder}: {got}",
        allowed="an encoder, such as minilm-l6 or hf:answerdotai/ModernBERT-base",
    )


def most_tokens(encoder: Any, tokenizer: Any) -> int:
    """Tokens an encoder reads at most, special ones included."""
    positions = getattr(encoder.config, "max_position_embeddings", None)
    known = [n for n in (tokenizer.model_max_length, positions) if n and n < _NO_LIMIT]
    if positions and (encoder.config.pad_token_id or 0) and "roberta" in encoder.config.model_type:
        known.append(positions - encoder.config.pad_token_id - 1)  # its positions are counted from there
    return min(known, default=512)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadedEncoder:
    """An encoder and one linear layer on top of it.

    Attributes:
        head: a `torch.nn.Linear` from the encoder's states to scores.
        max_tokens: of a text that are read, special ones included.
        threads: CPU threads; None leaves torch's own choice.
    """

    encoder: Any
    tokenizer: Any
    head: Any
    max_tokens: int
    device: str = "cpu"
    threads: int | None = None

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, cut to what is read."""
        if not texts:
            return []
        with quiet():
            found = self.tokenizer(
                [text[:READ_CHARS] for text in texts],
                truncation=True,
                max_length=self.max_tokens,
                add_special_tokens=True,
            )
        return [list(ids) for ids in found["input_ids"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderClassifier(HeadedEncoder):
    """An encoder with a head over labels, ready to answer.

    Attributes:
        temperature: by which scores are divided.
        letters: letter groups whose scores are added to the head's.
    """

    pooling: Pooling
    labels: tuple[str, ...]
    temperature: float = 1.0
    letters: Letters | None = None

    def scores(self, texts: Sequence[str], of_head: Logits | None = None) -> Logits:
        """Scores, a column a label, before the temperature.

        Args:
            of_head: what the head alone gave for these texts earlier; None computes it.
        """
        found = self._of_head(texts) if of_head is None else of_head
        return found if self.letters is None else found + self.letters.scores(texts)

    def logprobs(self, texts: Sequence[str], of_head: Logits | None = None) -> Logits:
        """Log-probability of each label, calibrated; `of_head` as `scores` takes it."""
        return log_softmax(self.scores(texts, of_head) / self.temperature)

    def _of_head(self, texts: Sequence[str]) -> Logits:
        import torch

        rows = self.tokenise(texts)
        found = np.zeros((len(rows), len(self.labels)), dtype=np.float64)
        self.encoder.eval()
        with on_threads(self.threads), torch.inference_mode():
            for batch in by_length(rows, BATCH_TOKENS):
                ids, mask = padded([rows[row] for row in batch], self.tokenizer.pad_token_id, self.device)
                vectors = pooled(self.encoder, ids, mask, self.pooling)
                found[batch] = self.head(vectors).double().cpu().numpy()
        return found


def pooled(encoder: Any, ids: Any, mask: Any, pooling: Pooling) -> Any:
    """One fp32 vector a text."""
    return pool(states_of(encoder, ids, mask), mask, pooling)


def states_of(encoder: Any, ids: Any, mask: Any) -> Any:
    """One fp32 vector a token."""
    return encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()


def pool(states: Any, mask: Any, pooling: Pooling) -> Any:
    """One vector a text from those of its tokens."""
    if pooling == "cls":
        return states[:, 0]
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def padded(rows: Sequence[Sequence[int]], pad: int, device: str = "cpu") -> tuple[Any, Any]:
    """Token ids and attention mask of a batch, padded to its longest row."""
    import torch

    longest = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])
    lengths = torch.tensor([[len(row)] for row in rows])
    mask = (torch.arange(longest)[None, :] < lengths).long()
    return ids.to(device), mask.to(device)


def by_length(rows: Sequence[Sequence[int]], most: int) -> Iterator[list[int]]:
    """Places of rows in batches of like length, each of at most `most` tokens with its padding."""
    batch: list[int] = []
    for row in sorted(range(len(rows)), key=lambda place: (len(rows[place]), place)):
        if batch and (len(batch) + 1) * len(rows[row]) > most:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def log_softmax(scores: Logits) -> Logits:
    """Normalised log-probabilities of each row."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: Logits = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def save_encoder(headed: HeadedEncoder, folder: Path) -> None:
    """Write encoder, tokenizer and head into a folder that exists, and letter groups where there are any.

    Raises:
        OSError: if it cannot be written.
    """
    from safetensors.torch import save_file

    with quiet():
        headed.encoder.save_pretrained(folder, safe_serialization=True)
        headed.tokenizer.save_pretrained(folder)
    _without_paths(folder)
    head = headed.head
    tensors = {"weight": head.weight.detach().cpu(), "bias": head.bias.detach().cpu()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / HEAD_FILE)
    if isinstance(headed, EncoderClassifier) and headed.letters is not None:
        save_letters(headed.letters, folder)


def load_headed(
    folder: Path, columns: int, max_tokens: int, device: str = "cpu", threads: int | None = None
) -> HeadedEncoder:
    """Open encoder, tokenizer and head of what `save_encoder` wrote.

    Args:
        columns: scores that the head gives.

    Raises:
        MissingExtra, ModelUnavailable: as `open_encoder`.
    """
    encoder, tokenizer = open_encoder(folder, device)
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / HEAD_FILE)
        head = torch.nn.Linear(tensors["weight"].shape[1], columns)
        head.load_state_dict(tensors)
    except (OSError, KeyError, RuntimeError, ValueError, SafetensorError) as error:
        raise ModelUnavailable(
            "The encoder's head cannot be read.", got=f"{folder / HEAD_FILE}: {str(error)[:200]}"
        ) from error
    return HeadedEncoder(
        encoder=encoder,
        tokenizer=tokenizer,
        head=head.to(device),
        max_tokens=max_tokens,
        device=device,
        threads=threads,
    )


def load_encoder(
    folder: Path,
    labels: tuple[str, ...],
    told: tuple[Pooling, int, float],
    device: str = "cpu",
    threads: int | None = None,
) -> EncoderClassifier:
    """Open a classifier that `save_encoder` wrote.

    Args:
        told: pooling, most tokens and temperature.

    Raises:
        MissingExtra, ModelUnavailable: as `open_encoder`.
    """
    pooling, max_tokens, temperature = told
    return classifier_of(
        load_headed(folder, len(labels), max_tokens, device, threads),
        pooling=pooling,
        labels=labels,
        temperature=temperature,
        letters=load_letters(folder, len(labels)),
    )


def classifier_of(headed: HeadedEncoder, **facts: Any) -> EncoderClassifier:
    """The classifier that an encoder and its head are, with what is known of it beside them."""
    return EncoderClassifier(
        **{one.name: getattr(headed, one.name) for one in fields(HeadedEncoder)}, **facts
    )


def _without_paths(folder: Path) -> None:
    """Take this machine's paths out of the configuration files."""
    for path in (folder / "config.json", folder / "tokenizer_config.json"):
        if path.is_file():
            told = json.loads(path.read_text(encoding="utf-8"))
            for name in ("_name_or_path", "name_or_path"):
                told.pop(name, None)
            path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@contextmanager
def on_threads(count: int | None) -> Iterator[None]:
    """So many CPU threads inside, what there was afterwards; None changes nothing."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def quiet() -> Iterator[None]:
    """transformers writes no bar and no notice to the terminal."""
    from transformers.utils import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()
        logging.set_verbosity(verbosity)


Place = tuple[int, int]
"""Where a token begins and ends in its text, in characters; (0, 0) for one that stands nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShares:
    """What the encoder says of a text.

    Attributes:
        tokens: where each stands; those that stand nowhere are left out.
        tags: the probability of no tag and of each, a row a token.
        picks: of every pick the probability of nothing and of each value.
    """

    tokens: tuple[Place, ...]
    tags: NDArray[np.float64]
    picks: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderTagger(HeadedEncoder):
    """An encoder with a head over tags and picks, ready to answer.

    Attributes:
        sizes: of the tags and of every pick, how many scores the head gives, that of nothing included.
    """

    sizes: tuple[int, ...]

    def shares(self, texts: Sequence[str]) -> list[TokenShares]:
        """What it says of each text."""
        import torch

        rows, where = placed_tokens(self, texts)
        found: list[TokenShares | None] = [None] * len(rows)
        self.encoder.eval()
        with on_threads(self.threads), torch.inference_mode():
            for batch in by_length(rows, BATCH_TOKENS):
                ids, mask = padded([rows[row] for row in batch], self.tokenizer.pad_token_id, self.device)
                scores = self.head(states_of(self.encoder, ids, mask))
                tags, *picks = parts(scores, mask, self.sizes)
                by_token = tags.double().softmax(-1).cpu().numpy()
                by_text = [pick.double().softmax(-1).cpu().numpy() for pick in picks]
                for place, row in enumerate(batch):
                    stands = [n for n, (start, end) in enumerate(where[row]) if end > start]
                    found[row] = TokenShares(
                        tokens=tuple(where[row][n] for n in stands),
                        tags=by_token[place][stands],
                        picks=tuple(pick[place] for pick in by_text),
                    )
        return [one for one in found if one is not None]


def parts(scores: Any, mask: Any, sizes: Sequence[int]) -> list[Any]:
    """The tags' scores by token, and each pick's by text: those of its strongest token, padding aside."""
    tags, *picks = scores.split(list(sizes), dim=-1)
    aside = ~mask.bool().unsqueeze(-1)
    return [tags, *(pick.masked_fill(aside, float("-inf")).amax(dim=1) for pick in picks)]


def placed_tokens(headed: HeadedEncoder, texts: Sequence[str]) -> tuple[list[list[int]], list[list[Place]]]:
    """Token ids of each text, cut to what is read, and where each token stands in it.

    Raises:
        ModelUnavailable: if the tokenizer cannot say.
    """
    if not texts:
        return [], []
    if not headed.tokenizer.is_fast:
        raise ModelUnavailable(
            "The encoder's tokenizer does not say where its tokens stand in a text.",
            got=type(headed.tokenizer).__name__,
            allowed="an encoder with a tokenizer.json, such as minilm-l6",
        )
    with quiet():
        found = headed.tokenizer(
            [text[:READ_CHARS] for text in texts],
            truncation=True,
            max_length=headed.max_tokens,
            add_special_tokens=True,
            return_offsets_mapping=True,
        )
    return (
        [list(ids) for ids in found["input_ids"]],
        [[(int(start), int(end)) for start, end in row] for row in found["offset_mapping"]],
    )


def tagger_of(headed: HeadedEncoder, sizes: tuple[int, ...]) -> EncoderTagger:
    """The tagger that an encoder and its head are."""
    return EncoderTagger(
        **{one.name: getattr(headed, one.name) for one in fields(HeadedEncoder)}, sizes=sizes
    )


def load_tagger(
    folder: Path, sizes: tuple[int, ...], max_tokens: int, device: str = "cpu", threads: int | None = None
) -> EncoderTagger:
    """Open a tagger that `save_encoder` wrote.

    Raises:
        MissingExtra, ModelUnavailable: as `open_encoder`.
    """
    return tagger_of(load_headed(folder, sum(sizes), max_tokens, device, threads), sizes)
