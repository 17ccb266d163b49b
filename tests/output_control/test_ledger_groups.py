"""Groups of models (leaves, clusters) and sums of cells, beside what was released before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.requests import (
    BoxPlotRequest,
    ClustersRequest,
    HistogramRequest,
    OutputRequest,
    RegressionRequest,
    Term,
    TreeRequest,
)
from output_control.ledger.released import pack, unpack
from tests.output_control.distribution_requests import asked
from tests.output_control.gate_world import CLASSIFICATIONS
from tests.output_control.ledger_models import HOMES, REGRESSION, TABLE, passes, people, refused
from tests.output_control.ledger_world import Past, flat, homes, table_request

FLAG = asked(TreeRequest, name="leaves", outcome="y", features=("small",))
CLUSTERS = asked(ClustersRequest, features=("worth",), clusters=2)


def with_leaves(small: range, count: int = 800, **columns: list[object]) -> pa.Table:
    """Homes of which those in ``small`` are so, and are worth little; one in two of the first 400 has the outcome, and
    one in ten of the others."""
    here = range(count)
    return homes(
        small=[int(i in small) for i in here],
        y=[int(i % 2 == 0 if i < 400 else i % 10 == 0) for i in here],
        worth=[float(1 + i % 7 / 100 if i in small else 5 + i % 7 / 100) for i in here],
        **columns,
    )


@pytest.mark.parametrize("request_", [FLAG, CLUSTERS], ids=["leaves", "clusters"])
def test_a_group_of_a_model_that_differs_by_a_few_from_one_released_before_is_refused(
    tmp_path: Path, request_: OutputRequest
) -> None:
    """The same 800 homes both times: only who is in which leaf or cluster is another."""
    past = Past(tmp_path)
    past.release("first-v1", with_leaves(range(300)), request_)
    for other in (range(299), range(291), range(1, 301)):
        found = refused(past, with_leaves(other), request_)
        assert f"{request_.name} and {request_.name} of first-v1 are about the same units but for fewer" in found
        assert "of leaves, clusters and classes, ask for fewer" in found
    for other in (range(300), range(280), range(20, 320)):
        passes(past, with_leaves(other), request_)


def in_nearly_a_kind(few: int) -> pa.Table:
    """300 homes are of kind k1, and the leaf or cluster is of these but a few."""
    return with_leaves(range(300 - few), kind=["k1" if i < 300 else f"k{2 + i % 2}" for i in range(800)])


@pytest.mark.parametrize("request_", [FLAG, CLUSTERS], ids=["leaves", "clusters"])
def test_a_group_of_a_model_beside_a_cell_of_a_table(tmp_path: Path, request_: OutputRequest) -> None:
    past = Past(tmp_path)
    past.release("first-v1", in_nearly_a_kind(0), TABLE)
    assert "are about the same units but for fewer than 10" in refused(past, in_nearly_a_kind(3), request_)
    for few in (0, 20):
        passes(past, in_nearly_a_kind(few), request_)


@pytest.mark.parametrize("request_", [FLAG, CLUSTERS], ids=["leaves", "clusters"])
def test_a_cell_of_a_table_beside_a_group_of_a_model(tmp_path: Path, request_: OutputRequest) -> None:
    past = Past(tmp_path)
    past.release("first-v1", in_nearly_a_kind(3), request_)
    assert "are about the same units but for fewer than 10" in refused(past, in_nearly_a_kind(3), TABLE)


def test_groups_of_one_request_are_held_apart(tmp_path: Path) -> None:
    """Two measures that differ for all homes, and whose leaves are the same but for three."""
    data, rng = with_leaves(range(300)), np.random.default_rng(1)
    for name, first in (("height", 300), ("width", 297)):
        column = np.where(np.arange(800) < first, 0.0, 1.1) + rng.random(800)
        data = data.append_column(name, pa.array(column))
    data = data.set_column(3, "y", pa.array([int(i % 5 > 0 if i < 300 else i % 10 == 0) for i in range(800)]))
    height, width = (asked(TreeRequest, name=name, outcome="y", features=(name,), max_depth=1)
                     for name in ("height", "width"))  # fmt: skip
    assert "height and width of this request are about" in refused(Past(tmp_path), data, height, width)
    kinds = data.append_column("kind", pa.array(["k1" if i < 297 else f"k{2 + i % 2}" for i in range(800)]))
    assert "height and homes of this request are about" in refused(Past(tmp_path / "table"), kinds, height, TABLE)


def test_the_categories_that_leaves_count_are_held_apart(tmp_path: Path) -> None:
    """The same leaves, and the outcome of three more homes in one of them."""
    data = with_leaves(range(300))
    changed = [int(value or i in (1, 3, 5)) for i, value in enumerate(data["y"].to_pylist())]
    past = Past(tmp_path)
    past.release("first-v1", data, FLAG)
    passes(past, data, FLAG)
    assert "leaves of first-v1" in refused(past, data.set_column(3, "y", pa.array(changed)), FLAG)


def test_the_ledger_remembers_leaves_with_the_nodes_above_them(tmp_path: Path) -> None:
    out = Past(tmp_path).release("first-v1", with_leaves(range(300)), FLAG)
    (held,) = unpack(out.released_cells, "first-v1")
    cells = dict(zip((held.table.labels(i) for i in range(len(held.table))), held.table.freq.tolist(), strict=True))
    assert {leaf: count for (leaf, outcome), count in cells.items() if outcome == "all of it"} == {
        "0": 800, "1": 500, "2": 300,
    }  # fmt: skip
    assert cells["2", "event"] == 150 and cells["0", "none"] == 560
    assert pack([held]) == out.released_cells


# levels and classes ---------------------------------------------------------------------------------------------------

BY_KIND = Term(column="kind", categorical=True, reference="k2")
LEVELS = {
    "levels": asked(RegressionRequest, family="ols", outcome="worth", terms=(Term(column="size"), BY_KIND)),
    "dummy": asked(RegressionRequest, family="ols", outcome="worth", terms=(Term(column="size"), Term(column="k1"))),
    "boxes": asked(BoxPlotRequest, measure="worth", by="kind"),
    "classes": asked(HistogramRequest, measure="number", start=0.0, width=1.0, bins=4),
}


def in_kinds() -> pa.Table:
    """Homes with their kind as a number, and as a dummy of the first kind."""
    here = range(HOMES)
    return (
        people()
        .append_column("number", pa.array([i % 3 + 0.5 for i in here]))
        .append_column("k1", pa.array([int(i % 3 == 0) for i in here]))
    )


@pytest.mark.parametrize(
    ("which", "beside"), [("levels", "model"), ("dummy", "table"), ("boxes", "model"), ("classes", "table")]
)
def test_a_level_of_a_model_that_is_a_level_or_a_cell_but_for_a_few_is_refused(
    tmp_path: Path, which: str, beside: str
) -> None:
    """Populations that differ by hundreds: all homes; and half of the second kind beside the first kind, less a few."""
    past, data = Past(tmp_path), in_kinds()
    past.release("first-v1", data, LEVELS[which] if beside == "model" else TABLE)

    def part(less: int) -> pa.Table:
        there = [i for i in range(HOMES) if (i % 3 == 0 and i >= 3 * less) or (i % 3 == 1 and i < 300)]
        return data.take(pa.array(there))

    assert "are about the same units but for fewer than 10" in refused(past, part(3), LEVELS[which])
    passes(past, part(0), LEVELS[which])
    passes(past, part(12), LEVELS[which])


def test_the_ledger_holds_the_records_of_levels_once(tmp_path: Path) -> None:
    out = Past(tmp_path).release("first-v1", in_kinds(), LEVELS["levels"])
    whole, kinds = unpack(out.released_cells, "first-v1")
    assert kinds.rows.row is whole.rows.row
    assert kinds.table.freq.tolist() == [HOMES, HOMES / 3, HOMES / 3, HOMES / 3]
    assert pack([whole, kinds]) == out.released_cells
    assert len(out.released_cells) < 1.5 * len(pack([whole]))


# sums of cells --------------------------------------------------------------------------------------------------------


def in_areas() -> pa.Table:
    """60 homes in each of ten areas, of two kinds, which go alike through all areas."""
    return people().append_column("area", pa.array([f"a{i % 10}" for i in range(HOMES)]))


AREAS = {"area": flat("area", "a", 10), **CLASSIFICATIONS}
SUMS: dict[str, Callable[[int], bool]] = {
    "some areas": lambda home: home % 10 in {0, 1, 2},
    "all but some areas": lambda home: home % 10 > 2,
    "an area and a kind in the others": lambda home: home % 10 == 0 or home % 3 == 0,
    "a kind and not in an area": lambda home: home % 3 == 0 and home % 10 > 1,
}


def in_sum(which: str, less: int) -> pa.Table:
    """The homes of some cells, but for a few."""
    return in_areas().take(pa.array([i for i in range(HOMES) if SUMS[which](i)][less:]))


def test_a_model_of_several_cells_of_a_table_but_for_a_few(tmp_path: Path) -> None:
    """No cell of the table is nearly the model's population, but cells that it publishes add up to nearly it."""
    past = Past(tmp_path, classifications=AREAS)
    past.release("first-v1", in_areas(), table_request("area", "kind"))
    for which in SUMS:
        for less in (2, 9):
            assert "are about the same units but for fewer than 10" in refused(past, in_sum(which, less), REGRESSION)
        for less in (0, 10):
            passes(past, in_sum(which, less), REGRESSION)


