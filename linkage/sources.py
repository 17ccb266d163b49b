"""Where the rows of a linked data set come from, and which unit each of their keys means.

For every data set of a project this makes a view ``keyed_<data set>`` with, per key, ``<key>__unit`` (marked register
key, or ``U`` and the keyed hash of an unmatched identifier) and ``<key>_status``, and the declared columns.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from enclave.engine import Dialect, Engine
from enclave.errors import BadInput, Fault, NotReady, Refused, WrongZone
from enclave.fingerprints import digest_file
from enclave.frames import Frame
from enclave.project import DataSet, Key, Project
from enclave.zones import Pseudonymised, Zone
from linkage.key_register import KeyTableVersion, require_same_keys
from linkage.key_zone import KeyZone, is_encrypted, read_batches
from linkage.matches import delivery_name, matches_file, read_matches
from linkage.memberships import NUMBERED, attach_membership, membership_faults, with_memberships
from linkage.units import UNMATCHED

SUPPLIER = "supplier__index"
DELIVERY = "delivery__name"
RECORD = "record"
NONLINKAGE = "nonlinkage"
_UNIT_COLUMNS = re.compile(r"^(RIN|SOORTRIN|SOORTOBJECT|BEID$|OGID$|HUISHOUDNR$|XKOPPELNUMMER$)")
# (kind letter in the register, mark of the unit, status): S is a person whose number is no register key (CBS).
_LETTERS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "person": (("R", "P", "R"), ("S", "PS", "S")),
    "household": (("R", "H", "R"), ("S", "HS", "S")),
    "object": (("B", "O", "R"),),
    "entity": (("E", "E", "R"),),
    "owner": (("R", "P", "R"), ("S", "PS", "S"), ("E", "E", "R")),
}
# Units whose register key may be a number without a kind letter, and the mark that it takes; of a holding it must be.
_NUMBER_MARKS = {"entity": "E", "holding": NUMBERED["holding"]}


@dataclass(frozen=True, slots=True)
class Source:
    """A data set's rows: where they lie, what columns they have, and what is declared of them."""

    name: str
    data: DataSet
    declared: tuple[str, ...]
    available: tuple[str, ...]
    parents: Mapping[str, str]
    frames: tuple[Frame[Pseudonymised], ...] = ()
    path: Path | None = None

    @property
    def is_delivery(self) -> bool:
        """Whether the rows were delivered, and so may be unmatched."""
        return bool(self.data.delivery)

    def hash_columns(self) -> tuple[str, ...]:
        """Columns of keyed hashes of all keys, without repeats."""
        return tuple(dict.fromkeys(f"{column}_hash" for key in self.data.keys for column in key.hashed))

    @property
    def identified(self) -> list[Key]:
        """The keys that columns say; the others are derived from them."""
        return [key for key in self.data.keys if key.derived is None]

    @property
    def is_matched(self) -> bool:
        """Whether records were matched by likeness or by filter."""
        return any(key.is_matched for key in self.data.keys)


def find_sources(
    project: Project,
    *,
    pseudonymised: Mapping[str, Sequence[Frame[Pseudonymised]]],
    registers: Path,
    dropped: Mapping[str, Collection[str]],
    version: KeyTableVersion,
) -> tuple[Source, ...]:
    """Find and check the sources of all data sets; all faults at once, nothing is read but headers.

    ``dropped``: per delivery schema, the columns that pseudonymisation removes.

    Raises:
        NotReady: a register file or a pseudonymised delivery is missing.
        Refused: a question declares a column that is removed, or that says which unit a record is about; a frame
            belongs to another project or is hashed under other keys.
        BadInput: a declared column or a key's column is not there.
    """
    sources = []
    for name, data in sorted(project.data.items()):
        declared = project.declared_columns(name)
        if data.delivery:
            frames = tuple(pseudonymised.get(data.delivery, ()))
            sources.append(_delivery(project, name, data, frames, version))
        else:
            sources.append(_register(name, data, declared, registers / f"{data.register_file}.parquet"))
    sources = [_with_memberships_digests(source, registers) for source in sources]
    refusals = [text for source in sources for text in _refusals(source, dropped.get(source.data.delivery, ()))]
    if refusals:
        raise Refused("; ".join(refusals), next_step="take the columns out of the questions in the project file")
    faults = [fault for source in sources for fault in _faults(source)]
    faults += [f for s in sources for key in s.data.keys for f in membership_faults(s.name, key, registers)]
    if faults:
        raise BadInput("data sets of the project file don't fit their sources", where=project.name, faults=faults)
    return tuple(sources)


