"""House numbers of all spellings come down to one number and one addition; different addresses stay apart."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.house_numbers import house_numbers
from enclave.identifier_forms import Reason
from enclave.identifiers import check

SPELLINGS = {
    "": "12; 012; nr. 12; Huisnummer 12; huisnr. 12; № 12; 12.0; 12,00; １２; 12 -; 12|n.v.t.; 12|-",
    "A": "12a; 12-A; 12 A; 12|a; 12|(A); 12a|A; 12\u00a0A; １２Ａ; 12,A; 12.0|a",
    "H": "12H; 12-h",
    "HS": "12 huis; 12hs; 12-HS; 12|Huis",
    "2": "12-2; 12-II; 12 II hoog; 12 2hoog; 12-2hg; 12 2-hg.; 12 2e etage; 12 tweede verdieping; 12²; 12|2.0; 12/2",
    "I": "12 I; 12-i",
    "1": "12-1; 12 I hoog; 12 1hg; 12 eenhoog; 12 eerste etage",
    "02": "12-02",
    "14": "12-14; 12 - 14; 12/14; 12 14",
    "BEL": "12 bel; 12 bel-etage",
    "SOUS": "12 sous; 12 souterrain",
    "PT": "12 parterre; 12-pt",
    "TO": "12 t/o; t/o 12; T.O. 12; tegenover 12; 12|to",
    "ATO": "t/o 12a; 12 a t/o",
    "BIS": "12 bis; 12-BIS; 12|bis.",
    "ABIS": "12 A-bis; 12a bis; 12a|bis",
    "BISA": "12 bis a; 12 bis-A",
    "RD": "12 rood; 12rd; 12|rood",
    "K4": "12 kamer 4; 12 kmr. 4; 12-K4; 12|k 4",
    "AP3": "12 app. 3; 12|appartement 3; 12-ap3",
    "WO3": "12 wo 3; 12 woning nr 3",
    "GED": "12 ged.; 12 gedeeltelijk",
    "HALF": "12½; 12 1/2",
}


def read(*written: str) -> list[tuple[str | None, str | None, Reason]]:
    number, addition = zip(*(f"{text}|".split("|")[:2] for text in written), strict=True)
    found = house_numbers(pa.array(number, pa.string()), pa.array(addition, pa.string()))
    columns = (found.number.to_pylist(), found.addition.to_pylist(), map(Reason, found.reason.to_pylist()))
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize("addition", SPELLINGS)
def test_all_spellings_of_an_addition_are_one(addition: str) -> None:
    assert set(read(*SPELLINGS[addition].split("; "))) == {("12", addition, Reason.OK)}


@pytest.mark.parametrize(
    ("written", "number", "reason"),
    [
        ("12|onbekend", "12", Reason.UNKNOWN),
        ("12|?", "12", Reason.UNKNOWN),
        ("12 t/m 14", "12", Reason.MALFORMED),
        ("12 en 14", "12", Reason.MALFORMED),
        ("12+14", "12", Reason.MALFORMED),
        ("12-1-2", "12", Reason.MALFORMED),
        ("12|é", "12", Reason.MALFORMED),
        ("12|achterhuis links", "12", Reason.MALFORMED),
        ("A12", None, Reason.MALFORMED),
        ("123456", None, Reason.MALFORMED),
        ("000", None, Reason.ALL_ZERO),
        ("|A", None, Reason.MISSING),
    ],
)
def test_what_is_no_addition_is_unknown_and_not_none(written: str, number: str | None, reason: Reason) -> None:
    assert read(written) == [(number, None, reason)]


LETTER, TAIL = st.sampled_from(["", *"ABCHIKTVZ"]), st.sampled_from(["", "1", "2", "14", "02", "BIS", "HS", "RD", "TO"])
HOW = st.sampled_from(["{0}-{1}|", "00{0} {1}|", "{0}|{1}", "Nr. {0}|-{1}."])


@given(st.integers(1, 99999), LETTER, TAIL, st.sampled_from(["", " ", "-", " - "]), HOW)
def test_addresses_that_differ_are_read_apart_however_they_are_written(
    number: int, letter: str, tail: str, mark: str, how: str
) -> None:
    written = how.format(number, mark.join(part for part in (letter, tail) if part))
    assert read(written, written.lower()) == [(str(number), letter + tail, Reason.OK)] * 2


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=8)), max_size=8))
def test_whatever_is_read_reads_again_as_itself(written: list[tuple[str, str]]) -> None:
    columns = [
        pa.array([f"12{pair[0]}" for pair in written], pa.string()),
        pa.array([p[1] for p in written], pa.string()),
    ]
    first = house_numbers(*columns)
    again = house_numbers(first.number, first.addition)
    known = first.addition.is_valid()
    assert again.addition.filter(known).equals(first.addition.filter(known))
    assert again.number.equals(first.number)


@pytest.mark.parametrize(
    "written", ["1234 AB 12-2", "1234ab, 12 II hoog", "12 2hg, 1234 AB", "1234AB|012|2", "1234AB|12-2|"]
)
def test_an_address_in_one_column_has_one_canonical_text(written: str) -> None:
    assert check("address", pa.array([written])).canonical.to_pylist() == ["1234AB|12|2"]
