"""Identifiers pass the published checks, are unique, and come from the reserved ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.nl import bsn

from synthetic.identifiers import NumberSpace, eleven_test, rin_object, rin_person, valid_numbers_below


@given(number=st.integers(10_000_000, 999_999_999))
def test_the_eleven_test_agrees_with_stdnum(number: int) -> None:
    assert bool(eleven_test(np.array([number]))[0]) == bsn.is_valid(f"{number:09d}")


def test_the_eleven_test_agrees_with_a_published_example() -> None:
    # 111222333 is the example of the Dutch tax office; 1*9+1*8+1*7+2*6+2*5+2*4+3*3+3*2-3 = 66 = 6 * 11
    assert eleven_test(np.array([111_222_333, 111_222_334])).tolist() == [True, False]


def test_the_reserve_holds_as_many_numbers_as_documented() -> None:
    numbers = valid_numbers_below(999_999_999, 9_200)
    assert (numbers >= 999_900_000).sum() == 9_091
    assert eleven_test(numbers).all()
    assert (np.diff(numbers) < 0).all()


def test_every_number_is_dealt_once() -> None:
    space = NumberSpace(seed=4, persons=12_345, others=777)
    persons = space.persons(np.arange(12_345))
    others = space.others(np.arange(777))
    assert len(set(persons.tolist()) | set(others.tolist())) == 12_345 + 777
    # one person in fifty: ceil(12345 / 50) = 247
    assert sum(number.startswith(b"0") for number in persons.tolist()) == 247


def test_register_numbers_are_unique_and_never_look_like_a_bsn() -> None:
    ids = np.concatenate([(np.arange(40) << 20) + offset for offset in range(0, 30_000, 7)])
    numbers = rin_person(9, ids)
    assert len(np.unique(numbers)) == len(ids)
    values = numbers.astype(np.int64)
    assert values.max() < 900_000_000
    assert not ((values >= 99_000_000) & (values < 100_000_000)).any()
    objects = rin_object(9, ids)
    assert len(np.unique(objects)) == len(ids)
    assert all(len(text) == 32 and text.isalpha() for text in objects[:100].tolist())


def test_the_key_register_holds_valid_unique_identifiers(country: Path) -> None:
    persons = pd.read_parquet(country / "key_register/persons.parquet")
    entities = pd.read_parquet(country / "key_register/entities.parquet")
    addresses = pd.read_parquet(country / "key_register/addresses.parquet")
    firms = entities.drop_duplicates("BEID")
    numbers = pd.concat([persons.bsn, firms.rsin])
    assert numbers.is_unique
    assert eleven_test(numbers.astype(int).to_numpy()).all()
    assert numbers.str.fullmatch(r"9\d{8}|0999\d{5}").all()
    assert firms.kvk.str.fullmatch(r"09\d{6}").all() and firms.kvk.is_unique
    assert entities.establishment.str.fullmatch(r"0000\d{8}").all() and entities.establishment.is_unique
    assert (entities.groupby("BEID")[["rsin", "kvk", "name"]].nunique() == 1).all(axis=None)
    assert 0.05 < len(entities) / len(firms) - 1 < 0.12, "some entities have a second establishment"
    at = entities.merge(addresses, on=["postcode", "house_number", "addition", "street", "municipality"])
    assert len(at) == len(entities), "an entity's address is that of an object"
    assert addresses.bag_id.is_unique
    assert (addresses.bag_id.str[:6] == addresses.municipality + "01").all()
    assert addresses.bag_id.str.fullmatch(r"\d{16}").all()
    assert addresses.postcode.str.fullmatch(r"[1-9]\d{3}(?!SA|SD|SS)[A-Z]{2}").all()
    assert not addresses.duplicated(["postcode", "house_number", "addition"]).any()
    assert persons.RINPERSOON.is_unique and addresses.RINOBJECTNUMMER.is_unique


@pytest.mark.parametrize("column", ["surname", "first_names"])
def test_some_names_have_diacritics_that_cp1252_can_hold(country: Path, column: str) -> None:
    names = pd.read_parquet(country / "key_register/persons.parquet")[column]
    names.str.cat().encode("cp1252")
    assert 0.01 < (~names.map(str.isascii)).mean() < 0.5
