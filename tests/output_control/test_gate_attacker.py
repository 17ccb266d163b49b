"""What an attacker makes of what the gate lets out, who knows the published file and the classifications alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from enclave.classifications import Classification
from enclave.errors import Refused
from tests.output_control.gate_files import CELLS, homes_of, members, rows_of
from tests.output_control.gate_world import (
    CLASSIFICATIONS,
    World,
    random_homes,
    table_request,
)


def lines_of(classification: Classification) -> Iterator[tuple[str, list[str]]]:
    for code in classification.codes:
        children = [each.code for each in classification.codes if each.parent == code.code]
        if children:
            yield code.code, children


class CsvAttacker:
    """Whole-number programmes over a released file: the least and the most that a hidden figure can be."""

    def __init__(self, content: bytes, columns: list[str]) -> None:
        self.rows = rows_of(content)
        self.place = {tuple(row[c] for c in columns): i for i, row in enumerate(self.rows)}
        shown = [None if row["value"] == "" else float(row["value"]) for row in self.rows]
        self.bounds = Bounds(
            np.array([0 if value is None else value for value in shown]),
            np.array([np.inf if value is None else value for value in shown]),
        )
        equations = []
        for position, column in enumerate(columns):
            others = [sorted({row[c] for row in self.rows}) for c in columns if c != column]
            for parent, children in lines_of(CLASSIFICATIONS[column]):
                for other in product(*others):
                    equation = np.zeros(len(self.rows))
                    for sign, code in [(-1, parent), *((1, child) for child in children)]:
                        equation[self.place[*other[:position], code, *other[position:]]] = sign
                    equations.append(equation)
        self.equations = LinearConstraint(np.array(equations), 0, 0)

    def interval(self, cell: tuple[str, ...]) -> tuple[float, float]:
        """The ends; an upper end without bound is infinite."""
        ends = []
        for sign in (1, -1):
            cost = np.zeros(len(self.rows))
            cost[self.place[cell]] = sign
            found = milp(cost, constraints=self.equations, bounds=self.bounds, integrality=np.ones(len(self.rows)))
            ends.append(np.inf if found.status == 3 or found.x is None else float(found.x[self.place[cell]]))
        return ends[0], ends[1]


def attack(data: pa.Table, content: bytes, columns: list[str]) -> int:
    """Check every sensitive cell of a released count, judged anew from the records; returns how many there were."""
    frame, attacker, sensitive = data.to_pandas(), CsvAttacker(content, columns), 0
    recurring = bool(frame["owner"].duplicated().any())
    for cell in attacker.place:
        inside = members(frame, columns, cell)
        if inside.empty:
            continue
        held = inside.groupby("owner").size().sort_values(ascending=False)
        count, largest = len(inside), int(held.iloc[0])
        width = 3 if len(held) < 10 else 0
        dominance = max(2 * largest - count, 0.1 * largest - (count - held.iloc[:2].sum()), 0) if recurring else 0
        reduced = 0
        if "flag" in columns and cell[columns.index("flag")] == "yes":
            total = tuple("all" if c == "flag" else code for c, code in zip(columns, cell, strict=True))
            group = members(frame, columns, total)
            for whole, part in ((len(group), count), (group["owner"].nunique(), len(held))):
                if whole >= 10 and (part > 0.9 * whole or whole - part < 10):
                    reduced = max(reduced, part - max(min(int(0.9 * whole), whole - 10), 0))
        if not (width or dominance or reduced):
            continue
        sensitive += 1
        low, high = attacker.interval(cell)
        assert attacker.rows[attacker.place[cell]]["value"] == ""
        assert high - low >= width
        assert high >= count + dominance
        assert low <= count - min(max(reduced, dominance), count)
    return sensitive


@given(seed=st.integers(0, 10**6), rows=st.integers(60, 400), owners=st.integers(30, 400))
@settings(max_examples=12)
def test_an_attacker_with_the_file_alone_narrows_no_sensitive_cell_below_the_policy(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int, owners: int
) -> None:
    data = random_homes(seed, rows, owners)
    try:
        out = World(tmp_path_factory.mktemp("w")).add("homes", data).check(table_request("region", "kind"))
    except Refused as error:
        assert "in one sensitive category" in str(error)
        return
    assert attack(data, out.outputs[CELLS], ["region", "kind"]) > 0


@given(seed=st.integers(0, 10**6), rows=st.integers(100, 400))
@settings(max_examples=8)
def test_an_attacker_learns_no_group_s_sensitive_category_either(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int
) -> None:
    data = random_homes(seed, rows, rows)
    chance = np.random.default_rng(seed).random(rows) < np.where(
        np.array(data.column("kind").to_pylist()) == "k2", 0.95, 0.3
    )
    data = data.set_column(4, "flag", pa.array(np.where(chance, "yes", "no").tolist()))
    try:
        out = World(tmp_path_factory.mktemp("w")).add("homes", data).check(table_request("kind", "flag"))
    except Refused as error:
        assert "in one sensitive category" in str(error)
        return
    assert attack(data, out.outputs[CELLS], ["kind", "flag"]) > 0


def test_two_ones_do_not_protect_each_other(tmp_path: Path) -> None:
    # hidden alone, they would be known to be 1 each, since an empty kind would be shown as 0: a third figure is hidden
    data = homes_of((1, "k1", "no", 0), (1, "k2", "no", 10), (100, "k3", "no", 100))
    out = World(tmp_path).add("homes", data).check(table_request("kind"))
    low, high = CsvAttacker(out.outputs[CELLS], ["kind"]).interval(("k1",))
    assert high - low >= 3
    (tmp_path / "exact").mkdir()
    lax = World(tmp_path / "exact", policy_overrides={"count_protection": {"kind": "exact"}}).add("homes", data)
    assert CsvAttacker(lax.check(table_request("kind")).outputs[CELLS], ["kind"]).interval(("k1",))[1] > 2


def test_the_attacker_itself_finds_what_a_careless_file_gives_away(tmp_path: Path) -> None:
    """The positive control: with one cell hidden by itself, the attacker computes it."""
    header = "kind,value\n"
    careless = header + "all,30\nk1,\nk2,12\nk3,13\n"
    assert CsvAttacker(careless.encode(), ["kind"]).interval(("k1",)) == (5, 5)
    careful = header + "all,30\nk1,\nk2,\nk3,13\n"
    assert CsvAttacker(careful.encode(), ["kind"]).interval(("k1",)) == (0, 17)
