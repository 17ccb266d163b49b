"""Drawing numbers, and counting rows as they pass."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.entropy import SecureEntropy, SeededEntropy
from enclave.errors import NotReady
from linkage.tally import Tally
from linkage.units import draw_integers

NONE = np.empty(0, dtype=np.int64)


class Repeating:
    """The worst source: at first it says the same few numbers again and again."""

    def __init__(self, first: list[int]) -> None:
        self._first = first
        self.labels: list[str] = []

    def draw(self, count: int, label: str) -> bytes:
        self.labels.append(label)
        if len(self.labels) == 1:
            drawn = np.resize(np.array(self._first, dtype="<u8") << np.uint64(11), count // 8)
            return drawn.tobytes()
        return SeededEntropy(3).draw(count, label)


@given(count=st.integers(0, 300), taken=st.sets(st.integers(1, 2**53 - 1), max_size=20), seed=st.integers(0, 5))
def test_numbers_are_distinct_free_and_within_53_bits(count: int, taken: set[int], seed: int) -> None:
    used = np.array(sorted(taken), dtype=np.int64)
    drawn = draw_integers(count, used, SeededEntropy(seed), "x")
    assert len(set(drawn.tolist())) == count
    assert not set(drawn.tolist()) & taken
    assert all(1 <= number < 2**53 for number in drawn)
    assert all(int(float(number)) == number for number in drawn.tolist())
    assert drawn.tolist() == draw_integers(count, used, SeededEntropy(seed), "x").tolist()


def test_collisions_zeros_and_taken_numbers_are_drawn_again_under_another_label() -> None:
    source = Repeating([7, 0, 9, 7])
    drawn = draw_integers(8, np.array([9], dtype=np.int64), source, "x")
    assert drawn[0] == 7
    assert len(set(drawn.tolist())) == 8
    assert not {0, 9} & set(drawn.tolist())
    assert len(set(source.labels)) == len(source.labels) >= 2


def test_numbers_come_in_random_order_and_fill_the_range() -> None:
    """Mean of 20,000 uniform numbers: standard error 2^53 / sqrt(12 · 20,000); neighbours are as often up as down."""
    drawn = draw_integers(20_000, NONE, SecureEntropy(), "x").astype(float)
    assert abs(drawn.mean() - 2**52) < 6 * 2**53 / np.sqrt(12 * 20_000)
    rises = np.count_nonzero(np.diff(drawn) > 0)
    assert abs(rises - 10_000) < 6 * np.sqrt(20_000 / 12)


_records = st.lists(st.tuples(st.one_of(st.none(), st.integers(1, 5)), st.sampled_from(["a", "b"])), max_size=40)


@given(records=_records, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_counts_do_not_depend_on_how_rows_are_cut_into_batches(
    records: list[tuple[int | None, str]], cuts: list[int]
) -> None:
    ordered = sorted(records, key=lambda r: (r[0] is not None, r[0] or 0, r[1]))
    units = [unit for unit, _ in ordered]
    table = pa.table(
        {
            "k": pa.array(units, pa.int64()),
            "k_status": ["" if unit is None else "R" for unit in units],
            "v": pa.array([value for _, value in ordered], pa.string()),
        }
    )
    kept: list[pa.RecordBatch] = []
    tally = Tally(["k"], kept.append)
    edges = sorted({0, len(records), *(min(cut, len(records)) for cut in cuts)})
    for start, end in pairwise(edges):
        tally(table.slice(start, end - start).combine_chunks().to_batches()[0])
    per_unit = Counter(unit for unit in units if unit is not None)
    assert tally.rows == sum(batch.num_rows for batch in kept) == len(records)
    assert tally.duplicates == sum(n - 1 for n in Counter(ordered).values())
    assert tally.several == sum(n > 1 for n in per_unit.values())
    assert tally.most == max(per_unit.values(), default=0)
    assert tally.statuses["k"] == {"R": sum(per_unit.values()), "S": 0, "": units.count(None)}


def test_a_unit_without_a_number_stops_the_link() -> None:
    batch = pa.RecordBatch.from_pydict({"k": pa.array([None], pa.int64()), "k_status": ["R"]})
    with pytest.raises(NotReady, match="no number"):
        Tally(["k"], lambda _: None)(batch)
