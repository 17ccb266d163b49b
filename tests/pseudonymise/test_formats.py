"""Readers of CSV, XLSX and SPSS: right record numbers, bounds, and clear refusals without a value."""

from __future__ import annotations

import codecs
import csv
import io
import tracemalloc
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import BadInput, EnclaveError
from pseudonymise.delivery import check_file
from pseudonymise.formats import delimited, read_batches, records
from pseudonymise.formats.batch import Note, PlainFile
from pseudonymise.formats.delimited import read_delimited, text_of
from pseudonymise.formats.encoding import EncodingSurvey
from pseudonymise.formats.records import scan_records
from pseudonymise.schemas import DeliverySchema
from pseudonymise.validation import Validator
from tests.pseudonymise.reading import CANARY, batches, broken_of, faults, rows_of, two_columns
from tests.pseudonymise.small_town import (
    SCHEMAS,
    csv_bytes,
    hemp_rows,
    write_xlsx,
)


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
