"""The effect of non-linkage on totals, by arithmetic, on both engines' rows, and what researchers see of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from enclave.engine import open_engine
from linkage.key_totals import CellTotal, KeyTotal, cell_totals, key_total


def cell(delivered: float, linked: float, records: int, linked_records: int) -> CellTotal:
    return CellTotal(delivered=delivered, linked=linked, records=records, linked_records=linked_records)


def test_a_total_is_off_by_what_unlinked_records_would_have_had() -> None:
    cells = {"a": cell(1000, 1000, 100, 100), "b": cell(3000, 1500, 100, 50)}  # 10 each; 30 each, half of them linked
    found = key_total("amount", cells, {"a": 1.0, "b": 2.0})
    # 150 of 200 linked hold 2500: 2500 · 200/150 = 3333.3 of 4000; by weights 1000 + 2 · 1500 = 4000
    assert (found.plain, found.weighted) == (-0.1667, 0.0)
    assert (found.linked, found.unlinked) == (150, 50)


@pytest.mark.parametrize("cells", [{}, {"a": cell(0, 0, 10, 5)}, {"a": cell(50, 0, 10, 0)}])
def test_of_nothing_there_is_no_effect(cells: dict[str, CellTotal]) -> None:
    found = key_total("x", cells, dict.fromkeys(cells, 1.0))
    assert (found.plain, found.weighted) == (None, None)


def test_researchers_see_two_decimals_and_nothing_of_few() -> None:
    found = KeyTotal(column="x", linked=150, unlinked=50, plain=-0.1667, weighted=0.0049)
    assert found.for_researchers() == found.model_copy(update={"plain": -0.17, "weighted": 0.0})
    for linked, unlinked in ((150, 9), (9, 150), (9, 1)):
        few = found.model_copy(update={"linked": linked, "unlinked": unlinked}).for_researchers()
        assert (few.linked, few.unlinked, few.plain, few.weighted) == (None, None, None, None)
    assert found.model_copy(update={"unlinked": 0}).for_researchers().plain == -0.17


def test_cells_are_added_up_by_category_and_status(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "sex": ["1", "1", "2", "2"],
            "status": ["R", "", "R", "R"],
            "total_0": [10.0, 5.0, None, 2.0],
        }
    )
    with open_engine("duckdb", scratch=tmp_path, readable=[], threads=1, memory_gib=1) as engine:
        engine.load("v", rows.to_reader())
        found = {row["sex"]: row["amount"] for row in cell_totals("v", ["sex"], ["amount"], engine)}
        (whole,) = cell_totals("v", [], ["amount"], engine)
    assert found == {"1": cell(15, 10, 2, 1), "2": cell(2, 2, 1, 1)}
    assert whole["amount"] == cell(17, 12, 3, 2)
