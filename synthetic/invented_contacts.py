"""Invented licence plates, bank accounts, phone numbers, e-mail addresses and foreign numbers that pass their checks.

No bank has the code SYNT and no host lies under ``.invalid`` (RFC 2606). Plates and phone numbers have no reserve:
plates take any letters without S, numbers stand in the range 091, which is hardly given out.
"""

from __future__ import annotations

import numpy as np

from synthetic.calendar_days import Texts, civil, digits, glue
from synthetic.randomness import Ints

_LETTERS = np.frombuffer(b"BDFGHJKLNPRTVXZ", dtype="S1")
_PAIRS = len(_LETTERS) ** 2
PLATES = 3 * 100 * _PAIRS**2
_SYNT = 28_34_23_29  # the letters of the bank code as ISO 7064 reads them: A is 10
_NL00 = 23_21_00


def licence_plates(ordinals: Ints) -> Texts:
    """Plates of sidecodes 4, 5 and 6 by ordinal 0 … ``PLATES`` − 1, with hyphens."""
    code, rest = np.divmod(ordinals % PLATES, 100 * _PAIRS**2)
    pairs, number = np.divmod(rest, 100)
    first, second = (_pair(part) for part in np.divmod(pairs, _PAIRS))
    figures = digits(number, 2)
    orders = (
        glue(first, b"-", figures, b"-", second),
        glue(first, b"-", second, b"-", figures),
        glue(figures, b"-", first, b"-", second),
    )
    return np.choose(code, orders)


def _pair(number: Ints) -> Texts:
    return glue(_LETTERS[number // len(_LETTERS)], _LETTERS[number % len(_LETTERS)])


def ibans(ordinals: Ints) -> Texts:
    """Accounts at the invented bank SYNT; check digits by ISO 7064 MOD 97-10."""
    accounts = (ordinals * 7_919 + 1) % 10**10
    rest = (_SYNT % 97 * (10**10 % 97) + accounts % 97) % 97
    rest = (rest * (10**6 % 97) + _NL00) % 97
    return glue(b"NL", digits(98 - rest, 2), b"SYNT", digits(accounts, 10))


def phones(ordinals: Ints) -> Texts:
    """Numbers 091 and seven figures."""
    return glue(b"091", digits((ordinals * 7_919 + 1_234_567) % 10**7, 7))


def emails(ordinals: Ints) -> Texts:
    """Addresses by ordinal."""
    return glue(b"p", digits(ordinals, 9), b"@bewoners.invalid")


def belgian_numbers(birth: Ints, ordinals: Ints) -> Texts:
    """National numbers by birth day (days since 1970) and a counter: ``BE 85.07.30-033.28``."""
    year, month, of_month = civil(birth)
    first = (year % 100 * 100 + month) * 100 + of_month
    counter = ordinals % 997 + 1
    whole = first * 1000 + counter
    check = 97 - np.where(year >= 2000, whole + 2 * 10**9, whole) % 97
    parts = [glue(digits(part, 2), b".") for part in (year % 100, month)]
    return glue(b"BE ", *parts, digits(of_month, 2), b"-", digits(counter, 3), b".", digits(check, 2))
