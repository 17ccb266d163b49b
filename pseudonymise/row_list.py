"""All faulty rows of a file as a list that a spreadsheet opens: file, row, column, what is wrong; never a value."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from enclave.files import replacing
from enclave.identifier_patterns import LeakKind
from pseudonymise.clerk_report import Language
from pseudonymise.quarantine import Defect

_DESCRIBED: dict[str, Defect | LeakKind] = {each.value: each for group in (LeakKind, Defect) for each in group}
Tell = Callable[[Path, pa.Table], None]


@contextlib.contextmanager
def row_list(out: Path, language: Language) -> Iterator[Tell]:
    """Yield what takes faulty rows batch by batch; the list appears whole or not at all.

    In UTF-8 with its mark and with semicolons, which spreadsheets of this country understand.
    """
    with replacing(out) as temporary, temporary.open("w", newline="", encoding="utf-8-sig") as handle:
        writer = csv.writer(handle, delimiter=";")
        writer.writerow(language.pick("bestand rij kolom fout", "file row column fault").split())

        def tell(file: Path, faulty: pa.Table) -> None:
            for record, reasons in zip(*(column.to_pylist() for column in faulty.columns), strict=True):
                for reason in reasons.split("; "):
                    column, _, defect = reason.rpartition(":")
                    writer.writerow((file.name, record, column, language.of(_DESCRIBED[defect].description())))

        yield tell
