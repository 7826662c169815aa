"""Tuning at a provider: its files, its jobs, its words, over HTTP."""