def _with_memberships_digests(source: Source, registers: Path) -> Source:
    files = sorted({key.derived.register_file for key in source.data.keys if key.derived})
    found = {name: registers / f"{name}.parquet" for name in files}
    return replace(
        source,
        parents={**source.parents, **{name: digest_file(path) for name, path in found.items() if path.is_file()}},
    )


def _register(name: str, data: DataSet, declared: tuple[str, ...], path: Path) -> Source:
    if not path.is_file():
        raise NotReady(
            f"data set {name}: there is no register file {path.name}", next_step="see data in the project file"
        )
    with pq.ParquetFile(path) as file:
        available = tuple(file.schema_arrow.names)
    return Source(name, data, declared, available, {data.register_file: digest_file(path)}, path=path)


def _delivery(
    project: Project,
    name: str,
    data: DataSet,
    frames: tuple[Frame[Pseudonymised], ...],
    version: KeyTableVersion,
) -> Source:
    if not frames:
        raise NotReady(f"data set {name}: no delivery of {data.delivery} was pseudonymised", next_step="zicht status")
    available: dict[str, None] = {}
    parents: dict[str, str] = {}
    for index, frame in enumerate(frames, start=1):
        _require_frame(frame, project, version)
        names = [column.name for column in frame.manifest.columns]
        available = dict.fromkeys(names if not available else [n for n in available if n in names])
        # An encrypted file's bytes differ from run to run; what it was made from does not.
        digests = frame.manifest.parents if is_encrypted(frame.path) else {"frame": frame.digest()}
        parents |= {f"{data.delivery}/{index:04d}/{key}": value for key, value in digests.items()}
    return Source(name, data, project.declared_columns(name), tuple(available), parents, frames=frames)


def _require_frame(frame: Frame[Pseudonymised], project: Project, version: KeyTableVersion) -> None:
    if frame.manifest.zone is not Zone.PSEUDONYMISED:
        raise WrongZone(f"{frame.path.name} belongs to zone {frame.manifest.zone.value}, not pseudonymised")
    if frame.manifest.project != project.name:
        raise Refused(f"frame {frame.manifest.name} was made for project {frame.manifest.project}")
    kinds = {c.name: c.role.removeprefix("key:") for c in frame.manifest.columns if c.role.startswith("key:")}
    known = {kind: frame.manifest.key_ids[name] for name, kind in kinds.items() if name in frame.manifest.key_ids}
    require_same_keys(frame.manifest.name, {k: v for k, v in known.items() if k in version.key_ids}, version)


def _refusals(source: Source, dropped: Collection[str]) -> list[str]:
    what = f"data set {source.name}"
    keys = {column for key in source.data.keys for column in (*key.source, *(f"{c}_hash" for c in key.source))}
    roles = {c.name: c.role for frame in source.frames for c in frame.manifest.columns}
    said = []
    for column in source.declared:
        if column in dropped and column not in source.available:
            said.append(f"{what}: column {column} is removed by pseudonymisation")
        elif (
            column in keys
            or _UNIT_COLUMNS.match(column)
            or roles.get(column, "attribute").startswith(("key:", "record"))
        ):
            said.append(f"{what}: column {column} says which unit a record is about")
    return said


