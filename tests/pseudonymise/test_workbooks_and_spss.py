"""XLSX and SPSS files: the text that a CSV file would hold, bounds, and clear refusals without a value."""

from __future__ import annotations

import random
import struct
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from enclave.errors import BadInput
from pseudonymise.delivery import check_file
from pseudonymise.formats import read_batches, spss
from pseudonymise.formats.batch import PlainFile
from pseudonymise.formats.cell_text import CellText
from pseudonymise.formats.spss_bounds import measure_dictionary
from tests.pseudonymise.reading import CANARY, batches, broken_of, faults, rows_of, two_columns
from tests.pseudonymise.small_town import (
    SCHEMAS,
    debt_rows,
    debt_xlsx,
    tax_rows,
    tax_sav,
    write_xlsx,
)


def test_cells_of_every_kind_become_the_text_that_a_csv_file_would_hold(tmp_path: Path) -> None:
    values = [7, 7.0, 7.5, True, date(2016, 1, 2), datetime(2016, 1, 2, 3, 4), "", 1180591620717411041280, -3, 1e300]
    write_xlsx(tmp_path / "two.xlsx", [["first", "second"], *([f"r{i}", value] for i, value in enumerate(values))])
    found = rows_of(list(read_batches(PlainFile(tmp_path / "two.xlsx"), two_columns("xlsx"))))
    texts = [second for _, _, second in found]
    assert texts[:9] == [
        "7",
        "7",
        "7,5",
        "TRUE",
        "02-01-2016",
        "2016-01-02T03:04:00",
        None,
        "1180591620717411041280",
        "-3",
    ]
    assert len(texts[9] or "") == 301


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(
    ("column", "check"),
    [
        ("creditors", "not_a_number"),
        ("debt_eur", "not_a_number"),
        ("house_number", "pattern"),
        ("sex", "not_in_list"),
    ],
)
def test_a_boolean_cell_of_a_workbook_passes_for_no_number(
    tmp_path: Path, column: str, check: str, value: bool
) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in debt_rows(4)]
    rows[2][column] = value
    debt_xlsx(tmp_path / "debts.xlsx", rows)
    report = check_file(tmp_path / "debts.xlsx", SCHEMAS["debt_assistance"], "2016")
    assert (report.received, report.accepted, report.quarantined) == (4, 3, 1)
    (fault,) = (fault for fault in report.faults if fault.column)
    assert (fault.file, fault.column, fault.rows, fault.check) == ("debts.xlsx", column, (3,), check)
    assert str(value).upper() not in str(fault)


def test_numbers_that_are_none_and_cells_of_other_kinds() -> None:
    text = CellText(two_columns())
    assert text.column([float("nan"), 2**64, timedelta(hours=1)]).to_pylist() == [None, str(2**64), "1:00:00"]
    assert text.column([2**64, 1]).to_pylist() == [str(2**64), "1"]
    assert text.numbers(np.array([1.0, 2.5, np.nan])).to_pylist() == ["1", "2,5", None]


def test_empty_rows_between_filled_ones_are_counted_and_those_at_the_end_are_not(tmp_path: Path) -> None:
    sheet: list[list[Any]] = [["first", "second"], ["a", 1], [None, None], ["b", None, "too much"], ["c"], [None], [""]]
    write_xlsx(tmp_path / "two.xlsx", sheet)
    found = list(read_batches(PlainFile(tmp_path / "two.xlsx"), two_columns("xlsx")))
    assert rows_of(found) == [(1, "a", "1"), (4, "c", None)]
    assert broken_of(found) == [(2, "empty_row", ""), (3, "cells", "b\t\ttoo much")]


def test_empty_rows_are_counted_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pseudonymise.formats.workbook.BATCH_ROWS", 2)
    sheet: list[list[Any]] = [["first", "second"], ["a", 1], *([[None, None]] * 5), ["b", 2], ["c", 3], [None, None]]
    write_xlsx(tmp_path / "two.xlsx", sheet)
    found = list(read_batches(PlainFile(tmp_path / "two.xlsx"), two_columns("xlsx")))
    assert rows_of(found) == [(1, "a", "1"), (7, "b", "2"), (8, "c", "3")]
    assert [row for row, *_ in broken_of(found)] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("sheet", [[["first", "second"]], [["first", "second"], [None, None]]])
