"""Learning curves: what more training examples would bring."""
