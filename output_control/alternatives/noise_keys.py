"""Cell keys of a tabulated request: record keys are made outside the engine and added up by it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from enclave.errors import Refused
from enclave.requests import TableRequest
from output_control.alternatives.cell_keys import SPAN, cell_keys_above, record_keys
from output_control.alternatives.small_counts import inner_cells
from output_control.tables.derived import Sources, member_column
from output_control.tables.evidence import Evidence
from output_control.tables.shown import ShownDimension
from output_control.tables.table import IntArray, cell_keys


def cell_keys_of(evidence: Evidence, sources: Sources, secret: bytes) -> IntArray:
    """Cell keys of all cells of ``evidence.table``: of the members of the population in each, over all its records.

    Members are known by the ledger's ids, so that the same cell draws the same in every project.
    The key never enters a query: engines write queries into logs.

    Raises:
        Refused: members have no whole-number keys. NotReady: the ledger does not know one.
        KeyUnavailable: the secret is no key.
    """
    request = evidence.request
    schema = sources.schema(request.derivation)
    member = member_column(request, schema)
    if not pa.types.is_integer(schema.field(member).type):
        raise Refused(f"column {member} holds no unit keys, so noise cannot be drawn by it")
    table = sources.derived_table(request.derivation)
    units = sources.collect("SELECT DISTINCT {m} AS m FROM {t}", order_by=["m"], m=member, t=table).column(0)
    noise = record_keys(sources.known_as(np.asarray(units.to_numpy(), dtype=np.int64)), secret)
    keys = sources.load(f"noise_{request.name}", pa.table({"m": units, "noise": noise}))
    return _spread(evidence, _sums(request, sources, member, table, keys))


def _sums(request: TableRequest, sources: Sources, member: str, table: str, keys: str) -> pa.Table:
    columns = [dimension.column for dimension in request.dimensions]
    codes = ", ".join(sources.sql(f"d.{{c}} AS c{i}", c=column) for i, column in enumerate(columns))
    groups = ", ".join(sources.sql("d.{c}", c=column) for column in columns)
    return sources.collect(
        f"SELECT {codes}, CAST(SUM(k.noise) AS BIGINT) AS noise FROM {{t}} AS d JOIN {{k}} AS k "  # noqa: S608 - quoted names
        f"ON d.{{m}} = k.m GROUP BY {groups}",
        order_by=[f"c{i}" for i in range(len(columns))],
        t=table,
        k=keys,
        m=member,
    )


def _spread(evidence: Evidence, sums: pa.Table) -> IntArray:
    table = evidence.table
    codes = np.column_stack([_leaves(shown, sums.column(i)) for i, shown in enumerate(evidence.shown)])
    inner = np.flatnonzero(inner_cells(table))
    place = np.searchsorted(table.keys()[inner], cell_keys(codes, table.shape))
    added = np.zeros(len(inner), dtype=np.int64)
    np.add.at(added, place, np.asarray(sums.column("noise").to_numpy(), dtype=np.int64) % SPAN)
    return cell_keys_above(table, added)


def _leaves(shown: ShownDimension, codes: pa.ChunkedArray) -> IntArray:
    """The position of the leaf that shows each code."""
    index = shown.dimension.index
    text = codes.cast(pa.string()).to_pylist()  # one per combination of codes, never per record
    return np.array([index[shown.home[code]] for code in text], dtype=np.int64)
