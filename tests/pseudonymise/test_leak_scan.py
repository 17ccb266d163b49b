"""The leak scan: what must be found, what must not raise a false alarm, and reports without values."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pseudonymise.leak_names import NameWords
from pseudonymise.leak_own import rows_with_own_numbers
from pseudonymise.leak_patterns import DigitGroups, LeakKind, find_patterns, rows_with_iban
from pseudonymise.leak_scan import DensityCheck, LeakTally, any_leak, scan_text

BSN = "123456782"  # 9+16+21+24+25+24+21+16−2 = 154 = 14 × 11


def kinds(text: str | None) -> set[LeakKind]:
    found = find_patterns(pa.array([text], pa.string()))
    return {kind for kind, hit in found.items() if hit[0]}


@pytest.mark.parametrize(
    "text",
    [
        BSN,
        f"bsn {BSN}",
        f"zie{BSN}.",
        f"({BSN})",
        f"{BSN} en 5",
        f"op 17-05-2016 {BSN}",
        "1234.56.782",
        "123 456 782",
        "123-456-782",
        "12 34 56 782",
        "1 2 3 4 5 6 7 8 2",
        "1.2.3.4.5.6.7.8.2",
        "12345672",
        "１２３４５６７８２",
        "123\u200b456782",
        "123\u00ad456\u00ad782",
        "123\u00a0456\u00a0782",
        "BSN: 1234 56782",
        "bsn 12-3456782",
        "burgerservicenummer is 12 3456 782",
        "sofinr 12345 6782",
        "bsn 20160112",  # an eight-figure date that passes the eleven-test, but named as a BSN
    ],
)
def test_a_bsn_is_found_however_it_is_written(text: str) -> None:
    assert LeakKind.ELEVEN_TEST in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "123456789",
        "1234567820",
        "20160112",
        "05012016",
        "op 17-05-2016 om 12:30 uur",
        "van 01-01-2016 tot 31-12-2016",
        "in 2016 12345 euro",
        "000000000",
        "120 planten, 1.234,50 euro",
        "1234567",
        "",
        None,
    ],
)
def test_numbers_that_are_no_bsn_raise_no_alarm(text: str | None) -> None:
    assert kinds(text) == set()


def test_the_eight_figure_dates_above_would_pass_the_eleven_test() -> None:
    """So that the tests above test the exception for dates: 020160112 and 005012016."""
    for date in ("020160112", "005012016"):
        total = sum(w * int(d) for w, d in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), date, strict=True))
        assert (date, total % 11) == (date, 0)


@given(
    st.integers(10**7, 10**9 - 1),
    st.sampled_from(["", "kelder ", "nr.", "é ", "12 planten; "]),
    st.sampled_from(["", " gezien", ".", " ë"]),
)
def test_a_run_of_nine_figures_leaks_exactly_when_it_passes_the_eleven_test(
    number: int, before: str, after: str
) -> None:
    digits = f"{number:09d}"
    total = sum(w * int(d) for w, d in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), digits, strict=True))
    assert (LeakKind.ELEVEN_TEST in kinds(f"{before}{digits}{after}")) == (total % 11 == 0)


@given(st.lists(st.text(alphabet="12 .-é", max_size=12), max_size=12))
def test_digit_groups_are_what_a_regular_expression_finds(texts: list[str]) -> None:
    groups = DigitGroups.of(pa.array(texts, pa.string()))
    expected = [(row, len(run)) for row, text in enumerate(texts) for run in re.findall(r"[0-9]+", text)]
    assert list(zip(groups.row.tolist(), groups.width.tolist(), strict=True)) == expected
    assert bytes(groups.digits).decode() == "".join(re.findall(r"[0-9]", "".join(texts)))


def test_figures_of_two_texts_are_never_read_as_one() -> None:
    found = find_patterns(pa.array(["12345", "6782", "1234.56.", "782"]))
    assert not any(hit.any() for hit in found.values())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mail jan@example.nl", LeakKind.EMAIL),
        ("jan.de-vries+x@mail.example.co.uk", LeakKind.EMAIL),
        ("jan (at) example.nl", LeakKind.EMAIL),
        ("JAN@EXAMPLE.NL", LeakKind.EMAIL),
        ("rekening NL91ABNA0417164300", LeakKind.IBAN),
        ("nl91 abna 0417 1643 00", LeakKind.IBAN),
        ("NL91.ABNA.0417.1643.00 op 3 mei", LeakKind.IBAN),
        ("NL92ABNA0417164300 of NL91ABNA0417164300", LeakKind.IBAN),
        ("DE89 3704 0044 0532 0130 00", LeakKind.IBAN),
        ("BE68539007547034", LeakKind.IBAN),
        ("bel 06-12345678", LeakKind.PHONE),
        ("06 12 34 56 78", LeakKind.PHONE),
        ("0612345678", LeakKind.PHONE),
        ("+31 6 12345678", LeakKind.PHONE),
        ("0031612345678", LeakKind.PHONE),
        ("+31 (0)20 1234567", LeakKind.PHONE),
        ("(010) 123 45 67", LeakKind.PHONE),
        ("op 06-12-2016 gebeld met 0101234567", LeakKind.PHONE),
        ("1234 AB 12", LeakKind.ADDRESS),
        ("1234AB, nr. 12a", LeakKind.ADDRESS),
        ("1234ab 12", LeakKind.ADDRESS),
        ("1234AB huisnummer 12", LeakKind.ADDRESS),
        ("Dorpsstraat 12, 1234 AB", LeakKind.ADDRESS),
        ("Dorpsstraat 12-bis 1234AB", LeakKind.ADDRESS),
        ("KvK 09123456", LeakKind.REGISTER),
        ("k.v.k.-nummer: 0912 3456", LeakKind.REGISTER),
        ("Kamer van Koophandel nr 09123456", LeakKind.REGISTER),
        ("vestigingsnummer 000009123456", LeakKind.REGISTER),
        ("object 9001010000000001", LeakKind.BAG),
        ("9001 01 0000000001", LeakKind.BAG),
    ],
)
def test_every_other_identifier_is_found(text: str, kind: LeakKind) -> None:
    assert kind in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "kelder; stroom afgetapt",
        "2016 en 5 keer",
        "prijs 12 @ 5 euro",
        "op 06-12-2016 12:30",
        "op 2016-12-06 12:30",
        "9001040000000001 is geen objectsoort",
        "0000010000000001",
        "1234 AB",
        "1234 SS is een oude straat",
        "NL92ABNA0417164300",  # check digits 92 in place of 91
        "ZZ91ABNA0417164300",
        "meter 20160001 niet verzegeld",
    ],
)
def test_ordinary_remarks_raise_no_alarm(text: str) -> None:
    assert kinds(text) == set()


def iban(country: str, account: str) -> str:
    """Check digits by ISO 13616, with Python's big integers."""
    number = "".join(str(int(symbol, 36)) for symbol in f"{account}{country}00")
    return f"{country}{98 - int(number) % 97:02d}{account}"


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4, max_size=4), st.integers(0, 10**10 - 1), st.integers(1, 96))
def test_an_iban_is_found_and_with_other_check_digits_it_is_not(bank: str, account: int, shift: int) -> None:
    right = iban("NL", f"{bank}{account:010d}")
    check = 2 + (int(right[2:4]) - 2 + shift) % 97
    assume(check % 97 != int(right[2:4]) % 97)
    wrong = f"NL{check:02d}{right[4:]}"
    assert rows_with_iban(pa.array([f"x {right} y", f"x {wrong} y", f"{wrong} {right}"])).tolist() == [
        True,
        False,
        True,
    ]


