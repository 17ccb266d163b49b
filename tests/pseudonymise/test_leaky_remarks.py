"""Recall and false alarms of the leak scan on remarks with planted identifiers of every kind."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymise.leak_names import NameWords, Words
from pseudonymise.leak_own import rows_with_own_numbers
from pseudonymise.leak_scan import any_leak, scan_text
from synthetic.leaky_remarks import KINDS, LeakyRemarks, leaky_remarks

ROWS = 40_000


@pytest.fixture(scope="module")
def planted() -> LeakyRemarks:
    return leaky_remarks(ROWS, seed=11, leaking=0.05)


@pytest.fixture(scope="module")
def leaking(planted: LeakyRemarks) -> np.ndarray:
    known = NameWords()
    known.add(planted.name)
    return any_leak(scan_text(planted.remarks, known, [planted.name], [planted.number]), ROWS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_planted_identifier_is_found(planted: LeakyRemarks, leaking: np.ndarray, kind: str) -> None:
    of_kind = pc.fill_null(pc.equal(planted.kind.cast(pa.string()), kind), False).to_numpy(zero_copy_only=False)
    assert of_kind.sum() > 100
    assert leaking[of_kind].all()


def test_remarks_with_dates_amounts_and_counts_raise_no_alarm(planted: LeakyRemarks, leaking: np.ndarray) -> None:
    clean = pc.is_null(planted.kind).to_numpy(zero_copy_only=False)
    assert clean.sum() > 0.9 * ROWS
    assert not leaking[clean].any()


def test_remarks_follow_from_their_row_number_alone() -> None:
    whole, part = leaky_remarks(100, seed=3, leaking=0.3), leaky_remarks(40, seed=3, first=60, leaking=0.3)
    assert whole.remarks[60:].equals(part.remarks)
    assert whole.kind[60:].to_pylist() == part.kind.to_pylist()


@given(st.lists(st.text(st.characters(codec="ascii"), max_size=30), max_size=6))
def test_words_of_plain_texts_are_read_as_those_of_texts_with_accents(texts: list[str]) -> None:
    array = pa.array(texts, pa.string())
    plain, marked = Words._plain(array), Words._marked(array)
    assert plain.row.tolist() == marked.row.tolist()
    assert plain.folded.to_pylist() == marked.folded.to_pylist()
    assert plain.capital.tolist() == marked.capital.tolist()


def test_rows_with_and_without_accents_keep_their_places() -> None:
    texts = pa.array(["Jansen was er", "Björnsson was er", None, "niemand", "Øster en Jansen"])
    words = Words.of(texts)
    assert list(zip(words.row.tolist(), words.folded.to_pylist(), words.capital.tolist(), strict=True)) == [
        *((0, "jansen", True), (0, "was", False)),
        *((1, "bjornsson", True), (1, "was", False)),
        (3, "niemand", False),
        *((4, "oster", True), (4, "jansen", True)),
    ]


def test_own_numbers_are_found_beside_accents_and_odd_quotes() -> None:
    texts = pa.array(["zie “H-2016-0001”", "zie H-2016-0001", "naïef: h-2016-0001", "naïef", "x H-2016-00012"])
    own = [pa.array(["H-2016-0001"] * 5), pa.array([None] * 5, pa.string())]
    assert rows_with_own_numbers(texts, own).tolist() == [True, True, True, False, False]
