"""The files that show a protected table: for everyone (`table.csv`) and for its owner (`pattern.csv`, the page)."""

from __future__ import annotations

import csv
import html
import io

import numpy as np
import numpy.typing as npt

from output_control.audit import AuditReport
from output_control.protection import Pattern
from output_control.rules import PrimaryResult
from output_control.table import CellTable, FloatArray, IntArray

# SDMX CL_OBS_STATUS and CL_CONF_STATUS: one pair for every suppressed cell, so that nothing tells which are primary
PUBLISHED = ("A", "F")
SUPPRESSED = ("Q", "C")
PAGE_CELLS = 20_000


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


def protection_page(
    name: str, table: CellTable, primary: PrimaryResult, pattern: Pattern, checked: AuditReport
) -> bytes:
    """One self-contained page: the table with its pattern, and the interval that an attacker is left with."""
    cells = np.argsort(table.keys())[:PAGE_CELLS]
    intervals = _intervals(primary, checked)
    head = "".join(f"<th scope=col>{html.escape(dim.name)}</th>" for dim in table.dims)
    rows = "\n".join(_row(table, primary, pattern, intervals, int(cell)) for cell in cells)
    kind = "the attacker's interval" if checked.intervals_exact else "proven at least this wide"
    left = f"<p>The first {PAGE_CELLS} of {len(table)} cells are shown.</p>" if len(table) > PAGE_CELLS else ""
    title = html.escape(name)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Protection of {title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body {{ font: 1rem/1.4 system-ui, sans-serif; margin: 2rem; }} table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid #767676; padding: .2rem .6rem; text-align: left; }} td.n {{ text-align: right; }}
tr.primary td {{ background: #f4c7c3; }} tr.secondary td {{ background: #fde9b8; }}
</style></head><body>
<h1>Protection of {title}</h1>
<p><strong>For the owner of the table only.</strong> {int(primary.mask.sum())} primary and
{int(pattern.secondary.sum())} secondary suppressions among {len(table)} non-empty cells; every primary audited.</p>
{left}
<table><thead><tr>{head}<th scope=col>value</th><th scope=col>status</th><th scope=col>reason</th>
<th scope=col>{kind}</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
""".encode()


def _intervals(primary: PrimaryResult, checked: AuditReport) -> dict[int, tuple[float, float]]:
    cells: IntArray = np.flatnonzero(primary.mask)
    return {
        int(cell): (float(low), float(high))
        for cell, low, high in zip(cells, checked.lower, checked.upper, strict=True)
    }


def _row(
    table: CellTable,
    primary: PrimaryResult,
    pattern: Pattern,
    intervals: dict[int, tuple[float, float]],
    cell: int,
) -> str:
    status = "primary" if primary.mask[cell] else "secondary" if pattern.suppressed[cell] else "published"
    codes = "".join(f"<td>{html.escape(code)}</td>" for code in table.labels(cell))
    interval = "[{:g}, {:g}]".format(*intervals[cell]) if cell in intervals else ""
    value = f"{table.value[cell]:,.0f}" if table.integral else f"{table.value[cell]:,.2f}"
    return (
        f'<tr class="{status}">{codes}<td class=n>{value}</td><td>{status}</td>'
        f"<td>{primary.reason[cell]}</td><td class=n>{interval}</td></tr>"
    )
