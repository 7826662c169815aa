"""One bake-off: plan, locked; rows; arms into a journal; scores, comparisons and the decision."""
