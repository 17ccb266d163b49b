"""Readers of CSV, XLSX and SPSS: right record numbers, bounds, and clear refusals without a value."""

from __future__ import annotations

import codecs
import csv
import io
import random
import struct
import tracemalloc
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import BadInput, EnclaveError
from pseudonymise.delivery import check_file
from pseudonymise.formats import delimited, read_batches, records, spss
from pseudonymise.formats.batch import Batch, Note, PlainFile
from pseudonymise.formats.cell_text import CellText
from pseudonymise.formats.delimited import read_delimited, text_of
from pseudonymise.formats.encoding import EncodingSurvey
from pseudonymise.formats.records import scan_records
from pseudonymise.formats.spss_bounds import measure_dictionary
from pseudonymise.schemas import DeliverySchema
from pseudonymise.validation import Validator
from tests.pseudonymise.small_town import (
    SCHEMAS,
    csv_bytes,
    debt_rows,
    debt_xlsx,
    hemp_rows,
    tax_rows,
    tax_sav,
    write_xlsx,
)

CANARY = "999400131"


def two_columns(form: str = "csv", **changes: Any) -> DeliverySchema:
    """A schema of two texts, of which the second may be empty."""
    column = {"meaning_nl": "tekst", "meaning_en": "text", "type": "text", "example": "x", "treatment": "text-scan"}
    columns = [{**column, "name": "first"}, {**column, "name": "second", "nullable": True}]
    fields = {"name": "two", "version": 1, "title_nl": "twee", "title_en": "two", "format": form, "keys": ["first"]}
    return DeliverySchema.model_validate({**fields, "columns": columns, "tolerance": 1, **changes})


def batches(tmp_path: Path, content: bytes, schema: DeliverySchema | None = None) -> list[Batch]:
    path = tmp_path / f"two.{(schema or two_columns()).format}"
    path.write_bytes(content)
    return list(read_batches(PlainFile(path), schema or two_columns()))


def faults(tmp_path: Path, content: bytes, schema: DeliverySchema | None = None) -> dict[str, tuple[int, ...]]:
    with pytest.raises(BadInput) as caught:
        batches(tmp_path, content, schema)
    return {fault.check: fault.rows for fault in caught.value.faults}


def rows_of(found: list[Batch]) -> list[tuple[int, str | None, str | None]]:
    return [
        row
        for batch in found
        for row in zip(
            batch.rows.to_pylist(),
            batch.cells.column("first").to_pylist(),
            batch.cells.column("second").to_pylist(),
            strict=True,
        )
    ]


def broken_of(found: list[Batch]) -> list[tuple[int, str, str]]:
    return [(row.row, row.defect, row.raw) for batch in found for row in batch.broken]


def test_record_numbers_hold_over_quoted_line_breaks_and_bad_rows(tmp_path: Path) -> None:
    content = b'first;second\r\n"a\r\nb;""c""";1\r\nx\r\n\r\nb;2\r\nc;3;4\r\nd "e" f;5\r\ng;6'
    found = batches(tmp_path, content)
    assert rows_of(found) == [(1, 'a\r\nb;"c"', "1"), (4, "b", "2"), (7, "g", "6")]
    assert broken_of(found) == [
        (2, "cells", "x\r"),
        (3, "cells", "\r"),
        (5, "cells", "c;3;4\r"),
        (6, "quotes", 'd "e" f;5\r'),
    ]


def test_a_carriage_return_outside_quotes_breaks_its_row_only(tmp_path: Path) -> None:
    found = batches(tmp_path, b'first;second\na\rb;1\n"c\rd";2\r\n')
    assert rows_of(found) == [(2, "c\rd", "2")]
    assert broken_of(found) == [(1, "quotes", "a\rb;1")]


def test_blank_lines_at_the_end_are_no_records(tmp_path: Path) -> None:
    assert rows_of(batches(tmp_path, b"first;second\na;1\n\n\r\n\n")) == [(1, "a", "1")]
    assert rows_of(batches(tmp_path, b"first;second\n\n")) == []


def test_a_header_alone_is_an_empty_delivery(tmp_path: Path) -> None:
    assert rows_of(batches(tmp_path, b"first;second")) == []
    assert rows_of(batches(tmp_path, b"first;second\r\n")) == []


