"""Delivered records without a usable identifier → units of the key register, by what is said of them.

Runs inside the identified zone. Records *with* an identifier are matched too, a sample of them, as if they had none:
the identifier then says how often that is right, which no weight can.
"""

# ruff: noqa: S608 (statements hold names of our own, never a value)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.engine import Engine, EngineName, open_engine
from linkage.assignment import Bools, Chosen, Floats, Ints, Pairs, choose
from linkage.blocking import true_pairs_yielded
from linkage.comparisons import splink_settings
from linkage.splink_session import SplinkSession, reported
from linkage.training import Model, filled_in, sampled, train
from linkage.unit_model import UnitModel
from linkage.unit_register import ROW

FLOOR = 0.01
"""Pairs less probable than this, taken by themselves, are neither candidates nor rivals."""
LABELLED = 5_000
USUAL_SHARE = 0.9
"""Of records with an identifier, so many are usually in the register; where the delivery does not say."""
_DECIMALS = 4
_ENOUGH = 50


@dataclass(frozen=True, slots=True)
class Room:
    """Where and with what matching works: ``scratch`` is private and in no backup. Samples are trained on embedded,
    whatever ``engine`` is."""

    scratch: Path
    threads: int = 1
    memory_gib: float = 2.0
    engine: EngineName = "duckdb"


@dataclass(frozen=True, slots=True)
class Found:
    """The chosen unit of every record that has a candidate.

    ``record``, ``unit`` (text), ``row`` (text: the unit's register row that agrees best), ``weight`` (log2 of the odds
    by the pair alone), ``probability`` (0–1, among its rivals), ``rule`` (position in the passes of the unit model),
    all of one length. ``links``: per tried record the number of units whose pair probability by itself reaches the
    threshold.
    """

    record: Ints
    unit: Any
    row: Any
    weight: Floats
    probability: Floats
    rule: Ints
    links: Ints

    def take(self, which: Bools | Ints) -> Found:
        """Some of the records: a mask, or positions."""
        positions = pa.array(np.arange(len(self.record))[which])
        unit, row = (texts.take(positions) for texts in (self.unit, self.row))
        return Found(
            self.record[which], unit, row, self.weight[which], self.probability[which], self.rule[which], self.links
        )


@dataclass(frozen=True, slots=True)
class Labelled:
    """What the records with an identifier tell: ``found`` without it, ``truth`` (text, null: not in the register) with
    it, for the records ``record``."""

    record: Ints
    truth: Any
    found: Found


@dataclass(frozen=True, slots=True)
class Result:
    """Matches of the records that were wanted, of the labelled ones, and the model.

    ``yielded``: labelled records whose true unit some pass finds, whatever the weight.
    """

    units: UnitModel
    wanted: Ints
    found: Found
    labelled: Labelled
    model: Model
    register: int
    pairs: int
    yielded: int = 0


def match_units(
    units: UnitModel,
    delivered: pa.Table,
    register: pa.RecordBatchReader,
    *,
    room: Room,
    threshold: float,
    one_to_one: bool = False,
    labelled: int = LABELLED,
) -> Result:
    """Find the register unit of every wanted record.

    Args:
        units: the kind of unit.
        delivered: ``record`` (int64, unique), the prepared fields, ``identifier`` (text, null where none is usable).
            Records without an identifier are wanted.
        register: ``unit`` (text), the fields, ``identifier``, where units have two ``second``, and where they have
            several rows ``register_row`` (text, unique); else units are unique.
        room: scratch, threads, memory.
        threshold: pair probability for ``links``, 0–1.
        one_to_one: whether a unit takes one record at most.
        labelled: how many records with an identifier are tried without it, at most.

    Raises:
        StorageFailed: disk or memory did not suffice. BadInput: Splink failed; no value in the message.
    """
    if not delivered["identifier"].null_count:
        return _nothing(units)
    with (
        open_engine(
            room.engine, scratch=room.scratch, readable=[], threads=room.threads, memory_gib=room.memory_gib
        ) as engine,
        reported(),
    ):
        _load(engine, units.fields, delivered, register)
        truth = _truth(engine, labelled, delivered.num_rows - delivered["identifier"].null_count)
        engine.load("labelled", truth.to_reader())
        share = _share(truth)
        filled = filled_in(engine, units.fields)
        present = {name for name, sides in filled.items() if all(sides)}
        model = train(units, filled, engine, share=share, scratch=room.scratch, memory_gib=room.memory_gib)
        engine.define(
            "tried",
            f"SELECT id, {', '.join(units.fields)} FROM delivered "
            "WHERE identifier IS NULL OR record IN (SELECT record FROM labelled)",
        )
        pairs, names, rows = _scored(engine, units, model, present)
        yielded = true_pairs_yielded(engine, [units.passes[at][1] for at in units.passes_for(present)])
        registered = int(engine.collect("SELECT count(DISTINCT unit) AS n FROM registered")["n"][0].as_py())
    wanted = delivered.filter(pc.is_null(delivered["identifier"]))["record"].to_numpy()
    labels: Ints = truth["record"].to_numpy()
    of_wanted, of_labels = (
        _found(pairs, names, rows, records, threshold, one_to_one=one_to_one) for records in (wanted, labels)
    )
    return Result(
        units,
        wanted,
        of_wanted,
        Labelled(labels, truth["truth"].combine_chunks(), of_labels),
        model,
        registered,
        len(pairs),
        yielded,
    )


