"""What an arm does with what it should not answer: out-of-scope input, unseen labels, other seeds."""