@pytest.mark.parametrize("which", SUMS)
def test_a_table_of_which_several_cells_are_a_model_but_for_a_few(tmp_path: Path, which: str) -> None:
    for less, told in ((2, True), (10, False)):
        past = Past(tmp_path / str(less), classifications=AREAS)
        past.release("first-v1", in_sum(which, less), REGRESSION)
        if told:
            found = refused(past, in_areas(), table_request("area", "kind"))
            assert "are about the same units but for fewer than 10" in found
        else:
            passes(past, in_areas(), table_request("area", "kind"))


@pytest.mark.parametrize(("less", "told"), [(0, False), (3, True), (20, False)])
def test_a_cell_of_a_table_that_several_leaves_add_up_to_but_for_a_few(tmp_path: Path, less: int, told: bool) -> None:
    """Two leaves on either side of a third, and the table's first kind is both of them."""
    here = range(HOMES)
    data = homes(
        x=[float(i // 200) for i in here],
        y=[int(i % 10 < 3 * (i // 200) + 2) for i in here],
        kind=["k1" if i // 200 != 1 and i >= less else "k2" for i in here],
    )
    tree = asked(TreeRequest, name="leaves", outcome="y", features=("x",), max_depth=2)
    past = Past(tmp_path)
    out = past.release("first-v1", data, tree)
    (held,) = unpack(out.released_cells, "first-v1")
    assert sorted(held.table.freq[held.table.codes[:, 1] == 0]) == [200, 200, 200, 400, 600]
    if told:
        assert "homes and leaves of first-v1 are about the same units" in refused(past, data, TABLE)
    else:
        passes(past, data, TABLE)
