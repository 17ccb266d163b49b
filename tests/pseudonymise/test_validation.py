"""Validation: rules, counts, duplicates over batches, and no value in anything that is raised, logged or printed."""

from __future__ import annotations

import logging
import re
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enclave.errors import EnclaveError
from pseudonymise import validation
from pseudonymise.conversion import FORM_CODES, convert
from pseudonymise.delivery import check_file
from pseudonymise.formats.batch import Batch
from pseudonymise.quarantine import Defect
from pseudonymise.schemas import ColumnSpec
from pseudonymise.uniqueness import SeenBefore
from pseudonymise.validation import Validator
from tests.pseudonymise.small_town import SCHEMAS, Enclave, Row, bsns, csv_bytes, hemp_rows

HEMP = SCHEMAS["hemp_clearances"]
CANARY_BSN, CANARY_NAME, CANARY_CODE = "999400131", "Kanarievogel", "9876ZX"


SOUND = {
    "bsn": ["999400131", "99940013", "123456782"],
    "kvk": ["09000001", "12345678"],
    "bag": ["9001010000000001", "0000010000000001"],
    "postcode": ["1234AB", "1234ab", "1234SS"],
    "own_number": ["H-000001", "onbekend"],
    "licence_plate": ["AB-12-CD", "12-BBB-3", "99-GVD-9", "B-123-BB", "SS-99-99"],
    "iban": ["NL49SYNT0000000001", "NL91ABNA0417164300"],
    "phone": ["0612345678", "0912345678", "+31201234567"],
    "email": ["a.b@voorbeeld.nl", "test@test.nl"],
    "name": ["Noël", "à la Özgür", "een\ntwee", "Zo\u00c3\u00ab"],
    "date": ["29-02-2000", "29-02-1900", "31-04-2016", "1-2-2016"],
    "integer": ["12", "1.234", "9" * 18, "9" * 19],
    "decimal": ["12,5", "1,2,3", ",5", "1.234,5"],
}
SPACES = ["", " ", "\t", "\u00a0", "\u0085", "\u1680", "\u2003", "\u3000"]


def batch_of(rows: list[Row], first: int = 1) -> Batch:
    cells = pa.table({name: pa.array([str(row[name]) for row in rows], pa.string()) for name in HEMP.names})
    return Batch(pa.array(range(first, first + len(rows)), pa.int64()), cells)


def spec(**fields: Any) -> ColumnSpec:
    base = {"name": "x", "meaning_nl": "iets", "meaning_en": "thing", "type": "decimal", "example": "1"}
    return ColumnSpec.model_validate({**base, "treatment": "keep", "nullable": True, **fields})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("1234,5", 1234.5),
        ("1.234,5", 1234.5),
        ("1.234.567", 1234567.0),
        ("-12,25", -12.25),
        ("+3", 3.0),
        (" 7 ", 7.0),
        ("", None),
        ("1234.5", "wrong"),
        ("12.34", "wrong"),
        ("1,2,3", "wrong"),
        (",5", "wrong"),
        ("1e5", "wrong"),
        ("€ 5", "wrong"),
        ("--1", "wrong"),
        ("nan", "wrong"),
        ("٣", "wrong"),
    ],
)
def test_decimals_are_read_as_the_schema_writes_them(text: str, value: float | str | None) -> None:
    found = convert(spec(), HEMP, pa.array([text]))
    assert found.form[0] == (FORM_CODES[Defect.NOT_A_NUMBER] if value == "wrong" else 0)
    assert found.values.to_pylist() == [None if value == "wrong" else value]


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("12,0", 12), ("1.200", 1200), ("12,5", None), ("9" * 18, 10**18 - 1), ("9" * 19, None)],
)
def test_integers_are_whole_and_fit(text: str, value: int | None) -> None:
    found = convert(spec(type="integer"), HEMP, pa.array([text]))
    assert found.values.to_pylist() == [value]
    assert bool(found.form[0]) == (value is None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("29-02-2016", "20160229"),
        ("1-2-2016", "20160201"),
        ("01/02/2016", "20160201"),
        ("29-02-2015", None),
        ("29-02-1900", None),
        ("29-02-2000", "20000229"),
        ("31-04-2016", None),
        ("00-01-2016", None),
        ("01-13-2016", None),
        ("01-01-1799", None),
        ("2016-01-01", None),
        ("1 januari 2016", None),
    ],
)
def test_dates_exist_in_the_calendar(text: str, value: str | None) -> None:
    found = convert(spec(type="date"), HEMP, pa.array([text]))
    assert found.values.to_pylist() == [value]
    assert found.form[0] == (0 if value else FORM_CODES[Defect.NOT_A_DATE])


@given(days=st.dates())
def test_every_date_of_the_calendar_is_read_back(days: Any) -> None:
    text = f"{days.day}-{days.month}-{days.year:04d}"
    found = convert(spec(type="date"), HEMP, pa.array([text])).values.to_pylist()
    assert found == [days.strftime("%Y%m%d") if 1800 <= days.year <= 2199 else None]


