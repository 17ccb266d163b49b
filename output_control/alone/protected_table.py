"""The files that show a protected table: for everyone (`table.csv`) and for its owner (`pattern.csv`)."""

from __future__ import annotations

import csv
import io

import numpy as np
import numpy.typing as npt

from output_control.protection import Pattern
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable, FloatArray

# SDMX CL_OBS_STATUS and CL_CONF_STATUS: one pair for every suppressed cell, so that nothing tells which are primary
PUBLISHED = ("A", "F")
SUPPRESSED = ("Q", "C")


def table_csv(table: CellTable, pattern: Pattern) -> bytes:
    """Every cell of the cross product, empty ones as 0, in the order of the classifications."""
    keys = table.keys()
    total = int(np.prod(table.shape, dtype=np.int64))
    value = np.zeros(total)
    value[keys] = table.value
    hidden = np.zeros(total, dtype=np.bool_)
    hidden[keys] = pattern.suppressed
    codes = np.unravel_index(np.arange(total), table.shape)
    columns = _code_columns(table, [np.asarray(code) for code in codes])
    columns["OBS_STATUS"] = np.where(hidden, SUPPRESSED[0], PUBLISHED[0]).tolist()
    columns["CONF_STATUS"] = np.where(hidden, SUPPRESSED[1], PUBLISHED[1]).tolist()
    columns["value"] = np.where(hidden, "", _text(value, integral=table.integral)).tolist()
    return _csv(columns)


def pattern_csv(table: CellTable, primary: PrimaryResult, pattern: Pattern) -> bytes:
    """The suppressed cells with status, reason and value: for the owner only."""
    cells = np.flatnonzero(pattern.suppressed)
    cells = cells[np.argsort(table.keys()[cells])]
    columns = _code_columns(table, [table.codes[cells, position] for position in range(len(table.dims))])
    sensitive = primary.mask[cells]
    columns["status"] = np.where(sensitive, "primary", "secondary").tolist()
    columns["reason"] = np.where(sensitive, primary.reason[cells], "protects").tolist()
    columns["value"] = _text(table.value[cells], integral=table.integral)
    return _csv(columns)


def _code_columns(table: CellTable, codes: list[npt.NDArray[np.integer]]) -> dict[str, list[str]]:
    return {
        dim.name: np.array(dim.codes, dtype=object)[code].tolist() for dim, code in zip(table.dims, codes, strict=True)
    }


def _text(value: FloatArray, *, integral: bool) -> list[str]:
    """Shortest text that gives the number back; counts without a decimal point."""
    return [str(int(v)) for v in value] if integral else [repr(float(v)) for v in value]


def _csv(columns: dict[str, list[str]]) -> bytes:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return sink.getvalue().encode()
