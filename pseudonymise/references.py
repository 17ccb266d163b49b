"""Keys between the files of one delivery: what one file refers to must stand in another.

Of the file that is referred to, the keys of its sound rows are remembered as 64-bit keyed digests (8 bytes a row); the
rows of the other are held against them. Files are therefore read in the order of their references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import BadInput, Fault
from pseudonymise.row_checks import Bools
from pseudonymise.schemas import DeliverySchema, Reference
from pseudonymise.uniqueness import Digests, contains, digest_keys, row_digests

Place = tuple[str, tuple[str, ...]]
"""A schema and the columns of it that others refer to."""


class KnownKeys:
    """The keys of the sound rows that were seen so far, of all files of one delivery."""

    def __init__(self, schemas: Iterable[DeliverySchema], salt: bytes) -> None:
        self._keys = digest_keys(b"keys between files\0" + salt)
        self._found: dict[Place, list[Digests]] = {
            (rule.schema_name, rule.to): [] for schema in schemas for rule in schema.rules.refers
        }

    def remember(self, schema: DeliverySchema, sound: pa.Table) -> None:
        """Take up the keys of sound rows that another file may refer to."""
        for (name, columns), runs in self._found.items():
            if name == schema.name:
                runs.append(np.unique(row_digests(sound, columns, self._keys)))

    def unknown(self, rule: Reference, rows: pa.Table) -> Bools:
        """Which of ``rows`` refer to a row that is not there; an unfilled reference refers to nothing."""
        runs = self._found[rule.schema_name, rule.to]
        if len(runs) > 1:
            runs[:] = [np.unique(np.concatenate(runs))]
        asked = np.logical_and.reduce([_filled(rows, name) for name in rule.columns])
        digests = row_digests(rows, rule.columns, self._keys)
        known = contains(runs[0], digests) if runs else np.zeros(len(digests), dtype=np.bool_)
        refers: Bools = asked & ~known
        return refers


def _filled(rows: pa.Table, name: str) -> Bools:
    """A number is filled when it is not null; an empty text is no text."""
    values = rows.column(name)
    filled = pc.is_valid(values)
    if values.type == pa.string():
        filled = pc.and_(filled, pc.not_equal(pc.fill_null(values, ""), ""))
    mask: Bools = filled.to_numpy().astype(np.bool_)
    return mask


def reading_order(schemas: Sequence[DeliverySchema]) -> tuple[int, ...]:
    """Places of ``schemas`` such that a file comes after those that it refers to."""
    order: list[int] = []
    names = {schema.name for schema in schemas}
    while len(order) < len(schemas):
        done = {schemas[place].name for place in order}
        ready = [
            place
            for place, schema in enumerate(schemas)
            if place not in order and not ({rule.schema_name for rule in schema.rules.refers} & names - done)
        ]
        if not ready:
            raise BadInput("these schemas refer to each other in a circle", where=schemas[0].name)
        order.append(ready[0])
    return tuple(order)


def missing_files(schemas: Mapping[str, DeliverySchema], file: Mapping[str, str]) -> tuple[Fault, ...]:
    """A fault for each file of the delivery whose schema refers to one that does not come with it.

    ``schemas`` are those of the delivery's files by name, ``file`` what faults call each of them.
    """
    return tuple(
        Fault(file[name], "companion", f"this file refers to a file {rule.schema_name}: deliver them together")
        for name, schema in schemas.items()
        for rule in schema.rules.refers
        if rule.schema_name not in schemas
    )
