"""A released table as the ledger remembers it: its cells with their status, and the rows that each cell holds."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from enclave.errors import Tampered
from output_control.ledger.moves import Moves
from output_control.tables.rollup import LARGEST
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, Dimension, FloatArray, IntArray
from output_control.unions.sums import Judge

COUNT = "count"
NOT_COMPARED = "not compared"
MODEL = "population of a model"
LEVELS = "levels of a model"
OF_MODELS = (MODEL, LEVELS)
_LENGTH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The records of a table by ledger ids, sorted by ``row`` (which occurs once).

    ``row`` is a record that other tables may hold too (a member of the population, in a period); ``unit`` the
    protected unit it belongs to; ``leaf`` the finest cell of the table that it is in (a position among the cells);
    ``amount`` what it adds to that cell (1 in a count). ``member`` is the member of the population that the record is
    of, the same in all periods; None of releases that the ledger remembered before it kept members.
    """

    row: IntArray
    unit: IntArray
    leaf: IntArray
    amount: FloatArray
    member: IntArray | None = None

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What a model was made of, without a value: ``sums`` (columns × groups of units), of which the first ``about``
    are what its figures are about. See :mod:`output_control.ledger.same_data`."""

    sums: IntArray
    about: int

    @classmethod
    def nothing(cls) -> Said:
        """Of tables; and of models that left before the ledger kept it."""
        return cls(np.zeros((0, 0), dtype=np.int64), 0)


@dataclass(frozen=True, slots=True, eq=False)
class Altered:
    """What left of a table that is ``not compared``, as its readers know it.

    ``low`` and ``high``: per cell the least and the most true count behind what is published of it; empty where that is
    not kept (weighted figures, several kinds of unit, other statistics). ``noise``: method, parameters and the key's
    commitment of figures that were drawn by the noise key (no commitment of those that the ledger remembered before it
    kept it: these are like no others); empty where nothing was drawn. ``figures``: a digest of all that is published.
    ``because``: of a table that is being checked why the bounds are not kept, by the columns that it asks for; it is
    not remembered.
    """

    low: FloatArray
    high: FloatArray
    noise: str
    figures: str
    because: str = ""

    @property
    def bounded(self) -> bool:
        """Whether its cells can be held against those of other tables."""
        return bool(len(self.low))

    def of_cells(self, cells: IntArray) -> Altered:
        """What left of some of the cells."""
        return replace(self, low=self.low[cells], high=self.high[cells]) if self.bounded else self


@dataclass(frozen=True, slots=True, eq=False)
class ReleasedTable:
    """A table with its rows, what is hidden in it, and what each hidden cell had to be protected for.

    ``quantity`` is ``count`` or the name of the measure that is summed: tables of one quantity add up to each other.
    Of a table that is ``not compared`` (rounded, altered, weighted, of several kinds of unit) only who is in it counts,
    and so of the ``population of a model``, whose cells are the groups that the model gives figures of, and of the
    ``levels of a model``: the categories of one of its columns. ``said`` is what a model was made of.
    ``kinds`` name the key columns of unit and member; ``release`` is the bundle's name, or empty for a table that is
    being checked. ``sets`` is a number per cell that is the same for the same rows, whatever table they are in.
    ``period`` is the column of periods (empty without), and the frame where members have several rows in one: tables
    of another ``period`` have no row in common though they may count the same.
    ``moves`` are what was found, when it was protected, that leaves hidden cells of it and of earlier tables open.
    ``defined`` is a keyed digest of how its population was defined; empty where that is not known, as of releases from
    before the ledger kept it. ``altered``: what left of a table that is ``not compared``; None where the ledger does
    not know. ``keep`` and ``cost`` are what was wished of a table that is being checked: cells that
    must stay published, and what hiding each costs (None: its value); they are not remembered.
    """

    name: str
    release: str
    quantity: str
    kinds: tuple[str, str]
    table: CellTable
    rows: Rows
    primary: PrimaryResult
    hidden: BoolArray
    sets: IntArray
    period: str = ""
    moves: Moves = field(default_factory=Moves.none)
    said: Said = field(default_factory=Said.nothing)
    defined: str = ""
    altered: Altered | None = None
    keep: BoolArray | None = None
    cost: FloatArray | None = None
    judge: Judge | None = None

    @property
    def label(self) -> str:
        """How people are told of it."""
        return f"{self.name} of {self.release}" if self.release else f"{self.name} of this request"

    def may_overlap(self, other: ReleasedTable) -> bool:
        """Whether the two share a record or a protected unit; also where their units are of a kind but not named alike,
        so that it cannot be told."""
        if bool(np.isin(self.rows.row, other.rows.row).any()):
            return True
        if self.kinds[0] == other.kinds[0]:
            return bool(np.isin(self.rows.unit, other.rows.unit).any())
        return bool(set(self.kinds) & set(other.kinds))

    def repeats(self, other: ReleasedTable) -> bool:
        """Whether both published the very same figures of the same records in the same cells: the one says nothing new
        beside the other."""
        if self.altered is None or other.altered is None or self.altered.figures != other.altered.figures:
            return False
        told = (self.kinds, self.period, self.table.dims) == (other.kinds, other.period, other.table.dims)
        return told and all(
            np.array_equal(mine, theirs)
            for mine, theirs in (
                (self.rows.row, other.rows.row),
                (self.rows.unit, other.rows.unit),
                (self.rows.leaf, other.rows.leaf),
                (self.sets, other.sets),
            )
        )

    @property
    def costs(self) -> FloatArray:
        """What hiding each cell costs."""
        return self.table.sizes if self.cost is None else self.cost

    def without_rows(self) -> ReleasedTable:
        """The cells alone, when the rows have been compared."""
        none = np.zeros(0, dtype=np.int64)
        return replace(self, rows=Rows(none, none, none, np.zeros(0)))


def pack(tables: Sequence[ReleasedTable]) -> bytes:
    """The tables as bytes: a JSON header and some Parquet blobs per table; same tables, same bytes.

    Tables that follow one of the same records (the levels of a model) hold their leaves alone.
    """
    header, blobs = [], []
    for at, each in enumerate(tables):
        like = next((before for before in range(at) if tables[before].rows.row is each.rows.row), None)
        rows = _rows(each.rows)
        parts = [_parquet(_cells(each)), _parquet(rows if like is None else rows.select(["leaf"]))]
        parts += [_parquet(_moves(each.moves)), *([_parquet(_said(each.said))] if len(each.said.sums) else [])]
        header.append(
            {
                "name": each.name,
                "quantity": each.quantity,
                "kinds": list(each.kinds),
                "members": each.rows.member is not None,
                "period": each.period,
                "integral": each.table.integral,
                "dims": [
                    {"name": d.name, "root": d.root, "children": {p: list(c) for p, c in d.children.items()}}
                    for d in each.table.dims
                ],
                "moved": [list(key) for key in each.moves.tables],
                "sizes": [len(part) for part in parts],
                **({} if like is None else {"records_of": like}),
                **({"about": each.said.about} if len(each.said.sums) else {}),
                **({"defined": each.defined} if each.defined else {}),
                **({"altered": [each.altered.noise, each.altered.figures]} if each.altered else {}),
            }
        )
        blobs += parts
    head = json.dumps(header).encode()
    return b"".join([len(head).to_bytes(_LENGTH, "big"), head, *blobs])


def kinds_in(content: bytes) -> tuple[str, ...]:
    """The kinds of units that packed tables hold, sorted."""
    at = _LENGTH + int.from_bytes(content[:_LENGTH], "big")
    return tuple(sorted({kind for facts in json.loads(content[_LENGTH:at]) for kind in facts["kinds"]}))


def unpack(content: bytes, release: str) -> tuple[ReleasedTable, ...]:
    """What :func:`pack` packed, as tables of ``release``.

    Raises:
        Tampered: the content is not whole.
    """
    try:
        at = _LENGTH + int.from_bytes(content[:_LENGTH], "big")
        found: list[ReleasedTable] = []
        for facts in json.loads(content[_LENGTH:at]):
            blobs = []
            for size in facts["sizes"]:
                blobs.append(pq.read_table(pa.BufferReader(memoryview(content)[at : at + size]), use_threads=False))
                at += size
            like = found[facts["records_of"]].rows if "records_of" in facts else None
            found.append(_table(facts, release, blobs, like))
        return tuple(found)
    except (ValueError, KeyError, TypeError, IndexError, pa.ArrowException):
        raise Tampered("an entry of the release ledger is not whole", where=release) from None


def _cells(each: ReleasedTable) -> pa.Table:
    table, sensitive, altered = each.table, each.primary, each.altered
    return pa.table(
        {
            **({"low": altered.low, "high": altered.high} if altered and altered.bounded else {}),
            "key": table.keys(),
            "units": table.freq,
            "value": table.value,
            **({} if table.size is None else {"size": table.size}),
            "sole": table.sole_contributor,
            "hidden": each.hidden,
            "set": each.sets,
            "primary": sensitive.mask,
            "upl": sensitive.upl,
            "lpl": sensitive.lpl,
            "threshold": sensitive.threshold,
            "anchor": sensitive.anchor,
            **({} if table.integral else {"one": table.couples[:, 0], "other": table.couples[:, 1]}),
            **({} if table.contributors is None else _largest(table.contributors, table.top)),
        }
    )


def _largest(contributors: IntArray, top: FloatArray) -> dict[str, npt.NDArray[Any]]:
    ranks = range(contributors.shape[1])
    return {f"by{rank}": contributors[:, rank] for rank in ranks} | {f"top{rank}": top[:, rank] for rank in ranks}


def _rows(rows: Rows) -> pa.Table:
    columns: dict[str, npt.NDArray[Any]] = {"row": rows.row, "leaf": rows.leaf.astype(np.int32)}
    if not np.array_equal(rows.unit, rows.row):
        columns["unit"] = rows.unit
    if not bool((rows.amount == 1).all()):
        columns["amount"] = rows.amount
    if rows.member is not None and not np.array_equal(rows.member, rows.row):
        columns["member"] = rows.member
    return pa.table(columns)


def _moves(moves: Moves) -> pa.Table:
    return pa.table(
        {
            "move": moves.move.astype(np.int32),
            "table": moves.table.astype(np.int32),
            "cell": moves.cell.astype(np.int32),
            "change": moves.change,
        }
    )


def _said(said: Said) -> pa.Table:
    return pa.table({str(at): each for at, each in enumerate(said.sums)})


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    # ids are random and do not shrink: only what can is compressed
    kinds = {name: "NONE" if name in ("row", "unit", "member") else "ZSTD" for name in table.column_names}
    pq.write_table(table, sink, compression=kinds, use_dictionary=False, write_statistics=False)
    return sink.getvalue()


def _table(facts: dict[str, Any], release: str, blobs: Sequence[pa.Table], like: Rows | None) -> ReleasedTable:
    cells, rows, moves, *said = blobs
    dims = tuple(
        Dimension(name=d["name"], root=d["root"], children={p: tuple(c) for p, c in d["children"].items()})
        for d in facts["dims"]
    )
    cell = {name: column.to_numpy() for name, column in zip(cells.column_names, cells.columns, strict=True)}
    row = {name: column.to_numpy() for name, column in zip(rows.column_names, rows.columns, strict=True)}
    codes = np.column_stack(np.unravel_index(cell["key"], tuple(len(dim.codes) for dim in dims))).astype(np.int32)
    count = len(codes)
    table = CellTable(
        dims=dims,
        codes=codes,
        freq=cell["units"],
        value=cell["value"],
        n_contributors=cell["units"].astype(np.int64),
        top=np.column_stack([cell.get(f"top{rank}", np.zeros(count)) for rank in range(LARGEST)]),
        sole_contributor=cell["sole"],
        integral=bool(facts["integral"]),
        # releases that the ledger remembered before it kept couples, or the largest, have none
        two_contributors=np.column_stack([cell["one"], cell["other"]]) if "one" in cell else None,
        contributors=np.column_stack([cell[f"by{rank}"] for rank in range(LARGEST)]) if "by0" in cell else None,
        size=cell.get("size"),
    )
    primary = replace(
        PrimaryResult.none(count),
        mask=cell["primary"],
        upl=cell["upl"],
        lpl=cell["lpl"],
        threshold=cell["threshold"],
        anchor=cell["anchor"],
    )
    leaf = row["leaf"].astype(np.int64)
    if like is None:
        member = row.get("member", row["row"]) if facts.get("members") else None
        held = Rows(row["row"], row.get("unit", row["row"]), leaf, row.get("amount", np.ones(len(leaf))), member)
    else:
        held = replace(like, leaf=leaf)
    kinds = tuple(str(kind) for kind in facts["kinds"])
    return ReleasedTable(
        name=str(facts["name"]),
        release=release,
        quantity=str(facts["quantity"]),
        kinds=(kinds[0], kinds[1]),
        table=table,
        rows=held,
        primary=primary,
        hidden=cell["hidden"],
        sets=cell["set"],
        period=str(facts.get("period", "")),
        moves=_read_moves(facts, release, moves),
        said=Said(np.stack([each.to_numpy() for each in said[0].columns]), int(facts["about"]))
        if said
        else Said.nothing(),
        defined=str(facts.get("defined", "")),
        altered=_altered(facts["altered"], cell) if "altered" in facts else None,
    )


def _altered(said: Sequence[str], cell: dict[str, npt.NDArray[Any]]) -> Altered:
    none = np.zeros(0)
    return Altered(cell.get("low", none), cell.get("high", none), str(said[0]), str(said[1]))


def _read_moves(facts: dict[str, Any], release: str, moves: pa.Table) -> Moves:
    move, table, cell = (moves.column(name).to_numpy().astype(np.int64) for name in ("move", "table", "cell"))
    keys = tuple((str(key[0]) or release, str(key[1]), str(key[2])) for key in facts["moved"])
    return Moves(keys, move, table, cell, moves.column("change").to_numpy())
