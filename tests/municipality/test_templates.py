"""Empty files to fill in: made from the schema, they pass its check, empty and filled with its own examples."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat
import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from enclave.errors import BadInput
from pipeline.main import app
from pseudonymise.clerk_report import Language
from pseudonymise.delivery import CheckReport, check_files
from pseudonymise.schema_pages import schema_page
from pseudonymise.schemas import DeliverySchema, FileFormat
from pseudonymise.templates import write_template
from tests.pseudonymise.small_town import SCHEMAS

EACH = [(schema, form) for schema in SCHEMAS.values() for form in schema.formats]
NAMES = [f"{schema.name}.{form}" for schema, form in EACH]


def checked(path: Path, schema: DeliverySchema) -> CheckReport:
    """The report on a file; what it refers to comes along, with the same examples."""
    others = [SCHEMAS[rule.schema_name] for rule in schema.rules.refers]
    files = [(path, schema)]
    for other in others:
        beside = path.with_name(f"{other.name}.csv")
        write_template(other, "csv", beside, Language.EN)
        fill(beside, other, "csv")
        files.append((beside, other))
    return check_files(files, period_of(schema))[0]


def period_of(schema: DeliverySchema) -> str:
    return "1996-2016"


def fill(path: Path, schema: DeliverySchema, form: FileFormat) -> None:
    """One row of the schema's own examples, written as users of that form do."""
    examples = [column.example for column in schema.columns]
    if form == "csv":
        with path.open("a", newline="", encoding=schema.encodings[0]) as handle:
            csv.writer(handle, delimiter=schema.separator, quoting=csv.QUOTE_ALL).writerow(examples)
    elif form == "xlsx":
        book = load_workbook(path)
        sheet: Any = book.active
        sheet.append(examples)
        book.save(path)
    else:
        empty, meta = pyreadstat.read_sav(str(path), output_format="dict")
        types = meta.readstat_variable_types
        row = {
            name: [float(text.replace(",", ".")) if types[name] == "double" else text]
            for name, text in zip(empty, examples, strict=True)
        }
        pyreadstat.write_sav(pd.DataFrame(row), str(path))


@pytest.mark.parametrize(("schema", "form"), EACH, ids=NAMES)
def test_a_template_passes_the_check_and_takes_the_examples(
    schema: DeliverySchema, form: FileFormat, tmp_path: Path
) -> None:
    path = tmp_path / f"empty.{form}"
    write_template(schema, form, path, Language.NL)
    report = checked(path, schema)
    assert (report.acceptable, report.received) == (True, 0), str(report)
    fill(path, schema, form)
    report = checked(path, schema)
    assert (report.accepted, report.faults) == (1, ()), str(report)


@pytest.mark.parametrize(("schema", "form"), EACH, ids=NAMES)
def test_the_same_schema_gives_the_same_columns_in_order(
    schema: DeliverySchema, form: FileFormat, tmp_path: Path
) -> None:
    path = tmp_path / f"empty.{form}"
    write_template(schema, form, path, Language.EN)
    if form == "csv":
        names = next(csv.reader(path.read_text(encoding=schema.encodings[0]).splitlines(), delimiter=schema.separator))
    elif form == "xlsx":
        names = [str(cell.value) for cell in next(load_workbook(path)[schema.name[:31]].iter_rows())]
    else:
        names = list(pyreadstat.read_sav(str(path), output_format="dict")[0])
    assert tuple(names) == schema.names


def test_an_spss_template_carries_labels_in_the_language_and_codes(tmp_path: Path) -> None:
    schema = SCHEMAS["property_tax"]
    for language, label in ((Language.NL, schema.columns[0].meaning_nl), (Language.EN, schema.columns[0].meaning_en)):
        path = tmp_path / f"{language.value}.sav"
        write_template(schema, "sav", path, language)
        meta = pyreadstat.read_sav(str(path), output_format="dict")[1]
        assert meta.column_labels[0] == label
        assert meta.file_encoding == "UTF-8"
        assert meta.variable_value_labels["owner_kind"] == dict(schema.column("owner_kind").codes)
    assert (tmp_path / "nl.sav").read_bytes() != (tmp_path / "en.sav").read_bytes()


def test_a_workbook_template_keeps_leading_zeros_and_explains_each_column(tmp_path: Path) -> None:
    schema = SCHEMAS["debt_assistance"]
    path = tmp_path / "debts.xlsx"
    write_template(schema, "xlsx", path, Language.NL)
    sheet: Any = load_workbook(path).active
    widths = {cell.value: sheet.column_dimensions[cell.column_letter].number_format for cell in sheet[1]}
    assert (widths["bsn"], widths["sex"], widths["start_date"]) == ("@", "@", "DD-MM-YYYY")
    note = sheet["A1"].comment.text
    assert "burgerservicenummer" in note
    assert "voorbeeld: 999990019" in note
    assert [rule.formula1 for rule in sheet.data_validations.dataValidation] == ['"1,2"']


def test_a_form_that_the_schema_does_not_take_is_refused(tmp_path: Path) -> None:
    schema = SCHEMAS["hemp_clearances"].model_copy(update={"other_formats": ()})
    with pytest.raises(BadInput, match=r"not delivered as \.xlsx"):
        write_template(schema, "xlsx", tmp_path / "a.xlsx", Language.EN)
    done = CliRunner().invoke(app, ["delivery", "template", "hemp_clearances", "--out", str(tmp_path / "a.docx")])
    assert isinstance(done.exception, BadInput)
    (tmp_path / "mine.csv").write_text("filled")
    done = CliRunner().invoke(app, ["delivery", "template", "hemp_clearances", "--out", str(tmp_path / "mine.csv")])
    assert isinstance(done.exception, BadInput)
    assert (tmp_path / "mine.csv").read_text() == "filled"


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=list(SCHEMAS))
@pytest.mark.parametrize("language", Language)
def test_a_page_says_of_every_column_what_it_is_and_what_happens_to_it(
    schema: DeliverySchema, language: Language
) -> None:
    lines = [line for line in schema_page(schema, language).splitlines() if line.startswith("| `")]
    assert len(lines) == len(schema.columns)
    for column, line in zip(schema.columns, lines, strict=True):
        name, meaning, form, example, required, happens = (cell.strip() for cell in line.strip("|").split(" | "))
        assert name == f"`{column.name}`"
        assert meaning == (column.meaning_nl if language is Language.NL else column.meaning_en)
        assert example == f"`{column.example}`"
        assert all((form, required, happens))
        assert happens != column.treatment
