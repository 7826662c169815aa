"""Tuning a small model: the recipe, the trainer behind it, and the artefact it leaves."""
