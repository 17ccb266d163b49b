"""Licence plates inside text, which only their form gives away.

They have no check. So they count when they are parted by hyphens as the law writes them, or stand in a text that speaks
of a vehicle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifiers import Bools

_SIDECODES = (
    *("LL-DD-DD", "DD-DD-LL", "DD-LL-DD", "LL-DD-LL", "LL-LL-DD", "DD-LL-LL", "DD-LLL-D"),
    *("D-LLL-DD", "LL-DDD-L", "L-DDD-LL", "LLL-DD-L", "D-LL-DDD", "DDD-LL-D", "L-DD-LLL", "LL-DD-DDD"),
)
"""Groups of letters and figures on Dutch plates since 1951 (RDW, *sidecodes* 1–14, and trade plates)."""
_LETTER = "[B-DF-HJ-NP-TV-Z]"
"""Plates hold consonants only, but for the first series and some trailers."""
_VEHICLE = (
    r"(?i)kente[ek]*en|nummerplaat|voertuig|\bauto|wagen\b|bestelbus|\bbus(?:je)?\b|\bmotor|scooter|brommer|caravan|"
    r"aanhang|vrachtwagen|\btaxi|geparkeerd"
)


def _plate(separator: str) -> str:
    forms = [
        code.replace("-", separator).replace("D", "[0-9]").replace("L", _LETTER)
        for code in _SIDECODES
        # without hyphens this one is a postcode, and a postcode alone singles out nobody
        if separator == "-" or code != "DD-DD-LL"
    ]
    return rf"(?i)\b(?:{'|'.join(forms)})\b"


def _first_series(separator: str) -> str:
    letters, pair = "[A-Z]{2}", "[0-9]{2}"
    forms = ((letters, pair, pair), (pair, pair, letters), (pair, letters, pair))
    return "|".join(separator.join(form) for form in forms)


_PARTED, _TOGETHER = _plate("-"), _plate("[ .-]?")
_NAMED = (
    r"(?i:kente[ek]*en|nummerplaat)[a-z]{0,8}[^0-9A-Za-z]{0,3}(?:(?:nr|is|was)\b[^0-9A-Za-z]{0,3})?"
    rf"\b(?:(?i:{_first_series('[.-]?')})|{_first_series(' ')})\b"
)
"""The first series had vowels too, which make words: right after the word for a plate only."""


def rows_with_plate(texts: Any) -> Bools:
    """Texts of a string array without nulls that hold a licence plate."""
    parted = _matches(texts, _PARTED)
    rows = np.flatnonzero(_matches(texts, _VEHICLE))
    driving = texts.take(pa.array(rows))
    hits: Bools = parted
    hits[rows] |= _matches(driving, _TOGETHER) | _matches(driving, _NAMED)
    return hits


def _matches(texts: Any, pattern: str) -> Bools:
    hits: Bools = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return hits.copy()
