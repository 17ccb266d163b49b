"""The office's identified key register as keyed hashes: which hash is which register unit, in numbered versions.

Identifiers are read here, hashed at once by the passed-in ``hasher`` and not kept. A hash that leads to more than one
unit (an identifier given out twice, or mistyped in the register) leads to none: guessing would link a record to
somebody else. Such hashes are counted.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from enclave.engine import Engine
from enclave.errors import BadInput, NotReady, Refused, Tampered
from enclave.files import write_bytes
from enclave.fingerprints import digest_file
from linkage.key_zone import KeyZone, read_batches

Hasher: TypeAlias = Callable[[str, pa.StringArray], pa.FixedSizeBinaryArray]
"""(identifier kind, canonical identifiers) -> 16-byte keyed hashes; null stays null."""

PAIRS = pa.schema([("hash", pa.binary(16)), ("unit", pa.string())])
_VERSIONS = "versions.json"


@dataclass(frozen=True, slots=True)
class _Source:
    """A column of the key register: file, identifier column, its kind, and the column and mark of the unit."""

    file: str
    column: str
    kind: str
    unit: str
    mark: str


# Marks keep the kinds of units apart: P person, O object, E entity (H household, U unmatched elsewhere).
SOURCES = (
    _Source("persons", "bsn", "bsn", "RINPERSOON", "P"),
    _Source("addresses", "bag_id", "bag", "RINOBJECTNUMMER", "O"),
    _Source("entities", "rsin", "rsin", "BEID", "E"),
    _Source("entities", "kvk", "kvk", "BEID", "E"),
)


class KeyTableVersion(BaseModel):
    """One version of the key table: from which register files, under which keys, how large. Holds no identifier."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: int
    register_sha256: Mapping[str, str]
    key_ids: Mapping[str, str]
    hashes: int
    ambiguous: int

    @property
    def file(self) -> str:
        """The table's name in the key zone."""
        return f"hashes-{self.version:06d}.parquet"


def build_key_table(
    key_register: Path, *, hasher: Hasher, key_ids: Mapping[str, str], zone: KeyZone, engine: Engine
) -> KeyTableVersion:
    """Hash the key register; the same register under the same keys is not hashed twice.

    ``key_ids`` says per identifier kind (``bsn``, ``rsin``, ``kvk``, ``bag``) under which key ``hasher`` works, in the
    words of the pseudonymised frames' manifests.

    Raises:
        NotReady: a file of the key register is missing. BadInput: it lacks a column.
    """
    digests = {name: _digest(key_register / f"{name}.parquet") for name in sorted({s.file for s in SOURCES})}
    known = versions(zone)
    if known and known[-1].register_sha256 == digests and known[-1].key_ids == dict(key_ids):
        return known[-1]
    engine.load("register_hashes", pa.RecordBatchReader.from_batches(PAIRS, _pairs(key_register, hasher)))
    grouped = "SELECT hash, min(unit) AS unit, max(unit) AS other FROM register_hashes GROUP BY hash"
    counts = engine.collect(
        f"SELECT count(*) AS hashes, count(CASE WHEN unit <> other THEN 1 END) AS ambiguous FROM ({grouped}) g"
    ).to_pylist()[0]
    made = KeyTableVersion(version=len(known) + 1, register_sha256=digests, key_ids=dict(key_ids), **counts)
    with zone.writing(made.file, PAIRS) as sink:
        engine.write(f"SELECT hash, unit FROM ({grouped}) g WHERE unit = other", ["hash"], sink)
    listed = [version.model_dump(mode="json") for version in (*known, made)]
    write_bytes(zone.folder / _VERSIONS, json.dumps(listed, indent=1).encode(), mode=0o600)
    return made


def versions(zone: KeyZone) -> list[KeyTableVersion]:
    """All versions of the project's key table, oldest first."""
    path = zone.folder / _VERSIONS
    if not path.is_file():
        return []
    try:
        return [KeyTableVersion.model_validate(item) for item in json.loads(path.read_bytes())]
    except ValueError:
        raise Tampered(f"{_VERSIONS} of the key tables does not read", next_step="restore the key zone") from None


def require_same_keys(frame: str, key_ids: Mapping[str, str], version: KeyTableVersion) -> None:
    """Refuse a pseudonymised frame whose hashes are under other keys: nothing of it could match.

    ``key_ids``: per identifier kind, as the frame says.
    """
    other = sorted(kind for kind, key in key_ids.items() if version.key_ids.get(kind) != key)
    if other:
        raise Refused(
            f"frame {frame} is hashed under other keys than the key table ({', '.join(other)})",
            next_step="pseudonymise the delivery again under the current key version",
        )


def _digest(path: Path) -> str:
    if not path.is_file():
        raise NotReady(f"the key register has no file {path.name}", next_step="see key_register in office.yaml")
    return digest_file(path)


def _pairs(key_register: Path, hasher: Hasher) -> Iterator[pa.RecordBatch]:
    for source in SOURCES:
        path = key_register / f"{source.file}.parquet"
        present = set(_columns(path))
        missing = sorted({source.column, source.unit} - present)
        if missing:
            raise BadInput(f"the key register lacks {', '.join(missing)}", where=path.name)
        for batch in read_batches(path, [source.column, source.unit]):
            identifiers, units = (batch.column(name).cast(pa.string()) for name in (source.column, source.unit))
            filled = pc.and_(pc.not_equal(identifiers, ""), pc.not_equal(units, ""))
            identifiers, units = identifiers.filter(filled), units.filter(filled)
            hashes = hasher(source.kind, identifiers)
            marked = pc.binary_join_element_wise(source.mark, units, "")
            yield pa.RecordBatch.from_arrays([hashes, marked], schema=PAIRS)


def _columns(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return list(file.schema_arrow.names)
