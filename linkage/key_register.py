"""The office's identified key register as keyed hashes: which hash is which register unit, in numbered versions.

Identifiers are read here, hashed at once by the passed-in ``hasher`` and not kept. A hash that leads to more than one
unit (an identifier given out twice, or mistyped in the register) leads to none: guessing would link a record to
somebody else. Such hashes are counted.

Under a second and later key version the table also knows the carried hashes of the version before
(:mod:`linkage.rekeying`): MAC of version 1, hashed again → unit ← MAC of version 2, checked to be one to one.
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
from enclave.fingerprints import digest_file
from linkage.key_zone import KeyZone, read_batches
from linkage.rekeying import Carry

Hasher: TypeAlias = Callable[[str, pa.StringArray], pa.FixedSizeBinaryArray]
"""(identifier kind, canonical identifiers) -> 16-byte keyed hashes; null stays null."""

PAIRS = pa.schema([("hash", pa.binary(16)), ("unit", pa.string())])
_WITH_EARLIER = pa.schema([*PAIRS, ("carried", pa.binary(16))])
_VERSIONS = "versions.json"


@dataclass(frozen=True, slots=True)
class _Source:
    """A column of the key register: file, identifier column, its kind, and the column and mark of the unit."""

    file: str
    column: str
    kind: str
    unit: str
    mark: str


# Marks keep the kinds of units apart: P person, O object, E entity (H household, F family, G holding, U unmatched
# elsewhere).
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
    key_version: int = 1
    carried_by: str = ""

    @property
    def file(self) -> str:
        """The table's name in the key zone."""
        return f"hashes-{self.version:06d}.parquet"

    @property
    def carried_file(self) -> str:
        """Name of the table of carried hashes."""
        return f"carried-{self.version:06d}.parquet"

    @property
    def files(self) -> list[str]:
        """Both."""
        return [self.file, self.carried_file] if self.carried_by else [self.file]


def build_key_table(
    key_register: Path,
    *,
    hasher: Hasher,
    key_ids: Mapping[str, str],
    zone: KeyZone,
    engine: Engine,
    key_version: int = 1,
    carry: Carry | None = None,
) -> KeyTableVersion:
    """Hash the key register; the same register under the same keys is not hashed twice.

    ``key_ids`` says per identifier kind (``bsn``, ``rsin``, ``kvk``, ``bag``) under which key ``hasher`` works, in the
    words of the pseudonymised frames' manifests. ``carry``, from the second key version on, keeps the units reachable
    from hashes of the version before.

    Raises:
        NotReady: a file of the key register is missing. BadInput: it lacks a column.
        Tampered: hashes of two versions are not one to one; nothing is changed.
    """
    digests = {name: _digest(key_register / f"{name}.parquet") for name in sorted({s.file for s in SOURCES})}
    known = versions(zone)
    if known and known[-1].register_sha256 == digests and known[-1].key_ids == dict(key_ids):
        return known[-1]
    pairs = _pairs(key_register, hasher, carry)
    engine.load("register_hashes", pa.RecordBatchReader.from_batches(_WITH_EARLIER, pairs))
    grouped = "SELECT hash, min(unit) AS unit, max(unit) AS other FROM register_hashes GROUP BY hash"
    counts = engine.collect(
        f"SELECT count(*) AS hashes, count(CASE WHEN unit <> other THEN 1 END) AS ambiguous FROM ({grouped}) g"
    ).to_pylist()[0]
    made = KeyTableVersion(
        version=len(known) + 1,
        register_sha256=digests,
        key_ids=dict(sorted(key_ids.items())),
        **counts,
        key_version=key_version,
        carried_by=carry.key_id if carry else "",
    )
    if carry:
        _write_carried(made, known[-1] if known else None, carry, zone, engine)
    with zone.writing(made.file, PAIRS) as sink:
        engine.write(f"SELECT hash, unit FROM ({grouped}) g WHERE unit = other", ["hash"], sink)
    listed = [version.model_dump(mode="json") for version in (*known, made)]
    zone.write_texts({_VERSIONS: json.dumps(listed, indent=1)})
    return made


def _write_carried(
    made: KeyTableVersion, before: KeyTableVersion | None, carry: Carry, zone: KeyZone, engine: Engine
) -> None:
    """Carried hashes as the register of today has them; what it does not say any more, as it was."""
    distinct = "SELECT DISTINCT hash, carried FROM register_hashes WHERE carried IS NOT NULL"
    counts = engine.collect(
        f"SELECT count(*) AS pairs, count(DISTINCT hash) AS new, count(DISTINCT carried) AS old FROM ({distinct}) d"
    ).to_pylist()[0]
    if len({counts["pairs"], counts["new"], counts["old"]}) > 1:
        raise Tampered(
            "hashes of two key versions are not one to one; the key table was left as it was",
            next_step="find out which key store made the data; restore it, then run the command again",
        )
    engine.load("carried_before", pa.RecordBatchReader.from_batches(PAIRS, _carried_before(made, before, carry, zone)))
    fresh = (
        "SELECT carried AS hash, min(unit) AS unit, max(unit) AS other FROM register_hashes "
        "WHERE carried IS NOT NULL GROUP BY carried"
    )
    merged = (
        f"SELECT hash, unit FROM ({fresh}) f WHERE unit = other UNION ALL SELECT b.hash, b.unit FROM carried_before b "
        f"LEFT JOIN ({fresh}) f ON b.hash = f.hash WHERE f.hash IS NULL"
    )
    with zone.writing(made.carried_file, PAIRS) as sink:
        engine.write(merged, ["hash"], sink)


def _carried_before(
    made: KeyTableVersion, before: KeyTableVersion | None, carry: Carry, zone: KeyZone
) -> Iterator[pa.RecordBatch]:
    if before is None:
        return
    if before.key_version == made.key_version:
        yield from zone.reader([before.carried_file], PAIRS)
        return
    for batch in zone.reader(before.files, PAIRS):
        yield pa.RecordBatch.from_arrays([carry.again(batch.column(0)), batch.column(1)], schema=PAIRS)


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
    other = sorted(kind for kind, key in key_ids.items() if key not in (version.key_ids.get(kind), version.carried_by))
    if other:
        raise Refused(
            f"frame {frame} is hashed under other keys than the key table ({', '.join(other)})",
            next_step="pseudonymise the delivery again under the current key version",
        )


def _digest(path: Path) -> str:
    if not path.is_file():
        raise NotReady(f"the key register has no file {path.name}", next_step="see key_register in office.yaml")
    return digest_file(path)


def _pairs(key_register: Path, hasher: Hasher, carry: Carry | None) -> Iterator[pa.RecordBatch]:
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
            carried = pa.nulls(len(hashes), pa.binary(16))
            if carry and carry.earlier:
                carried = carry.again(carry.earlier(source.kind, identifiers))
            yield pa.RecordBatch.from_arrays([hashes, marked, carried], schema=_WITH_EARLIER)


def _columns(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return list(file.schema_arrow.names)