def _faults(source: Source) -> list[Fault]:
    place = source.data.register_file or source.data.delivery
    wanted = [*source.declared, *_key_columns(source)]
    missing = [column for column in wanted if column not in source.available]
    faults = [Fault(place, "column", f"data set {source.name} needs it and it is not there", c) for c in missing]
    outputs = [name for key in source.data.keys for name in output_columns(key)] + list(source.declared)
    if len(set(outputs)) < len(outputs):
        faults.append(Fault(place, "columns", f"data set {source.name} would have two columns of one name"))
    for key in source.identified:
        if source.is_delivery and key.kind in ("household", "holding"):
            faults.append(Fault(place, "key", f"a delivery has no {key.kind} key", key.name))
        if not source.is_delivery and len(key.source) not in _widths(key):
            said = "a register key is a pair: kind letter and number; of a holding the number"
            faults.append(Fault(place, "key", said, key.name))
    return faults


def _widths(key: Key) -> tuple[int, ...]:
    """How many columns the key may have in a register."""
    numbered = (1,) if key.kind in _NUMBER_MARKS else ()
    return numbered if key.kind == "holding" else (*numbered, 2)


def output_columns(key: Key) -> tuple[str, ...]:
    """Linked columns of a key: its integers, the status; pass and weight where records are matched by likeness; the
    weight for non-linkage where the project asks for it."""
    more = [*(("pass", "weight") if key.is_matched else ()), *((NONLINKAGE,) if key.nonlinkage_weights else ())]
    return (key.name, *(f"{key.name}_{name}" for name in ("status", *more)))


def _key_columns(source: Source) -> tuple[str, ...]:
    if source.is_delivery:
        return (*source.hash_columns(), *((RECORD,) if source.is_matched else ()))
    return tuple(dict.fromkeys(column for key in source.data.keys for column in key.source))


def attach_source(
    source: Source,
    engine: Engine,
    context: Sequence[str],
    zone: KeyZone,
    *,
    registers: Path,
    renamed: bool = False,
) -> None:
    """Make ``keyed_<data set>``; ``context`` names further columns of deliveries that the report needs, ``registers``
    is the folder of those that households and holdings are derived from.

    ``renamed``: table ``unmatched`` says by which later hashes unmatched units are known (:mod:`linkage.rekeying`).
    """
    quote = engine.dialect.quote
    if source.path is not None:
        engine.attach(f"source_{source.name}", source.path)
        selected = [*_register_units(source.identified, engine.dialect), *map(quote, source.declared)]
        _define(source, f"SELECT {', '.join(selected)} FROM source_{source.name}", registers, engine)
        return
    columns = list(dict.fromkeys([*_key_columns(source), *source.declared, *context]))
    parts = []
    for index, frame in enumerate(source.frames):
        part = f"part_{source.name}_{index}"
        _attach_frame(part, frame, columns, engine, zone.decryption)
        which = f"{index} AS {SUPPLIER}"
        if source.is_matched:
            which += f", {engine.dialect.literal(delivery_name(frame.path))} AS {DELIVERY}"
        parts.append(f"SELECT {which}, {', '.join(map(quote, columns))} FROM {part}")
    for key in source.data.keys:
        if key.is_matched:
            engine.load(f"matches_{source.name}_{key.name}", read_matches(zone, matches_file(source.name, key.name)))
    engine.define(f"source_{source.name}", " UNION ALL ".join(parts))
    own = [SUPPLIER, *((DELIVERY, RECORD) if source.is_matched else ())]
    kept = [f"s.{quote(name)}" for name in dict.fromkeys([*source.declared, *context, *own])]
    _define(source, delivery_units(source, kept, engine.dialect, renamed=renamed), registers, engine)


def _define(source: Source, query: str, registers: Path, engine: Engine) -> None:
    """Make ``keyed_<data set>`` of a query of what columns say."""
    derived = [
        (key, key.derived, f"members_{source.name}_{key.name}") for key in source.data.keys if key.derived is not None
    ]
    for key, membership, table in derived:
        attach_membership(table, key, membership, registers, engine)
    engine.define(f"keyed_{source.name}", with_memberships(query, derived, engine) if derived else query)