@pytest.mark.parametrize(
    ("content", "check", "row"),
    [
        (b'first;second\na;1\nb;"2', "truncated", 2),
        (b"first;second\na;1\nb", "truncated", 2),
        (b'first;second\na;1\nb "x;2\nc;3\nd" ;4\n', "quotes", 2),
        (b'first;second\na;1\n"' + b"x" * (9 << 20), "truncated", 2),
        (b'"first;second\na;1', "truncated", 1),
    ],
)
def test_a_cut_off_or_misquoted_file_is_refused_with_its_row(
    tmp_path: Path, content: bytes, check: str, row: int
) -> None:
    assert faults(tmp_path, content) == {check: (row,)}


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_every_separator_of_a_schema_is_read(tmp_path: Path, separator: str) -> None:
    schema = two_columns(separator=separator)
    content = f"first{separator}second\na{separator}1\n".encode()
    assert rows_of(batches(tmp_path, content, schema)) == [(1, "a", "1")]
    other = b"first;second\na;1\n" if separator != ";" else b"first,second\n"
    assert faults(tmp_path, other, schema) == {"separator": ()}


def test_columns_may_stand_in_another_order_and_optional_ones_be_absent(tmp_path: Path) -> None:
    assert rows_of(batches(tmp_path, b"second;first\n1;a\n")) == [(1, "a", "1")]
    column = two_columns().columns[1].model_copy(update={"required": False})
    optional = two_columns().model_copy(update={"columns": (two_columns().columns[0], column)})
    assert rows_of(batches(tmp_path, b"first\na\n", optional)) == [(1, "a", None)]
    assert faults(tmp_path, b"second\na\n") == {"missing_column": ()}


def test_a_header_of_a_million_columns_is_refused_at_once(tmp_path: Path) -> None:
    assert faults(tmp_path, b"x;" * 1_000_000 + b"x\n") == {"header": ()}
    assert faults(tmp_path, b'"' + b"x" * 200_000 + b'";second\n') == {"header": ()}


def test_a_column_without_a_name_is_told_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="column number 3 has no name"):
        batches(tmp_path, b"first;second;\na;1;\n")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"plain", "ascii"),
        ("Zoë".encode(), "utf-8"),
        ("Zoë".encode("utf-8-sig"), "utf-8-sig"),
        ("Zoë".encode("cp1252"), "cp1252"),
        ("Zoë".encode("utf-16"), "utf-16"),
        (b"a\0b", "binary"),
        (b"\x81\xeb ", "unknown"),
        ("Zoë".encode()[:-1], "cp1252"),
    ],
)
def test_the_encoding_is_found_from_all_bytes(content: bytes, found: str) -> None:
    for step in (1, 2, 1000):
        survey = EncodingSurvey()
        for start in range(0, len(content), step):
            survey.feed(content[start : start + step])
        assert survey.detected() == found


def test_letters_of_cp1252_arrive(tmp_path: Path) -> None:
    text = "café €1 – “Ÿ” ẞ".replace("ẞ", "ß")
    assert rows_of(batches(tmp_path, b"first;second\n" + text.encode("cp1252") + b";1\n")) == [(1, text, "1")]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_a_byte_order_mark_within_a_file_belongs_to_its_value_wherever_the_batch_begins(
    encoding: str, tmp_path: Path
) -> None:
    marked, rest = codecs.BOM_UTF8.decode(encoding) + "a", "é".encode(encoding)
    content = b"first;second\n\xef\xbb\xbfa;1\n\xef\xbb\xbfa;2\n" + rest + b";3\n"
    found = rows_of(batches(tmp_path, content, two_columns(encodings=[encoding])))
    assert found == [(1, marked, "1"), (2, marked, "2"), (3, "é", "3")]


cells = st.text(st.characters(codec="cp1252", exclude_categories=["Cs", "Cc"], include_characters='";\n\r'), max_size=8)


