"""Households and families of persons, and holdings of entities, from a register of members at a reference date.

An exact join on register keys, inside the key zone. A member whom the register knows in no such unit is taken for one
alone (status ``S``), so that output control can protect every record's household or holding.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from enclave.engine import Engine
from enclave.errors import Fault
from enclave.project import Key, Membership

NUMBERED = {"household": "HN", "family": "F", "holding": "G"}
"""Marks of units that are a number of their own; those of a kind letter and number are marked as in registers."""
LETTERED = {"household": "H", "family": "F"}
ALONE = "X"
_PERSON_LETTER = "R"
_PERSON, _ENTITY = "P", "E"


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
    """Make ``table``: ``member`` (marked register key) and ``unit`` on the reference date, one row per member.

    A member in several units on that date, which registers should not have, is given the first by its key; members in
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
    named = (
        [(_ENTITY, derived.entity_column, f"{quote(derived.entity_column)} <> ''")]
        if derived.entity
        else [
            (_PERSON, person, f"{quote(kind)} = '{_PERSON_LETTER}'")
            for kind, person in (derived.person_columns, *derived.members)
        ]
    )
    parts = [
        f"SELECT '{of_kind}' || {quote(member)} AS member, '{mark}' || {quote(number)} AS unit, {place} AS place "
        f"FROM {table}_register WHERE {condition} AND {' AND '.join(filled)}"
        for place, (of_kind, member, condition) in enumerate(named)
    ]
    ranked = "SELECT member, unit, place, min(place) OVER (PARTITION BY member) AS best FROM listed_"
    engine.define(
        table,
        f"WITH listed_ AS ({' UNION ALL '.join(parts)}) SELECT member, min(unit) AS unit FROM ({ranked}) r "
        "WHERE place = best GROUP BY member",
    )


def with_memberships(query: str, keys: Sequence[tuple[Key, Membership, str]], engine: Engine) -> str:
    """``query``, which has the members' units, with unit and status of every derived key; ``str`` names its table."""
    quote = engine.dialect.quote
    terms, joins = [], []
    for at, (key, derived, table) in enumerate(keys):
        member = f"q.{quote(derived.member + '__unit')}"
        alone = f"'{NUMBERED[key.kind]}{ALONE}' || {member}"
        terms += [
            f"coalesce(m{at}.unit, {alone}) AS {quote(key.name + '__unit')}",
            f"CASE WHEN m{at}.unit IS NOT NULL THEN 'R' WHEN {member} IS NOT NULL THEN 'S' ELSE '' END "
            f"AS {quote(key.name + '_status')}",
        ]
        joins.append(f"LEFT JOIN {table} m{at} ON {member} = m{at}.member")
    return f"SELECT q.*, {', '.join(terms)} FROM ({query}) q {' '.join(joins)}"
