"""House numbers with their additions, as people write them → number and addition in the form of the BAG.

The one routine for it: the check of deliveries, keyed hashes and linkage all read house numbers here. The BAG has a
number (1–99999), a *huisletter* (one letter) and a *huisnummertoevoeging* (up to four letters and figures; Catalogus
BAG 2018, § 7). Suppliers write both in one column, and so does the canonical addition: letter and *toevoeging*.

Two addresses under one text are worse than one address under two. So these stay apart: ``H`` (a letter) and ``HS``
(*huis*), ``I`` (a letter) and ``1``, ``2`` and ``02``, ``BIS A`` (behind the *bis*) and ``A BIS`` (above the A),
``PT`` (*parterre*), ``BEL`` and ``HS``. *II*, *2 hoog*, *2-hg* and *2e verdieping* are ``2``, as the BAG writes
floors. ``12 - 14`` has the addition 14, as 12-14 has: a range and a *toevoeging* look alike. ``12 t/m 14`` are several
addresses, and so none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.identifier_forms import Bools, Reason, as_strings, mask, matches

_PARTED = "\x1f"
_MARKS = r"[\s\x{A0}\x1f./,'’\"#_()\[\]:;|–—-]+"
_FLOOR = r" ?(?:E|DE|STE)? ?(?:HOOG|HG|VERDIEPING|VERD|ETAGE|ET)\b"
_FLOORS = (
    ("1", "1|I|EEN|EERST"),
    ("2", "2|II|TWEE"),
    ("3", "3|III|DRIE|DER"),
    ("4", "4|IV|VIER"),
    ("5", "5|V|VIJF"),
    ("6", "6|VI|ZES"),
)
_WORDS = (
    *((rf"\b(?:{written}){_FLOOR}", figure) for figure, written in _FLOORS),
    *((rf"\b{roman}\b", figure) for roman, figure in (("II", "2"), ("III", "3"), ("IV", "4"))),
    (r"\b(\d+) ?(?:E|DE|STE)? ?(?:HOOG|HG|VERDIEPING|ETAGE)\b", r"\1"),
    (r"\bBEL ?ETAGE\b", "BEL"),
    (r"\b(?:SOUTERR?AIN|SOUT)\b", "SOUS"),
    (r"\b(?:PARTERRE|PART)\b", "PT"),
    (r"\bBEGANE ?GROND\b", "BG"),
    (r"HUIS\b", "HS"),
    (r"\bHOOG\b", "HG"),
    (r"ROOD\b", "RD"),
    (r"ZWART\b", "ZW"),
    (r"\b(?:TEGENOVER|T O)\b", "TO"),
    (r"\bBIJ\b", "BY"),
    (r"\b(?:KAMER|KMR|KAM) ?(?:NUMMER|NR)? ?(\d)", r"K\1"),
    (r"\b(?:APPARTEMENT|APPART|APPT|APP|APT) ?(?:NUMMER|NR)? ?(\d)", r"AP\1"),
    (r"\bWONING ?(?:NUMMER|NR)? ?(\d)", r"WO\1"),
    (r"\bGEDEELTELIJK\b", "GED"),
)
"""How suppliers write an addition, marks being blanks, and how it is written here; in this order."""
_SEVERAL = r"\b(?:T ?M|TOT|EN) ?\d"
_NONE = r"^(?:N ?V ?T|NVT|GEEN|NONE|NULL|NIHIL|LEEG)?$"
_UNKNOWN = r"^(?:ONBEKEND|ONB|NIET BEKEND|UNKNOWN|\?+|\*+)$"
_FORM = r"^[A-Z]?[A-Z0-9]{0,4}$"
_NUMBER = (
    r"^\s*(?:(?P<before>TEGENOVER|T[./]?\s?O\.?|BIJ|BY)\s*)?(?:(?:HUIS\s?)?(?:NUMMER|NR|NO)[.:\s]*|#\s*)?"
    r"0*(?P<number>[1-9][0-9]{0,4})(?P<behind>(?:[^0-9\x1f][^\x1f]*)?)\x1f(?P<own>[^\x1f]*)$"
)
_PARTS = ("before", "behind", "own")


@dataclass(frozen=True, slots=True)
class HouseNumbers:
    """Per row: ``number`` without leading zeros, null where none can be read; ``addition``, empty where there is none
    and null where what is said is no addition of the BAG's form; the :class:`Reason` as int8 for both together."""

    number: Any
    addition: Any
    reason: Any