@given(table=st.lists(st.tuples(cells.filter(bool), cells), max_size=12), block=st.integers(1, 64), quote=st.booleans())
def test_what_pythons_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], block: int, quote: bool
) -> None:
    if not quote:  # a carriage return outside quotes is no part of a value
        table = [(first.replace("\r", "") or "x", second.replace("\r", "")) for first, second in table]
    text = io.StringIO(newline="")
    style = csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=";", quoting=style, lineterminator="\n").writerows([("first", "second"), *table])
    content = text.getvalue().encode("cp1252")
    schema = two_columns(encodings=["cp1252", "utf-8"])
    path = tmp_path_factory.mktemp("csv") / "two.csv"
    path.write_bytes(content)
    if not content.isascii() and _valid_utf8(content):
        return  # a handful of letters can be both; a real file has more
    expected = [(place, first, second or None) for place, (first, second) in enumerate(table, start=1)]
    assert rows_of(list(read_batches(PlainFile(path), schema))) == expected
    with path.open("rb") as handle:
        chunks = list(scan_records(handle, ";", "two.csv", block_size=block))
    assert sum(map(len, chunks)) == len(table) + 1
    assert [chunk.first for chunk in chunks] == [sum(map(len, chunks[:i])) for i in range(len(chunks))]
    assert all((chunk.cells == 2).all() and not chunk.misquoted.any() for chunk in chunks)


def read_byte_by_byte(content: bytes) -> list[tuple[bytes, int, bool]] | None:
    """Each record's bytes and number of cells, and whether a mark in it is stray; None where quotes do not pair."""
    lines, tail = content[: content.rfind(b"\n") + 1], content[content.rfind(b"\n") + 1 :].rstrip(b"\r")
    content = lines + (tail + b"\n" if tail else b"")
    found, raw, cells, stray, inside = [], b"", 1, False, False
    for before, byte, after in zip(b"\n" + content, content, content[1:] + b"\n", strict=False):
        if byte == ord('"'):
            inside = not inside
            stray |= before not in b'";\n' if inside else after not in b'";\r\n'
        elif not inside:
            cells += byte == ord(";")
            stray |= byte == ord("\r") and after != ord("\n")
            if byte == ord("\n"):
                if stray and b"\n" in raw:
                    return None
                found.append((raw, cells, stray))
                raw, cells, stray = b"", 1, False
                continue
        raw += bytes([byte])
    while found and not found[-1][0].strip(b"\r"):
        found.pop()
    return None if inside else found


marks = st.sampled_from([b"a" * 29, b"a", b";", b'"', b'""', b'";"', b"\n", b"\r\n", b"\r", b'"\n"', b'"a\r\n;";'])


@given(content=st.lists(marks, max_size=40).map(b"".join), block=st.sampled_from([1, 7, 64, 100, 1000]))
def test_records_are_those_that_are_found_byte_by_byte(content: bytes, block: int) -> None:
    expected = read_byte_by_byte(content)
    found = []
    try:
        for chunk in scan_records(io.BytesIO(content), ";", "two.csv", block_size=block):
            raw = [chunk.data[start:end] for start, end in zip(chunk.starts, chunk.ends, strict=True)]
            found += zip(raw, chunk.cells.tolist(), chunk.misquoted.tolist(), strict=True)
            alike = chunk.cells.min(initial=2) == chunk.cells.max(initial=2) == 2 and not chunk.misquoted.any()
            assert chunk.may_all_have(2) or not alike
    except BadInput:
        assert expected is None
    else:
        assert found == expected


def _valid_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(content=st.binary(max_size=300), head=st.booleans())
def test_no_bytes_crash_the_csv_reader_and_no_row_is_lost(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, head: bool
) -> None:
    path = tmp_path_factory.mktemp("csv") / "two.csv"
    path.write_bytes((b"first;second\n" if head else b"") + content)
    check_nothing_lost(path, two_columns())


def check_nothing_lost(path: Path, schema: DeliverySchema) -> None:
    """Every input ends in counted rows or in an EnclaveError."""
    validator = Validator(schema, "2016", salt=b"")
    seen: list[int] = []
    try:
        for batch in read_batches(PlainFile(path), schema):
            divided = validator.sort(batch)
            seen += divided.accepted.column("record").to_pylist() + divided.quarantined.column("record").to_pylist()
    except EnclaveError:
        pass
    assert sorted(seen) == list(range(1, len(seen) + 1))
    assert validator.tally.received == validator.tally.accepted + validator.tally.quarantined == len(seen)


