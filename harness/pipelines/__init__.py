"""Composition roots: the only modules that put several stages together."""