def _nothing(units: UnitModel) -> Result:
    """No record is wanted."""
    none, texts, numbers = np.empty(0, dtype=np.int64), pa.array([], pa.string()), np.empty(0)
    found = Found(none, texts, texts, numbers, numbers, none, none)
    return Result(units, none, found, Labelled(none, texts, found), Model((), 0.0, 0), 0, 0)


def _load(engine: Engine, fields: Sequence[str], delivered: pa.Table, register: pa.RecordBatchReader) -> None:
    named = delivered.append_column("id", delivered["record"].cast(pa.string()))
    engine.load("delivered", pa.RecordBatchReader.from_batches(named.schema, named.to_batches()))
    engine.load("registered", register)
    # Splink wants the same columns on both sides
    engine.define("delivery", f"SELECT id, {', '.join(fields)} FROM delivered")
    row = ROW if ROW in register.schema.names else "unit"
    engine.define("register", f"SELECT {row} AS id, {', '.join(fields)} FROM registered")
    engine.define("row_units", f"SELECT {row} AS id, unit FROM registered")
    known = [name for name in ("identifier", "second") if name in register.schema.names]
    engine.define(
        "identified",
        " UNION ALL ".join(f"SELECT unit, {n} AS identifier FROM registered WHERE {n} IS NOT NULL" for n in known),
    )


def _truth(engine: Engine, wanted: int, with_one: int) -> pa.Table:
    """``record`` and ``truth`` of a sample of the records with an identifier; an ambiguous identifier is no label."""
    chance = "" if with_one <= wanted else "AND " + sampled("'labelled ' || id", wanted, with_one)
    return engine.collect(
        "SELECT d.record, min(r.unit) AS truth FROM delivered d LEFT JOIN identified r ON d.identifier = r.identifier "
        f"WHERE d.identifier IS NOT NULL {chance} GROUP BY d.record HAVING count(DISTINCT r.unit) < 2",
        ["record"],
    )


def _share(truth: pa.Table) -> float:
    """Expected share of wanted records that are in the register: as of those with an identifier."""
    known = truth.num_rows - truth["truth"].null_count
    return float((known + USUAL_SHARE * _ENOUGH) / (truth.num_rows + _ENOUGH))


def _scored(engine: Engine, units: UnitModel, model: Model, present: set[str]) -> tuple[Pairs, Any, Any]:
    """Pairs of records and units, the units' names, and per pair the unit's row that agrees best."""
    positions = units.passes_for(present)
    rules = tuple(units.passes[at][1] for at in positions)
    session = SplinkSession(engine, "tried", "register")
    settings = splink_settings(model.comparisons, rules, prior=model.prior, keep_levels=False)
    found = (
        f"SELECT CAST(id_l AS BIGINT) AS record, id_r AS {ROW}, match_weight AS weight, "
        f"CAST(match_key AS BIGINT) AS rule FROM ({session.scored(settings, FLOOR)}) s"
    )
    if units.several_rows:
        found = f"SELECT record, unit, {ROW}, weight, rule FROM ({found}) f JOIN row_units r ON f.{ROW} = r.id"
        scored = _best_rows(_rounded(engine.collect(found, ["record", "unit", ROW])))
    else:
        scored = _rounded(engine.collect(found, ["record", ROW]))
        scored = scored.append_column("unit", scored[ROW])
    session.clear()
    names = pc.dictionary_encode(scored["unit"].combine_chunks())
    rule = np.asarray(positions, dtype=np.int64)[scored["rule"].to_numpy()]
    unit = names.indices.to_numpy().astype(np.int64)
    pairs = Pairs(scored["record"].to_numpy(), unit, scored["weight"].to_numpy(), rule)
    return pairs, names.dictionary, scored[ROW].combine_chunks()


def _rounded(scored: pa.Table) -> pa.Table:
    """Weights without the last bits, in which engines may differ."""
    weight = pa.array(np.round(scored["weight"].to_numpy(), _DECIMALS))
    return scored.set_column(scored.schema.get_field_index("weight"), "weight", weight)


def _best_rows(scored: pa.Table) -> pa.Table:
    """Of the rows of one unit that a record was compared with, the one of the highest weight: they are no rivals."""
    names = pc.dictionary_encode(scored["unit"].combine_chunks()).indices.to_numpy()
    record, weight = scored["record"].to_numpy(), scored["weight"].to_numpy()
    order = np.lexsort((-weight, names, record))
    first = np.diff(record[order], prepend=-1) != 0
    first |= np.diff(names[order], prepend=-1) != 0
    return scored.take(pa.array(order[first]))


def _found(pairs: Pairs, units: Any, rows: Any, records: Ints, threshold: float, *, one_to_one: bool) -> Found:
    of_records = np.flatnonzero(np.isin(pairs.record, records))
    pairs = pairs.take(of_records)
    chosen: Chosen = choose(pairs, one_to_one=one_to_one)
    likely = pairs.weight >= np.log2(threshold / (1 - threshold)) if threshold < 1 else np.isinf(pairs.weight)
    links = np.bincount(np.searchsorted(records, pairs.record[likely]), minlength=len(records))
    picked = chosen.pairs
    return Found(
        picked.record,
        units.take(pa.array(picked.unit)),
        rows.take(pa.array(of_records[_places_of(picked, pairs, len(units))])),
        picked.weight,
        chosen.probability,
        picked.rule,
        links.astype(np.int64),
    )


def _places_of(picked: Pairs, pairs: Pairs, units: int) -> Ints:
    """Where the picked pairs stand among ``pairs``, which hold every record and unit once."""
    keys, wanted = (found.record * units + found.unit for found in (pairs, picked))
    order = np.argsort(keys, kind="stable")
    return order[np.searchsorted(keys, wanted, sorter=order)]