@pytest.mark.parametrize("kind", sorted(SOUND))
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_what_is_said_of_a_value_does_not_depend_on_its_neighbours(kind: str, data: Any) -> None:
    """A column is looked at as a whole first; one odd value among sound ones sends all the slow way."""
    odd = st.builds("".join, st.tuples(st.sampled_from(SPACES), st.sampled_from(SOUND[kind]), st.sampled_from(SPACES)))
    changed = st.builds(lambda text, at, by: text[:at] + by + text[at:], odd, st.integers(0, 9), st.text(max_size=1))
    some = st.sampled_from([*SOUND[kind], *SPACES, "x"]) | odd | changed | st.none()
    texts = data.draw(st.lists(some, min_size=2, max_size=9))
    typed = {"type": kind} if kind in ("date", "integer", "decimal") else {"type": "identifier", "kind": kind}
    column = spec(**typed, **({"treatment": "drop"} if "kind" in typed else {}))
    together = convert(column, HEMP, pa.array(texts, pa.string()))
    for place, text in enumerate(texts):
        alone = convert(column, HEMP, pa.array([text], pa.string()))
        assert together.values[place].as_py() == alone.values[0].as_py()
        assert together.form[place] == alone.form[0]
        assert {note for note, rows in together.notes.items() if rows[place]} == set(alone.notes)


def test_other_date_formats_are_read_when_the_schema_says_so() -> None:
    iso = HEMP.model_copy(update={"date_format": "yyyy-mm-dd"})
    plain = HEMP.model_copy(update={"date_format": "yyyymmdd"})
    assert convert(spec(type="date"), iso, pa.array(["2016-2-1"])).values.to_pylist() == ["20160201"]
    assert convert(spec(type="date"), plain, pa.array(["20160201"])).values.to_pylist() == ["20160201"]


def test_a_point_may_be_the_decimal_mark() -> None:
    english = HEMP.model_copy(update={"decimal_mark": "."})
    assert convert(spec(), english, pa.array(["1,234.5"])).values.to_pylist() == [1234.5]


def test_a_value_longer_than_the_schema_allows_is_set_aside() -> None:
    rows = hemp_rows(3)
    rows[1]["remark"] = "x" * 4001
    rows[2]["remark"] = "x" * 4000
    validator = Validator(HEMP, "2016", salt=b"")
    validator.sort(batch_of(rows))
    assert dict(validator.tally.reasons) == {"remark:too_long": 1}


def test_ranges_patterns_and_required_cells_are_checked() -> None:
    rows = hemp_rows(6)
    rows[0]["plants"] = "-1"
    rows[1]["house_number"] = "abc"
    rows[2]["house_number"] = ""
    rows[3]["plants"] = ""
    rows[4]["house_number"] = "12a"
    validator = Validator(HEMP, "2016", salt=b"")
    divided = validator.sort(batch_of(rows))
    assert dict(
        zip(divided.quarantined["record"].to_pylist(), divided.quarantined["reasons"].to_pylist(), strict=True)
    ) == {
        1: "plants:out_of_range",
        2: "house_number:pattern",
        3: "house_number:missing",
        4: "plants:missing",
    }


def test_only_years_of_the_period_and_those_before_that_the_schema_allows_are_taken() -> None:
    rows = [{**row, "clearance_date": f"01-06-{2011 + place}"} for place, row in enumerate(hemp_rows(7))]
    validator = Validator(HEMP, "2016", salt=b"")
    divided = validator.sort(batch_of(rows))
    assert divided.quarantined["record"].to_pylist() == [1, 7]
    assert validator.faults_of_file("f") == ()


def test_copies_are_found_over_batches_and_the_first_one_stays() -> None:
    validator = Validator(HEMP, "2016", salt=b"")
    rows = hemp_rows(40)
    for start in range(0, 40, 10):
        validator.sort(batch_of(rows[start : start + 10], start + 1))
    divided = validator.sort(
        batch_of([rows[3], rows[12], {**rows[0], "dossier": "new"}, {**rows[0], "dossier": "new"}], 41)
    )
    assert divided.quarantined["record"].to_pylist() == [41, 42, 44]
    assert validator.tally.reasons["dossier:duplicate"] == 3


def test_a_bad_row_is_no_original() -> None:
    validator = Validator(HEMP, "2016", salt=b"")
    bad, good = dict(hemp_rows(1)[0], plants="x"), hemp_rows(1)[0]
    divided = validator.sort(batch_of([bad, good]))
    assert divided.accepted["record"].to_pylist() == [2]


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=8))
def test_copies_are_those_that_a_set_would_find(parts: list[list[int]]) -> None:
    seen, kept = SeenBefore(("a", "b"), b"salt"), set[int]()
    for part in parts:
        table = pa.table({"a": pa.array([str(v) for v in part], pa.string()), "b": pa.array(part, pa.int64())})
        expected = []
        for place, value in enumerate(part):
            if value in kept:
                expected.append(place)
            kept.add(value)
        assert seen.again(table).tolist() == expected


