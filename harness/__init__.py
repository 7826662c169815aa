"""Measure retrieving against fine-tuning on one evalset and say what to ship."""

__version__ = "0.1.0"
