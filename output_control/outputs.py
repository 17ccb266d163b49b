"""What leaves: tables and models as CSV with CSVW metadata beside them, and SDMX status codes per figure.

A suppressed figure has one pair of codes, whether it was hidden for its own sake or for another's. Sources: W3C
*Metadata Vocabulary for Tabular Data* (2015); SDMX code lists ``CL_OBS_STATUS`` 2.2 and ``CL_CONF_STATUS`` 1.3.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from enclave.errors import Refused
from output_control.alternatives.altered import AlteredTable
from output_control.statistics.rounding import to_bases
from output_control.tables.evidence import Evidence, cross_product
from output_control.tables.table import BoolArray, FloatArray, IntArray, cell_keys

NORMAL, SUPPRESSED, ESTIMATED = "A", "Q", "E"
FREE, CONFIDENTIAL = "F", "C"
_STATUS_TITLES = {
    "OBS_STATUS": {"nl": "Status van het cijfer", "en": "Observation status"},
    "CONF_STATUS": {"nl": "Vertrouwelijkheid", "en": "Confidentiality status"},
}
_STATUS_MEANING = {
    "OBS_STATUS": f"SDMX CL_OBS_STATUS: {NORMAL} normal value; {ESTIMATED} estimated value (changed to protect, "
    f"as the value column says); {SUPPRESSED} missing value, suppressed",
    "CONF_STATUS": f"SDMX CL_CONF_STATUS: {FREE} free for publication; {CONFIDENTIAL} confidential",
}


@dataclass(frozen=True, slots=True, eq=False)
class OutputColumn:
    """A column of a released CSV file; ``titles`` by language; null values become empty fields."""

    name: str
    datatype: Literal["string", "integer", "number"]
    titles: Mapping[str, str]
    values: pa.Array
    meaning: str = ""


def csv_bytes(columns: Sequence[OutputColumn]) -> bytes:
    """UTF-8, comma, header, text in double quotes, ``\\n``; same columns, same bytes."""
    table = pa.table([column.values for column in columns], names=[column.name for column in columns])
    sink = io.BytesIO()
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(include_header=True, quoting_style="needed"))
    return sink.getvalue()


def csvw_bytes(
    file: str, title: str, description: str, columns: Sequence[OutputColumn], primary_key: Sequence[str]
) -> bytes:
    """The ``…csv-metadata.json`` that stands beside ``file``."""
    return json_bytes(
        {
            "@context": "http://www.w3.org/ns/csvw",
            "url": file,
            "dc:title": title,
            "dc:description": description,
            "dialect": {"header": True, "delimiter": ",", "encoding": "utf-8"},
            "tableSchema": {
                "columns": [_described(column) for column in columns],
                "primaryKey": list(primary_key),
            },
        }
    )


def json_bytes(content: Mapping[str, object]) -> bytes:
    """Indented JSON with sorted keys and a last newline."""
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _described(column: OutputColumn) -> dict[str, object]:
    described: dict[str, object] = {
        "name": column.name,
        "titles": dict(column.titles),
        "datatype": column.datatype,
    }
    if column.datatype != "string":
        described["null"] = ""
    if column.meaning:
        described["dc:description"] = column.meaning
    return described


def status_columns(suppressed: BoolArray, shown: str = NORMAL) -> list[OutputColumn]:
    """``OBS_STATUS`` and ``CONF_STATUS`` of each row; ``shown``: the status of figures that are not suppressed."""
    codes = {
        "OBS_STATUS": np.where(suppressed, SUPPRESSED, shown),
        "CONF_STATUS": np.where(suppressed, CONFIDENTIAL, FREE),
    }
    return [
        OutputColumn(name, "string", _STATUS_TITLES[name], pa.array(values.tolist()), _STATUS_MEANING[name])
        for name, values in codes.items()
    ]


def table_columns(
    evidence: Evidence, suppressed: BoolArray, base: int = 1, altered: AlteredTable | None = None
) -> list[OutputColumn]:
    """Every cell of the cross product: codes, labels, figure and status; an empty cell is a published 0.

    ``suppressed`` is per cell of ``evidence.table``. A hidden cell shows nothing but its codes and status. Each count
    is rounded to the nearest multiple of ``base`` by itself. Figures of an ``altered`` table all have one status,
    changed or not: a status per figure would say which ones are true.
    """
    table = evidence.table
    shown_figures = to_bases(table.value, base) if altered is None else altered.published
    codes = cross_product(table.shape)
    place = cell_keys(table.codes, table.shape)
    figures, hidden = np.zeros(len(codes)), np.zeros(len(codes), dtype=np.bool_)
    figures[place], hidden[place] = np.where(suppressed, 0.0, shown_figures), suppressed
    columns: list[OutputColumn] = []
    for position in range(len(table.shape)):
        columns += dimension_columns(evidence, position, pa.array(codes[:, position]))
    titles = {"nl": "Waarde", "en": "Value"}
    kind: Literal["integer", "number"] = "integer" if table.integral else "number"
    values = pa.array(figures, mask=hidden).cast(pa.int64() if table.integral else pa.float64())
    meaning = _meaning(evidence, base) + (f"; {altered.said}" if altered else "")
    value = OutputColumn("value", kind, titles, values, meaning)
    return [*columns, value, *status_columns(hidden, NORMAL if altered is None else ESTIMATED)]


def dimension_columns(evidence: Evidence, position: int, places: pa.Array) -> list[OutputColumn]:
    """Code and labels of one dimension, per row.

    Raises:
        Refused: the dimension shown is not the table's, so that codes would get others' labels.
    """
    shown = evidence.shown[position]
    if shown.dimension != evidence.table.dims[position]:
        raise Refused(
            "the labels of this table belong to other codes", next_step="run zicht check again; then report it"
        )
    label_nl, label_en = shown.labels()
    listed = shown.classification
    name = shown.column
    return [
        OutputColumn(
            name, "string", {"nl": listed.title_nl, "en": listed.title_en}, pa.array(shown.dimension.codes).take(places)
        ),
        OutputColumn(
            f"{name}_label_nl", "string", {"nl": f"{listed.title_nl} (omschrijving)"}, pa.array(label_nl).take(places)
        ),
        OutputColumn(
            f"{name}_label_en", "string", {"en": f"{listed.title_en} (label)"}, pa.array(label_en).take(places)
        ),
    ]


def _meaning(evidence: Evidence, base: int) -> str:
    request = evidence.request
    if base > 1:
        return _meaning(evidence, 1) + f", each rounded to the nearest multiple of {base}"
    if request.weight is not None:
        return f"records ({request.record}) weighted by {request.weight}"
    if request.measure is not None:
        return f"sum of {request.measure} over records ({request.record})"
    return f"number of records ({' by '.join([request.record, *([request.period] if request.period else [])])})"


def annex_columns(
    evidence: Evidence, status: Sequence[str], reason: Sequence[str], lower: FloatArray, upper: FloatArray
) -> list[OutputColumn]:
    """What checkers see of each non-empty cell; never part of a bundle. ``lower``/``upper``: NaN where not hidden."""
    table = evidence.table
    columns = [
        OutputColumn(shown.column, "string", {}, pa.array(shown.dimension.codes).take(pa.array(table.codes[:, i])))
        for i, shown in enumerate(evidence.shown)
    ]
    numbers: list[tuple[str, IntArray | FloatArray]] = [
        ("records", evidence.records),
        ("units", table.n_contributors),
        ("value", table.value),
        *[(f"units_{kind.unit}", kind.table.n_contributors) for kind in evidence.also],
        *[(f"top{rank + 1}", table.top[:, rank]) for rank in range(table.top.shape[1])],
        ("lower", lower),
        ("upper", upper),
    ]
    columns += [OutputColumn(name, "number", {}, pa.array(values, from_pandas=True)) for name, values in numbers]
    columns.append(OutputColumn("status", "string", {}, pa.array(list(status), pa.string())))
    columns.append(OutputColumn("reason", "string", {}, pa.array(list(reason), pa.string())))
    return columns
