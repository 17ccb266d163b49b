"""Licence plates, IBAN, phone, e-mail, foreign numbers, and numbers that are nobody's; python-stdnum is the oracle."""

from __future__ import annotations

import random
import re

import numpy as np
import pyarrow as pa
import pytest
from stdnum import iban as stdnum_iban
from stdnum.be import ssn as stdnum_be
from stdnum.de import idnr as stdnum_de
from stdnum.iso7064 import mod_11_10, mod_97_10
from stdnum.pl import pesel as stdnum_pl

from enclave.account_numbers import iban_structures
from enclave.identifiers import KINDS, Reason, check
from enclave.licence_plates import SIDECODES
from enclave.nobodys_identifiers import EXAMPLES

OK, MISSING, MALFORMED = Reason.OK, Reason.MISSING, Reason.MALFORMED
FAILED, ZERO = Reason.FAILED_CHECK, Reason.ALL_ZERO
TEST, UNKNOWN = Reason.TEST, Reason.UNKNOWN


def one(kind: str, value: str | None) -> tuple[str | None, Reason]:
    checked = check(kind, pa.array([value], pa.string()))
    return checked.canonical.to_pylist()[0], Reason(checked.reason.to_pylist()[0])


@pytest.mark.parametrize(
    ("kind", "value", "canonical", "reason"),
    [
        ("licence_plate", "ab-12-34", "AB1234", OK),  # sidecode 1: vowels were in use
        ("licence_plate", "GB-12-AD", None, FAILED),  # sidecode 4: no vowels since
        ("licence_plate", "gb 12 hd", "GB12HD", OK),
        ("licence_plate", "GBHD12", "GBHD12", OK),
        ("licence_plate", "12-GBD-1", "12GBD1", OK),
        ("licence_plate", "G-123-BD", "G123BD", OK),
        ("licence_plate", "123-GB-1", "123GB1", OK),
        ("licence_plate", "OB-12-GD", "OB12GD", OK),  # a trailer
        ("licence_plate", "BO-12-GD", None, FAILED),
        ("licence_plate", "AA-12-34", "AA1234", OK),  # the royal house
        ("licence_plate", "CD-12-BX", "CD12BX", OK),  # diplomats
        ("licence_plate", "12-KKK-1", None, FAILED),
        ("licence_plate", "12-SS-GB", None, FAILED),
        ("licence_plate", "12-34-56", None, MALFORMED),
        ("licence_plate", "AB-CD-EF", None, MALFORMED),
        ("licence_plate", "GB-12-H", None, MALFORMED),
        ("licence_plate", "n.v.t.", None, UNKNOWN),
        ("licence_plate", "", None, MISSING),
        ("iban", "NL86 INGB 0002 4455 88", "NL86INGB0002445588", OK),
        ("iban", "nl86ingb0002445588", "NL86INGB0002445588", OK),
        ("iban", "NL87INGB0002445588", None, FAILED),
        ("iban", "NL86ING00002445588", None, MALFORMED),
        ("iban", "NL86INGB000244558", None, MALFORMED),
        ("iban", "ZZ86INGB0002445588", None, MALFORMED),
        ("iban", "NL91ABNA0417164300", None, TEST),
        ("iban", "onbekend", None, UNKNOWN),
        ("phone", "06-23456789", "+31623456789", OK),
        ("phone", "+31 (0)6 2345 6789", "+31623456789", OK),
        ("phone", "0031623456789", "+31623456789", OK),
        ("phone", "(070) 337 38 00", "+31703373800", OK),
        ("phone", "0887654321", "+31887654321", OK),
        ("phone", "0612345678", None, TEST),
        ("phone", "0672345678", None, FAILED),
        ("phone", "0900 8844", None, FAILED),
        ("phone", "070337380", None, FAILED),
        ("phone", "+32 2 555 12 12", "+3225551212", OK),
        ("phone", "06234567890", None, FAILED),
        ("phone", "12", None, MALFORMED),
        ("phone", "999999999", None, UNKNOWN),
        ("email", " J.de.Vries@Gemeente.NL ", "j.de.vries@gemeente.nl", OK),
        ("email", "mailto:x@sub.gemeente.nl", "x@sub.gemeente.nl", OK),
        ("email", "x@gemeente", None, MALFORMED),
        ("email", "x@@gemeente.nl", None, MALFORMED),
        ("email", "x.@gemeente.nl", None, MALFORMED),
        ("email", "x@-gemeente.nl", None, MALFORMED),
        ("email", "x" * 65 + "@gemeente.nl", None, MALFORMED),
        ("email", "test@test.nl", None, TEST),
        ("email", "geen", None, UNKNOWN),
        ("foreign", "BE 85.07.30-033.28", "BE:85073003328", OK),
        ("foreign", "be85073003328", "BE:85073003328", OK),
        ("foreign", "BE 85.07.30-033.29", None, FAILED),
        ("foreign", "DE 36 574 261 809", "DE:36574261809", OK),
        ("foreign", "PL44051401359", "PL:44051401359", OK),
        ("foreign", "PL02381307589", None, FAILED),
        ("foreign", "FR 2 55 08 14 168 025 38", "FR:255081416802538", OK),
        ("foreign", "BE 85.27.30-033.71", "BE:85273003371", OK),
        ("foreign", "ES 12345678Z", "ES:12345678Z", OK),
        ("foreign", "ES 12345678A", None, FAILED),
        ("foreign", "IT RSSMRA85T10A562S", "IT:RSSMRA85T10A562S", OK),
        ("foreign", "IT RSSMRA85T10A562X", None, FAILED),
        ("foreign", "FR 2 55 08 14 168 025 39", None, FAILED),
        ("foreign", "FI 131052-308T", "FI:131052308T", OK),
        ("foreign", "SE 880320-0017", None, FAILED),
        ("foreign", "RO 1630615123457", "RO:1630615123457", OK),
        ("foreign", "RO 1630615123458", None, FAILED),
        ("foreign", "MA AB123456", "MA:AB123456", OK),
        ("foreign", "XX 1234", None, MALFORMED),
        ("foreign", "V-nummer 1234567890", "V:1234567890", OK),
        ("foreign", "v-nr: 1234567890", "V:1234567890", OK),
        ("foreign", "V1234567890", "V:1234567890", OK),
        ("foreign", "V:1234567890", "V:1234567890", OK),
        ("foreign", "VN 1234567890", "VN:1234567890", OK),
        ("foreign", "V-nr 0000000000", None, FAILED),
        ("foreign", "V-nr 123456789", None, MALFORMED),
        ("foreign", "1234567890", None, MALFORMED),
        ("foreign", "NL123456782", None, MALFORMED),
        ("foreign", "85073003328", None, MALFORMED),
        ("foreign", "?", None, UNKNOWN),
        ("bsn", "111222333", None, TEST),
        ("bsn", "12345672", None, TEST),
        ("bsn", "999999999", None, UNKNOWN),
        ("bsn", "onbekend", None, UNKNOWN),
        ("kvk", "12345678", None, TEST),
        ("kvk", "99999999", None, UNKNOWN),
        ("establishment", "000012345678", None, TEST),
    ],
)
def test_each_kind_has_its_form_its_check_and_its_way_to_say_unknown(
    kind: str, value: str, canonical: str | None, reason: Reason
) -> None:
    assert one(kind, value) == (canonical, reason)


