"""m and u of a model from the records themselves, the same on every run and for any number of threads.

u of exact agreement is counted over all pairs; u of alikeness on a sample of pairs; m by expectation-maximisation
(Winkler 1988) in Splink, on pairs that share a birth date or a name, or where the kind of unit has no such pairs,
counted over the labelled records and their true units. Samples follow from record numbers; what adds
floating-point numbers runs on one thread. What few records say is tempered by what is known beforehand: trained m count
as many records as were trained on, the m of the model as :data:`PRIOR_RECORDS`.
"""

# ruff: noqa: S608 (statements hold names of our own, never a value)
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from enclave.engine import Engine, open_engine
from linkage.comparisons import Comparison, Level, splink_settings
from linkage.splink_session import SplinkSession
from linkage.unit_model import UnitModel, columns_of

SAMPLE_PAIRS = 1_000_000
TRAINING_RECORDS = 5_000
TRAINING_PAIRS = 5e10
"""Training records times register records is kept below this."""
PRIOR_RECORDS = 200
ENOUGH_RECORDS = 1_000
"""A smaller delivery is too few to count in it how often an own level agrees falsely: so many records of the register
less the delivery's are counted as if they were delivered without their own unit."""
_DIGITS = 9
_SMALLEST = 1e-9
_FEWEST = 0.01


@dataclass(frozen=True, slots=True)
class Model:
    """Trained comparisons, and the probability that any delivered record and register unit are one person."""

    comparisons: tuple[Comparison, ...]
    prior: float
    trained_on: int


Filled = Mapping[str, tuple[int, int]]
"""Per field, and for ``id``, the filled rows of delivery and register."""


def filled_in(engine: Engine, fields: Sequence[str]) -> Filled:
    """Filled rows of the tables ``delivery`` and ``register``."""
    counts = ", ".join(f"count({name}) AS {name}" for name in ("id", *fields))
    found = engine.collect(
        f"SELECT 0 AS side, {counts} FROM delivery UNION ALL SELECT 1 AS side, {counts} FROM register", ["side"]
    )
    return {name: (found[name][0].as_py(), found[name][1].as_py()) for name in ("id", *fields)}


def train(units: UnitModel, filled: Filled, engine: Engine, *, share: float, scratch: Path, memory_gib: float) -> Model:
    """Train on the tables ``delivery`` and ``register`` of ``engine``; ``share`` of the delivery is in the register.

    Both tables have ``id`` and the prepared fields; ``labelled`` has ``record`` (the delivery's ``id``) and ``truth``
    (the register's, or null). Rows are counted on ``engine``; samples come to an embedded engine.
    """
    present = {name for name, sides in filled.items() if all(sides)}
    comparisons = units.comparisons_for(present)
    delivered, registered = filled["id"]
    with open_engine("duckdb", scratch=scratch, readable=[], threads=1, memory_gib=memory_gib) as alone:
        u = _sampled_u(comparisons, engine, alone, delivered, registered)
        unit = "DISTINCT unit" if units.several_rows else "*"
        u = _with_exact(u, comparisons, engine, share=share, filled=filled, unit=unit)
        started = tuple(c.trained({v.label: (v.m, u[c.name][v.label]) for v in c.levels}) for c in comparisons)
        if units.training:
            found, records = _trained_m(units, filled, started, engine, alone, prior=share / max(registered, 1))
            m = {name: (runs, records) for name, runs in found.items()}
        else:
            _copy(engine, alone, _labelled_pairs(units), "labelled_pairs")
            m = {comparison.name: _labelled_m(comparison, alone) for comparison in started}
    made = []
    for comparison in started:
        tempered = _tempered(comparison, *m.get(comparison.name, ([], 0)))
        made.append(
            comparison.trained({v.label: (tempered[v.label], u[comparison.name][v.label]) for v in comparison.levels})
        )
    trained_on = max((records for _, records in m.values()), default=0)
    return Model(tuple(made), share / max(registered, 1), trained_on)


def _labelled_pairs(units: UnitModel) -> str:
    """Labelled records beside each row of their true units."""
    sides = ", ".join(f"l.{name} AS {name}_l, r.{name} AS {name}_r" for name in units.fields)
    return (
        f"SELECT t.record AS id, {sides} FROM labelled t JOIN delivery l ON l.id = CAST(t.record AS STRING) "
        "JOIN registered r ON r.unit = t.truth"
    )


