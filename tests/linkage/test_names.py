"""Dutch names and dates as suppliers write them come down to the same parts."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
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
    ],
)
def test_whole_names_are_taken_apart(
    written: str | None, surname: str | None, other: str | None, first: str | None
) -> None:
    parts = full_name_parts(pa.array([written], pa.string()))
    assert [parts.surname[0].as_py(), parts.other[0].as_py(), parts.first[0].as_py()] == [surname, other, first]


@pytest.mark.parametrize(
    "written", ["de Vries-Jansen", "De Vries / Jansen", "Vries e/v Jansen", "de vries geb. jansen", "Vries–Jansen"]
)
def test_both_names_of_a_married_person_count(written: str) -> None:
    parts = surname_parts(pa.array([written]), pa.array(["Anna"]))
    assert (parts.surname[0].as_py(), parts.other[0].as_py()) == ("jansen", "vries")


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


@given(st.lists(st.one_of(st.none(), st.text(KNOWN, max_size=30)), min_size=1, max_size=8))
def test_any_text_gives_parts_of_letters_or_nothing(texts: list[str | None]) -> None:
    table = pa.table({name: pa.array(texts, pa.string()) for name in "nbph"})
    made = prepare(table, {"full_name": "n", "birth_date": "b", "postcode": "p", "house_number": "h"})
    assert made.column_names == list(FIELDS)
    assert made.num_rows == len(texts)
    for name in ("surname", "other", "first"):
        # Arrow knows letters of a later Unicode than this Python does: to it they are unassigned
        left = "".join(c for value in made[name].to_pylist() for c in value or "a" if unicodedata.category(c) != "Cn")
        assert left == "" or left.isalpha()
