"""Numbers by which other countries know a person: ``BE 85.07.30-033.28``, the country's code first.

Belgium, Germany and Poland, where most foreign owners and workers come from, are checked by whole columns; the other
countries that python-stdnum has a rule for by that rule, once for each different number; the rest by form alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.identifier_forms import Bools, Bytes, Checked, fixed_width, mask, matches, null_unless, reasons

_PARTS = r"^(?P<country>[A-Z]{2})[:;/ .-]*(?P<number>[A-Z0-9]{4,20})$"
_V_FIGURES = 10
_V_NUMBER = rf"^V[\s\x{{A0}}.-]*(?:NUMMER|NR)?[\s\x{{A0}}.:;/-]*(?P<number>[0-9]{{{_V_FIGURES}}})$"
"""A number of the register of foreigners; it has no check that is published."""
_COUNTRIES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA "
    "RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO "
    "TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW EL UK XK"
)
"""ISO 3166-1 without the Netherlands, and what Greece, the United Kingdom and Kosovo are called as well."""
_OF_STDNUM = {
    **{"AT": "vnr tin", "BG": "egn pnf", "BR": "cpf", "CH": "ssn", "CN": "ric", "CZ": "rc", "DK": "cpr", "EE": "ik"},
    **{"EL": "amka vat", "ES": "dni nie", "FI": "hetu", "FR": "nir nif", "GR": "amka vat", "HR": "oib", "ID": "nik"},
    **{"IE": "pps", "IL": "idnr", "IN": "aadhaar pan", "IS": "kennitala", "IT": "codicefiscale", "KR": "rrn"},
    **{"LT": "asmens", "LV": "pvn", "NO": "fodselsnummer", "PK": "cnic", "PT": "cc nif", "RO": "cnp"},
    **{"SE": "personnummer", "SI": "emso ddv", "SK": "rc", "TH": "pin", "TR": "tckimlik", "UA": "rntrc"},
    **{"US": "ssn itin", "ZA": "idnr"},
}
"""Country → modules of python-stdnum for its persons' numbers; one that passes is enough. Two of them (Denmark,
Norway) look at the clock, for who is not born yet."""
_FOLDERS = {"EL": "gr", "IN": "in_", "IS": "is_"}
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_PESEL_WEIGHTS = np.array([1, 3, 7, 9, 1, 3, 7, 9, 1, 3])
_PESEL_CENTURIES = np.array([1900, 2000, 2100, 2200, 1800])
_FIGURES = 11
_BELGIAN_PIVOT = 50
"""Two figures of a birth year below this may be of the 21st century; no clock is read to know better."""


def check_foreign(values: Any) -> Checked:
    """Canonical ``BE:85073003328``, or ``V:1234567890`` for a *V-nummer* (written with its V, or *V-nr*, and ten
    figures). Malformed: no country's code (ISO 3166) and number, or the Netherlands'. Failed: the rule of the country,
    where it is known here; a *V-nummer* of zeros."""
    upper = pc.ascii_upper(pc.utf8_trim_whitespace(pc.fill_null(values, "")))
    country = pc.utf8_slice_codeunits(upper, 0, 2)
    rest = pc.replace_substring_regex(pc.utf8_slice_codeunits(upper, 2), r"[\s\x{A0}.,:;/-]", "")
    joined = pc.binary_join_element_wise(country, rest, "")
    known = mask(pc.is_in(country, pa.array(_COUNTRIES.split())))
    formed = matches(joined, _PARTS) & matches(rest, "[0-9]") & known
    passed = np.ones(len(upper), dtype=np.bool_)
    for code in pc.unique(country.filter(pa.array(formed))).to_pylist():
        rows = np.flatnonzero(formed & mask(pc.equal(country, code)))
        passed[rows] = passes_rule(code, rest.take(pa.array(rows)))
    of_register = pc.struct_field(pc.extract_regex(upper, _V_NUMBER), "number")
    found = mask(pc.is_valid(of_register))
    passed &= ~found | mask(pc.fill_null(pc.not_equal(of_register, "0" * _V_FIGURES), True))
    reason = reasons(values, formed | found, passed)
    written = pc.if_else(
        pa.array(found),
        pc.binary_join_element_wise("V", of_register, ":"),
        pc.binary_join_element_wise(country, rest, ":"),
    )
    return Checked(null_unless(written, reason == 0), pa.array(reason))


def passes_rule(country: str, numbers: Any) -> Bools:
    """Which numbers (a string array of capitals and figures) pass the country's rule; all, where none is known."""
    if country in _RULES:
        return _eleven_figures(numbers, _RULES[country])
    if country not in _OF_STDNUM:
        return np.ones(len(numbers), dtype=np.bool_)
    distinct = pc.dictionary_encode(numbers)
    passed = np.array([_passes_stdnum(country, number) for number in distinct.dictionary.to_pylist()], dtype=np.bool_)
    good: Bools = passed[distinct.indices.to_numpy(zero_copy_only=False)]
    return good


