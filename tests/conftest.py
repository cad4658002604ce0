"""Tests run offline, on the CPU, and import the project from this checkout."""

import os

from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# A busy machine is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_make_parametrize_id(config, val, argname):
    """Packed files hold the time of their making: their bytes would name a test anew each time."""
    return argname if isinstance(val, bytes) else None