def _labelled_m(comparison: Comparison, alone: Engine) -> tuple[list[dict[str, float]], int]:
    """How often labelled records and their true units agree so; nothing where none says something.

    Of a unit's several rows the one that agrees best counts.
    """
    *levels, last = enumerate(comparison.levels)
    cases = " ".join(f"WHEN {level.condition} THEN {at}" for at, level in levels)
    levelled = f"CASE WHEN {comparison.missing} THEN NULL {cases} ELSE {last[0]} END"
    best = f"SELECT min({levelled}) AS level FROM labelled_pairs GROUP BY id"
    counted = alone.collect(
        f"SELECT level, count(*) AS n FROM ({best}) q WHERE level IS NOT NULL GROUP BY level", ["level"]
    ).to_pylist()
    counts = {row["level"]: row["n"] for row in counted}
    records = sum(counts.values())
    if not records:
        return [], 0
    return [{level.label: counts.get(at, 0) / records for at, level in enumerate(comparison.levels)}], records


def sampled(text: str, wanted: int, rows: int) -> str:
    """SQL that holds for about ``wanted`` of ``rows`` different texts, the same ones on every engine."""
    return f"md5({text}) < '{wanted * 16**8 // rows:08x}'"


def _sampled(table: str, wanted: int, rows: int) -> str:
    """About ``wanted`` rows, which ones follows from their ids."""
    return f"SELECT * FROM {table}" + ("" if rows <= wanted else f" WHERE {sampled('id', wanted, rows)}")


def _copy(engine: Engine, alone: Engine, query: str, table: str) -> int:
    rows = engine.collect(query, ["id"])
    alone.load(table, pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches()))
    return int(rows.num_rows)


