"""Rows that leave by hand: as many as a person reads, and no column of identifiers or dates of birth.

The gate's tables may be larger: what is in them is known cell by cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

import pyarrow as pa

from enclave.identifier_density import DensityCheck
from output_control.leaving.by_hand import computed
from output_control.leaving.said_in_json import figures_of_fraction
from output_control.leaving.text import without_halves

MOST_ROWS = 500
MOST_COLUMNS = 100
FEWEST_DATES = 30
"""So many different days in a column are those of persons or events."""
FEWEST_KEYS = 30
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}")
_KEY = re.compile(r"[0-9]{6,}")
_FRACTION = re.compile(r"-?[0-9]{1,20}\.[0-9]{1,20}(?:[eE][-+]?[0-9]{1,2})?")
_BETWEEN = re.compile(r"[,;|\t]")


def rows_of(text: str) -> list[list[str]]:
    """The fields of each line, whatever parts them."""
    return [[field.strip(" \"'") for field in _BETWEEN.split(line)] for line in text.splitlines()]


def texts_of_rows(rows: Sequence[Sequence[str]]) -> list[str]:
    """In what identifiers are looked for: each field, each row as it is read on, and fractions by their figures."""
    fields = [field for row in rows for field in row if field]
    fractions = [figures_of_fraction(field) for field in fields if _FRACTION.fullmatch(field)]
    return without_halves([*fields, *fractions, *computed(fields), *(",".join(row) for row in rows if len(row) > 1)])


def faults_of_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Too many rows, and columns that are of identifiers or dates of birth, judged whole."""
    if sum(any(character.isdigit() for field in row for character in field) for row in rows) > MOST_ROWS:
        yield f"holds more than {MOST_ROWS} rows: a person reads no more, and records are not listed"
    if max(map(len, rows), default=0) > MOST_COLUMNS:
        yield f"holds more than {MOST_COLUMNS} columns: records are not listed, in columns either"
        return
    for number, column in enumerate(zip_longest(*rows, fillvalue=""), start=1):
        given = sorted({field for field in column[1:] if field})
        if sum(_DATE.fullmatch(field) is not None for field in given) >= FEWEST_DATES:
            yield f"column {number} holds {FEWEST_DATES} different dates or more, as of births"
        if number == 1 and sum(_KEY.fullmatch(field) is not None for field in given) >= FEWEST_KEYS:
            yield f"column 1 holds {FEWEST_KEYS} different long numbers or more, as keys of records are"
        check = DensityCheck()
        check.add(pa.array(without_halves(given), pa.string()))
        if check.leaks():
            yield f"column {number} passes the eleven-test of BSN and RSIN far more often than chance explains"
