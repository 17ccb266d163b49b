"""How single values are spoiled, by kind of defect: which columns and values can have it, and what becomes of them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass

BSN_COLUMNS = ("occupant_bsn", "bsn", "owner_bsn", "buyer_bsn", "applicant_bsn", "holder_bsn", "party_bsn")
_MAY_BE_EMPTY = ("occupant_bsn", "applicant_bsn")
NAME_COLUMNS = ("occupant_name", "surname", "owner_name", "buyer_name", "applicant_name", "trade_name", "name")
_BIRTHS = ("occupant_birth_date", "birth_date", "buyer_birth_date", "holder_birth_date")
_DAYS = ("clearance_date", "deed_date", "granted_on", "first_admission", "transaction_date")
_IBANS = ("iban", "party_iban")


@dataclass(frozen=True, slots=True)
class ValueDefect:
    """A kind of defect: its rate, columns in order of preference, which values can have it, and the spoiled value.

    ``costs`` says whether a record with it is set aside when it is received; a variant is read, and noted.
    """

    rate: float
    columns: tuple[str, ...]
    able: Callable[[str], bool]
    spoil: Callable[[str], object]
    costs: bool = True


def _typo_step(value: str) -> int:
    """+1 or −1 for the eighth digit (and twice that for the ninth) keeps the eleven-test; 0 when neither fits."""
    eighth, ninth = int(value[7]), int(value[8])
    if eighth < 9 and ninth <= 7:
        return 1
    return -1 if eighth > 0 and ninth >= 2 else 0


def _typo(value: str) -> str:
    step = _typo_step(value)
    return f"{value[:7]}{int(value[7]) + step}{int(value[8]) + 2 * step}"


def _swappable(value: object) -> bool:
    if isinstance(value, datetime.date):
        return value.day <= 12 and value.day != value.month
    text = str(value)
    return bool(text) and int(text[:2]) <= 12 and text[:2] != text[3:5]


def _swapped(value: object) -> object:
    if isinstance(value, datetime.date):
        return value.replace(day=value.month, month=value.day)
    text = str(value)
    return f"{text[3:5]}-{text[:2]}{text[5:]}"


def _postcode_variant(value: str) -> str:
    forms = (f"{value[:4]} {value[4:]}", value.lower(), f"{value[:4]} {value[4:].lower()}", f" {value}")
    return forms[int(value[3]) % len(forms)]


def _next_digit(value: str) -> str:
    return f"{value[:-1]}{(int(value[-1]) + 1) % 10}"


def _impossible(value: str) -> str:
    return f"{value[:4]}-02-31" if value[4] == "-" else f"31-02{value[5:]}"


# the order is the order in which they are planted: a record has one of them
FIRST_KINDS = {
    "bsn_typo": ValueDefect(
        0.005, BSN_COLUMNS, lambda value: bool(value) and _typo_step(value) != 0, _typo, costs=False
    ),
    "bsn_eleven_test": ValueDefect(0.003, BSN_COLUMNS, bool, _next_digit),
    "bsn_missing": ValueDefect(
        0.02, tuple(name for name in BSN_COLUMNS if name not in _MAY_BE_EMPTY), bool, lambda _: ""
    ),
    "day_month_swapped": ValueDefect(0.003, _BIRTHS, _swappable, _swapped, costs=False),
    "postcode_variant": ValueDefect(0.03, ("postcode",), bool, _postcode_variant, costs=False),
    # UTF-8 read as cp1252 somewhere on the way
    "diacritics_broken": ValueDefect(
        0.005,
        NAME_COLUMNS,
        lambda value: not value.isascii(),
        lambda value: value.encode().decode("cp1252"),
        costs=False,
    ),
    "municipality_outdated": ValueDefect(0.01, ("bag_id",), bool, lambda value: f"8{value[1:]}", costs=False),
    "leading_zero_lost": ValueDefect(
        0.005, ("owner_kvk", "buyer_kvk"), lambda value: value.startswith("0"), lambda value: value[1:]
    ),
}
"""The defects of every dirty country; rates are shares of records (domain.md, section 4)."""

MORE_KINDS = {
    "iban_check": ValueDefect(0.004, _IBANS, bool, _next_digit),
    "iban_variant": ValueDefect(
        0.03, _IBANS, bool, lambda value: " ".join(re.findall(".{1,4}", value)).lower(), costs=False
    ),
    "plate_malformed": ValueDefect(0.003, ("licence_plate",), bool, lambda value: value[:-1]),
    "plate_variant": ValueDefect(
        0.03, ("licence_plate",), bool, lambda value: value.replace("-", "").lower(), costs=False
    ),
    "phone_malformed": ValueDefect(0.004, ("phone",), bool, lambda value: value[:7]),
    "phone_variant": ValueDefect(0.03, ("phone",), bool, lambda value: f"+31 (0){value[1:3]} {value[3:]}", costs=False),
    "email_malformed": ValueDefect(0.004, ("email",), bool, lambda value: value.replace("@", "")),
    "foreign_check": ValueDefect(0.004, ("applicant_foreign", "party_foreign"), bool, _next_digit),
    "establishment_zeros": ValueDefect(0.003, ("establishment",), bool, lambda value: value.lstrip("0")),
    "test_id": ValueDefect(0.001, BSN_COLUMNS, bool, lambda _: "123456782"),
    "unknown_id": ValueDefect(0.002, BSN_COLUMNS, bool, lambda _: "onbekend"),
    "date_impossible": ValueDefect(0.002, _DAYS, bool, _impossible),
    "number_text": ValueDefect(0.002, ("damage_eur", "price_eur", "amount_eur"), bool, lambda _: "ca. 500"),
    "code_unknown": ValueDefect(0.002, ("deed_type", "decision", "norm", "legal_form", "fuel"), bool, lambda _: "X9"),
}
"""What the full programme plants beside them."""
ALL_KINDS = {**FIRST_KINDS, **MORE_KINDS}


def costs(kind: str, column: str) -> bool:
    """Whether a record with this defect is set aside; a BSN without its leading zero is repaired."""
    if kind == "leading_zero_lost":
        return column != "bsn"
    return kind in ("duplicate", "near_duplicate") or (kind in ALL_KINDS and ALL_KINDS[kind].costs)
