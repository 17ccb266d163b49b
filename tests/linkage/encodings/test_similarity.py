"""Alike filters: all pairs against brute force, blocking against its own promise, and who is linked to whom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.assignment import Pairs, mutual_best
from linkage.encodings.encoder import Encoder
from linkage.encodings.linkage_schema import load_linkage_schema
from linkage.encodings.match import match_filters
from linkage.encodings.secret import SharedSecret
from linkage.encodings.similarity import CANDIDATES, Blocking, blocking_for, similar_pairs
from linkage.person_fields import REGISTER_COLUMNS, prepare
from synthetic.misspelt_persons import misspelt_persons
from tests.conftest import CHECKOUT


def near(filters: np.ndarray, flips: int, rng: np.random.Generator) -> np.ndarray:
    bits = np.unpackbits(filters, axis=1)
    for row in bits:
        row[rng.choice(bits.shape[1], flips, replace=False)] ^= 1
    return np.packbits(bits, axis=1)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    one, two = np.unpackbits(a), np.unpackbits(b)
    total = int(one.sum()) + int(two.sum())
    return 2 * int((one & two).sum()) / total if total else 0.0


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 12), st.sampled_from([8, 13, 16]))
def test_all_pairs_above_the_threshold_are_found(seed: int, left: int, right: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 256, (rows, size), dtype=np.uint8) for rows in (left, right))
    found = similar_pairs(a, b, 0.5)
    expected = {(i, j): dice(a[i], b[j]) for i in range(left) for j in range(right) if dice(a[i], b[j]) >= 0.5}
    assert (
        dict(zip(zip(found.record.tolist(), found.unit.tolist(), strict=True), found.weight, strict=True)) == expected
    )


def test_pairs_of_tiles_and_of_large_sets_are_found_in_their_places() -> None:
    rng = np.random.default_rng(1)
    register = rng.integers(0, 256, (2500, 128), dtype=np.uint8)
    who = rng.permutation(2500)[:100]
    found = similar_pairs(near(register[who], 40, rng), register, 0.85)
    assert found.record.tolist() == list(range(100))
    assert found.unit.tolist() == who.tolist()


def test_a_record_keeps_its_most_similar_candidates_and_memory_stays_bounded() -> None:
    one = np.random.default_rng(2).integers(0, 256, (1, 128), dtype=np.uint8)
    many = np.concatenate([near(one, flips, np.random.default_rng(flips)) for flips in range(60)])
    found = similar_pairs(one, many, 0.5)
    assert found.unit.tolist() == list(range(CANDIDATES))  # fewer bits changed, more alike


def test_empty_filters_are_like_nothing() -> None:
    nothing = np.zeros((3, 128), dtype=np.uint8)
    assert len(similar_pairs(nothing, nothing, 0.6)) == 0
    assert len(similar_pairs(nothing[:0], nothing, 0.6)) == 0


def test_blocking_finds_what_it_promises_and_nothing_below_the_threshold() -> None:
    rng = np.random.default_rng(3)
    register = rng.integers(0, 256, (4000, 128), dtype=np.uint8)
    how = blocking_for(0.8, 4000, 4000, most=0)
    assert how is not None
    flips = 200  # of 1,024 bits: 80.5 % agree
    met = similar_pairs(near(register[:1000], flips, rng), register, 0.75, how)
    right = int((met.record == met.unit).sum())
    promised = 1000 * how.chance(1 - flips / 1024)
    assert promised > 940
    assert right >= promised - 5 * np.sqrt(1000 * 0.05 * 0.95)
    assert right == len(met)


def test_blocking_is_left_out_where_all_pairs_can_be_compared() -> None:
    assert blocking_for(0.8, 100_000, 100_000) is None
    large = blocking_for(0.8, 1_000_000, 18_000_000)
    assert large is not None
    assert large.chance(0.8) >= 0.95
    assert Blocking(1, 1).chance(0.5) == 0.5


pairs_of = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 4)), max_size=15)


@given(pairs_of)
def test_the_heaviest_free_pair_is_taken_first(drawn: list[tuple[int, int, int]]) -> None:
    listed = list({(r, u): (r, u, w) for r, u, w in drawn}.values())
    record, unit, weight = (np.array([p[at] for p in listed], dtype=np.int64) for at in range(3))
    chosen = mutual_best(Pairs(record, unit, weight.astype(np.float64), np.zeros(len(listed), dtype=np.int64)))
    taken: list[tuple[int, int]] = []
    for r, u, _ in sorted(listed, key=lambda p: (-p[2], p[0], p[1])):
        if all(r != other and u != another for other, another in taken):
            taken.append((r, u))
    assert {(listed[i][0], listed[i][1]) for i in np.flatnonzero(chosen)} == set(taken)


BASE = np.random.default_rng(4).integers(0, 256, (4, 128), dtype=np.uint8)
UNITS = pa.array(["Pa", "Pb", "Pc", "Pd"])


def links(delivered: np.ndarray, register: np.ndarray, *, margin: float, one_to_one: bool) -> dict[int, str]:
    found = match_filters(
        delivered,
        [(UNITS[: len(register)], register)],
        units=len(register),
        threshold=0.8,
        margin=margin,
        one_to_one=one_to_one,
    )
    assert found.units == len(register)
    return dict(zip(found.record.tolist(), found.unit.to_pylist(), strict=True))


@pytest.mark.parametrize("one_to_one", [False, True])
def test_of_two_units_that_are_exactly_alike_neither_is_taken(one_to_one: bool) -> None:
    register = np.concatenate([BASE[:1], BASE[:1], BASE[2:3]])
    for margin in (0.0, 0.05):
        assert links(BASE[:3], register, margin=margin, one_to_one=one_to_one) == {2: "Pc"}


def test_a_rival_within_the_margin_keeps_a_record_from_being_linked() -> None:
    rng = np.random.default_rng(5)
    register = np.concatenate([near(BASE[:1], 10, rng), near(BASE[:1], 30, rng)])
    assert links(BASE[:1], register, margin=0.005, one_to_one=False) == {0: "Pa"}
    assert links(BASE[:1], register, margin=0.1, one_to_one=False) == {}


def test_a_unit_that_belongs_to_another_record_by_more_is_no_rival() -> None:
    rng = np.random.default_rng(6)
    twin = near(BASE[:1], 60, rng)  # a twin: alike enough to be linked, were the other not there
    register = np.concatenate([BASE[:1], twin])
    delivered = np.concatenate([near(BASE[:1], 20, rng), near(twin, 20, rng)])
    assert links(delivered, register, margin=0.02, one_to_one=True) == {0: "Pa", 1: "Pb"}
    assert links(delivered[1:], register[:1], margin=0.02, one_to_one=True) == {0: "Pa"}  # alone it would be


def test_records_that_cannot_be_judged_are_not_tried() -> None:
    found = match_filters(
        BASE, [(UNITS, BASE)], units=4, threshold=0.8, margin=0.0, one_to_one=True, usable=np.array([True, False] * 2)
    )
    assert found.record.tolist() == [0, 2]
    assert found.links.tolist() == [1, 1]


def test_batches_of_the_register_make_no_difference() -> None:
    rng = np.random.default_rng(7)
    register = rng.integers(0, 256, (50, 128), dtype=np.uint8)
    units = pa.array([f"P{n}" for n in range(50)])
    delivered = near(register[::2], 60, rng)

    def linked(size: int) -> list[str]:
        batches = [(units[at : at + size], register[at : at + size]) for at in range(0, 50, size)]
        return match_filters(delivered, batches, units=50, threshold=0.8, margin=0.02, one_to_one=True).unit.to_pylist()

    assert linked(7) == linked(50) == [f"P{n}" for n in range(0, 50, 2)]


def test_planted_persons_are_found_and_hardly_anyone_else() -> None:
    planted = misspelt_persons(4000, 4000, seed=9)
    encoder = Encoder(load_linkage_schema(Path(CHECKOUT) / "configs/linkage/persons.json"), SharedSecret(b"s" * 40))
    delivered, register = (
        encoder.encode({name: table[name] for name in table.column_names}, where="x")
        for table in (prepare(planted.delivery, REGISTER_COLUMNS), prepare(planted.register, REGISTER_COLUMNS))
    )
    units = planted.register["RINPERSOON"].combine_chunks()
    found = match_filters(delivered, [(units, register)], units=4000, threshold=0.85, margin=0.03, one_to_one=True)
    right = (planted.truth[found.record] == found.unit.cast(pa.int64()).to_numpy()).sum()
    assert right / len(found.record) >= 0.999
    assert right / (planted.truth >= 0).sum() >= 0.97