def house_numbers(number: Any, addition: Any) -> HouseNumbers:
    """Read two string columns; ``number`` may hold the addition too. The same addition in both counts once, different
    ones one after the other. Every different pair is read once."""
    pairs = pc.binary_join_element_wise(*(pc.fill_null(as_strings(part), "") for part in (number, addition)), _PARTED)
    coded = pairs.dictionary_encode()
    read = _read(coded.dictionary)
    return HouseNumbers(*(column.take(coded.indices) for column in (read.number, read.addition, read.reason)))


def _read(pairs: Any) -> HouseNumbers:
    plain = _plain(pairs)
    parts = pc.extract_regex(plain, _NUMBER)
    number = pc.struct_field(parts, "number")
    before, behind, own = (_spaced(pc.fill_null(pc.struct_field(parts, part), "")) for part in _PARTS)
    unknown = matches(behind, _UNKNOWN) | matches(own, _UNKNOWN)
    behind, own = (pc.replace_substring_regex(part, _NONE, "") for part in (behind, own))
    once = pc.if_else(pc.equal(_closed(_words(behind)), _closed(_words(own))), "", own)
    words = _words(_spaced(pc.binary_join_element_wise(behind, once, before, " ")))
    addition = _closed(words)
    fits = matches(addition, _FORM) & ~unknown & ~matches(words, _SEVERAL) & _stands(addition)
    reason = np.where(unknown, Reason.UNKNOWN, np.where(fits, Reason.OK, Reason.MALFORMED))
    reason = np.where(mask(pc.is_valid(number)), reason, _unnumbered(plain)).astype(np.int8)
    read = pa.array(reason == Reason.OK)
    return HouseNumbers(number, pc.if_else(read, addition, pa.scalar(None, pa.string())), pa.array(reason))


def _stands(addition: Any) -> Bools:
    """Which additions read as themselves, now that their parts are run together ('1' and 'HG' were 1HG, which is 1)."""
    said = matches(addition, _UNKNOWN) | matches(addition, _SEVERAL) | matches(addition, _NONE)
    return mask(pc.equal(_closed(_words(addition)), addition)) & (~said | mask(pc.equal(addition, "")))


def _plain(pairs: Any) -> Any:
    """Capitals; full-width figures and odd blanks made plain; a half and raised figures (12², a floor) stand apart;
    what a spreadsheet makes of a number (12.0) is the number."""
    apart = pc.replace_substring_regex(
        pc.replace_substring_regex(pairs, r"½|\s1\s?/\s?2\b", " HALF"), r"(\p{No})", r" \1"
    )
    upper = pc.utf8_upper(pc.utf8_normalize(apart, form="NFKC"))
    for column in (r"^(\s*[0-9]+)[.,]0+(\s*\x1f)", r"(\x1f\s*[0-9]+)[.,]0+(\s*)$"):
        upper = pc.replace_substring_regex(upper, column, r"\1\2")
    return upper


def _unnumbered(plain: Any) -> NDArray[np.int8]:
    """Why there is no number."""
    reason = np.where(
        mask(pc.match_substring_regex(plain, r"^\s*0+[^1-9\x1f]*\x1f")), Reason.ALL_ZERO, Reason.MALFORMED
    )
    return np.where(mask(pc.match_substring_regex(plain, r"^\s*\x1f")), Reason.MISSING, reason).astype(np.int8)


def _spaced(values: Any) -> Any:
    """Marks as single blanks."""
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(values, _MARKS, " "))


def _words(spaced: Any) -> Any:
    """Written as the BAG would."""
    text = spaced
    for written, short in _WORDS:
        text = pc.replace_substring_regex(text, written, short)
    return text


def _closed(words: Any) -> Any:
    """Without blanks, except that two figures are not run into one: 1-2 is not 12."""
    parted = words
    for _ in range(2):  # 1 2 3: matches do not overlap
        parted = pc.replace_substring_regex(parted, r"(\d) +(\d)", r"\1-\2")
    return pc.replace_substring(parted, " ", "")
