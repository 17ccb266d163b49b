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
    texts = {field: _text(table.column(name)) for field, name in columns.items()}
    nothing = pa.nulls(table.num_rows, pa.string())
    names = _names(texts, nothing)
    birth = _birth(texts.get("birth_date", nothing))
    code = pc.replace_substring_regex(texts.get("postcode", nothing), r"[^0-9A-Z]+", "")
    made = {
        "surname": names.surname,
        "other": names.other,
        "sound": names.sound,
        "other_sound": names.other_sound,
        "first": names.first,
        "initial": names.initial,
        "birth": birth,
        "swapped": _swapped(birth),
        "sex": _matching(texts.get("sex", nothing), r"^[^0-]"),
        "postcode": _matching(code, r"^[0-9]{4}[A-Z]{2}$"),
        "place": pc.utf8_slice_codeunits(_matching(code, r"^[1-9][0-9]{3}"), 0, 4),
        "number": _leading_number(texts.get("house_number", nothing)),
    }
    return pa.table([made[name].cast(pa.string()) for name in FIELDS], names=list(FIELDS))


def _names(texts: Mapping[PersonField, Any], nothing: Any) -> NameParts:
    if "full_name" in texts:
        return full_name_parts(texts["full_name"])
    return surname_parts(texts.get("surname", nothing), texts.get("first_names", nothing))


def _text(values: Any) -> Any:
    """One array of trimmed upper-case texts; blanks are null."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    trimmed = pc.utf8_upper(pc.utf8_trim_whitespace(array.cast(pa.string())))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _matching(values: Any, pattern: str) -> Any:
    return pc.if_else(pc.match_substring_regex(values, pattern), values, pa.scalar(None, pa.string()))


def _birth(values: Any) -> Any:
    """yyyymmdd of texts yyyymmdd, yyyy-mm-dd or d-m-yyyy; a day or month 00 is unknown, and so the date."""
    european = pc.replace_substring_regex(values, r"^(\d{1,2})[-./](\d{1,2})[-./](\d{4})$", r"\3-0\2-0\1")
    padded = pc.replace_substring_regex(european, r"^(\d{4})-0?(\d\d)-0?(\d\d)$", r"\1\2\3")
    return _matching(padded, r"^(1[89]|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$")


def _swapped(birth: Any) -> Any:
    exchanged = pc.replace_substring_regex(birth, r"^(\d{4})(\d\d)(\d\d)$", r"\1\3\2")
    possible = pc.match_substring_regex(exchanged, r"^\d{4}(0[1-9]|1[0-2])")
    different = pc.not_equal(exchanged, birth)
    return pc.if_else(pc.and_(possible, different), exchanged, pa.scalar(None, pa.string()))


def _leading_number(values: Any) -> Any:
    return pc.struct_field(pc.extract_regex(values, r"^0*(?P<number>[1-9][0-9]{0,4})"), "number")
