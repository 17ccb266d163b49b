"""A column of BSNs is told from a column of numbers, by how many pass the eleven-test."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from enclave.identifier_density import DensityCheck


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
