"""The tree of answers, against a plain walk over every answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.models.local.choice_tree import choice_tree, require_distinct

END = 9
ANSWERS = st.lists(
    st.lists(st.integers(0, 3), min_size=0, max_size=5).map(lambda tokens: (*tokens, END)),
    min_size=1,
    max_size=12,
    unique=True,
)


@given(ANSWERS)
def test_each_path_spells_its_answer(answers):
    tree = choice_tree(answers)
    for answer, path in zip(answers, tree.paths, strict=True):
        assert tuple(tree.edges[edge][1] for edge in path) == answer


@given(ANSWERS)
def test_nodes_are_the_distinct_beginnings(answers):
    tree = choice_tree(answers)
    beginnings = {answer[:cut] for answer in answers for cut in range(1, len(answer))}
    spelled = {
        tuple(tree.tokens[n] for n in reversed(tree.ancestors(node))) for node in range(len(tree.tokens))
    }
    assert spelled == beginnings
    assert len(tree.tokens) == len(beginnings)
    assert len(set(tree.edges)) == len(tree.edges)
    assert all(parent < node for node, parent in enumerate(tree.parents))
    assert all(depth == len(tree.ancestors(node)) - 1 for node, depth in enumerate(tree.depths))


@given(ANSWERS)
def test_branches_part_answers_and_nodes_by_first_token(answers):
    tree = choice_tree(answers)
    for branch in tree.branches:
        node, token = tree.edges[branch.edge]
        assert node == -1
        assert set(branch.answers) == {i for i, answer in enumerate(answers) if answer[0] == token}
        assert list(branch.nodes) == sorted(branch.nodes)
        assert all(tree.tokens[tree.ancestors(n)[-1]] == token for n in branch.nodes)
    assert sorted(n for b in tree.branches for n in b.nodes) == list(range(len(tree.tokens)))
    assert sorted(i for b in tree.branches for i in b.answers) == list(range(len(answers)))


def test_an_answer_that_begins_another_keeps_its_own_end():
    tree = choice_tree([(1, END), (1, 2, END)])
    assert tree.tokens == (1, 2)
    assert tree.edges == ((-1, 1), (0, END), (0, 2), (1, END))
    assert tree.paths == ((0, 1), (0, 2, 3))
    assert tree.lengths == (2, 3)


@pytest.mark.parametrize("answers", [[], [()], [(1, END), (1, END)]])
def test_no_answer_an_empty_one_or_the_same_twice_is_refused(answers):
    with pytest.raises(ValueError):
        choice_tree(answers)


def test_two_choices_of_one_spelling_are_named():
    require_distinct(("a", "b"), ((1, END), (2, END)))
    with pytest.raises(DataError, match="'a' and 'a '"):
        require_distinct(("a", "b", "a "), ((1, END), (2, END), (1, END)))
