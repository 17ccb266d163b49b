"""Project integers: a random number per unit and project, drawn once and committed before it is used.

Numbers are drawn without replacement from 1 … 2^53 - 1, one pool for all kinds of units of a project, so that none
says what kind of unit it is, and none is rounded by software that reads integers as floating-point numbers. The draw
has nothing to do with the unit: units get numbers in the order of their keys, numbers come from the entropy source in
random order.

New units become a new *generation*, a file that appears whole or not at all and is never written again. A run that is
killed after a generation was committed finds it there and draws nothing twice.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from enclave.engine import Engine
from enclave.entropy import Entropy
from linkage.key_zone import KeyZone

Integers = npt.NDArray[np.int64]

ASSIGNED = pa.schema([("unit", pa.string()), ("integer", pa.int64())])
REMAPPED = pa.schema([("unmatched", pa.int64()), ("matched", pa.int64()), ("version", pa.int64())])
INTEGER_BITS = 53
REMAP = "remap.parquet"
UNMATCHED = "U"
"""Mark of a unit that is known by its keyed hash only."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """How many units a project has, and how many of them are new."""

    total: int
    new: int
    generation: int


def draw_integers(count: int, taken: Integers, entropy: Entropy, label: str) -> Integers:
    """``count`` distinct random numbers in 1 … 2^53 - 1, none of them in ``taken``; in random order.

    Numbers that were drawn before are drawn again, so every set of free numbers is equally likely.
    """
    drawn: Integers = np.empty(0, dtype=np.int64)
    attempt = 0
    while len(drawn) < count:
        raw = np.frombuffer(entropy.draw(8 * (count - len(drawn)), f"{label}/{attempt}"), dtype="<u8")
        fresh = (raw >> (64 - INTEGER_BITS)).astype(np.int64)
        drawn = np.concatenate([drawn, fresh[(fresh != 0) & ~np.isin(fresh, taken)]])
        first = np.unique(drawn, return_index=True)[1]
        drawn = drawn[np.sort(first)]
        attempt += 1
    return drawn


def generations(zone: KeyZone) -> list[str]:
    """Names of the committed generations, oldest first."""
    return sorted(path.name for path in zone.folder.glob("units-*.parquet"))


def load_units(zone: KeyZone, engine: Engine) -> None:
    """Make the committed assignments the table ``units``."""
    engine.load("units", zone.reader(generations(zone), ASSIGNED))


def assign(needed: str, *, project: str, zone: KeyZone, engine: Engine, entropy: Entropy) -> Assigned:
    """Commit a number for every unit of query ``needed`` (column ``unit``) that has none yet; load ``units``."""
    load_units(zone, engine)
    missing = (
        f"SELECT DISTINCT n.unit FROM ({needed}) n LEFT JOIN units u ON n.unit = u.unit "
        "WHERE u.unit IS NULL AND n.unit IS NOT NULL"
    )
    new = _count(engine, missing)
    before = _count(engine, "SELECT unit FROM units")
    generation = len(generations(zone)) + (1 if new else 0)
    if new:
        taken = engine.collect("SELECT integer FROM units").column("integer").to_numpy()
        numbers = draw_integers(new, taken, entropy, f"project integers\0{project}\0{generation}")
        _commit(missing, numbers, f"units-{generation:06d}.parquet", zone, engine)
        load_units(zone, engine)
    return Assigned(before + new, new, generation)


def _commit(missing: str, numbers: Integers, name: str, zone: KeyZone, engine: Engine) -> None:
    used = 0
    with zone.writing(name, ASSIGNED) as sink:

        def number(batch: pa.RecordBatch) -> None:
            nonlocal used
            mine = pa.array(numbers[used : used + batch.num_rows])
            sink(pa.RecordBatch.from_arrays([batch.column(0), mine], schema=ASSIGNED))
            used += batch.num_rows

        engine.write(missing, ["unit"], number)


_NAMES = (
    f"SELECT integer, unit AS name FROM units WHERE unit LIKE '{UNMATCHED}%' UNION ALL "
    f"SELECT b.integer, '{UNMATCHED}' || hex(e.hash) AS name FROM units b JOIN unmatched e ON b.unit = e.unit"
)
_KNOWN_BY_NOW = f"SELECT h.unit, n.integer FROM hashes h JOIN ({_NAMES}) n ON n.name = '{UNMATCHED}' || hex(h.hash)"
"""Query: register units that had a number while unmatched, under whatever key version, and that number."""


def later_matched() -> str:
    """Query: register units (column ``unit``) that had a number while unmatched and whose hash is known by now."""
    return f"SELECT k.unit FROM ({_KNOWN_BY_NOW}) k"


def update_remap(version: int, *, zone: KeyZone, engine: Engine) -> int:
    """Add to the remap table which unmatched number became which matched one in key-table version ``version``.

    Returns the table's number of rows. Rows are kept for good: files of earlier runs hold the old numbers.
    """
    path = zone.folder / REMAP
    engine.load("remap", zone.reader([REMAP] if path.is_file() else [], REMAPPED))
    all_pairs = (
        f"SELECT DISTINCT k.integer AS unmatched, a.integer AS matched FROM ({_KNOWN_BY_NOW}) k "
        "JOIN units a ON a.unit = k.unit"
    )
    merged = (
        f"SELECT unmatched, matched, version FROM remap UNION ALL SELECT p.unmatched, p.matched, {version} AS version "
        f"FROM ({all_pairs}) p LEFT JOIN remap r ON p.unmatched = r.unmatched AND p.matched = r.matched "
        "WHERE r.unmatched IS NULL"
    )
    rows = engine.collect(merged, ["version", "unmatched"])
    known = _count(engine, "SELECT unmatched FROM remap")
    if rows.num_rows > known:
        with zone.writing(REMAP, REMAPPED) as sink:
            for batch in rows.to_batches():
                sink(batch)
    return int(rows.num_rows)


def _count(engine: Engine, query: str) -> int:
    found: int = engine.collect(f"SELECT count(*) AS n FROM ({query}) q")["n"][0].as_py()
    return found
