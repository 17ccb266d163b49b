"""Persons of whom a delivery has a linked record, against everybody in the project's register of persons."""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

from enclave.engine import Engine
from enclave.project import Key
from linkage.breakdown import Background, register_terms
from linkage.report import Counts, Group
from linkage.sources import Source


def population_groups(source: Source, key: Key, *, engine: Engine, background: Background) -> tuple[Group, ...]:
    """Persons of the register by its own categories: ``matched`` have a linked record, ``unmatched`` none.

    Persons, not records, on both sides. Nothing where the project has no register of persons, or of other units.
    """
    if not background.persons or key.kind not in ("person", "owner"):
        return ()
    quote, terms = engine.dialect.quote, register_terms(background)
    unit, status = quote(f"{key.name}__unit"), quote(f"{key.name}_status")
    linked = f"SELECT DISTINCT {unit} AS unit FROM keyed_{source.name} WHERE {status} = 'R'"
    persons = f"SELECT {', '.join(f'{term} AS {by}' for by, term in terms.items())}, l.unit AS linked "
    persons += f"FROM background_persons p LEFT JOIN ({linked}) l ON l.unit = 'P' || p.RINPERSOON"
    counted = engine.collect(
        f"SELECT {', '.join(terms)}, count(*) AS n, count(linked) AS linked FROM ({persons}) q "
        f"GROUP BY GROUPING SETS ({', '.join(f'({by})' for by in terms)})"
    ).to_pylist()
    found = [(by, row) for by in terms for row in counted if row[by] is not None]
    return tuple(
        Group(
            by=by,
            category=row[by],
            counts=Counts(matched=row["linked"], unmatched=row["n"] - row["linked"], without=0),
        )
        for by, row in sorted(found, key=lambda each: (list(terms).index(each[0]), each[1][each[0]]))
    )
