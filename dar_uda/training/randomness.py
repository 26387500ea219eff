"""Randomness without hidden state: what a step draws depends on the seed, the purpose and the step alone.

A resumed training therefore draws what an uninterrupted one would have drawn, with no random state to save.
"""

from zlib import crc32

import numpy as np


def generator_for(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the generator of `purpose`, e.g. ("patches", step); equal arguments give equal draws."""
    words = [crc32(word.encode()) if isinstance(word, str) else word for word in purpose]
    return np.random.default_rng([seed, *words])
