"""Identifiers inside free text: what must be found however it is written, and what must not raise a false alarm."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from enclave.identifier_patterns import DigitGroups, LeakKind, find_patterns, rows_with_iban

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


def test_what_leaves_may_name_places_that_end_like_streets_beside_figures() -> None:
    """Of a release only the surest endings are looked at: rows of a table are called after places."""
    texts = pa.array(["Buitenhof 12", "Brink 5", "Kerkstraat 12"])
    assert find_patterns(texts)[LeakKind.STREET].tolist() == [True, True, True]
    assert find_patterns(texts, any_parting=True)[LeakKind.STREET].tolist() == [False, False, True]


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
        ("nr 0000 0912 3456", LeakKind.REGISTER),
        ("op Kerkstraat 12", LeakKind.STREET),
        ("Oude weg 3a", LeakKind.STREET),
        ("Laan van Nieuw Nergens 101", LeakKind.STREET),
        ("hoek dorpsplein nr. 4", LeakKind.STREET),
        ("gezien bij Amsteldijk nr. 12, 3 hoog", LeakKind.STREET),
        ("Molenhof 4", LeakKind.STREET),
        ("woont Kerkpad 12 te Nergens", LeakKind.STREET),
        ("Vondelpark 3 1e verdieping", LeakKind.STREET),
        ("Zandhoek 3", LeakKind.STREET),
        ("Burgemeester Stramanbaan 3", LeakKind.STREET),
        ("Grote Markt 14", LeakKind.STREET),
        ("Brink 5", LeakKind.STREET),
        ("Museumplaats 4", LeakKind.STREET),
        ("Oudezijds Voorburgwal 10", LeakKind.STREET),
        ("AMSTELDIJK 12A", LeakKind.STREET),
        ("KERKSTRAAT 12", LeakKind.STREET),
        ("op de brink 5.", LeakKind.STREET),
        ("aan de dijk 12a", LeakKind.STREET),
        ("amsteldijk 12", LeakKind.STREET),
        ("Oude markt 3", LeakKind.STREET),
        ("auto 12-GHJ-3 weggesleept", LeakKind.PLATE),
        ("gh-12-jk", LeakKind.PLATE),
        ("2-KLM-34, blauw", LeakKind.PLATE),
        ("kenteken GHJ12K", LeakKind.PLATE),
        ("busje 12 GH JK", LeakKind.PLATE),
        ("kenteken AB-12-34", LeakKind.PLATE),
        ("kentekennr. ae1234", LeakKind.PLATE),
        ("kvk-nr. 68 75 01 10", LeakKind.REGISTER),
        ("vestigingsnr 0000.3717.8598", LeakKind.REGISTER),
        ("betrokkene BE 85.07.30-033.28 gezien", LeakKind.FOREIGN),
        ("85.07.30-033.28", LeakKind.FOREIGN),
        ("nr be85073003328.", LeakKind.FOREIGN),
        ("rijksregisternummer van hem: 85 07 30 033 28", LeakKind.FOREIGN),
        ("Steuer-ID 86 095 742 719, gebeld", LeakKind.FOREIGN),
        ("DE86095742719", LeakKind.FOREIGN),
        ("PESEL 44051401359", LeakKind.FOREIGN),
        ("PL-44051401359", LeakKind.FOREIGN),
        ("dni 12345678Z", LeakKind.FOREIGN),
        ("NIE X1234567L", LeakKind.FOREIGN),
        ("rss mra 85t10 a562s", LeakKind.FOREIGN),
        ("2 55 08 14 168 025 38", LeakKind.FOREIGN),
        ("CNP 1630615123457", LeakKind.FOREIGN),
        ("personnummer 880320-0016", LeakKind.FOREIGN),
        ("HETU 131052-308T", LeakKind.FOREIGN),
        ("V-nummer 1234567890", LeakKind.FOREIGN),
        ("paspoortnr. NXF8D2K19", LeakKind.FOREIGN),
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
        "kans 0.000012345678",
        "langs de snelweg 2 km verder",
        "Middelburg 120, Moerdijk 34",
        "in de straat 3 auto's",
        "Parkeerplaats 12, Werkplaats 3 doorzocht, Speelplaats 2",
        "op de markt 14.30 uur, Molenhof 14:30",
        "Markt 5 mei bezocht, Dam 2016",
        "mevrouw Brink 5 keer gebeld, dhr J. Brink 12, Van Dam 3 maal",
        "Amsterdam 12, Rotterdam 3, Achterhoek 5",
        "Kerkpad 3 planten, op de markt 5 kramen, in de brink 5 bomen",
        "Vergadering 12, Levering 3, Supermarkt 3",
        "Haven 1.250 euro",
        "Slaaphoek 2, 40 planten, kweekhoek 3.",
        "wagenpark 12.",
        "langs het fietspad 2",
        "12-34-56",
        "GHJ-12 en AB 12",
        "auto van 1234 GH",
        "kenteken is niet 12 of 34",
        "PESEL 44051401358",
        "BE 85.07.30-033.29",
        "RSSMRA85T10A562X",
        "meter 44051401359",  # eleven figures of no named country
        "meter 31612345678",
        "de 86095742719",
        "BE 2016, DE 12 planten",
        "paspoort verlopen sinds 12-03-2016",
        "kans 0.85073003328",
        "lijn GH12JK",  # no hyphens, and nothing in the text that drives
    ],
)
def test_ordinary_remarks_raise_no_alarm(text: str) -> None:
    assert kinds(text) == set()


def iban(country: str, account: str) -> str:
    """Check digits by ISO 13616, with Python's big integers."""
    number = "".join(str(int(symbol, 36)) for symbol in f"{account}{country}00")
    return f"{country}{98 - int(number) % 97:02d}{account}"


@given(st.integers(0, 99), st.integers(1, 12), st.integers(1, 28), st.integers(1, 998), st.data())
def test_a_belgian_number_is_found_in_every_spelling_and_not_with_other_check_figures(
    year: int, month: int, day: int, serial: int, data: st.DataObject
) -> None:
    first = f"{year:02d}{month:02d}{day:02d}{serial:03d}"
    right = 97 - int(first) % 97
    wrong = data.draw(st.integers(1, 97).filter(lambda check: check not in (right, 97 - int(f"2{first}") % 97)))
    word = data.draw(st.sampled_from(["rijksregisternummer ", "Rijksregisternr. is ", "BE", "BE "]))
    parts = [data.draw(st.sampled_from(["", ".", " ", "-"])) for _ in range(4)]

    def spelt(check: int) -> str:
        pieces = (first[:2], first[2:4], first[4:6], first[6:], f"{check:02d}")
        return "".join(piece + part for piece, part in zip(pieces, [*parts, ""], strict=True))

    assert LeakKind.FOREIGN in kinds(f"zie {word}{spelt(right)}.")
    assert LeakKind.FOREIGN not in kinds(f"zie {word}{spelt(wrong)}.")


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


def test_every_kind_of_leak_describes_itself() -> None:
    assert len({kind.description() for kind in LeakKind}) == len(LeakKind)
