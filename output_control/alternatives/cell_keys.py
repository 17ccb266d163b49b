"""Cell keys: the noise of a cell follows from the records in it, so the same cell has the same noise in every table.

Each record key is a keyed pseudo-random function of the unit key; a cell key is the sum of the record keys modulo 2³²
(Fraser and Wooton 2005), and what a cell draws is a scrambled cell key: keys add up, draws must not. The secret lies in
the gate's zone: who has it can take the noise away.
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from enclave.errors import CannotProtect, KeyUnavailable
from output_control.alternatives.altered import AlteredTable
from output_control.alternatives.perturbation_table import PerturbationTable
from output_control.alternatives.small_counts import holds, inner_cells
from output_control.tables.table import CellTable, FloatArray, IntArray

KEY_BYTES = 32
KEY_BITS = 32
SPAN = 1 << KEY_BITS


def record_keys(units: IntArray, secret: bytes) -> IntArray:
    """A number of 0 … 2³² - 1 per unit key (whole numbers, in any order): the first half word of AES-256 of the key.

    Raises:
        KeyUnavailable: the secret is no key of 32 bytes.
    """
    if len(secret) != KEY_BYTES:
        raise KeyUnavailable("the noise key is not 32 bytes long", next_step="have the office provision the gate anew")
    blocks = np.zeros((len(units), 2), dtype="<i8")
    blocks[:, 0] = units
    # every block is another one and used once: the code book mode is here a pseudo-random function, not a cipher
    encryptor = Cipher(algorithms.AES256(secret), modes.ECB()).encryptor()  # noqa: S305 - see above
    return np.frombuffer(encryptor.update(blocks.tobytes()), dtype="<u4")[::4].astype(np.int64)


def cell_keys_above(table: CellTable, inner_keys: IntArray) -> IntArray:
    """Cell keys of all cells from the sums of record keys in the inner cells (in the table's order of these)."""
    within = holds(table, inner_cells(table)).astype(np.int64)
    return np.asarray(within @ (inner_keys % SPAN) % SPAN, dtype=np.int64)


def draws_of(keys: IntArray) -> FloatArray:
    """What each cell key draws: 0 ≤ u < 1, the same for the same key and otherwise as good as independent.

    If draws added up as keys do, those of the parts and of their total would restrict each other, and the figures of
    one table would tell small counts exactly. The finish of SplitMix64 (Steele et al. 2014,
    doi:10.1145/2714064.2660195).
    """
    mixed = keys.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / float(1 << 53)


def perturb(table: CellTable, keys: IntArray, noise: PerturbationTable) -> AlteredTable:
    """Add to each count the change that its cell key draws from its row of ``noise``; totals no longer add up.

    Raises:
        CannotProtect: the table is no count table.
    """
    if not table.integral:
        raise CannotProtect("only counts are perturbed", next_step="protect sums by suppression or a coarser table")
    count = np.rint(table.value).astype(np.int64)
    row = np.minimum(count, len(noise.chances) - 1)
    reached = np.cumsum(noise.chances, axis=1)
    place = (draws_of(keys)[:, None] >= reached[row]).sum(axis=1)
    # rounding may leave the last chance a hair below 1: the draw then falls on the last change that can happen
    last = noise.chances.shape[1] - 1 - np.argmax(noise.chances[:, ::-1] > 0, axis=1)
    published = count + noise.changes[np.minimum(place, last[row])]
    parameters = {"largest": noise.largest, "variance": noise.variance, "withheld": noise.withheld}
    return AlteredTable("cell_key", published, parameters, additive=False)
