"""Dutch names and dates as suppliers write them come down to the same parts."""

from __future__ import annotations

import unicodedata
from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.name_parts import full_name_parts, surname_parts
from linkage.person_fields import FIELDS, prepare


@pytest.mark.parametrize(
    ("written", "surname", "other", "first"),
    [
        ("Anna Maria de Vries", "vries", None, "anna"),
        ("A.M. de Vries", "vries", None, "a"),
        ("Vries, A.M. de", "vries", None, "a"),
        ("VRIES, ANNA VAN DER", "vries", None, "anna"),
        ("Zoë in 't Hölter", "holter", None, "zoe"),
        ("Jan van der Berg-Jansen", "jansen", "berg", "jan"),
        ("Jan Pieter de Wit - van Dijk", "dyk", "wit", "jan"),
        ("J. IJzerman", "yzerman", None, "j"),
        ("J. Yzerman", "yzerman", None, "j"),
        ("Vries", "vries", None, None),
        ("Van", "van", None, None),
        ("", None, None, None),
        (None, None, None, None),
        ("A. Jansen e/v de Vries", "jansen", "vries", "a"),
        ("A. Jansen m/v Bakker", "jansen", "bakker", "a"),
        ("A. Jansen gehuwd met P. de Vries", "jansen", "vries", "a"),
        ("A. Jansen wed. de Vries", "jansen", "vries", "a"),
        ("A. de Vries geb. Jansen", "jansen", "vries", "a"),
        ("de Vries (geb. Jansen), A.", "jansen", "vries", "a"),
        ("A. Jansen (de Vries)", "jansen", "vries", "a"),
        ("A.M. (Anna) de Vries", "vries", None, "a"),
        ("A. Jansen-de Vries", "vries", "jansen", "a"),
        ("Jan-Willem de Vries", "vries", None, "jan"),
        ("wed. Jansen", "jansen", None, None),
        ("mw. A. Jansen", "jansen", None, "a"),
        ("dhr. P. de Boer", "boer", None, "p"),
        ("De heer J. Bos", "bos", None, "j"),
        ("De Heer J.", "heer", None, "j"),
        ("prof.dr.ir. J. Bos", "bos", None, "j"),
        ("Jansen, mevr. drs. A.", "jansen", None, "a"),
        ("J. Bos jr.", "bos", None, "j"),
        ("Bos sr., J.", "bos", None, "j"),
        ("J. Senior", "senior", None, "j"),
        ("Bakker P.J.", "bakker", None, "p"),
        ("BAKKER P J", "bakker", None, "p"),
        ("Berg P.J. van den", "berg", None, "p"),
        ("Berg van den, P.J.", "berg", None, "p"),
        ("Berg, v.d.", "berg", None, None),
        ("J. v/d Berg", "berg", None, "j"),
        ("J.v.d. Berg", "berg", None, "j"),
        ("Jan vd Berg", "berg", None, "jan"),
        ("de Vries", "vries", None, None),
        ("P. van t Hof", "hof", None, "p"),
        ("J. 's-Gravesande", "gravesande", None, "j"),
        ("L. d'Hondt", "hondt", None, "l"),
        ("A. el-Amrani", "amrani", None, "a"),
    ],
)
def test_whole_names_are_taken_apart(
    written: str | None, surname: str | None, other: str | None, first: str | None
) -> None:
    parts = full_name_parts(pa.array([written], pa.string()))
    assert [parts.surname[0].as_py(), parts.other[0].as_py(), parts.first[0].as_py()] == [surname, other, first]


@pytest.mark.parametrize(
    "written",
    [
        "de Vries-Jansen",
        "De Vries / Jansen",
        "de vries geb. jansen",
        "Vries–Jansen",
        "Jansen e/v de Vries",
        "Jansen, wed. de Vries",
        "JANSEN EV V/D VRIES",
        "Jansen (de Vries)",
    ],
)
def test_both_names_of_a_married_person_count_the_own_name_first(written: str) -> None:
    parts = surname_parts(pa.array([written]), pa.array(["mw. drs. Anna"]))
    assert [column[0].as_py() for column in (parts.surname, parts.other, parts.first)] == ["jansen", "vries", "anna"]


SURNAMES, PARTNERS = ("Bakker", "Heer", "IJzerman", "Çelik"), ("Jansen", "Öztürk")
PREFIXES = ("", "de ", "van den ", "v.d. ", "v/d ", "van 't ", "op de ")
TITLES = ("", "mw. ", "Dhr. ", "mevr. drs. ", "prof.dr. ", "De heer ")
GIVEN = {"A.": "a", "P.J.": "p", "Anna": "anna", "Jan-Willem": "jan"}
FORMS = (
    "{title}{given} {before}{name}{suffix}",
    "{name}{suffix}, {title}{given} {before}",
    "{before}{name}, {title}{given}",
)
MORE = ("{name} {before}, {given}", "{name} {initials} {before}", "{before}{name} {initials}")
BOTH = ("{1}-{0}", "{1} - {0}", "{0} e/v {1}", "{1} geb. {0}", "{0} (gehuwd met {1})", "{0}, wed. {1}", "{0} ({1})")


