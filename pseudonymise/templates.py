"""Empty files to fill in, one form for each way of delivering: CSV, XLSX, SPSS.

A template is made from the schema, so it passes the check of its header; cells are set up so that what people usually
lose (leading zeros, long numbers, dates) stays.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from enclave.errors import BadInput
from enclave.files import replacing, write_bytes
from pseudonymise.clerk_report import Language
from pseudonymise.formats.empty_spss import MOST_BYTES, Variable, empty_system_file
from pseudonymise.schema_pages import content_of, treatment_of
from pseudonymise.schemas import CHECKED_KINDS, ColumnSpec, DeliverySchema, FileFormat

_FILLED_ROWS = 10_000
_EXCEL_DATES = {"dd-mm-yyyy": "DD-MM-YYYY", "yyyy-mm-dd": "YYYY-MM-DD", "yyyymmdd": "YYYYMMDD"}
_MOST_LISTED = 255


def write_template(schema: DeliverySchema, form: FileFormat, out: Path, language: Language) -> None:
    """Write an empty file of ``schema`` in ``form``, atomically; notes in it are in ``language``.

    Raises:
        BadInput: the schema does not take this form.
    """
    if form not in schema.formats:
        taken = " or ".join(f".{each}" for each in schema.formats)
        raise BadInput(f"{schema.name} is not delivered as .{form}", next_step=f"take {taken}")
    write: dict[FileFormat, Callable[[DeliverySchema, Path, Language], None]] = {
        "csv": _csv,
        "xlsx": _xlsx,
        "sav": _sav,
    }
    write[form](schema, out, language)


def _csv(schema: DeliverySchema, out: Path, _: Language) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=schema.separator, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(schema.names)
    write_bytes(out, text.getvalue().encode(schema.encodings[0]))


def _xlsx(schema: DeliverySchema, out: Path, language: Language) -> None:
    """Codes and identifiers are text cells; each header says in a note what goes below it; codes can be picked."""
    from openpyxl import Workbook
    from openpyxl.comments import Comment
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet: Any = book.active
    sheet.title = schema.name[:31]
    sheet.freeze_panes = "A2"
    for place, column in enumerate(schema.columns, start=1):
        head = sheet.cell(1, place, column.name)
        head.font = Font(bold=True)
        head.comment = Comment(_explained(column, schema, language), "Zicht", width=320, height=160)
        letter = get_column_letter(place)
        sheet.column_dimensions[letter].width = max(12, len(column.name) + 2)
        sheet.column_dimensions[letter].number_format = _excel_format(column, schema)
        choices = ",".join(column.codes)
        if column.codes and len(choices) <= _MOST_LISTED:
            picked = DataValidation(type="list", formula1=f'"{choices}"', allow_blank=column.nullable)
            picked.add(f"{letter}2:{letter}{_FILLED_ROWS}")
            sheet.add_data_validation(picked)
    with replacing(out) as temporary:
        book.save(temporary)


def _excel_format(column: ColumnSpec, schema: DeliverySchema) -> str:
    if column.type == "date" or column.kind == "birth_date":
        return _EXCEL_DATES[schema.date_format]
    return {"integer": "0", "decimal": "General"}.get(column.type, "@")


def _explained(column: ColumnSpec, schema: DeliverySchema, language: Language) -> str:
    say = language.pick
    return "\n".join(
        (
            say(column.meaning_nl, column.meaning_en),
            content_of(column, schema, language).replace("`", ""),
            say("voorbeeld: ", "example: ") + column.example,
            treatment_of(column, language),
        )
    )


def _sav(schema: DeliverySchema, out: Path, language: Language) -> None:
    """Numbers are numeric variables, everything else strings, dates included: so nothing of them is interpreted."""
    variables = [
        Variable(
            column.name,
            language.pick(column.meaning_nl, column.meaning_en),
            width=0 if column.type in ("integer", "decimal") else min(column.max_length, _width(column)),
            decimals=2 if column.type == "decimal" else 0,
            codes=column.codes,
        )
        for column in schema.columns
    ]
    write_bytes(out, empty_system_file(variables, language.pick(schema.title_nl, schema.title_en)))


def _width(column: ColumnSpec) -> int:
    """Bytes that hold a value: codes and dates are short, texts take what SPSS has."""
    if column.codes:
        return max(len(code.encode()) for code in column.codes)
    if column.kind in CHECKED_KINDS:
        return 64
    return 10 if column.type == "date" or column.kind == "birth_date" else MOST_BYTES
