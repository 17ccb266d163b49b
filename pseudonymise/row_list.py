"""All faulty rows of a file as a list that a spreadsheet opens: file, row, column, what is wrong; never a value."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from enclave.files import replacing
from enclave.identifier_patterns import LeakKind
from pseudonymise.clerk_report import Language, spreadsheet_row
from pseudonymise.quarantine import Defect
from pseudonymise.schemas import DeliverySchema, period_years
from pseudonymise.written import what_is_wrong

_LEAKS = {each.value: each for each in LeakKind}
Tell = Callable[[Path, pa.Table], None]


@contextlib.contextmanager
def row_list(out: Path, language: Language, asked: Mapping[Path, DeliverySchema], period: str) -> Iterator[Tell]:
    """Yield what takes faulty rows batch by batch; the list appears whole or not at all.

    In UTF-8 with its mark and with semicolons, which spreadsheets of this country understand. ``asked``: the schema of
    each file. ``period`` is '' where it is not known.

    Raises:
        BadInput: the period is none.
    """
    years = period_years(period) if period else (0, 0)  # then no row is of another period
    with replacing(out) as temporary, temporary.open("w", newline="", encoding="utf-8-sig") as handle:
        writer = csv.writer(handle, delimiter=";")
        writer.writerow(
            language.pick("bestand,rij,rij in Excel,kolom,fout", "file,row,row in Excel,column,fault").split(",")
        )

        def tell(file: Path, faulty: pa.Table) -> None:
            schema = asked[file]
            for record, reasons in zip(*(column.to_pylist() for column in faulty.columns), strict=True):
                for reason in reasons.split("; "):
                    column, _, found = reason.rpartition(":")
                    said = (
                        _LEAKS[found].description()
                        if found in _LEAKS
                        else what_is_wrong(Defect(found), column, schema, years)
                    )
                    writer.writerow((file.name, record, spreadsheet_row(file.name, record), column, language.of(said)))

        yield tell
