"""MinHash against brute force: exact Jaccard of character 5-grams as Python sets, over all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.leakage import connected, jaccard, normalise, shingles, similar_pairs

WORDS = [
    "card",
    "pay",
    "lost",
    "phone",
    "invoice",
    "bank",
    "refund",
    "login",
    "reset",
    "order",
    "late",
    "still",
    "not",
    "my",
    "the",
    "a",
    "why",
    "when",
]


def grams(text: str) -> set[str]:
    padded = f" {normalise(text)} "
    return {padded[i : i + 5] for i in range(max(1, len(padded) - 4))}


def brute_force(texts: list[str], threshold: float) -> dict[tuple[int, int], float]:
    sets = [grams(text) for text in texts]
    found = {}
    for a, b in combinations(range(len(texts)), 2):
        similarity = len(sets[a] & sets[b]) / len(sets[a] | sets[b])
        if similarity >= threshold:
            found[a, b] = similarity
    return found


def noisy_texts(count: int) -> list[str]:
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice(WORDS, size=int(rng.integers(6, 25)))) for _ in range(count // 2)]
    for text in list(texts):
        words = text.split()
        words[int(rng.integers(len(words)))] = str(rng.choice(WORDS))
        texts.append(" ".join(words))
    return texts


def test_finds_what_brute_force_finds() -> None:
    texts = noisy_texts(400)
    expected = brute_force(texts, 0.7)
    found = {(p.first, p.second): p.jaccard for p in similar_pairs(texts, 0.7)}
    assert len(expected) > 50
    # Recall by the formula is 0.9998 a pair at 0.7; no pair may be invented.
    assert set(found) <= set(expected)
    assert len(found) >= len(expected) - 1
    assert all(found[pair] == pytest.approx(expected[pair]) for pair in found)


@given(st.text(max_size=60), st.text(max_size=60))
def test_jaccard_is_that_of_the_gram_sets(a: str, b: str) -> None:
    if not normalise(a) or not normalise(b):
        assert jaccard(shingles(a), shingles(b)) == 0
        return
    expected = len(grams(a) & grams(b)) / len(grams(a) | grams(b))
    assert jaccard(shingles(a), shingles(b)) == pytest.approx(expected)


def test_case_and_blanks_do_not_count() -> None:
    [pair] = similar_pairs(["Where  IS my\ncard?", "where is my card?"], 1.0)
    assert (pair.first, pair.second, pair.jaccard) == (0, 1, 1.0)


def test_empty_texts_are_in_no_pair() -> None:
    assert similar_pairs(["", " ", "\n"], 0.5) == []
    assert similar_pairs([], 0.5) == []


def test_of_a_very_long_text_the_beginning_and_the_end_are_compared() -> None:
    rng = np.random.default_rng(8)
    heads = ["".join(rng.choice(list("abcdefgh "), size=6000)) for _ in range(2)]
    texts = [heads[0] + "x" * 3_000_000 + heads[0], heads[0] + "y" * 50_000 + heads[0], heads[1] * 20]
    assert [(pair.first, pair.second) for pair in similar_pairs(texts, 0.8)] == [(0, 1)]


def test_what_is_looked_at_grows_with_the_texts_and_not_with_their_pairs(monkeypatch) -> None:
    compared = []
    monkeypatch.setattr("harness.data.leakage.jaccard", lambda a, b: compared.append(0) or 0.0)
    counts = []
    for size in (500, 2_000):
        compared.clear()
        similar_pairs(noisy_texts(size), 0.8)
        counts.append(len(compared))
    assert counts[1] < 6 * counts[0]  # pairs of all texts: 16 times as many


def test_two_runs_agree() -> None:
    texts = noisy_texts(200)
    assert similar_pairs(texts, 0.6) == similar_pairs(texts, 0.6)


def test_texts_of_one_template_hang_together_with_bounded_work() -> None:
    texts = [f"Dear customer, your order number {i} was shipped and arrives soon, thanks" for i in range(600)]
    pairs = similar_pairs(texts, 0.7)
    assert len(set(connected(600, ((p.first, p.second) for p in pairs)))) == 1
    assert len(pairs) < 600 * 599 / 2


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1])
def test_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        similar_pairs(["a", "b"], threshold)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_components_by_flood_fill(edges: list[tuple[int, int]]) -> None:
    neighbours = {node: {node} for node in range(10)}
    for a, b in edges:
        neighbours[a].add(b)
        neighbours[b].add(a)

    def reach(node: int) -> set[int]:
        seen, open_ = {node}, [node]
        while open_:
            for other in neighbours[open_.pop()] - seen:
                seen.add(other)
                open_.append(other)
        return seen

    assert connected(10, iter(edges)) == [min(reach(node)) for node in range(10)]
