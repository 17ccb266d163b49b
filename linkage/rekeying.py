"""Key versions: hashes of an earlier version lead on to the same unit, and no identifier is needed for it.

A hash of an earlier version is *carried over* by hashing it again under a key of the new version. The key table of the
new version knows both ways to a register unit: the identifier's own new hash, and the carried hash of its old one
(:mod:`linkage.key_register`). Units that the register does not know are called after their first hash; here lies which
later hashes mean them: their carried hash, and, once a delivery under the new version holds the same identifier while
both keys exist (a *bridge*), its new hash. So every number of a project stays with its unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import Tampered
from linkage.key_zone import KeyZone
from linkage.units import ASSIGNED, UNMATCHED, generations

HashAgain: TypeAlias = Callable[[pa.FixedSizeBinaryArray], pa.FixedSizeBinaryArray]
"""16-byte hashes of an earlier version -> the same under the new one; null stays null."""
BRIDGE = "bridge-"
NAMES = pa.schema([("hash", pa.binary(16)), ("unit", pa.string())])
_DIGITS = np.full(256, 255, dtype=np.uint8)
_DIGITS[[*b"0123456789ABCDEF"]] = range(16)


@dataclass(frozen=True, slots=True)
class Carry:
    """How hashes of the version before reach this one.

    ``earlier`` hashes identifiers under the version before, while its key exists; ``key_id`` is what manifests of
    carried frames say of their key.
    """

    again: HashAgain
    key_id: str
    earlier: Callable[[str, pa.StringArray], pa.FixedSizeBinaryArray] | None = None


def unmatched_file(key_version: int) -> str:
    """Name of the table of what unmatched units are called under a key version."""
    return f"unmatched-k{key_version:04d}.parquet"


def bridge_file(key_version: int, delivery: str) -> str:
    """Name of the table of what one delivery added to it."""
    return f"{BRIDGE}k{key_version:04d}-{delivery.replace('/', '-')}.parquet"


def carry_unmatched(zone: KeyZone, key_version: int, again: HashAgain) -> int:
    """Write what every unmatched unit is called under ``key_version``; returns the number of names.

    Raises:
        Tampered: two units would share a name.
    """
    before = names_of_unmatched(zone, key_version - 1)
    units = zone.reader(generations(zone), ASSIGNED).read_all().column("unit").combine_chunks()
    first = units.filter(pc.starts_with(units, UNMATCHED))
    new = first.filter(pc.invert(pc.is_in(first, before.column("unit").combine_chunks())))
    hashes = pa.concat_arrays([*before.column("hash").chunks, _hashes_in(new)])
    labels = pa.concat_arrays([*before.column("unit").chunks, new])
    carried = again(hashes)
    if len(pc.unique(carried)) != len(labels):
        raise Tampered(
            "two unmatched units would share a name under the new key version; nothing was changed",
            where=unmatched_file(key_version),
            next_step="restore the key zone from its backup, then run the command again",
        )
    with zone.writing(unmatched_file(key_version), NAMES) as sink:
        for batch in pa.table([carried, labels], schema=NAMES).sort_by("hash").to_batches():
            sink(batch)
    return len(labels)


def names_of_unmatched(zone: KeyZone, key_version: int) -> pa.Table:
    """What unmatched units are called under a key version beside their first name; one row per hash."""
    files = [path.name for path in sorted(zone.folder.glob(f"bridge-k{key_version:04d}-*.parquet"))]
    if (zone.folder / unmatched_file(key_version)).is_file():
        files.insert(0, unmatched_file(key_version))
    found = zone.reader(files, NAMES).read_all()
    return found.group_by("hash").aggregate([("unit", "min")]).rename_columns(NAMES.names).cast(NAMES)


def write_bridge(
    zone: KeyZone, key_version: int, delivery: str, pairs: Iterable[tuple[pa.Array, pa.Array]]
) -> tuple[Path, int]:
    """Of ``pairs`` (carried hash, new hash of the same identifier) keep those of unmatched units.

    Returns the file and how many names it holds.
    """
    known = zone.reader([unmatched_file(key_version)], NAMES).read_all()
    name = bridge_file(key_version, delivery)
    found = list(_bridged(known, pairs))
    made = pa.concat_tables([pa.table([pa.array([], f.type) for f in NAMES], schema=NAMES), *found])
    made = made.group_by("hash").aggregate([("unit", "min")]).rename_columns(NAMES.names).cast(NAMES).sort_by("hash")
    with zone.writing(name, NAMES) as sink:
        for batch in made.to_batches():
            sink(batch)
    return zone.folder / name, made.num_rows


def _bridged(known: pa.Table, pairs: Iterable[tuple[pa.Array, pa.Array]]) -> Iterator[pa.Table]:
    hashes, labels = known.column("hash").combine_chunks(), known.column("unit").combine_chunks()
    for carried, new in pairs:
        at = pc.index_in(carried, hashes)
        here = pc.and_(pc.is_valid(at), pc.is_valid(new))
        yield pa.table([new.filter(here), labels.take(at.filter(here))], schema=NAMES)


def forget_versions_before(zone: KeyZone, key_version: int, tables: Iterable[str]) -> None:
    """Remove the tables under earlier keys: ``tables``, and what unmatched units were called."""
    earlier = range(1, key_version)
    bridges = (path.name for version in earlier for path in zone.folder.glob(f"bridge-k{version:04d}-*.parquet"))
    zone.remove([*map(unmatched_file, earlier), *bridges, *tables])


def _hashes_in(labels: pa.StringArray) -> pa.FixedSizeBinaryArray:
    """The hash that each name of an unmatched unit is made of: 32 hexadecimal digits after the mark."""
    digits: npt.NDArray[np.uint8] = np.frombuffer("".join(labels.to_pylist()).encode(), dtype=np.uint8)
    if len(digits) != 33 * len(labels):
        raise Tampered("names of unmatched units do not read", next_step="restore the key zone from its backup")
    values = _DIGITS[digits.reshape(-1, 33)[:, 1:]]
    if (values > 15).any():
        raise Tampered("names of unmatched units do not read", next_step="restore the key zone from its backup")
    packed = (values[:, ::2] << 4 | values[:, 1::2]).tobytes()
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(labels), [None, pa.py_buffer(packed)])
