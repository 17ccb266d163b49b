"""Dutch names as suppliers write them → the parts that can be compared, as whole Arrow columns.

What is taken care of: *tussenvoegsels* before the name, behind it or in a column of their own; diacritics and *ij/y*;
initials instead of first names; ``Jansen-de Vries``, ``Jansen e/v De Vries`` and ``De Vries geb. Jansen``, of which
both names count, since registers differ in whose name stands first (Basisregistratie Personen, element 61.10
*naamgebruik*).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# Tussenvoegsels of the BRP's table 36 that occur, lower case, longest first where one begins another.
_PREFIX = (
    r"(?:van der|van den|van de|van het|van 't|van ter|van ten|van|von der|von|in der|in den|in de|in het|in 't|in|"
    r"op den|op der|op de|op het|op 't|op|aan den|aan der|aan de|aan het|aan 't|aan|uit den|uit de|uit het|uit 't|uit|"
    r"onder de|over de|bij de|bij|voor de|voor|tot|ter|ten|te|den|der|des|de la|de las|de los|de l'|de|di|da|dos|del|"
    r"du|el|al|het|la|le|les|los|'s|'t|'n|d'|l'|zur|zum|zu)"
)
_LEADING = rf"^(?:{_PREFIX}(?:\s+|$)|[dl]')+"
_TRAILING = rf",\s*(?:{_PREFIX}\s*)+$"
_TWO_NAMES = r"\s*(?:[-–/]|\be/?v\b\.?|\bgeb(?:oren)?\b\.?|\becht(?:genote)? van\b)\s*"
_COMMA = rf"^(?P<surname>[^,]+),\s*(?P<given>.*?)\s*(?P<prefix>(?:\b{_PREFIX}\s*)*)$"
_WHOLE = rf"^(?P<given>.*?)\s+(?P<surname>(?:{_PREFIX}\s+)+\S.*|\S+)$"
# Letters that Unicode does not take apart.
_LETTERS = {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
# Spellings that sound alike in Dutch; in this order.
_SOUNDS = (
    ("sch", "s"),
    ("(?:ij|ei|ey|ay|y)", "y"),
    ("(?:ou|au)", "w"),
    ("(?:ph|v)", "f"),
    ("(?:ck|kx|ks)", "k"),
    ("x", "k"),
    ("(?:c|q)", "k"),
    ("(?:dt|th|d)", "t"),
    ("z", "s"),
    ("g", "h"),
    ("[aeiou]+", "a"),
)
_DOUBLED = "bfhklmnprstw"
_SOUND_LENGTH = 5


@dataclass(frozen=True, slots=True)
class NameParts:
    """Columns of letters only, lower case, null where unknown.

    ``surname``: without tussenvoegsel, the last of two; ``other``: the first of two; ``sound`` and ``other_sound``:
    what they sound like (for blocking); ``first``: the first of the given names, or its initial; ``initial``.
    """

    surname: Any
    other: Any
    sound: Any
    other_sound: Any
    first: Any
    initial: Any


def surname_parts(surname: Any, given: Any) -> NameParts:
    """Parts of separate columns; a tussenvoegsel in a column of its own need not be given."""
    return _parts(plain_text(surname), plain_text(given))


def full_name_parts(names: Any) -> NameParts:
    """Parts of whole names: ``Anna Maria de Vries``, ``A.M. de Vries``, ``Vries, A.M. de``."""
    plain = plain_text(names)
    comma, whole = pc.extract_regex(plain, _COMMA), pc.extract_regex(plain, _WHOLE)
    surname = pc.coalesce(pc.struct_field(comma, "surname"), pc.struct_field(whole, "surname"), plain)
    given = pc.coalesce(pc.struct_field(comma, "given"), pc.struct_field(whole, "given"))
    return _parts(surname, given)


def _parts(surname: Any, given: Any) -> NameParts:
    two = pc.replace_substring_regex(surname, _TWO_NAMES, "|")
    last = _bare(pc.replace_substring_regex(two, r"^.*\|", ""))
    before = _bare(pc.replace_substring_regex(two, r"\|?[^|]*$", ""))
    # 'Jansen-' has one name only, and 'Jansen-Jansen' has too
    own = pc.coalesce(last, before)
    other = pc.if_else(pc.or_kleene(pc.is_null(last), pc.equal(before, own)), pa.scalar(None, pa.string()), before)
    first = _letters(pc.replace_substring_regex(given, r"^[^\pL]*(\pL+).*$", r"\1"))
    initial = pc.utf8_slice_codeunits(first, 0, 1)
    return NameParts(own, other, sound_of(own), sound_of(other), first, initial)


def plain_text(values: Any) -> Any:
    """Lower case without diacritics, apostrophes of one kind, blanks single."""
    text = pc.utf8_normalize(pc.utf8_lower(pc.utf8_trim_whitespace(values)), form="NFKD")
    text = pc.replace_substring_regex(text, r"\pM+", "")
    for letter, plain in _LETTERS.items():
        text = pc.replace_substring(text, letter, plain)
    text = pc.replace_substring_regex(text, r"[’‘`´ʼ]", "'")
    return pc.replace_substring_regex(text, r"\s+", " ")


def _bare(surname: Any) -> Any:
    """A surname without tussenvoegsels; where nothing would be left ('Van'), as it is."""
    trimmed = pc.utf8_trim_whitespace(surname)
    without = pc.replace_substring_regex(pc.replace_substring_regex(trimmed, _TRAILING, ""), _LEADING, "")
    return pc.coalesce(_letters(without), _letters(trimmed))


def _letters(text: Any) -> Any:
    """Letters only, *ij* as *y*; null when none is left."""
    kept = pc.replace_substring(pc.replace_substring_regex(text, r"[^\pL]+", ""), "ij", "y")
    return pc.if_else(pc.equal(kept, ""), pa.scalar(None, pa.string()), kept)


def sound_of(name: Any) -> Any:
    """The first consonants as they sound, vowels as one: a key to find spellings by, not evidence."""
    text = name
    for spelt, heard in _SOUNDS:
        text = pc.replace_substring_regex(text, spelt, heard)
    for letter in _DOUBLED:
        text = pc.replace_substring_regex(text, f"{letter}{letter}+", letter)
    return pc.utf8_slice_codeunits(text, 0, _SOUND_LENGTH)