def _passes_stdnum(country: str, number: str) -> bool:
    if country == "FI" and len(number) == 10:  # the hyphen says which century, and was taken out
        number = f"{number[:6]}-{number[6:]}"
    return any(is_valid(number) for is_valid in _stdnum(country))


@cache
def _stdnum(country: str) -> Sequence[Callable[[str], bool]]:
    folder = _FOLDERS.get(country, country.lower())
    return [importlib.import_module(f"stdnum.{folder}.{name}").is_valid for name in _OF_STDNUM[country].split()]


def _eleven_figures(numbers: Any, rule: Callable[[Bytes], Bools]) -> Bools:
    passed = np.zeros(len(numbers), dtype=np.bool_)
    rows = np.flatnonzero(matches(numbers, rf"^[0-9]{{{_FIGURES}}}$"))
    if rows.size:
        passed[rows] = rule(fixed_width(numbers.take(pa.array(rows)), _FIGURES)[1] - np.uint8(48))
    return passed


def _number(figures: Bytes, start: int, stop: int) -> NDArray[np.int64]:
    powers = 10 ** np.arange(stop - start - 1, -1, -1, dtype=np.int64)
    found: NDArray[np.int64] = figures[:, start:stop].astype(np.int64) @ powers
    return found


def _belgian(figures: Bytes) -> Bools:
    """National number: 97 minus the first nine figures modulo 97, a 2 before them for who was born from 2000 on; the
    month is 0 (not known) to 12 (Koninklijk Besluit of 3 April 1984), 20 or 40 more in the *bis* number of who works
    in Belgium and lives elsewhere (Koninklijk Besluit of 8 February 1991)."""
    first, last = _number(figures, 0, 9), _number(figures, 9, 11)
    young = _number(figures, 0, 2) < _BELGIAN_PIVOT
    checked = (97 - first % 97 == last) | young & (97 - (first + 2 * 10**9) % 97 == last)
    month = _number(figures, 2, 4)
    good: Bools = checked & (month < 60) & (month % 20 <= 12) & figures.any(axis=1)
    return good


def _german(figures: Bytes) -> Bools:
    """Tax identification number: ISO 7064 MOD 11,10; no leading 0; of the first ten figures exactly one comes twice or
    three times (§ 139b Abgabenordnung, Steueridentifikationsnummerverordnung)."""
    counts = np.stack([(figures[:, :10] == digit).sum(axis=1) for digit in range(10)], axis=1)
    repeated = counts > 1
    shaped = (repeated.sum(axis=1) == 1) & (counts.max(axis=1) <= 3) & (figures[:, 0] != 0)
    product = np.full(len(figures), 10, dtype=np.int64)
    for column in figures[:, :10].T:
        total = (product + column) % 10
        product = np.where(total == 0, 10, total) * 2 % 11
    good: Bools = shaped & ((11 - product) % 10 == figures[:, 10])
    return good


def _polish(figures: Bytes) -> Bools:
    """PESEL: weights 1, 3, 7, 9; the month tells the century, and the date exists."""
    total = figures[:, :10].astype(np.int64) @ _PESEL_WEIGHTS
    written = _number(figures, 2, 4)
    year = _PESEL_CENTURIES[written // 20] + _number(figures, 0, 2)
    month, day = written % 20, _number(figures, 4, 6)
    known = (month >= 1) & (month <= 12)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = _MONTH_DAYS[np.where(known, month, 0)] + (leap & (month == 2))
    good: Bools = known & (day >= 1) & (day <= days) & ((total + figures[:, 10]) % 10 == 0)
    return good


_RULES: dict[str, Callable[[Bytes], Bools]] = {"BE": _belgian, "DE": _german, "PL": _polish}
