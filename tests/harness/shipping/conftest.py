"""The tiny decoder of the training tests serves here too."""

from tests.harness.training.conftest import tiny, tuner

__all__ = ["tiny", "tuner"]
