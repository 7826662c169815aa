"""Tokens held to a schema: what may come next, what must, and schemas that no grammar is made of."""

import json

import pytest

from harness.core.errors import DataError
from harness.models.local.held_tokens import JsonGrammar

SCHEMA = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string"},
        "when": {"type": "string", "format": "date"},
        "sum": {"type": "number"},
        "level": {"type": "string", "enum": ["low", "high"]},
        "who": {"type": "array", "items": {"type": "string"}},
    },
    "required": [],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tokenizer():
    """One token a byte, and a few words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate(letters)}
    merges = [("e", "r"), ("o", "r"), ("or", "d"), ("ord", "er")]
    for one, other in merges:
        vocabulary.setdefault(one + other, len(vocabulary))
    vocabulary["<end>"] = len(vocabulary)
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>")


@pytest.fixture(scope="module")
def grammar(tokenizer):
    return JsonGrammar(tokenizer, SCHEMA, len(tokenizer))


def written(grammar, tokenizer, text):
    """How much of a text may be written, what was forced along the way, and whether the answer ended."""
    answer, ids, forced, place = grammar.start(), tokenizer(text)["input_ids"], [], 0
    while place < len(ids):
        if answer.ended or not answer.allowed()[ids[place]]:
            return tokenizer.decode(ids[:place]), forced, answer.ended
        must = list(answer.take(ids[place]))
        place += 1
        if ids[place : place + len(must)] != must:
            return tokenizer.decode(ids[:place]), forced, answer.ended
        forced.append(tokenizer.decode(must))
        place += len(must)
    return text, [one for one in forced if one], answer.ended


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"order_id": '12-345 Ö "x"'},
        {"when": "2026-02-28", "sum": -12.5, "level": "low"},
        {"who": ["Ann", "Bo"]},
        {"order_id": "", "who": []},
    ],
)
def test_every_answer_of_the_schema_may_be_written_and_ends(values, grammar, tokenizer):
    text = json.dumps(values, ensure_ascii=False)
    whole, _, ended = written(grammar, tokenizer, text)
    assert whole == text and ended


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ('{"level": "lax"}', '{"level": "l'),
        ('{"nope": 1}', '{"'),
        ('{"sum": "1"}', '{"sum": '),
        ('{"when": "28.2.2026"}', '{"when": "28'),
        ('{"sum": 1, "order_id": "1"}', '{"sum": 1, "'),  # fields come in the schema's order
        ("Sure", ""),
        ('{"who": ["a"]} and', '{"who": ["a"]}'),
    ],
)
def test_what_the_schema_does_not_allow_cannot_be_written(text, allowed, grammar, tokenizer):
    assert written(grammar, tokenizer, text)[0] == allowed


def test_what_can_only_go_on_one_way_is_forced(grammar, tokenizer):
    _, forced, _ = written(grammar, tokenizer, '{"order_id": "1", "level": "high"}')
    assert 'er_id": "' in "".join(forced) or '_id": "' in "".join(forced)
    assert any("igh" in one for one in forced)


def test_answers_are_written_apart_from_each_other(grammar, tokenizer):
    one, other = grammar.start(), grammar.start()
    one.take(tokenizer("{")["input_ids"][0])
    assert not other.allowed()[tokenizer('"')["input_ids"][0]]


def test_a_schema_that_nothing_fits_is_a_fault_of_the_data(tokenizer):
    with pytest.raises(DataError, match="No grammar"):
        JsonGrammar(tokenizer, {"type": "string", "enum": []}, len(tokenizer))
