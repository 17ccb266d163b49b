"""The scan of everything that leaves: planted identifiers, listings, formulas and foreign files; no false alarms."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from output_control.leaving import faults_of_leaving
from output_control.leaving.text import faults_of_each, faults_of_texts, long_numbers
from output_control.leaving.words import fault_of_text
from output_control.outputs import OutputColumn, csv_bytes, csvw_bytes, json_bytes, status_columns

BSN = "123456782"  # 9+16+21+24+25+24+21+16−2 = 154 = 14 × 11
STEM = "demo/homes"


def bundle_of(*columns: OutputColumn, key: str = "area", title: str = "Homes", **evidence: Any) -> dict[str, bytes]:
    """A table with its metadata and evidence, as the gate writes them."""
    said = {"protected_unit": "owner", "population": {"key": "home"}, "record": ["home"], "checks": ["freq"]}
    return {
        f"outputs/{STEM}.csv": csv_bytes(columns),
        f"outputs/{STEM}.csv-metadata.json": csvw_bytes("homes.csv", title, "Homes by area", columns, [key]),
        f"evidence/{STEM}.json": json_bytes({**said, **evidence}),
    }


def column(name: str, values: list[str]) -> OutputColumn:
    return OutputColumn(name, "string", {"en": name}, pa.array(values))


def table(areas: list[str], values: list[float], **more: Any) -> dict[str, bytes]:
    columns = [
        column("area", areas),
        OutputColumn("value", "number", {"en": "Value"}, pa.array(values, pa.float64())),
        *status_columns(np.zeros(len(areas), dtype=np.bool_)),
    ]
    return bundle_of(*columns, **more)


def found(files: dict[str, bytes]) -> str:
    return "\n".join(faults_of_leaving(files))


def test_a_table_as_the_gate_writes_it_holds_nothing() -> None:
    digest = "1234567" * 9 + "8"  # 64 figures: a digest with none but figures is possible, if unlikely
    assert found(table(["NL", "GM0363", "BU03630000"], [12.5, 1e7, 0.001], fingerprint=digest[:64])) == ""


@pytest.mark.parametrize(
    ("area", "fault"),
    [
        (BSN, "eleven-test"),
        (f"BU{BSN}", "eleven-test"),
        ("1234 AB 12", "a postcode with a house number"),
        ("KvK 12345678", "a KvK or establishment number"),
        ("NL91ABNA0417164300", "a bank account number"),
        ("a.jansen@voorbeeld.nl", "an e-mail address"),
        ("06 1234 5678", "a phone number"),
        ("0363010000000001", "a BAG number"),
        ("123456-782", "eleven-test"),
        ("1-23456782", "eleven-test"),
        ("12345+67-82", "eleven-test"),
        ("123,456=782", "eleven-test"),
        ("1%2%3%4%5%6%7%8%2", "eleven-test"),
        ("class 123456_782 x", "eleven-test"),
        ("036301-0000000001", "a BAG number"),
        ("123--456--782", "eleven-test"),
        ("123 - 456 - 782", "eleven-test"),
        ("123. 456. 782", "eleven-test"),
        ("12345 / 6782", "eleven-test"),
        ("12345::67 - 82", "eleven-test"),
        ("1234500-6782099", "a number of eight figures or more"),
        ("of 1234500 - 6782099 and more", "a number of eight figures or more"),
        ("1234-5679", "a number of eight figures or more"),
        ("0000 1234 5679", "a number of eight figures or more"),
        ("=cmd()", "a spreadsheet would run"),
        ("+SUM(A1)", "a spreadsheet would run"),
        ("@x", "a spreadsheet would run"),
        ("-2+3", "a spreadsheet would run"),
    ],
)
def test_an_identifier_or_formula_in_a_code_is_found_and_not_repeated(area: str, fault: str) -> None:
    said = found(table(["NL", area], [1.0, 2.0]))
    assert fault in said
    assert f"outputs/{STEM}.csv: column area" in said
    assert area not in said


@pytest.mark.parametrize("area", ["-5", "65+", "<150k", ">=400k", "a=b", "18-24", ""])
def test_ordinary_codes_are_no_formula(area: str) -> None:
    assert found(table(["NL", area], [1.0, 2.0])) == ""


SHAPES = ["{}-{}", "{}.{}", "of {}, {} and more", "{}-{} and {}-{}", "{} - {}", "{} / {}"]


@pytest.mark.parametrize("shape", SHAPES)
def test_years_and_spans_of_amounts_are_no_identifiers(shape: str) -> None:
    """Of all years one pair in eleven passes the eleven-test by chance."""
    years = [shape.format(a, b, a, b) for a in range(1990, 2030) for b in range(1990, 2030)]
    assert found(table(years, [1.0] * len(years))) == ""
    if shape in ("{}-{}", "{} - {}"):
        spans = [shape.format(a, a + 999) for a in range(1000, 99_000, 500)]
        spans += [
            shape.format(f"{a}.{b}", f"{a + 1}.{c}")
            for a in range(1, 98, 7)
            for b, c in (("000", "500"), ("500", "499"))
        ]
        assert found(table(spans, [1.0] * len(spans))) == ""


def test_spans_of_times_and_shares_and_lists_of_numbers_are_no_identifiers() -> None:
    """In a title; one in eleven of all would pass the eleven-test by chance."""
    rng = np.random.default_rng(1)
    times = [f"{a:02}:{b:02} - {b % 24:02}:{a:02}" for a, b in rng.integers(0, 24, (100, 2)).tolist()]
    shares = [f"0.{a} - 1.{b}" for a, b in rng.integers(100, 999, (100, 2)).tolist()]
    lists = [f"({a}, {b}, {c})" for a, b, c in rng.integers(100, 999, (100, 3)).tolist()]
    said = [*times, *shares, *lists]
    assert list(faults_of_texts(pa.array(said))) == []
    assert list(faults_of_texts(pa.array(["10:30 - 456782", "0.12 - 3456782"])))


@given(st.lists(st.integers(1, 8), unique=True, max_size=8), st.text("<>=.,+_/% -", min_size=8, max_size=8))
def test_a_bsn_is_found_however_one_mark_parts_it(places: list[int], marks: str) -> None:
    code = "".join(
        mark + figure if at in places else figure
        for at, (mark, figure) in enumerate(zip(" " + marks, BSN, strict=True))
    )
    if code != BSN:
        assert "column area holds a number of 8 or 9 digits" in found(table(["NL", f"x {code}"], [1.0, 2.0]))


def test_an_identifier_in_a_title_label_or_note_is_found_in_every_file() -> None:
    files = table(["NL"], [1.0], title=f"Homes of {BSN}", notes=[f"bsn {BSN}"])
    said = found(files)
    assert f"outputs/{STEM}.csv-metadata.json: holds a number" in said
    assert f"evidence/{STEM}.json: holds a number" in said
    assert BSN not in said


def test_a_column_of_bsns_among_the_figures_is_found_and_one_by_chance_is_not() -> None:
    weights = np.array([9, 8, 7, 6, 5, 4, 3, 2, -1])
    digits = np.array([list(map(int, str(n))) for n in range(123456700, 123458700)])
    numbers = np.arange(123456700, 123458700)[digits @ weights % 11 == 0][:40]
    assert len(numbers) == 40
    areas = [f"a{i}" for i in range(40)]
    assert "column value passes the eleven-test" in found(table(areas, numbers.astype(float).tolist()))
    assert found(table(areas, [float(123456700 + i) for i in range(40)])) == ""


@pytest.mark.parametrize("name", ["home", "owner"])
def test_a_column_of_record_or_unit_keys_is_a_listing(name: str) -> None:
    files = bundle_of(column(name, ["1", "2"]), *status_columns(np.zeros(2, dtype=np.bool_)), key=name)
    assert f"column {name} is the key of records or units" in found(files)


def test_a_key_of_long_numbers_is_a_listing_whatever_its_name() -> None:
    assert "as keys of records are" in found(table([str(734_501 + 7 * i) for i in range(30)], [1.0] * 30))
    assert found(table([str(10_000 + 7 * i) for i in range(30)], [1.0] * 30)) == ""


def test_two_rows_of_one_key_are_a_listing() -> None:
    assert "two rows of one key" in found(table(["NL", "NL"], [1.0, 2.0]))


def test_a_list_of_many_numbers_in_the_evidence_is_found() -> None:
    assert found(table(["NL"], [1.0], sizes=list(range(100)))) == ""
    assert "lists more than 100 numbers" in found(table(["NL"], [1.0], sizes=list(range(101))))


def test_a_table_without_status_metadata_or_the_described_columns_is_found() -> None:
    bare = bundle_of(column("area", ["NL"]))
    assert "has no column OBS_STATUS" in found(bare)
    files = table(["NL"], [1.0])
    del files[f"outputs/{STEM}.csv-metadata.json"]
    assert "no metadata beside it" in found(files)
    files = table(["NL"], [1.0])
    files[f"outputs/{STEM}.csv"] = b"area,name\nNL,x\n"
    assert "other columns than its metadata describes" in found(files)
    files[f"outputs/{STEM}.csv"] = b"area,value\nNL,1,2\n"
    assert "not readable as a table" in found(files)


def test_a_word_in_a_column_of_figures_is_found() -> None:
    files = table(["NL", "GM1"], [1.0, 2.0])
    files[f"outputs/{STEM}.csv"] = files[f"outputs/{STEM}.csv"].replace(b"2,", b"Jansen,")
    assert "column value holds something else than numbers" in found(files)


@pytest.mark.parametrize(
    "content",
    [b"a\x00b", b"\xef\xbb\xbfarea", "NL\u202e".encode(), "NL\u200b".encode(), b"\xff\xfe", b"a\r\nb", b"a\tb"],
)
def test_bytes_that_are_not_shown_are_found_in_every_kind_of_file(content: bytes) -> None:
    for name in (f"outputs/{STEM}.csv", f"outputs/{STEM}.svg", f"evidence/{STEM}.json"):
        assert "not plain text" in found({name: content})


@pytest.mark.parametrize(
    "name",
    [
        *(f"outputs/{STEM}.{kind}" for kind in ("xlsx", "png", "pdf", "html", "parquet", "pickle", "json", "csv.gz")),
        f"evidence/{STEM}.csv",
        f"outputs/{STEM}",
        "annex/demo/homes.cells.csv",
    ],
)
def test_any_other_type_of_file_is_found(name: str) -> None:
    assert "files of this type may not leave" in found({name: b"{}"})


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><title>Homes</title>{}</svg>'


@pytest.mark.parametrize(
    ("inner", "fault"),
    [
        ("<script>1</script>", "the gate does not draw"),
        ('<image href="data:image/png;base64,AAAA"/>', "the gate does not draw"),
        ('<rect onclick="x()"/>', "the gate does not draw"),
        ('<rect fill="url(#a)"/>', "the gate does not draw"),
        ('<g xmlns="http://example.org/"/>', "the gate does not draw"),
        ("<metadata>x</metadata>", "the gate does not draw"),
        (f"<text>{BSN}</text>", "eleven-test"),
        (f"<text>{''.join(f'&#{ord(c)};' for c in BSN)}</text>", "eleven-test"),
        ("<text>1&#10;23456&#xa;782</text>", "eleven-test"),
        ('<g id="a123456782"/>', "eleven-test"),
        ('<path d="M12345679 1"/>', "eight figures"),
        (f"<desc>bsn <!-- {BSN} --></desc>", "a comment"),
        ("<text>", "not well-formed"),
    ],
)
def test_what_is_no_drawing_in_a_figure_is_found(inner: str, fault: str) -> None:
    files = table(["NL"], [1.0]) | {f"outputs/{STEM}.svg": SVG.format(inner).encode()}
    assert fault in found(files)
    assert BSN not in found(files)


def test_a_figure_leaves_with_its_table_only() -> None:
    plain = SVG.format('<rect width="1" height="2"/><text>12</text>').encode()
    assert found(table(["NL"], [1.0]) | {f"outputs/{STEM}.svg": plain}) == ""
    assert "without its table" in found({f"outputs/{STEM}.svg": plain})


def escaped(text: str, which: int) -> str:
    """``text`` as JSON, with characters written as escapes where a bit of ``which`` says so."""
    return "".join(f"\\u{ord(c):04x}" if which >> at & 1 else c for at, c in enumerate(text))


PLACES = [
    '{"notes": ["%s"]}', '{"%s": 1}', '{"a": {"b": [{"c": "of %s and"}]}}', '{"n": #}', '[[{"n": [1, #, 2]}]]',
    '{"n": #.0}', '{"n": -#e0}', '{"model": {"rounded_to": 1, "records": #}}', '"%s"', "#", '{"x": "a", "x": "%s"}',
    '{"x": #, "x": "b"}',
]  # fmt: skip


@given(st.sampled_from(PLACES), st.integers(0, 2**9 - 1), st.sampled_from([BSN, "111222333", "12345672"]))
def test_an_identifier_is_found_anywhere_in_a_json_file(place: str, which: int, number: str) -> None:
    """As key, text of any escaping, number of any writing, however deep, and behind a repeated key."""
    content = place.replace("%s", escaped(number, which)).replace("#", number)
    for name in (f"evidence/{STEM}.json", "approvals.json"):
        said = found({name: content.encode()})
        assert "identifiers" in said or "eleven-test" in said or "repeats 1 key" in said
        assert number not in said


@pytest.mark.parametrize("number", ["1.23456782e8", "12345678.2", "0.123456782", "12345678200e-2", "9" * 5000, "1e-8"])
def test_numbers_are_looked_at_as_they_are_written(number: str) -> None:
    assert bool(found({f"evidence/{STEM}.json": f'{{"n": {number}}}'.encode()})) == (number != "1e-8")


def test_round_amounts_and_rounded_counts_of_a_country_are_no_identifiers() -> None:
    model = {"rounded_to": 10, "records": 17_923_460, "units": 9_876_540, "scale": 5_282_000_000.0, "p": 1 / 3}
    assert found(table(["NL"], [1.0], model=model)) == ""
    assert "holds 1 number(s)" in found(table(["NL"], [1.0], model={**model, "records": 17_923_461}))
    assert "holds 1 number(s)" in found(table(["NL"], [1.0], records=17_923_460))


HIDDEN = ["\u200b", "\u2061" * 3, "\u202e", "\U000e0031", "\ufe0f", "\U000e0101", "\u034f", "\u3164", "\x00", "\x1b"]


@pytest.mark.parametrize("hidden", [*HIDDEN, "\ud83d"])
def test_characters_that_are_not_shown_are_found_however_they_are_written(hidden: str) -> None:
    """As themselves, as escapes of JSON and as references of SVG."""
    refusal = "characters that are not shown"
    assert fault_of_text(f"x{hidden}").startswith(f"holds {refusal}")
    for said in (json.dumps({"a": f"x{hidden}"}), json.dumps({f"x{hidden}": 1})):
        assert refusal in found({f"evidence/{STEM}.json": said.encode()})
    if hidden == "\ud83d":
        return
    for name in (f"outputs/{STEM}.csv", f"outputs/{STEM}.svg", f"evidence/{STEM}.json"):
        assert refusal in found({name: f"x{hidden}".encode()})
    references = "".join(f"&#{ord(character)};" for character in hidden)
    if hidden >= " ":  # XML has no reference to a control
        for inner in (f"<text>1{references}2</text>", f'<g id="a{references}"/>'):
            assert refusal in found(table(["NL"], [1.0]) | {f"outputs/{STEM}.svg": SVG.format(inner).encode()})


def test_a_number_is_found_over_line_breaks_of_a_text() -> None:
    assert "eleven-test" in found({f"evidence/{STEM}.json": json.dumps(["x " + "\n\n".join(BSN)]).encode()})


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40) | st.integers() | st.lists(st.floats()), max_size=5))
def test_any_evidence_is_judged_without_a_crash_and_without_quoting_it(said: dict[str, object]) -> None:
    content = json.dumps({**said, "planted": BSN}, allow_nan=False, default=str) if _finite(said) else "{}"
    faults = faults_of_leaving({f"evidence/{STEM}.json": content.encode()})
    assert bool(faults) or not _finite(said)
    assert BSN not in "".join(faults)


def _finite(said: dict[str, object]) -> bool:
    return all(np.isfinite(v).all() for v in said.values() if isinstance(v, list))


@pytest.mark.parametrize("code", ["١٢٣٤٥٦٧٨٢", "１２３４５６７８", "९९९४००१३१"])
def test_figures_are_figures_in_any_script(code: str) -> None:
    assert long_numbers(pa.array([code])) == 1


def test_texts_of_many_files_are_judged_together_as_each_alone() -> None:
    listed = [["of 111222333", "", "and 111222333"], [], ["nothing"], ["Kerkstraat 12", "111222333"], [], ["é 1"]]
    arrays = [pa.array(texts, pa.string()) for texts in listed]
    together = faults_of_each(arrays)
    assert together == [list(faults_of_texts(array)) for array in arrays]
    assert ["(2 text(s))" in "".join(faults) for faults in together] == [True, False, False, False, False, False]
    assert [len(faults) for faults in together] == [1, 0, 0, 2, 0, 0]