@pytest.mark.parametrize("place", range(len(SIDECODES)))
def test_every_sidecode_is_read_with_and_without_hyphens(place: int) -> None:
    letters, figures = iter("GBHDJK"), iter("123456")
    plate = "".join(next(letters) if character == "X" else next(figures) for character in SIDECODES[place])
    hyphened = "-".join((plate[:2], plate[2:4], plate[4:]))
    assert {one("licence_plate", written) for written in (plate, plate.lower(), hyphened)} == {(plate, OK)}


def test_of_all_ways_to_order_letters_and_figures_fourteen_are_sidecodes() -> None:
    every = ["".join("G" if number >> bit & 1 else "7" for bit in range(6)) for number in range(64)]
    assert check("licence_plate", pa.array(every)).counts()[OK] == 14


def spoiled(texts: list[str], rng: random.Random) -> list[str]:
    """The texts, and as many with one character changed."""
    changed = []
    for text in texts:
        place = rng.randrange(len(text))
        changed.append(text[:place] + rng.choice("0123456789AZ") + text[place + 1 :])
    return texts + changed


def ibans(rng: random.Random, count: int) -> list[str]:
    """Valid numbers of every country in the registry."""
    made = []
    for _ in range(count):
        country, (_, pattern) = rng.choice(sorted(iban_structures().items()))
        body = ""
        for alphabet, width in re.findall(r"(\[[^]]+\])\{(\d+)\}", pattern)[1:]:
            letters = "0123456789" if alphabet == "[0-9]" else "ABCXYZ" if alphabet == "[A-Z]" else "0A9Z"
            body += "".join(rng.choice(letters) for _ in range(int(width)))
        made.append(f"{country}{mod_97_10.calc_check_digits(body + country)}{body}")
    return made


