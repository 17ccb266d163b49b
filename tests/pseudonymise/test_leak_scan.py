"""The leak scan: what must be found, what must not raise a false alarm, and reports without values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.identifier_patterns import LeakKind
from pseudonymise.leak_names import NameWords
from pseudonymise.leak_own import rows_with_own_numbers
from pseudonymise.leak_scan import LeakTally, any_leak, scan_text

BSN = "123456782"  # 9+16+21+24+25+24+21+16−2 = 154 = 14 × 11


@pytest.fixture
def names() -> NameWords:
    known = NameWords()
    known.add(pa.array(["Jansen", "Björnsson", "van der Bakker", "Øster-Læsø", None, ""]))
    known.add(pa.array(["Jan", "Anna-Marie", "J. d'Hondt", "Stichting Groen Beheer B.V."]))
    return known


@pytest.mark.parametrize(
    ("text", "own", "leaks"),
    [
        ("mevrouw Jansen gebeld", None, True),
        ("jansen gebeld", None, True),
        ("JANSEN", None, True),
        ("bjornsson was er", None, True),
        ("Bjo\u0308rnsson was er", None, True),
        ("oster-laeso", None, True),
        ("anna was er", None, True),
        ("d'hondt", None, True),
        ("de bakker zag niets", None, False),
        ("de bakker zag niets", "van der Bakker", True),
        ("Bakker zag niets", None, True),
        ("jan bakker zag niets", None, True),
        ("bakker van anna", None, True),
        ("in jan 2016", None, False),
        ("groen licht", None, False),
        ("Stichting of beheer", None, False),
        ("van der", "van der Bakker", False),
        ("Jansenstraat", None, False),
        ("de kelder, j. en b.", None, False),
        (None, "Jansen", False),
        ("", "Jansen", False),
    ],
)
def test_names_of_the_delivery_are_found_as_whole_words(
    names: NameWords, text: str | None, own: str | None, leaks: bool
) -> None:
    own_column = pa.array([own], pa.string())
    assert names.rows_with_names(pa.array([text], pa.string()), [own_column]).tolist() == [leaks]


def test_a_name_counts_as_own_in_its_own_record_only(names: NameWords) -> None:
    texts = pa.array(["bakker", "bakker", "bakker"])
    own = [pa.array(["Jansen", "Bakker", None]), pa.array([None, None, "J. Bakker"])]
    assert names.rows_with_names(texts, own).tolist() == [False, True, True]


def test_without_names_nothing_is_a_name() -> None:
    assert NameWords().rows_with_names(pa.array(["Jansen", None]), []).tolist() == [False, False]
    assert repr(NameWords()) == "NameWords(…)"


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("zie dossier H-2016-0001.", True),
        ("zie h-2016-0001", True),
        ("bedrijf 09123455, gesloten", True),
        ("(09123455)", True),
        ("zie h 2016.0001", True),
        ("zie H20160001", True),
        ("bedrijf 09 12 34 55", True),
        ("bedrijf 0912 - 3455", True),
        ("0912 en 3455", False),
        ("109123455", False),
        ("0912 34556", False),
        ("zie H-2016-0002", False),
        ("zie H-2016-00011", False),
        ("bedrijf 09123456", False),
        ("1234 planten", False),
        ("geen nummer", False),
        (None, False),
    ],
)
def test_numbers_of_the_same_record_are_found_as_whole_words(text: str | None, leaks: bool) -> None:
    texts = pa.array([None, text, "zie H-2016-0001"], pa.string())
    own = [
        pa.array([None, "H-2016-0001", "H-2016-0002"]),
        pa.array(["09123455", "09123455", None]),
        pa.array(["1234"] * 3),
    ]
    assert rows_with_own_numbers(texts, own).tolist() == [False, leaks, False]
    found = scan_text(texts, NameWords(), (), own)
    assert (LeakKind.OWN_NUMBER in found) == leaks


def test_short_numbers_count_in_their_own_spelling_only() -> None:
    own = [pa.array(["12-34", "12-34", "12-34", "12345"])]
    texts = pa.array(["om 12:34 uur", "zie 12-34", "12 34", "12 345 euro"])
    assert rows_with_own_numbers(texts, own).tolist() == [False, True, False, False]


@given(
    st.text("ABCXYZ0123456789", min_size=6, max_size=16).filter(lambda number: any(map(str.isdigit, number))),
    st.data(),
)
def test_a_number_is_found_in_its_own_record_however_it_is_parted(number: str, data: st.DataObject) -> None:
    def spelt() -> str:
        marks = st.sampled_from(["", "", " ", ".", "-", "/", " - ", "\u00a0"])
        return "".join(character + data.draw(marks) for character in number[:-1]) + number[-1]

    own, text = spelt(), data.draw(st.sampled_from([str.upper, str.lower]))(spelt())
    before, after = (
        data.draw(st.sampled_from(["", "zie ", "één: ", "("])),
        data.draw(st.sampled_from(["", ".", " é", ")"])),
    )
    texts = [f"{before}{text}{after}", f"{before}{text}7", f"{before}Q{text}{after}", f"{before}{text[:-1]}"]
    columns = [pa.array([None] * 4, pa.string()), pa.array([own] * 4)]
    assert rows_with_own_numbers(pa.array(texts), columns).tolist() == [True, False, False, False]


def test_a_scan_says_which_rows_hold_what_and_empty_columns_hold_nothing(names: NameWords) -> None:
    texts = pa.array([f"x {BSN}", "rustig", None, "Jansen jan@example.nl", f"x {BSN}"])
    found = scan_text(texts, names)
    assert {kind: hit.tolist() for kind, hit in found.items()} == {
        LeakKind.ELEVEN_TEST: [True, False, False, False, True],
        LeakKind.EMAIL: [False, False, False, True, False],
        LeakKind.NAME: [False, False, False, True, False],
    }
    assert any_leak(found, 5).tolist() == [True, False, False, True, True]
    for nothing in (pa.array([], pa.string()), pa.array([None, None], pa.string()), pa.chunked_array([], pa.string())):
        assert scan_text(nothing, names) == {}


def test_a_report_names_column_check_count_and_rows_but_no_value(names: NameWords) -> None:
    tally = LeakTally()
    texts = pa.array([f"x {BSN}", "Jansen"] * 10)
    for batch in range(2):
        tally.add("remark", scan_text(texts, names), np.arange(20) + 100 * (batch + 1))
    faults = tally.faults("file.csv")
    assert [(f.check, f.column, f.count, f.rows) for f in faults] == [
        ("leak:bsn-or-rsin", "remark", 20, tuple(range(100, 120, 2))),
        ("leak:name", "remark", 20, tuple(range(101, 120, 2))),
    ]
    shown = " ".join(map(str, faults))
    assert BSN not in shown
    assert "jansen" not in shown.lower()