def _sampled_u(
    comparisons: tuple[Comparison, ...], engine: Engine, alone: Engine, delivered: int, registered: int
) -> dict[str, dict[str, float]]:
    side = min(int(SAMPLE_PAIRS**0.5), delivered)
    left = _copy(engine, alone, _sampled("delivery", side, delivered), "sample_delivery")
    right = _copy(engine, alone, _sampled("register", SAMPLE_PAIRS // max(side, 1), registered), "sample_register")
    pairs = max(left * right, 1)
    found: dict[str, dict[str, float]] = {}
    if left and right:
        linker = SplinkSession(alone, "sample_delivery", "sample_register").linker(
            splink_settings(comparisons, (), prior=0.01, keep_levels=False)
        )
        linker.training.estimate_u_using_random_sampling(
            max_pairs=10 * pairs, seed=1, min_count_per_level=None, num_chunks=1
        )
        found = _parameters(linker, "u_probability")
    # half a pair where none was seen
    return {c.name: {v.label: found.get(c.name, {}).get(v.label) or 0.5 / pairs for v in c.levels} for c in comparisons}


def _with_exact(
    u: Mapping[str, dict[str, float]],
    comparisons: tuple[Comparison, ...],
    engine: Engine,
    *,
    share: float,
    filled: Filled,
    unit: str,
) -> dict[str, dict[str, float]]:
    """Exact levels counted over all pairs, less the pairs that are expected to be true; the last level is the rest.

    Of an ``own`` level, agreeing units beyond the first are rivals that are seen as such; u tells how often a record
    whose unit is not in the register finds one; of a small delivery mostly that of the register beside itself. ``unit``
    is what is counted of the register: rows, or distinct units.
    """
    present = {name for name, sides in filled.items() if all(sides)}
    agreeing_in, alike_in = cache(partial(_agreeing, engine)), cache(partial(_alike, engine))
    made = {}
    for comparison in comparisons:
        levels = dict(u[comparison.name])
        for level in comparison.levels:
            if level.exact and present >= {*level.exact}:
                less = level.less if present >= {*level.less} else ()
                agreeing = agreeing_in(level.exact, unit, own=level.own)
                agreeing -= agreeing_in(less, unit, own=level.own) if less else 0
                delivered, registered = filled[level.exact[0]]
                if level.own:
                    lent = max(ENOUGH_RECORDS - delivered, 0)
                    alike = alike_in(level.exact, unit) - (alike_in(less, unit) if less else 0.0) if lent else 0.0
                    false = max(1 - share, _FEWEST) * (agreeing + lent * max(alike, 0.0))
                    delivered += lent
                else:
                    false = agreeing - share * filled["id"][0] * level.m
                levels[level.label] = max(false, 0.5) / max(delivered * registered, 1)
            if level.fixed_u is not None:
                levels[level.label] = level.fixed_u
        rest = comparison.levels[-1].label
        levels[rest] = max(1 - sum(value for label, value in levels.items() if label != rest), _SMALLEST)
        made[comparison.name] = {label: _rounded(value) for label, value in levels.items()}
    return made


def _agreeing(engine: Engine, columns: tuple[str, ...], unit: str, *, own: bool) -> int:
    """Pairs of a delivered and a register record that are equal in all ``columns``; with ``own``, beyond the first of
    each delivered record."""
    listed = ", ".join(columns)
    filled = " AND ".join(f"{c} IS NOT NULL" for c in columns)
    counted = f"SELECT {listed}, count({{}}) AS n FROM {{}} WHERE {filled} GROUP BY {listed}"
    sql = (
        f"SELECT CAST(coalesce(sum(l.n * (r.n - {int(own)})), 0) AS BIGINT) AS n "
        f"FROM ({counted.format('*', 'delivery')}) l "
        f"JOIN ({counted.format(unit, 'registered')}) r ON {' AND '.join(f'l.{c} = r.{c}' for c in columns)}"
    )
    return int(engine.collect(sql)["n"][0].as_py())


def _alike(engine: Engine, columns: tuple[str, ...], unit: str) -> float:
    """Other units of the register that agree in all ``columns``, per unit."""
    filled = " AND ".join(f"{c} IS NOT NULL" for c in columns)
    counted = f"SELECT count({unit}) AS n FROM registered WHERE {filled} GROUP BY {', '.join(columns)}"
    found = engine.collect(
        f"SELECT CAST(coalesce(sum(n * (n - 1)), 0) AS BIGINT) AS others, CAST(coalesce(sum(n), 0) AS BIGINT) AS units "
        f"FROM ({counted}) q"
    )
    return float(found["others"][0].as_py() / max(found["units"][0].as_py(), 1))


def _trained_m(
    units: UnitModel,
    filled: Filled,
    started: tuple[Comparison, ...],
    engine: Engine,
    alone: Engine,
    *,
    prior: float,
) -> tuple[dict[str, list[dict[str, float]]], int]:
    """Per comparison the m of every training run that says something of it, and the number of records."""
    delivered, registered = filled["id"]
    sample = _sampled("delivery", int(min(TRAINING_RECORDS, TRAINING_PAIRS / max(registered, 1))), delivered)
    records = _copy(engine, alone, sample, "training_delivery")
    engine.define("training_delivery", sample)
    found: dict[str, list[dict[str, float]]] = {}
    for at, (silent, rule) in enumerate(units.training):
        useful = tuple(comparison for comparison in started if comparison.name not in silent.split(", "))
        if not useful or not all(all(filled[name]) for name in columns_of(rule)):
            continue
        near = f"SELECT r.* FROM register r WHERE EXISTS (SELECT 1 FROM training_delivery l WHERE {rule})"
        if not records or not _copy(engine, alone, near, f"training_register_{at}"):
            continue
        session = SplinkSession(alone, "training_delivery", f"training_register_{at}")
        linker = session.linker(splink_settings(useful, (), prior=prior, keep_levels=False))
        linker.training.estimate_parameters_using_expectation_maximisation(rule, estimate_without_term_frequencies=True)
        for name, levels in _parameters(linker, "m_probability").items():
            found.setdefault(name, []).append(levels)
    return found, records


def _parameters(linker: Any, which: str) -> dict[str, dict[str, float]]:
    model = json.loads(json.dumps(linker.misc.save_model_to_json()))
    return {
        comparison["output_column_name"]: {
            level["label_for_charts"]: float(level[which])
            for level in comparison["comparison_levels"]
            if level.get(which) is not None
        }
        for comparison in model["comparisons"]
    }


def _tempered(comparison: Comparison, runs: list[dict[str, float]], records: int) -> dict[str, float]:
    """Mean of the runs and of what was known before, each by its number of records; sums to 1."""
    known = {level.label: level.m for level in comparison.levels}
    trained = {label: sum(run.get(label, m) for run in runs) / len(runs) if runs else m for label, m in known.items()}
    scale = sum(trained.values())
    weight = records if runs else 0
    fixed = {level.label for level in comparison.levels if level.fixed_u is not None}
    tempered = {
        label: m if label in fixed else (weight * trained[label] / scale + PRIOR_RECORDS * m) / (weight + PRIOR_RECORDS)
        for label, m in known.items()
    }
    total = sum(tempered.values())
    return {label: _rounded(value / total) for label, value in tempered.items()}


def _rounded(value: float) -> float:
    return round(max(value, _SMALLEST), _DIGITS)


def level_table(model: Model) -> list[tuple[str, Level]]:
    """(comparison, level) of the whole model, for reports."""
    return [(comparison.name, level) for comparison in model.comparisons for level in comparison.levels]
