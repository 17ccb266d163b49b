"""Bank account numbers: IBAN (ISO 13616), by the country's own structure and the remainder modulo 97 (ISO 7064)."""

from __future__ import annotations

import functools
import itertools
import re
import string
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifier_forms import (
    Bools,
    Bytes,
    Checked,
    byte_view,
    completed,
    fixed_width,
    matches,
    null_unless,
    reasons,
)

LONGEST_IBAN = 34
_DUTCH_WIDTH = 18
_WRITTEN = r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"
_CLASSES = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}


@functools.cache
def iban_structures() -> dict[str, tuple[int, str]]:
    """Country → total length, and a regular expression of the whole number; from python-stdnum's registry."""
    from stdnum import numdb

    registry = numdb.get("iban")
    found: dict[str, tuple[int, str]] = {}
    for country in map("".join, itertools.product(string.ascii_uppercase, repeat=2)):
        structure = registry.info(country)[0][1].get("bban", "")
        parts = re.findall(r"([0-9]+)!([nac])", structure)
        if parts:
            body = "".join(f"{_CLASSES[kind]}{{{width}}}" for width, kind in parts)
            found[country] = (4 + sum(int(width) for width, _ in parts), f"^{country}[0-9]{{2}}{body}$")
    return found


def check_ibans(values: Any) -> Checked:
    """Canonical: capitals without spaces. Malformed: no country's structure. Failed: the remainder is not 1."""
    rows, written = fixed_width(values, _DUTCH_WIDTH)
    good = np.zeros(len(values), dtype=np.bool_)
    good[rows] = _dutch(written)
    return completed(values, good, values, _any_ibans)


def _dutch(written: Bytes) -> Bools:
    """Numbers of the Netherlands, canonical as they stand: NL, two figures, four capitals, ten figures."""
    good = (written[:, 0] == ord("N")) & (written[:, 1] == ord("L"))
    for place in (2, 3, *range(8, _DUTCH_WIDTH)):
        good &= written[:, place] - np.uint8(48) <= 9
    for place in range(4, 8):
        good &= written[:, place] - np.uint8(65) <= 25
    rest = np.zeros(len(written), dtype=np.int64)
    for place in range(4, 8):
        rest = rest * 100 + (written[:, place].astype(np.int64) - 55)
    rest %= 97
    account = np.zeros(len(written), dtype=np.int64)
    for place in range(8, _DUTCH_WIDTH):
        account = account * 10 + (written[:, place].astype(np.int64) - 48)
    check = (written[:, 2].astype(np.int64) - 48) * 10 + written[:, 3] - 48
    rest = (rest * (10**10 % 97) + account % 97) * (10**6 % 97) + 23_21_00 + check
    remains: Bools = good & (rest % 97 == 1)
    return remains


def _any_ibans(values: Any) -> Checked:
    plain = pc.replace_substring_regex(pc.ascii_upper(pc.fill_null(values, "")), r"[\s\x{A0}.-]", "")
    written = matches(plain, _WRITTEN)
    formed = np.zeros(len(plain), dtype=np.bool_)
    passed = np.zeros(len(plain), dtype=np.bool_)
    rows = np.flatnonzero(written)
    if rows.size:
        candidates = plain.take(pa.array(rows))
        formed[rows] = _of_its_country(candidates)
        passed[rows] = passes_mod_97(candidates)
    reason = reasons(values, formed, passed)
    return Checked(null_unless(plain, reason == 0), pa.array(reason))


def _of_its_country(candidates: Any) -> Bools:
    structures = iban_structures()
    country = pc.utf8_slice_codeunits(candidates, 0, 2)
    formed = np.zeros(len(candidates), dtype=np.bool_)
    for code in pc.unique(country).to_pylist():
        if code in structures:
            rows = np.flatnonzero(pc.equal(country, code).to_numpy(zero_copy_only=False))
            formed[rows] = matches(candidates.take(pa.array(rows)), structures[code][1])
    return formed


def passes_mod_97(candidates: Any) -> Bools:
    """Whether numbers of capitals and figures (at least four) of a known country leave remainder 1: their country's
    length is read, first four characters moved to the end; longer ones are cut to it."""
    structures = iban_structures()
    known = pc.index_in(pc.utf8_slice_codeunits(candidates, 0, 2), pa.array(list(structures)))
    length = np.array([*(length for length, _ in structures.values()), LONGEST_IBAN + 1])[
        pc.fill_null(known, len(structures)).to_numpy(zero_copy_only=False)
    ]
    padded = pc.utf8_slice_codeunits(pc.utf8_rpad(candidates, LONGEST_IBAN, "0"), 0, LONGEST_IBAN)
    symbols = byte_view(padded)[2][: len(candidates) * LONGEST_IBAN].reshape(-1, LONGEST_IBAN).astype(np.int64)
    values = np.where(symbols <= 57, symbols - 48, symbols - 55)
    rest = np.zeros(len(candidates), dtype=np.int64)
    for place in (*range(4, LONGEST_IBAN), 0, 1, 2, 3):
        value = values[:, place]
        stepped = (rest * np.where(value > 9, 100, 10) + value) % 97
        rest = np.where((place < length) | (place < 4), stepped, rest)
    long_enough = pc.binary_length(candidates).to_numpy(zero_copy_only=False) >= length
    passed: Bools = long_enough & (rest == 1)
    return passed
