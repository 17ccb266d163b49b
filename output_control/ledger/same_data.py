"""Whether two models of nearly the same members rest on the same data: what the ledger remembers of their columns.

The figures of a model on 2020 and of one on 2021 do not subtract to the person between their populations, because what
all others have changed as well; unless it did not. So of each column the ledger keeps 256 sums of well-spread numbers,
each over the pairs of member and value of one group of units: where a sum is another, a unit's values are. The sums
tell when two columns agree and for about how many units they do not, and hold no value. (An additive set hash per
bucket, as in Bellare & Micciancio 1997, doi:10.1007/3-540-69053-0_13.)
"""

from __future__ import annotations

import numpy as np

from enclave.requests import Request
from output_control.ledger.released import COUNT, MODEL, NOT_COMPARED, ReleasedTable, Rows, Said
from output_control.ledger.rows import as_summed, hashed, mixed
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, FloatArray, IntArray

GROUPS = 256
_TOLD_OF = ("outcome", "duration", "score", "measure")


def said_by(request: Request, rows: Rows, sources: Sources, place: IntArray) -> Said:
    """The columns of a request, those first that its figures are about; ``place`` of each of ``rows`` in its frame."""
    about = [name for field in _TOLD_OF if (name := getattr(request, field, None))] or request.numbers()
    names = list(dict.fromkeys([*about, *request.flags(), *request.numbers(), *request.categories()]))
    if not names:
        return Said.nothing()
    read_by = [request.record, *([request.period] if request.period else [])]
    table, every = sources.derived_table(request.derivation), list(dict.fromkeys([*names, *read_by]))
    found = sources.collect("SELECT {names} FROM {table}", names=every, table=table, order_by=read_by)
    coded = set(request.categories())
    values = [hashed(found.column(name)) if name in coded else _bits(as_summed(found.column(name))) for name in names]
    return Said(np.stack([_sums(rows, each[place]) for each in values]), len(dict.fromkeys(about)))


def same_but_for_few(first: ReleasedTable, second: ReleasedTable, least: int) -> bool:
    """Whether something that both are about is the same for all members they share, but for fewer than ``least`` units.

    What the ledger does not know counts as the same. A count is about nothing but who is in it.
    """
    if COUNT in (first.quantity, second.quantity):
        return False
    if first.kinds != second.kinds or NOT_COMPARED in (first.quantity, second.quantity):
        return True
    ours, theirs = _about(first, second), _about(second, first)
    if ours is None or theirs is None:
        return True
    changed = _changed(first, second, ours, theirs)
    return changed is None or bool((changed < least).any())


def differ_for_few(first: ReleasedTable, second: ReleasedTable, least: int) -> bool:
    """Whether two models of the same members have columns that differ for 1 … ``least`` − 1 units: of the same records
    any columns, of other periods those that they are about."""
    if {first.quantity, second.quantity} != {MODEL} or first.kinds != second.kinds:
        return False
    if not np.array_equal(np.unique(_members(first.rows)), np.unique(_members(second.rows))):
        return False
    same = first.period == second.period and np.array_equal(first.rows.row, second.rows.row)
    ours, theirs = (each.said.sums[: None if same else each.said.about] for each in (first, second))
    changed = _changed(first, second, ours, theirs)
    return changed is not None and bool(((changed > 0) & (changed < least)).any())


def _changed(first: ReleasedTable, second: ReleasedTable, ours: IntArray, theirs: IntArray) -> IntArray | None:
    """Per column of the one and of the other, in how many groups of units something is another; of units whose members
    both have. None when no group is left."""
    members = [_members(each.rows) for each in (first, second)]
    alone = [np.isin(mine, other, invert=True) for mine, other in (members, members[::-1])]
    left_out = [_group(each.rows.unit[gone]) for each, gone in zip((first, second), alone, strict=True)]
    kept: BoolArray = np.ones(GROUPS, dtype=np.bool_)
    kept[np.concatenate(left_out)] = False
    if not kept.any():
        return None
    return np.asarray((ours[:, None, kept] != theirs[None, :, kept]).sum(axis=2), dtype=np.int64)


def _about(table: ReleasedTable, beside: ReleasedTable) -> IntArray | None:
    """The sums of what a table is about; of a sum, over the members that the other has too. None where unknown."""
    if table.quantity == MODEL:
        return table.said.sums[: table.said.about] if table.said.about else None
    rows = table.rows
    there = np.isin(_members(rows), _members(beside.rows))
    member = None if rows.member is None else rows.member[there]
    shared = Rows(rows.row[there], rows.unit[there], rows.leaf[there], rows.amount[there], member)
    return _sums(shared, _bits(shared.amount))[None, :]


def _sums(rows: Rows, value: IntArray) -> IntArray:
    """Per group of units, the sum over different pairs of member and value (modulo 2^64)."""
    pairs, first = np.unique(mixed(_members(rows) ^ mixed(value)), return_index=True)
    total = np.zeros(GROUPS, dtype=np.int64)
    np.add.at(total, _group(rows.unit[first]), pairs)
    return total


def _group(unit: IntArray) -> IntArray:
    return mixed(mixed(unit)) % GROUPS


def _members(rows: Rows) -> IntArray:
    return rows.row if rows.member is None else rows.member


def _bits(values: FloatArray) -> IntArray:
    """The bits of numbers; −0 is 0, and what is missing is one number."""
    return np.where(np.isnan(values), np.nan, values + 0.0).view(np.int64)
