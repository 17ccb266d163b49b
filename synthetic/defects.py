"""Defects planted in single records of deliveries, each with its row in the ledger.

A record has at most one cell defect. *Syntactic* defects break a rule that can be checked in the file; *semantic* ones
are well-formed and wrong, and show only against other records or a register.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from synthetic.randomness import Bools, uniforms
from synthetic.value_defects import FIRST_KINDS, NAME_COLUMNS, ValueDefect

DUPLICATE_RATE = 0.01
NEAR_DUPLICATE_RATE = 0.005
SEMANTIC = frozenset({"bsn_typo", "near_duplicate", "day_month_swapped", "municipality_outdated", "wrong_period"})


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
    frame: pd.DataFrame,
    *,
    seed: int,
    stream: str,
    first_id: int,
    file: str,
    before: int,
    ledger: Ledger,
    kinds: Mapping[str, ValueDefect] = FIRST_KINDS,
) -> pd.DataFrame:
    """The frame with record defects; ``before`` records stand before it in the file.

    Duplicates and near-duplicates are appended at the end, so every other record keeps its number.
    """
    frame = frame.copy()
    count = len(frame)
    taken = np.zeros(count, dtype=np.bool_)
    for kind, defect in kinds.items():
        column = next((name for name in defect.columns if name in frame.columns), None)
        if column is None:
            continue
        values = frame[column].to_numpy(dtype=object, copy=True)
        able = _eligible(defect, values) & ~taken
        u = uniforms(seed, f"defect/{stream}/{kind}", first_id, count)[:, 0]
        rows = np.flatnonzero(able & (u < _chance(defect.rate, able)))
        values[rows] = [defect.spoil(value) for value in values[rows].tolist()]
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
    name = next((column for column in NAME_COLUMNS if column in frame.columns), "")
    near = np.flatnonzero(free & (u >= DUPLICATE_RATE) & (u < DUPLICATE_RATE + NEAR_DUPLICATE_RATE) & (name != ""))
    altered = frame.iloc[near].copy()
    if name:
        altered[name] = np.array([_misspelt(value) for value in altered[name].tolist()], dtype=object)
    first = before + len(frame) + 1
    ledger.rows(file, list(range(first, first + len(exact))), "", "duplicate")
    ledger.rows(file, list(range(first + len(exact), first + len(exact) + len(near))), name, "near_duplicate")
    return pd.concat([frame, frame.iloc[exact], altered], ignore_index=True)


def _chance(rate: float, able: Bools) -> float:
    """Where only some records can have the defect, those have it more often, so that the rate holds over all."""
    share = float(able.mean()) if len(able) else 0.0
    return min(0.5, rate / share) if share else 0.0


def _eligible(defect: ValueDefect, values: np.ndarray[tuple[int], np.dtype[np.object_]]) -> Bools:
    return np.fromiter((defect.able(value) for value in values.tolist()), dtype=np.bool_, count=len(values))


def _misspelt(value: str) -> str:
    """One letter doubled in the middle."""
    middle = len(value) // 2
    return value[:middle] + value[middle : middle + 1] + value[middle:]
