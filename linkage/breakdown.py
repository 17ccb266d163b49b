"""Matched and unmatched records of a delivery by supplier, municipality, sex, age band and origin country group.

Sex, birth year and origin come from the delivery where it has them, so that unmatched records have one too; else from
the register, for matched records only (unmatched ones are then *unknown*).
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from enclave.engine import Dialect, Engine
from enclave.project import Key
from linkage.key_totals import numeric_columns, total_terms
from linkage.nonlinkage import SEPARATOR
from linkage.report import Counts, Group
from linkage.sources import SUPPLIER, Source

UNKNOWN = "unknown"
_SEX, _BIRTH_YEAR, _MUNICIPALITY = "GBAGESLACHT", "GBAGEBOORTEJAAR", "gem2016"
_ORIGIN = "GBAHERKOMSTGROEPERING"
_BANDS = ((18, "0-17"), (30, "18-29"), (45, "30-44"), (65, "45-64"), (120, "65+"))
_DELIVERED_SEX = re.compile(r"(^|_)sex$")
_DELIVERED_YEAR = re.compile(r"(^|_)birth_(date_)?year$")
_DELIVERED_ORIGIN = re.compile(r"(^|_)origin$")
_DELIVERED = (_DELIVERED_SEX, _DELIVERED_YEAR, _DELIVERED_ORIGIN)


@dataclass(frozen=True, slots=True)
class Background:
    """Which registers describe persons and objects, and the year that ages refer to (None: no age bands).

    ``origins``: whether the register of persons says the country group they come from.
    """

    persons: bool
    objects: bool
    origins: bool
    reference_year: int | None


def attach_background(sources: Sequence[Source], engine: Engine, reference_year: int | None) -> Background:
    """Make the tables ``background_persons`` and ``background_objects`` from the project's own registers."""
    persons = _register_with(sources, {"RINPERSOON", _SEX, _BIRTH_YEAR})
    objects = _register_with(sources, {"RINOBJECTNUMMER", _MUNICIPALITY})
    if persons is not None and persons.path is not None:
        engine.attach("background_persons", persons.path)
        year = re.search(r"(\d{4})[A-Z]", persons.path.stem)
        reference_year = reference_year or (int(year.group(1)) if year else None)
    if objects is not None and objects.path is not None:
        engine.attach("background_objects", objects.path)
    origins = persons is not None and _ORIGIN in persons.available
    return Background(persons is not None, objects is not None, origins, reference_year)


def context_columns(source: Source) -> list[str]:
    """Columns of a delivery that describe the person: sex, birth year, country group of origin."""
    return [n for n in source.available if any(pattern.search(n) for pattern in _DELIVERED)]


def groups_of(
    source: Source, key: Key, *, engine: Engine, background: Background, suppliers: Sequence[str]
) -> tuple[Group, ...]:
    """Counts by category, categories sorted within each breakdown."""
    terms = _terms(source, key, background, engine.dialect)
    view = f"categories_{source.name}_{key.name}"
    numbers = numeric_columns(source, engine)
    engine.define(view, _query(source, key, terms, background, engine.dialect, numbers=numbers))
    # one query for all breakdowns: what it joins is read once
    sets = ", ".join(f"({by}, status)" for by in terms)
    texts = ", ".join(f"CAST({by} AS STRING) AS {by}" for by in terms)
    counted = engine.collect(
        f"SELECT {texts}, status, count(*) AS n FROM {view} GROUP BY GROUPING SETS ({sets})"
    ).to_pylist()
    groups: list[Group] = []
    for by in terms:
        cells: dict[str, dict[str, int]] = {}
        for row in counted:
            if row[by] is not None:
                category = suppliers[int(row[by])] if by == "supplier" else row[by]
                cells.setdefault(category, {"R": 0, "S": 0, "": 0})[row["status"]] += row["n"]
        groups += [Group(by=by, category=c, counts=counts_of(n)) for c, n in sorted(cells.items())]
    return tuple(groups)


def counts_of(statuses: Mapping[str, int]) -> Counts:
    """Counts out of a count per status letter."""
    return Counts(matched=statuses["R"], unmatched=statuses["S"], without=statuses[""])


def _register_with(sources: Sequence[Source], columns: set[str]) -> Source | None:
    for source in sources:
        if source.path is not None and columns <= set(source.available):
            with pq.ParquetFile(source.path) as file:
                if columns <= set(file.schema_arrow.names):
                    return source
    return None


def _terms(source: Source, key: Key, background: Background, dialect: Dialect) -> dict[str, str]:
    """Breakdown -> SQL of its category."""
    terms = {"supplier": f"k.{SUPPLIER}", **place_terms(source, background)}
    if key.kind not in ("person", "owner"):
        return terms
    sex, year, origin = (_delivered(source, pattern, dialect) for pattern in _DELIVERED)
    if background.persons:
        sex, year = [*sex, f"p.{_SEX}"], [*year, f"p.{_BIRTH_YEAR}"]
    if background.origins:
        origin = [*origin, f"p.{_ORIGIN}"]
    return terms | _personal(sex, year, origin, background.reference_year)