def test_ibans_are_judged_as_python_stdnum_judges_them() -> None:
    texts = [text for text in spoiled(ibans(random.Random(1), 3000), random.Random(2)) if text[2:4].isdigit()]
    ours = check("iban", pa.array(texts)).canonical.to_pylist()
    theirs = [text if stdnum_iban.is_valid(text, check_country=False) else None for text in texts]
    assert ours == theirs
    assert 3000 <= sum(text is not None for text in ours) < 5000


def test_letters_for_check_digits_that_python_stdnum_accepts_are_refused() -> None:
    assert stdnum_iban.is_valid("OMA0976AZZ9ZA0AAZAA00Z0", check_country=False)
    assert one("iban", "OMA0976AZZ9ZA0AAZAA00Z0") == (None, MALFORMED)


def test_foreign_numbers_are_judged_as_python_stdnum_judges_them() -> None:
    rng = random.Random(3)
    months = [*range(14), 21, 33, 41, 52, 61]
    belgian = [f"{rng.randrange(70, 100):02d}{rng.choice(months):02d}{rng.randrange(32):02d}{rng.randrange(999):03d}"
               for _ in range(2000)]  # fmt: skip
    belgian = [number + f"{97 - int(number) % 97:02d}" for number in belgian]
    german = ["".join(map(str, rng.sample(range(10), 10))) for _ in range(2000)]
    german = [number[:9] + rng.choice(number[:9]) for number in german]
    german = [number + mod_11_10.calc_check_digit(number) for number in german]
    polish = [f"{rng.randrange(100):02d}{rng.randrange(100):02d}{rng.randrange(32):02d}{rng.randrange(10000):04d}"
              for _ in range(2000)]  # fmt: skip
    polish = [number + stdnum_pl.calc_check_digit(number) for number in polish]
    for country, numbers, oracle in (("BE", belgian, stdnum_be), ("DE", german, stdnum_de), ("PL", polish, stdnum_pl)):
        texts = [text for text in spoiled(numbers, rng) if text.isdigit() and not (country == "BE" and text < "50")]
        ours = check("foreign", pa.array([f"{country}{text}" for text in texts])).reason.to_pylist()
        assert [reason == 0 for reason in ours] == [oracle.is_valid(text) for text in texts]
        assert 0.2 < np.mean(np.equal(ours, 0)) < 0.9


def test_test_ranges_are_usable_until_they_are_refused() -> None:
    for kind, value in (("bsn", "999990019"), ("kvk", "09000001"), ("bag", "9001010000000001"), ("email", "a@x.test")):
        values = pa.array([value])
        assert check(kind, values).counts()[OK] == 1
        assert check(kind, values, refuse_test_ranges=True).counts()[TEST] == 1


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_every_listed_example_would_pass_its_check_if_it_were_not_listed(kind: str) -> None:
    """Else the list guards nothing: the value as such is refused as a test, not for its form."""
    assert check(kind, pa.array(EXAMPLES[kind])).counts()[TEST] == len(EXAMPLES[kind])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "address"])
def test_every_kind_can_say_that_it_is_unknown(kind: str) -> None:
    words = ["onbekend", "n.v.t.", "NVT", "-", "?", "unknown", " Geen ", "xxx"]
    assert check(kind, pa.array(words)).counts()[UNKNOWN] == len(words)
