"""Defects planted in single records of deliveries, each with its row in the ledger.

A record has at most one cell defect. *Syntactic* defects break a rule that can be checked in the file; *semantic* ones
are well-formed and wrong, and show only against other records or a register.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from synthetic.randomness import Bools, uniforms

RATES = {
    "bsn_typo": 0.005,
    "bsn_eleven_test": 0.003,
    "bsn_missing": 0.02,
    "day_month_swapped": 0.003,
    "postcode_variant": 0.03,
    "diacritics_broken": 0.005,
    "municipality_outdated": 0.01,
    "leading_zero_lost": 0.005,
}
DUPLICATE_RATE = 0.01
NEAR_DUPLICATE_RATE = 0.005
SEMANTIC = frozenset({"bsn_typo", "near_duplicate", "day_month_swapped", "municipality_outdated", "wrong_period"})
_BSN = ("occupant_bsn", "bsn", "owner_bsn", "buyer_bsn")
_MAY_BE_EMPTY = ("occupant_bsn",)
_BIRTH = ("occupant_birth_date", "birth_date", "buyer_birth_date")
NAME_COLUMNS = ("occupant_name", "surname", "owner_name", "buyer_name")
_KVK = ("owner_kvk", "buyer_kvk")


@dataclass(slots=True)
class Ledger:
    """What was planted: file, 1-based record number (None for the whole file), column, kind."""

    file: list[str] = field(default_factory=list)
    row: list[int | None] = field(default_factory=list)
    column: list[str] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)

    def whole_file(self, file: str, column: str, kind: str) -> None:
        """Note a defect of a file as such."""
        self.rows(file, [None], column, kind)

    def forget(self, file: str, column: str) -> None:
        """Drop the records' defects in a column that the file has lost."""
        keep = [not (f == file and c == column) for f, c in zip(self.file, self.column, strict=True)]
        for name in ("file", "row", "column", "kind"):
            values = getattr(self, name)
            setattr(self, name, [value for value, kept in zip(values, keep, strict=True) if kept])

    def rows(self, file: str, rows: list[int] | list[None], column: str, kind: str) -> None:
        """Note a defect in records."""
        self.file += [file] * len(rows)
        self.row += rows
        self.column += [column] * len(rows)
        self.kind += [kind] * len(rows)


def plant(
    frame: pd.DataFrame, *, seed: int, stream: str, first_id: int, file: str, before: int, ledger: Ledger
) -> pd.DataFrame:
    """The frame with record defects; ``before`` records stand before it in the file.

    Duplicates and near-duplicates are appended at the end, so every other record keeps its number.
    """
    frame = frame.copy()
    count = len(frame)
    taken = np.zeros(count, dtype=np.bool_)
    for kind, rate in RATES.items():
        column = _column(frame, kind)
        if column is None:
            continue
        values = frame[column].to_numpy(dtype=object, copy=True)
        able = _eligible(kind, values) & ~taken
        u = uniforms(seed, f"defect/{stream}/{kind}", first_id, count)[:, 0]
        rows = np.flatnonzero(able & (u < _chance(rate, able)))
        values[rows] = [_SPOIL[kind](value) for value in values[rows].tolist()]
        frame[column] = values
        taken[rows] = True
        ledger.rows(file, (rows + 1 + before).tolist(), column, kind)
    return _with_duplicates(
        frame, taken, seed=seed, stream=stream, first_id=first_id, file=file, before=before, ledger=ledger
    )


def _with_duplicates(
    frame: pd.DataFrame, taken: Bools, *, seed: int, stream: str, first_id: int, file: str, before: int, ledger: Ledger
) -> pd.DataFrame:
    u = uniforms(seed, f"defect/{stream}/duplicate", first_id, len(frame))[:, 0]
    free = ~taken
    exact = np.flatnonzero(free & (u < DUPLICATE_RATE))
    near = np.flatnonzero(free & (u >= DUPLICATE_RATE) & (u < DUPLICATE_RATE + NEAR_DUPLICATE_RATE))
    name = next(column for column in NAME_COLUMNS if column in frame.columns)
    altered = frame.iloc[near].copy()
    altered[name] = np.array([_misspelt(value) for value in altered[name].tolist()], dtype=object)
    first = before + len(frame) + 1
    ledger.rows(file, list(range(first, first + len(exact))), "", "duplicate")
    ledger.rows(file, list(range(first + len(exact), first + len(exact) + len(near))), name, "near_duplicate")
    return pd.concat([frame, frame.iloc[exact], altered], ignore_index=True)


def _column(frame: pd.DataFrame, kind: str) -> str | None:
    wanted = {
        "bsn_typo": _BSN,
        "bsn_eleven_test": _BSN,
        "bsn_missing": tuple(column for column in _BSN if column not in _MAY_BE_EMPTY),
        "day_month_swapped": _BIRTH,
        "postcode_variant": ("postcode",),
        "diacritics_broken": NAME_COLUMNS,
        "municipality_outdated": ("bag_id",),
        "leading_zero_lost": _KVK,
    }[kind]
    return next((column for column in wanted if column in frame.columns), None)


def _chance(rate: float, able: Bools) -> float:
    """Where only some records can have the defect, those have it more often, so that the rate holds over all."""
    share = float(able.mean()) if len(able) else 0.0
    return min(0.5, rate / share) if share else 0.0


def _eligible(kind: str, values: np.ndarray[tuple[int], np.dtype[np.object_]]) -> Bools:
    return np.fromiter((_ABLE[kind](value) for value in values.tolist()), dtype=np.bool_, count=len(values))


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


def _misspelt(value: str) -> str:
    """One letter doubled in the middle."""
    middle = len(value) // 2
    return value[:middle] + value[middle : middle + 1] + value[middle:]


_ABLE: dict[str, Callable[[str], bool]] = {
    "bsn_typo": lambda value: bool(value) and _typo_step(value) != 0,
    "bsn_eleven_test": bool,
    "bsn_missing": bool,
    "day_month_swapped": _swappable,
    "postcode_variant": bool,
    "diacritics_broken": lambda value: not value.isascii(),
    "municipality_outdated": bool,
    "leading_zero_lost": lambda value: value.startswith("0"),
}
_SPOIL: dict[str, Callable[[str], object]] = {
    "bsn_typo": _typo,
    "bsn_eleven_test": lambda value: f"{value[:8]}{(int(value[8]) + 1) % 10}",
    "bsn_missing": lambda _: "",
    "day_month_swapped": _swapped,
    "postcode_variant": _postcode_variant,
    # UTF-8 read as cp1252 somewhere on the way
    "diacritics_broken": lambda value: value.encode().decode("cp1252"),
    "municipality_outdated": lambda value: f"8{value[1:]}",
    "leading_zero_lost": lambda value: value[1:],
}
