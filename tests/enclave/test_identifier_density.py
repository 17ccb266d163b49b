"""A column of BSNs is told from a column of numbers, by how many pass the eleven-test."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from enclave.identifier_density import FORMS, CopyCheck, DensityCheck, bare


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


@pytest.mark.parametrize(
    "column",
    [
        pa.array([9_001_010_000_000_000 + n for n in range(40)]),
        pa.array([612_345_000 + n for n in range(40)]),
        pa.array([31_612_345_000 + n for n in range(40)], pa.float64()),
    ],
    ids=["BAG", "mobile", "mobile with country"],
)
def test_a_column_of_bag_or_mobile_numbers_is_a_leak_in_a_delivery(column: pa.Array) -> None:
    check, figures = DensityCheck(tuple(FORMS)), DensityCheck()
    for each in (check, figures):
        each.add(column)
    assert check.leaks()
    assert not figures.leaks()  # a release has sums of nine figures that begin alike


def test_numbers_by_chance_are_no_bag_or_mobile_numbers() -> None:
    rng = np.random.default_rng(5)
    check = DensityCheck(tuple(FORMS))
    check.add(pa.array(rng.integers(10**15, 9 * 10**15, 50_000)))
    check.add(pa.array(rng.integers(10**8, 10**9, 50_000)))
    assert not check.leaks()


def test_a_column_that_repeats_an_identifier_of_its_own_record_is_a_copy() -> None:
    kvk = pa.array(["09123456", None, "12345678", "00012345"])
    for values in (pa.array([9123456, 5, 12345678, 12345]), pa.array([9123456.0, None, 12345678.0, 12345.0])):
        check = CopyCheck()
        check.add(values, [bare(kvk)])
        assert check.leaks()
    for values in (
        pa.array([12345678, 9123456, 12345, 5]),  # of other records
        pa.array([9123456, 5, 12345678, 7]),  # two: fewer than can't be chance
        pa.array([True, False, True, True]),
    ):
        check = CopyCheck()
        check.add(values, [bare(kvk)])
        assert not check.leaks()


def test_short_numbers_and_few_among_many_are_no_copies() -> None:
    short = CopyCheck()
    short.add(pa.array([12, 13, 14, 15]), [bare(pa.array(["12", "13", "14", "0015"]))])
    assert not short.leaks()
    rare = CopyCheck()
    numbers = pa.array(range(100_000, 110_000))
    rare.add(numbers, [bare(pa.array([str(n) if n < 100_010 else "999999" for n in numbers.to_pylist()]))])
    assert not rare.leaks()  # 10 of 10,000 is no more than one in a thousand
