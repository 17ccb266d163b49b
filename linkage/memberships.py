"""Households and families of persons, from a register of members at a reference date.

An exact join on register keys, inside the key zone. A person whom the register knows in no such unit is taken for one
alone (status ``S``), so that output control can protect every record's household.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from enclave.engine import Engine
from enclave.errors import Fault
from enclave.project import Key, Membership

NUMBERED = {"household": "HN", "family": "F"}
"""Marks of units that are a number of their own; those of a kind letter and number are marked as in registers."""
LETTERED = {"household": "H", "family": "F"}
ALONE = "X"
_PERSON_LETTER = "R"


def membership_faults(what: str, key: Key, registers: Path) -> list[Fault]:
    """What the register lacks of what ``key`` is derived from."""
    derived = key.derived
    if derived is None:
        return []
    path = registers / f"{derived.register_file}.parquet"
    if not path.is_file():
        return [Fault(what, "register", "there is no register file to derive it from", key.name)]
    with pq.ParquetFile(path) as file:
        names = set(file.schema_arrow.names)
    return [
        Fault(path.name, "column", f"data set {what} derives {key.name} from it and it is not there", column)
        for column in derived.columns
        if column not in names
    ]


def attach_membership(table: str, key: Key, derived: Membership, registers: Path, engine: Engine) -> None:
    """Make ``table``: ``person`` (marked register key) and ``unit`` on the reference date, one row per person.

    A person in several units on that date, which registers should not have, is given the first by its key; members in
    their own right come before those whom another's row names (``members``).
    """
    quote = engine.dialect.quote
    engine.attach(f"{table}_register", registers / f"{derived.register_file}.parquet")
    *letter, number = derived.unit
    mark = (LETTERED if letter else NUMBERED)[key.kind]
    filled = [f"{quote(number)} <> ''", *(f"{quote(name)} = '{_PERSON_LETTER}'" for name in letter)]
    if derived.spell:
        day = f"'{derived.reference_date:%Y%m%d}'"
        start, end = map(quote, derived.spell)
        filled.append(f"{start} <= {day} AND {end} >= {day}")
    parts = [
        f"SELECT 'P' || {quote(person)} AS person, '{mark}' || {quote(number)} AS unit, {place} AS place "
        f"FROM {table}_register WHERE {quote(kind)} = '{_PERSON_LETTER}' AND {' AND '.join(filled)}"
        for place, (kind, person) in enumerate((derived.person_columns, *derived.members))
    ]
    ranked = "SELECT person, unit, place, min(place) OVER (PARTITION BY person) AS best FROM listed_"
    engine.define(
        table,
        f"WITH listed_ AS ({' UNION ALL '.join(parts)}) SELECT person, min(unit) AS unit FROM ({ranked}) r "
        "WHERE place = best GROUP BY person",
    )


def with_memberships(query: str, keys: Sequence[tuple[Key, Membership, str]], engine: Engine) -> str:
    """``query``, which has the persons' units, with unit and status of every derived key; ``str`` names its table."""
    quote = engine.dialect.quote
    terms, joins = [], []
    for at, (key, derived, table) in enumerate(keys):
        person = f"q.{quote(derived.person + '__unit')}"
        alone = f"'{NUMBERED[key.kind]}{ALONE}' || {person}"
        terms += [
            f"coalesce(m{at}.unit, {alone}) AS {quote(key.name + '__unit')}",
            f"CASE WHEN m{at}.unit IS NOT NULL THEN 'R' WHEN {person} IS NOT NULL THEN 'S' ELSE '' END "
            f"AS {quote(key.name + '_status')}",
        ]
        joins.append(f"LEFT JOIN {table} m{at} ON {person} = m{at}.person")
    return f"SELECT q.*, {', '.join(terms)} FROM ({query}) q {' '.join(joins)}"
