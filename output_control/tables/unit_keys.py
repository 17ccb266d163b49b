"""Whether the protected units of a derived frame are those of the linked data, and its records no more than there are.

Thresholds and dominance count units. A derivation that numbers its rows, or draws a number per row, would make
every threshold meaningless: twelve homes of one owner would count as twelve owners. So a unit is believed only when
a linked data set, made by the custodian, has that unit beside that member of the population.
"""

# ruff: noqa: S608 (statements hold quoted names of columns and tables, never a value)
from __future__ import annotations

from typing import TYPE_CHECKING

from enclave.requests import Request
from output_control.banded import banded

if TYPE_CHECKING:
    from output_control.tables.derived import Sources


def faults_of_units(request: Request, sources: Sources, member: str, unit: str) -> list[str]:
    """Rows whose ``unit`` is not theirs; ``member`` is the column of the derived frame that holds the population's key.

    A member may be its own unit when no linked data set knows another for it (a home without a known owner).
    """
    if unit == member:
        return []
    key = request.population.key
    # only columns that linking filled with unit keys: no attribute passes for a unit
    knowing = [name for name, keys in sources.keys_of_linked().items() if {key, unit} <= set(keys)]
    if not knowing:
        return [
            f"no linked data set of this question has {unit} beside {key}, so it cannot be told whose units "
            f"they are; name the unit's column as the linked data do, or protect {key} itself"
        ]
    pairs = " UNION ".join(
        sources.sql(
            "SELECT {key} AS k, {unit} AS u FROM {table} WHERE {key} IS NOT NULL AND {unit} IS NOT NULL",
            key=key,
            unit=unit,
            table=sources.population_table(name),
        )
        for name in knowing
    )
    foreign = sources.number(
        "SELECT COUNT(*) FROM {table} AS d "
        f"LEFT JOIN ({pairs}) AS p ON d.{{member}} = p.k AND d.{{unit}} = p.u "
        f"LEFT JOIN (SELECT DISTINCT k FROM ({pairs}) AS a) AS o ON d.{{member}} = o.k "
        "WHERE p.k IS NULL AND (o.k IS NOT NULL OR d.{unit} <> d.{member})",
        table=sources.derived_table(request.derivation),
        member=member,
        unit=unit,
    )
    if not foreign:
        return []
    return [f"{banded(foreign)} rows of {request.derivation} have a {unit} that the linked data do not give them"]


def invented_periods(request: Request, sources: Sources, member: str, period: str) -> str:
    """Why the periods of a derived frame are not believed (empty: they are): each must stand beside its member in the
    linked data."""
    key, table = request.population.key, sources.derived_table(request.derivation)
    kind = sources.schema(request.derivation).field(period).type
    knowing = [
        name
        for name, keys in sources.keys_of_linked().items()
        if key in keys and sources.type_of_linked(name, period) == kind
    ]
    if not knowing:
        return f"no linked data set of this question has {period} beside {key}, so it cannot be told which periods are"
    pairs = " UNION ".join(
        sources.sql("SELECT {key} AS k, {period} AS p FROM {t}", key=key, period=period, t=sources.population_table(n))
        for n in knowing
    )
    foreign = sources.number(
        f"SELECT COUNT(*) FROM {{table}} AS d LEFT JOIN ({pairs}) AS o ON d.{{member}} = o.k AND d.{{period}} = o.p "
        "WHERE o.k IS NULL",
        table=table,
        member=member,
        period=period,
    )
    said = f"{banded(foreign)} rows of {request.derivation} are of a {period} that the linked data do not give them"
    return said if foreign else ""


def faults_of_copies(request: Request, sources: Sources, member: str) -> list[str]:
    """Members that stand in more rows than the linked data have of them; with a ``period`` they may recur."""
    if request.period or request.record == member:
        return []
    many = sources.number(
        "SELECT COUNT(*) FROM (SELECT {member} AS k, COUNT(*) AS n FROM {table} GROUP BY {member}) AS d "
        "JOIN (SELECT {key} AS k, COUNT(*) AS n FROM {within} GROUP BY {key}) AS p ON d.k = p.k WHERE d.n > p.n",
        member=member,
        table=sources.derived_table(request.derivation),
        key=request.population.key,
        within=sources.population_table(request.population.dataset),
    )
    if not many:
        return []
    dataset = request.population.dataset
    return [f"{banded(many)} members of {dataset} stand in more rows of {request.derivation} than in {dataset} itself"]


def kind_of_key(column: str, sources: Sources) -> str:
    """What kind of unit a key column holds (person, object …), as linking wrote it down; else the column's name."""
    roles = {
        found.role.removeprefix("key:")
        for name in sources.keys_of_linked()
        if (frame := sources.population(name)) is not None
        for found in frame.manifest.columns
        if found.name == column and found.role.startswith("key:")
    }
    return min(roles, default=column)
