"""Counter-based random numbers: a draw depends on (seed, stream, entity id, draw number) and on nothing else.

Philox 4x64 (Salmon et al. 2011, doi:10.1145/2063384.2063405) turns a counter into four words. Draw ``d`` of entity
``i`` in a stream with ``k`` draws per entity is word ``i*k + d``, so any split of the ids gives the same numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from numpy.random import Philox

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_WORDS_PER_COUNTER = 4


def _key(seed: int, stream: str) -> npt.NDArray[np.uint64]:
    digest = hashlib.blake2b(f"{seed}|{stream}".encode(), digest_size=16, person=b"zicht-country").digest()
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def uniforms(seed: int, stream: str, first_id: int, count: int, draws: int = 1) -> Floats:
    """Uniform numbers in (0, 1) of shape (count, draws) for the ids first_id … first_id + count − 1.

    ``draws`` is part of the stream's definition: the same stream with another ``draws`` gives other numbers.
    """
    start = first_id * draws
    wanted = count * draws
    skipped = start % _WORDS_PER_COUNTER
    counter = np.array([start // _WORDS_PER_COUNTER, 0, 0, 0], dtype=np.uint64)
    words = Philox(key=_key(seed, stream), counter=counter).random_raw(skipped + wanted)[skipped:]
    # 53 random bits, shifted by half a unit: neither 0 nor 1 can occur, so logarithms and quantiles are finite
    return (((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53).reshape(count, draws)


def normals(seed: int, stream: str, first_id: int, count: int, draws: int = 1) -> Floats:
    """Standard normal numbers of shape (count, draws), by the quantile function so that one word makes one number."""
    from scipy.special import ndtri

    quantiles: Floats = ndtri(uniforms(seed, stream, first_id, count, draws))
    return quantiles


def poisson(u: Floats, mean: Floats | float, most: int) -> Ints:
    """Poisson counts by inversion of the uniforms ``u``, cut off at ``most``."""
    mean = np.broadcast_to(np.asarray(mean, dtype=np.float64), u.shape)
    term = np.exp(-mean)
    below = term.copy()
    count = np.zeros(u.shape, dtype=np.int64)
    for k in range(1, most + 1):
        beyond = u > below
        if not beyond.any():
            break
        count += beyond
        term = term * mean / k
        below = below + term
    return count


def gamma_shape_two(u: Floats) -> Floats:
    """Gamma frailty with shape 2 and mean 1, from uniforms of shape (n, 2)."""
    return -np.log(u[:, 0] * u[:, 1]) / 2.0


def stratified(u: Floats, shift: float) -> Floats:
    """The same order spread evenly over (0, 1): a share below any chance is off by less than one of ``len(u)``."""
    spread = np.empty(len(u))
    spread[np.argsort(u, kind="stable")] = (np.arange(len(u)) + shift) / max(1, len(u))
    return spread


def pick(u: Floats, weights: Floats | list[float]) -> Ints:
    """Category numbers with probabilities proportional to ``weights``, by inversion of ``u``."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(edges / edges[-1], u, side="right").clip(0, len(edges) - 1).astype(np.int64)