def test_a_workbook_without_rows_is_an_empty_delivery(tmp_path: Path, sheet: list[list[Any]]) -> None:
    write_xlsx(tmp_path / "two.xlsx", sheet)
    assert rows_of(list(read_batches(PlainFile(tmp_path / "two.xlsx"), two_columns("xlsx")))) == []


def test_a_very_wide_row_is_refused(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "two.xlsx", [["first", "second"], ["a"] * 1001])
    with pytest.raises(BadInput, match="more than 1000 columns"):
        list(read_batches(PlainFile(tmp_path / "two.xlsx"), two_columns("xlsx")))


def zipped(path: Path, parts: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path.read_bytes()


def test_a_zip_bomb_is_refused_before_it_unfolds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = {"xl/worksheets/sheet1.xml": b"<c>" + b"<v>1</v>" * 4_000_000}
    with pytest.raises(BadInput, match="unfolds to more than 200 times"):
        batches(tmp_path, zipped(tmp_path / "bomb", bomb), two_columns("xlsx"))
    with pytest.raises(BadInput, match="too many parts"):
        batches(tmp_path, zipped(tmp_path / "many", {f"p{i}": b"" for i in range(1001)}), two_columns("xlsx"))
    monkeypatch.setattr("pseudonymise.formats.workbook_bounds.MAX_SHARED_STRINGS", 1000)
    with pytest.raises(BadInput, match="too large"):
        batches(tmp_path, zipped(tmp_path / "large", {"xl/sharedStrings.xml": bytes(1001)}), two_columns("xlsx"))


@pytest.mark.parametrize("tail", [b"<", b""])
def test_a_cell_above_one_mebibyte_is_refused(tmp_path: Path, tail: bytes) -> None:
    long = bytes(random.Random(1).choices(b"abcdefghij", k=(5 << 20))) + tail
    with pytest.raises(BadInput, match="more than 1 MiB"):
        batches(tmp_path, zipped(tmp_path / "cell", {"xl/worksheets/sheet1.xml": b"<t>" + long}), two_columns("xlsx"))


def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    content = zipped(tmp_path / "lie", {"xl/worksheets/sheet1.xml": b"<c>" + b"12345" * 100_000})
    size = struct.pack("<I", 3 + 500_000)
    assert content.count(size) == 2
    assert faults(tmp_path, content.replace(size, struct.pack("<I", 100)), two_columns("xlsx")) == {"format": ()}


def test_a_workbook_without_a_sheet_is_refused(tmp_path: Path) -> None:
    assert faults(tmp_path, zipped(tmp_path / "none", {"a.txt": b"x"}), two_columns("xlsx")) == {"format": ()}


def workbook_parts(path: Path) -> dict[str, bytes]:
    write_xlsx(path, [["first", "second"], ["a", "b"]])
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_is_read_whole_cannot_go_under_the_name_of_a_sheet(tmp_path: Path) -> None:
    parts = workbook_parts(tmp_path / "book.xlsx")
    styles = b"styles+xml"
    for name, change in (
        (
            "xl/_rels/workbook.xml.rels",
            lambda said: said.replace(b"/relationships/worksheet", b"/relationships/chartsheet"),
        ),
        ("[Content_Types].xml", lambda said: said.replace(b"worksheet+xml", styles)),
    ):
        assert change(parts[name]) != parts[name]
        with pytest.raises(BadInput, match="said to be something else"):
            batches(tmp_path, zipped(tmp_path / "zip", {**parts, name: change(parts[name])}), two_columns("xlsx"))


def test_a_part_in_utf_16_is_refused(tmp_path: Path) -> None:
    parts = workbook_parts(tmp_path / "book.xlsx")
    parts["xl/styles.xml"] = b'<?xml version="1.0"?><!DOCTYPE a><a/>'.decode().encode("utf-16")
    assert faults(tmp_path, zipped(tmp_path / "zip", parts), two_columns("xlsx")) == {"format": ()}


def test_a_long_cell_is_refused_whatever_its_part_is_called(tmp_path: Path) -> None:
    long = b"<t>" + bytes(random.Random(1).choices(b"abcdefghij", k=2 << 20))
    with pytest.raises(BadInput, match="more than 1 MiB"):
        batches(tmp_path, zipped(tmp_path / "cell", {"xl/worksheets/sheet1.txt": long}), two_columns("xlsx"))


@pytest.mark.parametrize("form", ["plain", "row_compress", "compress"])
def test_texts_of_many_segments_are_whole_and_come_in_smaller_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """3,000 bytes are stored as 12 variables; three cases take 3 * (3,024 + 8) bytes."""
    long = ["".join(random.Random(i).choices("abcdefghij", k=3000)) for i in range(3)]
    path = tmp_path / "two.sav"
    pyreadstat.write_sav(
        pd.DataFrame({"first": long, "second": list("abc")}), str(path), **{form: True} if form != "plain" else {}
    )
    found = measure_dictionary(path, "two.sav")
    assert (found.columns, found.segments) == (2, 13)
    monkeypatch.setattr(spss, "BATCH_BYTES", 2 * found.case_bytes)
    read = list(read_batches(PlainFile(path), two_columns("sav")))
    assert [len(batch.rows) for batch in read] == [2, 1]
    assert [text for batch in read for text in batch.cells.column("first").to_pylist()] == long


def test_a_cut_off_spss_file_is_refused(tmp_path: Path) -> None:
    tax_sav(tmp_path / "tax.sav", tax_rows(3000))
    content = (tmp_path / "tax.sav").read_bytes()
    assert faults(tmp_path, content[: len(content) // 2], SCHEMAS["property_tax"]) == {"format": ()}
    assert faults(tmp_path, b"$FL2", SCHEMAS["property_tax"]) == {"format": ()}


def test_a_file_that_a_library_half_understands_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged SPSS files were seen with nameless columns, and with cases of other columns than the dictionary's."""
    tax_sav(tmp_path / "tax.sav", tax_rows(3))
    content = (tmp_path / "tax.sav").read_bytes()
    monkeypatch.setattr(spss, "_cases", lambda *_: (pd.DataFrame({"x": [CANARY]}), None))
    with pytest.raises(BadInput, match="does not fit together") as caught:
        batches(tmp_path, content, SCHEMAS["property_tax"])
    assert caught.value.__context__ is None and CANARY not in str(caught.value)


def test_spss_is_read_in_bounded_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pseudonymise.formats.spss.BATCH_ROWS", 4)
    rows = tax_rows(10)
    rows[9]["woz_value"] = 99.5
    tax_sav(tmp_path / "tax.sav", rows, missing_ranges={"woz_value": [{"lo": 90, "hi": 99}]})
    found = list(read_batches(PlainFile(tmp_path / "tax.sav"), SCHEMAS["property_tax"]))
    assert [len(batch.rows) for batch in found] == [4, 4, 2]
    assert [row for batch in found for row in batch.rows.to_pylist()] == list(range(1, 11))
    assert found[2].cells.column("woz_value").to_pylist() == ["215000", "99,5"]


def test_columns_other_than_the_schemas_are_told_in_every_format(tmp_path: Path) -> None:
    rows = [{**row, "extra": 1.0} for row in tax_rows(2)]
    tax_sav(tmp_path / "tax.sav", rows)
    with pytest.raises(BadInput, match="column number 15 is not in the schema"):
        list(read_batches(PlainFile(tmp_path / "tax.sav"), SCHEMAS["property_tax"]))
    sheet = [[*debt_rows(1)[0], "extra"], [*debt_rows(1)[0].values(), "x"]]
    write_xlsx(tmp_path / "debt.xlsx", sheet)
    with pytest.raises(BadInput, match="column number 14 is not in the schema"):
        list(read_batches(PlainFile(tmp_path / "debt.xlsx"), SCHEMAS["debt_assistance"]))


def test_an_optional_spss_column_may_be_absent(tmp_path: Path) -> None:
    schema = SCHEMAS["property_tax"]
    columns = tuple(c.model_copy(update={"required": c.name != "owner_kvk"}) for c in schema.columns)
    tax_sav(tmp_path / "tax.sav", [{k: v for k, v in row.items() if k != "owner_kvk"} for row in tax_rows(2)])
    (batch,) = read_batches(PlainFile(tmp_path / "tax.sav"), schema.model_copy(update={"columns": columns}))
    assert batch.cells.column("owner_kvk").to_pylist() == [None, None]
