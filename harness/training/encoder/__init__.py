"""Tuning an encoder: what it learns, its recipes, and the folder it leaves."""