def letters(name: str) -> str:
    return name.lower().replace("ij", "y").translate(str.maketrans("çöü", "cou"))


def misread(written: list[str], expected: list[tuple[str, str | None, str]]) -> set[str]:
    """Names that are read otherwise, as they are or in capitals."""
    found: set[str] = set()
    for texts in (written, [text.upper() for text in written]):
        parts = full_name_parts(pa.array(texts))
        read = zip(parts.surname.to_pylist(), parts.other.to_pylist(), parts.first.to_pylist(), strict=True)
        found |= {text for text, was, wanted in zip(texts, read, expected, strict=True) if was != wanted}
    return found


def test_a_name_is_read_back_however_it_is_written() -> None:
    names = list(product(FORMS + MORE, PREFIXES, SURNAMES, TITLES, GIVEN, ("", " jr.", ", Sr")))
    written = [
        form.format(before=before, name=name, title=title, given=first, initials="J. M.", suffix=suffix).strip()
        for form, before, name, title, first, suffix in names
    ]
    expected = [
        (letters(name), None, "j" if "initials" in form else GIVEN[first]) for form, _, name, _, first, _ in names
    ]
    assert misread(written, expected) == set()


def test_own_and_partners_name_are_read_back_however_they_are_joined() -> None:
    names = product(BOTH, PREFIXES, SURNAMES, ("", "de ", "v/d "), PARTNERS, TITLES[::3], list(GIVEN)[1:3])
    written, expected = [], []
    for form, before, own, behind, partner, title, first in names:
        both = form.format(before + own, behind + partner)
        written += [f"{title}{first} {both}", f"{first} {both}" if "(" in form else f"{both}, {first}"]
        expected += [(letters(own), letters(partner), GIVEN[first])] * 2
    assert misread(written, expected) == set()


@pytest.mark.parametrize(
    ("one", "other"), [("Meijer", "Meyer"), ("Schout", "Schaut"), ("Smidt", "Smit"), ("Visser", "Fisser")]
)
def test_names_that_sound_alike_are_found_by_their_sound(one: str, other: str) -> None:
    parts = surname_parts(pa.array([one, other]), pa.array(["", ""]))
    assert parts.sound[0] == parts.sound[1]


@pytest.mark.parametrize(
    ("written", "birth", "swapped"),
    [
        ("01-02-1970", "19700201", "19700102"),
        ("1-2-1970", "19700201", "19700102"),
        ("1970-02-01", "19700201", "19700102"),
        ("19700201", "19700201", "19700102"),
        ("31-12-1980", "19801231", None),
        ("05-05-1980", "19800505", None),
        ("00-00-1980", None, None),
        ("unknown", None, None),
        ("", None, None),
    ],
)
def test_birth_dates_of_all_spellings_are_one_text(written: str, birth: str | None, swapped: str | None) -> None:
    made = prepare(pa.table({"n": ["x"], "b": [written]}), {"surname": "n", "birth_date": "b"})
    assert [made["birth"][0].as_py(), made["swapped"][0].as_py()] == [birth, swapped]


def test_a_postcode_without_letters_still_tells_the_place() -> None:
    table = pa.table({"n": ["x"] * 3, "b": [""] * 3, "p": ["1234 ab", "1234", "ab"], "h": ["0012a", "12-2", ""]})
    made = prepare(table, {"surname": "n", "birth_date": "b", "postcode": "p", "house_number": "h"})
    assert made["postcode"].to_pylist() == ["1234AB", None, None]
    assert made["place"].to_pylist() == ["1234", "1234", None]
    assert made["number"].to_pylist() == ["12", "12", None]


# Arrow knows letters of a newer Unicode than Python does, which takes them for unassigned
KNOWN = st.characters(exclude_categories=("Cs", "Cn"))


@settings(max_examples=30)  # each reads whole columns
@given(st.lists(st.one_of(st.none(), st.text(KNOWN, max_size=30)), min_size=1, max_size=30))
def test_any_text_gives_parts_of_letters_or_nothing(texts: list[str | None]) -> None:
    table = pa.table({name: pa.array(texts, pa.string()) for name in "nbph"})
    made = prepare(table, {"full_name": "n", "birth_date": "b", "postcode": "p", "house_number": "h"})
    assert made.column_names == list(FIELDS)
    assert made.num_rows == len(texts)
    for name in ("surname", "other", "first"):
        # Arrow knows letters of a later Unicode than this Python does: to it they are unassigned
        left = "".join(c for value in made[name].to_pylist() for c in value or "a" if unicodedata.category(c) != "Cn")
        assert left == "" or left.isalpha()
