"""A training packed up for a rented GPU: script, notebook, rows and recipe."""