def test_a_text_full_of_things_like_ibans_is_not_let_through_unread() -> None:
    flood = " ".join(f"NL00ABNA{n:010d}" for n in range(400) if iban("NL", f"ABNA{n:010d}")[2:4] != "97")  # 00 ≡ 97
    assert rows_with_iban(pa.array([flood, "rustig"])).tolist() == [True, False]


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


def numbers_with_eleven_test(count: int) -> list[int]:
    found = []
    for number in range(123_000_000, 200_000_000):
        if sum(w * int(d) for w, d in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), f"{number}", strict=True)) % 11 == 0:
            found.append(number)
            if len(found) == count:
                break
    return found


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string(), pa.large_string(), pa.decimal128(21, 2)])
def test_a_column_of_bsns_is_a_leak_whatever_its_type(kind: pa.DataType) -> None:
    check = DensityCheck()
    for start in (0, 30):
        check.add(pa.array(numbers_with_eleven_test(60)[start : start + 30]).cast(kind))
    assert check.leaks()


def test_numbers_by_chance_few_numbers_repeats_and_other_types_are_no_leak() -> None:
    rng = np.random.default_rng(3)
    columns = [
        pa.array(rng.integers(10**8, 10**9, 20_000)),
        pa.array(rng.integers(0, 10**7, 20_000)),
        pa.array(rng.random(20_000) * 10**9),
        pa.array(numbers_with_eleven_test(29)),
        pa.array(numbers_with_eleven_test(1) * 5_000),
        pa.array([f"{y}{m:02d}{d:02d}" for y in range(2010, 2017) for m in range(1, 13) for d in range(1, 29)]),
        pa.array([True, False]),
        pa.array([None, None], pa.int64()),
    ]
    for column in columns:
        check = DensityCheck()
        check.add(column)
        assert not check.leaks(), column.type


def test_every_kind_of_leak_describes_itself() -> None:
    assert len({kind.description() for kind in LeakKind}) == len(LeakKind)