def _attach_frame(
    part: str, frame: Frame[Pseudonymised], columns: list[str], engine: Engine, decryption: Callable[[], Any] | None
) -> None:
    if not is_encrypted(frame.path):
        engine.attach(part, frame.path)
        return
    types = {column.name: column for column in _schema(frame, decryption)}
    schema = pa.schema([types[name] for name in columns])
    engine.load(part, pa.RecordBatchReader.from_batches(schema, read_batches(frame.path, columns, decryption)))


def _schema(frame: Frame[Pseudonymised], decryption: Callable[[], Any] | None) -> pa.Schema:
    with pq.ParquetFile(frame.path, decryption_properties=decryption() if decryption else None) as file:
        return file.schema_arrow


def _register_units(keys: Sequence[Key], dialect: Dialect) -> list[str]:
    terms = []
    for key in keys:
        number = dialect.quote(key.source[-1])
        if len(key.source) == 1:
            found = [(f"{number} <> ''", _NUMBER_MARKS[key.kind], "R")]
        else:
            letter = dialect.quote(key.source[0])
            found = [(f"{letter} = '{given}' AND {number} <> ''", mark, st) for given, mark, st in _LETTERS[key.kind]]
        unit = " ".join(f"WHEN {condition} THEN '{mark}' || {number}" for condition, mark, _ in found)
        status = " ".join(f"WHEN {condition} THEN '{status}'" for condition, _, status in found)
        terms.append(f"CASE {unit} END AS {dialect.quote(key.name + '__unit')}")
        terms.append(f"CASE {status} ELSE '' END AS {dialect.quote(key.name + '_status')}")
    return terms


def delivery_units(source: Source, kept: list[str], dialect: Dialect, *, renamed: bool = False) -> str:
    """The first identifier that the register knows says the unit; when none is known, the first that is filled.

    Where no identifier is filled, a match by likeness says the unit.
    """
    joins, terms = [], []
    for at, key in enumerate(source.identified):
        hashes = [f"s.{dialect.quote(column + '_hash')}" for column in key.hashed]
        aliases = [f"h{at}_{i}" for i in range(len(hashes))]
        joins += [f"LEFT JOIN hashes {a} ON {h} = {a}.hash" for a, h in zip(aliases, hashes, strict=True)]
        units = [f"{a}.unit" for a in aliases]
        filled = f"coalesce({', '.join(hashes)}, NULL)" if hashes else "CAST(NULL AS BINARY)"
        if key.is_matched:
            named = f"m{at}"
            joins.append(
                f"LEFT JOIN matches_{source.name}_{key.name} {named} ON {filled} IS NULL "
                f"AND s.{DELIVERY} = {named}.delivery AND s.{RECORD} = {named}.record"
            )
            exact = " ".join(f"WHEN {unit} IS NOT NULL THEN {nth}" for nth, unit in enumerate(units, start=1))
            passed = f"CASE {exact} ELSE {named}.pass + {len(units)} END" if exact else f"{named}.pass"
            terms.append(f"CAST({passed} AS BIGINT) AS {dialect.quote(key.name + '_pass')}")
            terms.append(f"{named}.weight AS {dialect.quote(key.name + '_weight')}")
            units.append(f"{named}.unit")
        matched = f"coalesce({', '.join(units)}, NULL)"
        unmatched = f"'{UNMATCHED}' || hex({filled})"
        if renamed:
            joins.append(f"LEFT JOIN unmatched e{at} ON {filled} = e{at}.hash")
            unmatched = f"e{at}.unit, {unmatched}"
        terms.append(f"coalesce({matched}, {unmatched}) AS {dialect.quote(key.name + '__unit')}")
        status = f"CASE WHEN {matched} IS NOT NULL THEN 'R' WHEN {filled} IS NOT NULL THEN 'S' ELSE '' END"
        terms.append(f"{status} AS {dialect.quote(key.name + '_status')}")
    return f"SELECT {', '.join(terms + kept)} FROM source_{source.name} s {' '.join(joins)}"
