"""Delivered records without a usable identifier → units of the key register, by name, birth date, sex and address.

Runs inside the identified zone. Records *with* an identifier are matched too, a sample of them, as if they had none:
the identifier then says how often that is right, which no weight can.
"""

# ruff: noqa: S608 (statements hold names of our own, never a value)
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.engine import Engine, open_engine
from linkage.assignment import Bools, Chosen, Floats, Ints, Pairs, choose
from linkage.person_fields import FIELDS
from linkage.person_model import PASSES, comparisons_for, splink_settings
from linkage.splink_session import SplinkSession, reported
from linkage.training import Model, train

FLOOR = 0.01
"""Pairs less probable than this, taken by themselves, are neither candidates nor rivals."""
LABELLED = 5_000
USUAL_SHARE = 0.9
"""Of records with an identifier, so many are usually in the register; where the delivery does not say."""
_DECIMALS = 4
_ENOUGH = 50


@dataclass(frozen=True, slots=True)
class Room:
    """Where and with what matching works: ``scratch`` is private and in no backup."""

    scratch: Path
    threads: int = 1
    memory_gib: float = 2.0


@dataclass(frozen=True, slots=True)
class Found:
    """The chosen unit of every record that has a candidate.

    ``record``, ``unit`` (text), ``weight`` (log2 of the odds by the pair alone), ``probability`` (0–1, among its
    rivals), ``rule`` (position in :data:`linkage.person_model.PASSES`), all of one length. ``links``: per tried record
    the number of units whose pair probability by itself reaches the threshold.
    """

    record: Ints
    unit: Any
    weight: Floats
    probability: Floats
    rule: Ints
    links: Ints

    def take(self, which: Bools) -> Found:
        """Some of the records."""
        chosen = self.unit.filter(pa.array(which))
        return Found(
            self.record[which], chosen, self.weight[which], self.probability[which], self.rule[which], self.links
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
    """Matches of the records that were wanted, of the labelled ones, and the model."""

    wanted: Ints
    found: Found
    labelled: Labelled
    model: Model
    register: int
    pairs: int


def match_persons(
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
        delivered: ``record`` (int64, unique), the prepared :data:`linkage.person_fields.FIELDS`, ``identifier`` (text,
            null where none is usable). Records without an identifier are wanted.
        register: ``unit`` (text, unique), the fields, and ``identifier``.
        room: scratch, threads, memory.
        threshold: pair probability for ``links``, 0–1.
        one_to_one: whether a unit takes one record at most.
        labelled: how many records with an identifier are tried without it, at most.

    Raises:
        StorageFailed: disk or memory did not suffice. BadInput: Splink failed; no value in the message.
    """
    if not delivered["identifier"].null_count:
        return _nothing()
    with (
        open_engine(
            "duckdb", scratch=room.scratch, readable=[], threads=room.threads, memory_gib=room.memory_gib
        ) as engine,
        reported(),
    ):
        _load(engine, delivered, register)
        truth = _truth(engine, labelled)
        share = _share(truth)
        present = {name for name in FIELDS if delivered[name].null_count < delivered.num_rows}
        model = train(comparisons_for(present), engine, share=share, scratch=room.scratch, memory_gib=room.memory_gib)
        engine.load("labelled", truth.to_reader())
        engine.define(
            "tried",
            f"SELECT id, {', '.join(FIELDS)} FROM delivered "
            "WHERE identifier IS NULL OR record IN (SELECT record FROM labelled)",
        )
        pairs, units = _scored(engine, model, present)
    registered = round(share / model.prior) if model.prior else 0
    wanted = delivered.filter(pc.is_null(delivered["identifier"]))["record"].to_numpy()
    labels: Ints = truth["record"].to_numpy()
    of_wanted, of_labels = (
        _found(pairs.take(np.isin(pairs.record, records)), units, records, threshold, one_to_one=one_to_one)
        for records in (wanted, labels)
    )
    return Result(
        wanted, of_wanted, Labelled(labels, truth["truth"].combine_chunks(), of_labels), model, registered, len(pairs)
    )


def _nothing() -> Result:
    """No record is wanted."""
    none, texts, numbers = np.empty(0, dtype=np.int64), pa.array([], pa.string()), np.empty(0)
    found = Found(none, texts, numbers, numbers, none, none)
    return Result(none, found, Labelled(none, texts, found), Model((), 0.0, 0), 0, 0)


def _load(engine: Engine, delivered: pa.Table, register: pa.RecordBatchReader) -> None:
    named = delivered.append_column("id", delivered["record"].cast(pa.string()))
    engine.load("delivered", pa.RecordBatchReader.from_batches(named.schema, named.to_batches()))
    engine.load("registered", register)
    # Splink wants the same columns on both sides
    engine.define("delivery", f"SELECT id, {', '.join(FIELDS)} FROM delivered")
    engine.define("register", f"SELECT unit AS id, {', '.join(FIELDS)} FROM registered")


def _truth(engine: Engine, wanted: int) -> pa.Table:
    """``record`` and ``truth`` of a sample of the records with an identifier; an ambiguous identifier is no label."""
    with_one = int(engine.collect("SELECT count(identifier) AS n FROM delivered")["n"][0].as_py())
    sampled = "" if with_one <= wanted else f"AND hash(id, 1) % {with_one} < {wanted}"
    return engine.collect(
        "SELECT d.record, min(r.unit) AS truth FROM delivered d LEFT JOIN registered r ON d.identifier = r.identifier "
        f"WHERE d.identifier IS NOT NULL {sampled} GROUP BY d.record HAVING count(r.unit) < 2",
        ["record"],
    )


def _share(truth: pa.Table) -> float:
    """Expected share of wanted records that are in the register: as of those with an identifier."""
    known = truth.num_rows - truth["truth"].null_count
    return float((known + USUAL_SHARE * _ENOUGH) / (truth.num_rows + _ENOUGH))


def _scored(engine: Engine, model: Model, present: set[str]) -> tuple[Pairs, Any]:
    rules = tuple(rule for _, rule in PASSES if _columns_of(rule) <= present)
    positions = [at for at, (_, rule) in enumerate(PASSES) if _columns_of(rule) <= present]
    session = SplinkSession(engine, "tried", "register")
    linker = session.linker(splink_settings(model.comparisons, rules, prior=model.prior, keep_levels=False))
    table = linker.inference.predict(threshold_match_probability=FLOOR, warning_mode="never").physical_name
    scored = engine.collect(
        f"SELECT CAST(id_l AS BIGINT) AS record, id_r AS unit, round(match_weight, {_DECIMALS}) AS weight, "
        f"CAST(match_key AS BIGINT) AS rule FROM {table}",
        ["record", "unit"],
    )
    session.clear()
    units = pc.dictionary_encode(scored["unit"].combine_chunks())
    rule = np.asarray(positions, dtype=np.int64)[scored["rule"].to_numpy()]
    unit = units.indices.to_numpy().astype(np.int64)
    return Pairs(scored["record"].to_numpy(), unit, scored["weight"].to_numpy(), rule), units.dictionary


def _columns_of(rule: str) -> set[str]:
    return {word.split(".")[1].strip(",") for word in rule.replace("(", " ").split() if word[:2] in ("l.", "r.")} - {
        "swapped",
        "other_sound",
    }


def _found(pairs: Pairs, units: Any, records: Ints, threshold: float, *, one_to_one: bool) -> Found:
    chosen: Chosen = choose(pairs, one_to_one=one_to_one)
    likely = pairs.weight >= np.log2(threshold / (1 - threshold)) if threshold < 1 else np.isinf(pairs.weight)
    links = np.bincount(np.searchsorted(records, pairs.record[likely]), minlength=len(records))
    picked = chosen.pairs
    return Found(
        picked.record,
        units.take(pa.array(picked.unit)),
        picked.weight,
        chosen.probability,
        picked.rule,
        links.astype(np.int64),
    )