@given(content=st.binary(max_size=400), start=st.integers(0, 4000), form=st.sampled_from(["xlsx", "sav"]))
def test_no_bytes_crash_the_other_readers(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: int, form: str
) -> None:
    """Random bytes written over a sound file."""
    folder = tmp_path_factory.mktemp(form)
    path = folder / f"two.{form}"
    if form == "xlsx":
        write_xlsx(path, [["first", "second"], ["a", 1], [None, None], ["b", date(2016, 1, 2)]])
    else:
        import pyreadstat

        pyreadstat.write_sav(pd.DataFrame({"first": ["a", "b"], "second": ["", CANARY]}), str(path))
    whole = bytearray(path.read_bytes())
    whole[start : start + len(content)] = content
    path.write_bytes(whole)
    check_nothing_lost(path, two_columns(form))
    try:
        for _ in read_batches(PlainFile(path), two_columns(form)):
            pass
    except EnclaveError as error:
        assert CANARY not in str(error)
        assert CANARY not in repr(error.__cause__) + repr(error.__context__)


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


def test_damaged_letters_line_breaks_and_odd_spellings_are_noted_not_refused(tmp_path: Path) -> None:
    rows = hemp_rows(6)
    rows[0]["occupant_name"] = "Zo\u00c3\u00ab"  # UTF-8 read as cp1252
    rows[1]["remark"] = "een\ntwee"
    rows[2]["damage_eur"] = "1.234,50"
    rows[3]["clearance_date"] = "5-6-2016"
    rows[4]["postcode"] = " 1234 ab "
    path = tmp_path / "hemp.csv"
    path.write_bytes(csv_bytes(rows))
    report = check_file(path, SCHEMAS["hemp_clearances"], "2016")
    assert report.acceptable and report.accepted == 6
    assert {(column, note, rows) for column, note, _, rows in report.notes} == {
        ("occupant_name", Note.BROKEN_CHARACTERS, (1,)),
        ("remark", Note.LINE_BREAK, (2,)),
        ("damage_eur", Note.VARIANT, (3,)),
        ("clearance_date", Note.VARIANT, (4,)),
        ("postcode", Note.REPAIRED, (5,)),
    }


def test_a_record_may_be_no_longer_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 1 << 20)
    assert faults(tmp_path, b'first;second\na;"' + b"x" * (6 << 20)) == {"truncated": (1,)}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [1, 7, 64, 4096])
def test_rows_after_too_many_blank_lines_are_refused_wherever_blocks_end(
    block: int, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_BLANK_LINES", 3)

    def scanned(blank: int, then: str) -> int | tuple[int, ...]:
        content = f"first;second{end}a;1{end}{end * blank}{then}".encode()
        try:
            return sum(map(len, scan_records(io.BytesIO(content), ";", "two.csv", block_size=block)))
        except BadInput as refused:
            (fault,) = refused.faults
            assert fault.check == "blank_lines"
            return fault.rows

    assert [scanned(blank, f"b;2{end}") for blank in (0, 3, 4, 900)] == [3, 6, (2,), (2,)]
    assert [scanned(blank, "b;2") for blank in (3, 4, 900)] == [6, (2,), (2,)]
    assert [scanned(blank, "") for blank in (0, 3, 4, 900)] == [2] * 4


def test_very_many_blank_lines_at_the_end_take_no_memory(tmp_path: Path) -> None:
    """60 MB of them; held, they would take the file's size and more."""
    path = tmp_path / "two.csv"
    with path.open("wb") as file:
        file.write(b"first;second\na;1\n")
        file.writelines([b"\r\n" * 1_000_000] * 30)
    tracemalloc.start()
    found = list(read_delimited(PlainFile(path), two_columns()))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows_of(found) == [(1, "a", "1")]
    assert most < 24 << 20  # a few blocks of 4 MiB


def test_broken_rows_come_a_bounded_number_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"first;second\n" + b"a;1\nb\n\n" * 5 + b"c;3"
    whole = batches(tmp_path, content)
    monkeypatch.setattr(delimited, "_MOST_BROKEN", 4)
    parted = batches(tmp_path, content)
    assert max(len(batch.broken) for batch in whole) > 4
    assert max(len(batch.broken) for batch in parted) <= 4
    assert broken_of(parted) == broken_of(whole)
    assert rows_of(parted) == rows_of(whole)


@given(st.lists(st.none() | st.text(alphabet=st.characters(codec="cp1252"), max_size=9)))
def test_cp1252_becomes_the_utf8_that_python_makes_of_it(texts: list[str | None]) -> None:
    cells = pa.array([None if text is None else text.encode("cp1252") for text in texts], pa.binary())
    found = text_of(cells)
    found.validate(full=True)
    assert found.to_pylist() == texts
