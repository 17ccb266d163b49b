"""Names and addresses of entities (firms, foundations, associations) → columns that can be compared.

The legal form is taken out of the name and compared by itself: ``Stichting De Brug``, ``St. De Brug`` and ``De Brug,
stichting`` are one name. Words of a group (``Holding``, ``Beheer``) stay in the name, for they tell sisters apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.project import EntityField
from linkage.name_parts import plain_text, sound_of
from linkage.written_addresses import address_columns, text_columns

FIELDS = ("name", "words", "core", "other", "longest", "start", "sound", "form", "postcode", "place", "number")
"""Names of all prepared columns, texts: see :func:`prepare`."""
REGISTER_COLUMNS: Mapping[EntityField, str] = {
    "name": "name",
    "trade_name": "trade_name",
    "postcode": "postcode",
    "house_number": "house_number",
}
# Legal forms of the trade register as names write them, after dots of single letters are gone ('b.v.' is 'bv' then).
_FORMS = (
    ("stichting", r"^st\b|\b(?:stichting|stg)\b"),
    ("vereniging", r"\b(?:vereniging|ver|vve)\b"),
    ("bv", r"\bb ?v\b|\bbesloten vennootschap\b"),
    ("nv", r"\bn ?v\b|\bnaamloze vennootschap\b"),
    ("vof", r"\bv ?o ?f\b|\bvennootschap onder firma\b|\bfa\b|\bfirma\b"),
    ("cv", r"\bc ?v\b|\bcommanditaire vennootschap\b"),
    ("maatschap", r"\bmaatschap\b"),
    ("cooperatie", r"\bcoop(?:eratie|eratieve)?\b|\b(?:ua|wa|ba)\b"),
    ("eenmanszaak", r"\beenmanszaak\b"),
)
_TWO_NAMES = r"\s*(?:/|\bt?hodn\b|\bhandelend onder de naam\b|\bgenaamd\b)\s*"
_SPELT = (
    (r"[&+]", " en "),
    (r"\bgebr\b", "gebroeders"),
    (r"\bmij\b", "maatschappij"),
    (r"\bint\b", "international"),
    (r"\badm\b", "administratie"),
    (r"\bned\b", "nederland"),
)
_ARTICLE = r"^(?:de|het|the|'t) "
_GROUP = (
    r"\b(?:holding|beheer|groep|group|vastgoed|onroerend goed|exploitatie|pensioen|participaties?|invest(?:ments?)?|"
    r"projecten|nederland|international|services|diensten|administratiekantoor)\b"
)
_START = 4


def prepare(table: pa.Table | pa.RecordBatch, columns: Mapping[EntityField, str]) -> pa.Table:
    """Columns :data:`FIELDS` of ``table``, row by row; ``columns`` says which column holds what.

    ``name`` is without legal form and blanks, ``words`` its words in alphabetical order, ``core`` the name without
    words of a group, ``other`` a second name (*handelend onder de naam*, else the trade name where it is another),
    ``form`` the legal form where the name tells it.
    """
    texts = text_columns(table, columns)
    nothing = pa.nulls(table.num_rows, pa.string())
    plain = _dotless(plain_text(texts.get("name", nothing)))
    two = pc.replace_substring_regex(plain, _TWO_NAMES, "|")
    first = pc.replace_substring_regex(two, r"\|.*$", "")
    second = pc.if_else(pc.match_substring(two, "|"), pc.replace_substring_regex(two, r"^[^|]*\|", ""), nothing)
    traded = pc.replace_substring_regex(_dotless(plain_text(texts.get("trade_name", nothing))), r"[/].*$", "")
    words, other = _words(first), _joined(_words(pc.coalesce(second, traded)))
    name = _joined(words)
    other = pc.if_else(pc.fill_null(pc.equal(other, name), False), nothing, other)
    ordered, longest = _by_word(words)
    address = address_columns(texts, nothing)
    made = {
        "name": name,
        "words": ordered,
        "core": pc.coalesce(_joined(pc.replace_substring_regex(words, _GROUP, " ")), name),
        "other": other,
        "longest": longest,
        "start": pc.utf8_slice_codeunits(name, 0, _START),
        "sound": sound_of(name),
        "form": _form(plain),
        "postcode": address["postcode"],
        "place": address["place"],
        "number": address["number"],
    }
    return pa.table([made[field].cast(pa.string()) for field in FIELDS], names=list(FIELDS))


def _dotless(plain: Any) -> Any:
    """Dots of single letters are gone, other marks are blanks, some abbreviations spelt out."""
    text = pc.replace_substring_regex(plain, r"\b(\pL)\.", r"\1")
    for pattern, spelt in _SPELT[:1]:
        text = pc.replace_substring_regex(text, pattern, spelt)
    text = pc.replace_substring_regex(text, r"[^\pL0-9/]+", " ")
    for pattern, spelt in _SPELT[1:]:
        text = pc.replace_substring_regex(text, pattern, spelt)
    return pc.utf8_trim_whitespace(text)


def _form(plain: Any) -> Any:
    found = pa.nulls(len(plain), pa.string())
    for form, pattern in reversed(_FORMS):
        found = pc.if_else(pc.fill_null(pc.match_substring_regex(plain, pattern), False), form, found)
    return found


def _words(name: Any) -> Any:
    """Words without the legal form, single blanks between; a name of nothing else stays as it is."""
    bare = name
    for _, pattern in _FORMS:
        bare = pc.replace_substring_regex(bare, pattern, " ")
    bare = _tidied(pc.replace_substring_regex(_tidied(bare), _ARTICLE, ""))
    return _null_if_blank(pc.if_else(pc.equal(bare, ""), _tidied(name), bare))


def _tidied(text: Any) -> Any:
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"\s+", " "))


def _joined(words: Any) -> Any:
    """One word of letters and digits; *ij* as *y*."""
    return _null_if_blank(pc.replace_substring(pc.replace_substring_regex(words, r"[^\pL0-9]+", ""), "ij", "y"))


def _null_if_blank(text: Any) -> Any:
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _by_word(words: Any) -> tuple[Any, Any]:
    """The words in alphabetical order, and the longest of them (the first of equally long ones)."""
    lists = pc.split_pattern(words, " ")
    row = np.asarray(pc.list_parent_indices(lists).to_numpy())
    word = pc.list_flatten(lists)
    rank = np.asarray(pc.rank(word, sort_keys="ascending", tiebreaker="dense").to_numpy()).astype(np.int64)
    alphabetical = np.lexsort((rank, row))
    offsets = pa.array(np.searchsorted(row, np.arange(len(words) + 1)), pa.int32())
    ordered = pc.binary_join(pa.ListArray.from_arrays(offsets, word.take(pa.array(alphabetical))), " ")
    length = np.asarray(pc.utf8_length(word).to_numpy()).astype(np.int64)
    longest = np.lexsort((rank, -length, row))
    filled = np.asarray(pc.is_valid(words).to_numpy(zero_copy_only=False))
    first = np.flatnonzero(np.diff(row, prepend=-1)) if len(row) else np.empty(0, dtype=np.int64)
    at = np.full(len(words), -1, dtype=np.int64)
    at[filled] = longest[first]
    taken = word.take(pa.array(at, mask=at < 0))
    return _null_if_blank(pc.if_else(pa.array(filled), ordered, pa.scalar(None, pa.string()))), taken
