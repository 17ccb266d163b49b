"""The rows of a table that is being checked, by ids that are the same in every project."""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import Refused
from enclave.requests import Request, TableRequest
from output_control.ledger.released import Rows
from output_control.tables.derived import Sources, member_column
from output_control.tables.evidence import Evidence
from output_control.tables.table import FloatArray, IntArray
from output_control.tables.tabulation import DECIMALS
from output_control.tables.unit_keys import invented_periods

RECORDS_OF = " records of "
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class LedgerIds(Protocol):
    """Project integers -> ledger ids (63 bits), which linking made and no researcher sees."""

    def ids(self, integers: IntArray) -> IntArray:
        """The ledger id of each unit. Raises `NotReady` when one is unknown."""
        ...


def mixed(values: IntArray) -> IntArray:
    """A well-spread 63-bit number per value: splitmix64 (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195)."""
    z = values.astype(np.uint64) + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def rows_of(evidence: Evidence, sources: Sources, ids: LedgerIds) -> Rows:
    """The rows behind ``evidence``, sorted by ledger id.

    A row is a member of the population, in a period where the request has one; several rows of a member in one period
    are told apart by the order of their records, which says something within this frame only (`period_of`).

    Raises:
        Refused: the population's key is no unit key, so nobody can be followed across releases; or the linked data do
            not give the members these periods, so that other words for a period would make another row of it.
    """
    request = evidence.request
    member = _unit_key(request, sources)
    found = _columns(request, member, sources)
    leaf, keep = _leaves(evidence, found)
    if request.period is not None and (wrong := invented_periods(request, sources, member, request.period)):
        raise Refused(wrong, next_step="name the period's column as the linked data do, or leave the period out")
    row, unit, of, order = _known(request, member, request.period, found, ids)
    added = request.measure if request.statistic in {"sum", "mean"} else None
    amount = np.ones(len(row)) if added is None else _amounts(found, added)
    leaf, amount, keep = leaf[order], amount[order], keep[order]
    again = np.argsort(row, kind="stable")
    again = again[keep[again]]
    return Rows(row[again], unit[again], leaf[again], amount[again], of[again])


def population_rows(request: Request, sources: Sources, ids: LedgerIds) -> tuple[Rows, str, IntArray]:
    """All rows of a frame, sorted by ledger id, in one cell; the column of periods that tells them apart, if any; and
    the place of each row in the frame in the order in which models read it (by record and period).

    A period that the linked data do not give the members (the other end of an edge) tells nothing: such rows are told
    apart by their order alone.

    Raises:
        Refused: the population's key is no unit key, so nobody can be followed across releases.
    """
    member, period = _unit_key(request, sources), request.period
    if period is not None and invented_periods(request, sources, member, period):
        period = None
    read_by = [request.record, *([request.period] if request.period else [])]
    names = list(dict.fromkeys([member, request.unit, *read_by]))
    table = sources.derived_table(request.derivation)
    found = sources.collect("SELECT {names} FROM {table}", names=names, table=table, order_by=read_by)
    row, unit, of, place = _known(request, member, period, found, ids)
    order = np.argsort(row, kind="stable")
    rows = Rows(row[order], unit[order], np.zeros(len(row), dtype=np.int64), np.ones(len(row)), of[order])
    return rows, period or "", place[order]


def _unit_key(request: Request, sources: Sources) -> str:
    """The column of the population's key, when it is one of unit keys."""
    schema = sources.schema(request.derivation)
    member = member_column(request, schema)
    if not pa.types.is_integer(schema.field(member).type):
        raise Refused(
            f"column {member} holds no unit keys, so the release ledger cannot follow who is in which table",
            next_step="name a population whose key is a unit key of the linked data",
        )
    return member


