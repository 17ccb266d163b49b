"""Addresses as suppliers write them → columns that can be compared with the register of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from enclave.project import ObjectField
from linkage.written_addresses import address_columns, street_name, text_columns

FIELDS = ("street", "postcode", "place", "number", "addition", "town")
"""Names of all prepared columns, texts: see :func:`prepare`."""
REGISTER_COLUMNS: Mapping[ObjectField, str] = {
    "street": "street",
    "house_number": "house_number",
    "addition": "addition",
    "postcode": "postcode",
    "municipality": "municipality",
}


def prepare(table: pa.Table | pa.RecordBatch, columns: Mapping[ObjectField, str]) -> pa.Table:
    """Columns :data:`FIELDS` of ``table``, row by row; ``columns`` says which column holds what.

    ``addition`` is ``-`` where a house number has none; ``town`` the four digits of the municipality's code.
    """
    texts = text_columns(table, columns)
    nothing = pa.nulls(table.num_rows, pa.string())
    made = {
        "street": street_name(texts.get("street", nothing)),
        **address_columns(texts, nothing),
        "town": _town(texts.get("municipality", nothing)),
    }
    return pa.table([made[field].cast(pa.string()) for field in FIELDS], names=list(FIELDS))


def _town(codes: Any) -> Any:
    return pc.struct_field(pc.extract_regex(codes, r"^(?:[Gg][Mm])?(?P<digits>[0-9]{4})$"), "digits")
