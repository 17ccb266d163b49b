"""Postcodes, house numbers and street names as suppliers write them → columns that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from enclave.house_numbers import house_numbers
from linkage.name_parts import plain_text

# Abbreviations at the end and in front of street names (BAG spells them out; NEN 5825 abbreviates).
_ENDINGS = (
    (r"str(?:\.|aat)?$", "straat"),
    (r"(?:wg|w)\.$", "weg"),
    (r"pl(?:n\.?|\.)$", "plein"),
    (r"ln\.?$", "laan"),
    (r"kd\.?$", "kade"),
    (r"sngl\.?$", "singel"),
)
_FRONTS = (
    (r"^burg(?:\.|em\.)\s*", "burgemeester "),
    (r"^prof\.\s*", "professor "),
    (r"^dr\.\s*", "dokter "),
    (r"^ds\.\s*", "dominee "),
    (r"^(?:st\.|st|sint)\s+", "sint "),
    (r"^kon\.\s*", "koningin "),
    (r"\bv\.?\s?d\.?\s", "van der "),
)
NONE = "-"
"""The addition of a house number that has none: equal additions are evidence, also when there is none."""


def text_columns(table: pa.Table | pa.RecordBatch, columns: Mapping[Any, str]) -> dict[str, Any]:
    """Trimmed texts by field; blanks are null."""
    found = {}
    for field, name in columns.items():
        values = table.column(name)
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        trimmed = pc.utf8_trim_whitespace(array.cast(pa.string()))
        found[str(field)] = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    return found


def address_columns(texts: Mapping[str, Any], nothing: Any) -> dict[str, Any]:
    """``postcode``, its four digits ``place``, ``number`` and ``addition`` of the texts' postcode, house number and
    addition; an addition that is none of the BAG's form is null."""
    code = pc.replace_substring_regex(pc.utf8_upper(texts.get("postcode", nothing)), r"[^0-9A-Z]+", "")
    door = house_numbers(texts.get("house_number", nothing), texts.get("addition", nothing))
    return {
        "postcode": matching(code, r"^[1-9][0-9]{3}[A-Z]{2}$"),
        "place": pc.utf8_slice_codeunits(matching(code, r"^[1-9][0-9]{3}"), 0, 4),
        "number": door.number,
        "addition": pc.if_else(pc.equal(door.addition, ""), NONE, door.addition),
    }


def street_name(streets: Any) -> Any:
    """Lower case letters and digits, abbreviations spelt out, *ij* as *y*."""
    text = plain_text(streets)
    for pattern, spelt in (*_FRONTS, *_ENDINGS):
        text = pc.replace_substring_regex(text, pattern, spelt)
    kept = pc.replace_substring(pc.replace_substring_regex(text, r"[^\pL0-9]+", ""), "ij", "y")
    return pc.if_else(pc.equal(kept, ""), pa.scalar(None, pa.string()), kept)


def matching(values: Any, pattern: str) -> Any:
    """The values that match, the others null."""
    return pc.if_else(pc.match_substring_regex(values, pattern), values, pa.scalar(None, pa.string()))