def _personal(
    sex: Sequence[str], year: Sequence[str], origin: Sequence[str], reference_year: int | None
) -> dict[str, str]:
    """Breakdown -> SQL, of the first value there is."""
    terms = {}
    if sex:
        terms["sex"] = f"coalesce({', '.join(sex)}, '{UNKNOWN}')"
    if origin:
        terms["origin"] = f"coalesce({', '.join(origin)}, '{UNKNOWN}')"
    if year and reference_year is not None:
        terms["age"] = _age(f"coalesce({', '.join(year)}, '')", reference_year)
    return terms


def told_by_register(source: Source, key: Key, background: Background, dialect: Dialect) -> frozenset[str]:
    """Breakdowns whose category is known of linked records only: of these no rate can be told."""
    known = set(class_terms(source, key, background, dialect))
    if key not in _object_keys(source)[:1]:
        known |= set(place_terms(source, background))  # of the object, which is known whether or not the person is
    return frozenset(_terms(source, key, background, dialect)) - known


def class_terms(source: Source, key: Key, background: Background, dialect: Dialect) -> dict[str, str]:
    """Breakdown -> SQL, over ``keyed_<data set>`` as ``k`` alone, of the category as delivered.

    Known whether or not the record was linked.
    """
    terms = {"supplier": f"k.{SUPPLIER}"}
    if key.kind not in ("person", "owner"):
        return terms
    sex, year, origin = (_delivered(source, pattern, dialect) for pattern in _DELIVERED)
    return terms | _personal(sex, year, origin, background.reference_year)


def cell_term(source: Source, key: Key, background: Background, dialect: Dialect) -> str:
    """SQL of the class by which non-linkage is weighed: all of :func:`class_terms`."""
    terms = [f"CAST({term} AS STRING)" for term in class_terms(source, key, background, dialect).values()]
    return f"concat_ws('{SEPARATOR}', {', '.join(terms)})"


def _delivered(source: Source, pattern: re.Pattern[str], dialect: Dialect) -> list[str]:
    return [f"CAST(k.{dialect.quote(n)} AS STRING)" for n in context_columns(source) if pattern.search(n)]


def register_terms(background: Background) -> dict[str, str]:
    """Breakdown -> SQL of a person's category in the register ``p`` alone."""
    if not background.persons:
        return {}
    origin = [f"p.{_ORIGIN}"] if background.origins else []
    return _personal([f"p.{_SEX}"], [f"p.{_BIRTH_YEAR}"], origin, background.reference_year)


def _age(year: str, reference_year: int) -> str:
    age = f"{reference_year} - TRY_CAST({year} AS BIGINT)"
    bands = " ".join(f"WHEN {age} BETWEEN 0 AND {below - 1} THEN '{band}'" for below, band in _BANDS)
    return f"CASE {bands} ELSE '{UNKNOWN}' END"


def _query(
    source: Source,
    key: Key,
    terms: Mapping[str, str],
    background: Background,
    dialect: Dialect,
    *,
    numbers: Sequence[str],
) -> str:
    columns = ", ".join(f"{term} AS {by}" for by, term in terms.items())
    columns += f", {cell_term(source, key, background, dialect)} AS cell"
    joins = [place_join(source, dialect)] if _has_place(source, background) else []
    if background.persons and key.kind in ("person", "owner"):
        joins.append(f"LEFT JOIN background_persons p ON k.{dialect.quote(key.name + '__unit')} = 'P' || p.RINPERSOON")
    status = dialect.quote(f"{key.name}_status")
    columns += "".join(f", {term}" for term in total_terms(numbers, dialect))
    if key.is_matched:
        columns += f", k.{dialect.quote(key.name + '_pass')} AS pass"
    return f"SELECT {columns}, k.{status} AS status FROM keyed_{source.name} k {' '.join(joins)}"


def place_terms(source: Source, background: Background) -> dict[str, str]:
    """The municipality of a record's first object, after :func:`place_join`; nothing where it has none."""
    if not _has_place(source, background):
        return {}
    return {"municipality": f"coalesce(CASE WHEN o.{_MUNICIPALITY} <> '' THEN o.{_MUNICIPALITY} END, '{UNKNOWN}')"}


def place_join(source: Source, dialect: Dialect) -> str:
    """Joins the register of objects as ``o`` to ``keyed_<data set>`` as ``k``."""
    unit = dialect.quote(_object_keys(source)[0].name + "__unit")
    return f"LEFT JOIN background_objects o ON k.{unit} = 'O' || o.RINOBJECTNUMMER"


def _has_place(source: Source, background: Background) -> bool:
    return background.objects and bool(_object_keys(source))


def _object_keys(source: Source) -> list[Key]:
    return [key for key in source.data.keys if key.kind == "object"]
