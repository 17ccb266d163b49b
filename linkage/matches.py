"""What matching by likeness leaves in the key zone: record number, register unit, pass and weight, nothing else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from enclave.errors import NotReady
from linkage.key_zone import KeyZone

MATCHES = pa.schema(
    [
        ("delivery", pa.string()),
        ("record", pa.int64()),
        ("unit", pa.string()),
        ("pass", pa.int64()),
        ("weight", pa.float64()),
    ]
)
"""``delivery`` is the frame, ``<folder>/<file>``; ``record`` its record number; ``unit`` the marked register key;
``pass`` counts from 1; ``weight`` is log2 of the odds of the pair."""

LABELLED = pa.schema(
    [
        ("delivery", pa.string()),
        ("record", pa.int64()),
        ("unit", pa.string()),
        ("linked", pa.bool_()),
        ("correct", pa.bool_()),
    ]
)
"""Records with an identifier that were tried without it: the unit that the identifier says (null: not in the register),
whether a unit was chosen, and whether it was that one."""


def matches_file(data_set: str, key: str) -> str:
    """Name of the table of one key."""
    return f"matches-{data_set}-{key}.parquet"


def evidence_file(data_set: str, key: str) -> str:
    """Name of what is known about the quality of these matches, beside it."""
    return f"matches-{data_set}-{key}.json"


def labelled_file(data_set: str, key: str) -> str:
    """Name of the table of labelled records, beside them."""
    return f"labelled-{data_set}-{key}.parquet"


def write_labelled(zone: KeyZone, name: str, labelled: pa.Table) -> Path:
    """Write one key's labelled records."""
    with zone.writing(name, LABELLED) as sink:
        for batch in labelled.to_batches():
            sink(batch)
    return zone.folder / name


def read_labelled(zone: KeyZone, name: str) -> pa.RecordBatchReader | None:
    """The labelled records of one key; None where there are none, as of filters."""
    return zone.reader([name], LABELLED) if (zone.folder / name).is_file() else None


def delivery_name(path: Path) -> str:
    """What :data:`MATCHES` calls the delivery whose frame, identified or pseudonymised, lies at ``path``."""
    return f"{path.parent.name}/{path.stem}"


def write_matches(zone: KeyZone, name: str, matches: pa.Table) -> Path:
    """Write one key's matches, ordered by delivery and record."""
    with zone.writing(name, MATCHES) as sink:
        for batch in matches.sort_by([("delivery", "ascending"), ("record", "ascending")]).to_batches():
            sink(batch)
    return zone.folder / name


def read_matches(zone: KeyZone, name: str) -> pa.RecordBatchReader:
    """The matches of one key.

    Raises:
        NotReady: matching has not run.
    """
    if not (zone.folder / name).is_file():
        raise NotReady(f"the key zone has no {name}", next_step="zicht pseudonymise")
    return zone.reader([name], MATCHES)
