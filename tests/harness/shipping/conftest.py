"""The tiny decoder of the training tests serves here too."""

from tests.harness.training.conftest import make_tuner, tiny, tuner

__all__ = ["make_tuner", "tiny", "tuner"]
