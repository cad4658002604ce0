"""Random numbers that depend on nothing but the seed and what they are drawn for.

Masks and frame offsets are drawn for one *draw* (the n-th barcode that training reads). A stateful
generator would tie them to the batch size, the number of processes and what was drawn before;
here a run that resumes, or uses more processes, meets the same masks without any bookkeeping.
"""

import numpy as np

# What the random numbers of a global batch are for. (0 would give the generator of no purpose.)
MASK_RATIO, LABELLED = 1, 2

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def random_bits(seed: int, draws: np.ndarray, width: int) -> np.ndarray:
    """Independent random 64-bit integers, (n, width) uint64, for draws (n,).

    The finalizer of SplitMix64 (Steele et al. 2014), applied to a seeded counter; the first
    columns do not depend on `width`.
    """
    rows = _mix(_mix(np.uint64(seed) + _GOLDEN) ^ np.asarray(draws).astype(np.uint64))
    columns = np.arange(1, width + 1, dtype=np.uint64) * _GOLDEN
    return _mix(rows[:, None] + columns)


def batch_generator(seed: int, batch: int, purpose: int) -> np.random.Generator:
    """Random numbers for a whole global batch, by its number; others for each purpose."""
    return np.random.default_rng([seed, batch, purpose])


def _mix(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is meant
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