def _known(
    request: Request, member: str, period: str | None, found: pa.Table, ids: LedgerIds
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Row, unit and member by ledger ids in an order in which rows of one member follow each other, and that order."""
    known = ids.ids(_whole(found, member))
    row = known if period is None else mixed(known ^ hashed(found.column(period)))
    unit = known if request.unit == member else ids.ids(_whole(found, request.unit))
    record = np.unique(found.column(request.record).to_numpy(), return_inverse=True)[1].reshape(-1)
    order = np.lexsort((record, row))
    return _told_apart(row[order]), unit[order], known[order], order


def period_of(request: TableRequest, sources: Sources) -> str:
    """What the rows of a table must have in common with those of another to be the same: the column of periods; where
    members have several rows in one, the frame too, for no other tells these apart alike."""
    frame, period = sources.derivation(request.derivation), request.period or ""
    member = member_column(request, sources.schema(request.derivation))
    key, table = [member, *([period] if period else [])], sources.derived_table(request.derivation)
    rows = sources.number("SELECT COUNT(*) FROM {table}", table=table)
    distinct = "SELECT COUNT(*) FROM (SELECT {key} FROM {table} GROUP BY {key}) AS d"
    if frame is None or rows == sources.number(distinct, table=table, key=key):
        return period
    return f"{period}{RECORDS_OF}{frame.digest()}"


def _columns(request: TableRequest, member: str, sources: Sources) -> pa.Table:
    names = [member, request.record, request.unit, *(dimension.column for dimension in request.dimensions)]
    names += [request.period] if request.period else []
    names += [request.measure] if request.measure else []
    known = "{measure} IS NOT NULL" if request.measure else "TRUE"
    return sources.collect(
        f"SELECT {{names}} FROM {{table}} WHERE {known}",  # noqa: S608 - a constant; names are quoted below
        names=list(dict.fromkeys(names)),
        table=sources.derived_table(request.derivation),
        measure=request.measure or member,
    )


def _leaves(evidence: Evidence, found: pa.Table) -> tuple[IntArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Position of each row's finest cell among the cells of the table, and whether there is one."""
    key = np.zeros(found.num_rows, dtype=np.int64)
    for shown in evidence.shown:
        index = shown.dimension.index
        codes = pa.array(list(shown.home), pa.string())
        homes = np.array([index[leaf] for leaf in shown.home.values()], dtype=np.int64)
        place = pc.index_in(found.column(shown.column).cast(pa.string()), value_set=codes)
        key = key * len(shown.dimension.codes) + homes[np.asarray(place.to_numpy(), dtype=np.int64)]
    keys = evidence.table.keys()
    at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    return at.astype(np.int64), keys[at] == key


def _told_apart(row: IntArray) -> IntArray:
    """Sorted ids in which the second, third … of equal ones become others."""
    first = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]]))
    rank = np.arange(len(row)) - np.repeat(first, np.diff(np.append(first, len(row))))
    return np.where(rank > 0, mixed(row ^ mixed(rank.astype(np.int64))), row)


def hashed(column: pa.ChunkedArray) -> IntArray:
    """A number per text (a period, a code), the same in every project."""
    encoded = pc.cast(column, pa.string()).combine_chunks().dictionary_encode()
    words = [int.from_bytes(blake2b(text.encode(), digest_size=7).digest()) for text in encoded.dictionary.to_pylist()]
    return mixed(np.array(words, dtype=np.int64))[np.asarray(encoded.indices.to_numpy(), dtype=np.int64)]


def _whole(found: pa.Table, name: str) -> IntArray:
    return np.asarray(found.column(name).to_numpy(), dtype=np.int64)


def _amounts(found: pa.Table, measure: str) -> FloatArray:
    return as_summed(found.column(measure))


def as_summed(column: pa.ChunkedArray) -> FloatArray:
    """Numbers as the engine's exact sum takes them: half away from zero at the last decimal."""
    values = np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    scaled = values * 10**DECIMALS
    return np.asarray(np.trunc(scaled + np.copysign(0.5, scaled)) / 10**DECIMALS, dtype=np.float64)
