"""Records of persons from a delivery or the key register → columns that can be compared.

A blank, a date that is none and an unknown sex are null: nothing is learnt from them, for or against a match.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from enclave.project import PersonField
from linkage.name_parts import NameParts, full_name_parts, surname_parts
from linkage.written_addresses import address_columns, matching, text_columns

FIELDS = (
    "surname",
    "other",
    "sound",
    "other_sound",
    "first",
    "initial",
    "birth",
    "swapped",
    "sex",
    "postcode",
    "place",
    "number",
)
"""Names of all prepared columns, texts: see :func:`prepare`."""
REGISTER_COLUMNS: Mapping[PersonField, str] = {
    "surname": "surname",
    "first_names": "first_names",
    "birth_date": "birth_date",
    "sex": "sex",
    "postcode": "postcode",
    "house_number": "house_number",
}
"""Where the office's key register holds what."""


def prepare(table: pa.Table | pa.RecordBatch, columns: Mapping[PersonField, str]) -> pa.Table:
    """Columns :data:`FIELDS` of ``table``, row by row; ``columns`` says which column holds what.

    ``birth`` is yyyymmdd, ``swapped`` the same with day and month exchanged (null where that is no date), ``place`` the
    four digits of ``postcode``, ``number`` the house number without addition.
    """
    texts = {field: pc.utf8_upper(values) for field, values in text_columns(table, columns).items()}
    nothing = pa.nulls(table.num_rows, pa.string())
    names = _names(texts, nothing)
    birth = _birth(texts.get("birth_date", nothing))
    address = address_columns(texts, nothing)
    made = {
        "surname": names.surname,
        "other": names.other,
        "sound": names.sound,
        "other_sound": names.other_sound,
        "first": names.first,
        "initial": names.initial,
        "birth": birth,
        "swapped": _swapped(birth),
        "sex": matching(texts.get("sex", nothing), r"^[^0-]"),
        **{name: address[name] for name in ("postcode", "place", "number")},
    }
    return pa.table([made[name].cast(pa.string()) for name in FIELDS], names=list(FIELDS))


def _names(texts: Mapping[str, Any], nothing: Any) -> NameParts:
    if "full_name" in texts:
        return full_name_parts(texts["full_name"])
    return surname_parts(texts.get("surname", nothing), texts.get("first_names", nothing))


def _birth(values: Any) -> Any:
    """yyyymmdd of texts yyyymmdd, yyyy-mm-dd or d-m-yyyy; a day or month 00 is unknown, and so the date."""
    european = pc.replace_substring_regex(values, r"^(\d{1,2})[-./](\d{1,2})[-./](\d{4})$", r"\3-0\2-0\1")
    padded = pc.replace_substring_regex(european, r"^(\d{4})-0?(\d\d)-0?(\d\d)$", r"\1\2\3")
    return matching(padded, r"^(1[89]|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$")


def _swapped(birth: Any) -> Any:
    exchanged = pc.replace_substring_regex(birth, r"^(\d{4})(\d\d)(\d\d)$", r"\1\3\2")
    possible = pc.match_substring_regex(exchanged, r"^\d{4}(0[1-9]|1[0-2])")
    different = pc.not_equal(exchanged, birth)
    return pc.if_else(pc.and_(possible, different), exchanged, pa.scalar(None, pa.string()))
