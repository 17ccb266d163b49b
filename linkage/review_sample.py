"""Pairs for a clerk to judge, with the records themselves: drawn here, written encrypted into the identified zone.

A sample of the records between the two thresholds, where judging tells whether the threshold lies right, and of those
linked, where it tells the precision. Which ones are drawn, and in which order, follows from their numbers: the first
pairs of a sample are a sample too, and a clerk may stop anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from enclave.errors import NotReady
from enclave.files import replacing, storage_errors
from enclave.project import Probabilistic
from linkage.assignment import Ints
from linkage.clerical_review import BELOW, LINKED
from linkage.key_zone import column_names, read_batches
from linkage.probabilistic import Found, Result
from linkage.unit_model import UnitModel
from linkage.unit_register import find_units

PER_STRATUM = 100
_MULTIPLIER = 2654435761  # Knuth's multiplicative hash: spreads record numbers over the sample


@dataclass(frozen=True, slots=True)
class ReviewSample:
    """Sampled pairs: of what kind of unit, why (``below threshold``, ``linked``), and the found pairs."""

    units: UnitModel
    stratum: tuple[str, ...]
    found: Found

    @property
    def name(self) -> str:
        """Tells this sample from others: the same pairs in the same strata have the same name."""
        pairs = zip(self.stratum, self.found.record.tolist(), self.found.unit.to_pylist(), strict=True)
        return hashlib.sha256(repr(list(pairs)).encode()).hexdigest()[:12]


def review_file(project: str, data_set: str, key: str) -> str:
    """Name of the sample in the identified zone's folder ``review``."""
    return f"{project}-{data_set}-{key}.parquet"


def draw_review_sample(result: Result, how: Probabilistic) -> ReviewSample:
    """At most :data:`PER_STRATUM` records from below the threshold, and as many linked ones."""
    found = result.found
    linked = found.probability >= how.threshold
    between = (found.probability >= how.review) & ~linked
    strata = [np.flatnonzero(stratum) for stratum in (between, linked)]
    drawn = [rows[np.argsort(_spread(found.record[rows]), kind="stable")[:PER_STRATUM]] for rows in strata]
    in_turn = np.argsort(np.concatenate([np.arange(len(rows)) for rows in drawn]), kind="stable")
    chosen = np.concatenate(drawn)[in_turn]
    names = np.where(linked[chosen], LINKED, BELOW)
    return ReviewSample(result.units, tuple(names.tolist()), found.take(chosen))


def write_review_sample(
    path: Path,
    sample: ReviewSample,
    delivered: pa.Table,
    register: Path,
    *,
    encryption: Any,
    decryption: Callable[[], Any] | None,
) -> Path:
    """Write the pairs with what is compared of both records: ``delivered_<field>`` and ``register_<field>``; of a unit
    with several register rows what differs, that of the matched row first.

    ``delivered`` is what was matched, rows by record; ``register`` the office's file of such units.
    """
    found = sample.found
    left = delivered.take(pa.array(found.record))
    right = find_units(sample.units, register, found.unit, found.row, decryption)
    columns: dict[str, Any] = {
        "sample": pa.repeat(sample.name, len(sample.stratum)),
        "stratum": pa.array(sample.stratum, pa.string()),
        "record": pa.array(found.record),
        "weight": pa.array(found.weight),
        "probability": pa.array(np.round(found.probability, 6)),
        "pass": pa.array([sample.units.passes[rule][0] for rule in found.rule.tolist()], pa.string()),
    }
    for name in sample.units.shown:
        columns |= {f"delivered_{name}": left[name], f"register_{name}": right[name]}
    table = pa.table(columns)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path, mode=0o400) as temporary, storage_errors(path.name):
        pq.write_table(table, temporary, compression="zstd", encryption_properties=encryption)
    return path


def read_review_sample(path: Path, decryption: Callable[[], Any] | None) -> pa.Table:
    """The sample, for the custodian's eyes.

    Raises:
        NotReady: none was drawn. KeyUnavailable, Tampered: see :func:`linkage.key_zone.read_batches`.
    """
    if not path.is_file():
        raise NotReady("no clerical-review sample was drawn for this key", next_step="zicht pseudonymise")
    return pa.Table.from_batches(list(read_batches(path, column_names(path, decryption), decryption)))


def _spread(records: Ints) -> Ints:
    spread: Ints = (records * _MULTIPLIER) % (1 << 32)
    return spread
