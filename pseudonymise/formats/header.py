"""The header against the schema: missing, extra, renamed and doubled columns, all at once.

The names in a file's header are never repeated in a message: in a file without a header they are somebody's data.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence

from enclave.errors import Fault
from pseudonymise.schemas import DeliverySchema

MAX_COLUMNS = 1000
OTHER_SCHEMA = "other_schema"


Schemas = Callable[[], Iterable[DeliverySchema]]
"""Schemas that are read only when they are asked for."""


def match_header(
    found: Sequence[str], schema: DeliverySchema, file: str, others: Schemas = tuple
) -> tuple[list[str], tuple[Fault, ...]]:
    """The schema's name of each column of the file, and what is wrong; with faults the names are of no use.

    Where it is the header of one of the ``others``, only that is said.
    """
    if len(found) > MAX_COLUMNS:
        return [], (Fault(file, "header", f"the first row has more than {MAX_COLUMNS} cells"),)
    cleaned = [name.strip().strip("\N{BYTE ORDER MARK}") for name in found]
    missing = [c.name for c in schema.columns if c.required and c.name not in cleaned]
    if missing and (named := _whose(cleaned, others)):
        message = f"these are the columns of {named}, not of {schema.name}: check it with --schema {named}"
        return cleaned, (Fault(file, OTHER_SCHEMA, message),)
    extra = [place for place, name in enumerate(cleaned, start=1) if name not in schema.names]
    if len(missing) == len(schema.columns) and len(schema.columns) > 1 and not _resembles(cleaned, missing):
        return cleaned, (Fault(file, "header", "the first row is not the header that the schema asks for"),)
    faults = [
        Fault(file, "extra_column", _extra_message(place, cleaned[place - 1], missing), rows=()) for place in extra
    ]
    faults += [Fault(file, "missing_column", "the column is missing", column=name) for name in missing]
    for name in schema.names:
        if cleaned.count(name) > 1:
            faults.append(Fault(file, "double_column", "the column stands in the file twice", column=name))
    return cleaned, tuple(faults)


def holds_schema_names(cells: Sequence[str], schema: DeliverySchema) -> bool:
    """Whether most of the schema's columns are named in this row."""
    named = len({cell.strip() for cell in cells} & set(schema.names))
    return named * 2 > len(schema.names)


def _whose(found: Sequence[str], schemas: Schemas) -> str:
    """The name of the schema that has just these columns; empty where there is none."""
    names = set(found)
    if len(names) < len(found):
        return ""
    return next(
        (
            each.name
            for each in schemas()
            if {column.name for column in each.columns if column.required} <= names <= set(each.names)
        ),
        "",
    )


def _resembles(found: Sequence[str], wanted: Sequence[str]) -> bool:
    return any(_nearest(name, wanted) for name in found)


def _extra_message(place: int, name: str, missing: Sequence[str]) -> str:
    if not name:
        return f"column number {place} has no name"
    near = _nearest(name, missing)
    hint = f"; did you mean {near}?" if near else "; remove it, or ask for a new version of the schema"
    return f"column number {place} is not in the schema{hint}"


def _nearest(name: str, wanted: Sequence[str]) -> str | None:
    """The wanted name that this one is probably a spelling of."""
    plain = {_plain(candidate): candidate for candidate in wanted}
    close = difflib.get_close_matches(_plain(name)[:80], list(plain), n=1, cutoff=0.75)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