def test_columns_do_not_run_into_each_other() -> None:
    table = pa.table({"a": ["x", "xy", "", None], "b": ["yz", "z", "x", "x"]})
    assert SeenBefore(("a", "b"), b"").again(table).tolist() == [3]


def canary_rows() -> list[Row]:
    rows = hemp_rows(8)
    for place, (column, value) in enumerate(
        {
            "occupant_bsn": CANARY_BSN,
            "postcode": f"{CANARY_CODE}{CANARY_NAME}",
            "bag_id": CANARY_BSN,
            "clearance_date": CANARY_BSN,
            "plants": CANARY_BSN + CANARY_NAME,
            "damage_eur": CANARY_NAME,
            "house_number": CANARY_NAME,
        }.items()
    ):
        rows[place][column] = value
    rows[7]["occupant_name"] = CANARY_NAME
    return rows


CANARIES = re.compile(f"{CANARY_BSN}|{CANARY_NAME}|{CANARY_CODE}", re.IGNORECASE)


def everything_told(error: BaseException | None) -> str:
    """Message, traceback, causes and contexts, however deep."""
    told = []
    while error is not None:
        told += [str(error), repr(error), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(told)


def test_no_value_is_logged_printed_or_written_outside_the_identified_zone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    enclave = Enclave.at(tmp_path)
    tolerant = {**SCHEMAS, "hemp_clearances": HEMP.model_copy(update={"tolerance": 1.0})}
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(canary_rows()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        accepted = enclave.receive(enclave.seal(file, "hemp_clearances", 8), schemas=tolerant)
        report = check_file(file, HEMP, "2016")
        other = Enclave.at(_made(tmp_path / "second"))
        rejected = other.receive(other.seal(other.file(file.name, file.read_bytes()), "hemp_clearances", 8))
    assert accepted.findings.quarantined >= 6 and not rejected.accepted
    told = [
        str(accepted),
        str(rejected),
        str(report),
        repr(report),
        caplog.text,
        *map(str, caught),
        *capfd.readouterr(),
    ]
    assert not CANARIES.search("\n".join(told))
    for part in (enclave, other):
        written = {path: path.read_bytes() for path in part.workspace.root.rglob("*") if path.is_file()}
        assert not [path for path, content in written.items() if CANARIES.search(content.decode("latin-1"))]
    # the control: the values are there, under the key
    assert CANARIES.search(str(enclave.quarantined(accepted).to_pylist()))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _leaky(converted: Any, *_: object) -> Any:
    """A library that fails as libraries do: with the value in its message."""
    raise ValueError(f"could not convert {converted['occupant_name'].values.to_pylist()} to float")


def test_a_failing_library_does_not_carry_values_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enclave = Enclave.at(tmp_path)
    monkeypatch.setattr(validation, "failures_of", _leaky)
    with pytest.raises(EnclaveError) as caught:
        enclave.hemp(canary_rows())
    assert "rows could not be validated (ValueError)" in str(caught.value)
    assert not CANARIES.search(everything_told(caught.value))
    assert not CANARIES.search(str(list(enclave.journal.entries())))


def test_what_is_raised_for_a_broken_file_holds_no_value(tmp_path: Path) -> None:
    enclave = Enclave.at(tmp_path)
    for content in (
        csv_bytes(canary_rows()).split(b"\r\n", 1)[1],
        csv_bytes(canary_rows())[:-30],
        csv_bytes(canary_rows()).replace(b'";"', b'" "', 3),
    ):
        file = enclave.file("hemp_clearances_2016.csv", content)
        receipt = enclave.receive(enclave.seal(file, "hemp_clearances", 8))
        assert not receipt.accepted
        assert not CANARIES.search(str(receipt) + receipt.model_dump_json())


values = st.one_of(
    st.sampled_from(["", CANARY_BSN, "1,5", "01-02-2016", "9001010000000001", "1234AB"]), st.text(max_size=6)
)


@given(table=st.lists(st.fixed_dictionaries(dict.fromkeys(HEMP.names, values)), min_size=1, max_size=6))
def test_received_is_accepted_plus_quarantined_whatever_the_cells(table: list[Row]) -> None:
    validator = Validator(HEMP, "2016", salt=b"")
    divided = validator.sort(batch_of(table))
    both = divided.accepted["record"].to_pylist() + divided.quarantined["record"].to_pylist()
    assert sorted(both) == list(range(1, len(table) + 1))
    assert validator.tally.received == validator.tally.accepted + validator.tally.quarantined == len(table)
    assert all(reasons for reasons in divided.quarantined["reasons"].to_pylist())
    counted = [reason for row in divided.quarantined["reasons"].to_pylist() for reason in row.split("; ")]
    assert Counter(counted) == validator.tally.reasons


def test_the_numbers_of_the_small_town_pass_the_eleven_test() -> None:
    weights = np.array([9, 8, 7, 6, 5, 4, 3, 2, -1])
    numbers = bsns()
    assert all(int(weights @ np.array(list(map(int, next(numbers))))) % 11 == 0 for _ in range(100))
